//! The values of a request, as the training saw such values.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde_json::{Number, Value};

/// Seconds of a day.
const DAY_SECONDS: f64 = 86_400.0;
/// Longest text that is looked at.
const TEXT_BYTES_MAX: usize = 4096;

/// What the numbers of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Themselves.
    Number,
    /// Dates, as days since 1970-01-01.
    Days,
}

/// The number of a column, if it has one: no NaN, nothing infinite, nothing that single precision cannot hold.
pub(super) fn number_of(value: Option<&Value>, unit: Unit) -> Option<f64> {
    let number = match (unit, value?) {
        (Unit::Number, Value::Number(number)) => number.as_f64()?,
        (Unit::Number, Value::Bool(truth)) => f64::from(u8::from(*truth)),
        (Unit::Number, Value::String(text)) => text.trim().parse().ok()?,
        (Unit::Days, Value::String(text)) => days(text.trim())?,
        _ => return None,
    };
    usable(number)
}

/// A number that training would have used.
pub(super) fn usable(number: f64) -> Option<f64> {
    (number.abs() <= f64::from(f32::MAX)).then_some(number)
}

/// The category of a value, spelled as in training: `true`, `3` (also for 3.0), `1.5`.
pub(super) fn text_of(value: Option<&Value>) -> Option<Cow<'_, str>> {
    match value? {
        Value::String(text) if text.len() <= TEXT_BYTES_MAX => Some(Cow::Borrowed(text)),
        // No category is as long; what matters is that it is another one.
        Value::String(_) => Some(Cow::Borrowed("")),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
        Value::Number(number) => Some(Cow::Owned(number_text(number))),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A label's text as the training spelled it: `"3"` for 3, 3.0 and `"3"`. `None` for null, lists and objects.
#[must_use]
pub fn label_text(value: &Value) -> Option<String> {
    text_of(Some(value)).map(Cow::into_owned)
}

fn number_text(number: &Number) -> String {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(whole), ..) => whole.to_string(),
        (_, Some(whole), _) => whole.to_string(),
        (.., Some(float)) => float_text(float),
        _ => number.to_string(),
    }
}

/// A float as Python spells it: whole ones without a point, large and tiny ones with an exponent of two digits.
fn float_text(float: f64) -> String {
    if float.fract() == 0.0 && float.abs() < 9_223_372_036_854_775_808.0 {
        return format!("{:.0}", float + 0.0);
    }
    let scientific = format!("{float:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(power) if !(-4..16).contains(&power) => {
            let sign = if power < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", power.unsigned_abs())
        }
        _ => float.to_string(),
    }
}

/// Days since 1970-01-01 of an ISO 8601 date or time; a time without a zone is UTC.
fn days(text: &str) -> Option<f64> {
    if text.len() > 64 {
        return None;
    }
    let seconds = DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|moment| moment.naive_utc())
        .or_else(|| {
            ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
                .iter()
                .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        })
        .or_else(|| date(text)?.and_hms_opt(0, 0, 0))?
        .and_utc();
    let fraction = f64::from(seconds.timestamp_subsec_nanos()) / 1e9;
    #[expect(clippy::as_conversions, reason = "seconds of any date are exact in a float")]
    let whole = seconds.timestamp() as f64;
    Some((whole + fraction) / DAY_SECONDS)
}

fn date(text: &str) -> Option<NaiveDate> {
    let parsed = |text: &str, form| NaiveDate::parse_from_str(text, form).ok();
    match text.len() {
        4 => parsed(&format!("{text}-01-01"), "%Y-%m-%d"),
        7 => parsed(&format!("{text}-01"), "%Y-%m-%d"),
        8 => parsed(text, "%Y%m%d"),
        _ => parsed(text, "%Y-%m-%d"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(value: &Value) -> Option<String> {
        text_of(Some(value)).map(Cow::into_owned)
    }

    #[test]
    fn categories_are_spelled_as_in_training() {
        let spelled = [json!(true), json!(3), json!(3.0), json!(1.5), json!(1e-5), json!(1e19), json!(-0.0), json!("x")]
            .each_ref()
            .map(text);
        assert_eq!(spelled.map(Option::unwrap), ["true", "3", "3", "1.5", "1e-05", "1e+19", "0", "x"]);
        assert_eq!([text(&json!(null)), text(&json!([1])), text_of(None).map(Cow::into_owned)], [None, None, None]);
    }

    #[test]
    fn numbers_are_finite_or_missing() {
        let number = |value: &Value| number_of(Some(value), Unit::Number);
        assert_eq!([json!(1), json!("2.5"), json!(true)].each_ref().map(number), [Some(1.0), Some(2.5), Some(1.0)]);
        assert_eq!(
            [json!("NaN"), json!("inf"), json!(1e300), json!({}), json!("x"), json!(null)].each_ref().map(number),
            [None; 6]
        );
    }

    #[test]
    fn dates_are_days() {
        let day = |text: &str| number_of(Some(&json!(text)), Unit::Days);
        assert_eq!(day("1970-01-02"), Some(1.0));
        assert_eq!(day("1970-01-02T12:00:00"), Some(1.5));
        assert_eq!(day("1970-01-02 12:00"), Some(1.5));
        assert_eq!(day("1970-01-02T12:00:00+06:00"), Some(1.25));
        assert_eq!([day("1971"), day("1970-02"), day("19700103")], [Some(365.0), Some(31.0), Some(2.0)]);
        assert_eq!([day("yesterday"), number_of(Some(&json!(5)), Unit::Days)], [None, None]);
    }
}
