//! Checked rows, column by column.

use std::{borrow::Cow, collections::HashSet};

use serde_json::{Map, Value};

use super::{
    dates::Moment,
    field_error::{FieldError, FieldErrors, Problem},
    numbers,
    signature::{Feature, FeatureKind, Signature, ValueType},
    values::{Cell, cell},
};

/// The most names of ignored fields that are listed.
const IGNORED_MAX: usize = 100;

/// Rows that fit a signature, column by column in the order of its features.
#[derive(Debug, Clone)]
pub struct Rows {
    count: usize,
    columns: Vec<Column>,
}

/// The values of one feature. What is missing is NaN or `None`.
#[derive(Debug, Clone)]
pub enum Column {
    /// Numbers.
    Numbers(Vec<f64>),
    /// True and false.
    Flags(Vec<Option<bool>>),
    /// Texts, each in the spelling that the training knows.
    Texts(Vec<Option<Box<str>>>),
    /// Dates and times.
    Moments(Vec<Option<Moment>>),
}

/// Rows, and what was sent beside.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The rows.
    pub rows: Rows,
    /// Fields that the model does not use, at most a hundred.
    pub ignored: Vec<String>,
}

impl Rows {
    /// Checks one row. Fields may have the dataset's names, or the plain ones where those mean only one feature.
    ///
    /// # Errors
    /// Every field that is absent or wrong, by its name in the dataset.
    pub fn from_object(signature: &Signature, row: &Map<String, Value>) -> Result<Accepted, FieldErrors> {
        Self::read(signature, std::slice::from_ref(row), false)
    }

    /// Checks rows; errors have the number of their row.
    ///
    /// # Errors
    /// Every field that is absent or wrong, by its name in the dataset.
    pub fn from_objects(signature: &Signature, rows: &[Map<String, Value>]) -> Result<Accepted, FieldErrors> {
        Self::read(signature, rows, true)
    }

    /// Checks columns of equal lengths, as tensors have them.
    ///
    /// # Errors
    /// Every field that is absent or wrong, by its name in the dataset.
    pub fn from_columns(signature: &Signature, given: &[(String, Vec<Value>)]) -> Result<Accepted, FieldErrors> {
        let count = given.first().map_or(0, |(_, values)| values.len());
        let mut errors = FieldErrors::default();
        let mut used = HashSet::new();
        let mut columns = Vec::with_capacity(signature.features.len());
        for (place, feature) in signature.features.iter().enumerate() {
            let mut column = Column::with_capacity(feature.kind, count);
            let name = find(signature, place, feature, |name| given.iter().position(|(given, _)| given == name));
            match name.and_then(|name| given.get(name).map(|(_, values)| (name, values))) {
                None => errors.push(missing(feature)),
                Some((name, values)) => {
                    used.insert(name);
                    if values.len() != count {
                        let message = format!("Input should have {count} values, as the first column has");
                        errors.push(FieldError::new(Problem::Length, &feature.name, message, &Value::from(values.len())));
                    }
                    for (row, value) in values.iter().take(count).enumerate() {
                        column.read(feature, value, Some(row), &mut errors);
                    }
                }
            }
            columns.push(column);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let unused = given.iter().enumerate().filter(|(place, _)| !used.contains(place));
        let ignored = unused.map(|(_, (name, _))| name.clone()).take(IGNORED_MAX).collect();
        Ok(Accepted { rows: Self { count, columns }, ignored })
    }

    fn read(signature: &Signature, rows: &[Map<String, Value>], numbered: bool) -> Result<Accepted, FieldErrors> {
        let mut errors = FieldErrors::default();
        let mut ignored = Vec::new();
        let mut columns: Vec<Column> =
            signature.features.iter().map(|feature| Column::with_capacity(feature.kind, rows.len())).collect();
        for (number, row) in rows.iter().enumerate() {
            let number = numbered.then_some(number);
            let mut used = 0;
            for (place, (feature, column)) in signature.features.iter().zip(&mut columns).enumerate() {
                match find(signature, place, feature, |name| row.get(name)) {
                    Some(value) => {
                        used += 1;
                        column.read(feature, value, number, &mut errors);
                    }
                    None => errors.push(FieldError { row: number, ..missing(feature) }),
                }
            }
            if used < row.len() && ignored.len() < IGNORED_MAX {
                list_ignored(signature, row, &mut ignored);
            }
        }
        if errors.is_empty() { Ok(Accepted { rows: Self { count: rows.len(), columns }, ignored }) } else { Err(errors) }
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The columns, in the order of the signature's features.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Whether these rows were checked against such a signature.
    pub(super) fn fit(&self, signature: &Signature) -> bool {
        let kinds = signature.features.iter().map(|feature| feature.kind);
        self.columns.len() == signature.features.len() && self.columns.iter().zip(kinds).all(|(column, kind)| column.is_of(kind))
    }

    /// A row as an object with the dataset's names: what a worker of the same model takes, spelled as the training did.
    #[must_use]
    pub fn object(&self, signature: &Signature, row: usize) -> Map<String, Value> {
        let fields = signature.features.iter().zip(&self.columns);
        fields.map(|(feature, column)| (feature.name.clone(), column.value(row, feature.value_type))).collect()
    }
}

impl Signature {
    /// Whether a row has the feature at a place, in any of its spellings.
    pub(crate) fn is_given(&self, place: usize, row: &Map<String, Value>) -> bool {
        self.features.get(place).is_some_and(|feature| find(self, place, feature, |name| row.get(name)).is_some())
    }
}

/// Finds a field by the name of a feature, else by its other spellings.
fn find<T>(signature: &Signature, place: usize, feature: &Feature, look: impl Fn(&str) -> Option<T>) -> Option<T> {
    look(&feature.name).or_else(|| signature.aliases.get(place).and_then(|aliases| aliases.iter().find_map(|alias| look(alias))))
}

fn missing(feature: &Feature) -> FieldError {
    let message = "Field required; send null for a missing value".to_owned();
    FieldError::new(Problem::Missing, &feature.name, message, &Value::Null)
}

/// Adds the names of a row's fields that no feature takes.
fn list_ignored(signature: &Signature, row: &Map<String, Value>, ignored: &mut Vec<String>) {
    let mut taken: HashSet<&str> = HashSet::new();
    for (place, feature) in signature.features.iter().enumerate() {
        taken.extend(find(signature, place, feature, |name| row.get_key_value(name)).map(|(name, _)| name.as_str()));
    }
    for name in row.keys().filter(|name| !taken.contains(name.as_str())) {
        if ignored.len() < IGNORED_MAX && !ignored.contains(name) {
            ignored.push(name.clone());
        }
    }
}

impl Column {
    fn with_capacity(kind: FeatureKind, count: usize) -> Self {
        match kind {
            FeatureKind::Numeric => Self::Numbers(Vec::with_capacity(count)),
            FeatureKind::Boolean => Self::Flags(Vec::with_capacity(count)),
            FeatureKind::Categorical => Self::Texts(Vec::with_capacity(count)),
            FeatureKind::Date => Self::Moments(Vec::with_capacity(count)),
        }
    }

    fn is_of(&self, kind: FeatureKind) -> bool {
        matches!(
            (self, kind),
            (Self::Numbers(_), FeatureKind::Numeric)
                | (Self::Flags(_), FeatureKind::Boolean)
                | (Self::Texts(_), FeatureKind::Categorical)
                | (Self::Moments(_), FeatureKind::Date)
        )
    }

    fn read(&mut self, feature: &Feature, value: &Value, row: Option<usize>, errors: &mut FieldErrors) {
        match (self, cell(feature, value)) {
            (Self::Numbers(values), Ok(Cell::Number(value))) => values.push(value),
            (Self::Flags(values), Ok(Cell::Flag(value))) => values.push(value),
            (Self::Texts(values), Ok(Cell::Text(value))) => values.push(value),
            (Self::Moments(values), Ok(Cell::Moment(value))) => values.push(value),
            (_, Err(error)) => errors.push(FieldError { row, ..*error }),
            // A column is made for the kind of its feature, and a cell read by it.
            (_, Ok(_)) => {}
        }
    }

    /// The number of a row: of a date the days since 1970-01-01. `None` for a missing value, and for texts and booleans.
    #[must_use]
    pub fn number(&self, row: usize) -> Option<f64> {
        match self {
            Self::Numbers(values) => values.get(row).copied().filter(|value| !value.is_nan()),
            Self::Moments(values) => values.get(row).copied().flatten().map(Moment::days),
            Self::Flags(_) | Self::Texts(_) => None,
        }
    }

    /// The text of a row: `true` and `false` of booleans. `None` for a missing value, and for numbers and dates.
    #[must_use]
    pub fn text(&self, row: usize) -> Option<Cow<'_, str>> {
        match self {
            Self::Texts(values) => values.get(row)?.as_deref().map(Cow::Borrowed),
            Self::Flags(values) => values.get(row).copied().flatten().map(|flag| if flag { "true" } else { "false" }.into()),
            Self::Numbers(_) | Self::Moments(_) => None,
        }
    }

    /// The value of a row as JSON.
    #[must_use]
    pub fn value(&self, row: usize, value_type: ValueType) -> Value {
        match self {
            Self::Numbers(values) => {
                let Some(value) = values.get(row).copied().filter(|value| !value.is_nan()) else { return Value::Null };
                let whole = numbers::as_whole(value).filter(|_| value_type == ValueType::Int);
                whole.map_or_else(|| Value::from(value), Value::from)
            }
            Self::Flags(values) => values.get(row).copied().flatten().map_or(Value::Null, Value::from),
            Self::Texts(values) => values.get(row).and_then(Option::as_deref).map_or(Value::Null, Value::from),
            Self::Moments(values) => {
                values.get(row).copied().flatten().map_or(Value::Null, |moment| Value::from(moment.to_string()))
            }
        }
    }
}
