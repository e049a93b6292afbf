//! Agent workflows: runs, their phases and events, tool calls and approvals (contract 2, sections 2 to 4).

pub mod event_types;

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{DatasetId, NotebookId, ProjectId, UserId, named::named};

/// Most tool calls of a turn.
pub const TURN_ITERATIONS_MAX: u32 = 48;
/// Most times that a turn may call one tool with the same arguments.
pub const SAME_CALL_MAX: usize = 5;
/// Most changes of stage without a tool call in between.
pub const STAGE_HOPS_MAX: u32 = 24;
/// Most steps of the engine in a turn: five for each tool call, and some.
pub const TURN_STEPS_MAX: u32 = TURN_ITERATIONS_MAX * 5 + 16;
/// Longest tool output, characters of its JSON. A longer one is cut.
pub const TOOL_OUTPUT_CHARS_MAX: usize = 50_000;
/// Longest prompt of a turn, bytes.
pub const PROMPT_BYTES_MAX: usize = 64 * 1024;

/// A run of a workflow. Clients may choose it: `[A-Za-z0-9._:-]`, at most 200 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct WorkflowRunId(String);

impl WorkflowRunId {
    /// Longest id, characters.
    pub const CHARS_MAX: usize = 200;

    /// Takes an id that a client chose.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
        (!text.is_empty() && text.len() <= Self::CHARS_MAX && text.chars().all(is_plain)).then(|| Self(text.to_owned()))
    }

    /// Makes a new random id.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkflowRunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for WorkflowRunId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a run id has letters, digits and . _ : - only"))
    }
}

named! {
    /// What a run works at.
    #[cfg_attr(feature = "openapi", schema(as = WorkflowPhase))]
    Phase {
        /// Finding out what the project is for; ends with a plan.
        Onboarding = "onboarding",
        /// Cleaning a dataset.
        Preprocessing = "preprocessing",
        /// Making columns that tell a model more.
        FeatureEngineering = "feature_engineering",
        /// Training models in a notebook.
        Training = "training",
    }
}

named! {
    /// Where a run stands.
    WorkflowStatus {
        /// A turn of it runs.
        Running = "running",
        /// It waits for a person.
        Paused = "paused",
        /// It failed; trying again may help.
        FailedRetryable = "failed_retryable",
        /// It failed; something must change first.
        FailedTerminal = "failed_terminal",
        /// It is done.
        Completed = "completed",
        /// A person stopped it.
        Interrupted = "interrupted",
    }
}

named! {
    /// What a paused run waits for.
    PendingInput {
        /// Yes or no to a step.
        Approval = "approval",
        /// Answers to questions.
        Clarification = "clarification",
        /// A choice.
        Selection = "selection",
        /// A look at an edit.
        EditReview = "edit_review",
    }
}

named! {
    /// What a run does, for the client's header.
    WorkflowMode {
        /// Answers without acting.
        Answer = "answer",
        /// Looks at data.
        Inspect = "inspect",
        /// Acts by tools.
        Action = "action",
        /// Waits for a person.
        AwaitInput = "await_input",
        /// Sums up.
        Summarize = "summarize",
        /// Failed.
        Failed = "failed",
        /// Done.
        Completed = "completed",
    }
}

named! {
    /// The tools of agents: a closed set, because the client refuses events with other names.
    ToolName {
        /// Lists the project's datasets and documents.
        ListProjectFiles = "list_project_files",
        /// Reads a dataset's profile.
        GetDatasetProfile = "get_dataset_profile",
        /// Reads some rows.
        GetDatasetSample = "get_dataset_sample",
        /// Searches the project's documents.
        SearchDocuments = "search_documents",
        /// Lists a notebook's cells.
        ListCells = "list_cells",
        /// Reads a cell.
        ReadCell = "read_cell",
        /// Creates or replaces a cell.
        WriteCell = "write_cell",
        /// Replaces lines of a cell.
        EditCell = "edit_cell",
        /// Runs a cell.
        RunCell = "run_cell",
        /// Deletes a cell.
        DeleteCell = "delete_cell",
        /// Puts cells in another order.
        ReorderCells = "reorder_cells",
        /// Inserts a cell at a place.
        InsertCell = "insert_cell",
        /// Installs packages.
        InstallPackage = "install_package",
        /// Removes a package.
        UninstallPackage = "uninstall_package",
        /// Lists installed packages.
        ListPackages = "list_packages",
        /// Asks the person.
        AskUser = "ask_user",
        /// Hands in a plan.
        PlanExit = "plan_exit",
        /// Lists datasets for preprocessing.
        ListProjectDatasets = "list_project_datasets",
        /// Chooses the dataset that is worked on.
        SetActiveDataset = "set_active_dataset",
        /// Reads the profile of the dataset that is worked on.
        ProfileActiveDataset = "profile_active_dataset",
        /// Records a state of a dataset to come back to.
        CheckpointDataset = "checkpoint_dataset",
        /// Records that a dataset comes from this run.
        RegisterDerivedDataset = "register_derived_dataset",
        /// Lists recorded states.
        ListCheckpoints = "list_checkpoints",
        /// Goes back to a recorded state.
        RestoreCheckpoint = "restore_checkpoint",
        /// Proposes a transformation.
        ProposeTransformationStep = "propose_transformation_step",
        /// Attaches code to a transformation.
        MaterializeStepCode = "materialize_step_code",
        /// Records how a transformation's code ran.
        ExecuteTransformationStep = "execute_transformation_step",
        /// Measures what a transformation did.
        ValidateStepResult = "validate_step_result",
        /// Keeps what a transformation made.
        CommitTransformationStep = "commit_transformation_step",
        /// Finds cells that were edited since.
        DetectStepDivergence = "detect_step_divergence",
        /// Takes such an edit in.
        ReconcileDivergedStep = "reconcile_diverged_step",
        /// Proposes a feature.
        ProposeFeature = "propose_feature",
        /// Attaches code to a feature.
        MaterializeFeatureCode = "materialize_feature_code",
        /// Records how a feature's code ran.
        ExecuteFeature = "execute_feature",
        /// Measures a feature.
        ValidateFeature = "validate_feature",
        /// Keeps a feature.
        RegisterFeature = "register_feature",
        /// Records the features so far.
        CheckpointFeaturePipeline = "checkpoint_feature_pipeline",
        /// Sets an experiment up.
        ConfigureExperiment = "configure_experiment",
        /// Proposes to train it.
        ProposeTrainingPlan = "propose_training_plan",
        /// Records how a training ran.
        ExecuteTraining = "execute_training",
        /// Records its scores.
        EvaluateResults = "evaluate_results",
        /// Registers its model.
        RegisterModel = "register_model",
        /// Compares experiments.
        CompareModels = "compare_models",
    }
}

named! {
    /// How much a call may break.
    Risk {
        /// Reads, or can be undone at once.
        Low = "LOW",
        /// Changes what a person can change back.
        Medium = "MEDIUM",
        /// Loses rows, values or work.
        High = "HIGH",
        /// Runs code that nobody can foresee.
        Unknown = "UNKNOWN",
    }
}

/// A call that a model or the server made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCall {
    /// Unique in its run, stable when the turn is taken up again: the key under which its effect happens once.
    pub id: String,
    /// The tool.
    pub tool: ToolName,
    /// Its arguments.
    #[serde(default)]
    pub args: Map<String, Value>,
    /// Why, in the model's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
}

/// What a call gave. `error` is there exactly when it failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolResult {
    /// The call's id.
    pub id: String,
    /// The tool.
    pub tool: ToolName,
    /// What it gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl ToolResult {
    /// Whether it failed.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.error.is_some()
    }
}

/// A run as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowRun {
    /// Identity.
    pub id: WorkflowRunId,
    /// The conversation that it belongs to.
    pub thread_id: String,
    /// Its project.
    pub project_id: ProjectId,
    /// What it works at.
    pub phase: Phase,
    /// Where it stands.
    pub status: WorkflowStatus,
    /// The node that it is at, from the phase's own set.
    pub current_node: String,
    /// Grows with each change.
    pub revision: i32,
    /// The dataset that it works on.
    pub active_dataset_id: Option<DatasetId>,
    /// The notebook that it works in.
    pub active_notebook_id: Option<NotebookId>,
    /// What it waits for.
    pub pending_input: Option<PendingInput>,
    /// Why it waits.
    pub pause_reason: Option<String>,
    /// The code of its last failure, from contract 2, section 2.5.
    pub failure_code: Option<String>,
    /// The words of its last failure.
    pub failure_message: Option<String>,
    /// What else the phase keeps.
    pub metadata: Map<String, Value>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
}

/// An event of a run as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowEvent {
    /// Place in the run's log, from 1, without gaps.
    pub sequence: i64,
    /// Its type, `snake_case`.
    pub event_type: String,
    /// Its fields.
    pub payload: Value,
    /// When it was appended.
    pub created_at: DateTime<Utc>,
}

/// Where a run stands after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStanding {
    /// The status.
    pub status: WorkflowStatus,
    /// The node.
    pub current_node: String,
    /// What it waits for.
    pub pending_input: Option<PendingInput>,
    /// Why it waits.
    pub pause_reason: Option<String>,
    /// The code of its failure.
    pub failure_code: Option<String>,
    /// The words of its failure.
    pub failure_message: Option<String>,
}

/// An event to be appended.
#[derive(Debug, Clone, PartialEq)]
pub struct NewWorkflowEvent {
    /// Its type, `snake_case`.
    pub event_type: String,
    /// Its fields, an object.
    pub payload: Value,
}

impl NewWorkflowEvent {
    /// An event with fields.
    #[must_use]
    pub fn new(event_type: impl Into<String>, payload: Value) -> Self {
        Self { event_type: event_type.into(), payload }
    }
}

named! {
    /// What an artifact is.
    ArtifactKind {
        /// Something to look at and to fill in.
        Ui = "ui",
        /// A project's plan.
        Plan = "plan",
        /// The last words of a turn.
        Summary = "summary",
    }
}

/// What a run made.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowArtifact {
    /// Identity.
    pub id: Uuid,
    /// What it is.
    pub kind: ArtifactKind,
    /// Its name; never empty.
    pub label: Option<String>,
    /// What is in it.
    pub payload: Value,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
}

named! {
    /// What became of a question for approval.
    ApprovalStatus {
        /// Nobody decided yet.
        Pending = "pending",
        /// Yes.
        Approved = "approved",
        /// No.
        Rejected = "rejected",
        /// Nobody did, and another turn has gone past it.
        Superseded = "superseded",
    }
}

/// A question for approval, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowApproval {
    /// Identity.
    pub id: Uuid,
    /// What kind of thing is approved: the tool's name.
    pub approval_type: String,
    /// What became of it.
    pub status: ApprovalStatus,
    /// Hash of exactly what is approved.
    pub subject_hash: String,
    /// When it was asked.
    pub requested_at: DateTime<Utc>,
    /// When it was decided or closed.
    pub resolved_at: Option<DateTime<Utc>>,
    /// Who decided.
    pub resolved_by: Option<UserId>,
    /// What is shown of it.
    pub payload: Value,
}

/// A question for approval to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct NewApproval {
    /// Identity: the same when the turn is taken up again.
    pub id: Uuid,
    /// What kind of thing is approved: the tool's name.
    pub approval_type: String,
    /// Hash of exactly what is approved.
    pub subject_hash: String,
    /// What is shown of it.
    pub payload: Value,
}

/// A person's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalDecision {
    /// Hash of exactly what is decided about.
    pub subject_hash: String,
    /// Yes or no.
    pub is_approved: bool,
    /// Who decided.
    pub by: UserId,
}

/// What is written to a run in one commit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunRecord {
    /// Position of the event that these follow: where the run stands elsewhere, nothing is written. `None`: any.
    pub after: Option<i64>,
    /// Whether it need not wait for the disk: when the database crashes right now, or its machine does, it is lost with all that
    /// was written after it. Only events can be written so; a record of more waits.
    pub may_be_lost: bool,
    /// Events to append, in order.
    pub events: Vec<NewWorkflowEvent>,
    /// Where the run stands now; `None` leaves it.
    pub standing: Option<RunStanding>,
    /// What the phase keeps; `None` leaves it.
    pub metadata: Option<Map<String, Value>>,
    /// The dataset that is worked on from now; `None` leaves it.
    pub active_dataset_id: Option<DatasetId>,
    /// Artifacts that are made or made anew.
    pub artifacts: Vec<(Uuid, ArtifactKind, Option<String>, Value)>,
    /// What a person is asked.
    pub approvals: Vec<NewApproval>,
    /// What a person decided.
    pub decisions: Vec<ApprovalDecision>,
    /// Whether a turn ends with this: questions that are neither decided nor asked in it are closed.
    pub ends_turn: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_43_tools() {
        assert_eq!(ToolName::ALL.len(), 43);
    }

    #[test]
    fn run_ids_are_plain() {
        for good in ["a", "prep-1", &WorkflowRunId::random().to_string(), &"x".repeat(200)] {
            assert!(WorkflowRunId::parse(good).is_some(), "{good}");
        }
        for bad in ["", " ", "a b", "a/b", "ä", "a\n", &"x".repeat(201)] {
            assert!(WorkflowRunId::parse(bad).is_none(), "{bad:?}");
        }
    }
}
