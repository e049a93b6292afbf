//! Filling an empty notebook with what agents left in one that is gone (contract 3, sections 7.6 and 7.7).

use garde::Validate;
use gristmill_domain::{CellId, NotebookId, workflows::Phase};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::common::{ErrorShape, Instant, RequestBody};

/// The status of an answer that changed nothing.
const NOTHING_DONE: &str = "noop";

/// What agents worked at in a notebook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryPhase {
    /// Cleaning a dataset.
    Preprocessing,
    /// Making columns that tell a model more.
    FeatureEngineering,
    /// Training models.
    Training,
}

impl From<RecoveryPhase> for Phase {
    fn from(phase: RecoveryPhase) -> Self {
        match phase {
            RecoveryPhase::Preprocessing => Self::Preprocessing,
            RecoveryPhase::FeatureEngineering => Self::FeatureEngineering,
            RecoveryPhase::Training => Self::Training,
        }
    }
}

/// Whose work is looked for.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RecoveryQuery {
    /// What the agents worked at.
    #[garde(skip)]
    pub phase: RecoveryPhase,
}

/// Whose work is to be restored.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub struct NotebookRecover {
    /// What the agents worked at.
    #[garde(skip)]
    pub phase: RecoveryPhase,
}

impl RequestBody for NotebookRecover {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// Whether a notebook was filled, or could be.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryView {
    /// `recovered`, or `noop` when nothing was done.
    pub status: String,
    /// Why nothing is to be done: `target_notebook_missing`, `target_notebook_not_empty`, `no_recoverable_run` or
    /// `phase_mismatch` (the notebook is another phase's).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The run whose notebook is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<RecoveryCandidateView>,
    /// The new cells, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_cell_ids: Option<Vec<CellId>>,
}

impl RecoveryView {
    /// Nothing was done, for this reason.
    #[must_use]
    pub fn refused(reason: &str) -> Self {
        Self { status: NOTHING_DONE.to_owned(), reason: Some(reason.to_owned()), candidate: None, restored_cell_ids: None }
    }

    /// Nothing was done; this could be.
    #[must_use]
    pub fn possible(candidate: RecoveryCandidateView) -> Self {
        Self { status: NOTHING_DONE.to_owned(), reason: None, candidate: Some(candidate), restored_cell_ids: None }
    }

    /// The notebook was filled with these cells.
    #[must_use]
    pub fn recovered(candidate: RecoveryCandidateView, cells: Vec<CellId>) -> Self {
        Self { status: "recovered".to_owned(), reason: None, candidate: Some(candidate), restored_cell_ids: Some(cells) }
    }
}

/// A run whose notebook is gone and can be written again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryCandidateView {
    /// The run.
    pub run_id: String,
    /// The notebook that is gone.
    pub source_notebook_id: NotebookId,
    /// How many cells it left.
    pub cell_count: usize,
    /// What it worked at.
    pub phase: RecoveryPhase,
    /// When it changed last.
    pub updated_at: Instant,
}
