//! The values of a series, one after the other.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Decimal128Array, Int32Array, Int64Array, TimestampMicrosecondArray},
    datatypes::{DataType, IntervalMonthDayNano},
};
use datafusion::{common::ScalarValue, error::Result};

use crate::{
    civil::{self, US_PER_DAY},
    error::{failed, invalid},
    functions::{decimal, types::TIMESTAMP},
};

/// A running series. Values are digits, days or microseconds.
#[derive(Debug, Clone)]
pub(super) struct Steps {
    /// None once the end is behind.
    next: Option<i128>,
    end: i128,
    step: Step,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Number(i128),
    Time(IntervalMonthDayNano),
}

/// The type of a series' values.
pub(super) fn element_type(first: &DataType, given: &[DataType]) -> DataType {
    match first {
        DataType::Date32 => TIMESTAMP,
        DataType::Decimal128(..) => {
            let scale = given.iter().map(decimal::scale).max().unwrap_or(0);
            DataType::Decimal128(decimal::DIGITS_MAX, scale)
        }
        other => other.clone(),
    }
}

impl Steps {
    /// Starts a series; there is none when an argument is null.
    pub(super) fn new(args: &[ScalarValue], element: &DataType) -> Result<Option<Self>> {
        if args.iter().any(ScalarValue::is_null) {
            return Ok(None);
        }
        let scale = decimal::scale(element);
        let at = |index: usize| args.get(index).and_then(|arg| position(arg, scale));
        let (Some(start), Some(end)) = (at(0), at(1)) else {
            return Err(invalid("generate_series needs numbers or timestamps"));
        };
        let step = match args.get(2) {
            None => Step::Number(decimal::power_of_ten(u32::try_from(scale).unwrap_or(0)).unwrap_or(1)),
            Some(ScalarValue::IntervalMonthDayNano(Some(interval))) => Step::Time(*interval),
            Some(arg) => {
                Step::Number(position(arg, scale).ok_or_else(|| invalid("the step of generate_series must be a number"))?)
            }
        };
        let steps = Self { next: Some(start), end, step };
        if steps.direction() == 0 {
            return Err(failed("step size cannot equal zero"));
        }
        Ok(Some(steps))
    }

    /// The sign of the step.
    fn direction(&self) -> i128 {
        match self.step {
            Step::Number(step) => step.signum(),
            Step::Time(interval) => {
                let days = i128::from(interval.months) * 30 + i128::from(interval.days);
                (days * i128::from(US_PER_DAY) * 1000 + i128::from(interval.nanoseconds)).signum()
            }
        }
    }

    /// The next values, at most `count`.
    pub(super) fn take(&mut self, count: usize) -> Result<Vec<i128>> {
        let direction = self.direction();
        let mut values = Vec::new();
        while values.len() < count {
            let Some(value) = self.next else { break };
            if (value - self.end) * direction > 0 {
                self.next = None;
                break;
            }
            values.push(value);
            self.next = match self.step {
                Step::Number(step) => value.checked_add(step),
                Step::Time(interval) => {
                    let us = i64::try_from(value).ok().and_then(|us| civil::add_interval(us, interval));
                    Some(us.ok_or_else(|| failed("timestamp out of range"))?.into())
                }
            };
        }
        Ok(values)
    }
}

fn position(arg: &ScalarValue, scale: i8) -> Option<i128> {
    match arg {
        ScalarValue::Int32(Some(value)) => Some((*value).into()),
        ScalarValue::Int64(Some(value)) => Some((*value).into()),
        ScalarValue::Decimal128(Some(value), _, own) => decimal::rescale(*value, *own, scale),
        ScalarValue::Date32(Some(days)) => Some(i128::from(*days) * i128::from(US_PER_DAY)),
        ScalarValue::TimestampMicrosecond(Some(us), _) => Some((*us).into()),
        _ => None,
    }
}

/// Values as a column.
pub(super) fn array(values: &[i128], element: &DataType) -> Result<ArrayRef> {
    let narrow = || values.iter().map(|value| i64::try_from(*value).map_err(|_error| failed("bigint out of range")));
    Ok(match element {
        DataType::Int32 => {
            let values = values.iter().map(|value| i32::try_from(*value).map_err(|_error| failed("integer out of range")));
            Arc::new(Int32Array::from(values.collect::<Result<Vec<_>>>()?))
        }
        DataType::Int64 => Arc::new(Int64Array::from(narrow().collect::<Result<Vec<_>>>()?)),
        DataType::Timestamp(..) => {
            let values = narrow().collect::<Result<Vec<_>>>()?;
            Arc::new(TimestampMicrosecondArray::from(values).with_data_type(element.clone()))
        }
        _ => Arc::new(Decimal128Array::from(values.to_vec()).with_data_type(element.clone())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(args: &[i64]) -> Vec<i128> {
        let args: Vec<ScalarValue> = args.iter().map(|value| ScalarValue::Int64(Some(*value))).collect();
        Steps::new(&args, &DataType::Int64).unwrap().unwrap().take(100).unwrap()
    }

    #[test]
    fn counts_up_and_down_and_not_at_all() {
        assert_eq!(numbers(&[1, 4]), [1, 2, 3, 4]);
        assert_eq!(numbers(&[1, 10, 4]), [1, 5, 9]);
        assert_eq!(numbers(&[3, 1, -1]), [3, 2, 1]);
        assert_eq!(numbers(&[3, 1]), []);
        assert_eq!(numbers(&[i64::MAX - 1, i64::MAX]).len(), 2);
        let zero = [1, 2, 0].map(|value| ScalarValue::Int64(Some(value)));
        assert!(Steps::new(&zero, &DataType::Int64).is_err());
        assert!(Steps::new(&[ScalarValue::Int64(None), ScalarValue::Int64(Some(1))], &DataType::Int64).unwrap().is_none());
    }

    #[test]
    fn goes_in_parts() {
        let args = [1, 5].map(|value| ScalarValue::Int64(Some(value)));
        let mut steps = Steps::new(&args, &DataType::Int64).unwrap().unwrap();
        assert_eq!(steps.take(2).unwrap(), [1, 2]);
        assert_eq!(steps.take(2).unwrap(), [3, 4]);
        assert_eq!(steps.take(2).unwrap(), [5]);
        assert_eq!(steps.take(2).unwrap(), []);
    }
}
