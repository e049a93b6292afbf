//! Numbers: rounding, powers, logarithms, buckets.

use arrow::{
    array::ArrayRef,
    datatypes::{DataType, Decimal128Type, Float64Type, Int32Type, Int64Type},
};
use datafusion::error::{DataFusionError, Result};

use super::{
    Call, Function, Overload,
    decimal::{self, DIGITS_MAX},
    types::Ty::{Bool, Float8, Int4, Int8, Numeric},
};
use crate::error::failed;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::pure(
        "abs",
        &[
            Overload::new(&[Int4], Int4, abs_int4),
            Overload::new(&[Int8], Int8, abs_int8),
            Overload::new(&[Float8], Float8, |call| floats(call, f64::abs)),
            Overload::of(&[Numeric], same_scale, |call| decimals(call, |value, _| Some(value.abs()))),
        ],
    ),
    Function::pure("ceil", CEIL),
    Function::pure("ceiling", CEIL),
    Function::pure(
        "floor",
        &[
            Overload::new(&[Float8], Float8, |call| floats(call, f64::floor)),
            Overload::of(&[Numeric], no_scale, |call| decimals(call, |value, unit| Some(value.div_euclid(unit)))),
        ],
    ),
    Function::pure(
        "round",
        &[
            Overload::new(&[Float8], Float8, |call| floats(call, f64::round_ties_even)),
            Overload::of(&[Numeric], no_scale, |call| decimals(call, decimal::divide_rounded)),
            Overload::of(&[Numeric, Int4], same_scale, round_numeric),
            Overload::new(&[Float8, Int4], Float8, round_float),
        ],
    ),
    Function::pure(
        "trunc",
        &[
            Overload::new(&[Float8], Float8, |call| floats(call, f64::trunc)),
            Overload::of(&[Numeric], no_scale, |call| decimals(call, i128::checked_div)),
            Overload::of(&[Numeric, Int4], same_scale, trunc_numeric),
            Overload::new(&[Float8, Int4], Float8, trunc_float),
        ],
    ),
    Function::pure("sign", SIGN),
    Function::pure("signum", SIGN),
    Function::pure("sqrt", &[Overload::new(&[Float8], Float8, sqrt)]),
    Function::pure("exp", &[Overload::new(&[Float8], Float8, exp)]),
    Function::pure("ln", &[Overload::new(&[Float8], Float8, ln)]),
    Function::pure("log10", &[Overload::new(&[Float8], Float8, log10)]),
    Function::pure("log", &[Overload::new(&[Float8], Float8, log10), Overload::new(&[Float8, Float8], Float8, log)]),
    Function::pure("power", &[Overload::new(&[Float8, Float8], Float8, power)]),
    Function::pure("pow", &[Overload::new(&[Float8, Float8], Float8, power)]),
    Function::pure(
        "div",
        &[
            Overload::of(&[Numeric, Numeric], |_| DataType::Decimal128(DIGITS_MAX, 0), div),
            Overload::new(&[Float8, Float8], Float8, div_float),
        ],
    ),
    Function::pure("factorial", &[Overload::of(&[Int8], |_| DataType::Decimal128(DIGITS_MAX, 0), factorial)]),
    Function::pure("width_bucket", &[Overload::new(&[Float8, Float8, Float8, Int4], Int4, width_bucket)]),
    Function::pure("isnan", &[Overload::new(&[Float8], Bool, is_nan)]),
    Function::pure("$int4", &[Overload::new(&[Int4], Int4, |call| call.array(0))]),
];

const CEIL: &[Overload] = &[
    Overload::new(&[Float8], Float8, |call| floats(call, f64::ceil)),
    Overload::of(&[Numeric], no_scale, |call| {
        decimals(call, |value, unit| value.checked_neg().map(|negative| -negative.div_euclid(unit)))
    }),
];

const SIGN: &[Overload] = &[
    Overload::new(&[Float8], Float8, |call| floats(call, |value| if value == 0.0 { 0.0 } else { value.signum() })),
    Overload::of(&[Numeric], no_scale, |call| decimals(call, |value, _| Some(value.signum()))),
];

fn same_scale(given: &[DataType]) -> DataType {
    DataType::Decimal128(DIGITS_MAX, given.first().map_or(0, decimal::scale))
}

fn no_scale(_given: &[DataType]) -> DataType {
    DataType::Decimal128(DIGITS_MAX, 0)
}

fn floats(call: &Call<'_>, apply: fn(f64) -> f64) -> Result<ArrayRef> {
    let values = call.numbers::<Float64Type>(0)?;
    call.build_numbers::<Float64Type>(|row| Ok(values.get(row).map(apply)))
}

fn checked_floats(call: &Call<'_>, apply: impl Fn(f64) -> Result<f64>) -> Result<ArrayRef> {
    let values = call.numbers::<Float64Type>(0)?;
    call.build_numbers::<Float64Type>(|row| values.get(row).map(&apply).transpose())
}

/// Applies a function of a decimal's digits and of the digits of 1.
fn decimals(call: &Call<'_>, apply: fn(i128, i128) -> Option<i128>) -> Result<ArrayRef> {
    let scale = decimal_scale(call)?;
    let unit = decimal::power_of_ten(u32::try_from(scale).unwrap_or(0)).ok_or_else(decimal::overflow)?;
    let values = call.numbers::<Decimal128Type>(0)?;
    call.build_numbers::<Decimal128Type>(|row| {
        values.get(row).map(|value| apply(value, unit).ok_or_else(decimal::overflow)).transpose()
    })
}

fn decimal_scale(call: &Call<'_>) -> Result<i8> {
    Ok(decimal::scale(call.array(0)?.data_type()))
}

fn abs_int4(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.numbers::<Int32Type>(0)?;
    call.build_numbers::<Int32Type>(|row| {
        values.get(row).map(|value| value.checked_abs().ok_or_else(|| failed("integer out of range"))).transpose()
    })
}

fn abs_int8(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.numbers::<Int64Type>(0)?;
    call.build_numbers::<Int64Type>(|row| {
        values.get(row).map(|value| value.checked_abs().ok_or_else(|| failed("bigint out of range"))).transpose()
    })
}

/// Brings a decimal to `places` places and back to its own scale.
fn to_places(call: &Call<'_>, divide: fn(i128, i128) -> Option<i128>) -> Result<ArrayRef> {
    let scale = i32::from(decimal_scale(call)?);
    let (values, places) = (call.numbers::<Decimal128Type>(0)?, call.numbers::<Int32Type>(1)?);
    call.build_numbers::<Decimal128Type>(|row| {
        let (Some(value), Some(places)) = (values.get(row), places.get(row)) else { return Ok(None) };
        let surplus = scale.saturating_sub(places);
        let Ok(surplus) = u32::try_from(surplus) else { return Ok(Some(value)) };
        // Beyond 38 digits nothing is left of any value.
        let Some(unit) = decimal::power_of_ten(surplus) else { return Ok(Some(0)) };
        let rounded = divide(value, unit).and_then(|digits| digits.checked_mul(unit));
        rounded.map(Some).ok_or_else(decimal::overflow)
    })
}

fn round_numeric(call: &Call<'_>) -> Result<ArrayRef> {
    to_places(call, decimal::divide_rounded)
}

fn trunc_numeric(call: &Call<'_>) -> Result<ArrayRef> {
    to_places(call, i128::checked_div)
}

/// Rounds a float to decimal places by its shown digits, half away from zero: what `round(x::numeric, n)` gives.
/// PostgreSQL has no such function for floats, but everybody writes it.
fn rounded_float(value: f64, places: i32) -> f64 {
    if !value.is_finite() || places > 300 {
        return value;
    }
    let factor = 10f64.powi(places);
    let scaled = value * factor;
    if !scaled.is_finite() || scaled.abs() >= 9e15 {
        return value;
    }
    let fraction = scaled.abs().fract();
    // Near a half, the digits decide, not the binary remainder: 1.005 is 1.01.
    let tolerance = (scaled.abs() * 1e-14).max(1e-12);
    let whole = scaled.abs().trunc() + if fraction + tolerance >= 0.5 { 1.0 } else { 0.0 };
    whole.copysign(scaled) / factor
}

fn round_float(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, places) = (call.numbers::<Float64Type>(0)?, call.numbers::<Int32Type>(1)?);
    call.build_numbers::<Float64Type>(|row| {
        Ok(values.get(row).zip(places.get(row)).map(|(value, places)| rounded_float(value, places)))
    })
}

fn trunc_float(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, places) = (call.numbers::<Float64Type>(0)?, call.numbers::<Int32Type>(1)?);
    call.build_numbers::<Float64Type>(|row| {
        let (Some(value), Some(places)) = (values.get(row), places.get(row)) else { return Ok(None) };
        let factor = 10f64.powi(places.clamp(-300, 300));
        let scaled = value * factor;
        // 0.29 * 100 is 28.999…: the shown digits count.
        let near = scaled.round();
        let exact = if (scaled - near).abs() <= (scaled.abs() * 1e-14).max(1e-12) { near } else { scaled.trunc() };
        Ok(Some(if scaled.is_finite() && scaled.abs() < 9e15 { exact / factor } else { value }))
    })
}

fn sqrt(call: &Call<'_>) -> Result<ArrayRef> {
    checked_floats(
        call,
        |value| {
            if value < 0.0 { Err(failed("cannot take square root of a negative number")) } else { Ok(value.sqrt()) }
        },
    )
}

fn overflowed() -> DataFusionError {
    failed("value out of range: overflow")
}

fn exp(call: &Call<'_>) -> Result<ArrayRef> {
    checked_floats(call, |value| {
        let result = value.exp();
        if result.is_infinite() && value.is_finite() { Err(overflowed()) } else { Ok(result) }
    })
}

fn logarithm(value: f64) -> Result<f64> {
    if value == 0.0 {
        Err(failed("cannot take logarithm of zero"))
    } else if value < 0.0 {
        Err(failed("cannot take logarithm of a negative number"))
    } else {
        Ok(value)
    }
}

fn ln(call: &Call<'_>) -> Result<ArrayRef> {
    checked_floats(call, |value| logarithm(value).map(f64::ln))
}

fn log10(call: &Call<'_>) -> Result<ArrayRef> {
    checked_floats(call, |value| logarithm(value).map(f64::log10))
}

fn log(call: &Call<'_>) -> Result<ArrayRef> {
    let (bases, values) = (call.numbers::<Float64Type>(0)?, call.numbers::<Float64Type>(1)?);
    call.build_numbers::<Float64Type>(|row| {
        let (Some(base), Some(value)) = (bases.get(row), values.get(row)) else { return Ok(None) };
        let divisor = logarithm(base)?.ln();
        if divisor == 0.0 { Err(failed("division by zero")) } else { Ok(Some(logarithm(value)?.ln() / divisor)) }
    })
}

fn power(call: &Call<'_>) -> Result<ArrayRef> {
    let (bases, exponents) = (call.numbers::<Float64Type>(0)?, call.numbers::<Float64Type>(1)?);
    call.build_numbers::<Float64Type>(|row| {
        let (Some(base), Some(exponent)) = (bases.get(row), exponents.get(row)) else { return Ok(None) };
        if base == 0.0 && exponent < 0.0 {
            return Err(failed("zero raised to a negative power is undefined"));
        }
        if base < 0.0 && exponent.is_finite() && exponent.fract() != 0.0 {
            return Err(failed("a negative number raised to a non-integer power yields a complex result"));
        }
        let result = base.powf(exponent);
        if result.is_infinite() && base.is_finite() && exponent.is_finite() { Err(overflowed()) } else { Ok(Some(result)) }
    })
}

fn div(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.numbers::<Decimal128Type>(0)?, call.numbers::<Decimal128Type>(1)?);
    let (left_scale, right_scale) = (decimal::scale(call.array(0)?.data_type()), decimal::scale(call.array(1)?.data_type()));
    let scale = left_scale.max(right_scale);
    call.build_numbers::<Decimal128Type>(|row| {
        let (Some(left), Some(right)) = (left.get(row), right.get(row)) else { return Ok(None) };
        if right == 0 {
            return Err(failed("division by zero"));
        }
        let left = decimal::rescale(left, left_scale, scale).ok_or_else(decimal::overflow)?;
        let right = decimal::rescale(right, right_scale, scale).ok_or_else(decimal::overflow)?;
        Ok(left.checked_div(right))
    })
}

fn div_float(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.numbers::<Float64Type>(0)?, call.numbers::<Float64Type>(1)?);
    call.build_numbers::<Float64Type>(|row| match (left.get(row), right.get(row)) {
        (Some(_), Some(0.0)) => Err(failed("division by zero")),
        (Some(left), Some(right)) => Ok(Some((left / right).trunc())),
        _ => Ok(None),
    })
}

fn factorial(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.numbers::<Int64Type>(0)?;
    call.build_numbers::<Decimal128Type>(|row| {
        let Some(value) = values.get(row) else { return Ok(None) };
        if value < 0 {
            return Err(failed("factorial of a negative number is undefined"));
        }
        let product = (1..=i128::from(value)).try_fold(1i128, i128::checked_mul);
        product.map(Some).ok_or_else(decimal::overflow)
    })
}

fn width_bucket(call: &Call<'_>) -> Result<ArrayRef> {
    let operands = call.numbers::<Float64Type>(0)?;
    let (lows, highs) = (call.numbers::<Float64Type>(1)?, call.numbers::<Float64Type>(2)?);
    let counts = call.numbers::<Int32Type>(3)?;
    call.build_numbers::<Int32Type>(|row| {
        let (Some(operand), Some(low), Some(high), Some(count)) =
            (operands.get(row), lows.get(row), highs.get(row), counts.get(row))
        else {
            return Ok(None);
        };
        if count <= 0 {
            return Err(failed("count must be greater than zero"));
        }
        if low.partial_cmp(&high).is_none_or(std::cmp::Ordering::is_eq) || operand.is_nan() {
            return Err(failed("lower bound cannot equal upper bound"));
        }
        // A descending range counts from its upper end.
        let (position, length) = if low < high { (operand - low, high - low) } else { (low - operand, low - high) };
        if position < 0.0 {
            return Ok(Some(0));
        }
        if position >= length {
            return Ok(Some(count.saturating_add(1)));
        }
        let bucket = decimal::whole((position / length * f64::from(count)).floor()).unwrap_or(0);
        Ok(Some(i32::try_from(bucket).unwrap_or(count).min(count - 1) + 1))
    })
}

fn is_nan(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.numbers::<Float64Type>(0)?;
    call.build_booleans(|row| Ok(values.get(row).map(f64::is_nan)))
}

#[cfg(test)]
mod tests {
    use super::rounded_float;

    #[test]
    fn floats_round_by_their_digits() {
        for (value, places, expected) in [
            (1.005, 2, 1.01),
            (2.675, 2, 2.68),
            (-2.5, 0, -3.0),
            (0.285, 2, 0.29),
            (1234.5678, -2, 1200.0),
            (0.1 + 0.2, 2, 0.3),
            (2.4999, 0, 2.0),
            (1e300, 2, 1e300),
        ] {
            assert!((rounded_float(value, places) - expected).abs() <= f64::EPSILON * expected.abs(), "{value} {places}");
        }
    }
}
