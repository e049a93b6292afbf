//! The arguments of tools for programs from outside, but the project. What stands at the fields is read by models.

use gristmill_domain::{DeploymentId, JobId, ModelId};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Of tools that take nothing but a project.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoArgs {}

/// Of `create_project`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateProjectArgs {
    /// What people call it.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// What it is for.
    #[schemars(length(max = 10_000))]
    pub description: Option<String>,
}

/// Of `upload_dataset` and `upload_document`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UploadArgs {
    /// What the file is called, such as `sales.csv`.
    #[schemars(length(min = 1, max = 255))]
    pub filename: String,
    /// All of its text, at most 4 MB.
    #[schemars(length(min = 1))]
    pub content: String,
}

/// Of `run_sql`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunSqlArgs {
    /// One SELECT statement.
    #[schemars(length(min = 1, max = 50_000))]
    pub sql: String,
}

/// Of `train_model`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainModelArgs {
    /// Id or file name of a dataset of the project.
    #[schemars(length(min = 1, max = 500))]
    pub dataset_id: String,
    /// What is trained: the `id` of a template.
    #[schemars(length(min = 1, max = 100))]
    pub template_id: String,
    /// The column to predict; not for clustering.
    #[schemars(length(min = 1, max = 1000))]
    pub target_column: Option<String>,
    /// What the model is for, where the template leaves it open.
    #[serde(default)]
    #[schemars(schema_with = "task")]
    pub problem_type: Option<String>,
    /// The columns to predict from; all others when absent.
    pub features: Option<Vec<String>>,
    /// Parameters that differ from the template's.
    pub parameters: Option<Map<String, Value>>,
    /// What people call the model.
    #[schemars(length(min = 1, max = 200))]
    pub name: Option<String>,
    /// Share of the rows that is held out; 0.2 when absent.
    #[schemars(range(min = 0.05, max = 0.5))]
    pub test_size: Option<f64>,
    /// Whether to wait for the end; true when absent.
    pub wait: Option<bool>,
}

/// Of `get_model`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelArgs {
    /// The model.
    #[schemars(schema_with = "id")]
    pub model_id: ModelId,
}

/// Of `evaluate_model`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvaluateModelArgs {
    /// The model.
    #[schemars(schema_with = "id")]
    pub model_id: ModelId,
    /// Whether to compute it anew though it is there.
    pub again: Option<bool>,
    /// Whether to wait for the end; true when absent.
    pub wait: Option<bool>,
}

/// Of `deploy_model`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeployModelArgs {
    /// The model.
    #[schemars(schema_with = "id")]
    pub model_id: ModelId,
    /// What people call the deployment.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// Whether to wait until it answers; true when absent.
    pub wait: Option<bool>,
}

/// Of `predict`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PredictArgs {
    /// The deployment.
    #[schemars(schema_with = "id")]
    pub deployment_id: DeploymentId,
    /// Rows: objects of features by their names; null is a missing value.
    #[schemars(length(min = 1, max = 1000))]
    pub rows: Vec<Map<String, Value>>,
}

/// Of `list_jobs`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListJobsArgs {
    /// How many at most; 50 when absent.
    #[schemars(range(min = 1, max = 200))]
    pub limit: Option<u32>,
}

/// Of `get_job` and `cancel_job`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobArgs {
    /// The job.
    #[schemars(schema_with = "id")]
    pub job_id: JobId,
}

/// The schema of an id.
fn id(_: &mut SchemaGenerator) -> Schema {
    schema([("type", Value::from("string")), ("format", Value::from("uuid"))])
}

/// The schema of what a model is for.
fn task(_: &mut SchemaGenerator) -> Schema {
    let words = ["classification", "regression", "clustering"].map(Value::from).to_vec();
    schema([("type", Value::from("string")), ("enum", Value::Array(words))])
}

fn schema(fields: [(&str, Value); 2]) -> Schema {
    Schema::from(fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<Map<String, Value>>())
}
