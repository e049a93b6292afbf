//! `to_char`, `to_date`, `to_timestamp` and `to_number` with their templates.

mod moments;
mod numbers;
mod reading;
mod template;

use arrow::{
    array::ArrayRef,
    datatypes::{
        Date32Type, Decimal128Type, Float64Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType,
        TimestampMicrosecondType,
    },
};
use datafusion::error::Result;

use super::{
    Call, Function, Overload, dates, decimal, output,
    types::{
        NUMERIC,
        Ty::{Date, Float8, Int8, Interval, Numeric, Text, Time, Timestamp, TimestampTz},
    },
};
use crate::{civil::US_PER_DAY, error::failed};
use moments::Shown;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::pure(
        "to_char",
        &[
            Overload::new(&[Timestamp, Text], Text, from_timestamp),
            Overload::new(&[TimestampTz, Text], Text, from_timestamp),
            Overload::new(&[Date, Text], Text, from_date),
            Overload::new(&[Time, Text], Text, from_time),
            Overload::new(&[Interval, Text], Text, from_interval),
            Overload::new(&[Int8, Text], Text, from_int),
            Overload::new(&[Numeric, Text], Text, from_numeric),
            Overload::new(&[Float8, Text], Text, from_float),
        ],
    ),
    Function::pure("to_date", &[Overload::new(&[Text, Text], Date, to_date)]),
    Function::pure(
        "to_timestamp",
        &[Overload::new(&[Float8], TimestampTz, dates::from_epoch), Overload::new(&[Text, Text], TimestampTz, to_timestamp)],
    ),
    Function::pure("to_number", &[Overload::of(&[Text, Text], |_| NUMERIC, to_number)]),
];

fn write_moments(call: &Call<'_>, shown: impl Fn(usize) -> Option<Shown>) -> Result<ArrayRef> {
    let templates = call.text(1)?;
    call.build_text(|row, out| {
        let (Some(shown), Some(template)) = (shown(row), templates.get(row)) else { return Ok(None) };
        moments::write(out, shown, template)?;
        Ok(Some(()))
    })
}

fn from_timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    let moments = call.numbers::<TimestampMicrosecondType>(0)?;
    write_moments(call, |row| moments.get(row).map(Shown::of_timestamp))
}

fn from_date(call: &Call<'_>) -> Result<ArrayRef> {
    let dates = call.numbers::<Date32Type>(0)?;
    write_moments(call, |row| dates.get(row).map(|days| Shown::of_timestamp(i64::from(days) * US_PER_DAY)))
}

fn from_time(call: &Call<'_>) -> Result<ArrayRef> {
    let times = call.numbers::<Time64MicrosecondType>(0)?;
    write_moments(call, |row| times.get(row).map(Shown::of_timestamp))
}

fn from_interval(call: &Call<'_>) -> Result<ArrayRef> {
    let intervals = call.numbers::<IntervalMonthDayNanoType>(0)?;
    write_moments(call, |row| intervals.get(row).map(Shown::of_interval))
}

fn write_numbers(call: &Call<'_>, digits: impl Fn(usize, &mut String) -> bool) -> Result<ArrayRef> {
    let templates = call.text(1)?;
    let mut number = String::new();
    call.build_text(|row, out| {
        number.clear();
        let Some(template) = templates.get(row) else { return Ok(None) };
        if !digits(row, &mut number) {
            return Ok(None);
        }
        numbers::write(out, &number, template)?;
        Ok(Some(()))
    })
}

fn from_int(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.numbers::<Int64Type>(0)?;
    write_numbers(call, |row, out| {
        values.get(row).is_some_and(|value| {
            out.push_str(&value.to_string());
            true
        })
    })
}

fn from_numeric(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.numbers::<Decimal128Type>(0)?;
    let scale = decimal::scale(call.array(0)?.data_type());
    write_numbers(call, |row, out| {
        values.get(row).is_some_and(|value| {
            output::write_decimal(out, value, scale);
            true
        })
    })
}

fn from_float(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.numbers::<Float64Type>(0)?;
    // PostgreSQL prints a float with 15 digits before it fills the template.
    write_numbers(call, |row, out| {
        values.get(row).is_some_and(|value| {
            match super::cast::float_digits(value) {
                Some(digits) => out.push_str(&digits),
                None => out.push_str(if value.is_nan() {
                    "NaN"
                } else if value > 0.0 {
                    "Infinity"
                } else {
                    "-Infinity"
                }),
            }
            true
        })
    })
}

fn to_date(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, templates) = (call.text(0)?, call.text(1)?);
    call.build_numbers::<Date32Type>(|row| {
        let (Some(text), Some(template)) = (texts.get(row), templates.get(row)) else { return Ok(None) };
        let us = reading::read(text, template)?;
        i32::try_from(us.div_euclid(US_PER_DAY)).map(Some).map_err(|_error| failed("date out of range"))
    })
}

fn to_timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, templates) = (call.text(0)?, call.text(1)?);
    call.build_numbers::<TimestampMicrosecondType>(|row| {
        let (Some(text), Some(template)) = (texts.get(row), templates.get(row)) else { return Ok(None) };
        reading::read(text, template).map(Some)
    })
}

fn to_number(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, templates) = (call.text(0)?, call.text(1)?);
    call.build_numbers::<Decimal128Type>(|row| {
        let (Some(text), Some(template)) = (texts.get(row), templates.get(row)) else { return Ok(None) };
        numbers::read(text, template, decimal::scale(&NUMERIC)).map(Some)
    })
}
