//! Cuts large batches.

use std::{collections::VecDeque, sync::Arc};

use arrow::record_batch::RecordBatch;
use datafusion::{
    error::Result,
    physical_plan::{SendableRecordBatchStream, stream::RecordBatchStreamAdapter},
};
use futures_util::{StreamExt, stream};

use super::batch_bytes;
use crate::{error::too_expensive, scope::QueryScope};

/// Hands on the batches of a stream, those that are too large in pieces.
pub(super) fn cut(input: SendableRecordBatchStream, scope: Arc<QueryScope>) -> SendableRecordBatchStream {
    let schema = input.schema();
    let pieces = stream::unfold((input, VecDeque::new()), move |(mut input, mut ready)| {
        let scope = scope.clone();
        async move {
            loop {
                if let Some(piece) = ready.pop_front() {
                    return Some((Ok(piece), (input, ready)));
                }
                let batch = match input.next().await? {
                    Ok(batch) => batch,
                    Err(error) => return Some((Err(error), (input, ready))),
                };
                if let Err(error) = scope.check().and_then(|()| split(batch, &scope, &mut ready)) {
                    return Some((Err(error), (input, ready)));
                }
            }
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, pieces))
}

/// Halves a batch until every piece is small enough.
fn split(batch: RecordBatch, scope: &QueryScope, ready: &mut VecDeque<RecordBatch>) -> Result<()> {
    let bytes = batch_bytes(&batch);
    let rows = batch.num_rows();
    if bytes <= scope.batch_bytes_max {
        ready.push_back(batch);
        return Ok(());
    }
    if rows <= 1 {
        // One row cannot be cut: it may be as large as a few of its largest values.
        if bytes > scope.batch_bytes_max.saturating_mul(2) {
            return Err(too_expensive("a row is too large; select fewer or shorter values"));
        }
        ready.push_back(batch);
        return Ok(());
    }
    let half = rows / 2;
    split(batch.slice(0, half), scope, ready)?;
    split(batch.slice(half, rows - half), scope, ready)
}
