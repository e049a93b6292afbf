//! Preprocessing (contract 2, section 7): runs of steps that change a dataset, the states that one can go back to, and the
//! log of what happened.
//!
//! The lifecycle is pure: each function changes a run and appends to its log, or refuses with a reason and changes nothing.
//! What is measured outside (cells, tables, files) comes in as facts. What a model says of its own work is not among them.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use crate::{CellId, DatasetId, ProjectId, named::named, workflows::WorkflowRunId};

mod active;
mod approval;
mod checkpoints;
mod divergence;
mod facts;
mod refusal;
mod steps;
#[cfg(test)]
mod tests;
mod validation;

pub use active::{register_derived, see_dataset, set_active_dataset};
pub use approval::{Approval, BasisNow, Kept, check_approval, check_commit, commit, reject};
pub use checkpoints::{
    CompatibilityIssue, CompatibilityProblem, SchemaNow, applied_steps, checkpoint, code_at, compatibility, record_compatibility,
    restore,
};
pub use divergence::{Divergence, ReconcileStrategy, detect, reconcile};
pub use facts::{Basis, CellNow, CellRunNow, CellsNow, ColumnNow, Measured, Measurement, TableNow};
pub use refusal::{ReasonCode, Refusal};
pub use steps::{Material, Proposal, execute, materialize, propose};
pub use validation::{Remarks, Validation, check_measurable, validate};

/// Most steps of a run.
pub const STEPS_MAX: usize = 500;
/// Most checkpoints of a run.
pub const CHECKPOINTS_MAX: usize = 500;
/// Longest title or label, characters. A longer one is cut.
pub const TITLE_CHARS_MAX: usize = 200;
/// Longest rationale, note or reason, characters. A longer one is cut.
pub const WORDS_CHARS_MAX: usize = 4_000;

macro_rules! prefixed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
        pub struct $name(pub Uuid);

        impl $name {
            /// Makes a new random id.
            #[must_use]
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }

            /// Reads an id as clients know it.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let id = text.strip_prefix($prefix)?;
                // Only the hyphenated form: others would give one thing two spellings.
                Uuid::try_parse(id).ok().filter(|_| id.len() == 36).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom(concat!("an id begins with ", $prefix)))
            }
        }
    )*};
}

prefixed_ids! {
    /// A preprocessing run.
    PrepRunId = "prep-";
    /// A step of a preprocessing run.
    StepId = "step-";
    /// A state of a dataset that a preprocessing run can go back to.
    CheckpointId = "ckpt-";
    /// An entry of a preprocessing run's log.
    PrepEventId = "evt-";
}

/// The first 24 hexadecimal digits of the SHA-256 of a cell's content. The client computes the same of the cell that a step
/// is bound to, so this is always of exactly what is, or is to be, written to the cell.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeHash(String);

impl CodeHash {
    /// Shortens a SHA-256 digest.
    #[must_use]
    pub fn of_digest(digest: &[u8]) -> Self {
        Self(digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect())
    }

    /// Takes a stored text.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

named! {
    /// Where a step stands.
    StepStatus {
        /// Proposed, with or without code.
        Pending = "pending",
        /// Its code ran.
        Running = "running",
        /// It waits for a person's yes or no.
        AwaitingApproval = "awaiting_approval",
        /// Its output is kept.
        Applied = "applied",
        /// It failed, was given up or rejected. New code takes it up again.
        Failed = "failed",
        /// Its cell no longer holds its code.
        Diverged = "diverged",
    }
}

impl StepStatus {
    /// Whether it stands in the way of another step.
    #[must_use]
    pub fn is_incomplete(self) -> bool {
        matches!(self, Self::Pending | Self::Running | Self::AwaitingApproval | Self::Diverged)
    }
}

named! {
    /// What a person said to a step.
    ApprovalDecision {
        /// Nothing yet.
        Pending = "pending",
        /// Yes.
        Approved = "approved",
        /// No.
        Rejected = "rejected",
    }
}

named! {
    /// What happened in a run.
    PrepEventKind {
        /// Another dataset is worked on.
        ActiveDatasetSet = "active_dataset_set",
        /// A step was proposed.
        StepProposed = "step_proposed",
        /// A step has code.
        StepCodeMaterialized = "step_code_materialized",
        /// A step's code ran.
        StepExecuted = "step_executed",
        /// What a step did was measured.
        StepValidated = "step_validated",
        /// A step's output was kept, or the step rejected.
        StepCommitted = "step_committed",
        /// A step's cell holds other code, or the step was given up because of its cells.
        StepDiverged = "step_diverged",
        /// An edit was taken in.
        StepReconciled = "step_reconciled",
        /// The run was interrupted.
        RunInterrupted = "run_interrupted",
        /// A state was recorded.
        CheckpointCreated = "checkpoint_created",
        /// A state was gone back to.
        CheckpointRestored = "checkpoint_restored",
        /// The steps up to a state were compared with another dataset.
        ReplayCompatibilityChecked = "replay_compatibility_checked",
    }
}

/// The dataset that a step's code works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepInput {
    /// The dataset.
    pub dataset_id: DatasetId,
    /// Its version when the code was made for it.
    pub dataset_version: u32,
}

/// What a step made, once it is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepOutput {
    /// The derived dataset.
    pub dataset_id: DatasetId,
    /// The state that was recorded with it.
    pub checkpoint_id: CheckpointId,
}

/// A step: a change of a dataset by code in a cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Identity.
    pub id: StepId,
    /// What it does, in a line.
    pub title: String,
    /// Why.
    pub rationale: Option<String>,
    /// The kind of change, in the model's word.
    pub intent_type: String,
    /// Where it stands.
    pub status: StepStatus,
    /// What a person said to it; absent when nobody has to be asked.
    pub approval: Option<ApprovalDecision>,
    /// Why it was rejected or given up.
    pub decision_reason: Option<String>,
    /// The call that proposed it or gave it its code.
    pub tool_call_id: Option<String>,
    /// The step whose edited code it took over.
    pub linked_from: Option<StepId>,
    /// Exactly what is written to its cell.
    pub code: Option<String>,
    /// The hash of the code.
    pub code_hash: Option<CodeHash>,
    /// Grows with each new code, from 0.
    pub version: u32,
    /// The cells that it is bound to.
    pub cell_ids: Vec<CellId>,
    /// Whether a person is to be asked whatever it does: by its kind, or because the proposal wants it.
    pub asks_approval: bool,
    /// Whether a person must approve of it as it is now: `asks_approval`, or it was measured that it loses something.
    pub requires_approval: bool,
    /// What was measured of what it did.
    pub validation: Option<Validation>,
    /// Whether its present code ran to its end.
    pub executed: bool,
    /// Whether what its present code made was measured and can be kept.
    pub validated: bool,
    /// The dataset that its code works on.
    pub input: Option<StepInput>,
    /// Where it stood before its cell was edited.
    pub before_divergence: Option<StepStatus>,
    /// What it made, once it is applied.
    pub output: Option<StepOutput>,
    /// When it was proposed.
    pub created_at: DateTime<Utc>,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
}

impl Step {
    /// Whether a person said no to it as it is now.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        self.approval == Some(ApprovalDecision::Rejected)
    }
}

/// A recorded state of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Identity.
    pub id: CheckpointId,
    /// What to call it.
    pub label: String,
    /// The dataset.
    pub dataset_id: DatasetId,
    /// Its version then.
    pub dataset_version: u32,
    /// The steps that led to it, in order.
    pub step_ids: Vec<StepId>,
    /// The last event that belongs to it.
    pub replay_until: i64,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
}

/// An entry of a run's log.
#[derive(Debug, Clone, PartialEq)]
pub struct PrepEvent {
    /// Identity.
    pub id: PrepEventId,
    /// Its number in the run, from 1 without gaps.
    pub sequence: i64,
    /// What happened.
    pub kind: PrepEventKind,
    /// To which step.
    pub step_id: Option<StepId>,
    /// With which checkpoint.
    pub checkpoint_id: Option<CheckpointId>,
    /// With which dataset.
    pub dataset_id: Option<DatasetId>,
    /// More about it.
    pub payload: Option<Value>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// A preprocessing run.
#[derive(Debug, Clone, PartialEq)]
pub struct PrepRun {
    /// Identity.
    pub id: PrepRunId,
    /// Its project.
    pub project_id: ProjectId,
    /// The workflow run that it belongs to, when an agent made it.
    pub workflow_run: Option<WorkflowRunId>,
    /// The dataset that is worked on.
    pub active_dataset_id: Option<DatasetId>,
    /// The dataset that the person had chosen when the run was last asked to do something.
    pub seen_dataset_id: Option<DatasetId>,
    /// What it made, oldest first.
    pub derived_dataset_ids: Vec<DatasetId>,
    /// Its steps, oldest first.
    pub steps: Vec<Step>,
    /// Its checkpoints, oldest first.
    pub checkpoints: Vec<Checkpoint>,
    /// Its log, or that part of it that was asked for.
    pub events: Vec<PrepEvent>,
    /// The number of the last entry of its log.
    pub event_sequence: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrepRunOutline {
    /// Identity.
    pub id: PrepRunId,
    /// Its project.
    pub project_id: ProjectId,
    /// The dataset that is worked on.
    pub active_dataset_id: Option<DatasetId>,
    /// How many steps it has.
    pub step_count: u64,
    /// How many entries its log has.
    pub event_count: u64,
    /// What happened last.
    pub latest_event: Option<(PrepEventKind, DateTime<Utc>)>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
}

/// What a tool's call came to, as it is recorded under the call's key.
#[derive(Debug, Clone, PartialEq)]
pub struct PrepAnswer {
    /// What it gave.
    pub output: Value,
    /// Why it failed, in words for the model.
    pub error: Option<String>,
    /// Whether the run changed, so that the answer must be the same when the call is repeated.
    pub is_recorded: bool,
}

/// An event before it has a number.
struct Happening {
    kind: PrepEventKind,
    step_id: Option<StepId>,
    checkpoint_id: Option<CheckpointId>,
    dataset_id: Option<DatasetId>,
    payload: Option<Value>,
}

impl Happening {
    fn of(kind: PrepEventKind) -> Self {
        Self { kind, step_id: None, checkpoint_id: None, dataset_id: None, payload: None }
    }

    fn step(self, id: StepId) -> Self {
        Self { step_id: Some(id), ..self }
    }

    fn checkpoint(self, id: CheckpointId) -> Self {
        Self { checkpoint_id: Some(id), ..self }
    }

    fn dataset(self, id: DatasetId) -> Self {
        Self { dataset_id: Some(id), ..self }
    }

    fn with(self, payload: Value) -> Self {
        Self { payload: Some(payload), ..self }
    }
}

impl PrepRun {
    /// A run in which nothing happened yet.
    #[must_use]
    pub fn new(id: PrepRunId, project_id: ProjectId, workflow_run: Option<WorkflowRunId>, now: DateTime<Utc>) -> Self {
        Self {
            id,
            project_id,
            workflow_run,
            active_dataset_id: None,
            seen_dataset_id: None,
            derived_dataset_ids: Vec::new(),
            steps: Vec::new(),
            checkpoints: Vec::new(),
            events: Vec::new(),
            event_sequence: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// One of its steps.
    ///
    /// # Errors
    /// `STEP_NOT_FOUND`.
    pub fn step(&self, id: StepId) -> Result<&Step, Refusal> {
        self.steps.iter().find(|step| step.id == id).ok_or_else(|| Refusal::no_step(&id.to_string()))
    }

    /// One of its checkpoints.
    ///
    /// # Errors
    /// `CHECKPOINT_NOT_FOUND`.
    pub fn checkpoint(&self, id: CheckpointId) -> Result<&Checkpoint, Refusal> {
        self.checkpoints.iter().find(|one| one.id == id).ok_or_else(|| Refusal::no_checkpoint(&id.to_string()))
    }

    fn step_mut(&mut self, id: StepId) -> Result<&mut Step, Refusal> {
        self.steps.iter_mut().find(|step| step.id == id).ok_or_else(|| Refusal::no_step(&id.to_string()))
    }

    /// The step that stands in the way of another one.
    fn incomplete(&self, except: Option<StepId>) -> Option<&Step> {
        self.steps.iter().find(|step| step.status.is_incomplete() && Some(step.id) != except)
    }

    /// Refuses while another step is incomplete.
    fn ensure_only(&self, except: Option<StepId>) -> Result<(), Refusal> {
        match self.incomplete(except) {
            None => Ok(()),
            Some(step) => Err(Refusal::new(
                ReasonCode::RunHasIncompleteStep,
                format!(
                    "Step {} ({}) is {}. Finish it first, or give it up: commit_transformation_step with approved=false.",
                    step.id,
                    step.title,
                    step.status.as_str()
                ),
            )
            .of_step(step.id)),
        }
    }

    fn record(&mut self, happening: Happening, now: DateTime<Utc>) {
        self.event_sequence += 1;
        self.updated_at = now;
        let Happening { kind, step_id, checkpoint_id, dataset_id, payload } = happening;
        self.events.push(PrepEvent {
            id: PrepEventId::random(),
            sequence: self.event_sequence,
            kind,
            step_id,
            checkpoint_id,
            dataset_id,
            payload,
            created_at: now,
        });
    }
}

/// Text of a model or person as it is kept: without control characters, and cut.
fn plain(text: &str, chars_max: usize) -> String {
    let kept = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    text.trim().chars().filter(kept).take(chars_max).collect()
}
