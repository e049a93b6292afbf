//! MLflow's scoring protocol: JSON or CSV in, `{"predictions": […]}` out, and MLflow's errors.

use actix_web::{HttpResponse, ResponseError, http::header};
use gristmill_deployment::scoring::{ScoringError, predictions, rows_of_csv, rows_of_json};
use gristmill_domain::ErrorCode;
use serde_json::json;

use super::{Answered, Asked, Dialect, Row};
use crate::{
    error::{ApiError, ApiResult},
    routes::mlflow::MlflowError,
};

/// Requests of MLflow's programs.
#[derive(Debug, Clone, Copy)]
pub struct Scoring;

fn refusal(error: &ScoringError) -> ApiError {
    let code = match error {
        ScoringError::TooLarge => ErrorCode::PayloadTooLarge,
        ScoringError::Malformed(_) => ErrorCode::InvalidRequest,
    };
    ApiError::new(code, error.to_string())
}

impl Dialect for Scoring {
    fn read(&mut self, asked: &Asked<'_>) -> ApiResult<Vec<Row>> {
        let media_type =
            asked.request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut parts = media_type.split(';').map(|part| part.trim().to_ascii_lowercase());
        let essence = parts.next().unwrap_or_default();
        let invalid = |message: String| ApiError::new(ErrorCode::InvalidRequest, message);
        if let Some(charset) = parts.find_map(|part| Some(part.strip_prefix("charset=")?.trim_matches('"').to_owned()))
            && charset != "utf-8"
        {
            return Err(invalid(format!("The body must be in UTF-8, not {charset:?}")));
        }
        match essence.as_str() {
            "application/json" => rows_of_json(asked.body, asked.signature).map_err(|error| refusal(&error)),
            "text/csv" => rows_of_csv(asked.body, asked.signature).map_err(|error| refusal(&error)),
            other => Err(invalid(format!("The Content-Type must be application/json or text/csv, not {other:?}"))),
        }
    }

    fn write(&self, answered: &Answered<'_>) -> ApiResult<HttpResponse> {
        Ok(HttpResponse::Ok().json(json!({ "predictions": predictions(answered.signature, &answered.answers.rows) })))
    }

    fn refuse(&self, error: ApiError) -> HttpResponse {
        MlflowError::from(error).error_response()
    }
}
