//! The date forms of the contract (section 7.3), on bytes. Calendar dates are checked; bare numbers are never dates.

/// What a date text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateText {
    /// Microseconds since 1970-01-01 in UTC.
    Instant(i64),
    /// `D/M/YYYY` with a day above 12: as `M/D/YYYY` it does not exist.
    DayFirst,
}

const MICROS_A_SECOND: i64 = 1_000_000;
const MICROS_A_DAY: i64 = 86_400 * MICROS_A_SECOND;

/// Reads a date, or `None` when the text is none.
pub(crate) fn parse(text: &[u8]) -> Option<DateText> {
    // The shortest form is M/D/YYYY.
    if text.len() < 8 {
        return None;
    }
    match (text.get(4)?, text.get(7)?) {
        (b'-', b'-') => year_first(text, true),
        (b'/', b'/') => year_first(text, false),
        _ => month_first(text).or_else(|| named_month(text)),
    }
}

/// `YYYY-MM-DD`, with a time of day allowed, or `YYYY/MM/DD` alone.
fn year_first(text: &[u8], time_allowed: bool) -> Option<DateText> {
    let (date, rest) = text.split_at_checked(10)?;
    let day = days(number(date.get(0..4)?)?, number(date.get(5..7)?)?, number(date.get(8..10)?)?)?;
    let micros = match rest.split_first() {
        None => 0,
        Some((b'T' | b't' | b' ', time)) if time_allowed => time_of_day(time)?,
        Some(_) => return None,
    };
    Some(DateText::Instant(day * MICROS_A_DAY + micros))
}

/// `HH:MM[:SS[.fraction]]` with an optional `Z` or `±HH:MM`: microseconds since midnight UTC, possibly negative.
fn time_of_day(text: &[u8]) -> Option<i64> {
    let (clock, mut rest) = text.split_at_checked(5)?;
    let (hour, minute) = clock_time(clock)?;
    let mut micros = (hour * 60 + minute) * 60 * MICROS_A_SECOND;
    if let Some((b':', after)) = rest.split_first() {
        let (seconds, after) = after.split_at_checked(2)?;
        let seconds = number(seconds)?;
        if seconds > 59 {
            return None;
        }
        micros += seconds * MICROS_A_SECOND;
        rest = after;
        if let Some((b'.', after)) = rest.split_first() {
            let (fraction, after) = fraction_micros(after)?;
            micros += fraction;
            rest = after;
        }
    }
    match rest.split_first() {
        None | Some((b'Z' | b'z', [])) => Some(micros),
        Some((sign @ (b'+' | b'-'), offset)) => {
            let (hour, minute) = clock_time(offset)?;
            let offset = (hour * 60 + minute) * 60 * MICROS_A_SECOND;
            Some(if *sign == b'+' { micros - offset } else { micros + offset })
        }
        Some(_) => None,
    }
}

/// Exactly `HH:MM`.
fn clock_time(text: &[u8]) -> Option<(i64, i64)> {
    let [_, _, b':', _, _] = text else { return None };
    let (hour, minute) = (number(text.get(0..2)?)?, number(text.get(3..5)?)?);
    (hour < 24 && minute < 60).then_some((hour, minute))
}

/// One to nine digits of a second; what is below a microsecond is cut.
fn fraction_micros(text: &[u8]) -> Option<(i64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let (fraction, rest) = text.split_at_checked(digits)?;
    let micros = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    Some((micros.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')), rest))
}

/// `M/D/YYYY`, as in the United States.
fn month_first(text: &[u8]) -> Option<DateText> {
    let mut parts = text.split(|byte| *byte == b'/');
    let (first, second, year) = (short_number(parts.next()?)?, short_number(parts.next()?)?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let year = number(year)?;
    match days(year, first, second) {
        Some(day) => Some(DateText::Instant(day * MICROS_A_DAY)),
        None => days(year, second, first).map(|_| DateText::DayFirst),
    }
}

/// `D-Mon-YYYY`.
fn named_month(text: &[u8]) -> Option<DateText> {
    const MONTHS: [&[u8]; 12] = [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
    let mut parts = text.split(|byte| *byte == b'-');
    let (day, name, year) = (short_number(parts.next()?)?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let month = MONTHS.iter().position(|month| name.eq_ignore_ascii_case(month))?;
    let day = days(number(year)?, i64::try_from(month).ok()? + 1, day)?;
    Some(DateText::Instant(day * MICROS_A_DAY))
}

fn short_number(text: &[u8]) -> Option<i64> {
    if matches!(text.len(), 1 | 2) { number(text) } else { None }
}

fn number(text: &[u8]) -> Option<i64> {
    let mut value = 0;
    for &byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Some(value)
}

/// Days since 1970-01-01 in the Gregorian calendar, or `None` when there is no such day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) || year < 1 {
        return None;
    }
    // Years that begin in March put the leap day at the end.
    let shifted = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

/// Writes an instant as `YYYY-MM-DD`, with the time of day when there is one. The inverse of [`parse`].
pub(crate) fn format(micros: i64) -> String {
    let Some(at) = chrono::DateTime::from_timestamp_micros(micros) else { return micros.to_string() };
    let at = at.naive_utc();
    if micros % MICROS_A_DAY == 0 { at.format("%Y-%m-%d").to_string() } else { at.format("%Y-%m-%dT%H:%M:%S%.f").to_string() }
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, NaiveDateTime};
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        let expected: NaiveDateTime = expected.parse().unwrap();
        assert_eq!(parse(text.as_bytes()), Some(DateText::Instant(expected.and_utc().timestamp_micros())), "{text:?}");
    }

    #[test]
    fn reads_the_forms_of_the_contract() {
        for (text, expected) in [
            ("2024-02-29", "2024-02-29T00:00:00"),
            ("2024-01-15T10:30", "2024-01-15T10:30:00"),
            ("2024-01-15 10:30:45", "2024-01-15T10:30:45"),
            ("2024-01-15T10:30:45.123", "2024-01-15T10:30:45.123"),
            ("2024-01-15T10:30:45.123456789Z", "2024-01-15T10:30:45.123456"),
            ("2024-01-15T10:30:45+02:00", "2024-01-15T08:30:45"),
            ("2024-01-15 23:30-05:30", "2024-01-16T05:00:00"),
            ("2024/12/31", "2024-12-31T00:00:00"),
            ("1/2/2024", "2024-01-02T00:00:00"),
            ("12/31/2024", "2024-12-31T00:00:00"),
            ("5-Jan-2024", "2024-01-05T00:00:00"),
            ("05-DEC-1999", "1999-12-05T00:00:00"),
            ("1900-03-01", "1900-03-01T00:00:00"),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn refuses_what_is_no_calendar_date_or_no_form() {
        for text in [
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-04-31",
            "0000-01-01",
            "2024-1-5",
            "20240115",
            "2024-01-15T24:00",
            "2024-01-15T10",
            "2024-01-15T10:60",
            "2024-01-15T10:30:60",
            "2024-01-15T10:30+0200",
            "2024-01-15T10:30.5",
            "2024/01/15 10:30",
            "1/2/24",
            "40/40/2024",
            "Jan 5 2024",
            "5-Foo-2024",
            "2024-01-15x",
            "15.01.2024",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_day_above_twelve_in_front_is_told_apart() {
        assert_eq!(parse(b"31/12/2024"), Some(DateText::DayFirst));
        assert_eq!(parse(b"30/02/2024"), None);
    }

    proptest! {
        #[test]
        fn agrees_with_chrono_and_comes_back(day in 1_i32..3_652_059, seconds in 0_i64..86_400, micro in 0_i64..1_000_000) {
            let date = NaiveDate::from_num_days_from_ce_opt(day).unwrap();
            let expected = date.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp_micros() + seconds * MICROS_A_SECOND + micro;
            prop_assert_eq!(parse(format(expected).as_bytes()), Some(DateText::Instant(expected)));
        }

        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&text);
            let _ = super::super::classify(&text);
        }
    }
}
