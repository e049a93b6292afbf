//! Numbers from dates. The calendar is the Gregorian one, also before 1582; instants are read in UTC.

use std::f64::consts::TAU;

use arrow::{
    array::{Float64Array, Int64Array, TimestampMicrosecondArray},
    datatypes::{Float64Type, Int64Type},
};

use super::{Lost, Made};
use crate::{
    column::Column,
    num,
    operation::{Operation, Period},
};

const MICROS_AN_HOUR: i64 = 3_600_000_000;
const MICROS_A_DAY: i64 = 24 * MICROS_AN_HOUR;

/// Features of a column of dates. `None` when it holds something else, or the method is another one.
pub(super) fn make(operation: &Operation, source: &Column, reference: i64) -> Option<Made> {
    let dates = match source {
        Column::Date(dates) => dates.clone(),
        Column::Unknown(rows) => TimestampMicrosecondArray::new_null(*rows),
        _ => return None,
    };
    let part = |part: fn(i64) -> i64| {
        let parts: Int64Array = dates.unary::<_, Int64Type>(part);
        Some(Made::one(Column::Integer(parts)))
    };
    match operation {
        Operation::ExtractYear => part(|micros| Day::of(micros).year),
        Operation::ExtractMonth => part(|micros| Day::of(micros).month),
        Operation::ExtractDay => part(|micros| Day::of(micros).day),
        Operation::ExtractWeekday => part(weekday),
        Operation::ExtractHour => part(hour),
        Operation::CyclicalEncode { period } => Some(cyclical(&dates, *period)),
        Operation::TimeSince { unit } => {
            let unit = unit.micros();
            let since: Float64Array = dates.unary::<_, Float64Type>(|micros| num::float_difference(reference, micros) / unit);
            Some(Made::one(Column::Float(since)))
        }
        _ => None,
    }
}

fn cyclical(dates: &TimestampMicrosecondArray, period: Period) -> Made {
    let (part, length): (fn(i64) -> i64, f64) = match period {
        Period::Month => (|micros| Day::of(micros).month, 12.0),
        Period::Hour => (hour, 24.0),
        Period::Weekday => (weekday, 7.0),
        Period::DayOfYear => (day_of_year, 365.0),
    };
    let angle = |micros| TAU * num::float_signed(part(micros)) / length;
    let sines: Float64Array = dates.unary::<_, Float64Type>(|micros| angle(micros).sin());
    let cosines: Float64Array = dates.unary::<_, Float64Type>(|micros| angle(micros).cos());
    Made { columns: vec![Column::Float(sines), Column::Float(cosines)], lost: Lost::new() }
}

fn hour(micros: i64) -> i64 {
    micros.rem_euclid(MICROS_A_DAY) / MICROS_AN_HOUR
}

/// Monday is 0; 1970-01-01 was a Thursday.
fn weekday(micros: i64) -> i64 {
    (micros.div_euclid(MICROS_A_DAY) + 3).rem_euclid(7)
}

/// 1 on the first of January.
fn day_of_year(micros: i64) -> i64 {
    let Day { year, month, day } = Day::of(micros);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    // Days before a month, from March on: 153 days in five months.
    let before = if month > 2 { (153 * (month - 3) + 2) / 5 + 59 + i64::from(is_leap) } else { 31 * (month - 1) };
    before + day
}

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Day {
    year: i64,
    /// From 1.
    month: i64,
    /// From 1.
    day: i64,
}

impl Day {
    /// The day of an instant. After Hinnant (2013), "chrono-Compatible Low-Level Date Algorithms": years begin in March, so
    /// that the leap day comes last, and 400 of them have 146,097 days.
    fn of(micros: i64) -> Self {
        let days = micros.div_euclid(MICROS_A_DAY) + 719_468;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self { year: era * 400 + year_of_era + i64::from(month <= 2), month, day: of_year - (153 * from_march + 2) / 5 + 1 }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Datelike, Timelike};
    use proptest::prelude::*;

    use super::*;

    fn check(micros: i64) {
        let at = DateTime::from_timestamp_micros(micros).unwrap();
        let day = Day { year: at.year().into(), month: at.month().into(), day: at.day().into() };
        assert_eq!(Day::of(micros), day, "{at}");
        assert_eq!(weekday(micros), i64::from(at.weekday().num_days_from_monday()), "{at}");
        assert_eq!(day_of_year(micros), i64::from(at.ordinal()), "{at}");
        assert_eq!(hour(micros), i64::from(at.hour()), "{at}");
    }

    #[test]
    fn every_day_of_four_hundred_years_has_its_parts() {
        for day in -40_000..106_100 {
            check(day * MICROS_A_DAY + 1);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_chrono(micros in -8_000_000_000_000_000_000_i64..8_000_000_000_000_000_000) {
            check(micros);
        }

        #[test]
        fn any_instant_has_parts(micros in any::<i64>()) {
            prop_assert!((1..=12).contains(&Day::of(micros).month) && (1..=366).contains(&day_of_year(micros)));
        }
    }
}
