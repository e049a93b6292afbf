//! Dates and times in ISO 8601, read as the training read them, and their parts.

use super::numbers::{as_whole, whole};

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// A point in time without a zone (in UTC where there was one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// Days since 1970-01-01.
    days: i64,
    /// Nanoseconds since midnight.
    nanoseconds: i64,
}

/// The part of a date that a column of the numeric block has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DatePart {
    Year,
    Month,
    Day,
    Weekday,
    DayOfYear,
    Days,
    Hour,
}

impl DatePart {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "year" => Self::Year,
            "month" => Self::Month,
            "day" => Self::Day,
            "weekday" => Self::Weekday,
            "day_of_year" => Self::DayOfYear,
            "days" => Self::Days,
            "hour" => Self::Hour,
            _ => return None,
        })
    }
}

impl Moment {
    /// Reads `2024-02-29`, `2024-02-29T10:20:30.5+01:00` and the other forms of ISO 8601 that the training reads: the year
    /// and month alone, other separators of the date (`/`, `.`, a space), a space instead of `T`, parts of a time, and no
    /// separators at all.
    ///
    /// A time zone is converted to UTC. Digits beyond nanoseconds are left out.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim_start().as_bytes();
        let year = digits(&mut rest, 4, 4)?;
        let (month, day, complete) = date_after_year(&mut rest)?;
        let days = days_from_civil(year, month, day);
        if day < 1 || !(1..=12).contains(&month) || civil_from_days(days) != (year, month, day) {
            return None;
        }
        let mut nanoseconds = 0;
        if !rest.is_empty() {
            if !complete || !(take(&mut rest, b'T') || take(&mut rest, b' ')) {
                return None;
            }
            nanoseconds = time(&mut rest)? - zone(&mut rest)?;
        }
        let moment = Self { days: days + nanoseconds.div_euclid(DAY), nanoseconds: nanoseconds.rem_euclid(DAY) };
        rest.is_empty().then_some(moment)
    }

    /// The midnight of a day, counted from 1970-01-01; a fraction is left out. `None` far outside of the calendar.
    pub(super) fn from_days(days: f64) -> Option<Self> {
        as_whole(days.floor()).filter(|days| days.abs() < 100_000_000).map(|days| Self { days, nanoseconds: 0 })
    }

    /// Days since 1970-01-01 with the fraction of the day.
    #[must_use]
    pub fn days(self) -> f64 {
        // The training divides whole microseconds, or nanoseconds where a text has them; so the last bit is the same.
        let unit = if self.nanoseconds % 1000 == 0 { 1000 } else { 1 };
        let (per_day, part) = (DAY / unit, self.nanoseconds / unit);
        match self.days.checked_mul(per_day).and_then(|days| days.checked_add(part)) {
            Some(units) => whole(units) / whole(per_day),
            None => whole(self.days) + whole(self.nanoseconds) / whole(DAY),
        }
    }

    pub(super) fn part(self, part: DatePart) -> f64 {
        let (year, month, day) = civil_from_days(self.days);
        match part {
            DatePart::Days => self.days(),
            DatePart::Year => whole(year),
            DatePart::Month => whole(month),
            DatePart::Day => whole(day),
            // 1970-01-01 was a Thursday; Monday is 0.
            DatePart::Weekday => whole((self.days + 3).rem_euclid(7)),
            DatePart::DayOfYear => whole(self.days - days_from_civil(year, 1, 1) + 1),
            DatePart::Hour => whole(self.nanoseconds / (3600 * SECOND)),
        }
    }
}

impl std::fmt::Display for Moment {
    /// Writes the date, and the time where it is not midnight, as the training spells a category.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = civil_from_days(self.days);
        write!(formatter, "{year:04}-{month:02}-{day:02}")?;
        if self.nanoseconds == 0 {
            return Ok(());
        }
        let seconds = self.nanoseconds / SECOND;
        write!(formatter, "T{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        match self.nanoseconds % SECOND {
            0 => Ok(()),
            fraction if fraction % 1000 == 0 => write!(formatter, ".{:06}", fraction / 1000),
            fraction => write!(formatter, ".{fraction:09}"),
        }
    }
}

/// Month and day, each 1 where it is absent, and whether both are there.
fn date_after_year(rest: &mut &[u8]) -> Option<(i64, i64, bool)> {
    let separator = match rest.first() {
        None => return Some((1, 1, false)),
        Some(b'-' | b'/' | b'.' | b' ') => rest.split_off_first().copied()?,
        Some(_) => return Some((digits(rest, 2, 2)?, digits(rest, 2, 2)?, true)),
    };
    let month = digits(rest, 1, 2)?;
    if rest.is_empty() {
        return Some((month, 1, false));
    }
    take(rest, separator).then_some(())?;
    Some((month, digits(rest, 1, 2)?, true))
}

fn time(rest: &mut &[u8]) -> Option<i64> {
    let spaced = matches!(rest.get(1..3), Some([b':', _] | [_, b':'])) || rest.len() < 3;
    let (hour, mut minute, mut second, mut fraction) = (digits(rest, if spaced { 1 } else { 2 }, 2)?, 0, 0, 0);
    let separated = take(rest, b':');
    if separated || rest.first().is_some_and(u8::is_ascii_digit) {
        minute = digits(rest, if separated { 1 } else { 2 }, 2)?;
        let more = if separated { take(rest, b':') } else { rest.first().is_some_and(u8::is_ascii_digit) };
        if more {
            second = digits(rest, if separated { 1 } else { 2 }, 2)?;
            if take(rest, b'.') {
                fraction = nanoseconds(rest);
            }
        }
    }
    (hour < 24 && minute < 60 && second < 60).then_some((hour * 3600 + minute * 60 + second) * SECOND + fraction)
}

/// The digits of a fraction of a second.
fn nanoseconds(rest: &mut &[u8]) -> i64 {
    let (mut value, mut unit) = (0, SECOND / 10);
    while let Some(digit) = rest.first().filter(|byte| byte.is_ascii_digit()) {
        value += i64::from(digit - b'0') * unit;
        unit /= 10;
        rest.split_off_first();
    }
    value
}

/// The offset from UTC.
fn zone(rest: &mut &[u8]) -> Option<i64> {
    if rest.is_empty() {
        return Some(0);
    }
    while take(rest, b' ') {}
    if take(rest, b'Z') {
        return Some(0);
    }
    let sign = if take(rest, b'+') {
        1
    } else if take(rest, b'-') {
        -1
    } else {
        return None;
    };
    let (hours, mut minutes) = (digits(rest, 1, 2)?, 0);
    let separated = take(rest, b':');
    if separated || !rest.is_empty() {
        minutes = digits(rest, 1, 2)?;
    }
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60) * SECOND)
}

fn take(rest: &mut &[u8], byte: u8) -> bool {
    let there = rest.first() == Some(&byte);
    if there {
        rest.split_off_first();
    }
    there
}

fn digits(rest: &mut &[u8], least: usize, most: usize) -> Option<i64> {
    let (mut value, mut count) = (0, 0);
    while let Some(digit) = rest.first().filter(|byte| count < most && byte.is_ascii_digit()) {
        value = value * 10 + i64::from(digit - b'0');
        count += 1;
        rest.split_off_first();
    }
    (count >= least).then_some(value)
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, also before it was in use.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the day that comes and goes is the last one.
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_training_reads() {
        // Days as pandas 3.1 tells them.
        let known = [
            ("2024", 19723.0),
            ("2024-02", 19754.0),
            ("20240229", 19782.0),
            ("2024-2-3", 19756.0),
            ("2024-02-29T10", 19_782.416_666_666_668),
            ("2024-02-29 10:20", 19_782.430_555_555_555),
            ("2024-02-29T10:20:30", 19_782.430_902_777_778),
            ("2024-02-29T10:20:30.123456789", 19_782.430_904_206_674),
            ("2024-02-29T10:20:30.1234567891234", 19_782.430_904_206_674),
            ("2024-02-29T102030", 19_782.430_902_777_778),
            ("2024-02-29T1020", 19_782.430_555_555_555),
            ("20240229T1020", 19_782.430_555_555_555),
            ("20240229 10", 19_782.416_666_666_668),
            ("2024-02-29T10:20:30Z", 19_782.430_902_777_778),
            ("2024-02-29T10Z", 19_782.416_666_666_668),
            ("2024-02-29T10:20:30+02", 19_782.347_569_444_446),
            ("2024-02-29T10:20:30+0230", 19_782.326_736_111_11),
            ("2024-02-29T10:20:30 +02:30", 19_782.326_736_111_11),
            ("2024-02-29T10:20:30+1:30", 19_782.368_402_777_778),
            ("2024-02-29T10:20:30-23:59", 19_783.430_208_333_335),
            (" 2024-02-29", 19782.0),
            ("2024/02/29", 19782.0),
            ("2024.02.29", 19782.0),
            ("2024 02 29", 19782.0),
            ("2024-02-29T1:2:3", 19_782.043_090_277_777),
            ("2024-02-29T10:2", 19_782.418_055_555_554),
            ("2024-02-29T10:20:30.", 19_782.430_902_777_778),
            ("0001-01-01", -719_162.0),
            ("0000-01-01", -719_528.0),
            ("9999-12-31", 2_932_896.0),
            ("1500-01-01", -171_664.0),
            ("0001-01-01T00:00:00+23:00", -719_162.958_333_333_4),
            ("9999-12-31T23:00:00-23:00", 2_932_897.916_666_666_5),
        ];
        for (text, days) in known {
            assert_eq!(Moment::parse(text).map(Moment::days), Some(days), "{text}");
        }
    }

    #[test]
    fn what_the_training_does_not_read_is_no_date() {
        for text in [
            "",
            "NaT",
            "nan",
            "202402",
            "20241",
            "240229",
            "24-02-29",
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "2024-00-01",
            "2024-02-29T10:20:30,5",
            "2024-02-29T24:00:00",
            "2024-02-29T10:20:60",
            "2024-02-29 ",
            "02/29/2024",
            "10000-01-01",
            "+2024-01-01",
            "2024-02-29t10:20",
            "2024-060",
            "2024-W05",
            "2024-02-29Z",
            "2024-02-29TZ",
            "2024-02-29T10:20:30z",
            "2024-02-29T10:20:",
            "2024-02-29T",
            "2024-02-29  10:20",
            "2024-02-29T10:20:30UTC",
            "２０２４-02-29",
            "2024022910",
            "2024-0229",
            "2024-02-29T10:2030",
            "2024-02-29T10:20:30+24:00",
            "2024-02-29+02:00",
            "tomorrow",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn knows_the_parts_of_a_date() {
        let moment = Moment::parse("2024-12-31T23:59:59.5").unwrap();
        let parts = [DatePart::Year, DatePart::Month, DatePart::Day, DatePart::Weekday, DatePart::DayOfYear, DatePart::Hour];
        assert_eq!(parts.map(|part| moment.part(part)), [2024.0, 12.0, 31.0, 1.0, 366.0, 23.0]);
    }

    #[test]
    fn is_written_as_the_training_spells_it() {
        for (text, spelled) in [
            ("2024-02-29T00:00:00Z", "2024-02-29"),
            ("2024-02-29 10:20", "2024-02-29T10:20:00"),
            ("2024-02-29T10:20:30.5+01:00", "2024-02-29T09:20:30.500000"),
            ("2024-02-29T10:20:30.123456789", "2024-02-29T10:20:30.123456789"),
        ] {
            assert_eq!(Moment::parse(text).unwrap().to_string(), spelled);
        }
    }

    #[test]
    fn every_day_of_many_years_is_what_it_is_written_as() {
        for days in (-800_000..3_000_000).step_by(17) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
            assert!((1..=12).contains(&month) && (1..=31).contains(&day));
        }
    }
}
