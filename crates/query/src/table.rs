//! A table of a query: one Parquet file, opened by path and read in place. The engine has no other way to data: no
//! catalogue, no object store beyond an empty one, no `CREATE EXTERNAL TABLE`.

mod footer;
mod narrow;
mod reader;

use std::{path::PathBuf, sync::Arc};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::Statistics,
    datasource::{
        listing::PartitionedFile,
        physical_plan::{FileScanConfigBuilder, ParquetSource},
        source::DataSourceExec,
    },
    error::Result,
    execution::object_store::ObjectStoreUrl,
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_plan::ExecutionPlan,
};
use gristmill_domain::DatasetId;

pub(crate) use footer::{Footer, Footers};
pub(crate) use narrow::Mentioned;
use reader::FileReaderFactory;

/// The file behind a table that a statement may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFile {
    /// The logical name, lower case.
    pub name: String,
    /// Where the Parquet file is.
    pub path: PathBuf,
    /// The version of the dataset; a file never changes under one path and version.
    pub version: u32,
    /// The dataset.
    pub dataset_id: DatasetId,
}

/// A [`TableFile`] that is open and whose footer is known.
#[derive(Debug)]
pub(crate) struct ParquetTable {
    footer: Arc<Footer>,
    schema: SchemaRef,
    statistics: Arc<Statistics>,
}

impl ParquetTable {
    pub(crate) fn new(footer: Arc<Footer>, mentioned: &Mentioned<'_>) -> Self {
        let (schema, statistics) = mentioned.narrow(&footer);
        Self { footer, schema, statistics }
    }
}

#[async_trait]
impl TableProvider for ParquetTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics.as_ref().clone())
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // Statistics skip row groups; the filter itself still runs.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = state.config_options().execution.parquet.clone();
        let mut table_options = state.default_table_options().parquet;
        table_options.global = options;
        let source = ParquetSource::new(self.schema.clone())
            .with_table_parquet_options(table_options)
            .with_parquet_file_reader_factory(Arc::new(FileReaderFactory::new(self.footer.clone())));
        let file = PartitionedFile::new("table.parquet", self.footer.size_bytes).with_statistics(self.statistics.clone());
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse("gristmill://tables")?, Arc::new(source))
            .with_file(file)
            .with_statistics(self.statistics.as_ref().clone())
            .with_limit(limit)
            .with_projection_indices(projection.cloned())?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
