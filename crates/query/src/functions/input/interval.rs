//! Intervals: `1 day 02:30`, `3 weeks`, `-1.5 hours`, `2 years 3 mons ago`, `P1Y2M3DT4H`.

use arrow::datatypes::IntervalMonthDayNano;

use crate::{
    civil::{self, US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND},
    functions::decimal,
};

/// What a unit is made of.
#[derive(Clone, Copy)]
enum Unit {
    Months(f64),
    Days(f64),
    Time(i64),
}

/// Running totals; fractions are carried down at once, as PostgreSQL does.
#[derive(Default)]
struct Total {
    months: i64,
    days: i64,
    us: i64,
}

impl Total {
    fn add(&mut self, value: f64, unit: Unit) -> Option<()> {
        match unit {
            Unit::Months(per) => {
                let months = value * per;
                self.months = self.months.checked_add(decimal::whole(months.trunc())?)?;
                self.add_days(months.fract() * 30.0)
            }
            Unit::Days(per) => self.add_days(value * per),
            Unit::Time(per) => self.add_us(value, per),
        }
    }

    fn add_days(&mut self, days: f64) -> Option<()> {
        self.days = self.days.checked_add(decimal::whole(days.trunc())?)?;
        self.add_us(days.fract(), US_PER_DAY)
    }

    fn add_us(&mut self, value: f64, per: i64) -> Option<()> {
        #[expect(clippy::as_conversions, reason = "units of time are exact in a float")]
        let us = value * per as f64;
        self.us = self.us.checked_add(decimal::whole(us.round())?)?;
        Some(())
    }

    fn finish(self, sign: i64) -> Option<IntervalMonthDayNano> {
        civil::interval(sign * self.months, sign * self.days, sign.checked_mul(self.us)?)
    }
}

/// Reads an interval.
pub(crate) fn interval(text: &str) -> Option<IntervalMonthDayNano> {
    let trimmed = text.trim().to_ascii_lowercase();
    if let Some(iso) = trimmed.strip_prefix('p') {
        return iso_8601(iso);
    }
    let mut total = Total::default();
    let mut sign = 1;
    let mut pending: Option<f64> = None;
    let mut parts = 0;
    for token in tokens(&trimmed) {
        parts += 1;
        if token == "ago" {
            sign = -1;
        } else if token.contains(':') {
            // A number before a clock time counts days: `1 02:03`.
            if let Some(days) = pending.take() {
                total.add(days, Unit::Days(1.0))?;
            }
            total.us = total.us.checked_add(clock(&token)?)?;
        } else if let Ok(value) = token.parse::<f64>() {
            if pending.is_some() {
                return None;
            }
            pending = Some(value);
        } else if let Some((years, months)) = year_month(&token) {
            total.months = total.months.checked_add(years * 12 + months)?;
        } else {
            total.add(pending.take()?, unit(&token)?)?;
        }
    }
    // A lone number counts seconds.
    if let Some(seconds) = pending {
        total.add(seconds, Unit::Time(US_PER_SECOND))?;
    }
    if parts == 0 { None } else { total.finish(sign) }
}

/// Splits at white space, and between a number and the word behind it (`1day`).
fn tokens(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in text.split([' ', '\t', '\n', ',']).filter(|word| !word.is_empty() && *word != "@") {
        let mut rest = word;
        while let Some(at) = boundary(rest) {
            let (head, tail) = rest.split_at(at);
            out.push(head.to_owned());
            rest = tail;
        }
        out.push(rest.to_owned());
    }
    out
}

/// Where a number ends and letters begin, or the other way round.
fn boundary(word: &str) -> Option<usize> {
    let mut kinds = word.char_indices().map(|(at, character)| (at, character.is_ascii_alphabetic()));
    let (_, first) = kinds.next()?;
    kinds.find(|(_, alphabetic)| *alphabetic != first).map(|(at, _)| at)
}

fn unit(word: &str) -> Option<Unit> {
    Some(match word {
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" => Unit::Time(1),
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => Unit::Time(1000),
        "second" | "seconds" | "sec" | "secs" | "s" => Unit::Time(US_PER_SECOND),
        "minute" | "minutes" | "min" | "mins" | "m" => Unit::Time(US_PER_MINUTE),
        "hour" | "hours" | "hr" | "hrs" | "h" => Unit::Time(US_PER_HOUR),
        "day" | "days" | "d" => Unit::Days(1.0),
        "week" | "weeks" | "w" => Unit::Days(7.0),
        "month" | "months" | "mon" | "mons" => Unit::Months(1.0),
        "quarter" | "quarters" => Unit::Months(3.0),
        "year" | "years" | "yr" | "yrs" | "y" => Unit::Months(12.0),
        "decade" | "decades" | "dec" | "decs" => Unit::Months(120.0),
        "century" | "centuries" | "c" | "cent" => Unit::Months(1200.0),
        "millennium" | "millennia" | "mil" | "mils" => Unit::Months(12_000.0),
        _ => return None,
    })
}

/// `-01:30:15.5` in microseconds.
fn clock(text: &str) -> Option<i64> {
    let negative = text.starts_with('-');
    let mut parts = text.trim_start_matches(['+', '-']).split(':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let seconds: f64 = parts.next().map_or(Some(0.0), |part| part.parse().ok())?;
    if parts.next().is_some() || !(0..60).contains(&minutes) || !(0.0..=60.0).contains(&seconds) {
        return None;
    }
    let us = hours
        .checked_mul(US_PER_HOUR)?
        .checked_add(minutes * US_PER_MINUTE)?
        .checked_add(decimal::whole((seconds * 1e6).round())?)?;
    Some(if negative { -us } else { us })
}

/// `1-2`: a year and two months.
fn year_month(text: &str) -> Option<(i64, i64)> {
    let negative = text.starts_with('-');
    let (years, months) = text.trim_start_matches(['+', '-']).split_once('-')?;
    let (years, months): (i64, i64) = (years.parse().ok()?, months.parse().ok()?);
    if !(0..12).contains(&months) {
        return None;
    }
    Some(if negative { (-years, -months) } else { (years, months) })
}

/// ISO 8601 durations, behind the `p`.
fn iso_8601(text: &str) -> Option<IntervalMonthDayNano> {
    let mut total = Total::default();
    let mut in_time = false;
    let mut number = String::new();
    for character in text.chars() {
        match character {
            't' => in_time = true,
            '0'..='9' | '.' | '-' | '+' => number.push(character),
            letter => {
                let unit = match (letter, in_time) {
                    ('y', false) => Unit::Months(12.0),
                    ('m', false) => Unit::Months(1.0),
                    ('w', false) => Unit::Days(7.0),
                    ('d', false) => Unit::Days(1.0),
                    ('h', true) => Unit::Time(US_PER_HOUR),
                    ('m', true) => Unit::Time(US_PER_MINUTE),
                    ('s', true) => Unit::Time(US_PER_SECOND),
                    _ => return None,
                };
                total.add(number.parse().ok()?, unit)?;
                number.clear();
            }
        }
    }
    if number.is_empty() && !text.is_empty() { total.finish(1) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_intervals_in_postgresqls_styles() {
        for (text, expected) in [
            ("1 day", "1 day"),
            ("1 year 2 months 3 days 04:05:06", "1 year 2 mons 3 days 04:05:06"),
            ("-1 day +02:00", "-1 days +02:00:00"),
            ("1.5 hours", "01:30:00"),
            ("1.5 months", "1 mon 15 days"),
            ("3 weeks ago", "-21 days"),
            ("90", "00:01:30"),
            ("1-2", "1 year 2 mons"),
            ("2 02:00", "2 days 02:00:00"),
            ("P1Y2M3DT4H5M6S", "1 year 2 mons 3 days 04:05:06"),
            ("1day2hours", "1 day 02:00:00"),
            ("30 minutes", "00:30:00"),
        ] {
            let mut shown = String::new();
            civil::write_interval(&mut shown, interval(text).unwrap_or_else(|| panic!("{text} was refused")));
            assert_eq!(shown, expected, "{text}");
        }
        for bad in ["", "day", "1 fortnight", "1 2 days", "12:99", "P", "PT1"] {
            assert!(interval(bad).is_none(), "{bad:?} should be refused");
        }
    }
}
