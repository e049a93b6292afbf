//! Pages of rows, from Parquet files that stay open.

use std::{path::PathBuf, sync::Arc, time::Duration};

use gristmill_domain::{
    DatasetId,
    datasets::{Dataset, Row},
};
use gristmill_ingest::RowReader;
use moka::sync::Cache;

use crate::error::{ApiError, ApiResult};

/// Files that stay open.
const READERS_MAX: u64 = 256;
/// How long an unused file stays open.
const IDLE: Duration = Duration::from_secs(300);

/// Open Parquet files by dataset and version. A version never changes, so neither do they.
#[derive(Debug, Clone)]
pub struct RowReaders {
    open: Cache<(DatasetId, u32), Arc<RowReader>>,
}

impl Default for RowReaders {
    fn default() -> Self {
        Self::new()
    }
}

impl RowReaders {
    /// None open yet.
    #[must_use]
    pub fn new() -> Self {
        Self { open: Cache::builder().max_capacity(READERS_MAX).time_to_idle(IDLE).support_invalidation_closures().build() }
    }

    /// Reads a page. The dataset was read for a caller who may see it.
    ///
    /// # Errors
    /// 404 when the file is gone; defects.
    pub async fn rows(&self, path: PathBuf, dataset: &Dataset, offset: u64, limit: u32) -> ApiResult<Vec<Row>> {
        if offset >= dataset.row_count {
            return Ok(Vec::new());
        }
        let (open, key) = (self.open.clone(), (dataset.id, dataset.version));
        let read = actix_web::web::block(move || {
            let reader = match open.get(&key) {
                Some(reader) => reader,
                None => {
                    let reader = Arc::new(RowReader::open(&path)?);
                    open.insert(key, Arc::clone(&reader));
                    reader
                }
            };
            reader.rows(offset, limit)
        });
        read.await
            .map_err(ApiError::internal)?
            .map_err(|error| ApiError::new(error.code(), error.public_message()).caused_by(error))
    }

    /// Closes the files of a dataset that is gone.
    pub fn forget(&self, dataset: DatasetId) {
        // Entries go one by one in the background; until then nobody can name them, since the row is gone.
        drop(self.open.invalidate_entries_if(move |(id, _), _| *id == dataset));
    }
}
