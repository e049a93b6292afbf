//! Arguments of the tools that clean a dataset in steps.

use gristmill_domain::CellId;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{id, ids, yes};

choices! {
    /// What becomes of a checkpoint.
    RestoreOperation {
        /// Its dataset is worked on again.
        Restore = "restore",
        /// Its steps are done again on another dataset.
        Replay = "replay",
        /// Tells whether its steps could be done on another dataset.
        CompatibilityCheck = "compatibility_check",
    }
}

choices! {
    /// What becomes of a cell that was edited since its step was recorded.
    ReconcileStrategy {
        /// The step takes the edit over.
        AbsorbEdit = "absorb_edit",
        /// The edit becomes a step of its own.
        CreateLinkedStep = "create_linked_step",
    }
}

/// Of `list_project_datasets`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListProjectDatasetsArgs {
    /// The preprocessing run; the current one when absent.
    pub run_id: Option<String>,
}

/// Of `set_active_dataset`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetActiveDatasetArgs {
    /// Id or file name of a dataset of the project; the extension may be left out.
    #[schemars(length(min = 1, max = 500))]
    pub dataset_id: String,
    /// The preprocessing run; the current one when absent.
    pub run_id: Option<String>,
}

/// Of `profile_active_dataset`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfileActiveDatasetArgs {
    /// Another dataset of the project to profile and work on.
    #[schemars(length(max = 500))]
    pub dataset_id: Option<String>,
    /// The preprocessing run; the current one when absent.
    pub run_id: Option<String>,
}

/// Of `checkpoint_dataset`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckpointDatasetArgs {
    /// The dataset; the one that is worked on when absent.
    #[schemars(length(max = 500))]
    pub dataset_id: Option<String>,
    /// A name for the checkpoint.
    #[schemars(length(max = 200))]
    pub label: Option<String>,
    /// The steps that led to it.
    pub step_ids: Option<Vec<String>>,
}

/// Of `register_derived_dataset`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterDerivedDatasetArgs {
    /// The dataset that the run made.
    #[schemars(length(min = 1, max = 500))]
    pub dataset_id: String,
}

/// Of `list_checkpoints`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListCheckpointsArgs {
    /// The preprocessing run; the current one when absent.
    pub run_id: Option<String>,
}

/// Of `restore_checkpoint`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreCheckpointArgs {
    /// The checkpoint.
    #[schemars(length(min = 1, max = 200))]
    pub checkpoint_id: String,
    /// What becomes of it; restore when absent.
    pub operation: Option<RestoreOperation>,
    /// The dataset to replay on, or to check.
    #[schemars(length(max = 500))]
    pub replay_dataset_id: Option<String>,
}

/// Of `propose_transformation_step`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProposeTransformationStepArgs {
    /// What the step does, in a few words.
    #[schemars(length(min = 1, max = 300))]
    pub title: String,
    /// Its kind: `impute_missing`, `drop_columns`, `cap_outliers`, `cast_types`, `encode`, `rename`, `custom` and so on.
    #[schemars(length(min = 1, max = 100))]
    pub intent_type: String,
    /// A step to propose anew; a new one when absent.
    pub step_id: Option<String>,
    /// Why.
    pub rationale: Option<String>,
    /// Whether a person must approve before it is kept; true by itself for steps that drop, treat outliers or are custom.
    pub requires_approval: Option<bool>,
}

/// Of `materialize_step_code`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MaterializeStepCodeArgs {
    /// The step.
    #[schemars(length(min = 1, max = 200))]
    pub step_id: String,
    /// Python that changes the frame `df`: no loading, no saving, no fences.
    #[schemars(length(min = 1, max = 50_000))]
    pub code: String,
}

/// Of `execute_transformation_step`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecuteTransformationStepArgs {
    /// The step.
    #[schemars(length(min = 1, max = 200))]
    pub step_id: String,
    /// The cell that ran.
    #[serde(default)]
    #[schemars(schema_with = "id")]
    pub cell_id: Option<CellId>,
    /// The cells that ran, when there are several.
    #[serde(default)]
    #[schemars(schema_with = "ids")]
    pub cell_ids: Vec<CellId>,
    /// Whether it ran to its end.
    #[serde(default = "yes")]
    pub succeeded: bool,
    /// What it printed.
    pub stdout: Option<String>,
    /// What it printed to standard error.
    pub stderr: Option<String>,
}

/// Of `validate_step_result`. The server measures by itself; numbers that are given are compared with what it finds.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidateStepResultArgs {
    /// The step.
    #[schemars(length(min = 1, max = 200))]
    pub step_id: String,
    /// Rows before.
    pub row_count_before: Option<u64>,
    /// Rows after.
    pub row_count_after: Option<u64>,
    /// Missing values before.
    pub null_count_before: Option<u64>,
    /// Missing values after.
    pub null_count_after: Option<u64>,
    /// Whether and how columns or their types changed.
    pub schema_drift: Option<Value>,
    /// Remarks.
    pub notes: Option<String>,
    /// Whether a person must approve before it is kept.
    pub requires_approval: Option<bool>,
}

/// Of `commit_transformation_step`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommitTransformationStepArgs {
    /// The step.
    #[schemars(length(min = 1, max = 200))]
    pub step_id: String,
    /// Whether the result is kept; counts only when a person said so.
    pub approved: Option<bool>,
    /// Why it is not kept.
    pub rejection_reason: Option<String>,
    /// The dataset that was worked on.
    #[schemars(length(max = 500))]
    pub dataset_id: Option<String>,
    /// A name for the checkpoint.
    #[schemars(length(max = 200))]
    pub label: Option<String>,
}

/// Of `detect_step_divergence`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DetectStepDivergenceArgs {
    /// Only this step.
    pub step_id: Option<String>,
    /// Only the step of this cell.
    #[serde(default)]
    #[schemars(schema_with = "id")]
    pub cell_id: Option<CellId>,
}

/// Of `reconcile_diverged_step`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReconcileDivergedStepArgs {
    /// The step.
    #[schemars(length(min = 1, max = 200))]
    pub step_id: String,
    /// How; `absorb_edit` when absent.
    pub strategy: Option<ReconcileStrategy>,
    /// A title for a new step.
    #[schemars(length(max = 300))]
    pub title: Option<String>,
}

arguments_of! {
    ListProjectDatasets: ListProjectDatasetsArgs;
    SetActiveDataset: SetActiveDatasetArgs;
    ProfileActiveDataset: ProfileActiveDatasetArgs;
    CheckpointDataset: CheckpointDatasetArgs;
    RegisterDerivedDataset: RegisterDerivedDatasetArgs;
    ListCheckpoints: ListCheckpointsArgs;
    RestoreCheckpoint: RestoreCheckpointArgs;
    ProposeTransformationStep: ProposeTransformationStepArgs;
    MaterializeStepCode: MaterializeStepCodeArgs;
    ExecuteTransformationStep: ExecuteTransformationStepArgs;
    ValidateStepResult: ValidateStepResultArgs;
    CommitTransformationStep: CommitTransformationStepArgs;
    DetectStepDivergence: DetectStepDivergenceArgs;
    ReconcileDivergedStep: ReconcileDivergedStepArgs;
}
