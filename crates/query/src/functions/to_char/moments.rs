//! Writes dates, times and intervals by a template.

use std::fmt::Write;

use arrow::datatypes::IntervalMonthDayNano;
use datafusion::error::Result;

use super::template::{self, Case, Pattern, Piece};
use crate::{
    civil::{self, US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND},
    error::failed,
};

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// What is shown: the parts of a moment, or those of a length of time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    year: i64,
    month: i64,
    day: i64,
    /// Microseconds of the day; of an interval, all of its time.
    us: i64,
    /// Days since 1970; none for an interval, which lies nowhere.
    days: Option<i64>,
}

impl Shown {
    pub(super) fn of_timestamp(us: i64) -> Self {
        let days = us.div_euclid(US_PER_DAY);
        let date = civil::civil_from_days(days);
        Self { year: date.year, month: date.month, day: date.day, us: us.rem_euclid(US_PER_DAY), days: Some(days) }
    }

    pub(super) fn of_interval(interval: IntervalMonthDayNano) -> Self {
        let months = i64::from(interval.months);
        Self { year: months / 12, month: months % 12, day: interval.days.into(), us: interval.nanoseconds / 1000, days: None }
    }

    fn hour(&self) -> i64 {
        self.us / US_PER_HOUR
    }

    fn hour12(&self) -> i64 {
        match self.hour() % 12 {
            0 => 12,
            hour => hour,
        }
    }

    fn dated(&self) -> Result<i64> {
        self.days.ok_or_else(|| failed("invalid format specification for an interval value"))
    }

    fn day_of_year(&self) -> Result<i64> {
        Ok(self.dated()? - civil::days_from_civil(self.year, 1, 1) + 1)
    }

    fn iso(&self) -> Result<(i64, i64)> {
        Ok(civil::iso_week(self.dated()?))
    }
}

/// Writes one moment.
pub(super) fn write(out: &mut String, shown: Shown, template: &str) -> Result<()> {
    for piece in template::parse(template) {
        match piece {
            Piece::Text(text) => out.push_str(&text),
            Piece::Pattern { pattern, fill, ordinal } => {
                let start = out.len();
                write_pattern(out, shown, pattern, fill)?;
                if let Some(upper) = ordinal {
                    let suffix = ordinal_suffix(out.get(start..).unwrap_or_default());
                    out.push_str(&if upper { suffix.to_ascii_uppercase() } else { suffix.to_owned() });
                }
            }
        }
    }
    Ok(())
}

fn ordinal_suffix(number: &str) -> &'static str {
    let teen = number.len() > 1 && number.as_bytes().get(number.len() - 2) == Some(&b'1');
    match number.as_bytes().last() {
        Some(b'1') if !teen => "st",
        Some(b'2') if !teen => "nd",
        Some(b'3') if !teen => "rd",
        _ => "th",
    }
}

/// Writes a number with zeros in front, unless `FM` asks for none.
fn number(out: &mut String, value: i64, width: usize, fill: bool) {
    if fill {
        put!(out, "{value}");
    } else {
        let sign = if value < 0 { "-" } else { "" };
        put!(out, "{sign}{:0width$}", value.abs());
    }
}

fn name(out: &mut String, full: &str, case: Case, width: usize, fill: bool) {
    let cased = match case {
        Case::Upper => full.to_ascii_uppercase(),
        Case::Capital => full.to_owned(),
        Case::Lower => full.to_ascii_lowercase(),
    };
    if fill { put!(out, "{cased}") } else { put!(out, "{cased:width$}") }
}

fn at<'a>(names: &[&'a str], index: i64) -> &'a str {
    usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or("")
}

fn write_pattern(out: &mut String, shown: Shown, pattern: Pattern, fill: bool) -> Result<()> {
    match pattern {
        Pattern::Hour24 => number(out, shown.hour(), 2, fill),
        Pattern::Hour12 => number(out, shown.hour12(), 2, fill),
        Pattern::Minute => number(out, shown.us / US_PER_MINUTE % 60, 2, fill),
        Pattern::Second => number(out, shown.us / US_PER_SECOND % 60, 2, fill),
        Pattern::Millisecond => number(out, shown.us % US_PER_SECOND / 1000, 3, fill),
        Pattern::Microsecond => number(out, shown.us % US_PER_SECOND, 6, fill),
        Pattern::SecondsOfDay => number(out, shown.us / US_PER_SECOND, 0, true),
        Pattern::Half { upper, dots } => {
            let half = match (shown.hour() % 24 >= 12, dots) {
                (true, true) => "P.M.",
                (true, false) => "PM",
                (false, true) => "A.M.",
                (false, false) => "AM",
            };
            out.push_str(&if upper { half.to_owned() } else { half.to_ascii_lowercase() });
        }
        Pattern::Month => number(out, shown.month, 2, fill),
        Pattern::Day => number(out, shown.day, 2, fill),
        Pattern::Quarter => number(out, (shown.month + 2) / 3, 0, true),
        Pattern::MonthName(case) => name(out, at(&MONTHS, shown.month - 1), case, 9, fill),
        Pattern::MonthShort(case) => name(out, at(&MONTHS, shown.month - 1).get(..3).unwrap_or(""), case, 3, fill),
        Pattern::MonthRoman { upper } => {
            let roman = at(&ROMAN, shown.month - 1);
            name(out, roman, if upper { Case::Upper } else { Case::Lower }, 4, fill);
        }
        Pattern::Zone { .. } => {}
        Pattern::Offset => out.push_str("+00"),
        other => write_calendar(out, shown, other, fill)?,
    }
    Ok(())
}

/// Years, weeks and days of the week: what an interval mostly does not have.
fn write_calendar(out: &mut String, shown: Shown, pattern: Pattern, fill: bool) -> Result<()> {
    match pattern {
        Pattern::Year { digits, comma } => write_year(out, shown_year(shown), digits, comma, fill),
        Pattern::IsoYear { digits } => write_year(out, shown.iso()?.0, digits, false, fill),
        Pattern::Era { upper, dots } => {
            let era = match (shown.year <= 0, dots) {
                (true, true) => "B.C.",
                (true, false) => "BC",
                (false, true) => "A.D.",
                (false, false) => "AD",
            };
            out.push_str(&if upper { era.to_owned() } else { era.to_ascii_lowercase() });
        }
        Pattern::DayName(case) => name(out, at(&DAYS, civil::day_of_week(shown.dated()?)), case, 9, fill),
        Pattern::DayShort(case) => {
            name(out, at(&DAYS, civil::day_of_week(shown.dated()?)).get(..3).unwrap_or(""), case, 3, fill);
        }
        Pattern::DayOfYear => number(out, shown.day_of_year()?, 3, fill),
        Pattern::DayOfWeek => number(out, civil::day_of_week(shown.dated()?) + 1, 0, true),
        Pattern::IsoDayOfWeek => number(out, (civil::day_of_week(shown.dated()?) + 6) % 7 + 1, 0, true),
        Pattern::IsoDayOfYear => {
            let days = shown.dated()?;
            let (_, week) = shown.iso()?;
            number(out, (week - 1) * 7 + (civil::day_of_week(days) + 6) % 7 + 1, 3, fill);
        }
        Pattern::WeekOfMonth => number(out, (shown.day - 1) / 7 + 1, 0, true),
        Pattern::WeekOfYear => number(out, (shown.day_of_year()? - 1) / 7 + 1, 2, fill),
        Pattern::IsoWeek => number(out, shown.iso()?.1, 2, fill),
        Pattern::Century => number(out, (shown_year(shown) + 99) / 100, 2, fill),
        Pattern::Julian => number(out, shown.dated()? + 2_440_588, 0, true),
        _ => {}
    }
    Ok(())
}

/// The year that people see: those before Christ count backwards, without a sign.
fn shown_year(shown: Shown) -> i64 {
    if shown.days.is_some() && shown.year <= 0 { 1 - shown.year } else { shown.year }
}

fn write_year(out: &mut String, year: i64, digits: u8, comma: bool, fill: bool) {
    let kept = match digits {
        1 => year % 10,
        2 => year % 100,
        3 => year % 1000,
        _ => year,
    };
    if comma {
        put!(out, "{},{:03}", kept / 1000, kept % 1000);
    } else {
        number(out, kept, digits.into(), fill);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_usual_templates() {
        let moment =
            civil::days_from_civil(2024, 3, 5) * US_PER_DAY + 15 * US_PER_HOUR + 4 * US_PER_MINUTE + 9 * US_PER_SECOND + 120_000;
        for (template, expected) in [
            ("YYYY-MM-DD HH24:MI:SS", "2024-03-05 15:04:09"),
            ("Mon DD, YYYY", "Mar 05, 2024"),
            ("FMMonth FMDDth, YYYY", "March 5th, 2024"),
            ("Day, HH12:MI am", "Tuesday  , 03:04 pm"),
            ("MONTH|", "MARCH    |"),
            ("Q\"th quarter\"", "1th quarter"),
            ("IYYY-IW", "2024-10"),
            ("MS US", "120 120000"),
            ("DDD D ID W WW", "065 3 2 1 10"),
            ("YY Y,YYY CC J", "24 2,024 21 2460375"),
            ("RM rm", "III  iii "),
        ] {
            let mut out = String::new();
            write(&mut out, Shown::of_timestamp(moment), template).unwrap();
            assert_eq!(out, expected, "{template}");
        }
    }
}
