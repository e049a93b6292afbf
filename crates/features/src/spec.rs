//! What is asked for: one feature.

use gristmill_domain::features::FeatureMethod;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One feature to make, as clients and tools send it. Unknown keys are ignored, unknown parameters are not.
///
/// # Examples
/// ```
/// use gristmill_features::FeatureSpec;
///
/// let spec: FeatureSpec = serde_json::from_str(
///     r#"{"sourceColumn": "age", "featureName": "age_band", "method": "bucketize", "params": {"bins": 4}}"#,
/// )?;
/// assert!(spec.enabled);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureSpec {
    /// The caller's own id of it; comes back in reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The column that it is made from: of the dataset, or made by a feature before.
    pub source_column: String,
    /// The other column of `ratio`, `difference` and `product`. Other methods do not look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secondary_column: Option<String>,
    /// Name of the new column, or the beginning of the names of several.
    pub feature_name: String,
    /// How it is made.
    pub method: FeatureMethod,
    /// Parameters of the method; those that are absent or null have their defaults.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// Whether it is to be made at all. Default true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The group in which it is shown; not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
}

impl FeatureSpec {
    /// A feature with the defaults of its method.
    #[must_use]
    pub fn new(method: FeatureMethod, source_column: &str, feature_name: &str) -> Self {
        Self {
            id: None,
            source_column: source_column.to_owned(),
            secondary_column: None,
            feature_name: feature_name.to_owned(),
            method,
            params: Map::new(),
            enabled: true,
            description: None,
            category: None,
        }
    }

    /// The same with a parameter.
    #[must_use]
    pub fn with(mut self, parameter: &str, value: impl Into<Value>) -> Self {
        self.params.insert(parameter.to_owned(), value.into());
        self
    }

    /// The same with a second column.
    #[must_use]
    pub fn and(mut self, secondary_column: &str) -> Self {
        self.secondary_column = Some(secondary_column.to_owned());
        self
    }
}

fn yes() -> bool {
    true
}
