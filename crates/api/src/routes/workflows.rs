//! Agent workflows (contract 2, section 2).

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use futures_util::StreamExt;
use gristmill_api_types::{
    errors::ErrorBody,
    jobs::{JobEnvelope, JobEventView},
    workflows::{
        ForkCreate, InterruptCreate, InterruptView, RunEnvelope, SnapshotEnvelope, SnapshotView, TurnCreate, TurnQuery,
        WorkflowApprovalView, WorkflowArtifactView, WorkflowEventView, WorkflowList, WorkflowPath, WorkflowsQuery,
    },
};
use gristmill_domain::{ErrorCode, ports::StoreError, workflows::WorkflowRunId};
use gristmill_persistence::repo::workflows::{STATE_NOT_KEPT, TurnBegun, WorkflowSnapshot};
use gristmill_workflow::agent::wire::run_state;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{IdempotencyKey, OptionalJson, PathParams, Read, Signed, ValidJson, ValidQuery, Write},
    respond::{Created, Json, prefers_async},
    state::AppState,
    streams::{StreamForm, events_response, ndjson_response},
    workflows::{begin_turn, turn_stream},
};

/// What is recorded when an interruption has no reason.
const NO_REASON: &str = "Interrupted by the user";

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(stream_workflow_turn)
        .service(interrupt_workflow)
        .service(fork_workflow)
        .service(list_workflows)
        .service(find_workflow);
}

/// Works on a turn of an agent's workflow, and tells of each step. Leaving the stream stops the turn; with
/// `Prefer: respond-async`, answers 202 with the job to follow, and with `Accept: text/event-stream` leaving does not stop it.
/// With an `Idempotency-Key`, a repetition follows the turn that the first call began.
#[utoipa::path(
    tag = "workflows",
    params(
        TurnQuery,
        ("Prefer" = Option<String>, Header, description = "`respond-async` to get the job at once"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the call repeatable: the same turn is told again"),
    ),
    request_body = TurnCreate,
    responses(
        (status = 200, description = "The steps, one JSON object a line; a blank line keeps it alive", body = String, content_type = "application/x-ndjson"),
        (status = 202, description = "The job that works on it", body = JobEnvelope),
        (status = 409, description = "Another turn of the phase runs: `activeRunId`", body = ErrorBody),
    )
)]
#[post("/workflows/turns/stream")]
pub async fn stream_workflow_turn(
    request: HttpRequest,
    state: web::Data<AppState>,
    signed: Signed<Write>,
    key: IdempotencyKey,
    ValidQuery(query): ValidQuery<TurnQuery>,
    ValidJson(body): ValidJson<TurnCreate>,
) -> ApiResult<HttpResponse> {
    let job = match begin_turn(&state, &signed.caller, key, body).await? {
        TurnBegun::Begun { job, .. } => job,
        TurnBegun::AlreadyRunning { active } => return Err(ApiError::turn_running(active)),
    };
    if prefers_async(&request) {
        return Ok(HttpResponse::Accepted().json(JobEnvelope::from(*job)));
    }
    if StreamForm::of(&request) == StreamForm::ServerSentEvents {
        let events = state.job_reader.follow(signed.caller, job.id, 0);
        let events = events.map(|event| event.map(JobEventView::from).map_err(ApiError::job));
        return Ok(events_response(StreamForm::ServerSentEvents, events));
    }
    let extended = query.events.as_deref() == Some("extended");
    Ok(ndjson_response(turn_stream(&state, signed.caller, job.id, extended)))
}

/// Interrupts a run that runs or waits: its model and its code are stopped. A run that has ended stays as it is.
#[utoipa::path(
    tag = "workflows",
    params(WorkflowPath),
    request_body = InterruptCreate,
    responses((status = 200, description = "The run", body = InterruptView))
)]
#[post("/workflows/{runId}/interrupt")]
pub async fn interrupt_workflow(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<WorkflowPath>,
    OptionalJson(body): OptionalJson<InterruptCreate>,
) -> ApiResult<Json<InterruptView>> {
    let id = run_id(&path)?;
    let reason = body.reason.filter(|reason| !reason.trim().is_empty()).unwrap_or_else(|| NO_REASON.to_owned());
    let interrupted = state.workflows.interrupt(&signed.caller, &id, &reason, state.clock.now()).await;
    let (run, interrupted) = interrupted.map_err(ApiError::store(ErrorCode::WorkflowNotFound))?;
    Ok(Json(InterruptView { run: run_state(&run), interrupted }))
}

/// Makes a new run that has gone as far as an event of another; the next turn goes on from there.
///
/// It has the dataset, experiments and open questions of that moment, and steps and features of its own. The notebook is not
/// copied: both runs work in the one that is active, with its cells as they are now, whatever either has done in them since the
/// event. To keep them apart, send another `notebookId` with the fork's next turn; cells of steps that were proposed before stay
/// where they are.
#[utoipa::path(
    tag = "workflows",
    params(WorkflowPath),
    request_body = ForkCreate,
    responses((status = 201, description = "The new run", body = RunEnvelope))
)]
#[post("/workflows/{runId}/fork")]
pub async fn fork_workflow(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<WorkflowPath>,
    ValidJson(body): ValidJson<ForkCreate>,
) -> ApiResult<Created<RunEnvelope>> {
    let forked = state.workflows.fork(&signed.caller, &run_id(&path)?, body.after_sequence, state.clock.now()).await;
    let run = forked.map_err(|error| match error {
        StoreError::Conflict(what) if what == STATE_NOT_KEPT => {
            ApiError::new(ErrorCode::Conflict, "What the run had at that event was not kept; fork it after a later one")
        }
        error => ApiError::store(ErrorCode::WorkflowNotFound)(error),
    })?;
    Ok(Created(RunEnvelope { run: run_state(&run) }))
}

/// Lists the runs of a project, the last changed first.
#[utoipa::path(
    tag = "workflows",
    params(WorkflowsQuery),
    responses((status = 200, description = "The runs", body = WorkflowList))
)]
#[get("/workflows")]
pub async fn list_workflows(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    ValidQuery(query): ValidQuery<WorkflowsQuery>,
) -> ApiResult<Json<WorkflowList>> {
    let runs = state.workflows.list(&signed.caller, query.project_id, query.phase, state.clock.now()).await;
    let runs = runs.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(Json(WorkflowList { project_id: query.project_id, phase: query.phase, runs: runs.iter().map(run_state).collect() }))
}

/// Reads a run with its events, artifacts and approvals.
#[utoipa::path(
    tag = "workflows",
    params(WorkflowPath),
    responses((status = 200, description = "The run", body = SnapshotEnvelope))
)]
#[get("/workflows/{runId}")]
pub async fn find_workflow(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<WorkflowPath>,
) -> ApiResult<Json<SnapshotEnvelope>> {
    let snapshot = state.workflows.snapshot(&signed.caller, &run_id(&path)?, state.clock.now()).await;
    Ok(Json(SnapshotEnvelope { run: view(snapshot.map_err(ApiError::store(ErrorCode::WorkflowNotFound))?) }))
}

/// A run with an id that cannot be is not there.
fn run_id(path: &WorkflowPath) -> ApiResult<WorkflowRunId> {
    WorkflowRunId::parse(&path.run_id)
        .ok_or_else(|| ApiError::store(ErrorCode::WorkflowNotFound)(gristmill_domain::ports::StoreError::NotFound))
}

fn view(snapshot: WorkflowSnapshot) -> SnapshotView {
    let run_id = snapshot.run.id.as_str().to_owned();
    let events = snapshot.events.into_iter().map(|event| WorkflowEventView {
        event_id: format!("{run_id}:{}", event.sequence),
        run_id: run_id.clone(),
        sequence: event.sequence,
        event_type: event.event_type,
        payload: event.payload,
        created_at: event.created_at.into(),
    });
    let artifacts = snapshot.artifacts.into_iter().map(|artifact| WorkflowArtifactView {
        artifact_id: artifact.id,
        run_id: run_id.clone(),
        artifact_type: artifact.kind.as_str().to_owned(),
        label: artifact.label,
        payload: artifact.payload,
        created_at: artifact.created_at.into(),
        updated_at: artifact.updated_at.into(),
    });
    let approvals = snapshot.approvals.into_iter().map(|approval| WorkflowApprovalView {
        approval_id: approval.id,
        run_id: run_id.clone(),
        approval_type: approval.approval_type,
        status: approval.status.as_str().to_owned(),
        subject_hash: approval.subject_hash,
        requested_at: approval.requested_at.into(),
        resolved_at: approval.resolved_at.map(Into::into),
        resolved_by: approval.resolved_by,
        payload: approval.payload,
    });
    SnapshotView {
        events: events.collect(),
        artifacts: artifacts.collect(),
        approvals: approvals.collect(),
        run: run_state(&snapshot.run),
        turn_job_id: snapshot.turn_job,
        handoffs: Vec::new(),
        notebook_bindings: Vec::new(),
    }
}
