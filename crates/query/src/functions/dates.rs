//! Dates and times: parts, truncation, ages, and making them.

use arrow::{
    array::ArrayRef,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
        Time64MicrosecondType, TimestampMicrosecondType,
    },
};
use datafusion::{
    error::{DataFusionError, Result},
    logical_expr::Volatility,
};

use super::{
    Call, Function, Overload, decimal,
    parts::{self, Field},
    types::Ty::{Bool, Date, Float8, Int8, Interval, Text, Time, Timestamp, TimestampTz},
};
use crate::{
    civil::{self, US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND},
    error::failed,
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::pure(
        "$extract",
        &[
            Overload::of(&[Text, Timestamp], extract_type, extract_moment),
            Overload::of(&[Text, TimestampTz], extract_type, extract_moment),
            Overload::of(&[Text, Date], extract_type, extract_date),
            Overload::of(&[Text, Interval], extract_type, extract_interval),
            Overload::of(&[Text, Time], extract_type, extract_time),
        ],
    ),
    Function::pure(
        "date_part",
        &[
            Overload::new(&[Text, Timestamp], Float8, part_moment),
            Overload::new(&[Text, TimestampTz], Float8, part_moment),
            Overload::new(&[Text, Date], Float8, part_date),
            Overload::new(&[Text, Interval], Float8, part_interval),
            Overload::new(&[Text, Time], Float8, part_time),
        ],
    ),
    Function::pure(
        "date_trunc",
        &[
            Overload::new(&[Text, Timestamp], Timestamp, trunc_moment),
            Overload::new(&[Text, TimestampTz], TimestampTz, trunc_moment),
            Overload::new(&[Text, Date], Timestamp, trunc_date),
            Overload::new(&[Text, Interval], Interval, trunc_interval),
        ],
    ),
    Function::pure(
        "date_bin",
        &[
            Overload::new(&[Interval, Timestamp, Timestamp], Timestamp, bin),
            Overload::new(&[Interval, TimestampTz, TimestampTz], TimestampTz, bin),
        ],
    ),
    Function::pure(
        "age",
        &[
            Overload::new(&[Timestamp, Timestamp], Interval, age),
            Overload::new(&[TimestampTz, TimestampTz], Interval, age),
            Overload::new(&[Timestamp], Interval, age_today),
            Overload::new(&[TimestampTz], Interval, age_today),
        ],
    ),
    Function::pure("make_date", &[Overload::new(&[Int8, Int8, Int8], Date, make_date)]),
    Function::pure("make_time", &[Overload::new(&[Int8, Int8, Float8], Time, make_time)]),
    Function::pure("make_timestamp", &[Overload::new(&[Int8, Int8, Int8, Int8, Int8, Float8], Timestamp, make_timestamp)]),
    Function::pure("make_interval", &[Overload::variadic(&[Float8], Interval, make_interval)]),
    Function::pure("justify_days", &[Overload::new(&[Interval], Interval, justify_days)]),
    Function::pure("justify_hours", &[Overload::new(&[Interval], Interval, justify_hours)]),
    Function::pure("justify_interval", &[Overload::new(&[Interval], Interval, justify_interval)]),
    Function::pure(
        "isfinite",
        &[
            Overload::new(&[Date], Bool, is_finite),
            Overload::new(&[Timestamp], Bool, is_finite),
            Overload::new(&[TimestampTz], Bool, is_finite),
            Overload::new(&[Interval], Bool, is_finite),
        ],
    ),
    Function::pure(
        "$at_time_zone",
        &[
            Overload::new(&[Timestamp, Text], TimestampTz, super::zones::local_to_instant),
            Overload::new(&[TimestampTz, Text], Timestamp, super::zones::instant_to_local),
        ],
    ),
    stable("now", &[Overload::new(&[], TimestampTz, now)]),
    stable("current_timestamp", &[Overload::new(&[], TimestampTz, now)]),
    stable("transaction_timestamp", &[Overload::new(&[], TimestampTz, now)]),
    stable("statement_timestamp", &[Overload::new(&[], TimestampTz, now)]),
    stable("clock_timestamp", &[Overload::new(&[], TimestampTz, now)]),
    stable("localtimestamp", &[Overload::new(&[], Timestamp, now)]),
    stable("current_date", &[Overload::new(&[], Date, today)]),
    stable("current_time", &[Overload::new(&[], Time, time_now)]),
    stable("localtime", &[Overload::new(&[], Time, time_now)]),
];

const fn stable(name: &'static str, overloads: &'static [Overload]) -> Function {
    Function { name, volatility: Volatility::Stable, overloads }
}

/// `extract` gives `numeric`; six places hold the microseconds.
fn extract_type(_given: &[DataType]) -> DataType {
    DataType::Decimal128(24, 6)
}

fn out_of_range(what: &str) -> DataFusionError {
    failed(format!("{what} out of range"))
}

/// Reads the field in argument 0: once when it is a constant, else for every row.
fn fields(call: &Call<'_>, type_name: &'static str) -> Result<impl Fn(usize) -> Result<Option<Field>>> {
    let constant = call.constant_text(0).map(|text| Field::parse(text, type_name)).transpose()?;
    let varying = call.text(0)?;
    Ok(move |row: usize| match constant {
        Some(field) => Ok(Some(field)),
        None => varying.get(row).map(|text| Field::parse(text, type_name)).transpose(),
    })
}

/// Writes parts, which are counted in microseconds, as `numeric` or as a float.
fn write_parts(call: &Call<'_>, mut part: impl FnMut(usize) -> Result<Option<i128>>) -> Result<ArrayRef> {
    if call.returns == &DataType::Float64 {
        return call.build_numbers::<Float64Type>(|row| {
            #[expect(clippy::as_conversions, reason = "`date_part` gives a float")]
            Ok(part(row)?.map(|millionths| millionths as f64 / 1e6))
        });
    }
    call.build_numbers::<Decimal128Type>(part)
}

fn moment_parts(call: &Call<'_>, us: impl Fn(usize) -> Option<i64>, type_name: &'static str) -> Result<ArrayRef> {
    let field = fields(call, type_name)?;
    write_parts(call, |row| {
        let (Some(us), Some(field)) = (us(row), field(row)?) else { return Ok(None) };
        parts::of_moment(us, field, type_name).map(Some)
    })
}

fn extract_moment(call: &Call<'_>) -> Result<ArrayRef> {
    let moments = call.numbers::<TimestampMicrosecondType>(1)?;
    moment_parts(call, |row| moments.get(row), "timestamp without time zone")
}

fn extract_date(call: &Call<'_>) -> Result<ArrayRef> {
    let dates = call.numbers::<Date32Type>(1)?;
    moment_parts(call, |row| dates.get(row).map(|days| i64::from(days) * US_PER_DAY), "date")
}

fn extract_interval(call: &Call<'_>) -> Result<ArrayRef> {
    let intervals = call.numbers::<IntervalMonthDayNanoType>(1)?;
    let field = fields(call, "interval")?;
    write_parts(call, |row| {
        let (Some(interval), Some(field)) = (intervals.get(row), field(row)?) else { return Ok(None) };
        parts::of_interval(interval, field).map(Some)
    })
}

fn extract_time(call: &Call<'_>) -> Result<ArrayRef> {
    let times = call.numbers::<Time64MicrosecondType>(1)?;
    let field = fields(call, "time")?;
    write_parts(call, |row| {
        let (Some(us), Some(field)) = (times.get(row), field(row)?) else { return Ok(None) };
        parts::of_time(us, field).map(Some)
    })
}

fn part_moment(call: &Call<'_>) -> Result<ArrayRef> {
    extract_moment(call)
}

fn part_date(call: &Call<'_>) -> Result<ArrayRef> {
    extract_date(call)
}

fn part_interval(call: &Call<'_>) -> Result<ArrayRef> {
    extract_interval(call)
}

fn part_time(call: &Call<'_>) -> Result<ArrayRef> {
    extract_time(call)
}

fn trunc(call: &Call<'_>, us: impl Fn(usize) -> Option<i64>) -> Result<ArrayRef> {
    let field = fields(call, "timestamp without time zone")?;
    call.build_numbers::<TimestampMicrosecondType>(|row| {
        let (Some(us), Some(field)) = (us(row), field(row)?) else { return Ok(None) };
        parts::truncate(us, field).map(Some)
    })
}

fn trunc_moment(call: &Call<'_>) -> Result<ArrayRef> {
    let moments = call.numbers::<TimestampMicrosecondType>(1)?;
    trunc(call, |row| moments.get(row))
}

fn trunc_date(call: &Call<'_>) -> Result<ArrayRef> {
    let dates = call.numbers::<Date32Type>(1)?;
    trunc(call, |row| dates.get(row).map(|days| i64::from(days) * US_PER_DAY))
}

fn trunc_interval(call: &Call<'_>) -> Result<ArrayRef> {
    let intervals = call.numbers::<IntervalMonthDayNanoType>(1)?;
    let field = fields(call, "interval")?;
    call.build_numbers::<IntervalMonthDayNanoType>(|row| {
        let (Some(interval), Some(field)) = (intervals.get(row), field(row)?) else { return Ok(None) };
        parts::truncate_interval(interval, field).map(Some)
    })
}

fn bin(call: &Call<'_>) -> Result<ArrayRef> {
    let strides = call.numbers::<IntervalMonthDayNanoType>(0)?;
    let (moments, origins) = (call.numbers::<TimestampMicrosecondType>(1)?, call.numbers::<TimestampMicrosecondType>(2)?);
    call.build_numbers::<TimestampMicrosecondType>(|row| {
        let (Some(stride), Some(us), Some(origin)) = (strides.get(row), moments.get(row), origins.get(row)) else {
            return Ok(None);
        };
        if stride.months != 0 {
            return Err(failed("timestamps cannot be binned into intervals containing months or years"));
        }
        let width = i64::from(stride.days) * US_PER_DAY + stride.nanoseconds / 1000;
        if width <= 0 {
            return Err(failed("stride must be greater than zero"));
        }
        let distance = us.checked_sub(origin).ok_or_else(|| out_of_range("timestamp"))?;
        Ok(Some(us - distance.rem_euclid(width)))
    })
}

fn age(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.numbers::<TimestampMicrosecondType>(0)?, call.numbers::<TimestampMicrosecondType>(1)?);
    call.build_numbers::<IntervalMonthDayNanoType>(|row| {
        let (Some(left), Some(right)) = (left.get(row), right.get(row)) else { return Ok(None) };
        civil::age(left, right).map(Some).ok_or_else(|| out_of_range("interval"))
    })
}

fn age_today(call: &Call<'_>) -> Result<ArrayRef> {
    let moments = call.numbers::<TimestampMicrosecondType>(0)?;
    let midnight = call.scope.started_us.div_euclid(US_PER_DAY) * US_PER_DAY;
    call.build_numbers::<IntervalMonthDayNanoType>(|row| {
        let Some(moment) = moments.get(row) else { return Ok(None) };
        civil::age(midnight, moment).map(Some).ok_or_else(|| out_of_range("interval"))
    })
}

fn days_of(year: i64, month: i64, day: i64) -> Result<i64> {
    // There is no year 0; -1 is 1 BC.
    let astronomical = if year < 0 { year + 1 } else { year };
    if year == 0 || year.abs() > 300_000 || !civil::is_date(astronomical, month, day) {
        return Err(failed(format!("date field value out of range: {year}-{month:02}-{day:02}")));
    }
    Ok(civil::days_from_civil(astronomical, month, day))
}

fn time_of(hour: i64, minute: i64, second: f64) -> Result<i64> {
    let valid = (0..=24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60.0).contains(&second);
    let us = decimal::whole((second * 1e6).round()).unwrap_or(0);
    let total = hour * US_PER_HOUR + minute * US_PER_MINUTE + us;
    if !valid || total > US_PER_DAY {
        return Err(failed(format!("time field value out of range: {hour}:{minute:02}:{second:02}")));
    }
    Ok(total)
}

fn make_date(call: &Call<'_>) -> Result<ArrayRef> {
    let (years, months, days) = (call.numbers::<Int64Type>(0)?, call.numbers::<Int64Type>(1)?, call.numbers::<Int64Type>(2)?);
    call.build_numbers::<Date32Type>(|row| {
        let (Some(year), Some(month), Some(day)) = (years.get(row), months.get(row), days.get(row)) else {
            return Ok(None);
        };
        i32::try_from(days_of(year, month, day)?).map(Some).map_err(|_error| out_of_range("date"))
    })
}

fn make_time(call: &Call<'_>) -> Result<ArrayRef> {
    let (hours, minutes, seconds) =
        (call.numbers::<Int64Type>(0)?, call.numbers::<Int64Type>(1)?, call.numbers::<Float64Type>(2)?);
    call.build_numbers::<Time64MicrosecondType>(|row| {
        let (Some(hour), Some(minute), Some(second)) = (hours.get(row), minutes.get(row), seconds.get(row)) else {
            return Ok(None);
        };
        time_of(hour, minute, second).map(Some)
    })
}

fn make_timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    let parts = (0..5).map(|index| call.numbers::<Int64Type>(index)).collect::<Result<Vec<_>>>()?;
    let seconds = call.numbers::<Float64Type>(5)?;
    call.build_numbers::<TimestampMicrosecondType>(|row| {
        let values: Option<Vec<i64>> = parts.iter().map(|part| part.get(row)).collect();
        let (Some(values), Some(second)) = (values, seconds.get(row)) else { return Ok(None) };
        let [year, month, day, hour, minute] = values.as_slice() else { return Ok(None) };
        Ok(Some(days_of(*year, *month, *day)? * US_PER_DAY + time_of(*hour, *minute, second)?))
    })
}

/// `make_interval(years, months, weeks, days, hours, mins, secs)`, each left out counting 0.
fn make_interval(call: &Call<'_>) -> Result<ArrayRef> {
    let parts = (0..call.args.len()).map(|index| call.numbers::<Float64Type>(index)).collect::<Result<Vec<_>>>()?;
    call.build_numbers::<IntervalMonthDayNanoType>(|row| {
        let values: Option<Vec<f64>> = parts.iter().map(|part| part.get(row)).collect();
        let Some(values) = values else { return Ok(None) };
        let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
        let whole = |value: f64| decimal::whole(value.round()).ok_or_else(|| out_of_range("interval"));
        let months = whole(at(0) * 12.0 + at(1))?;
        let days = whole(at(2) * 7.0 + at(3))?;
        let us = whole((at(4) * 3600.0 + at(5) * 60.0 + at(6)) * 1e6)?;
        civil::interval(months, days, us).map(Some).ok_or_else(|| out_of_range("interval"))
    })
}

fn justify(call: &Call<'_>, justify: fn(IntervalMonthDayNano) -> Option<IntervalMonthDayNano>) -> Result<ArrayRef> {
    let intervals = call.numbers::<IntervalMonthDayNanoType>(0)?;
    call.build_numbers::<IntervalMonthDayNanoType>(|row| {
        let Some(interval) = intervals.get(row) else { return Ok(None) };
        justify(interval).map(Some).ok_or_else(|| out_of_range("interval"))
    })
}

fn justify_days(call: &Call<'_>) -> Result<ArrayRef> {
    justify(call, |interval| {
        let (mut months, mut days) = (i64::from(interval.months) + i64::from(interval.days) / 30, i64::from(interval.days) % 30);
        if months > 0 && days < 0 {
            (months, days) = (months - 1, days + 30);
        } else if months < 0 && days > 0 {
            (months, days) = (months + 1, days - 30);
        }
        civil::interval(months, days, interval.nanoseconds / 1000)
    })
}

fn justify_hours(call: &Call<'_>) -> Result<ArrayRef> {
    justify(call, |interval| {
        let us = interval.nanoseconds / 1000;
        let (mut days, mut rest) = (i64::from(interval.days) + us / US_PER_DAY, us % US_PER_DAY);
        if days > 0 && rest < 0 {
            (days, rest) = (days - 1, rest + US_PER_DAY);
        } else if days < 0 && rest > 0 {
            (days, rest) = (days + 1, rest - US_PER_DAY);
        }
        civil::interval(interval.months.into(), days, rest)
    })
}

fn justify_interval(call: &Call<'_>) -> Result<ArrayRef> {
    justify(call, |interval| {
        let total = (i128::from(interval.months) * 30 + i128::from(interval.days)) * i128::from(US_PER_DAY)
            + i128::from(interval.nanoseconds / 1000);
        let days = i64::try_from(total / i128::from(US_PER_DAY)).ok()?;
        let rest = i64::try_from(total % i128::from(US_PER_DAY)).ok()?;
        civil::interval(days / 30, days % 30, rest)
    })
}

fn is_finite(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    call.build_booleans(|row| Ok(array.is_valid(row).then_some(true)))
}

fn now(call: &Call<'_>) -> Result<ArrayRef> {
    call.build_numbers::<TimestampMicrosecondType>(|_| Ok(Some(call.scope.started_us)))
}

fn today(call: &Call<'_>) -> Result<ArrayRef> {
    call.build_numbers::<Date32Type>(|_| Ok(i32::try_from(call.scope.started_us.div_euclid(US_PER_DAY)).ok()))
}

fn time_now(call: &Call<'_>) -> Result<ArrayRef> {
    call.build_numbers::<Time64MicrosecondType>(|_| Ok(Some(call.scope.started_us.rem_euclid(US_PER_DAY))))
}

/// `to_timestamp(1700000000.5)`.
pub(super) fn from_epoch(call: &Call<'_>) -> Result<ArrayRef> {
    let seconds = call.numbers::<Float64Type>(0)?;
    call.build_numbers::<TimestampMicrosecondType>(|row| {
        let Some(seconds) = seconds.get(row) else { return Ok(None) };
        #[expect(clippy::as_conversions, reason = "a million is exact in a float")]
        let us = (seconds * US_PER_SECOND as f64).round();
        decimal::whole(us).map(Some).ok_or_else(|| out_of_range("timestamp"))
    })
}
