//! Arguments of the tools that make features.

use gristmill_domain::{CellId, features::FeatureMethod};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{id, words, yes};

choices! {
    /// How much a feature is expected to help.
    ImpactArg {
        /// Much.
        High = "high",
        /// Some.
        Medium = "medium",
        /// A little.
        Low = "low",
    }
}

choices! {
    /// How likely a feature tells the target.
    LeakageRiskArg {
        /// Not at all.
        None = "none",
        /// Hardly.
        Low = "low",
        /// Perhaps.
        Medium = "medium",
        /// Likely.
        High = "high",
    }
}

choices! {
    /// Where a feature's code ran.
    ExecutionSourceArg {
        /// In a cell of the notebook.
        Notebook = "notebook",
        /// In a sandbox of its own.
        Docker = "docker",
    }
}

/// Of `propose_feature`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProposeFeatureArgs {
    /// The name of the new column, lower case with underscores.
    #[schemars(length(min = 1, max = 200))]
    pub feature_name: String,
    /// How it is made: a method of the catalog. Where none makes it, the one that comes closest: what is made, its code says.
    #[schemars(schema_with = "method")]
    pub method: FeatureMethod,
    /// Why it should help, from what the data say.
    pub rationale: String,
    /// A feature to propose anew; a new one when absent.
    pub feature_id: Option<String>,
    /// The columns of the dataset that it is made from.
    pub source_columns: Option<Vec<String>>,
    /// Parameters of the method.
    pub params: Option<Map<String, Value>>,
    /// How much it is expected to help.
    pub impact: Option<ImpactArg>,
}

/// Of `materialize_feature_code`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MaterializeFeatureCodeArgs {
    /// The feature.
    #[schemars(length(min = 1, max = 200))]
    pub feature_id: String,
    /// Python that adds the columns to the frame `df`: complete, no loading, no fences.
    #[schemars(length(min = 10, max = 50_000))]
    pub code: String,
    /// The true names of the columns that it adds.
    #[schemars(length(min = 1, max = 1000))]
    pub output_columns: Vec<String>,
}

/// Of `execute_feature`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecuteFeatureArgs {
    /// The feature.
    #[schemars(length(min = 1, max = 200))]
    pub feature_id: String,
    /// The cell that ran.
    #[serde(default)]
    #[schemars(schema_with = "id")]
    pub cell_id: Option<CellId>,
    /// Whether it ran to its end.
    pub succeeded: Option<bool>,
    /// What it printed.
    pub stdout: Option<String>,
    /// What it printed to standard error.
    pub stderr: Option<String>,
    /// How long it took, milliseconds.
    pub execution_ms: Option<u64>,
    /// Where it ran.
    pub execution_source: Option<ExecutionSourceArg>,
}

/// Of `validate_feature`. The server measures by itself; numbers that are given are compared with what it finds.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidateFeatureArgs {
    /// The feature.
    #[schemars(length(min = 1, max = 200))]
    pub feature_id: String,
    /// Share of missing values, 0 to 1.
    pub null_rate: Option<f64>,
    /// Correlation with the target, -1 to 1.
    pub correlation_with_target: Option<f64>,
    /// How likely it tells the target.
    pub leakage_risk: Option<LeakageRiskArg>,
    /// Remarks on its values.
    pub distribution_notes: Option<String>,
    /// Whether a person must approve before it is kept.
    pub requires_approval: Option<bool>,
}

/// Of `register_feature`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterFeatureArgs {
    /// The feature.
    #[schemars(length(min = 1, max = 200))]
    pub feature_id: String,
    /// Whether it is kept.
    #[serde(default = "yes")]
    pub approved: bool,
    /// Why it is not kept.
    pub rejection_reason: Option<String>,
    /// The dataset that it belongs to.
    #[schemars(length(max = 500))]
    pub dataset_id: Option<String>,
}

/// Of `checkpoint_feature_pipeline`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckpointFeaturePipelineArgs {
    /// A name for the checkpoint.
    #[schemars(length(max = 200))]
    pub label: Option<String>,
    /// The features; all that are registered when absent.
    pub feature_ids: Option<Vec<String>>,
    /// The dataset that they belong to.
    #[schemars(length(max = 500))]
    pub dataset_id: Option<String>,
}

/// The schema of the catalog: whatever else a feature were called, nobody could apply it.
fn method(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = FeatureMethod::ALL.iter().map(|method| method.as_str()).collect();
    words(&names)
}

arguments_of! {
    ProposeFeature: ProposeFeatureArgs;
    MaterializeFeatureCode: MaterializeFeatureCodeArgs;
    ExecuteFeature: ExecuteFeatureArgs;
    ValidateFeature: ValidateFeatureArgs;
    RegisterFeature: RegisterFeatureArgs;
    CheckpointFeaturePipeline: CheckpointFeaturePipelineArgs;
}
