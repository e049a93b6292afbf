//! From failed HTTP to [`LlmError`].

use std::time::{Duration, SystemTime};

use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde_json::Value;
use url::Url;

use crate::{LlmError, TimeoutStage, secret::Scrubber};

/// How much of the body of a failure is read.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;
/// A quota that is used up is not there again shortly.
const QUOTA_PAUSE: Duration = Duration::from_secs(3600);

/// No answer came at all.
pub(super) fn unsent(error: reqwest::Error, base_url: &Url, connect: Duration) -> LlmError {
    let error = error.without_url();
    if error.is_timeout() && error.is_connect() {
        return LlmError::Timeout { stage: TimeoutStage::Connect, limit: connect };
    }
    let place = base_url.host_str().unwrap_or("the provider");
    let port = base_url.port_or_known_default().map_or_else(String::new, |port| format!(":{port}"));
    let what = if error.is_connect() { "no connection to" } else { "no answer from" };
    let detail = format!("{what} {place}{port}: {}", deepest(&error));
    LlmError::Unavailable { detail, retry_after: None, source: Some(Box::new(error)) }
}

/// An answer broke off.
pub(super) fn broken(error: reqwest::Error) -> LlmError {
    let error = error.without_url();
    let detail = format!("the answer broke off: {}", deepest(&error));
    LlmError::Unavailable { detail, retry_after: None, source: Some(Box::new(error)) }
}

/// The innermost cause, which is the one that tells something.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

/// What an answer that is no success says.
pub(super) fn said(status: u16, body: &[u8], scrubber: &Scrubber) -> String {
    scrubber.clean(&format!("HTTP {status}: {}", Said::read(body).message))
}

/// An answer that is no success.
pub(super) fn of_status(status: StatusCode, headers: &HeaderMap, body: &[u8], scrubber: &Scrubber) -> LlmError {
    let said = Said::read(body);
    let detail = scrubber.clean(&format!("HTTP {}: {}", status.as_u16(), said.message));
    let retry_after = retry_after(headers, SystemTime::now());
    match status.as_u16() {
        401 | 403 => LlmError::Authentication { detail },
        429 => LlmError::RateLimited { detail, retry_after: if said.is_quota() { Some(QUOTA_PAUSE) } else { retry_after } },
        408 | 500..=599 => LlmError::Unavailable { detail, retry_after, source: None },
        300..=399 => LlmError::Refused {
            status: status.as_u16(),
            detail: format!("{detail} (redirects are not followed; set the address that it names as the base URL)"),
        },
        status => LlmError::Refused { status, detail },
    }
}

/// A failure that came inside of an answer that had begun, by what the provider calls it.
pub(crate) fn in_band(error: &Value) -> LlmError {
    let said = Said::of(error);
    let detail = said.message.clone();
    let kind = said.kind.as_str();
    let has = |names: &[&str]| names.iter().any(|name| kind.contains(name));
    if has(&["rate_limit", "insufficient_quota"]) {
        LlmError::RateLimited { detail, retry_after: said.is_quota().then_some(QUOTA_PAUSE) }
    } else if has(&["authentication", "permission", "invalid_api_key"]) {
        LlmError::Authentication { detail }
    } else if has(&["invalid_request", "invalid_prompt", "not_found", "context_length"]) {
        LlmError::Refused { status: 400, detail }
    } else {
        // `overloaded_error`, `api_error`, `server_error`, `vector_store_timeout`, and whatever else.
        LlmError::unavailable(detail)
    }
}

/// Whether a request was refused that could be accepted with less: another form of output, no thinking.
pub(crate) fn is_format_refusal(error: &LlmError) -> bool {
    matches!(error, LlmError::Refused { status: 400 | 404 | 422 | 501, .. })
}

/// What a provider says of a failure, in any of the forms in use.
struct Said {
    message: String,
    kind: String,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::of(value.get("error").unwrap_or(&value)),
            Err(_) => {
                let text = String::from_utf8_lossy(body);
                let text = if text.trim_start().starts_with('<') { "(a web page)".into() } else { text };
                Self { message: text.into_owned(), kind: String::new() }
            }
        }
    }

    fn of(error: &Value) -> Self {
        let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
        let message = match error {
            Value::String(text) => text.clone(),
            _ if !text("message").is_empty() => text("message").to_owned(),
            _ if !text("detail").is_empty() => text("detail").to_owned(),
            other => other.to_string(),
        };
        Self { message, kind: format!("{} {}", text("code"), text("type")) }
    }

    fn is_quota(&self) -> bool {
        self.kind.contains("insufficient_quota")
    }
}

/// `Retry-After`, as seconds or as a date; or the same in milliseconds, as some providers send it.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(milliseconds) = text("retry-after-ms").and_then(|text| text.parse::<u64>().ok()) {
        return Some(Duration::from_millis(milliseconds));
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = chrono::DateTime::parse_from_rfc2822(value).ok()?;
    Some(SystemTime::from(date).duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (reqwest::header::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn retry_after_is_read_in_every_form() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_000);
        let check = |pairs: &[(&'static str, &'static str)], expected: Option<u64>| {
            assert_eq!(retry_after(&headers(pairs), now).map(|wait| wait.as_millis()), expected.map(u128::from), "{pairs:?}");
        };
        check(&[("retry-after", "20")], Some(20_000));
        check(&[("retry-after", "1.5")], Some(1500));
        check(&[("retry-after-ms", "250"), ("retry-after", "20")], Some(250));
        check(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], Some(777_000));
        check(&[("retry-after", "Tue, 06 Nov 1984 08:49:37 GMT")], Some(0));
        for nonsense in ["-1", "soon", "inf", "NaN", ""] {
            check(&[("retry-after", nonsense)], None);
        }
        check(&[], None);
    }

    #[test]
    fn failures_are_told_apart() {
        let of = |status: u16, body: &str| {
            of_status(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes(), &Scrubber::default())
        };
        let text = |error: LlmError| error.to_string();
        assert!(matches!(of(401, "{}"), LlmError::Authentication { .. }));
        assert!(matches!(of(429, "{}"), LlmError::RateLimited { retry_after: None, .. }));
        assert!(matches!(
            of(429, r#"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#),
            LlmError::RateLimited { retry_after: Some(QUOTA_PAUSE), .. }
        ));
        for status in [500, 502, 503, 504, 529, 408] {
            assert!(matches!(of(status, "oops"), LlmError::Unavailable { .. }), "{status}");
        }
        assert!(text(of(404, r#"{"error":"model 'x' not found"}"#)).contains("model 'x' not found"));
        assert!(text(of(400, r#"{"error":{"message":"bad schema"}}"#)).contains("bad schema"));
        assert!(text(of(422, r#"{"detail":"wrong"}"#)).contains("wrong"));
        assert!(text(of(502, "<html><body>x</body></html>")).contains("(a web page)"));
        assert!(text(of(308, "")).contains("redirects"));
    }
}
