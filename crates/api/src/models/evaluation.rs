//! What a model's evaluation gave, or where it stands.

use gristmill_domain::{
    Caller, ModelId,
    models::{EvaluationStatus, Model},
};
use gristmill_persistence::repo::models::EvaluationJob;

use super::files::evaluation_file;
use crate::{error::ApiResult, routes::models::model_error, state::AppState};

/// How often a file is looked for whose model is evaluated anew meanwhile.
const LOOKS_MAX: u32 = 3;

/// A file of an evaluation, or why there is none.
#[derive(Debug)]
pub(crate) enum EvaluationPart {
    /// The file.
    File(Vec<u8>),
    /// There is none.
    Missing {
        /// Where the evaluation stands. `Ready`: it is there, without this file.
        status: EvaluationStatus,
        /// What to expect.
        why: String,
    },
}

/// Reads a file of the evaluation of one of the caller's models.
///
/// # Errors
/// 404 for a model that is not the caller's; 500 when the file cannot be read.
///
/// # Cancel safety
/// Cancel safe.
pub(crate) async fn evaluation_part(state: &AppState, caller: &Caller, id: ModelId, name: &str) -> ApiResult<EvaluationPart> {
    let (mut model, mut job) = state.models.find_evaluated(caller, id).await.map_err(model_error)?;
    for _ in 0..LOOKS_MAX {
        if model.evaluation_status != EvaluationStatus::Ready {
            break;
        }
        if let Some(bytes) = evaluation_file(state, &model, name).await? {
            return Ok(EvaluationPart::File(bytes));
        }
        // A later evaluation may have ended meanwhile: the files of the one before go then.
        let before = model;
        (model, job) = state.models.find_evaluated(caller, id).await.map_err(model_error)?;
        if model.evaluation_storage == before.evaluation_storage {
            break;
        }
    }
    Ok(standing(&model, job))
}

/// Why an evaluation that waits or runs never ends: its job has ended without a word. `None`: it may.
pub(super) fn abandoned(model: &Model, job: Option<EvaluationJob>) -> Option<String> {
    if !matches!(model.evaluation_status, EvaluationStatus::Pending | EvaluationStatus::Computing) {
        return None;
    }
    match job? {
        EvaluationJob::Open => None,
        EvaluationJob::Ended(Some(error)) => Some(error.message),
        EvaluationJob::Ended(None) => Some("The evaluation was cancelled".to_owned()),
        EvaluationJob::Gone => Some("The evaluation was never finished; start it again".to_owned()),
    }
}

fn standing(model: &Model, job: Option<EvaluationJob>) -> EvaluationPart {
    if let Some(why) = abandoned(model, job) {
        return EvaluationPart::Missing { status: EvaluationStatus::Failed, why };
    }
    let status = model.evaluation_status;
    let why = match status {
        EvaluationStatus::Pending => "The evaluation waits for its turn".to_owned(),
        EvaluationStatus::Computing => "The evaluation is being computed".to_owned(),
        EvaluationStatus::Ready => "The evaluation's file is gone; start it again".to_owned(),
        EvaluationStatus::Failed => model.evaluation_error.clone().unwrap_or_else(|| "The evaluation failed".to_owned()),
    };
    EvaluationPart::Missing { status, why }
}
