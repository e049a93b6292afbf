//! DataFusion's sums and averages with PostgreSQL's types: the sum of `bigint` and every average of whole numbers are
//! `numeric`, so that a sum divided by a count keeps its fraction.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::datatypes::{DataType, FieldRef};
use datafusion::{
    error::Result,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::AggregateOrderSensitivity,
    },
};

use super::{
    scale,
    widening::{Widening, WideningGroups},
};
use crate::functions::{no_such_function, types::is_unknown};

/// The type that an argument is brought to first. What it gives must stay as it is when it is asked again: the planner
/// types a call before and after it has put the casts in.
type Coerce = fn(&DataType) -> Option<DataType>;

#[derive(Debug)]
struct Retyped {
    name: &'static str,
    inner: Arc<AggregateUDF>,
    coerce: Coerce,
    /// How many arguments there are; only the first one's type is ours to choose.
    arguments: usize,
    signature: Signature,
}

impl PartialEq for Retyped {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Retyped {}

impl Hash for Retyped {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

fn retyped(name: &'static str, inner: Arc<AggregateUDF>, arguments: usize, coerce: Coerce) -> Arc<AggregateUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(Retyped { name, inner, coerce, arguments, signature }))
}

/// Whether the argument is `integer`, which is summed up as `bigint`.
fn takes_integers(args: &AccumulatorArgs) -> bool {
    args.expr_fields.first().is_some_and(|field| *field.data_type() == DataType::Int32)
}

/// `sum`. That of `integer` is `bigint`, that of `bigint` is `numeric`.
pub(super) fn sum() -> Arc<AggregateUDF> {
    retyped("sum", datafusion::functions_aggregate::sum::sum_udaf(), 1, |given| {
        Some(match given {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => DataType::Int32,
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => DataType::Decimal128(28, 0),
            DataType::Decimal128(..) | DataType::Interval(_) => given.clone(),
            DataType::Float32 | DataType::Float64 => DataType::Float64,
            unknown if is_unknown(unknown) => DataType::Float64,
            _ => return None,
        })
    })
}

/// `avg`.
pub(super) fn avg() -> Arc<AggregateUDF> {
    retyped("avg", datafusion::functions_aggregate::average::avg_udaf(), 1, |given| {
        Some(match given {
            // DataFusion adds four places: 16 in the end.
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => DataType::Decimal128(34, 12),
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => DataType::Decimal128(34, 12),
            DataType::Decimal128(..) => DataType::Decimal128(38, scale(given).max(12)),
            DataType::Float32 | DataType::Float64 => DataType::Float64,
            unknown if is_unknown(unknown) => DataType::Float64,
            _ => return None,
        })
    })
}

/// `string_agg`, of which only the signature is used.
pub(super) fn string_agg(array_agg: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    retyped("string_agg", array_agg.clone(), 2, |_| Some(DataType::Utf8View))
}

impl AggregateUDFImpl for Retyped {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let wrong = || no_such_function(self.name, given);
        if given.len() != self.arguments {
            return Err(wrong());
        }
        given.iter().map(|given| (self.coerce)(given).ok_or_else(wrong)).collect()
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        match given {
            [DataType::Int32] => self.inner.return_type(&[DataType::Int64]),
            _ => self.inner.return_type(given),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let widen = takes_integers(&args);
        let inner = self.inner.accumulator(args)?;
        Ok(if widen { Box::new(Widening { inner }) } else { inner })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let widen = takes_integers(&args);
        let inner = self.inner.create_groups_accumulator(args)?;
        Ok(if widen { Box::new(WideningGroups { inner }) } else { inner })
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let widen = takes_integers(&args);
        let inner = self.inner.create_sliding_accumulator(args)?;
        Ok(if widen { Box::new(Widening { inner }) } else { inner })
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}
