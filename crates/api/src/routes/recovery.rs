//! Recovery of notebooks that are gone (contract 3, sections 7.6 and 7.7).

use actix_web::{get, post, web};
use gristmill_api_types::{
    paths::NotebookPath,
    recovery::{NotebookRecover, RecoveryCandidateView, RecoveryQuery, RecoveryView},
};
use gristmill_domain::ErrorCode;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{DetailQuery, PathParams, Read, Signed, ValidJson, Write},
    respond::Json,
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(find_recovery_candidate).service(recover_notebook);
}

/// Tells what an empty notebook could be filled with: the newest completed run of the phase whose notebook is gone.
#[utoipa::path(
    tag = "notebooks",
    params(NotebookPath, RecoveryQuery),
    responses((status = 200, description = "The run, or why there is none", body = RecoveryView))
)]
#[get("/notebooks/{notebookId}/recovery-candidate")]
pub async fn find_recovery_candidate(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<NotebookPath>,
    DetailQuery(query): DetailQuery<RecoveryQuery>,
) -> ApiResult<Json<RecoveryView>> {
    let found = state.notebooks.find_recovery(&signed.caller, path.notebook_id, query.phase.into()).await;
    Ok(Json(match found.map_err(ApiError::store(ErrorCode::NotebookNotFound))? {
        Ok(found) => RecoveryView::possible(RecoveryCandidateView {
            run_id: found.run.as_str().to_owned(),
            source_notebook_id: found.lost.id,
            cell_count: found.lost.cells.len(),
            phase: query.phase,
            updated_at: found.updated_at.into(),
        }),
        Err(refusal) => RecoveryView::refused(refusal.as_str()),
    }))
}

/// Fills an empty notebook with the cells that the newest completed run of the phase left in a notebook that is gone.
#[utoipa::path(
    tag = "notebooks",
    params(NotebookPath),
    request_body = NotebookRecover,
    responses((status = 200, description = "What was done, or why nothing", body = RecoveryView))
)]
#[post("/notebooks/{notebookId}/recover")]
pub async fn recover_notebook(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<NotebookPath>,
    ValidJson(body): ValidJson<NotebookRecover>,
) -> ApiResult<Json<RecoveryView>> {
    let recovered = state.notebooks.recover(&signed.caller, path.notebook_id, body.phase.into(), state.clock.now()).await;
    Ok(Json(match recovered.map_err(ApiError::store(ErrorCode::NotebookNotFound))? {
        Ok(recovered) => {
            let candidate = RecoveryCandidateView {
                run_id: recovered.run.as_str().to_owned(),
                source_notebook_id: recovered.source,
                cell_count: recovered.cells.len(),
                phase: body.phase,
                updated_at: recovered.updated_at.into(),
            };
            RecoveryView::recovered(candidate, recovered.cells)
        }
        Err(refusal) => RecoveryView::refused(refusal.as_str()),
    }))
}
