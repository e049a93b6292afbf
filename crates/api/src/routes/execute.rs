//! Running code outside of notebooks (contract 3, section 2).

use std::time::Duration;

use actix_web::{HttpResponse, delete, get, http::header, post, web};
use bytes::Bytes;
use futures_util::StreamExt;
use gristmill_api_types::{
    common::SuccessView,
    execute::{
        ExecuteCode, ExecuteHealth, ExecuteHealthView, ExecuteView, ExecutionSessionView, InstallLine, InstallView,
        PackageInstall, PackageList, RuntimeList, RuntimeView, SessionCreate, SessionCreatedView, SessionEnvelope, SuggestQuery,
        SuggestionList,
    },
    paths::{ExecutionSessionPath, PackagesPath},
};
use gristmill_domain::{
    Caller, ErrorCode, ExecutionSessionId,
    execution::{ExecutionSession, PythonVersion},
    ports::StoreError,
};
use gristmill_runtime::{ExecuteRequest, InstallEvent, InstallOutcome, KernelPlace};
use tokio::sync::mpsc;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{PathParams, Read, Signed, ValidJson, ValidQuery, Write},
    notebooks::{failed, memory_of, runtime_error, timeout_of},
    respond::Json,
    state::AppState,
};

/// Lines of an installation that may wait for the client.
const INSTALL_LINES: usize = 256;
const SUGGESTIONS_DEFAULT: i64 = 8;
const SUGGESTIONS_MAX: i64 = 20;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(execute_code)
        .service(create_execution_session)
        .service(find_execution_session)
        .service(delete_execution_session)
        .service(install_packages)
        .service(stream_package_install)
        // Before `{sessionId}`, or `suggest` would be taken for an id.
        .service(suggest_packages)
        .service(list_packages)
        .service(list_runtimes)
        .service(check_execute_health);
}

/// Runs code in a session and answers when it is done. Code that fails, and a kernel that cannot be had, are results.
#[utoipa::path(
    tag = "execute",
    request_body = ExecuteCode,
    responses((status = 200, description = "The result", body = ExecuteView))
)]
#[post("/execute")]
pub async fn execute_code(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    ValidJson(body): ValidJson<ExecuteCode>,
) -> ApiResult<Json<ExecuteView>> {
    let caller = &signed.caller;
    let session = session_for(&state, caller, &body).await?;
    let settings = state.settings.overrides(caller).await.map_err(ApiError::store(ErrorCode::UserNotFound))?;
    let settings = settings.over(state.config.settings);
    let timeout = body.timeout.map_or_else(|| timeout_of(&settings), |ms| Duration::from_secs_f64(ms / 1000.0));
    let request = ExecuteRequest { code: body.code, timeout, memory_bytes: memory_of(&settings) };
    // Nobody watches: everything is in the result.
    let (sink, outputs) = mpsc::channel(1);
    drop(outputs);
    let result = match state.runtime.execute(&place(caller, &session), request, sink).await {
        Err(error) if error.code() == ErrorCode::TooManyRequests => return Err(runtime_error(error)),
        result => result.unwrap_or_else(|error| failed(&error)),
    };
    Ok(Json(ExecuteView { success: true, session_id: session.id, result }))
}

/// Makes a session and starts its kernel.
#[utoipa::path(
    tag = "execute",
    request_body = SessionCreate,
    responses((status = 200, description = "The session", body = SessionCreatedView))
)]
#[post("/execute/session")]
pub async fn create_execution_session(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    ValidJson(body): ValidJson<SessionCreate>,
) -> ApiResult<Json<SessionCreatedView>> {
    let caller = &signed.caller;
    let python = body.python_version.unwrap_or_default();
    let session = state.execution_sessions.create(caller, body.project_id, python, state.clock.now()).await;
    let session = session.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    let place = place(caller, &session);
    let (ready, session_view) = tokio::join!(state.runtime.ensure(&place), view(&state, caller, &session));
    if let Err(error) = ready {
        // Nobody knows of it yet.
        drop(state.execution_sessions.delete(caller, session.id).await);
        return Err(runtime_error(error));
    }
    Ok(Json(SessionCreatedView { success: true, session: session_view }))
}

/// Reads a session.
#[utoipa::path(
    tag = "execute",
    params(ExecutionSessionPath),
    responses((status = 200, description = "The session", body = SessionEnvelope))
)]
#[get("/execute/session/{id}")]
pub async fn find_execution_session(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<ExecutionSessionPath>,
) -> ApiResult<Json<SessionEnvelope>> {
    let session = state.execution_sessions.find(&signed.caller, path.id).await.map_err(session_error)?;
    Ok(Json(SessionEnvelope { session: view(&state, &signed.caller, &session).await }))
}

/// Ends a session and removes its workspace. A session that is not there is ended already.
#[utoipa::path(
    tag = "execute",
    params(ExecutionSessionPath),
    responses((status = 200, description = "It is gone", body = SuccessView))
)]
#[delete("/execute/session/{id}")]
pub async fn delete_execution_session(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    PathParams(path): PathParams<ExecutionSessionPath>,
) -> ApiResult<Json<SuccessView>> {
    match state.execution_sessions.delete(&signed.caller, path.id).await {
        Ok(session) => state.runtime.discard_session(session.project_id, session.id).await,
        Err(StoreError::NotFound) if !state.execution_sessions.exists(path.id).await.map_err(session_error)? => {}
        Err(error) => return Err(session_error(error)),
    }
    Ok(Json(SuccessView::DONE))
}

/// Installs packages into the project of a session. What fails is told by `success`.
#[utoipa::path(
    tag = "execute",
    request_body = PackageInstall,
    responses((status = 200, description = "How it went", body = InstallView))
)]
#[post("/execute/packages")]
pub async fn install_packages(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    ValidJson(body): ValidJson<PackageInstall>,
) -> ApiResult<Json<InstallView>> {
    let Some(session) = known_session(&state, &signed.caller, &body.session_id).await? else {
        return Ok(Json(InstallView { success: false, message: UNKNOWN_SESSION.into() }));
    };
    let mut lines = start_install(&state, place(&signed.caller, &session), body.package_name);
    let mut outcome = InstallView { success: false, message: "The installation broke off".into() };
    while let Some(line) = lines.recv().await {
        if let InstallLine::Done { success, message } = line {
            outcome = InstallView { success, message };
        }
    }
    Ok(Json(outcome))
}

/// Installs packages into the project of a session and tells how it goes. It goes on when the client goes away.
#[utoipa::path(
    tag = "execute",
    request_body = PackageInstall,
    responses((status = 200, description = "One object a line; `done` is the last", body = InstallLine, content_type = "application/x-ndjson"))
)]
#[post("/execute/packages/stream")]
pub async fn stream_package_install(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    ValidJson(body): ValidJson<PackageInstall>,
) -> ApiResult<HttpResponse> {
    let lines = match known_session(&state, &signed.caller, &body.session_id).await? {
        Some(session) => start_install(&state, place(&signed.caller, &session), body.package_name),
        None => {
            let (sender, receiver) = mpsc::channel(1);
            drop(sender.try_send(InstallLine::Done { success: false, message: UNKNOWN_SESSION.into() }));
            receiver
        }
    };
    let encoded = tokio_stream::wrappers::ReceiverStream::new(lines).map(|line| {
        let json = serde_json::to_string(&line).map_err(ApiError::internal)?;
        Ok::<Bytes, ApiError>(Bytes::from(format!("{json}\n")))
    });
    Ok(HttpResponse::Ok()
        .content_type("application/x-ndjson")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(encoded))
}

/// Suggests packages for what was typed.
#[utoipa::path(
    tag = "execute",
    params(SuggestQuery),
    responses((status = 200, description = "The likeliest first", body = SuggestionList))
)]
#[get("/execute/packages/suggest")]
pub async fn suggest_packages(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    ValidQuery(query): ValidQuery<SuggestQuery>,
) -> ApiResult<Json<SuggestionList>> {
    if let Some(project) = query.project_id {
        state.projects.find(&signed.caller, project).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    }
    let limit = query.limit.and_then(|text| text.trim().parse::<i64>().ok()).map(|limit| limit.clamp(1, SUGGESTIONS_MAX));
    let most = usize::try_from(limit.unwrap_or(SUGGESTIONS_DEFAULT)).unwrap_or(1);
    let typed = query.q.unwrap_or_default();
    let mut suggestions = state.runtime.suggest(typed.trim(), most, query.project_id).await;
    // For nothing typed there are the popular ones, all of them unless the client wants fewer.
    if limit.is_some() {
        suggestions.truncate(most);
    }
    Ok(Json(SuggestionList { suggestions }))
}

/// Lists the packages that a session can import. None for a session that is not there.
#[utoipa::path(
    tag = "execute",
    params(PackagesPath),
    responses((status = 200, description = "The packages", body = PackageList))
)]
#[get("/execute/packages/{sessionId}")]
pub async fn list_packages(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    PathParams(path): PathParams<PackagesPath>,
) -> ApiResult<Json<PackageList>> {
    let packages = match state.execution_sessions.find(&signed.caller, path.session_id).await {
        Ok(session) => state.runtime.packages(&place(&signed.caller, &session)).await.map_err(runtime_error)?,
        Err(StoreError::NotFound) if !state.execution_sessions.exists(path.session_id).await.map_err(session_error)? => {
            Vec::new()
        }
        Err(error) => return Err(session_error(error)),
    };
    Ok(Json(PackageList { packages }))
}

/// Lists the Python versions that kernels can run on.
#[utoipa::path(tag = "execute", responses((status = 200, description = "The versions", body = RuntimeList)))]
#[get("/execute/runtimes")]
pub async fn list_runtimes(state: web::Data<AppState>, _signed: Signed<Read>) -> ApiResult<Json<RuntimeList>> {
    let status = state.runtime.status();
    let backend = status.isolation.map(|isolation| isolation.backend.as_str().to_owned());
    // The contract's two, and what else is there.
    let listed = PythonVersion::ALL
        .into_iter()
        .filter(|version| matches!(version, PythonVersion::V3_10 | PythonVersion::V3_11) || status.versions.contains(version));
    let runtimes = listed.map(|python_version| RuntimeView {
        python_version,
        available: status.ready && status.versions.contains(&python_version),
        docker_enabled: status.ready,
        backend: backend.clone(),
    });
    Ok(Json(RuntimeList { runtimes: runtimes.collect() }))
}

/// Tells whether code can be run, and what keeps it apart from the host.
#[utoipa::path(tag = "execute", responses((status = 200, description = "How it stands", body = ExecuteHealthView)))]
#[get("/execute/health")]
pub async fn check_execute_health(state: web::Data<AppState>, _signed: Signed<Read>) -> ApiResult<Json<ExecuteHealthView>> {
    let status = state.runtime.status();
    Ok(Json(ExecuteHealthView {
        status: if status.ready { ExecuteHealth::Healthy } else { ExecuteHealth::Degraded },
        docker_available: status.ready,
        active_sessions: status.active,
        ready_kernels: status.pooled,
        backend: status.isolation.as_ref().map(|isolation| isolation.backend.as_str().to_owned()),
        isolation: status.isolation.map(|isolation| isolation.measures).unwrap_or_default(),
        reasons: status.reasons,
    }))
}

const UNKNOWN_SESSION: &str = "There is no such session; start a new one";

/// The session that code asks for, or the project's common one: never somebody else's.
async fn session_for(state: &AppState, caller: &Caller, body: &ExecuteCode) -> ApiResult<ExecutionSession> {
    let now = state.clock.now();
    let missing = ApiError::store(ErrorCode::ProjectNotFound);
    let common = state.execution_sessions.implicit(caller, body.project_id, body.python_version.unwrap_or_default(), now);
    let Some(id) = body.session_id.as_deref().and_then(|text| text.parse::<ExecutionSessionId>().ok()) else {
        return common.await.map_err(missing);
    };
    match state.execution_sessions.use_session(caller, id, now).await {
        Ok(session) if session.project_id == body.project_id => Ok(session),
        Ok(_) | Err(StoreError::NotFound) => common.await.map_err(missing),
        Err(error) => Err(missing(error)),
    }
}

/// The session, if it is the caller's. None when there is none of this id.
async fn known_session(state: &AppState, caller: &Caller, id: &str) -> ApiResult<Option<ExecutionSession>> {
    let Ok(id) = id.parse::<ExecutionSessionId>() else { return Ok(None) };
    match state.execution_sessions.use_session(caller, id, state.clock.now()).await {
        Ok(session) => Ok(Some(session)),
        Err(StoreError::NotFound) if !state.execution_sessions.exists(id).await.map_err(session_error)? => Ok(None),
        Err(error) => Err(session_error(error)),
    }
}

/// Starts an installation that goes on whoever listens.
fn start_install(state: &web::Data<AppState>, place: KernelPlace, packages: String) -> mpsc::Receiver<InstallLine> {
    let (lines, receiver) = mpsc::channel(INSTALL_LINES);
    let (sink, mut events) = mpsc::channel::<InstallEvent>(INSTALL_LINES);
    let shared = state.clone();
    state.tasks.spawn("package installation", async move {
        let mut installing = std::pin::pin!(shared.runtime.install(&place, &packages, sink));
        let outcome: InstallOutcome = loop {
            tokio::select! {
                outcome = &mut installing => break outcome,
                // A listener that is gone or slow is no reason to wait: it misses lines, but not the last one.
                Some(event) = events.recv() => drop(lines.try_send(line_of(event))),
            }
        };
        while let Ok(event) = events.try_recv() {
            drop(lines.try_send(line_of(event)));
        }
        drop(lines.send(InstallLine::Done { success: outcome.success, message: outcome.message }).await);
    });
    receiver
}

fn line_of(event: InstallEvent) -> InstallLine {
    match event {
        InstallEvent::Log { message } => InstallLine::Log { message },
        InstallEvent::Progress { progress, stage } => InstallLine::Progress { progress, stage },
    }
}

fn place(caller: &Caller, session: &ExecutionSession) -> KernelPlace {
    KernelPlace::session(session.project_id, session.id, session.python_version).owned_by(caller.user_id)
}

async fn view(state: &AppState, caller: &Caller, session: &ExecutionSession) -> ExecutionSessionView {
    // A session that cannot tell its packages now is there nevertheless.
    let packages = state.runtime.packages(&place(caller, session)).await.unwrap_or_else(|error| {
        tracing::warn!(error.cause = crate::error::chain(&error), "the packages of a session could not be listed");
        Vec::new()
    });
    ExecutionSessionView::new(session, packages)
}

fn session_error(error: StoreError) -> ApiError {
    ApiError::store(ErrorCode::ExecutionSessionNotFound)(error)
}
