//! Feature engineering (contract 2, section 8): datasets with features, and runs of agents that make them.

use garde::Validate;
use gristmill_domain::{
    DatasetId, NotebookId, ProjectId,
    datasets::{Dataset, FileType},
    execution::PythonVersion,
    feature_runs::{
        CODE_CHARS_MAX, FeatureExecution, FeatureImpact, FeatureRun, FeatureStatus, FeatureStep, FeatureValidation, LeakageRisk,
    },
    features::FeatureMethod,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::{
    common::{ErrorShape, Instant, RequestBody, not_null},
    datasets::UploadedDatasetView,
    projects::no_nul,
};

/// Most features of one request.
pub const FEATURES_MAX: usize = 500;
/// Longest name of a column, bytes.
const NAME_BYTES_MAX: usize = 1000;
/// Longest display name that can be asked for, characters.
const OUTPUT_NAME_CHARS_MAX: usize = 255;

/// A dataset with features to be made.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureApply {
    /// The project.
    #[garde(skip)]
    pub project_id: ProjectId,
    /// The dataset that they are made from, one of the project's.
    #[garde(skip)]
    pub dataset_id: DatasetId,
    /// Display name of the new dataset; its extension is not looked at. By the source's name when absent.
    #[serde(default)]
    #[garde(inner(length(chars, max = OUTPUT_NAME_CHARS_MAX), custom(no_nul)))]
    pub output_name: Option<String>,
    /// The format in which it can be downloaded, and that its name says; the source's when absent.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(skip)]
    pub output_format: Option<FileType>,
    /// What code runs on; 3.11 when absent.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(skip)]
    pub python_version: Option<PythonVersion>,
    /// The column that is to be predicted, which code does not get to see unless its feature names it in
    /// `params.targetColumn`. When absent: the targets that features of the request name, else the dataset's one target.
    /// Additive.
    #[serde(default)]
    #[garde(inner(length(bytes, min = 1, max = NAME_BYTES_MAX), custom(no_nul)))]
    pub target_column: Option<String>,
    /// The features, in the order in which they are made: a later one may use the columns of an earlier one.
    #[garde(length(min = 1, max = FEATURES_MAX), dive)]
    pub features: Vec<FeatureCreate>,
}

impl RequestBody for FeatureApply {
    const SHAPE: ErrorShape = ErrorShape::FlatDetails;
}

/// A feature to be made.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureCreate {
    /// The client's own id of it.
    #[serde(default)]
    #[garde(inner(length(chars, max = 200), custom(no_nul)))]
    pub id: Option<String>,
    /// The column that it is made from.
    #[garde(length(bytes, min = 1, max = NAME_BYTES_MAX), custom(no_nul))]
    pub source_column: String,
    /// The other column of `ratio`, `difference` and `product`.
    #[serde(default)]
    #[garde(inner(length(bytes, max = NAME_BYTES_MAX), custom(no_nul)))]
    pub secondary_column: Option<String>,
    /// Name of the new column, or the beginning of the names of several.
    #[garde(length(bytes, min = 1, max = NAME_BYTES_MAX), custom(no_nul))]
    pub feature_name: String,
    /// What it is, for people.
    #[serde(default)]
    #[garde(inner(length(chars, max = 4000)))]
    pub description: Option<String>,
    /// How it is made.
    #[garde(skip)]
    pub method: FeatureMethod,
    /// The group in which it is shown; not looked at.
    #[serde(default)]
    #[garde(inner(length(chars, max = 200)))]
    pub category: Option<String>,
    /// Parameters of the method.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    #[garde(skip)]
    pub params: Option<Map<String, Value>>,
    /// Whether it is to be made; true when absent.
    #[serde(default)]
    #[garde(skip)]
    pub enabled: Option<bool>,
    /// Python that makes it from the frame `df`, in the place of the method. Code without a statement that uses `df` is not
    /// looked at. Code whose `params` name a `targetColumn` is run part by part, without the targets of the rows that it makes.
    #[serde(default)]
    #[garde(inner(length(chars, max = CODE_CHARS_MAX), custom(no_nul)))]
    pub code: Option<String>,
}

/// `{dataset, warning?, features}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeatureApplyView {
    /// The new dataset.
    pub dataset: UploadedDatasetView,
    /// The same text as in the dataset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// What came of each feature: the columns that it made, its values that are missing by why, what it learned.
    #[schema(value_type = Vec<Object>)]
    pub features: Value,
}

impl FeatureApplyView {
    /// The answer, from the dataset and what is recorded of its making.
    #[must_use]
    pub fn new(dataset: Dataset, warning: Option<String>, features: Value) -> Self {
        let dataset = UploadedDatasetView { warning: warning.clone(), ..UploadedDatasetView::of_upload(dataset) };
        Self { dataset, warning, features }
    }
}

/// Which runs to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct FeatureRunListQuery {
    /// The project.
    #[garde(skip)]
    pub project_id: ProjectId,
    /// At most this many, 1 to 100; all when absent.
    #[garde(inner(range(min = 1, max = 100)))]
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
}

/// A run of an agent that makes features.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureRunView {
    /// Identity: `feat-` and a UUID.
    pub run_id: String,
    /// The project.
    pub project_id: ProjectId,
    /// The notebook that it works in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope_notebook_id: Option<NotebookId>,
    /// Its features by their ids, oldest first.
    #[schema(value_type = std::collections::BTreeMap<String, FeatureStepView>)]
    pub features: Map<String, Value>,
    /// The last checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_checkpoint_id: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_checkpoint_label: Option<String>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_checkpoint_at: Option<Instant>,
    /// When the run was made.
    pub created_at: Instant,
    /// When it changed last.
    pub updated_at: Instant,
}

impl From<FeatureRun> for FeatureRunView {
    fn from(run: FeatureRun) -> Self {
        let view = |step: FeatureStep| {
            let id = step.feature_id.clone();
            (id, serde_json::to_value(FeatureStepView::from(step)).unwrap_or_default())
        };
        let checkpoint = run.last_checkpoint;
        Self {
            run_id: run.id.to_string(),
            project_id: run.project_id,
            scope_notebook_id: run.scope_notebook_id,
            features: run.features.into_iter().map(view).collect(),
            last_checkpoint_id: checkpoint.as_ref().map(|checkpoint| checkpoint.id.clone()),
            last_checkpoint_at: checkpoint.as_ref().map(|checkpoint| checkpoint.at.into()),
            last_checkpoint_label: checkpoint.and_then(|checkpoint| checkpoint.label),
            created_at: run.created_at.into(),
            updated_at: run.updated_at.into(),
        }
    }
}

/// A feature of a run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureStepView {
    /// Its id within the run.
    pub feature_id: String,
    /// Its name.
    pub name: String,
    /// How it is made.
    pub method: String,
    /// Why, in the model's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// The columns that it is made from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_columns: Vec<String>,
    /// Parameters of its method.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Option<Object>)]
    pub params: Map<String, Value>,
    /// How much it is expected to help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impact: Option<FeatureImpact>,
    /// Its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The first 24 hexadecimal digits of the code's SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_hash: Option<String>,
    /// The columns that it makes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub output_columns: Vec<String>,
    /// How far it has come.
    pub status: FeatureStatus,
    /// How its code ran last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_result: Option<FeatureExecutionView>,
    /// What was measured last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<FeatureValidationView>,
    /// When it was registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<Instant>,
    /// Why it was not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejection_reason: Option<String>,
    /// When it was proposed.
    pub created_at: Instant,
    /// When it changed last.
    pub updated_at: Instant,
}

impl From<FeatureStep> for FeatureStepView {
    fn from(step: FeatureStep) -> Self {
        Self {
            feature_id: step.feature_id,
            name: step.name,
            method: step.method,
            rationale: step.rationale,
            source_columns: step.source_columns,
            params: step.params,
            impact: step.impact,
            code: step.code,
            code_hash: step.code_hash,
            output_columns: step.output_columns,
            status: step.status,
            execution_result: step.execution_result.map(FeatureExecutionView::from),
            validation: step.validation.map(FeatureValidationView::from),
            registered_at: step.registered_at.map(Instant),
            rejection_reason: step.rejection_reason,
            created_at: step.created_at.into(),
            updated_at: step.updated_at.into(),
        }
    }
}

/// How a feature's code ran.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureExecutionView {
    /// Whether it ran to its end.
    pub succeeded: bool,
    /// What it printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_ms: Option<u64>,
}

impl From<FeatureExecution> for FeatureExecutionView {
    fn from(result: FeatureExecution) -> Self {
        let FeatureExecution { succeeded, stdout, stderr, execution_ms, cell_id: _ } = result;
        Self { succeeded, stdout, stderr, execution_ms }
    }
}

/// What was measured of a feature.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureValidationView {
    /// Share of rows without a value, 0..1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub null_rate: Option<f64>,
    /// How closely it goes along with the target, -1..1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_with_target: Option<f64>,
    /// How likely it tells the target.
    pub leakage_risk: LeakageRisk,
    /// Remarks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution_notes: Option<String>,
}

impl From<FeatureValidation> for FeatureValidationView {
    fn from(validation: FeatureValidation) -> Self {
        Self {
            null_rate: validation.null_rate,
            correlation_with_target: validation.correlation_with_target,
            leakage_risk: validation.leakage_risk,
            distribution_notes: validation.distribution_notes,
        }
    }
}

/// `{projectId, count, runs}`, the last changed first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureRunList {
    /// The project.
    pub project_id: ProjectId,
    /// How many runs there are in the list.
    pub count: usize,
    /// The runs.
    pub runs: Vec<FeatureRunView>,
}

/// `{run}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeatureRunEnvelope {
    /// The run.
    pub run: FeatureRunView,
}
