//! SQL queries (contract 1, section 10).

use actix_web::{HttpResponse, get, post, web};
use gristmill_api_types::query::{QueryCacheConfig, QueryEnvelope, SqlRequest};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::ApiResult,
    extract::{Read, Signed, ValidJson},
    respond::Json,
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(run_sql).service(find_cache_config);
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
    ValidJson(body): ValidJson<SqlRequest>,
) -> ApiResult<HttpResponse> {
    let answer = state.sql.run(&state, &signed.caller, body.project_id, &body.sql).await?;
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
