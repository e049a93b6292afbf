//! Help with writing Python (contract 3, section 9).

use actix_web::{post, web};
use gristmill_api_types::python::{
    CompletionList, CompletionView, DiagnosticList, DiagnosticView, HoverEnvelope, HoverView, ParameterView, PythonQuestion,
    SignatureList, SignatureView,
};
use gristmill_domain::{Caller, ErrorCode};
use gristmill_runtime::intelligence::{AssistAnswer, AssistCell, AssistOp, AssistRequest};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{Read, Signed, ValidJson},
    notebooks::runtime_error,
    respond::Json,
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_completions).service(find_hover).service(list_signatures).service(list_diagnostics);
}

/// What could be written at a place, at most 50.
#[utoipa::path(
    tag = "python",
    request_body = PythonQuestion,
    responses((status = 200, description = "The likeliest first", body = CompletionList))
)]
#[post("/python/completions")]
pub async fn list_completions(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    ValidJson(body): ValidJson<PythonQuestion>,
) -> ApiResult<Json<CompletionList>> {
    let completions = match ask(&state, &signed.caller, AssistOp::Completions, body).await? {
        AssistAnswer::Completions { completions } => completions,
        _ => Vec::new(),
    };
    let view = |one: gristmill_runtime::intelligence::Completion| CompletionView {
        name: one.name,
        kind: one.kind,
        module: one.module,
        signature: one.signature,
        docstring: one.docstring,
    };
    Ok(Json(CompletionList { completions: completions.into_iter().map(view).collect() }))
}

/// What the name at a place means.
#[utoipa::path(
    tag = "python",
    request_body = PythonQuestion,
    responses((status = 200, description = "Null where nothing is known", body = HoverEnvelope))
)]
#[post("/python/hover")]
pub async fn find_hover(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    ValidJson(body): ValidJson<PythonQuestion>,
) -> ApiResult<Json<HoverEnvelope>> {
    let hover = match ask(&state, &signed.caller, AssistOp::Hover, body).await? {
        AssistAnswer::Hover { hover } => hover,
        _ => None,
    };
    let view = |one: gristmill_runtime::intelligence::Hover| HoverView {
        name: one.name,
        kind: one.kind,
        docstring: one.docstring,
        full_name: one.full_name,
    };
    Ok(Json(HoverEnvelope { hover: hover.map(view) }))
}

/// How the function that is called at a place is called.
#[utoipa::path(
    tag = "python",
    request_body = PythonQuestion,
    responses((status = 200, description = "One for each overload", body = SignatureList))
)]
#[post("/python/signatures")]
pub async fn list_signatures(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    ValidJson(body): ValidJson<PythonQuestion>,
) -> ApiResult<Json<SignatureList>> {
    let signatures = match ask(&state, &signed.caller, AssistOp::Signatures, body).await? {
        AssistAnswer::Signatures { signatures } => signatures,
        _ => Vec::new(),
    };
    let parameter = |one: gristmill_runtime::intelligence::Parameter| ParameterView {
        name: one.name,
        description: one.description,
        default: one.default,
    };
    let view = |one: gristmill_runtime::intelligence::Signature| SignatureView {
        name: one.name,
        docstring: one.docstring,
        params: one.params.into_iter().map(parameter).collect(),
        active_param: one.active_param,
    };
    Ok(Json(SignatureList { signatures: signatures.into_iter().map(view).collect() }))
}

/// The syntax errors of the current cell, with lines relative to it.
#[utoipa::path(
    tag = "python",
    request_body = PythonQuestion,
    responses((status = 200, description = "In the order of lines", body = DiagnosticList))
)]
#[post("/python/diagnostics")]
pub async fn list_diagnostics(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    ValidJson(body): ValidJson<PythonQuestion>,
) -> ApiResult<Json<DiagnosticList>> {
    let diagnostics = match ask(&state, &signed.caller, AssistOp::Diagnostics, body).await? {
        AssistAnswer::Diagnostics { diagnostics } => diagnostics,
        _ => Vec::new(),
    };
    let view = |one: gristmill_runtime::intelligence::Diagnostic| DiagnosticView {
        line: one.line,
        column: one.column,
        end_line: one.end_line,
        end_column: one.end_column,
        message: one.message,
        severity: one.severity,
    };
    Ok(Json(DiagnosticList { diagnostics: diagnostics.into_iter().map(view).collect() }))
}

/// Asks the project's worker.
async fn ask(state: &AppState, caller: &Caller, op: AssistOp, body: PythonQuestion) -> ApiResult<AssistAnswer> {
    let missing = ApiError::store(ErrorCode::ProjectNotFound);
    let project = state.projects.find(caller, body.project_id).await.map_err(missing)?.id;
    let cell = |cell: gristmill_api_types::python::PythonCell| AssistCell {
        cell_id: cell.cell_id,
        content: cell.content,
        position: cell.position,
    };
    let request = AssistRequest {
        op,
        code: body.code,
        line: body.line,
        column: body.column,
        cells: body.cells.unwrap_or_default().into_iter().map(cell).collect(),
        current_cell_id: body.current_cell_id,
        // The runtime fills them in.
        datasets: Vec::new(),
        variables: std::collections::BTreeMap::new(),
    };
    state.runtime.assist(project, request).await.map_err(runtime_error)
}
