//! What a model takes and gives: `signature.json`, checked.

use std::collections::{HashMap, HashSet};

use gristmill_domain::models::TaskType;
use serde_json::{Map, Value};

use super::{
    dates::DatePart,
    names,
    signature_file::{File, FileColumn, FileOutput},
};

/// The largest `signature.json`, bytes.
pub const SIGNATURE_BYTES_MAX: u64 = 64 << 20;
const COLUMNS_MAX: usize = 40_000;
const LABELS_MAX: usize = 10_000;

/// The type of a column of the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// Whole numbers.
    Int,
    /// Numbers.
    Float,
    /// True and false.
    Boolean,
    /// Texts.
    String,
    /// Dates.
    Date,
    /// Dates with times.
    Datetime,
}

/// What the training made of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureKind {
    /// A number as it is.
    Numeric,
    /// One and zero.
    Boolean,
    /// A column for each frequent text.
    Categorical,
    /// Year, month, day and so on.
    Date,
}

/// A column that a row must have.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Its name in the dataset.
    pub name: String,
    /// Its type in the dataset.
    pub value_type: ValueType,
    /// What the training made of it.
    pub kind: FeatureKind,
    /// Quantiles of the training rows; a date is in days since 1970-01-01. Absent for texts and booleans.
    pub range: Option<Range>,
    /// Values of the training rows, the most frequent first; empty for numbers and dates.
    pub categories: Vec<String>,
    /// Whether `categories` are all that there were.
    pub categories_complete: bool,
}

/// Quantiles of a column.
#[derive(Debug, Clone, Copy, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Range {
    /// The smallest value.
    pub min: f64,
    /// A quarter is below.
    pub q25: f64,
    /// The median.
    pub q50: f64,
    /// Three quarters are below.
    pub q75: f64,
    /// The largest value.
    pub max: f64,
}

/// A class.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// As the dataset has it: text, number or boolean.
    pub value: Value,
    /// As the wire has it.
    pub text: String,
}

/// How wide a prediction interval is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The share of true values that are inside, 0 to 1.
    pub level: f64,
    /// From the prediction to either end.
    pub half_width: f64,
}

/// A column of the numeric block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NumericInput {
    pub(super) feature: usize,
    /// The part of a date.
    pub(super) part: Option<DatePart>,
}

/// A column of the categorical block.
#[derive(Debug, Clone)]
pub(super) struct CategoricalInput {
    pub(super) feature: usize,
    /// The number of what is not frequent.
    pub(super) other: u32,
    /// The number of a missing value.
    pub(super) missing: u32,
}

/// What a model takes and gives.
#[derive(Debug, Clone)]
pub struct Signature {
    /// Its task.
    pub task: TaskType,
    /// The template that it was trained with.
    pub template_id: String,
    /// The column that it predicts.
    pub target: Option<String>,
    /// The classes, empty where there are none.
    pub labels: Vec<Label>,
    /// The columns that a row must have.
    pub features: Vec<Feature>,
    /// For each feature `float`, `int` or `str`, as the contract's `featureTypes`.
    pub feature_types: Map<String, Value>,
    /// A row of the training data.
    pub sample_request: Map<String, Value>,
    /// For regression, where the training measured it.
    pub interval: Option<Interval>,
    pub(super) numeric: Vec<NumericInput>,
    pub(super) categorical: Vec<CategoricalInput>,
    /// For each categorical input the numbers of its texts.
    pub(super) dictionaries: Vec<HashMap<Box<str>, u32>>,
    /// For each feature, other spellings of its name.
    pub(super) aliases: Vec<Vec<Box<str>>>,
}

/// What is wrong with a `signature.json`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("signature.json {0}")]
pub struct SignatureError(pub(super) String);

fn bad(what: impl Into<String>) -> SignatureError {
    SignatureError(what.into())
}

impl Signature {
    /// Reads and checks the text of a `signature.json`.
    ///
    /// # Errors
    /// It is not JSON of the known version, or contradicts itself.
    pub fn parse(text: &[u8]) -> Result<Self, SignatureError> {
        let file: File = serde_json::from_slice(text).map_err(|error| bad(format!("is not readable: {error}")))?;
        if file.version != 1 {
            return Err(bad(format!("is of version {}, which is not known here", file.version)));
        }
        let task = TaskType::from_name(&file.task_type).ok_or_else(|| bad("has an unknown taskType"))?;
        let features = features(&file)?;
        let places: HashMap<&str, usize> =
            features.iter().enumerate().map(|(place, feature)| (feature.name.as_str(), place)).collect();
        let numeric = numeric(&file, &features, &places)?;
        let (categorical, dictionaries) = categorical(&file, &features, &places)?;
        every_feature_is_used(&features, &numeric, &categorical)?;
        let labels = labels(&file, task)?;
        let aliases = names::aliases(&features);
        Ok(Self {
            task,
            interval: interval(&file.output, task)?,
            template_id: file.template_id,
            target: file.target,
            labels,
            feature_types: file.feature_types,
            sample_request: file.sample_request,
            features,
            numeric,
            categorical,
            dictionaries,
            aliases,
        })
    }

    /// The place of a feature, by its name or another spelling of it.
    #[must_use]
    pub fn feature(&self, name: &str) -> Option<usize> {
        let exact = self.features.iter().position(|feature| feature.name == name);
        exact.or_else(|| self.aliases.iter().position(|aliases| aliases.iter().any(|alias| **alias == *name)))
    }

    /// The ends of the interval around a predicted number, for a regression whose training measured how wide it is.
    #[must_use]
    pub fn interval_around(&self, number: f64) -> Option<(f64, f64)> {
        let interval = self.interval?;
        Some((number - interval.half_width, number + interval.half_width))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let texts = self.dictionaries.iter().flat_map(HashMap::keys).map(|text| text.len() + 48).sum::<usize>();
        let feature = |feature: &Feature| {
            let categories = feature.categories.iter().map(|text| text.len() + 32).sum::<usize>();
            size_of::<Feature>() + feature.name.len() * 4 + categories + 256
        };
        texts + self.features.iter().map(feature).sum::<usize>()
    }
}

fn features(file: &File) -> Result<Vec<Feature>, SignatureError> {
    if file.columns.len() > COLUMNS_MAX {
        return Err(bad(format!("has more than {COLUMNS_MAX} columns")));
    }
    let mut seen = HashSet::new();
    let mut features = Vec::new();
    for column in &file.columns {
        if !seen.insert(column.name.as_str()) {
            return Err(bad(format!("has column {:?} twice", column.name)));
        }
        if column.kind != "drop" {
            features.push(feature(column)?);
        }
    }
    let named = file.feature_columns.iter().map(String::as_str);
    if features.is_empty() || !named.eq(features.iter().map(|feature| feature.name.as_str())) {
        return Err(bad("has featureColumns that are not its columns"));
    }
    Ok(features)
}

fn feature(column: &FileColumn) -> Result<Feature, SignatureError> {
    use ValueType::{Boolean, Date, Datetime, Float, Int, String};
    let value_type = column.value_type.ok_or_else(|| bad(format!("uses column {:?} of an unusable type", column.name)))?;
    let kind = match (column.kind.as_str(), value_type) {
        ("numeric", Int | Float | String) => FeatureKind::Numeric,
        ("boolean", Boolean) => FeatureKind::Boolean,
        ("categorical", _) => FeatureKind::Categorical,
        ("date", Date | Datetime | String) => FeatureKind::Date,
        (kind, _) => return Err(bad(format!("makes {kind:?} of column {:?}, whose type does not allow it", column.name))),
    };
    Ok(Feature {
        name: column.name.clone(),
        value_type,
        kind,
        range: column.range,
        categories: column.categories.clone(),
        categories_complete: column.categories_complete,
    })
}

fn numeric(file: &File, features: &[Feature], places: &HashMap<&str, usize>) -> Result<Vec<NumericInput>, SignatureError> {
    let mut inputs = Vec::new();
    for entry in &file.prepare.numeric {
        let place = places.get(entry.column.as_str()).copied();
        let feature = place.and_then(|place| features.get(place));
        let part =
            entry.part.as_deref().map(|part| DatePart::from_name(part).ok_or_else(|| bad("has an unknown part of a date")));
        let part = part.transpose()?;
        let fits = match (feature.map(|feature| feature.kind), entry.kind.as_str()) {
            (Some(FeatureKind::Numeric), "numeric") | (Some(FeatureKind::Boolean), "boolean") => part.is_none(),
            (Some(FeatureKind::Date), "date") => part.is_some(),
            _ => false,
        };
        let Some(place) = place.filter(|_| fits) else {
            return Err(bad(format!("prepares column {:?} in a way that its kind does not allow", entry.column)));
        };
        inputs.push(NumericInput { feature: place, part });
    }
    Ok(inputs)
}

type Categorical = (Vec<CategoricalInput>, Vec<HashMap<Box<str>, u32>>);

fn categorical(file: &File, features: &[Feature], places: &HashMap<&str, usize>) -> Result<Categorical, SignatureError> {
    let rules = &file.prepare;
    let (mut inputs, mut dictionaries) = (Vec::new(), Vec::new());
    for entry in &rules.categorical {
        let place = places.get(entry.column.as_str()).copied();
        let is_text = |place: &usize| features.get(*place).is_some_and(|feature| feature.kind == FeatureKind::Categorical);
        let Some(place) = place.filter(is_text) else {
            return Err(bad(format!("prepares column {:?} in a way that its kind does not allow", entry.column)));
        };
        let mut dictionary: HashMap<Box<str>, u32> = HashMap::with_capacity(entry.categories.len() + 1);
        for text in &entry.categories {
            let number = u32::try_from(dictionary.len()).ok().ok_or_else(|| bad("has too many categories"))?;
            dictionary.entry(text.as_str().into()).or_insert(number);
        }
        let next = u32::try_from(dictionary.len()).ok().ok_or_else(|| bad("has too many categories"))?;
        let other = *dictionary.entry(rules.other.as_str().into()).or_insert(next);
        let missing = dictionary.get(rules.missing.as_str()).copied().unwrap_or(other);
        inputs.push(CategoricalInput { feature: place, other, missing });
        dictionaries.push(dictionary);
    }
    Ok((inputs, dictionaries))
}

/// Whether each feature reaches the model, a number or text once.
fn every_feature_is_used(
    features: &[Feature],
    numeric: &[NumericInput],
    categorical: &[CategoricalInput],
) -> Result<(), SignatureError> {
    let mut uses = vec![0_usize; features.len()];
    let numeric = numeric.iter().map(|input| input.feature);
    for place in numeric.chain(categorical.iter().map(|input| input.feature)) {
        if let Some(uses) = uses.get_mut(place) {
            *uses += 1;
        }
    }
    let wrong = features.iter().zip(uses).find(|(feature, uses)| match feature.kind {
        FeatureKind::Date => *uses == 0,
        FeatureKind::Numeric | FeatureKind::Boolean | FeatureKind::Categorical => *uses != 1,
    });
    match wrong {
        None => Ok(()),
        Some((feature, uses)) => Err(bad(format!("prepares column {:?} {uses} times", feature.name))),
    }
}

fn labels(file: &File, task: TaskType) -> Result<Vec<Label>, SignatureError> {
    let given = file.labels.as_deref().unwrap_or_default();
    if task != TaskType::Classification {
        return if given.is_empty() { Ok(Vec::new()) } else { Err(bad("has labels, but the model does not classify")) };
    }
    if !(2..=LABELS_MAX).contains(&given.len()) {
        return Err(bad(format!("must have 2 to {LABELS_MAX} labels")));
    }
    let mut seen = HashSet::new();
    let in_order = given.iter().enumerate().all(|(place, label)| usize::try_from(label.code) == Ok(place));
    let plain = given.iter().all(|label| label.label.is_string() || label.label.is_number() || label.label.is_boolean());
    if !in_order || !plain || !given.iter().all(|label| seen.insert(label.text.as_str())) {
        return Err(bad("has labels that are not different values numbered from 0"));
    }
    if file.output.probabilities.as_ref().is_some_and(|texts| !texts.iter().eq(given.iter().map(|label| &label.text))) {
        return Err(bad("has probabilities of other labels than its own"));
    }
    Ok(given.iter().map(|label| Label { value: label.label.clone(), text: label.text.clone() }).collect())
}

fn interval(output: &FileOutput, task: TaskType) -> Result<Option<Interval>, SignatureError> {
    let Some(interval) = output.interval.as_ref().filter(|_| task == TaskType::Regression) else { return Ok(None) };
    let possible = interval.level > 0.0 && interval.level < 1.0 && interval.half_width.is_finite() && interval.half_width >= 0.0;
    if interval.method != "split_conformal" || !possible {
        return Err(bad("has an interval that is not known here"));
    }
    Ok(Some(Interval { level: interval.level, half_width: interval.half_width }))
}
