//! SQL queries (contract 1, section 10).

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use futures_util::StreamExt;
use gristmill_api_types::{
    jobs::{JobEnvelope, JobEventView},
    query::{NlEnvelope, NlRequest, NlSuggestionsQuery, NlSuggestionsView, QueryCacheConfig, QueryEnvelope, SqlRequest},
};
use gristmill_domain::nl::NlEvent;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{Read, Signed, ValidJson, ValidQuery},
    leaving::ClientLeft,
    nl::{Asked, nl_answer, nl_stream, prepare_suggestions, submit_question},
    respond::{Json, prefers_async},
    state::AppState,
    streams::{StreamForm, events_response, ndjson_response},
};

/// Suggestions that are sent when nothing else is asked for.
const SUGGESTIONS_DEFAULT: usize = 8;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(run_sql).service(find_cache_config).service(ask_nl).service(stream_nl).service(list_nl_suggestions);
}

/// Runs one read-only statement over the datasets of a project. PostgreSQL's spelling; `truncated` tells whether
/// there were more rows than may be returned.
#[utoipa::path(
    tag = "query",
    request_body = SqlRequest,
    responses((status = 200, description = "The rows", body = QueryEnvelope))
)]
#[post("/query/sql")]
pub async fn run_sql(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    client: ClientLeft,
    ValidJson(body): ValidJson<SqlRequest>,
) -> ApiResult<HttpResponse> {
    let running = state.sql.run(&state, &signed.caller, body.project_id, &body.sql);
    let answer = client.unless_left(running).await?;
    Ok(HttpResponse::Ok().json(QueryEnvelope { query: answer.view() }))
}

/// Reads the settings of SQL queries that hold for everybody who did not change them.
#[utoipa::path(tag = "query", responses((status = 200, description = "The settings", body = QueryCacheConfig)))]
#[get("/query/cache/config")]
pub async fn find_cache_config(state: web::Data<AppState>, _signed: Signed<Read>) -> Json<QueryCacheConfig> {
    let settings = &state.config.settings;
    Json(QueryCacheConfig {
        ttl_ms: u64::try_from(settings.query_cache_ttl_ms).unwrap_or(0),
        max_entries: state.config.sql.cache_entries_max,
        sql_default_limit: u32::try_from(settings.sql_default_limit).unwrap_or(u32::MAX),
        sql_max_rows: u32::try_from(settings.sql_max_rows).unwrap_or(u32::MAX),
    })
}

/// Answers a question in plain words over the datasets of a project: the statement, its rows, and how far to trust them.
#[utoipa::path(
    tag = "query",
    request_body = NlRequest,
    responses((status = 200, description = "The answer", body = NlEnvelope))
)]
#[post("/query/nl")]
pub async fn ask_nl(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    client: ClientLeft,
    ValidJson(body): ValidJson<NlRequest>,
) -> ApiResult<HttpResponse> {
    let job = submit_question(&state, &signed.caller, body.project_id, body.query, body.table_name).await?;
    let asked = Asked { caller: signed.caller, project: body.project_id, job: job.id };
    let answer = client.unless_left(nl_answer(&state, asked)).await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(answer))
}

/// Answers a question in plain words, and tells of each step. Leaving the stream cancels the question. With
/// `Prefer: respond-async`, answers 202 with the job to follow; with `Accept: text/event-stream`, leaving does not cancel.
/// These two read the job's log, which keeps the first rows of a large result: `rowsLeftOut` in `nl.query` tells how many it
/// does not have, and `POST /query/sql` with `nl.sql` has all.
#[utoipa::path(
    tag = "query",
    request_body = NlRequest,
    params(("Prefer" = Option<String>, Header, description = "`respond-async` to get the job at once")),
    responses(
        (status = 200, description = "The steps, one JSON object a line; a blank line keeps it alive", body = NlEvent, content_type = "application/x-ndjson"),
        (status = 202, description = "The job that answers", body = JobEnvelope),
    )
)]
#[post("/query/nl/stream")]
pub async fn stream_nl(
    request: HttpRequest,
    state: web::Data<AppState>,
    signed: Signed<Read>,
    ValidJson(body): ValidJson<NlRequest>,
) -> ApiResult<HttpResponse> {
    let job = submit_question(&state, &signed.caller, body.project_id, body.query, body.table_name).await?;
    if prefers_async(&request) {
        return Ok(HttpResponse::Accepted().json(JobEnvelope::from(job)));
    }
    if StreamForm::of(&request) == StreamForm::ServerSentEvents {
        let events = state.job_reader.follow(signed.caller, job.id, 0);
        let events = events.map(|event| event.map(JobEventView::from).map_err(ApiError::job));
        return Ok(events_response(StreamForm::ServerSentEvents, events));
    }
    Ok(ndjson_response(nl_stream(&state, Asked { caller: signed.caller, project: body.project_id, job: job.id })))
}

/// Suggests questions that are worth asking of a project's tables, and texts for the composers of the other phases. Made
/// once for each state of the tables: by the language model, or by rules when there is none.
#[utoipa::path(
    tag = "query",
    params(NlSuggestionsQuery),
    responses((status = 200, description = "The suggestions", body = NlSuggestionsView))
)]
#[get("/query/nl/suggestions")]
pub async fn list_nl_suggestions(
    state: web::Data<AppState>,
    signed: Signed<Read>,
    ValidQuery(query): ValidQuery<NlSuggestionsQuery>,
) -> ApiResult<Json<NlSuggestionsView>> {
    let suggested = state.suggester.suggest_at_once(&signed.caller, query.project_id).await;
    let suggested = suggested.map_err(|error| ApiError::new(error.code(), error.public_message()).caused_by(error))?;
    if !suggested.cached {
        prepare_suggestions(&state, &signed.caller, Some(query.project_id));
    }
    let mut suggestions = suggested.set.suggestions;
    suggestions.truncate(query.limit.unwrap_or(SUGGESTIONS_DEFAULT));
    Ok(Json(NlSuggestionsView {
        suggestions,
        cached: suggested.cached,
        schema_fingerprint: suggested.schema_fingerprint,
        workflow_placeholders: suggested.set.placeholders,
    }))
}
