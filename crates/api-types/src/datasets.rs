//! Datasets (contract 1, section 7).

use std::collections::BTreeMap;

use garde::Validate;
use gristmill_domain::{
    DatasetId, ProjectId,
    datasets::{ColumnProfile, ColumnType, Dataset, FileType, IngestReport, Row},
    eda::EdaSummary,
    limits::{ROWS_PAGE_DEFAULT, ROWS_PAGE_MAX},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::{
    common::{Instant, RequestBody},
    projects::no_nul,
};

/// A dataset with its profile.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatasetView {
    /// Identity.
    pub dataset_id: DatasetId,
    /// The project it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Display name.
    pub filename: String,
    /// Format of the original.
    pub file_type: FileType,
    /// Size of the original, bytes.
    pub size: u64,
    /// Rows.
    pub n_rows: u64,
    /// Columns.
    pub n_cols: u64,
    /// What is known about each column, from every row.
    pub columns: Vec<ColumnProfile>,
    /// The first rows, at most 20.
    #[schema(value_type = Vec<Object>)]
    pub sample: Vec<Row>,
    /// When it was made.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
    /// `sqlName`, `tableName` (the physical one), `rowsLoaded`, `derivedFrom`, `eda`, and any other key.
    #[schema(value_type = DatasetMetadataView)]
    pub metadata: Map<String, Value>,
    /// Name to use in SQL.
    pub table_name: String,
    /// Name that is unique in the system; works in SQL too.
    pub physical_table_name: String,
    /// Whether SQL can read it: always, since a dataset is stored only when it can.
    pub queryable: bool,
    /// What happened while the file was read.
    pub ingest: IngestReport,
    /// Grows with each change of content or types.
    pub version: u32,
}

/// What `metadata` of a dataset holds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatasetMetadataView {
    /// Name to use in SQL.
    pub sql_name: String,
    /// The physical name.
    pub table_name: String,
    /// Rows that SQL sees.
    pub rows_loaded: u64,
    /// The dataset that this one was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub derived_from: Option<DatasetId>,
    /// Exploratory summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eda: Option<EdaSummary>,
    /// Any other key.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl From<Dataset> for DatasetView {
    fn from(dataset: Dataset) -> Self {
        let mut metadata = dataset.metadata;
        metadata.insert("sqlName".into(), dataset.sql_name.as_str().into());
        metadata.insert("tableName".into(), dataset.physical_name.as_str().into());
        metadata.insert("rowsLoaded".into(), dataset.row_count.into());
        if let Some(eda) = dataset.eda.and_then(|eda| serde_json::to_value(eda).ok()) {
            metadata.insert("eda".into(), eda);
        }
        Self {
            dataset_id: dataset.id,
            project_id: dataset.project_id,
            filename: dataset.filename,
            file_type: dataset.file_type,
            size: dataset.size_bytes,
            n_rows: dataset.row_count,
            n_cols: u64::try_from(dataset.columns.len()).unwrap_or(u64::MAX),
            columns: dataset.columns,
            sample: dataset.sample,
            created_at: dataset.created_at.into(),
            updated_at: dataset.updated_at.into(),
            metadata,
            table_name: dataset.sql_name,
            physical_table_name: dataset.physical_name,
            queryable: true,
            ingest: dataset.ingest,
            version: dataset.version,
        }
    }
}

/// A dataset as an upload or a type change answers it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadedDatasetView {
    /// Identity.
    pub dataset_id: DatasetId,
    /// The project it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Display name.
    pub filename: String,
    /// Format of the original.
    pub file_type: FileType,
    /// Size of the original, bytes.
    pub size: u64,
    /// Rows.
    #[serde(rename = "n_rows")]
    pub n_rows: u64,
    /// Columns.
    #[serde(rename = "n_cols")]
    pub n_cols: u64,
    /// Column names, in file order.
    pub columns: Vec<String>,
    /// Column name to type.
    pub dtypes: BTreeMap<String, ColumnType>,
    /// Column name to number of missing values.
    #[serde(rename = "null_counts")]
    pub null_counts: BTreeMap<String, u64>,
    /// The first rows, at most 20.
    #[schema(value_type = Vec<Object>)]
    pub sample: Vec<Row>,
    /// When it was made.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
    /// Name to use in SQL.
    pub table_name: String,
    /// Name that is unique in the system.
    pub physical_table_name: String,
    /// Exploratory summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eda: Option<EdaSummary>,
    /// A remark that the user should see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Whether SQL can read it.
    pub queryable: bool,
    /// What happened while the file was read.
    pub ingest: IngestReport,
}

impl UploadedDatasetView {
    /// The view of an upload: with the summary, and with a warning when something did not fit.
    #[must_use]
    pub fn of_upload(dataset: Dataset) -> Self {
        let warning = upload_warning(&dataset.ingest);
        let eda = dataset.eda.clone();
        Self { eda, warning, ..Self::of_type_change(dataset) }
    }

    /// The view of a type change.
    #[must_use]
    pub fn of_type_change(dataset: Dataset) -> Self {
        Self {
            dtypes: dataset.types().into_iter().collect(),
            null_counts: dataset.null_counts(),
            columns: dataset.columns.iter().map(|column| column.name.clone()).collect(),
            dataset_id: dataset.id,
            project_id: dataset.project_id,
            filename: dataset.filename,
            file_type: dataset.file_type,
            size: dataset.size_bytes,
            n_rows: dataset.row_count,
            n_cols: u64::try_from(dataset.columns.len()).unwrap_or(u64::MAX),
            sample: dataset.sample,
            created_at: dataset.created_at.into(),
            updated_at: dataset.updated_at.into(),
            table_name: dataset.sql_name,
            physical_table_name: dataset.physical_name,
            eda: None,
            warning: None,
            queryable: true,
            ingest: dataset.ingest,
        }
    }
}

/// One sentence on what did not fit; `None` when everything did.
fn upload_warning(report: &IngestReport) -> Option<String> {
    let mut parts = Vec::new();
    if report.rows_rejected > 0 {
        parts.push(format!("{} records could not be read and were left out", report.rows_rejected));
    }
    if report.rows_too_long > 0 {
        parts.push(format!("{} records had more fields than the header", report.rows_too_long));
    }
    for coercion in report.coercions.iter().take(5) {
        parts.push(format!("{}: {} values, {}", coercion.column, coercion.count, coercion.reason));
    }
    if report.coercions.len() > 5 {
        parts.push(format!("and {} more columns", report.coercions.len() - 5));
    }
    (!parts.is_empty()).then(|| format!("{}. The rejects report lists them with their lines.", parts.join("; ")))
}

/// `{dataset, warning?}` of an upload.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadEnvelope {
    /// The dataset.
    pub dataset: UploadedDatasetView,
    /// The same text as in the dataset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl UploadEnvelope {
    /// The answer to an upload.
    #[must_use]
    pub fn of_upload(dataset: Dataset) -> Self {
        let dataset = UploadedDatasetView::of_upload(dataset);
        Self { warning: dataset.warning.clone(), dataset }
    }

    /// The answer to a type change.
    #[must_use]
    pub fn of_type_change(dataset: Dataset) -> Self {
        Self { dataset: UploadedDatasetView::of_type_change(dataset), warning: None }
    }
}

/// `{datasets}`, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct DatasetList {
    /// The caller's datasets.
    pub datasets: Vec<DatasetView>,
}

/// `{dataset}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct DatasetEnvelope {
    /// The dataset.
    pub dataset: DatasetView,
}

/// `{success: true}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuccessView {
    /// Always true.
    pub success: bool,
}

/// Which datasets to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct DatasetListQuery {
    /// Only this project's; all of the caller's when absent.
    #[garde(skip)]
    pub project_id: Option<ProjectId>,
}

/// The preview of a dataset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SampleView {
    /// The first rows, at most 20.
    #[schema(value_type = Vec<Object>)]
    pub sample: Vec<Row>,
    /// Column names, in file order.
    pub columns: Vec<String>,
    /// Rows of the dataset.
    pub row_count: u64,
}

/// Which rows to read.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct RowsQuery {
    /// Rows to skip; 0 when absent.
    #[garde(skip)]
    #[param(minimum = 0)]
    pub offset: Option<u64>,
    /// Rows to return, 1 to 1000; 200 when absent.
    #[garde(inner(range(min = 1, max = ROWS_PAGE_MAX)))]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

impl RowsQuery {
    /// The limit in force.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(ROWS_PAGE_DEFAULT)
    }
}

/// A page of rows.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RowsPage {
    /// The rows, in file order.
    #[schema(value_type = Vec<Object>)]
    pub rows: Vec<Row>,
    /// Column names, in file order.
    pub columns: Vec<String>,
    /// Rows of the dataset.
    pub row_count: u64,
    /// Rows that were skipped.
    pub offset: u64,
    /// Rows that were asked for.
    pub limit: u32,
}

/// A new display name.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub struct DatasetPatch {
    /// Not blank, at most 255 characters.
    #[garde(length(chars, max = 255), custom(not_blank), custom(no_nul))]
    pub filename: String,
}

impl RequestBody for DatasetPatch {}

fn not_blank(text: &str, (): &()) -> garde::Result {
    if text.trim().is_empty() { Err(garde::Error::new("must not be blank")) } else { Ok(()) }
}

/// A new column type.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub struct ColumnTypePatch {
    /// The type to convert to.
    #[garde(skip)]
    pub dtype: ColumnType,
}

impl RequestBody for ColumnTypePatch {}
