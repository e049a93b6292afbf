//! `percentile_disc(f) WITHIN GROUP (ORDER BY x)`: the first value whose share of the ordered rows reaches `f`.

use std::sync::Arc;

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
    physical_expr::expressions::Literal,
};

use super::values::Kept;
use crate::{
    error::{failed, invalid},
    functions::decimal,
};

/// The function.
pub(super) fn function() -> Arc<AggregateUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(PercentileDisc { signature }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PercentileDisc {
    signature: Signature,
}

impl AggregateUDFImpl for PercentileDisc {
    fn name(&self) -> &'static str {
        "percentile_disc"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [value, _] => Ok(vec![value.clone(), DataType::Float64]),
            _ => Err(invalid("percentile_disc takes a fraction, and WITHIN GROUP (ORDER BY …)")),
        }
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(given.first().cloned().unwrap_or(DataType::Null))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let element = args.input_fields.first().map_or(DataType::Null, |field| field.data_type().clone());
        Ok(vec![Arc::new(Field::new_list(
            format_state_name(args.name, "percentile_disc"),
            Field::new_list_field(element, true),
            true,
        ))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let wrong = || invalid("the fraction of percentile_disc must be a constant");
        let literal = args.exprs.get(1).and_then(|expr| expr.downcast_ref::<Literal>()).ok_or_else(wrong)?;
        let fraction = match literal.value().cast_to(&DataType::Float64)? {
            ScalarValue::Float64(fraction) => fraction,
            _ => return Err(wrong()),
        };
        if fraction.is_some_and(|fraction| !(0.0..=1.0).contains(&fraction)) {
            return Err(failed(format!("percentile value {} is not between 0 and 1", fraction.unwrap_or_default())));
        }
        let descending = args.order_bys.first().is_some_and(|order| order.options.descending);
        let data_type = args.return_field.data_type().clone();
        Ok(Box::new(Disc { fraction, descending, data_type, kept: Kept::default() }))
    }

    fn supports_within_group_clause(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Disc {
    fraction: Option<f64>,
    descending: bool,
    data_type: DataType,
    kept: Kept,
}

impl Accumulator for Disc {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values.first().map_or(Ok(()), |values| self.kept.add(values))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let (Some(fraction), Some(values)) = (self.fraction, self.kept.all()?) else {
            return ScalarValue::try_from(&self.data_type);
        };
        let options = SortOptions { descending: self.descending, nulls_first: false };
        let sorted = compute::sort_to_indices(&values, Some(options), None)?;
        #[expect(clippy::as_conversions, reason = "a number of rows is exact in a float")]
        let rank = (fraction * sorted.len() as f64).ceil();
        let at = usize::try_from(decimal::whole(rank).unwrap_or(0)).unwrap_or(0).saturating_sub(1);
        let index = usize::try_from(sorted.value(at.min(sorted.len() - 1))).unwrap_or(0);
        ScalarValue::try_from_array(&values, index)
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
