//! What made the columns of a dataset, stored beside it, and what of that the rows of a model need.

use std::collections::{HashMap, HashSet};

use gristmill_domain::{datasets::ColumnType, features::SentColumn};
use serde::{Deserialize, Serialize};

use crate::{
    error::FeatureError,
    fitted::{Fitted, FittedColumn, FittedFeature, damaged},
};

/// The version of [`Recipe`] and [`ServingFeatures`] that this crate writes, and the only one that it reads.
pub const RECIPE_VERSION: u32 = 1;

/// Everything that made the columns of a dataset from those of another, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recipe {
    /// [`RECIPE_VERSION`].
    pub version: u32,
    /// The steps, each of which began with what the one before left.
    pub steps: Vec<RecipeStep>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum RecipeStep {
    /// Methods of the catalog.
    Native {
        /// What they have learned.
        fitted: Fitted,
    },
    /// Code, which cannot be repeated for single rows.
    Code {
        /// The code.
        features: Vec<CodeNote>,
        /// Columns that were not there before.
        made: Vec<String>,
        /// Columns that were there before, with other values or of another type.
        changed: Vec<String>,
    },
}

/// A feature that code made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CodeNote {
    /// Its name.
    pub feature_name: String,
    /// The code.
    pub code: String,
}

/// What the rows of a model need of a [`Recipe`]: kept with the model, so that it outlives the dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServingFeatures {
    /// [`RECIPE_VERSION`].
    pub version: u32,
    /// Columns of the model that can be computed, in the order of the model's columns.
    pub computed: Vec<String>,
    /// Engineered columns of the model that cannot.
    pub must_be_sent: Vec<SentColumn>,
    /// Columns that code made and that others are computed from.
    pub made_by_code: Vec<String>,
    /// The features that it takes, in order.
    pub steps: Vec<Fitted>,
}

impl Recipe {
    /// Reads a stored recipe.
    ///
    /// # Errors
    /// [`FeatureError::Fitted`] when the text is something else.
    pub fn from_json(json: &[u8]) -> Result<Self, FeatureError> {
        let recipe: Self = serde_json::from_slice(json).map_err(|error| damaged(error.to_string()))?;
        checked(recipe.version).map(|()| recipe)
    }

    /// What the rows of a model need that was trained on the dataset: `columns` are the dataset's with their types when it was
    /// trained, `needed` the model's. `None` when all that the model needs is as it was before.
    ///
    /// A feature can be computed when all that it is made from is there before, or computed, or made by code and sent. Columns
    /// that code changed are not computed from: nobody could tell whether such a column was sent as it was before, or after.
    #[must_use]
    pub fn serving(&self, columns: &[(String, ColumnType)], needed: &[String]) -> Option<ServingFeatures> {
        let known = Known::of(&self.steps);
        let types: HashMap<&str, ColumnType> = columns.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        let (mut computed, mut must_be_sent) = (Vec::new(), Vec::new());
        for name in needed {
            match known.standing(name, types.get(name.as_str()).copied()) {
                Standing::AsBefore => {}
                Standing::Computed => computed.push(name.clone()),
                Standing::Sent(reason) => must_be_sent.push(SentColumn { name: name.clone(), reason }),
            }
        }
        if computed.is_empty() && must_be_sent.is_empty() {
            return None;
        }
        let steps = pruned(&self.steps, &computed);
        let mut made_by_code: Vec<String> = steps
            .iter()
            .flat_map(|step| &step.inputs)
            .filter(|input| known.by_code.contains(input.name.as_str()))
            .map(|input| input.name.clone())
            .collect();
        made_by_code.sort_unstable();
        made_by_code.dedup();
        Some(ServingFeatures { version: RECIPE_VERSION, computed, must_be_sent, made_by_code, steps })
    }
}

impl ServingFeatures {
    /// Reads what was kept with a model. [`RowFeatures::new`](crate::RowFeatures::new) checks it.
    ///
    /// # Errors
    /// [`FeatureError::Fitted`] when the text is something else.
    pub fn from_json(json: &[u8]) -> Result<Self, FeatureError> {
        let features: Self = serde_json::from_slice(json).map_err(|error| damaged(error.to_string()))?;
        checked(features.version).map(|()| features)
    }

    /// The same, with nothing that is computed: all of it must be sent, for this reason.
    #[must_use]
    pub fn sent_instead(self, reason: &str) -> Self {
        let sent = self.computed.into_iter().map(|name| SentColumn { name, reason: reason.to_owned() });
        Self {
            version: self.version,
            must_be_sent: self.must_be_sent.into_iter().chain(sent).collect(),
            computed: Vec::new(),
            made_by_code: Vec::new(),
            steps: Vec::new(),
        }
    }
}

fn checked(version: u32) -> Result<(), FeatureError> {
    if version == RECIPE_VERSION { Ok(()) } else { Err(damaged(format!("version {version} is not {RECIPE_VERSION}"))) }
}

fn natives(steps: &[RecipeStep]) -> impl DoubleEndedIterator<Item = &Fitted> {
    steps.iter().filter_map(|step| match step {
        RecipeStep::Native { fitted } => Some(fitted),
        RecipeStep::Code { .. } => None,
    })
}

/// How a column of a model comes into a row.
enum Standing {
    /// No step touched it.
    AsBefore,
    Computed,
    Sent(String),
}

/// A column that a method made.
struct Output<'a> {
    dtype: ColumnType,
    /// A column that code changed and that it comes from.
    spoiled_by: Option<&'a str>,
}

/// What is known of columns by their names.
#[derive(Default)]
struct Known<'a> {
    by_code: HashSet<&'a str>,
    changed: HashSet<&'a str>,
    outputs: HashMap<&'a str, Output<'a>>,
}

impl<'a> Known<'a> {
    fn of(steps: &'a [RecipeStep]) -> Self {
        let mut known = Self::default();
        for step in steps {
            if let RecipeStep::Code { made, changed, .. } = step {
                known.by_code.extend(made.iter().map(String::as_str));
                known.changed.extend(changed.iter().map(String::as_str));
            }
        }
        known.note_types(steps);
        for feature in natives(steps).flat_map(|fitted| &fitted.features) {
            known.note_outputs(feature);
        }
        known
    }

    /// A column that two steps had in different types was changed between them.
    fn note_types(&mut self, steps: &'a [RecipeStep]) {
        let mut types: HashMap<&str, ColumnType> = HashMap::new();
        for fitted in natives(steps) {
            let outputs = fitted.features.iter().flat_map(|feature| &feature.outputs);
            for column in fitted.inputs.iter().chain(outputs) {
                if *types.entry(&column.name).or_insert(column.dtype) != column.dtype {
                    self.changed.insert(&column.name);
                }
            }
        }
    }

    fn note_outputs(&mut self, feature: &'a FittedFeature) {
        let spoiled_by = feature.inputs().find_map(|input| self.spoiled_by(input));
        for output in &feature.outputs {
            self.outputs.insert(&output.name, Output { dtype: output.dtype, spoiled_by });
        }
    }

    fn spoiled_by(&self, name: &str) -> Option<&'a str> {
        let changed = self.changed.get(name).copied();
        changed.or_else(|| self.outputs.get(name)?.spoiled_by)
    }

    fn standing(&self, name: &str, found: Option<ColumnType>) -> Standing {
        if self.by_code.contains(name) {
            return Standing::Sent("custom code made it, which a deployment does not run".to_owned());
        }
        if self.changed.contains(name) {
            return Standing::Sent("custom code changed its values; send it as the code left it".to_owned());
        }
        let Some(output) = self.outputs.get(name) else { return Standing::AsBefore };
        if let Some(source) = output.spoiled_by {
            return Standing::Sent(format!("it is made from \"{source}\", whose values custom code changed"));
        }
        if found != Some(output.dtype) {
            return Standing::Sent("its type was changed after it was made".to_owned());
        }
        Standing::Computed
    }
}

/// The features that some columns take, and the columns that those take.
fn pruned(steps: &[RecipeStep], computed: &[String]) -> Vec<Fitted> {
    let mut wanted: HashSet<&str> = computed.iter().map(String::as_str).collect();
    let mut kept = Vec::new();
    for fitted in natives(steps).rev() {
        let mut features: Vec<FittedFeature> = Vec::new();
        for feature in fitted.features.iter().rev() {
            if feature.outputs.iter().any(|output| wanted.contains(output.name.as_str())) {
                wanted.extend(feature.inputs());
                features.push(feature.clone());
            }
        }
        if features.is_empty() {
            continue;
        }
        features.reverse();
        let is_needed = |name: &str| features.iter().any(|feature| feature.inputs().any(|input| input == name));
        let inputs: Vec<FittedColumn> = fitted.inputs.iter().filter(|input| is_needed(&input.name)).cloned().collect();
        kept.push(Fitted {
            version: fitted.version,
            seed: fitted.seed,
            folds: fitted.folds,
            reference: fitted.reference,
            rows: fitted.rows,
            inputs,
            features,
        });
    }
    kept.reverse();
    kept
}
