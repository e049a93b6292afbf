//! Keeps a running plan within its bounds, where the engine's own accounting does not see the memory:
//!
//! * batches are cut where their rows are large, so that what works batch by batch (sorting, joining, hashing) stays
//!   small: a join may repeat one long text ten thousand times without copying it, and the sort behind it would copy;
//! * plans with arrays run in small batches, since joins copy arrays row by row;
//! * what window functions hold back is charged to the query's memory.

mod cut;
mod hold;
mod node;
mod place;

use arrow::{
    array::{Array, AsArray},
    datatypes::DataType,
    record_batch::RecordBatch,
};

pub(crate) use place::{batch_rows, guard};

/// Bytes of a batch, row by row: a text that many rows share counts for each of them, as it does once it is written
/// out, sorted or sent.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| array_bytes(column.as_ref())).sum()
}

fn array_bytes(array: &dyn Array) -> usize {
    let views = |lengths: &mut dyn Iterator<Item = u32>| {
        lengths.map(|length| usize::try_from(length).unwrap_or(0)).sum::<usize>() + 16 * array.len()
    };
    match array.data_type() {
        DataType::Utf8View => views(&mut array.as_string_view().lengths()),
        DataType::BinaryView => views(&mut array.as_binary_view().lengths()),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let (Some(first), Some(last)) = (list.value_offsets().first(), list.value_offsets().last()) else { return 0 };
            let (start, end) = (usize::try_from(*first).unwrap_or(0), usize::try_from(*last).unwrap_or(0));
            4 * array.len() + array_bytes(list.values().slice(start, end.saturating_sub(start)).as_ref())
        }
        DataType::Struct(_) => array.as_struct().columns().iter().map(|column| array_bytes(column.as_ref())).sum(),
        _ => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()),
    }
}
