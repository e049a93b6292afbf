//! Drift of a deployment: its model's baseline against what all servers saw.

use actix_web::web;
use chrono::TimeDelta;
use gristmill_deployment::{
    drift::{Calibration, DriftAnswer, Reference, Window, report},
    serving::WINDOW,
};
use gristmill_domain::{Caller, deployments::Deployment};
use serde_json::Value;

use super::deployment_error;
use crate::{
    error::{ApiError, ApiResult},
    models::evaluation_file,
    routes::models::model_error,
    state::AppState,
};

/// How far back requests are compared.
const COMPARED: TimeDelta = TimeDelta::days(7);

/// Compares what a deployment was asked lately with what its model was trained on.
///
/// # Errors
/// 404; 500 when a file cannot be read.
///
/// # Cancel safety
/// Cancel safe.
pub async fn drift_of(state: &web::Data<AppState>, caller: &Caller, deployment: &Deployment) -> ApiResult<DriftAnswer> {
    // Whoever asks has asked for predictions just before.
    state.serving.flush().await;
    let model = state.models.find(caller, deployment.model_id).await.map_err(model_error)?;
    let entry = state.serving.find(deployment.id).await.map_err(super::serving_error)?;
    let Some(reference) = entry.reference().await else { return Ok(DriftAnswer::no_baseline()) };
    let now = state.clock.now();
    let hours = state.deployments.list_hours(caller, deployment.id, now - COMPARED).await.map_err(deployment_error)?;
    let evaluation = evaluation_file(state, &model, "evaluation.json").await?;
    let evaluation: Value = evaluation.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let work = move || {
        let windows = hours.iter().filter_map(|hour| hour.sketches.get(WINDOW));
        let window = merged(&reference, windows);
        report(&reference, &window, Some(&Calibration::from_evaluation(&evaluation)), now)
    };
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
}

/// All windows of this reference, added up.
fn merged<'a>(reference: &Reference, stored: impl Iterator<Item = &'a Value>) -> Window {
    let mut all = Window::new(reference, 0);
    for window in stored {
        match Window::from_json(reference, window.to_string().as_bytes()) {
            Ok(window) => {
                // Of the same reference: it was read with it.
                drop(all.merge(&window));
            }
            Err(error) => tracing::warn!(error = %error, "a stored window of a deployment is passed over"),
        }
    }
    all
}
