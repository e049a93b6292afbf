//! `numeric` on 128-bit decimals. A column has one scale where PostgreSQL has one a value: quotients, averages and
//! casts without a scale get 16 digits behind the point.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Decimal128Array},
    compute::kernels::numeric,
    datatypes::{DataType, Decimal128Type, IntervalMonthDayNano, i256},
    error::ArrowError,
};
use datafusion::error::{DataFusionError, Result};

use super::{Call, types::FREE_SCALE};
use crate::{
    civil::{self, US_PER_DAY},
    error::failed,
};

/// Most digits of a decimal.
pub(super) const DIGITS_MAX: u8 = 38;

/// The scale of a decimal type, 0 for integers.
pub(super) fn scale(data_type: &DataType) -> i8 {
    match data_type {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    }
}

fn scales(given: &[DataType]) -> (i8, i8) {
    let at = |index: usize| given.get(index).map_or(0, scale);
    (at(0), at(1))
}

/// The type of a sum, difference or remainder.
pub(super) fn sum_type(given: &[DataType]) -> DataType {
    let (left, right) = scales(given);
    DataType::Decimal128(DIGITS_MAX, left.max(right))
}

/// The type of a product: all digits, as long as 22 remain before the point.
pub(super) fn product_type(given: &[DataType]) -> DataType {
    let (left, right) = scales(given);
    DataType::Decimal128(DIGITS_MAX, left.saturating_add(right).min(FREE_SCALE.max(left).max(right)))
}

/// The type of a quotient.
pub(super) fn quotient_type(given: &[DataType]) -> DataType {
    let (left, right) = scales(given);
    DataType::Decimal128(DIGITS_MAX, FREE_SCALE.max(left).max(right))
}

/// 10 to the power of `exponent`; none beyond 38.
pub(super) fn power_of_ten(exponent: u32) -> Option<i128> {
    10i128.checked_pow(exponent)
}

/// `numeric field overflow`.
pub(super) fn overflow() -> DataFusionError {
    failed("numeric field overflow")
}

/// `value / divisor`, half away from zero.
pub(super) fn divide_rounded(value: i128, divisor: i128) -> Option<i128> {
    let quotient = value.checked_div(divisor)?;
    let rest = value.checked_rem(divisor)?;
    let twice = rest.unsigned_abs().checked_mul(2)?;
    if twice >= divisor.unsigned_abs() {
        let step = if (value < 0) == (divisor < 0) { 1 } else { -1 };
        quotient.checked_add(step)
    } else {
        Some(quotient)
    }
}

fn divide_rounded_wide(value: i256, divisor: i256) -> Option<i256> {
    let quotient = value.checked_div(divisor)?;
    let rest = value.checked_rem(divisor)?;
    let twice = rest.wrapping_abs().checked_mul(i256::from_i128(2))?;
    if twice >= divisor.wrapping_abs() {
        let negative = value.is_negative() != divisor.is_negative();
        quotient.checked_add(i256::from_i128(if negative { -1 } else { 1 }))
    } else {
        Some(quotient)
    }
}

fn wide_power_of_ten(exponent: u32) -> Option<i256> {
    i256::from_i128(10).checked_pow(exponent)
}

/// Brings a value from one scale to another, half away from zero.
pub(super) fn rescale(value: i128, from: i8, to: i8) -> Option<i128> {
    let difference = i32::from(to) - i32::from(from);
    match u32::try_from(difference) {
        Ok(up) => value.checked_mul(power_of_ten(up)?),
        // More places than any value has.
        Err(_) if difference < -38 => Some(0),
        Err(_) => divide_rounded(value, power_of_ten(difference.unsigned_abs())?),
    }
}

/// Two decimal arguments, spread over all rows.
pub(super) struct Decimals {
    pub left: Decimal128Array,
    pub right: Decimal128Array,
}

impl Decimals {
    fn of(call: &Call<'_>) -> Result<Self> {
        let array = |index: usize| -> Result<Decimal128Array> {
            let array = call.array(index)?;
            Ok(array.as_primitive_opt::<Decimal128Type>().ok_or_else(overflow)?.clone())
        };
        Ok(Self { left: array(0)?, right: array(1)? })
    }

    fn combine(&self, call: &Call<'_>, mut combine: impl FnMut(i128, i128) -> Result<i128>) -> Result<ArrayRef> {
        call.build_numbers::<Decimal128Type>(|row| {
            if self.left.is_null(row) || self.right.is_null(row) {
                return Ok(None);
            }
            let value = combine(self.left.value(row), self.right.value(row))?;
            // Arrow keeps what it is given; 39 digits would only fail when they are written.
            if value.unsigned_abs() >= 100_000_000_000_000_000_000_000_000_000_000_000_000 {
                return Err(overflow());
            }
            Ok(Some(value))
        })
    }
}

fn kernel(
    call: &Call<'_>,
    kernel: fn(&dyn arrow::array::Datum, &dyn arrow::array::Datum) -> std::result::Result<ArrayRef, ArrowError>,
) -> Result<ArrayRef> {
    let Decimals { left, right } = Decimals::of(call)?;
    let result = kernel(&left, &right).map_err(|error| match error {
        ArrowError::DivideByZero => failed("division by zero"),
        _ => overflow(),
    })?;
    let wanted = scale(call.returns);
    let result = result.as_primitive_opt::<Decimal128Type>().ok_or_else(overflow)?.clone();
    Ok(Arc::new(result.with_precision_and_scale(DIGITS_MAX, wanted)?))
}

pub(super) fn add(call: &Call<'_>) -> Result<ArrayRef> {
    kernel(call, numeric::add)
}

pub(super) fn sub(call: &Call<'_>) -> Result<ArrayRef> {
    kernel(call, numeric::sub)
}

pub(super) fn rem(call: &Call<'_>) -> Result<ArrayRef> {
    kernel(call, numeric::rem)
}

pub(super) fn mul(call: &Call<'_>) -> Result<ArrayRef> {
    let values = Decimals::of(call)?;
    let surplus =
        u32::try_from(i32::from(values.left.scale()) + i32::from(values.right.scale()) - i32::from(scale(call.returns)))
            .map_err(|_error| overflow())?;
    let narrow = power_of_ten(surplus).ok_or_else(overflow)?;
    values.combine(call, |left, right| {
        let short = left.checked_mul(right);
        if surplus == 0 {
            return short.ok_or_else(overflow);
        }
        if let Some(product) = short {
            return divide_rounded(product, narrow).ok_or_else(overflow);
        }
        i256::from_i128(left)
            .checked_mul(i256::from_i128(right))
            .and_then(|product| divide_rounded_wide(product, i256::from_i128(narrow)))
            .and_then(i256::to_i128)
            .ok_or_else(overflow)
    })
}

pub(super) fn div(call: &Call<'_>) -> Result<ArrayRef> {
    let values = Decimals::of(call)?;
    let up = u32::try_from(i32::from(scale(call.returns)) - i32::from(values.left.scale()) + i32::from(values.right.scale()))
        .map_err(|_error| overflow())?;
    let narrow = power_of_ten(up);
    let wide = wide_power_of_ten(up).ok_or_else(overflow)?;
    values.combine(call, |left, right| {
        if right == 0 {
            return Err(failed("division by zero"));
        }
        if let Some(dividend) = narrow.and_then(|narrow| left.checked_mul(narrow)) {
            return divide_rounded(dividend, right).ok_or_else(overflow);
        }
        i256::from_i128(left)
            .checked_mul(wide)
            .and_then(|dividend| divide_rounded_wide(dividend, i256::from_i128(right)))
            .and_then(i256::to_i128)
            .ok_or_else(overflow)
    })
}

/// An interval times a number, the fractions of months and days carried down as PostgreSQL does.
pub(super) fn scale_interval(interval: IntervalMonthDayNano, factor: f64) -> Option<IntervalMonthDayNano> {
    let (months, month_rest) = split(f64::from(interval.months) * factor)?;
    // A month has 30 days here; PostgreSQL rounds the days to microseconds.
    let (extra_days, day_rest) = split(month_rest * 30.0)?;
    let (days, own_rest) = split(f64::from(interval.days) * factor)?;
    #[expect(clippy::as_conversions, reason = "an interval's time as a float, as PostgreSQL computes it")]
    let time_us = (interval.nanoseconds / 1000) as f64 * factor;
    #[expect(clippy::as_conversions, reason = "the number of microseconds in a day is exact in a float")]
    let rest_us = (day_rest + own_rest) * US_PER_DAY as f64 + time_us;
    civil::interval(months, days.checked_add(extra_days)?, whole(rest_us.round())?)
}

/// The whole part and the rest.
fn split(value: f64) -> Option<(i64, f64)> {
    Some((whole(value.trunc())?, value.fract()))
}

/// A float without fraction as an integer.
pub(super) fn whole(value: f64) -> Option<i64> {
    // 2^63 is a float; the largest `i64` is not.
    if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) {
        return None;
    }
    #[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "the range is checked")]
    Some(value as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_away_from_zero() {
        for (value, divisor, expected) in
            [(25, 10, 3), (-25, 10, -3), (24, 10, 2), (-24, 10, -2), (25, -10, -3), (1, 3, 0), (2, 3, 1)]
        {
            assert_eq!(divide_rounded(value, divisor), Some(expected), "{value} / {divisor}");
        }
    }

    #[test]
    fn rescales_both_ways() {
        assert_eq!(rescale(12_345, 3, 1), Some(123));
        assert_eq!(rescale(12_350, 3, 1), Some(124));
        assert_eq!(rescale(7, 0, 3), Some(7000));
        assert_eq!(rescale(i128::MAX, 0, 1), None);
        assert_eq!(rescale(5, 38, -1), Some(0));
    }

    #[test]
    fn scales_intervals_as_postgresql_does() {
        let shown = |months, days, us, factor: f64| {
            let mut out = String::new();
            civil::write_interval(&mut out, scale_interval(civil::interval(months, days, us).unwrap(), factor).unwrap());
            out
        };
        assert_eq!(shown(0, 1, 0, 2.0), "2 days");
        assert_eq!(shown(1, 0, 0, 0.5), "15 days");
        assert_eq!(shown(0, 1, 0, 1.5), "1 day 12:00:00");
        assert_eq!(shown(0, 0, 3_600_000_000, 0.25), "00:15:00");
    }
}
