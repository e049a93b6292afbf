//! Dates, times of day and timestamps.

use crate::{
    civil::{self, US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND},
    functions::decimal,
};

const MONTHS: [&str; 12] =
    ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];

/// The number of a month by its name or the first three letters of it.
pub(crate) fn month_by_name(name: &str) -> Option<i64> {
    let name = name.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| {
        *month == name || (name.len() == 3 && month.starts_with(&name)) || (name == "sept" && *month == "september")
    })?;
    i64::try_from(at + 1).ok()
}

/// A date in days since 1970.
pub(crate) fn date(text: &str, now_us: i64) -> Option<i32> {
    let us = timestamp(text, false, now_us)?;
    i32::try_from(us.div_euclid(US_PER_DAY)).ok()
}

/// A time of day in microseconds.
pub(crate) fn time(text: &str) -> Option<i64> {
    let text = text.trim().to_ascii_lowercase();
    let (clock, half) = match text.strip_suffix("pm") {
        Some(clock) => (clock.trim_end(), Some(12)),
        None => match text.strip_suffix("am") {
            Some(clock) => (clock.trim_end(), Some(0)),
            None => (text.as_str(), None),
        },
    };
    let (clock, _) = split_zone(clock);
    let us = clock_us(clock)?;
    match half {
        None => Some(us),
        Some(_) if !(US_PER_HOUR..13 * US_PER_HOUR).contains(&us) => None,
        Some(offset) => Some(us % (12 * US_PER_HOUR) + offset * US_PER_HOUR),
    }
}

/// A timestamp in microseconds since 1970. A zone in the text counts when `zoned`, and is passed over otherwise.
pub(crate) fn timestamp(text: &str, zoned: bool, now_us: i64) -> Option<i64> {
    let text = text.trim();
    let today = now_us.div_euclid(US_PER_DAY) * US_PER_DAY;
    match text.to_ascii_lowercase().as_str() {
        "now" => return Some(now_us),
        "today" => return Some(today),
        "yesterday" => return Some(today - US_PER_DAY),
        "tomorrow" => return Some(today + US_PER_DAY),
        "epoch" => return Some(0),
        _ => {}
    }
    let (text, bc) = match text.strip_suffix("BC").or_else(|| text.strip_suffix("bc")) {
        Some(rest) => (rest.trim_end(), true),
        None => (text, false),
    };
    let (date_text, clock_text) = split_date(text);
    let days = date_days(date_text, bc)?;
    let (us, offset) = match clock_text.trim() {
        "" => (0, 0),
        clock => clock_and_zone(clock)?,
    };
    let local = days.checked_mul(US_PER_DAY)?.checked_add(us)?;
    Some(if zoned { local - offset } else { local })
}

/// Splits `2024-01-31T10:00` at the `T`, and others at the blank before the clock time.
fn split_date(text: &str) -> (&str, &str) {
    if let Some((date, clock)) = text.split_once(['T', 't'])
        && date.ends_with(|last: char| last.is_ascii_digit())
        && clock.starts_with(|first: char| first.is_ascii_digit())
    {
        return (date, clock);
    }
    let Some(colon) = text.find(':') else { return (text, "") };
    let before = text.get(..colon).unwrap_or_default();
    match before.rfind(' ') {
        Some(blank) => (text.get(..blank).unwrap_or_default(), text.get(blank..).unwrap_or_default()),
        None => (text, ""),
    }
}

fn clock_and_zone(text: &str) -> Option<(i64, i64)> {
    let lower = text.to_ascii_lowercase();
    if lower.ends_with("am") || lower.ends_with("pm") {
        return Some((time(text)?, 0));
    }
    let (clock, zone) = split_zone(text);
    Some((clock_us(clock)?, zone_us(zone)?))
}

/// Splits `10:00:00+02` before the sign or the letter.
fn split_zone(text: &str) -> (&str, &str) {
    match text.find(|character: char| matches!(character, '+' | '-') || character.is_ascii_alphabetic()) {
        Some(at) => (text.get(..at).unwrap_or_default().trim_end(), text.get(at..).unwrap_or_default()),
        None => (text, ""),
    }
}

fn zone_us(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() || ["z", "utc", "gmt"].contains(&text.to_ascii_lowercase().as_str()) {
        return Some(0);
    }
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits = text.get(1..)?;
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 15 && minutes < 60).then_some(sign * (hours * US_PER_HOUR + minutes * US_PER_MINUTE))
}

/// `10:00`, `10:00:00`, `10:00:00.25`.
fn clock_us(text: &str) -> Option<i64> {
    let mut parts = text.trim().split(':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let seconds: f64 = parts.next().map_or(Some(0.0), |part| part.parse().ok())?;
    let valid = (0..=24).contains(&hours) && (0..60).contains(&minutes) && (0.0..=60.0).contains(&seconds);
    if !valid || parts.next().is_some() {
        return None;
    }
    let us = hours * US_PER_HOUR + minutes * US_PER_MINUTE + decimal::whole((seconds * 1e6).round())?;
    (us <= 24 * US_PER_HOUR && us <= hours * US_PER_HOUR + minutes * US_PER_MINUTE + 60 * US_PER_SECOND).then_some(us)
}

fn date_days(text: &str, bc: bool) -> Option<i64> {
    let text = text.trim();
    let words: Vec<&str> = text.split(['-', '/', ' ', ',', '.']).map(str::trim).filter(|word| !word.is_empty()).collect();
    let number = |word: &str| word.parse::<i64>().ok();
    let (year, month, day) = match words.as_slice() {
        [whole] if whole.len() == 8 => (number(whole.get(..4)?)?, number(whole.get(4..6)?)?, number(whole.get(6..)?)?),
        [first, second, third] => match (number(first), number(second), number(third)) {
            // Four digits first are the year; else month, day, year.
            (Some(year), Some(month), Some(day)) if first.len() >= 3 => (year, month, day),
            (Some(month), Some(day), Some(year)) => (full_year(year, third), month, day),
            (Some(year), None, Some(day)) if first.len() >= 3 => (year, month_by_name(second)?, day),
            (Some(day), None, Some(year)) => (full_year(year, third), month_by_name(second)?, day),
            (None, Some(day), Some(year)) => (full_year(year, third), month_by_name(first)?, day),
            _ => return None,
        },
        // A month alone begins it, as in `2024-02`? PostgreSQL refuses that.
        _ => return None,
    };
    let year = if bc { 1 - year } else { year };
    // The range that a 64-bit count of microseconds holds, as PostgreSQL's.
    if !(-4712..=294_276).contains(&year) || !civil::is_date(year, month, day) {
        return None;
    }
    Some(civil::days_from_civil(year, month, day))
}

/// Two digits are the nearest year: 70 to 99 in the last century.
fn full_year(year: i64, text: &str) -> i64 {
    if text.len() > 2 {
        return year;
    }
    if year < 70 { 2000 + year } else { 1900 + year }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, zoned: bool) -> Option<String> {
        let mut out = String::new();
        civil::write_timestamp(&mut out, timestamp(text, zoned, 0)?);
        Some(out)
    }

    #[test]
    fn reads_timestamps_in_the_usual_styles() {
        for (text, expected) in [
            ("2024-02-29", "2024-02-29 00:00:00"),
            ("2024-02-29 10:20", "2024-02-29 10:20:00"),
            ("2024-02-29T10:20:30.5Z", "2024-02-29 10:20:30.5"),
            ("2024/02/29", "2024-02-29 00:00:00"),
            ("02/29/2024", "2024-02-29 00:00:00"),
            ("29-Feb-2024", "2024-02-29 00:00:00"),
            ("Feb 29, 2024 1:05 PM", "2024-02-29 13:05:00"),
            ("February 29 2024", "2024-02-29 00:00:00"),
            ("20240229", "2024-02-29 00:00:00"),
            ("2024-02-29 10:00:00+02", "2024-02-29 10:00:00"),
            ("0044-03-15 BC", "0044-03-15 00:00:00 BC"),
            ("epoch", "1970-01-01 00:00:00"),
        ] {
            assert_eq!(shown(text, false).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(shown("2024-02-29 10:00:00+02:30", true).as_deref(), Some("2024-02-29 07:30:00"));
        for bad in ["", "2024-02-30", "2023-02-29", "2024-13-01", "yesterdayish", "2024-01-01 25:00", "12", "2024-02"] {
            assert_eq!(shown(bad, false), None, "{bad:?} should be refused");
        }
    }
}
