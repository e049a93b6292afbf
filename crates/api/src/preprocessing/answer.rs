//! The envelope of answers: `{runId, isError, reasonCode, …}` (contract 2, section 4).

use gristmill_api_types::preprocessing::PrepStepView;
use gristmill_domain::{
    ports::StoreError,
    preprocessing::{PrepAnswer, PrepRun, PrepRunId, ReasonCode, Refusal, Step},
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{DATABASE_SILENT, chain};

/// An answer that went well. The fields are an object.
pub(super) fn done(run: Option<PrepRunId>, fields: Value) -> PrepAnswer {
    let mut output = envelope(run, None);
    if let Value::Object(fields) = fields {
        output.extend(fields);
    }
    PrepAnswer { output: Value::Object(output), error: None, is_recorded: true }
}

/// A refusal of a run that is not at hand.
pub(super) fn refused(run: Option<PrepRunId>, refusal: &Refusal) -> PrepAnswer {
    let mut output = envelope(run, Some(refusal.reason));
    if let Some(step) = refusal.step {
        output.insert("stepId".to_owned(), to_json(&step));
    }
    if matches!(refusal.reason, ReasonCode::ProcessedDatasetNotFound | ReasonCode::ProcessedDatasetPersistFailed) {
        output.insert("passed".to_owned(), false.into());
    }
    if !refusal.issues.is_empty() {
        output.insert("compatibilityIssues".to_owned(), to_json(&refusal.issues));
        output.insert("compatible".to_owned(), false.into());
    }
    PrepAnswer { output: Value::Object(output), error: Some(refusal.message.clone()), is_recorded: refusal.is_recorded }
}

/// A refusal of a run, with the step that it is about as it is now.
pub(super) fn refused_in(run: &PrepRun, refusal: &Refusal) -> PrepAnswer {
    let mut answer = refused(Some(run.id), refusal);
    let step = refusal.step.and_then(|id| run.step(id).ok());
    if let (Value::Object(output), Some(step)) = (&mut answer.output, step) {
        output.insert("status".to_owned(), to_json(&step.status));
        output.insert("step".to_owned(), step_view(step));
    }
    answer
}

/// A step as clients see it.
pub(super) fn step_view(step: &Step) -> Value {
    to_json(&PrepStepView::from(step.clone()))
}

/// A value that is known to have a form in JSON.
pub(super) fn to_json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn envelope(run: Option<PrepRunId>, reason: Option<ReasonCode>) -> Map<String, Value> {
    Map::from_iter([
        ("runId".to_owned(), to_json(&run)),
        ("isError".to_owned(), reason.is_some().into()),
        ("reasonCode".to_owned(), to_json(&reason)),
    ])
}

/// The failure of a store call about `what`, which `missing` says is not there.
pub(super) fn store_refusal(what: &str, missing: ReasonCode, error: &StoreError) -> Refusal {
    match error {
        // The client looks for these words.
        StoreError::NotFound => {
            Refusal::new(missing, format!("{what} not found. Leave the id out to go on with the current one."))
        }
        StoreError::Unavailable(_) => {
            tracing::warn!(error.cause = chain(error), "the database does not answer a tool");
            Refusal::new(ReasonCode::InternalError, format!("{DATABASE_SILENT}; try again shortly."))
        }
        StoreError::Conflict(_) | StoreError::LeaseLost => {
            Refusal::new(ReasonCode::InvalidOperation, format!("{what} changed meanwhile; try again."))
        }
        StoreError::Defect(_) => internal(error),
    }
}

/// A defect: the model learns only that, the log gets the cause.
pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Refusal {
    tracing::error!(error.cause = chain(error), "a tool of preprocessing failed");
    Refusal::new(ReasonCode::InternalError, "The server failed; try again, then report it.")
}
