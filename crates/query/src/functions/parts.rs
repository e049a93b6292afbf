//! The parts of dates, times and intervals: `year`, `dow`, `epoch`, ….

use arrow::datatypes::IntervalMonthDayNano;
use datafusion::error::{DataFusionError, Result};

use crate::{
    civil::{self, Civil, US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND},
    error::failed,
};

/// A part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Microseconds,
    Milliseconds,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    IsoYear,
    Decade,
    Century,
    Millennium,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    Epoch,
    Julian,
    Zone,
}

impl Field {
    /// Reads a name as PostgreSQL does, plurals and short forms included.
    pub(super) fn parse(text: &str, type_name: &str) -> Result<Self> {
        Ok(match text.trim().trim_matches('"').to_ascii_lowercase().as_str() {
            "microseconds" | "microsecond" | "us" | "usec" | "usecs" => Self::Microseconds,
            "milliseconds" | "millisecond" | "ms" | "msec" | "msecs" => Self::Milliseconds,
            "second" | "seconds" | "sec" | "secs" | "s" => Self::Second,
            "minute" | "minutes" | "min" | "mins" | "m" => Self::Minute,
            "hour" | "hours" | "hr" | "hrs" | "h" => Self::Hour,
            "day" | "days" | "d" => Self::Day,
            "week" | "weeks" | "w" => Self::Week,
            "month" | "months" | "mon" | "mons" => Self::Month,
            "quarter" | "qtr" => Self::Quarter,
            "year" | "years" | "yr" | "yrs" | "y" => Self::Year,
            "isoyear" => Self::IsoYear,
            "decade" | "decades" | "dec" | "decs" => Self::Decade,
            "century" | "centuries" | "c" | "cent" => Self::Century,
            "millennium" | "millennia" | "mil" | "mils" => Self::Millennium,
            "dow" => Self::DayOfWeek,
            "isodow" => Self::IsoDayOfWeek,
            "doy" => Self::DayOfYear,
            "epoch" => Self::Epoch,
            "julian" | "j" => Self::Julian,
            "timezone" | "timezone_hour" | "timezone_minute" => Self::Zone,
            _ => {
                let shown: String = text.chars().take(40).collect();
                return Err(failed(format!("unit \"{shown}\" not recognized for type {type_name}")));
            }
        })
    }
}

fn unsupported(field: Field, type_name: &str) -> DataFusionError {
    let name = format!("{field:?}").to_ascii_lowercase();
    failed(format!("unit \"{name}\" not supported for type {type_name}"))
}

/// A whole part in millionths.
fn whole(value: i64) -> Result<i128> {
    Ok(i128::from(value) * 1_000_000)
}

/// Years from 1 on count in the 1st century, those before Christ in the -1st.
fn group_of_years(year: i64, length: i64) -> i64 {
    if year > 0 { (year + length - 1).div_euclid(length) } else { -((length - year).div_euclid(length)) }
}

/// PostgreSQL has no year 0.
fn shown_year(year: i64) -> i64 {
    if year <= 0 { year - 1 } else { year }
}

/// A part of a timestamp, in millionths.
pub(super) fn of_moment(us: i64, field: Field, type_name: &str) -> Result<i128> {
    let moment = civil::moment(us);
    let Civil { year, month, day } = moment.date;
    let seconds_us = moment.second * US_PER_SECOND + moment.micros;
    match field {
        Field::Microseconds => whole(seconds_us),
        Field::Milliseconds => Ok(i128::from(seconds_us) * 1000),
        Field::Second => Ok(seconds_us.into()),
        Field::Minute => whole(moment.minute),
        Field::Hour => whole(moment.hour),
        Field::Day => whole(day),
        Field::Week => whole(civil::iso_week(moment.days).1),
        Field::Month => whole(month),
        Field::Quarter => whole((month + 2) / 3),
        Field::Year => whole(shown_year(year)),
        Field::IsoYear => whole(shown_year(civil::iso_week(moment.days).0)),
        Field::Decade => whole(year.div_euclid(10)),
        Field::Century => whole(group_of_years(year, 100)),
        Field::Millennium => whole(group_of_years(year, 1000)),
        Field::DayOfWeek => whole(civil::day_of_week(moment.days)),
        Field::IsoDayOfWeek => whole((civil::day_of_week(moment.days) + 6) % 7 + 1),
        Field::DayOfYear => whole(moment.days - civil::days_from_civil(year, 1, 1) + 1),
        Field::Epoch => Ok(us.into()),
        Field::Julian => {
            let days = i128::from(moment.days) + 2_440_588;
            Ok(days * 1_000_000 + i128::from(us.rem_euclid(US_PER_DAY)) * 1_000_000 / i128::from(US_PER_DAY))
        }
        Field::Zone if type_name.contains("with time zone") => Ok(0),
        Field::Zone => Err(unsupported(field, type_name)),
    }
}

/// A part of a time of day, in millionths.
pub(super) fn of_time(us: i64, field: Field) -> Result<i128> {
    let seconds_us = us % US_PER_MINUTE;
    match field {
        Field::Microseconds => whole(seconds_us),
        Field::Milliseconds => Ok(i128::from(seconds_us) * 1000),
        Field::Second => Ok(seconds_us.into()),
        Field::Minute => whole(us / US_PER_MINUTE % 60),
        Field::Hour => whole(us / US_PER_HOUR),
        Field::Epoch => Ok(us.into()),
        other => Err(unsupported(other, "time without time zone")),
    }
}

/// A part of an interval, in millionths.
pub(super) fn of_interval(interval: IntervalMonthDayNano, field: Field) -> Result<i128> {
    let us = interval.nanoseconds / 1000;
    let (years, months) = (i64::from(interval.months) / 12, i64::from(interval.months) % 12);
    let seconds_us = us % US_PER_MINUTE;
    match field {
        Field::Microseconds => whole(seconds_us),
        Field::Milliseconds => Ok(i128::from(seconds_us) * 1000),
        Field::Second => Ok(seconds_us.into()),
        Field::Minute => whole(us / US_PER_MINUTE % 60),
        Field::Hour => whole(us / US_PER_HOUR),
        Field::Day => whole(interval.days.into()),
        Field::Month => whole(months),
        Field::Quarter => whole(months / 3 + 1),
        Field::Year => whole(years),
        Field::Decade => whole(years / 10),
        Field::Century => whole(years / 100),
        Field::Millennium => whole(years / 1000),
        // A year has 365.25 days here, a month 30.
        Field::Epoch => {
            let days_quarters = i128::from(years) * 1461 + i128::from(months) * 120 + i128::from(interval.days) * 4;
            Ok(days_quarters * i128::from(US_PER_DAY / 4) + i128::from(us))
        }
        other => Err(unsupported(other, "interval")),
    }
}

/// The beginning of the part that a timestamp lies in.
pub(super) fn truncate(us: i64, field: Field) -> Result<i64> {
    let fixed = |width: i64| Ok(us - us.rem_euclid(width));
    let days = us.div_euclid(US_PER_DAY);
    let Civil { year, month, .. } = civil::civil_from_days(days);
    let first_of = |year: i64, month: i64| Ok(civil::days_from_civil(year, month, 1) * US_PER_DAY);
    match field {
        Field::Microseconds => Ok(us),
        Field::Milliseconds => fixed(1000),
        Field::Second => fixed(US_PER_SECOND),
        Field::Minute => fixed(US_PER_MINUTE),
        Field::Hour => fixed(US_PER_HOUR),
        Field::Day => fixed(US_PER_DAY),
        Field::Week => Ok((days - (civil::day_of_week(days) + 6).rem_euclid(7)) * US_PER_DAY),
        Field::Month => first_of(year, month),
        Field::Quarter => first_of(year, (month - 1) / 3 * 3 + 1),
        Field::Year => first_of(year, 1),
        Field::Decade => first_of(year.div_euclid(10) * 10, 1),
        // Centuries and millennia begin with a year 1.
        Field::Century => first_of((year - 1).div_euclid(100) * 100 + 1, 1),
        Field::Millennium => first_of((year - 1).div_euclid(1000) * 1000 + 1, 1),
        other => Err(unsupported(other, "timestamp without time zone")),
    }
}

/// An interval with everything below a part cut off.
pub(super) fn truncate_interval(interval: IntervalMonthDayNano, field: Field) -> Result<IntervalMonthDayNano> {
    let cut_months = |length: i32| IntervalMonthDayNano { months: interval.months / length * length, days: 0, nanoseconds: 0 };
    let cut_time = |width: i64| {
        let width_ns = width * 1000;
        IntervalMonthDayNano { nanoseconds: interval.nanoseconds / width_ns * width_ns, ..interval }
    };
    Ok(match field {
        Field::Microseconds => interval,
        Field::Milliseconds => cut_time(1000),
        Field::Second => cut_time(US_PER_SECOND),
        Field::Minute => cut_time(US_PER_MINUTE),
        Field::Hour => cut_time(US_PER_HOUR),
        Field::Day => IntervalMonthDayNano { nanoseconds: 0, ..interval },
        Field::Month => cut_months(1),
        Field::Quarter => cut_months(3),
        Field::Year => cut_months(12),
        Field::Decade => cut_months(120),
        Field::Century => cut_months(1200),
        Field::Millennium => cut_months(12_000),
        other => return Err(unsupported(other, "interval")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(year: i64, month: i64, day: i64) -> i64 {
        civil::days_from_civil(year, month, day) * US_PER_DAY
    }

    #[test]
    fn parts_of_the_turn_of_a_year() {
        let moment = us(2024, 12, 30) + 13 * US_PER_HOUR + 5 * US_PER_MINUTE + 7 * US_PER_SECOND + 250_000;
        for (field, millionths) in [
            ("year", 2_024_000_000),
            ("isoyear", 2_025_000_000),
            ("week", 1_000_000),
            ("quarter", 4_000_000),
            ("dow", 1_000_000),
            ("isodow", 1_000_000),
            ("doy", 365_000_000),
            ("second", 7_250_000),
            ("milliseconds", 7_250_000_000),
            ("century", 21_000_000),
        ] {
            let field = Field::parse(field, "timestamp").unwrap();
            assert_eq!(of_moment(moment, field, "timestamp").unwrap(), millionths, "{field:?}");
        }
        assert!(Field::parse("fortnight", "timestamp").is_err());
    }

    #[test]
    fn centuries_before_christ_count_backwards() {
        assert_eq!(group_of_years(2000, 100), 20);
        assert_eq!(group_of_years(2001, 100), 21);
        assert_eq!(group_of_years(0, 100), -1);
        assert_eq!(group_of_years(-99, 100), -1);
        assert_eq!(group_of_years(-100, 100), -2);
    }

    #[test]
    fn truncates_to_beginnings() {
        let moment = us(2024, 5, 15) + US_PER_HOUR;
        for (field, expected) in [
            ("week", us(2024, 5, 13)),
            ("quarter", us(2024, 4, 1)),
            ("decade", us(2020, 1, 1)),
            ("century", us(2001, 1, 1)),
            ("day", us(2024, 5, 15)),
        ] {
            assert_eq!(truncate(moment, Field::parse(field, "timestamp").unwrap()).unwrap(), expected, "{field}");
        }
        assert!(truncate(moment, Field::DayOfWeek).is_err());
    }
}
