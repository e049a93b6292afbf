//! `generate_series`, as a table and as an array.

mod steps;

use std::{fmt, sync::Arc};

use arrow::{
    array::{ArrayRef, ListArray},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, Schema, SchemaRef},
    record_batch::RecordBatch,
};
use datafusion::{
    catalog::streaming::StreamingTable,
    common::ScalarValue,
    datasource::provider_as_source,
    error::Result,
    execution::TaskContext,
    logical_expr::{Expr, TableSource},
    physical_plan::{SendableRecordBatchStream, stream::RecordBatchStreamAdapter, streaming::PartitionStream},
};
use futures_util::stream;

use super::{
    Call, Function, Overload, no_such_function,
    types::Ty::{Date, Int4, Int8, Interval, Numeric, Timestamp, TimestampTz},
};
use crate::{
    error::{invalid, too_expensive},
    plan,
    scope::QueryScope,
};
use steps::Steps;

pub(super) const FUNCTIONS: &[Function] = &[Function::pure(
    "$series",
    &[
        Overload::of(&[Int4, Int4], list_of_first, list),
        Overload::of(&[Int4, Int4, Int4], list_of_first, list),
        Overload::of(&[Int8, Int8], list_of_first, list),
        Overload::of(&[Int8, Int8, Int8], list_of_first, list),
        Overload::of(&[Numeric, Numeric], list_of_first, list),
        Overload::of(&[Numeric, Numeric, Numeric], list_of_first, list),
        Overload::of(&[Timestamp, Timestamp, Interval], list_of_first, list),
        Overload::of(&[TimestampTz, TimestampTz, Interval], list_of_first, list),
        Overload::of(&[Date, Date, Interval], list_of_first, list),
    ],
)];

fn list_of_first(given: &[DataType]) -> DataType {
    let first = given.first().map_or(DataType::Int64, |first| steps::element_type(first, given));
    DataType::List(Arc::new(Field::new_list_field(first, true)))
}

/// The series of each row as an array, within the size that one may have.
fn list(call: &Call<'_>) -> Result<ArrayRef> {
    let DataType::List(field) = call.returns else { return Err(invalid("generate_series needs numbers or timestamps")) };
    let arrays = (0..call.args.len()).map(|index| call.array(index)).collect::<Result<Vec<_>>>()?;
    let (mut values, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..call.rows {
        call.tick(row)?;
        let args = arrays.iter().map(|array| ScalarValue::try_from_array(array, row)).collect::<Result<Vec<_>>>()?;
        let Some(mut steps) = Steps::new(&args, field.data_type())? else {
            lengths.push(0);
            valid.push(false);
            continue;
        };
        // Sixteen bytes hold the widest element.
        let room = call.scope.array_bytes_max / 16;
        let part = steps.take(room + 1)?;
        if part.len() > room {
            return Err(too_expensive("generate_series makes an array that is too large; use it in FROM instead"));
        }
        call.scope.check_batch(values.len().saturating_add(part.len()).saturating_mul(16))?;
        lengths.push(part.len());
        valid.push(true);
        values.extend(part);
    }
    let values = steps::array(&values, field.data_type())?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(field.clone(), offsets, values, Some(valid.into()))?))
}

/// Makes the source of a table function's rows.
pub(crate) fn table(name: &str, args: &[Expr], scope: &Arc<QueryScope>) -> Result<Arc<dyn TableSource>> {
    if !name.eq_ignore_ascii_case("generate_series") {
        return Err(plan::no_table_function(name));
    }
    let mut scalars = Vec::with_capacity(args.len());
    for arg in args {
        let Expr::Literal(scalar, _) = arg else {
            return Err(invalid("the arguments of generate_series in FROM must be constants"));
        };
        scalars.push(scalar.clone());
    }
    let given: Vec<DataType> = scalars.iter().map(ScalarValue::data_type).collect();
    let function = super::scalar("$series", scope).ok_or_else(|| plan::no_table_function(name))?;
    let wanted = function.coerce_types(&given).map_err(|_error| no_such_function(name, &given))?;
    let coerced = scalars.iter().zip(&wanted).map(|(scalar, wanted)| scalar.cast_to(wanted)).collect::<Result<Vec<_>>>()?;
    let first = wanted.first().ok_or_else(|| no_such_function(name, &given))?;
    let element = steps::element_type(first, &wanted);
    let schema = Arc::new(Schema::new(vec![Field::new("generate_series", element, true)]));
    let rows = SeriesRows { schema: schema.clone(), args: coerced, scope: scope.clone() };
    Ok(provider_as_source(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(rows)])?)))
}

/// The rows of a series, made as they are read.
struct SeriesRows {
    schema: SchemaRef,
    args: Vec<ScalarValue>,
    scope: Arc<QueryScope>,
}

impl fmt::Debug for SeriesRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("generate_series")
    }
}

impl PartitionStream for SeriesRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = context.session_config().batch_size();
        let (schema, scope) = (self.schema.clone(), self.scope.clone());
        let start = self.schema.fields().first().map(|field| Steps::new(&self.args, field.data_type())).transpose();
        let batches = stream::unfold(Some(start.map(Option::flatten)), move |state| {
            let next = next_batch(state, rows, &schema, &scope);
            std::future::ready(next)
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches))
    }
}

type Started = Result<Option<Steps>>;

/// The next batch, and where it goes on.
fn next_batch(
    state: Option<Started>,
    rows: usize,
    schema: &SchemaRef,
    scope: &QueryScope,
) -> Option<(Result<RecordBatch>, Option<Started>)> {
    let mut steps = match state? {
        Ok(steps) => steps?,
        Err(error) => return Some((Err(error), None)),
    };
    let batch = scope.check().and_then(|()| steps.take(rows)).and_then(|values| {
        let element = schema.field(0).data_type();
        Ok(RecordBatch::try_new(schema.clone(), vec![steps::array(&values, element)?])?)
    });
    match batch {
        Ok(batch) if batch.num_rows() == 0 => None,
        Ok(batch) => Some((Ok(batch), Some(Ok(Some(steps))))),
        Err(error) => Some((Err(error), None)),
    }
}
