//! The arithmetic operators, under names that no statement can spell. They differ from the engine's own in that
//! integers overflow with an error, that a division by zero is an error for every type, and that quotients of
//! `numeric` keep their digits.

use arrow::{
    array::{Array, ArrayRef, AsArray, Datum},
    compute::kernels::numeric,
    datatypes::{
        DataType, Date32Type, Float64Type, Int32Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType,
        TimestampMicrosecondType,
    },
    error::ArrowError,
};
use datafusion::{
    error::{DataFusionError, Result},
    logical_expr::ColumnarValue,
};

use super::{
    Call, Function, Overload, decimal,
    types::Ty::{Date, Float8, Int4, Int8, Interval, Numeric, Time, Timestamp, TimestampTz},
};
use crate::{
    civil::{self, US_PER_DAY},
    error::failed,
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::pure(
        "$add",
        &[
            Overload::new(&[Int4, Int4], Int4, add),
            Overload::new(&[Int8, Int8], Int8, add),
            Overload::new(&[Float8, Float8], Float8, add),
            Overload::of(&[Numeric, Numeric], decimal::sum_type, decimal::add),
            Overload::new(&[Date, Int4], Date, date_plus_days),
            Overload::new(&[Int4, Date], Date, days_plus_date),
            Overload::new(&[Date, Interval], Timestamp, date_plus_interval),
            Overload::new(&[Interval, Date], Timestamp, interval_plus_date),
            Overload::new(&[Timestamp, Interval], Timestamp, moment_plus_interval),
            Overload::new(&[TimestampTz, Interval], TimestampTz, moment_plus_interval),
            Overload::new(&[Interval, Timestamp], Timestamp, interval_plus_moment),
            Overload::new(&[Interval, TimestampTz], TimestampTz, interval_plus_moment),
            Overload::new(&[Interval, Interval], Interval, interval_plus_interval),
            Overload::new(&[Date, Time], Timestamp, date_plus_time),
            Overload::new(&[Time, Interval], Time, time_plus_interval),
        ],
    ),
    Function::pure(
        "$sub",
        &[
            Overload::new(&[Int4, Int4], Int4, sub),
            Overload::new(&[Int8, Int8], Int8, sub),
            Overload::new(&[Float8, Float8], Float8, sub),
            Overload::of(&[Numeric, Numeric], decimal::sum_type, decimal::sub),
            Overload::new(&[Date, Date], Int4, date_minus_date),
            Overload::new(&[Date, Int4], Date, date_minus_days),
            Overload::new(&[Date, Interval], Timestamp, date_minus_interval),
            Overload::new(&[Timestamp, Timestamp], Interval, moment_minus_moment),
            Overload::new(&[TimestampTz, TimestampTz], Interval, moment_minus_moment),
            Overload::new(&[Timestamp, Interval], Timestamp, moment_minus_interval),
            Overload::new(&[TimestampTz, Interval], TimestampTz, moment_minus_interval),
            Overload::new(&[Interval, Interval], Interval, interval_minus_interval),
            Overload::new(&[Time, Time], Interval, time_minus_time),
            Overload::new(&[Time, Interval], Time, time_minus_interval),
        ],
    ),
    Function::pure(
        "$mul",
        &[
            Overload::new(&[Int4, Int4], Int4, mul),
            Overload::new(&[Int8, Int8], Int8, mul),
            Overload::new(&[Float8, Float8], Float8, mul),
            Overload::of(&[Numeric, Numeric], decimal::product_type, decimal::mul),
            Overload::new(&[Interval, Float8], Interval, interval_times),
            Overload::new(&[Float8, Interval], Interval, times_interval),
        ],
    ),
    Function::pure(
        "$div",
        &[
            Overload::new(&[Int4, Int4], Int4, div),
            Overload::new(&[Int8, Int8], Int8, div),
            Overload::new(&[Float8, Float8], Float8, div_float),
            Overload::of(&[Numeric, Numeric], decimal::quotient_type, decimal::div),
            Overload::new(&[Interval, Float8], Interval, interval_divided),
        ],
    ),
    Function::pure("$mod", MODULO),
    Function::pure("mod", MODULO),
    Function::pure("$interval_us", &[Overload::new(&[Interval], Int8, interval_us)]),
];

const MODULO: &[Overload] = &[
    Overload::new(&[Int4, Int4], Int4, rem),
    Overload::new(&[Int8, Int8], Int8, rem),
    Overload::of(&[Numeric, Numeric], decimal::sum_type, decimal::rem),
    Overload::new(&[Float8, Float8], Float8, rem_float),
];

/// An argument as arrow's kernels take it: a constant stays one.
struct Operand {
    array: ArrayRef,
    constant: bool,
}

impl Datum for Operand {
    fn get(&self) -> (&dyn Array, bool) {
        (self.array.as_ref(), self.constant)
    }
}

fn operands(call: &Call<'_>) -> Result<(Operand, Operand)> {
    let constant = call.rows == 1 && call.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    let operand = |index: usize| -> Result<Operand> {
        match call.args.get(index) {
            Some(ColumnarValue::Scalar(scalar)) => Ok(Operand { array: scalar.to_array()?, constant: !constant }),
            _ => Ok(Operand { array: call.array(index)?, constant: false }),
        }
    };
    Ok((operand(0)?, operand(1)?))
}

type Kernel = fn(&dyn Datum, &dyn Datum) -> std::result::Result<ArrayRef, ArrowError>;

fn checked(call: &Call<'_>, kernel: Kernel) -> Result<ArrayRef> {
    let (left, right) = operands(call)?;
    kernel(&left, &right).map_err(|error| arithmetic_error(error, call.returns))
}

/// Arrow's error in PostgreSQL's words.
fn arithmetic_error(error: ArrowError, data_type: &DataType) -> DataFusionError {
    match (error, data_type) {
        (ArrowError::DivideByZero, _) => failed("division by zero"),
        (ArrowError::ArithmeticOverflow(_), DataType::Int32) => failed("integer out of range"),
        (ArrowError::ArithmeticOverflow(_), DataType::Int64) => failed("bigint out of range"),
        (other, _) => other.into(),
    }
}

fn add(call: &Call<'_>) -> Result<ArrayRef> {
    checked(call, numeric::add)
}

fn sub(call: &Call<'_>) -> Result<ArrayRef> {
    checked(call, numeric::sub)
}

fn mul(call: &Call<'_>) -> Result<ArrayRef> {
    checked(call, numeric::mul)
}

fn div(call: &Call<'_>) -> Result<ArrayRef> {
    checked(call, numeric::div)
}

fn rem(call: &Call<'_>) -> Result<ArrayRef> {
    checked(call, numeric::rem)
}

/// Fails where a divisor is zero and the dividend is not null.
fn refuse_zero(call: &Call<'_>) -> Result<()> {
    let (dividend, divisor) = operands(call)?;
    let divisors = divisor.array.as_primitive::<Float64Type>();
    let rows = if divisor.constant || divisors.len() == 1 { dividend.array.len() } else { divisors.len() };
    let zero_at = |row: usize| divisors.is_valid(row) && divisors.value(row) == 0.0;
    let found = if divisor.constant || divisors.len() == 1 {
        zero_at(0) && dividend.array.null_count() < rows
    } else {
        (0..rows).any(|row| zero_at(row) && (dividend.constant || dividend.array.is_valid(row)))
    };
    if found { Err(failed("division by zero")) } else { Ok(()) }
}

fn div_float(call: &Call<'_>) -> Result<ArrayRef> {
    refuse_zero(call)?;
    checked(call, numeric::div)
}

fn rem_float(call: &Call<'_>) -> Result<ArrayRef> {
    refuse_zero(call)?;
    checked(call, numeric::rem)
}

fn out_of_range(what: &str) -> DataFusionError {
    failed(format!("{what} out of range"))
}

fn shift_date(call: &Call<'_>, date_at: usize, days_at: usize, sign: i32) -> Result<ArrayRef> {
    let (dates, days) = (call.numbers::<Date32Type>(date_at)?, call.numbers::<Int32Type>(days_at)?);
    call.build_numbers::<Date32Type>(|row| match (dates.get(row), days.get(row)) {
        (Some(date), Some(days)) => {
            days.checked_mul(sign).and_then(|days| date.checked_add(days)).map(Some).ok_or_else(|| out_of_range("date"))
        }
        _ => Ok(None),
    })
}

fn date_plus_days(call: &Call<'_>) -> Result<ArrayRef> {
    shift_date(call, 0, 1, 1)
}

fn days_plus_date(call: &Call<'_>) -> Result<ArrayRef> {
    shift_date(call, 1, 0, 1)
}

fn date_minus_days(call: &Call<'_>) -> Result<ArrayRef> {
    shift_date(call, 0, 1, -1)
}

fn date_minus_date(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.numbers::<Date32Type>(0)?, call.numbers::<Date32Type>(1)?);
    call.build_numbers::<Int32Type>(|row| match (left.get(row), right.get(row)) {
        (Some(left), Some(right)) => left.checked_sub(right).map(Some).ok_or_else(|| out_of_range("date")),
        _ => Ok(None),
    })
}

fn add_to_moment(call: &Call<'_>, moment_at: usize, interval_at: usize, negate: Sign) -> Result<ArrayRef> {
    let moments = call.numbers::<TimestampMicrosecondType>(moment_at)?;
    let intervals = call.numbers::<IntervalMonthDayNanoType>(interval_at)?;
    call.build_numbers::<TimestampMicrosecondType>(|row| match (moments.get(row), intervals.get(row)) {
        (Some(moment), Some(interval)) => negate
            .of(interval)
            .and_then(|interval| civil::add_interval(moment, interval))
            .map(Some)
            .ok_or_else(|| out_of_range("timestamp")),
        _ => Ok(None),
    })
}

fn add_to_date(call: &Call<'_>, date_at: usize, interval_at: usize, negate: Sign) -> Result<ArrayRef> {
    let dates = call.numbers::<Date32Type>(date_at)?;
    let intervals = call.numbers::<IntervalMonthDayNanoType>(interval_at)?;
    call.build_numbers::<TimestampMicrosecondType>(|row| match (dates.get(row), intervals.get(row)) {
        (Some(date), Some(interval)) => negate
            .of(interval)
            .and_then(|interval| civil::add_interval(i64::from(date) * US_PER_DAY, interval))
            .map(Some)
            .ok_or_else(|| out_of_range("timestamp")),
        _ => Ok(None),
    })
}

/// Whether an interval is added or taken away.
#[derive(Clone, Copy)]
enum Sign {
    Plus,
    Minus,
}

impl Sign {
    fn of(self, interval: arrow::datatypes::IntervalMonthDayNano) -> Option<arrow::datatypes::IntervalMonthDayNano> {
        match self {
            Self::Plus => Some(interval),
            Self::Minus => civil::negate(interval),
        }
    }
}

fn date_plus_interval(call: &Call<'_>) -> Result<ArrayRef> {
    add_to_date(call, 0, 1, Sign::Plus)
}

fn interval_plus_date(call: &Call<'_>) -> Result<ArrayRef> {
    add_to_date(call, 1, 0, Sign::Plus)
}

fn date_minus_interval(call: &Call<'_>) -> Result<ArrayRef> {
    add_to_date(call, 0, 1, Sign::Minus)
}

fn moment_plus_interval(call: &Call<'_>) -> Result<ArrayRef> {
    add_to_moment(call, 0, 1, Sign::Plus)
}

fn interval_plus_moment(call: &Call<'_>) -> Result<ArrayRef> {
    add_to_moment(call, 1, 0, Sign::Plus)
}

fn moment_minus_interval(call: &Call<'_>) -> Result<ArrayRef> {
    add_to_moment(call, 0, 1, Sign::Minus)
}

fn moment_minus_moment(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.numbers::<TimestampMicrosecondType>(0)?, call.numbers::<TimestampMicrosecondType>(1)?);
    call.build_numbers::<IntervalMonthDayNanoType>(|row| match (left.get(row), right.get(row)) {
        (Some(left), Some(right)) => civil::difference(left, right).map(Some).ok_or_else(|| out_of_range("interval")),
        _ => Ok(None),
    })
}

fn add_intervals(call: &Call<'_>, sign: Sign) -> Result<ArrayRef> {
    let (left, right) = (call.numbers::<IntervalMonthDayNanoType>(0)?, call.numbers::<IntervalMonthDayNanoType>(1)?);
    call.build_numbers::<IntervalMonthDayNanoType>(|row| {
        let (Some(left), Some(right)) = (left.get(row), right.get(row)) else { return Ok(None) };
        let sum = sign.of(right).and_then(|right| {
            Some(arrow::datatypes::IntervalMonthDayNano {
                months: left.months.checked_add(right.months)?,
                days: left.days.checked_add(right.days)?,
                nanoseconds: left.nanoseconds.checked_add(right.nanoseconds)?,
            })
        });
        sum.map(Some).ok_or_else(|| out_of_range("interval"))
    })
}

fn interval_plus_interval(call: &Call<'_>) -> Result<ArrayRef> {
    add_intervals(call, Sign::Plus)
}

fn interval_minus_interval(call: &Call<'_>) -> Result<ArrayRef> {
    add_intervals(call, Sign::Minus)
}

fn date_plus_time(call: &Call<'_>) -> Result<ArrayRef> {
    let (dates, times) = (call.numbers::<Date32Type>(0)?, call.numbers::<Time64MicrosecondType>(1)?);
    call.build_numbers::<TimestampMicrosecondType>(|row| {
        Ok(dates.get(row).zip(times.get(row)).map(|(date, time)| i64::from(date) * US_PER_DAY + time))
    })
}

fn time_minus_time(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.numbers::<Time64MicrosecondType>(0)?, call.numbers::<Time64MicrosecondType>(1)?);
    call.build_numbers::<IntervalMonthDayNanoType>(|row| {
        Ok(left.get(row).zip(right.get(row)).and_then(|(left, right)| civil::interval(0, 0, left - right)))
    })
}

fn shift_time(call: &Call<'_>, sign: i64) -> Result<ArrayRef> {
    let (times, intervals) = (call.numbers::<Time64MicrosecondType>(0)?, call.numbers::<IntervalMonthDayNanoType>(1)?);
    call.build_numbers::<Time64MicrosecondType>(|row| {
        Ok(times
            .get(row)
            .zip(intervals.get(row))
            .map(|(time, interval)| (time + sign * (interval.nanoseconds / 1000 % US_PER_DAY)).rem_euclid(US_PER_DAY)))
    })
}

fn time_plus_interval(call: &Call<'_>) -> Result<ArrayRef> {
    shift_time(call, 1)
}

fn time_minus_interval(call: &Call<'_>) -> Result<ArrayRef> {
    shift_time(call, -1)
}

fn scale_intervals(call: &Call<'_>, interval_at: usize, factor_at: usize, divide: Divide) -> Result<ArrayRef> {
    let intervals = call.numbers::<IntervalMonthDayNanoType>(interval_at)?;
    let factors = call.numbers::<Float64Type>(factor_at)?;
    call.build_numbers::<IntervalMonthDayNanoType>(|row| {
        let (Some(interval), Some(factor)) = (intervals.get(row), factors.get(row)) else { return Ok(None) };
        let factor = match divide {
            Divide::No => factor,
            Divide::Yes if factor == 0.0 => return Err(failed("division by zero")),
            Divide::Yes => 1.0 / factor,
        };
        decimal::scale_interval(interval, factor).map(Some).ok_or_else(|| out_of_range("interval"))
    })
}

/// Whether a factor divides.
#[derive(Clone, Copy)]
enum Divide {
    No,
    Yes,
}

fn interval_times(call: &Call<'_>) -> Result<ArrayRef> {
    scale_intervals(call, 0, 1, Divide::No)
}

fn times_interval(call: &Call<'_>) -> Result<ArrayRef> {
    scale_intervals(call, 1, 0, Divide::No)
}

fn interval_divided(call: &Call<'_>) -> Result<ArrayRef> {
    scale_intervals(call, 0, 1, Divide::Yes)
}

/// The length by which PostgreSQL compares intervals: a month has 30 days, a day 24 hours.
fn interval_us(call: &Call<'_>) -> Result<ArrayRef> {
    let intervals = call.numbers::<IntervalMonthDayNanoType>(0)?;
    call.build_numbers::<Int64Type>(|row| {
        Ok(intervals.get(row).map(|interval| {
            (i64::from(interval.months) * 30 + i64::from(interval.days)) * US_PER_DAY + interval.nanoseconds / 1000
        }))
    })
}
