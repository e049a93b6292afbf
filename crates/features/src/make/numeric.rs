//! Numbers from numbers.

use arrow::{
    array::{Array, Float64Array, Int64Array},
    buffer::NullBuffer,
};

use super::{Cause, Lost, Made, either};
use crate::{
    column::{Column, with_nulls},
    learned::Learned,
    num,
    operation::Operation,
    outputs::Inputs,
    power,
};

/// Features of one column. `None` when nothing fitting was learned.
pub(super) fn of_one(operation: &Operation, learned: &Learned, values: &Float64Array) -> Option<Made> {
    let too_large = |_| Cause::TooLarge;
    Some(match (operation, learned) {
        (Operation::LogTransform { offset }, _) => map(values, |x| (x + offset).ln(), |x| unless_positive(x + offset)),
        (Operation::Log1pTransform, _) => map(values, f64::ln_1p, |x| unless_positive(1.0 + x)),
        (Operation::SqrtTransform, _) => map(values, f64::sqrt, |_| Cause::Negative),
        (Operation::SquareTransform, _) => map(values, |x| x * x, too_large),
        (Operation::ReciprocalTransform, _) => map(values, f64::recip, unless_zero),
        (Operation::BoxCox, Learned::Power { lambda }) => {
            map(values, |x| power::box_cox(x, *lambda), |x| unless_positive(x + power::BOX_COX_SHIFT))
        }
        (Operation::YeoJohnson, Learned::Power { lambda }) => map(values, |x| power::yeo_johnson(x, *lambda), too_large),
        (Operation::Standardize, Learned::Standard { mean, std }) => {
            let spread = unless_none(*std);
            map(values, |x| (x - mean) / spread, too_large)
        }
        (Operation::MinMaxScale { min: low, max: high }, Learned::Range { min, max }) => {
            let (width, range) = (high - low, unless_none(max - min));
            map(values, |x| (x - min) / range * width + low, too_large)
        }
        (Operation::RobustScale, Learned::Quartiles { lower, median, upper }) => {
            let range = unless_none(upper - lower);
            map(values, |x| (x - median) / range, too_large)
        }
        (Operation::MaxAbsScale, Learned::Magnitude { max }) => {
            let magnitude = unless_none(*max);
            map(values, |x| x / magnitude, too_large)
        }
        (Operation::Bucketize { .. } | Operation::QuantileBin { .. }, Learned::Edges { edges }) => binned(values, edges),
        (Operation::Polynomial { degree }, _) => powers(values, *degree),
        _ => return None,
    })
}

/// A spread of 0 counts as 1, as in scikit-learn, so that equal values become 0 and nothing is divided by 0.
fn unless_none(spread: f64) -> f64 {
    if spread == 0.0 { 1.0 } else { spread }
}

fn unless_positive(x: f64) -> Cause {
    if x > 0.0 { Cause::TooLarge } else { Cause::NotPositive }
}

fn unless_zero(x: f64) -> Cause {
    if x == 0.0 { Cause::DivisionByZero } else { Cause::TooLarge }
}

/// A function of each value. Results that are not finite become missing, and `why` says why.
fn map(values: &Float64Array, f: impl Fn(f64) -> f64, why: impl Fn(f64) -> Cause) -> Made {
    let results: Vec<f64> = values.values().iter().map(|x| f(*x)).collect();
    let mut lost = Lost::new();
    let column = only_finite(results, values.nulls(), |row| {
        let x = values.values().get(row).copied().unwrap_or_default();
        *lost.entry(why(x)).or_default() += 1;
    });
    Made { columns: vec![Column::Float(column)], lost }
}

/// Results where there are values and they are finite. Tells the rows that have a value and no finite result.
fn only_finite(mut results: Vec<f64>, nulls: Option<&NullBuffer>, mut lose: impl FnMut(usize)) -> Float64Array {
    if results.iter().all(|result| result.is_finite()) {
        return Float64Array::new(results.into(), nulls.cloned());
    }
    let mut is_valid = Vec::with_capacity(results.len());
    for (row, result) in results.iter_mut().enumerate() {
        let had_value = nulls.is_none_or(|nulls| nulls.is_valid(row));
        if had_value && !result.is_finite() {
            lose(row);
        }
        is_valid.push(had_value && result.is_finite());
        if !result.is_finite() {
            *result = 0.0;
        }
    }
    Float64Array::new(results.into(), Some(is_valid.into()))
}

/// The number of the range of each value. Values beyond the first and the last edge, which only come later, go to the first
/// and the last range, as in scikit-learn's `KBinsDiscretizer`.
fn binned(values: &Float64Array, edges: &[f64]) -> Made {
    let last = edges.len().saturating_sub(2);
    let numbers = values.values().iter().map(|x| {
        let below = edges.partition_point(|edge| edge < x);
        num::whole(below.saturating_sub(1).min(last))
    });
    Made::one(Column::Integer(Int64Array::new(numbers.collect(), values.nulls().cloned())))
}

/// Powers from the second on. A value that has no finite power is counted once for each.
fn powers(values: &Float64Array, degree: u32) -> Made {
    let mut made = Made { columns: Vec::new(), lost: Lost::new() };
    for power in 2..=degree {
        let exponent = i32::try_from(power).unwrap_or(i32::MAX);
        let Made { columns, lost } = map(values, |x| x.powi(exponent), |_| Cause::TooLarge);
        made.columns.extend(columns);
        for (cause, count) in lost {
            *made.lost.entry(cause).or_default() += count;
        }
    }
    made
}

/// Features of two columns. `None` for others, and for columns that hold no numbers.
pub(super) fn of_two(operation: &Operation, kinds: Inputs, one: &Column, other: &Column) -> Option<Made> {
    if kinds.are_whole()
        && let Some((one, other)) = one.integers().zip(other.integers())
    {
        // Differences of large whole numbers are exact as whole numbers, and not as floats.
        match operation {
            Operation::Difference => return Some(whole(&one, &other, i64::checked_sub)),
            Operation::Product => return Some(whole(&one, &other, i64::checked_mul)),
            _ => {}
        }
    }
    let (one, other) = (one.numbers()?, other.numbers()?);
    Some(match operation {
        Operation::Ratio => zip(&one, &other, |a, b| a / b, unless_zero),
        Operation::Difference => zip(&one, &other, |a, b| a - b, |_| Cause::TooLarge),
        Operation::Product => zip(&one, &other, |a, b| a * b, |_| Cause::TooLarge),
        _ => return None,
    })
}

/// A function of two values; `why` looks at the second one.
fn zip(one: &Float64Array, other: &Float64Array, f: impl Fn(f64, f64) -> f64, why: impl Fn(f64) -> Cause) -> Made {
    let pairs = one.values().iter().zip(other.values());
    let results: Vec<f64> = pairs.map(|(a, b)| f(*a, *b)).collect();
    let nulls = either(one, other);
    let mut lost = Lost::new();
    let column = only_finite(results, nulls.as_ref(), |row| {
        let b = other.values().get(row).copied().unwrap_or_default();
        *lost.entry(why(b)).or_default() += 1;
    });
    Made { columns: vec![Column::Float(column)], lost }
}

fn whole(one: &Int64Array, other: &Int64Array, f: impl Fn(i64, i64) -> Option<i64>) -> Made {
    let results: Vec<Option<i64>> = one.values().iter().zip(other.values()).map(|(a, b)| f(*a, *b)).collect();
    let nulls = either(one, other);
    let has_value = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    let too_large = results.iter().enumerate().filter(|(row, result)| result.is_none() && has_value(*row)).count();
    let column = with_nulls(Int64Array::from(results), nulls.as_ref());
    let lost = if too_large == 0 { Lost::new() } else { Lost::from([(Cause::TooLarge, num::count(too_large))]) };
    Made { columns: vec![Column::Integer(column)], lost }
}
