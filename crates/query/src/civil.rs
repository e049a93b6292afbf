//! Calendar arithmetic on plain integers: days and microseconds since 1970-01-01, proleptic Gregorian, as PostgreSQL
//! does it. No zone: the session's zone is UTC.

use std::fmt::Write;

use arrow::datatypes::IntervalMonthDayNano;

pub(crate) const US_PER_SECOND: i64 = 1_000_000;
pub(crate) const US_PER_MINUTE: i64 = 60 * US_PER_SECOND;
pub(crate) const US_PER_HOUR: i64 = 60 * US_PER_MINUTE;
pub(crate) const US_PER_DAY: i64 = 24 * US_PER_HOUR;

/// A date in its parts. Years before 1 are 0 (1 BC), -1 (2 BC), ….
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Civil {
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
}

/// A timestamp in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub date: Civil,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub micros: i64,
    /// Days since 1970-01-01.
    pub days: i64,
}

/// Days since 1970-01-01 of a date; months outside 1 to 12 roll over into years.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The date of a day since 1970-01-01.
pub(crate) fn civil_from_days(days: i64) -> Civil {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Civil { year, month, day: day_of_year - (153 * month_shifted + 2) / 5 + 1 }
}

/// Days in a month.
pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Whether the date exists.
pub(crate) fn is_date(year: i64, month: i64, day: i64) -> bool {
    (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month)
}

/// Splits a timestamp.
pub(crate) fn moment(us: i64) -> Moment {
    let days = us.div_euclid(US_PER_DAY);
    let rest = us.rem_euclid(US_PER_DAY);
    Moment {
        date: civil_from_days(days),
        hour: rest / US_PER_HOUR,
        minute: rest / US_PER_MINUTE % 60,
        second: rest / US_PER_SECOND % 60,
        micros: rest % US_PER_SECOND,
        days,
    }
}

/// 0 Sunday to 6 Saturday.
pub(crate) fn day_of_week(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// Year and week of ISO 8601.
pub(crate) fn iso_week(days: i64) -> (i64, i64) {
    // The Thursday of a week lies in the week's year.
    let thursday = days - (day_of_week(days) + 6).rem_euclid(7) + 3;
    let year = civil_from_days(thursday).year;
    (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
}

/// Adds months to a timestamp; a day that the new month lacks becomes its last one.
pub(crate) fn add_months(us: i64, months: i64) -> Option<i64> {
    let days = us.div_euclid(US_PER_DAY);
    let date = civil_from_days(days);
    let total = date.year.checked_mul(12)?.checked_add(date.month - 1)?.checked_add(months)?;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    let day = date.day.min(days_in_month(year, month));
    days_from_civil(year, month, day).checked_mul(US_PER_DAY)?.checked_add(us.rem_euclid(US_PER_DAY))
}

/// Adds an interval to a timestamp: months, then days, then time.
pub(crate) fn add_interval(us: i64, interval: IntervalMonthDayNano) -> Option<i64> {
    let shifted = if interval.months == 0 { us } else { add_months(us, interval.months.into())? };
    shifted.checked_add(i64::from(interval.days).checked_mul(US_PER_DAY)?)?.checked_add(interval.nanoseconds / 1000)
}

/// The interval with every part negated.
pub(crate) fn negate(interval: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    Some(IntervalMonthDayNano {
        months: interval.months.checked_neg()?,
        days: interval.days.checked_neg()?,
        nanoseconds: interval.nanoseconds.checked_neg()?,
    })
}

/// An interval from months, days and microseconds.
pub(crate) fn interval(months: i64, days: i64, us: i64) -> Option<IntervalMonthDayNano> {
    Some(IntervalMonthDayNano {
        months: i32::try_from(months).ok()?,
        days: i32::try_from(days).ok()?,
        nanoseconds: us.checked_mul(1000)?,
    })
}

/// The difference of two timestamps in days and time, as `ts - ts` gives it.
pub(crate) fn difference(left: i64, right: i64) -> Option<IntervalMonthDayNano> {
    let us = left.checked_sub(right)?;
    interval(0, us / US_PER_DAY, us % US_PER_DAY)
}

/// The difference in years, months, days and time, as `age(left, right)` gives it.
pub(crate) fn age(left: i64, right: i64) -> Option<IntervalMonthDayNano> {
    let (later, earlier, sign) = if left >= right { (left, right, 1) } else { (right, left, -1) };
    let (to, from) = (moment(later), moment(earlier));
    let mut months = (to.date.year - from.date.year) * 12 + to.date.month - from.date.month;
    let mut days = to.date.day - from.date.day;
    let mut us = later.rem_euclid(US_PER_DAY) - earlier.rem_euclid(US_PER_DAY);
    if us < 0 {
        us += US_PER_DAY;
        days -= 1;
    }
    if days < 0 {
        // PostgreSQL borrows the length of the earlier date's month.
        days += days_in_month(from.date.year, from.date.month);
        months -= 1;
    }
    interval(sign * months, sign * days, sign * us)
}

/// Writes a date as `2024-01-31`, or `0044-03-15 BC`.
pub(crate) fn write_date(out: &mut String, date: Civil) {
    let bc = date.year <= 0;
    let year = if bc { 1 - date.year } else { date.year };
    put!(out, "{year:04}-{:02}-{:02}{}", date.month, date.day, if bc { " BC" } else { "" });
}

/// Writes a time of day as `10:00:00` or `10:00:00.25`.
pub(crate) fn write_time(out: &mut String, us: i64) {
    let (hour, minute, second) = (us / US_PER_HOUR, us / US_PER_MINUTE % 60, us / US_PER_SECOND % 60);
    put!(out, "{hour:02}:{minute:02}:{second:02}");
    write_fraction(out, us % US_PER_SECOND);
}

/// Writes `.25` for 250000 microseconds, nothing for none.
pub(crate) fn write_fraction(out: &mut String, us: i64) {
    if us != 0 {
        let digits = format!("{us:06}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
}

/// Writes a timestamp as `2024-01-31 10:00:00`.
pub(crate) fn write_timestamp(out: &mut String, us: i64) {
    let date = civil_from_days(us.div_euclid(US_PER_DAY));
    let bc = date.year <= 0;
    let year = if bc { 1 - date.year } else { date.year };
    put!(out, "{year:04}-{:02}-{:02} ", date.month, date.day);
    write_time(out, us.rem_euclid(US_PER_DAY));
    if bc {
        out.push_str(" BC");
    }
}

/// Writes an interval in PostgreSQL's own style: `1 year 2 mons 3 days 04:05:06`.
pub(crate) fn write_interval(out: &mut String, interval: IntervalMonthDayNano) {
    let months = i64::from(interval.months);
    let parts = [(months / 12, "year", "years"), (months % 12, "mon", "mons"), (interval.days.into(), "day", "days")];
    let mut first = true;
    let mut negative_before = false;
    for (value, one, many) in parts {
        if value == 0 {
            continue;
        }
        let gap = if first { "" } else { " " };
        // A positive part behind a negative one carries its sign.
        let plus = if negative_before && value > 0 { "+" } else { "" };
        put!(out, "{gap}{plus}{value} {}", if value == 1 { one } else { many });
        first = false;
        negative_before = value < 0;
    }
    let us = interval.nanoseconds / 1000;
    if us != 0 || first {
        let gap = if first { "" } else { " " };
        let sign = match us {
            us if us < 0 => "-",
            _ if negative_before => "+",
            _ => "",
        };
        put!(out, "{gap}{sign}");
        write_time(out, us.abs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i64, month: i64, day: i64) -> i64 {
        days_from_civil(year, month, day) * US_PER_DAY
    }

    fn shown(interval: IntervalMonthDayNano) -> String {
        let mut out = String::new();
        write_interval(&mut out, interval);
        out
    }

    #[test]
    fn dates_round_trip_over_four_centuries() {
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2000, 3, 1), 11_017);
        for days in (-800_000..800_000).step_by(97) {
            let date = civil_from_days(days);
            assert_eq!(days_from_civil(date.year, date.month, date.day), days, "{date:?}");
            assert!(is_date(date.year, date.month, date.day), "{date:?}");
        }
    }

    #[test]
    fn weeks_follow_iso_8601() {
        for (year, month, day, iso) in
            [(2021, 1, 3, (2020, 53)), (2024, 12, 30, (2025, 1)), (2024, 2, 29, (2024, 9)), (2020, 12, 31, (2020, 53))]
        {
            assert_eq!(iso_week(days_from_civil(year, month, day)), iso, "{year}-{month}-{day}");
        }
        assert_eq!(day_of_week(days_from_civil(2024, 2, 29)), 4);
    }

    #[test]
    fn months_end_on_existing_days() {
        assert_eq!(add_months(day(2024, 1, 31), 1), Some(day(2024, 2, 29)));
        assert_eq!(add_months(day(2024, 2, 29), 12), Some(day(2025, 2, 28)));
        assert_eq!(add_months(day(2024, 1, 31), -2), Some(day(2023, 11, 30)));
    }

    #[test]
    fn ages_are_postgresqls() {
        for (left, right, age_text) in [
            ((2024, 3, 1), (2024, 1, 31), "1 mon 1 day"),
            ((2001, 4, 10), (1957, 6, 13), "43 years 9 mons 27 days"),
            ((2024, 2, 29), (2023, 2, 28), "1 year 1 day"),
            ((2024, 1, 31), (2024, 3, 1), "-1 mons -1 days"),
        ] {
            let found = age(day(left.0, left.1, left.2), day(right.0, right.1, right.2)).unwrap();
            assert_eq!(shown(found), age_text, "age({left:?}, {right:?})");
        }
    }

    #[test]
    fn intervals_are_written_as_postgresql_does() {
        for (months, days, us, text) in [
            (0, 0, 0, "00:00:00"),
            (14, 3, 4 * US_PER_HOUR, "1 year 2 mons 3 days 04:00:00"),
            (-1, 2, 0, "-1 mons +2 days"),
            (0, 1, -US_PER_SECOND / 2, "1 day -00:00:00.5"),
            (0, -1, US_PER_SECOND, "-1 days +00:00:01"),
            (0, 0, 100 * US_PER_HOUR, "100:00:00"),
        ] {
            assert_eq!(shown(interval(months, days, us).unwrap()), text);
        }
    }
}
