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
use chrono::{DateTime, Utc};
use gristmill_domain::{
    ErrorCode,
    tracking::{
        KEY_CHARS_MAX, MetricPoint, PARAM_CHARS_MAX, Run, TAG_CHARS_MAX,
        filter::{Attributes, Condition, FilterError, Order, Subject, parse_of, parse_order_of},
        matching::{Fact, compare, holds},
    },
};
use serde_json::{Value, json};

use super::links::{inputs_json, outputs_json};
use crate::{error::ApiError, extract::read_body};

const IS_PROMPT: &str = "mlflow.prompt.is_prompt";
/// What keys of tags begin with that the server writes.
const SERVER_TAGS: &str = "gristmill.";

/// What every handler returns.
pub(super) type MlflowResult = Result<HttpResponse, MlflowError>;

/// A failure in both shapes: this server's, and MLflow's `error_code` and `message`.
#[derive(Debug)]
pub struct MlflowError {
    error: ApiError,
    /// MLflow's code, where the status does not tell it.
    code: Option<&'static str>,
}

impl From<ApiError> for MlflowError {
    fn from(error: ApiError) -> Self {
        Self { error, code: None }
    }
}

impl std::fmt::Display for MlflowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for MlflowError {
    fn status_code(&self) -> StatusCode {
        self.error.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        self.error.log();
        let of_status = match self.status_code() {
            StatusCode::NOT_FOUND => "RESOURCE_DOES_NOT_EXIST",
            StatusCode::CONFLICT => "RESOURCE_ALREADY_EXISTS",
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => "INVALID_PARAMETER_VALUE",
            StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
            StatusCode::FORBIDDEN => "PERMISSION_DENIED",
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => "REQUEST_LIMIT_EXCEEDED",
            StatusCode::SERVICE_UNAVAILABLE => "TEMPORARILY_UNAVAILABLE",
            _ => "INTERNAL_ERROR",
        };
        let code = self.code.unwrap_or(of_status);
        let body = self.error.body();
        let mut both = json!({ "error_code": code, "message": body.error });
        if let (Some(both), Ok(Value::Object(own))) = (both.as_object_mut(), serde_json::to_value(&body)) {
            both.extend(own);
        }
        let mut response = HttpResponse::build(self.status_code());
        if let Some(seconds) = body.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        response.insert_header((header::CACHE_CONTROL, "no-store")).json(both)
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

/// The query's parameters; of one that is there twice, the last counts where one is asked for.
#[derive(Debug)]
pub struct Params(Vec<(String, String)>);

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
        self.all(key).pop()
    }

    pub(super) fn all(&self, key: &str) -> Vec<&str> {
        let named = self.0.iter().filter(|(name, value)| name == key && !value.is_empty());
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(super) fn required(&self, key: &str) -> Result<String, MlflowError> {
        self.get(key).map(ToOwned::to_owned).ok_or_else(|| bad(format!("Missing value for required parameter '{key}'")))
    }

    /// Limit and offset of a page.
    pub(super) fn page(&self, default: usize) -> Result<(usize, usize), MlflowError> {
        page(&json!({ "max_results": self.get("max_results"), "page_token": self.get("page_token") }), default)
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
    let metrics: Vec<Value> = run.metrics.iter().map(|(key, point)| metric_json(key, point)).collect();
    json!({
        "info": info_json(run),
        "data": { "metrics": metrics, "params": tags_json(&run.params), "tags": tags_json(&tags_of(run)) },
        "inputs": inputs_json(&run.links), "outputs": outputs_json(&run.links),
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

/// A moment, as filters see it.
#[expect(clippy::as_conversions, reason = "milliseconds of any year that people write are exact in a float")]
pub(super) fn millis(at: DateTime<Utc>) -> Fact {
    Fact::Number(at.timestamp_millis() as f64)
}

/// What a list is asked for: of things that are few, so that they are chosen in memory.
#[derive(Debug)]
pub(super) struct Listing {
    conditions: Vec<Condition>,
    order: Vec<Order>,
    limit: usize,
    offset: usize,
}

impl Listing {
    /// Reads it from a body.
    pub(super) fn of_body(body: &Value, default: usize, attributes: &Attributes) -> Result<Self, MlflowError> {
        let order: Vec<&str> = match &body["order_by"] {
            Value::Null => Vec::new(),
            Value::Array(entries) => entries.iter().filter_map(Value::as_str).collect(),
            _ => return Err(bad("order_by must be a list")),
        };
        Self::new(optional(body, "filter").as_deref(), &order, page(body, default)?, attributes)
    }

    /// Reads it from a query.
    pub(super) fn of_query(query: &Params, default: usize, attributes: &Attributes) -> Result<Self, MlflowError> {
        Self::new(query.get("filter"), &query.all("order_by"), query.page(default)?, attributes)
    }

    fn new(
        filter: Option<&str>,
        order: &[&str],
        (limit, offset): (usize, usize),
        attributes: &Attributes,
    ) -> Result<Self, MlflowError> {
        let invalid = |error: FilterError| bad(format!("Invalid filter: {error}"));
        let order = order.iter().map(|text| parse_order_of(text, attributes)).collect::<Result<_, _>>().map_err(invalid)?;
        let conditions = parse_of(filter.unwrap_or_default(), attributes).map_err(invalid)?;
        Ok(Self { conditions, order, limit, offset })
    }

    /// The page of the things that meet every condition, and the token of the next one.
    pub(super) fn page<T>(self, mut things: Vec<T>, fact: fn(&T, &Subject) -> Option<Fact>) -> (Vec<T>, Option<String>) {
        things.retain(|thing| holds(&self.conditions, |subject| fact(thing, subject)));
        things.sort_by(|one, other| compare(&self.order, |subject| fact(one, subject), |subject| fact(other, subject)));
        let end = self.offset.saturating_add(self.limit);
        let next = (things.len() > end).then(|| end.to_string());
        (things.into_iter().skip(self.offset).take(self.limit).collect(), next)
    }
}

/// Programs do not write what the server says about what they log.
pub(super) fn own_tag(key: &str) -> Result<(), MlflowError> {
    if key.starts_with(SERVER_TAGS) {
        return Err(bad(format!("tags that begin with {SERVER_TAGS} are the server's; choose another key than '{key}'")));
    }
    Ok(())
}

/// What the server says about what a program made: its code could see every row, and nothing was scored on sealed labels.
pub(super) fn unsealed() -> [(String, String); 2] {
    [("gristmill.holdout".to_owned(), "unsealed".to_owned()), ("gristmill.unscored".to_owned(), "true".to_owned())]
}

/// Tags that a program sends, with those that the server adds.
pub(super) fn marked_tags(body: &Value) -> Result<BTreeMap<String, String>, MlflowError> {
    let mut tags = pairs(body, "tags")?;
    tags.keys().try_for_each(|key| own_tag(key))?;
    tags.extend(unsealed());
    Ok(tags)
}

/// Tags as they are written.
pub(super) fn tags_json(tags: &BTreeMap<String, String>) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

/// A tag of something in the registry. Clients ask for what is no prompt by a tag that models do not have.
pub(super) fn tag_fact(tags: &BTreeMap<String, String>, key: &str) -> Option<Fact> {
    let absent = (key == IS_PROMPT).then(|| "false".to_owned());
    tags.get(key).cloned().or(absent).map(Fact::Text)
}

/// A text within a bound.
pub(super) fn bounded(value: String, field: &str, most: usize) -> Result<String, MlflowError> {
    if value.chars().count() > most || value.contains('\0') {
        return Err(bad(format!("{field} must have at most {most} characters, and no NUL")));
    }
    Ok(value)
}

/// The answer to a path that is none of MLflow's, or none of those that are served.
pub(in crate::routes) fn unknown_endpoint(path: &str) -> MlflowError {
    let path: String = path.chars().take(200).collect();
    let error = ApiError::new(ErrorCode::NotFound, format!("This server does not have {path}"));
    MlflowError { error, code: Some("ENDPOINT_NOT_FOUND") }
}

#[cfg(test)]
mod tests {
    use gristmill_domain::tracking::filter;

    use super::*;

    #[test]
    fn pages_are_cut_after_filter_and_order() {
        let body = json!({ "filter": "name like 'a%'", "order_by": ["name DESC"], "max_results": 2 });
        let names = || ["ab", "b", "aa", "ac"].map(str::to_owned).to_vec();
        let fact = |name: &String, _: &Subject| Some(Fact::Text(name.clone()));
        let (shown, next) = Listing::of_body(&body, 10, &filter::OF_NAMES).unwrap().page(names(), fact);
        assert_eq!((shown, next.as_deref()), (vec!["ac".to_owned(), "ab".to_owned()], Some("2")));
        let body = json!({ "filter": "name like 'a%'", "order_by": ["name DESC"], "max_results": 2, "page_token": "2" });
        let (shown, next) = Listing::of_body(&body, 10, &filter::OF_NAMES).unwrap().page(names(), fact);
        assert_eq!((shown, next), (vec!["aa".to_owned()], None));
    }

    #[test]
    fn the_server_s_tags_are_the_server_s() {
        assert!(marked_tags(&json!({ "tags": [{ "key": "gristmill.holdout", "value": "sealed" }] })).is_err());
        let tags = marked_tags(&json!({ "tags": [{ "key": "a", "value": "b" }] })).unwrap();
        assert_eq!((tags["a"].as_str(), tags["gristmill.holdout"].as_str()), ("b", "unsealed"));
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
