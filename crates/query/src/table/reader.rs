//! Reads byte ranges of an open Parquet file. The reads block: they run on the engine's own threads, and almost
//! always hit the page cache.

use std::{fs::File, ops::Range, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use datafusion::{
    datasource::{listing::PartitionedFile, physical_plan::ParquetFileReaderFactory},
    error::Result,
    physical_plan::metrics::ExecutionPlanMetricsSet,
};
use futures_util::{FutureExt, future::BoxFuture};
use parquet::{
    arrow::{arrow_reader::ArrowReaderOptions, async_reader::AsyncFileReader},
    errors::ParquetError,
    file::metadata::ParquetMetaData,
};

use super::Footer;

/// Makes readers of one table's file, whatever path the plan names.
#[derive(Debug)]
pub(super) struct FileReaderFactory {
    footer: Arc<Footer>,
}

impl FileReaderFactory {
    pub(super) fn new(footer: Arc<Footer>) -> Self {
        Self { footer }
    }
}

impl ParquetFileReaderFactory for FileReaderFactory {
    fn create_reader(
        &self,
        _partition: usize,
        _file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        _metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        Ok(Box::new(FileReader { footer: self.footer.clone() }))
    }
}

struct FileReader {
    footer: Arc<Footer>,
}

fn read_range(file: &File, range: &Range<u64>) -> parquet::errors::Result<Bytes> {
    let length =
        usize::try_from(range.end.saturating_sub(range.start)).map_err(|error| ParquetError::External(Box::new(error)))?;
    let mut buffer = vec![0; length];
    file.read_exact_at(&mut buffer, range.start).map_err(|error| ParquetError::External(Box::new(error)))?;
    Ok(buffer.into())
}

impl AsyncFileReader for FileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        std::future::ready(read_range(&self.footer.file, &range)).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        std::future::ready(ranges.iter().map(|range| read_range(&self.footer.file, range)).collect()).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        std::future::ready(Ok(self.footer.metadata.clone())).boxed()
    }
}
