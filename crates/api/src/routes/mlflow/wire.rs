//! MLflow's own protocol: its errors, its bodies, its numbers.

use std::{
    collections::BTreeMap,
    future::{Future, Ready, ready},
    pin::Pin,
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, ResponseError,
    dev::Payload,
    http::{StatusCode, header},
};
use gristmill_domain::{
    ErrorCode,
    tracking::{
        KEY_CHARS_MAX, MetricPoint, PARAM_CHARS_MAX, Run, TAG_CHARS_MAX,
        filter::{self, Comparator, Condition, Operand, Subject},
    },
};
use serde_json::{Value, json};

use crate::{error::ApiError, extract::read_body};

/// What every handler returns.
pub(super) type MlflowResult = Result<HttpResponse, MlflowError>;

/// A failure in both shapes: this server's, and MLflow's `error_code` and `message`.
#[derive(Debug)]
pub struct MlflowError(ApiError);

impl From<ApiError> for MlflowError {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl std::fmt::Display for MlflowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for MlflowError {
    fn status_code(&self) -> StatusCode {
        self.0.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        self.0.log();
        let code = match self.status_code() {
            StatusCode::NOT_FOUND => "RESOURCE_DOES_NOT_EXIST",
            StatusCode::CONFLICT => "RESOURCE_ALREADY_EXISTS",
            StatusCode::BAD_REQUEST => "INVALID_PARAMETER_VALUE",
            StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
            StatusCode::FORBIDDEN => "PERMISSION_DENIED",
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => "REQUEST_LIMIT_EXCEEDED",
            StatusCode::SERVICE_UNAVAILABLE => "TEMPORARILY_UNAVAILABLE",
            _ => "INTERNAL_ERROR",
        };
        let body = self.0.body();
        let mut both = json!({ "error_code": code, "message": body.error });
        if let (Some(both), Ok(Value::Object(own))) = (both.as_object_mut(), serde_json::to_value(&body)) {
            both.extend(own);
        }
        HttpResponse::build(self.status_code()).insert_header((header::CACHE_CONTROL, "no-store")).json(both)
    }
}

/// Something that was sent is wrong.
pub(super) fn bad(message: impl Into<String>) -> MlflowError {
    ApiError::new(ErrorCode::ValidationFailed, message).into()
}

/// Something that was named is not there.
pub(super) fn missing(kind: &str, name: &str) -> MlflowError {
    let name: String = name.chars().take(100).collect();
    ApiError::new(ErrorCode::NotFound, format!("No {kind} '{name}' exists")).into()
}

/// A JSON object as body; an empty body is an empty object.
#[derive(Debug)]
pub struct MlflowBody(pub(super) Value);

impl FromRequest for MlflowBody {
    type Error = MlflowError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, MlflowError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let Some(bytes) = read_body(&request, payload).await? else { return Ok(Self(json!({}))) };
            match serde_json::from_slice(&bytes) {
                Ok(body @ Value::Object(_)) => Ok(Self(body)),
                Ok(_) => Err(bad("the body must be a JSON object")),
                Err(error) => Err(bad(format!("the body is not valid JSON: {error}"))),
            }
        })
    }
}

/// The query's parameters; of one that is there twice, the last counts.
#[derive(Debug)]
pub struct Params(BTreeMap<String, String>);

impl FromRequest for Params {
    type Error = MlflowError;
    type Future = Ready<Result<Self, MlflowError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
        ready(Ok(Self(pairs.map(|(key, value)| (key.into_owned(), value.into_owned())).collect())))
    }
}

impl Params {
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn required(&self, key: &str) -> Result<String, MlflowError> {
        self.get(key).map(ToOwned::to_owned).ok_or_else(|| bad(format!("Missing value for required parameter '{key}'")))
    }

    /// Limit and offset of a page.
    pub(super) fn page(&self, default: usize) -> Result<(usize, usize), MlflowError> {
        page(&json!(self.0), default)
    }
}

/// A text that must be there.
pub(super) fn text(body: &Value, key: &str) -> Result<String, MlflowError> {
    optional(body, key).ok_or_else(|| bad(format!("Missing value for required parameter '{key}'")))
}

/// A text that may be there.
pub(super) fn optional(body: &Value, key: &str) -> Option<String> {
    body[key].as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned)
}

/// A whole number, which JSON of protocol buffers may write as a text.
pub(super) fn integer(body: &Value, key: &str) -> Result<Option<i64>, MlflowError> {
    match &body[key] {
        Value::Null => Ok(None),
        Value::Number(number) => number.as_i64().map(Some).ok_or_else(|| bad(format!("{key} must be a whole number"))),
        Value::String(text) => text.parse().map(Some).map_err(|_invalid| bad(format!("{key} must be a whole number"))),
        _ => Err(bad(format!("{key} must be a whole number"))),
    }
}

/// A number, where NaN and infinities are texts.
pub(super) fn number(body: &Value, key: &str) -> Result<f64, MlflowError> {
    let found = match &body[key] {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => text.parse().ok(),
        },
        _ => None,
    };
    found.ok_or_else(|| bad(format!("{key} must be a number")))
}

/// How numbers are written.
pub(super) fn number_json(value: f64) -> Value {
    if value.is_finite() {
        json!(value)
    } else if value.is_nan() {
        json!("NaN")
    } else {
        json!(if value > 0.0 { "Infinity" } else { "-Infinity" })
    }
}

/// Limit and offset of a page.
pub(super) fn page(body: &Value, default: usize) -> Result<(usize, usize), MlflowError> {
    let limit = match integer(body, "max_results")? {
        None => default,
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=50_000).contains(limit))
            .ok_or_else(|| bad("max_results must be from 1 to 50000"))?,
    };
    let offset = match optional(body, "page_token") {
        None => 0,
        Some(token) => token.parse().map_err(|_invalid| bad("page_token is not one that was sent"))?,
    };
    Ok((limit, offset))
}

/// `[{key, value}]` as a map.
pub(super) fn pairs(body: &Value, field: &str) -> Result<BTreeMap<String, String>, MlflowError> {
    let entries = match &body[field] {
        Value::Null => return Ok(BTreeMap::new()),
        Value::Array(entries) => entries,
        _ => return Err(bad(format!("{field} must be a list"))),
    };
    let limit = if field == "params" { PARAM_CHARS_MAX } else { TAG_CHARS_MAX };
    entries.iter().map(|entry| pair(entry, limit)).collect()
}

/// One `{key, value}`.
pub(super) fn pair(entry: &Value, value_chars_max: usize) -> Result<(String, String), MlflowError> {
    let key = key_of(entry)?;
    let value = entry["value"].as_str().unwrap_or_default().to_owned();
    if value.chars().count() > value_chars_max || value.contains('\0') {
        return Err(bad(format!("the value of '{key}' must have at most {value_chars_max} characters, and no NUL")));
    }
    Ok((key, value))
}

/// The `key` of an entry.
pub(super) fn key_of(entry: &Value) -> Result<String, MlflowError> {
    let key = text(entry, "key")?;
    if key.chars().count() > KEY_CHARS_MAX || key.contains('\0') {
        return Err(bad(format!("a key must have at most {KEY_CHARS_MAX} characters, and no NUL")));
    }
    Ok(key)
}

/// One `{key, value, timestamp, step}`.
pub(super) fn metric(entry: &Value) -> Result<(String, MetricPoint), MlflowError> {
    let point = MetricPoint {
        value: number(entry, "value")?,
        timestamp_ms: integer(entry, "timestamp")?.unwrap_or(0),
        step: integer(entry, "step")?.unwrap_or(0),
    };
    Ok((key_of(entry)?, point))
}

/// A metric as it is written.
pub(super) fn metric_json(key: &str, point: &MetricPoint) -> Value {
    json!({ "key": key, "value": number_json(point.value), "timestamp": point.timestamp_ms, "step": point.step })
}

/// A run as it is written.
pub(super) fn run_json(run: &Run) -> Value {
    let pairs = |map: &BTreeMap<String, String>| -> Vec<Value> {
        map.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
    };
    let metrics: Vec<Value> = run.metrics.iter().map(|(key, point)| metric_json(key, point)).collect();
    json!({
        "info": info_json(run),
        "data": { "metrics": metrics, "params": pairs(&run.params), "tags": pairs(&tags_of(run)) },
        "inputs": {},
    })
}

/// Its tags, with its name, which MLflow keeps among them.
fn tags_of(run: &Run) -> BTreeMap<String, String> {
    let mut tags = run.tags.clone();
    tags.entry("mlflow.runName".to_owned()).or_insert_with(|| run.name.clone());
    tags
}

/// What every run has.
pub(super) fn info_json(run: &Run) -> Value {
    let id = run.id.0.simple().to_string();
    json!({
        "run_id": id, "run_uuid": id, "run_name": run.name, "experiment_id": run.project_id, "user_id": run.user,
        "status": run.status.as_str(), "start_time": run.start_ms, "end_time": run.end_ms,
        "artifact_uri": format!("mlflow-artifacts:/{}/{id}/artifacts", run.project_id),
        "lifecycle_stage": if run.is_deleted { "deleted" } else { "active" },
    })
}

/// Conditions on names, checked in memory: there are few of these things.
#[derive(Debug, Default)]
pub(super) struct NameFilter(Vec<Condition>);

/// Reads a filter of names.
pub(super) fn name_filter(text: Option<&str>) -> Result<NameFilter, MlflowError> {
    let conditions = filter::parse(text.unwrap_or_default()).map_err(|error| bad(format!("Invalid filter: {error}")))?;
    Ok(NameFilter(conditions))
}

impl NameFilter {
    /// Whether a thing's attribute meets every condition on it.
    pub(super) fn holds(&self, attribute: &str, value: &str) -> bool {
        self.0.iter().filter(|condition| condition.subject == Subject::Attribute(attribute.to_owned())).all(|condition| {
            match (&condition.operand, condition.comparator) {
                (Operand::Among { texts, is_in }, _) => texts.iter().any(|text| text == value) == *is_in,
                (Operand::Text(text), Comparator::Equal) => text == value,
                (Operand::Text(text), Comparator::Unequal) => text != value,
                (Operand::Text(text), Comparator::Like) => like(value, text),
                (Operand::Text(text), Comparator::LikeAnyCase) => like(&value.to_lowercase(), &text.to_lowercase()),
                _ => false,
            }
        })
    }
}

/// SQL's LIKE with `%` alone.
fn like(value: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('%');
    let Some(mut rest) = parts.next().and_then(|first| value.strip_prefix(first)) else { return false };
    if !pattern.contains('%') {
        return rest.is_empty();
    }
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_is_like_sql_s() {
        for (value, pattern, expected) in [
            ("abc", "abc", true),
            ("abc", "ab", false),
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abc", "%b%", true),
            ("abc", "a%c", true),
            ("abc", "%", true),
            ("abc", "b%", false),
            ("aXbYc", "a%b%c", true),
            ("", "%", true),
        ] {
            assert_eq!(like(value, pattern), expected, "{value} like {pattern}");
        }
    }

    #[test]
    fn numbers_come_in_three_spellings() {
        let body = json!({ "a": 1, "b": "2", "c": "NaN", "d": "x", "e": [] });
        assert_eq!(
            (integer(&body, "a").unwrap(), integer(&body, "b").unwrap(), integer(&body, "z").unwrap()),
            (Some(1), Some(2), None)
        );
        assert!(number(&body, "c").unwrap().is_nan() && number(&body, "d").is_err() && number(&body, "e").is_err());
        assert_eq!(number_json(f64::NEG_INFINITY), "-Infinity");
    }
}
