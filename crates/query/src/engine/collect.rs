//! Collects the rows of a result, as many as are wanted and no larger than allowed.

use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures_util::StreamExt;

use crate::{
    error::{QueryError, translate},
    guard,
};

/// Collected rows.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub batches: Vec<RecordBatch>,
    pub count: usize,
    pub truncated: bool,
}

/// Reads the stream up to `rows_max` rows and one more, which only tells that there are more.
pub(super) async fn collect(
    mut stream: SendableRecordBatchStream,
    rows_max: usize,
    bytes_max: usize,
) -> Result<Rows, QueryError> {
    let mut rows = Rows::default();
    let mut bytes = 0usize;
    while let Some(batch) = stream.next().await {
        let mut batch = batch.map_err(translate)?;
        let room = rows_max.saturating_sub(rows.count);
        if batch.num_rows() > room {
            rows.truncated = true;
            batch = batch.slice(0, room);
        }
        bytes = bytes.saturating_add(guard::batch_bytes(&batch));
        if bytes > bytes_max {
            let limit_mb = bytes_max / (1024 * 1024);
            return Err(QueryError::TooExpensive {
                message: format!("the result is larger than {limit_mb} MB; select fewer rows or columns"),
            });
        }
        rows.count += batch.num_rows();
        if batch.num_rows() > 0 {
            rows.batches.push(batch);
        }
        if rows.truncated {
            break;
        }
    }
    Ok(rows)
}
