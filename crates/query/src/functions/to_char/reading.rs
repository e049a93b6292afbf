//! Reads dates and timestamps by a template.

use datafusion::error::{DataFusionError, Result};

use super::template::{self, Pattern, Piece};
use crate::{
    civil::{self, US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND},
    error::failed,
    functions::input,
};

/// What was read so far.
#[derive(Debug, Default)]
struct Found {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    iso_year: Option<i64>,
    iso_week: Option<i64>,
    iso_day: Option<i64>,
    julian: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    us: i64,
    afternoon: Option<bool>,
    before_christ: bool,
    offset_us: i64,
}

/// Reads a text as microseconds since 1970.
pub(super) fn read(text: &str, template: &str) -> Result<i64> {
    let pieces = template::parse(template);
    let mut found = Found::default();
    let mut rest = text.trim_start();
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Text(plain) => rest = skip_text(rest, plain),
            Piece::Pattern { pattern, ordinal, .. } => {
                rest = rest.trim_start();
                // A number next to another number has the length of its pattern; else all its digits count.
                let tight = matches!(pieces.get(index + 1), Some(Piece::Pattern { pattern, .. }) if is_number(*pattern));
                rest = read_pattern(&mut found, *pattern, rest, tight).ok_or_else(|| wrong(rest, *pattern))?;
                if ordinal.is_some() {
                    rest = rest.get(2..).unwrap_or_default();
                }
            }
        }
    }
    found.moment(text)
}

fn wrong(rest: &str, pattern: Pattern) -> DataFusionError {
    let shown: String = rest.chars().take(20).collect();
    let name = format!("{pattern:?}");
    let name = name.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
    failed(format!("invalid value \"{shown}\" for \"{name}\""))
}

fn is_number(pattern: Pattern) -> bool {
    !matches!(
        pattern,
        Pattern::MonthName(_)
            | Pattern::MonthShort(_)
            | Pattern::DayName(_)
            | Pattern::DayShort(_)
            | Pattern::Half { .. }
            | Pattern::Era { .. }
    )
}

/// Passes over separators; any may stand for any other.
fn skip_text<'a>(rest: &'a str, plain: &str) -> &'a str {
    let mut rest = rest;
    for wanted in plain.chars() {
        match rest.chars().next() {
            Some(has) if has == wanted || (!wanted.is_alphanumeric() && !has.is_alphanumeric()) => {
                rest = rest.get(has.len_utf8()..).unwrap_or_default();
            }
            _ => {}
        }
    }
    rest
}

/// Takes up to `width` digits, with a sign where one may stand.
fn digits(text: &str, width: usize) -> Option<(i64, &str)> {
    let count = text.bytes().take(width).take_while(u8::is_ascii_digit).count();
    Some((text.get(..count)?.parse().ok()?, text.get(count..)?))
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn read_pattern<'a>(found: &mut Found, pattern: Pattern, rest: &'a str, tight: bool) -> Option<&'a str> {
    let number = |width: usize| digits(rest, if tight { width } else { 10 });
    let rest = match pattern {
        Pattern::Hour24 | Pattern::Hour12 => take(number(2)?, &mut found.hour),
        Pattern::Minute => take(number(2)?, &mut found.minute),
        Pattern::Second => take(number(2)?, &mut found.second),
        Pattern::Millisecond => fraction(found, rest, 3)?,
        Pattern::Microsecond => fraction(found, rest, 6)?,
        Pattern::SecondsOfDay => {
            let (seconds, rest) = digits(rest, 5)?;
            (found.hour, found.minute, found.second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            rest
        }
        Pattern::Half { dots, .. } => {
            let length = if dots { 4 } else { 2 };
            let half = rest.get(..length)?.to_ascii_lowercase();
            found.afternoon = Some(half.starts_with('p'));
            (half.starts_with('a') || half.starts_with('p')).then_some(rest.get(length..)?)?
        }
        Pattern::Year { digits: width, .. } => {
            let (value, left) = digits(rest, if tight { width.into() } else { 10 })?;
            let typed = rest.len() - left.len();
            found.year = Some(full_year(value, typed));
            left
        }
        Pattern::Month => some(number(2)?, &mut found.month),
        Pattern::Day => some(number(2)?, &mut found.day),
        Pattern::DayOfYear => some(number(3)?, &mut found.day_of_year),
        Pattern::MonthName(_) | Pattern::MonthShort(_) => {
            let (name, left) = word(rest);
            let name = if matches!(pattern, Pattern::MonthShort(_)) { name.get(..3)? } else { name };
            found.month = Some(input::month_by_name(name)?);
            if matches!(pattern, Pattern::MonthShort(_)) { rest.get(3..)? } else { left }
        }
        Pattern::DayName(_) => word(rest).1,
        Pattern::DayShort(_) => rest.get(3..)?,
        Pattern::IsoYear { .. } => some(number(4)?, &mut found.iso_year),
        Pattern::IsoWeek => some(number(2)?, &mut found.iso_week),
        Pattern::IsoDayOfWeek => some(digits(rest, 1)?, &mut found.iso_day),
        Pattern::Julian => some(digits(rest, 10)?, &mut found.julian),
        Pattern::Era { dots, .. } => {
            let length = if dots { 4 } else { 2 };
            found.before_christ = rest.get(..1)?.eq_ignore_ascii_case("b");
            rest.get(length..)?
        }
        Pattern::Offset => {
            let sign = if rest.starts_with('-') { -1 } else { 1 };
            let (hours, left) = digits(rest.trim_start_matches(['+', '-']), 2)?;
            found.offset_us = sign * hours * US_PER_HOUR;
            left
        }
        // Read but without meaning for the date.
        Pattern::DayOfWeek | Pattern::Quarter | Pattern::WeekOfMonth => digits(rest, 1)?.1,
        Pattern::WeekOfYear | Pattern::Century => digits(rest, 2)?.1,
        Pattern::IsoDayOfYear => digits(rest, 3)?.1,
        Pattern::MonthRoman { .. } | Pattern::Zone { .. } => word(rest).1,
    };
    Some(rest)
}

fn take<'a>((value, rest): (i64, &'a str), into: &mut i64) -> &'a str {
    *into = value;
    rest
}

fn some<'a>((value, rest): (i64, &'a str), into: &mut Option<i64>) -> &'a str {
    *into = Some(value);
    rest
}

/// `5` of `MS` is 500 milliseconds: the digits of a fraction.
fn fraction<'a>(found: &mut Found, rest: &'a str, width: usize) -> Option<&'a str> {
    let count = rest.bytes().take(6).take_while(u8::is_ascii_digit).count();
    let (value, left) = digits(rest, width.max(count))?;
    let typed = u32::try_from(rest.len() - left.len()).ok()?;
    found.us = value * 10i64.checked_pow(6u32.checked_sub(typed)?)?;
    Some(left)
}

/// Years of one to three digits are those nearest to 2020.
fn full_year(value: i64, typed: usize) -> i64 {
    match typed {
        0..=2 if value < 70 => 2000 + value,
        0..=2 => 1900 + value,
        3 if value < 520 => 2000 + value,
        3 => 1000 + value,
        _ => value,
    }
}

impl Found {
    fn moment(self, text: &str) -> Result<i64> {
        let out_of_range = || {
            let shown: String = text.chars().take(40).collect();
            failed(format!("date/time field value out of range: \"{shown}\""))
        };
        let days = self.days().ok_or_else(out_of_range)?;
        let hour = match self.afternoon {
            Some(_) if !(1..=12).contains(&self.hour) => {
                return Err(failed(format!("hour \"{}\" is invalid for the 12-hour clock", self.hour)));
            }
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
            None => self.hour,
        };
        let valid = (0..=24).contains(&hour) && (0..60).contains(&self.minute) && (0..=60).contains(&self.second);
        if !valid {
            return Err(out_of_range());
        }
        let us = hour * US_PER_HOUR + self.minute * US_PER_MINUTE + self.second * US_PER_SECOND + self.us;
        Ok(days * US_PER_DAY + us - self.offset_us)
    }

    fn days(&self) -> Option<i64> {
        if let Some(julian) = self.julian {
            return Some(julian - 2_440_588);
        }
        if let Some(year) = self.iso_year {
            let fourth = civil::days_from_civil(year, 1, 4);
            let monday = fourth - (civil::day_of_week(fourth) + 6).rem_euclid(7);
            return Some(monday + (self.iso_week.unwrap_or(1) - 1) * 7 + self.iso_day.unwrap_or(1) - 1);
        }
        // Without a year it is 1 BC, as in PostgreSQL.
        let year = match self.year {
            Some(year) if self.before_christ => 1 - year,
            Some(year) => year,
            None => 0,
        };
        if let Some(day) = self.day_of_year.filter(|_| self.month.is_none()) {
            let length = if civil::days_in_month(year, 2) == 29 { 366 } else { 365 };
            return (1..=length).contains(&day).then(|| civil::days_from_civil(year, 1, 1) + day - 1);
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        civil::is_date(year, month, day).then(|| civil::days_from_civil(year, month, day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_usual_templates() {
        for (text, template, expected) in [
            ("2024-03-05", "YYYY-MM-DD", "2024-03-05 00:00:00"),
            ("05/03/2024 14:30", "DD/MM/YYYY HH24:MI", "2024-03-05 14:30:00"),
            ("20240305", "YYYYMMDD", "2024-03-05 00:00:00"),
            ("5 Mar 24", "DD Mon YY", "2024-03-05 00:00:00"),
            ("March 5, 2024", "Month DD, YYYY", "2024-03-05 00:00:00"),
            ("12:05:09.25 am", "HH12:MI:SS.MS am", "0001-01-01 00:05:09.25 BC"),
            ("2024-065", "YYYY-DDD", "2024-03-05 00:00:00"),
            ("2024-10-2", "IYYY-IW-ID", "2024-03-05 00:00:00"),
        ] {
            let mut shown = String::new();
            civil::write_timestamp(&mut shown, read(text, template).unwrap_or_else(|error| panic!("{text}: {error}")));
            assert_eq!(shown, expected, "{text} as {template}");
        }
        for (text, template) in
            [("2024-13-01", "YYYY-MM-DD"), ("abc", "YYYY"), ("2024-02-30", "YYYY-MM-DD"), ("13 pm", "HH12 pm")]
        {
            assert!(read(text, template).is_err(), "{text} as {template}");
        }
    }
}
