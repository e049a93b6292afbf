//! Why a run does not do what it is asked.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::named::named;

use super::{CompatibilityIssue, StepId};

named! {
    /// Why a tool of preprocessing failed: a closed set (contract 2, section 7.3).
    ReasonCode {
        /// Another step is not finished.
        RunHasIncompleteStep = "RUN_HAS_INCOMPLETE_STEP",
        /// An argument is missing or cannot be used.
        MissingRequiredArg = "MISSING_REQUIRED_ARG",
        /// The run has no such step.
        StepNotFound = "STEP_NOT_FOUND",
        /// The step has no code, or its cell does not hold it.
        StepExecuteRequiresCode = "STEP_EXECUTE_REQUIRES_CODE",
        /// The step's code has not run to its end.
        StepValidateRequiresSuccessfulExecute = "STEP_VALIDATE_REQUIRES_SUCCESSFUL_EXECUTE",
        /// The step is bound to no cell.
        StepAppliedRequiresCellBindings = "STEP_APPLIED_REQUIRES_CELL_BINDINGS",
        /// The step was not run and measured as it is now.
        StepCommitRequiresExecuteValidate = "STEP_COMMIT_REQUIRES_EXECUTE_VALIDATE",
        /// A person must decide.
        StepApprovalRequired = "STEP_APPROVAL_REQUIRED",
        /// Somebody else than a person decided.
        StepApprovalUserRequired = "STEP_APPROVAL_USER_REQUIRED",
        /// The step's cell was not edited.
        StepReconcileRequiresDiverged = "STEP_RECONCILE_REQUIRES_DIVERGED",
        /// There is no cell whose code could be taken in.
        StepReconcileRequiresBoundCell = "STEP_RECONCILE_REQUIRES_BOUND_CELL",
        /// The project has no such dataset.
        DatasetNotFound = "DATASET_NOT_FOUND",
        /// The run has no such checkpoint.
        CheckpointNotFound = "CHECKPOINT_NOT_FOUND",
        /// A replay needs a dataset.
        ReplayTargetDatasetRequired = "REPLAY_TARGET_DATASET_REQUIRED",
        /// The steps do not fit the dataset.
        ReplayIncompatibleDataset = "REPLAY_INCOMPATIBLE_DATASET",
        /// The output could not become a dataset.
        ProcessedDatasetPersistFailed = "PROCESSED_DATASET_PERSIST_FAILED",
        /// The code left no output.
        ProcessedDatasetNotFound = "PROCESSED_DATASET_NOT_FOUND",
        /// This cannot be done as things stand.
        InvalidOperation = "INVALID_OPERATION",
        /// There is no such run.
        RunNotFound = "RUN_NOT_FOUND",
        /// The run is another project's.
        RunProjectMismatch = "RUN_PROJECT_MISMATCH",
        /// The server failed.
        InternalError = "INTERNAL_ERROR",
    }
}

/// A refusal, in words that tell the model what to do next.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Why, for programs.
    pub reason: ReasonCode,
    /// Why, and what to do.
    pub message: String,
    /// The step that it is about.
    pub step: Option<StepId>,
    /// What of a dataset does not fit.
    pub issues: Vec<CompatibilityIssue>,
    /// Whether the run changed all the same: a failed measurement or an edit that was found is kept.
    pub is_recorded: bool,
}

impl Refusal {
    /// A refusal that changes nothing.
    #[must_use]
    pub fn new(reason: ReasonCode, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), step: None, issues: Vec::new(), is_recorded: false }
    }

    /// The same, about a step.
    #[must_use]
    pub fn of_step(self, step: StepId) -> Self {
        Self { step: Some(step), ..self }
    }

    /// The same, of a run that changed.
    pub(super) fn recorded(self) -> Self {
        Self { is_recorded: true, ..self }
    }

    /// There is no such step.
    #[must_use]
    pub fn no_step(id: &str) -> Self {
        Self::new(
            ReasonCode::StepNotFound,
            format!("The run has no step {id}. Use the stepId that propose_transformation_step gave."),
        )
    }

    /// There is no such checkpoint.
    #[must_use]
    pub fn no_checkpoint(id: &str) -> Self {
        Self::new(
            ReasonCode::CheckpointNotFound,
            format!("The run has no checkpoint {id}. list_checkpoints tells which there are."),
        )
    }

    /// An argument is missing.
    #[must_use]
    pub fn missing(argument: &str) -> Self {
        Self::new(ReasonCode::MissingRequiredArg, format!("The argument {argument} is missing or empty."))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
