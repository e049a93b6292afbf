//! Uploads of datasets (contract 1, section 7.1).

use actix_multipart::Multipart;
use actix_web::{HttpRequest, HttpResponse, post, web};
use gristmill_api_types::{datasets::UploadEnvelope, jobs::JobEnvelope};
use gristmill_domain::JobId;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    datasets::{ingested, submit_ingest},
    error::ApiResult,
    extract::{IdempotencyKey, Signed, Write},
    respond::prefers_async,
    state::AppState,
    uploads::{Spool, io_error, receive},
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(upload_dataset);
}

/// The form of an upload.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the form in the OpenAPI document; the parts are read one by one")]
#[schema(rename_all = "camelCase")]
struct DatasetUpload {
    /// CSV, TSV, JSON, NDJSON or XLSX.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// The project that it is for.
    #[schema(value_type = Option<String>, format = Uuid)]
    project_id: Option<String>,
}

/// Uploads a file and reads it into a dataset. Answers when it can be queried; with `Prefer: respond-async`, answers
/// 202 with the job to follow.
#[utoipa::path(
    tag = "datasets",
    params(
        ("Prefer" = Option<String>, Header, description = "`respond-async` to get the job at once"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the call repeatable"),
    ),
    request_body(content = DatasetUpload, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The dataset", body = UploadEnvelope),
        (status = 202, description = "The job that reads it", body = JobEnvelope),
    )
)]
#[post("/upload/dataset")]
pub async fn upload_dataset(
    request: HttpRequest,
    state: web::Data<AppState>,
    signed: Signed<Write>,
    key: IdempotencyKey,
    form: Multipart,
) -> ApiResult<HttpResponse> {
    let job_id = JobId::random();
    let spool = Spool::create(&state.files, job_id).map_err(io_error)?;
    let file = receive(form, &spool, state.config.ingest.upload_bytes_max).await?;
    let job = submit_ingest(&state, &signed.caller, job_id, spool, file, key.into_key()).await?;
    if prefers_async(&request) {
        return Ok(HttpResponse::Accepted().json(JobEnvelope::from(job)));
    }
    let dataset = ingested(&state, &signed.caller, job.id).await?;
    Ok(HttpResponse::Created().json(UploadEnvelope::of_upload(dataset)))
}
