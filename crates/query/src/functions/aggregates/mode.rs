//! `mode() WITHIN GROUP (ORDER BY x)`: the most frequent value, the first in order among equals.

use std::{cmp::Ordering, sync::Arc};

use arrow::{
    array::ArrayRef,
    compute::{self, SortOptions},
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::ScalarValue,
    error::Result,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::format_state_name,
    },
};

use super::values::Kept;
use crate::error::invalid;

/// The function.
pub(super) fn function() -> Arc<AggregateUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(Mode { signature }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Mode {
    signature: Signature,
}

impl AggregateUDFImpl for Mode {
    fn name(&self) -> &'static str {
        "mode"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [value] => Ok(vec![value.clone()]),
            _ => Err(invalid("mode() takes WITHIN GROUP (ORDER BY …)")),
        }
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(given.first().cloned().unwrap_or(DataType::Null))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let element = args.input_fields.first().map_or(DataType::Null, |field| field.data_type().clone());
        Ok(vec![Arc::new(Field::new_list(format_state_name(args.name, "mode"), Field::new_list_field(element, true), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let descending = args.order_bys.first().is_some_and(|order| order.options.descending);
        Ok(Box::new(MostFrequent { descending, data_type: args.return_field.data_type().clone(), kept: Kept::default() }))
    }

    fn supports_within_group_clause(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct MostFrequent {
    descending: bool,
    data_type: DataType,
    kept: Kept,
}

impl Accumulator for MostFrequent {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values.first().map_or(Ok(()), |values| self.kept.add(values))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let Some(values) = self.kept.all()? else { return ScalarValue::try_from(&self.data_type) };
        let options = SortOptions { descending: self.descending, nulls_first: false };
        let sorted = compute::sort(&values, Some(options))?;
        // Equal values are neighbours now: the longest run is the answer, the first of equally long ones.
        let runs = compute::partition(std::slice::from_ref(&sorted))?.ranges();
        let longest = runs.iter().max_by(|left, right| match left.len().cmp(&right.len()) {
            Ordering::Equal => right.start.cmp(&left.start),
            other => other,
        });
        match longest {
            Some(run) => ScalarValue::try_from_array(&sorted, run.start),
            None => ScalarValue::try_from(&self.data_type),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.kept.bytes()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.kept.list(&self.data_type)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        states.first().map_or(Ok(()), |lists| self.kept.merge(lists))
    }
}
