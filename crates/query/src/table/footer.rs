//! What a Parquet file says about itself, read once and kept.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::{common::Statistics, datasource::physical_plan::parquet::metadata::DFParquetMetadata, error::DataFusionError};
use moka::sync::Cache;
use parquet::{
    arrow::parquet_to_arrow_schema,
    file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
};

use super::{TableFile, narrow::COLUMNS_WHOLE};
use crate::{
    error::{BoxError, QueryError},
    pg_type,
};

/// An open file and its footer.
#[derive(Debug)]
pub(crate) struct Footer {
    pub file: Arc<File>,
    pub size_bytes: u64,
    pub metadata: Arc<ParquetMetaData>,
    /// Columns with the engine's types.
    pub schema: SchemaRef,
    pub statistics: Arc<Statistics>,
}

/// Footers by path and version.
#[derive(Debug)]
pub(crate) struct Footers {
    cache: Cache<(PathBuf, u32), Arc<Footer>>,
}

impl Footers {
    pub(crate) fn new(entries_max: u64) -> Self {
        // An entry holds an open file: those that nobody asks for are closed after a while.
        let idle = std::time::Duration::from_secs(600);
        Self { cache: Cache::builder().max_capacity(entries_max).time_to_idle(idle).build() }
    }

    /// The footer of a table's file. Reads it when it is not known: call where blocking is allowed.
    pub(crate) fn get(&self, table: &TableFile) -> Result<Arc<Footer>, QueryError> {
        let key = (table.path.clone(), table.version);
        if let Some(footer) = self.cache.get(&key) {
            return Ok(footer);
        }
        let footer = read(&table.path).map_err(|source| QueryError::TableUnavailable { table: table.name.clone(), source })?;
        let footer = Arc::new(footer);
        self.cache.insert(key, footer.clone());
        Ok(footer)
    }
}

fn read(path: &Path) -> Result<Footer, BoxError> {
    let file = File::open(path)?;
    let attributes = file.metadata()?;
    if !attributes.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file").into());
    }
    let metadata = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional).parse_and_finish(&file)?;
    let schema = engine_schema(&metadata)?;
    // DataFusion looks for each column among all: for a wide table that takes seconds, and most are not asked for.
    let statistics = if schema.fields().len() > COLUMNS_WHOLE {
        Statistics::new_unknown(&schema)
    } else {
        DFParquetMetadata::statistics_from_parquet_metadata(&metadata, &schema)?
    };
    Ok(Footer {
        file: Arc::new(file),
        size_bytes: attributes.len(),
        metadata: Arc::new(metadata),
        schema,
        statistics: Arc::new(statistics),
    })
}

fn engine_schema(metadata: &ParquetMetaData) -> Result<SchemaRef, DataFusionError> {
    let file = metadata.file_metadata();
    let schema = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata())?;
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| {
            let data_type = pg_type::engine_type(field.data_type());
            field.as_ref().clone().with_data_type(data_type).with_nullable(true)
        })
        .collect();
    Ok(Arc::new(Schema::new(fields)))
}
