//! Checks everything that can be known without reading a row, and puts features in order.

use std::collections::HashMap;

use arrow::datatypes::Schema;
use gristmill_domain::datasets::{ColumnType, ROW_ID_COLUMN};
use gristmill_ingest::derive::DerivedColumn;

use crate::{
    catalog::{self, InputKind},
    column,
    error::{FeatureError, Problem, Reason},
    operation::Operation,
    outputs::{Inputs, Outputs},
    spec::FeatureSpec,
};

/// Most features that are made at a time.
pub const FEATURES_MAX: usize = 500;
/// Longest name of a feature, characters.
pub const NAME_LENGTH_MAX: usize = 200;

/// Features that can be made from tables with certain columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub(crate) columns: Vec<(String, ColumnType)>,
    pub(crate) features: Vec<PlannedFeature>,
}

/// A feature whose columns are known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlannedFeature {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) operation: Operation,
    pub(crate) source: Input,
    pub(crate) secondary: Option<Input>,
    pub(crate) target: Option<Input>,
    pub(crate) outputs: Outputs,
    /// How many times the rows must be walked before this one can be learned, or made where it learns nothing.
    pub(crate) level: usize,
}

/// A column that a feature is made from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) kind: ColumnType,
    /// The feature that makes it; `None`: it is the dataset's.
    pub(crate) made_by: Option<usize>,
}

impl PlannedFeature {
    /// All columns that it needs to be learned.
    pub(crate) fn all_inputs(&self) -> impl Iterator<Item = &Input> {
        self.inputs().chain(&self.target)
    }

    /// The columns that it needs to be made.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &Input> {
        std::iter::once(&self.source).chain(&self.secondary)
    }

    pub(crate) fn kinds(&self) -> Inputs {
        Inputs { source: self.source.kind, secondary: self.secondary.as_ref().map(|input| input.kind) }
    }

    pub(crate) fn learns(&self) -> bool {
        catalog::learns(self.operation.method())
    }
}

impl Plan {
    /// How many features there are.
    #[must_use]
    pub fn feature_count(&self) -> usize {
        self.features.len()
    }

    /// The columns of the tables that it was made for, in order.
    #[must_use]
    pub fn columns(&self) -> &[(String, ColumnType)] {
        &self.columns
    }

    /// How many times the rows must be walked until everything is learned.
    #[must_use]
    pub fn passes(&self) -> usize {
        self.features.iter().filter(|feature| feature.learns()).map(|feature| feature.level + 1).max().unwrap_or(0)
    }
}

/// The columns of an arrow schema in the types that datasets have. Columns in other types (lists, structs, …) are left out:
/// no feature can be made from them.
#[must_use]
pub fn columns_of(schema: &Schema) -> Vec<(String, ColumnType)> {
    let fields = schema.fields().iter();
    fields.filter_map(|field| Some((field.name().clone(), column::column_type(field.data_type())?))).collect()
}

/// Plans the enabled features for tables with these columns. A feature may use columns that features before it make.
///
/// # Errors
/// [`FeatureError::NoFeatures`], or [`FeatureError::Refused`] with everything that is wrong.
///
/// # Examples
/// ```
/// use gristmill_domain::{datasets::ColumnType, features::FeatureMethod};
/// use gristmill_features::{FeatureSpec, plan};
///
/// let columns = [("age".to_owned(), ColumnType::Integer)];
/// let specs = [
///     FeatureSpec::new(FeatureMethod::LogTransform, "age", "age_log"),
///     FeatureSpec::new(FeatureMethod::Standardize, "age_log", "age_score"),
/// ];
/// assert_eq!(plan(&specs, &columns)?.feature_count(), 2);
///
/// let wrong = [FeatureSpec::new(FeatureMethod::ExtractYear, "age", "year")];
/// let error = plan(&wrong, &columns).unwrap_err();
/// assert_eq!(
///     error.public_message(),
///     "Feature \"year\": sourceColumn \"age\" holds numbers, and extract_year needs dates; \
///      change the column's type, or choose another method."
/// );
/// # Ok::<(), gristmill_features::FeatureError>(())
/// ```
pub fn plan(specs: &[FeatureSpec], columns: &[(String, ColumnType)]) -> Result<Plan, FeatureError> {
    let mut planner = Planner::new(specs, columns);
    for (index, spec) in specs.iter().enumerate().filter(|(_, spec)| spec.enabled) {
        planner.add(index, spec);
    }
    let Planner { features, mut problems, enabled, .. } = planner;
    if enabled == 0 {
        return Err(FeatureError::NoFeatures);
    }
    if let Some((index, spec)) = specs.iter().enumerate().filter(|(_, spec)| spec.enabled).nth(FEATURES_MAX) {
        problems.truncate(FEATURES_MAX);
        problems.push(problem(index, spec, "featureName", Reason::TooMany { max: FEATURES_MAX }));
    }
    if problems.is_empty() { Ok(Plan { columns: columns.to_vec(), features }) } else { Err(FeatureError::Refused(problems)) }
}

fn problem(index: usize, spec: &FeatureSpec, field: &str, reason: Reason) -> Problem {
    Problem { index, feature: spec.feature_name.clone(), field: field.to_owned(), reason }
}

/// What is known of a column's name.
#[derive(Debug, Clone, Copy)]
struct Known {
    kind: ColumnType,
    made_by: Option<usize>,
}

struct Planner<'a> {
    specs: &'a [FeatureSpec],
    known: HashMap<String, Known>,
    features: Vec<PlannedFeature>,
    /// Names of features that have problems: what depends on them is not blamed.
    broken: Vec<&'a str>,
    problems: Vec<Problem>,
    enabled: usize,
}

impl<'a> Planner<'a> {
    fn new(specs: &'a [FeatureSpec], columns: &[(String, ColumnType)]) -> Self {
        let known = columns.iter().map(|(name, kind)| (name.clone(), Known { kind: *kind, made_by: None })).collect();
        Self { specs, known, features: Vec::new(), broken: Vec::new(), problems: Vec::new(), enabled: 0 }
    }

    fn add(&mut self, index: usize, spec: &'a FeatureSpec) {
        self.enabled += 1;
        if self.enabled > FEATURES_MAX {
            return;
        }
        let before = self.problems.len();
        let broken_before = self.broken.len();
        self.check_name(index, spec);
        let operation = self.operation(index, spec);
        let source = self.input(index, "sourceColumn", &spec.source_column);
        let secondary = self.secondary(index, spec);
        let target = match &operation {
            Some(Operation::TargetEncode { target_column, .. }) => self.target(index, spec, target_column),
            _ => None,
        };
        if let (Some(source), Some(operation)) = (&source, &operation) {
            self.check_kind(index, "sourceColumn", source, operation);
            if let Some(secondary) = &secondary {
                self.check_kind(index, "secondaryColumn", secondary, operation);
            }
        }
        if self.problems.len() == before
            && self.broken.len() == broken_before
            && let (Some(source), Some(operation)) = (source, operation)
        {
            self.accept(
                index,
                spec,
                PlannedFeature {
                    id: spec.id.clone(),
                    name: spec.feature_name.clone(),
                    level: 0,
                    outputs: Outputs::Known(Vec::new()),
                    operation,
                    source,
                    secondary,
                    target,
                },
            );
        }
        if self.problems.len() > before || self.broken.len() > broken_before {
            self.broken.push(&spec.feature_name);
        }
    }

    fn blame(&mut self, index: usize, field: &str, reason: Reason) {
        if let Some(spec) = self.specs.get(index) {
            self.problems.push(problem(index, spec, field, reason));
        }
    }

    fn check_name(&mut self, index: usize, spec: &FeatureSpec) {
        let name = spec.feature_name.as_str();
        let is_sound = !name.trim().is_empty() && name.chars().count() <= NAME_LENGTH_MAX && !name.contains(char::is_control);
        let earlier = self.specs.iter().take(index).filter(|earlier| earlier.enabled);
        if !is_sound {
            self.blame(index, "featureName", Reason::BadName { length_max: NAME_LENGTH_MAX });
        } else if name == ROW_ID_COLUMN {
            self.blame(index, "featureName", Reason::Reserved { name: name.to_owned() });
        } else if earlier.map(|earlier| &earlier.feature_name).any(|earlier| earlier == name) {
            self.blame(index, "featureName", Reason::NameTwice { name: name.to_owned() });
        } else if let Some(reason) = self.taken(name) {
            self.blame(index, "featureName", reason);
        }
    }

    /// Why a column cannot have this name.
    fn taken(&self, name: &str) -> Option<Reason> {
        let name = name.to_owned();
        match self.known.get(&name)?.made_by.and_then(|by| self.features.get(by)) {
            None => Some(Reason::ColumnExists { name }),
            Some(by) => Some(Reason::MadeTwice { name, by: by.name.clone() }),
        }
    }

    fn operation(&mut self, index: usize, spec: &FeatureSpec) -> Option<Operation> {
        match Operation::parse(spec.method, &spec.params) {
            Ok(operation) => Some(operation),
            Err(error) => {
                self.blame(index, &format!("params.{}", error.parameter), Reason::Parameter(error.fault));
                None
            }
        }
    }

    fn secondary(&mut self, index: usize, spec: &FeatureSpec) -> Option<Input> {
        if !catalog::needs_secondary(spec.method) {
            return None;
        }
        match spec.secondary_column.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => self.input(index, "secondaryColumn", name),
            None => {
                self.blame(index, "secondaryColumn", Reason::NoSecondary { method: spec.method });
                None
            }
        }
    }

    fn target(&mut self, index: usize, spec: &FeatureSpec, name: &str) -> Option<Input> {
        const FIELD: &str = "params.targetColumn";
        let column = name.to_owned();
        if name == spec.source_column {
            self.blame(index, FIELD, Reason::TargetIsSource { column });
            return None;
        }
        let input = self.input(index, FIELD, name)?;
        if input.kind == ColumnType::Date {
            self.blame(index, FIELD, Reason::DateTarget { column });
            return None;
        }
        Some(input)
    }

    /// Finds a column; blames the field when there is none.
    fn input(&mut self, index: usize, field: &str, name: &str) -> Option<Input> {
        if name == ROW_ID_COLUMN {
            self.blame(index, field, Reason::Reserved { name: name.to_owned() });
            return None;
        }
        if let Some(known) = self.known.get(name) {
            return Some(Input { name: name.to_owned(), kind: known.kind, made_by: known.made_by });
        }
        if let Some((made_by, kind)) = self.expected_maker(name) {
            return Some(Input { name: name.to_owned(), kind, made_by: Some(made_by) });
        }
        if let Some(broken) = self.broken.iter().copied().find(|broken| name.starts_with(*broken)) {
            self.broken.push(broken);
            return None;
        }
        let reason = self.missing(index, name);
        self.blame(index, field, reason);
        None
    }

    /// The feature that makes a column of this name if the data are so: the one with the longest beginning in common.
    fn expected_maker(&self, name: &str) -> Option<(usize, ColumnType)> {
        let makers = self.features.iter().enumerate().filter_map(|(at, feature)| match &feature.outputs {
            Outputs::Begin { prefix, kind } if name.len() > prefix.len() && name.starts_with(prefix) => {
                Some((prefix.len(), at, *kind))
            }
            _ => None,
        });
        makers.max_by_key(|(length, ..)| *length).map(|(_, at, kind)| (at, kind))
    }

    fn missing(&self, index: usize, name: &str) -> Reason {
        let name = name.to_owned();
        if let Some(feature) = self.features.iter().find(|feature| feature.name == name) {
            let outputs = match &feature.outputs {
                Outputs::Known(columns) => columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>().join(", "),
                Outputs::Begin { prefix, .. } => format!("columns that begin with {prefix}"),
            };
            return Reason::SeveralColumns { name, outputs };
        }
        let mut later = self.specs.iter().skip(index + 1).filter(|later| later.enabled);
        if later.any(|later| later.feature_name == name) { Reason::MadeLater { name } } else { Reason::NoColumn { name } }
    }

    fn check_kind(&mut self, index: usize, field: &str, input: &Input, operation: &Operation) {
        let (method, found) = (operation.method(), input.kind);
        let needs = catalog::needs(method);
        let fits = match needs {
            InputKind::Numeric => matches!(found, ColumnType::Integer | ColumnType::Float | ColumnType::Boolean),
            InputKind::Date => found == ColumnType::Date,
            InputKind::Text | InputKind::Any => true,
        };
        if !fits && found != ColumnType::Unknown {
            self.blame(index, field, Reason::WrongType { column: input.name.clone(), found, method, needs });
        }
    }

    /// Takes a sound feature, unless a column that it makes has a name that is taken.
    fn accept(&mut self, index: usize, spec: &FeatureSpec, mut feature: PlannedFeature) {
        feature.outputs = Outputs::expected(&feature.operation, &feature.name, feature.kinds());
        feature.level = feature
            .all_inputs()
            .filter_map(|input| self.features.get(input.made_by?))
            .map(|maker| maker.level + usize::from(maker.learns()))
            .max()
            .unwrap_or(0);
        let made_by = Some(self.features.len());
        if let Outputs::Known(columns) = &feature.outputs {
            for DerivedColumn { name, kind, .. } in columns {
                if *name != spec.feature_name
                    && let Some(reason) = self.taken(name)
                {
                    self.blame(index, "featureName", reason);
                }
                self.known.insert(name.clone(), Known { kind: *kind, made_by });
            }
        }
        self.features.push(feature);
    }
}

#[cfg(test)]
mod tests;
