//! File to sniffed, coerced, profiled Parquet dataset, and EDA summaries.
//!
//! [`ingest`] reads CSV, TSV, JSON, NDJSON and XLSX files of any size in bounded memory: it finds out what the file is
//! ([`sniff()`]), infers every column's type from every row, writes a Parquet file, profiles all of it, and says in a
//! report what did not fit. [`RowReader`] pages through the result; [`retype_from_source`] and [`retype`] change a
//! column's type; [`eda`] also summarises the results of queries; [`mod@derive`] reads and writes datasets for engines that make
//! one from another, and [`export()`] writes them as files of other formats.
//!
//! Everything here is synchronous and blocks: call it on a thread of your own. It knows nothing of HTTP or databases.
//!
//! # How a file is read
//!
//! A plan (columns and their types) is guessed from the file's head and from samples further on. One pass then cuts the
//! file into blocks at record boundaries; each block becomes a Parquet row group on one of several threads, while every
//! value is counted by kind. When the counts of the whole file confirm the plan, the pass was the only one; otherwise
//! the counts make the next plan, which holds.

mod block;
mod convert;
mod csv;
pub mod derive;
pub mod eda;
mod error;
mod export;
mod infer;
mod input;
mod json;
mod num;
pub mod ordered;
mod pass;
mod pipeline;
mod plan;
mod profile;
mod record;
mod request;
mod retype;
mod rows;
mod scalar;
mod shared_file;
mod sniff;
mod source;
mod table;
mod value;
mod write;
mod xlsx;

pub use self::{
    convert::storage_type,
    error::{Cause, ConversionFailure, IngestError, RetypeError},
    export::{SHEET_COLUMNS_MAX, SHEET_ROWS_MAX, export},
    request::{IngestLimits, IngestObserver, IngestRequest, IngestedDataset, Unobserved},
    retype::{ingest_typed, retype, retype_from_source},
    rows::{PAGE_CELLS_MAX, RowReader, read_rows},
    scalar::{NoValue, Scalar, read_scalar},
    sniff::{FileFormat, HEAD_BYTES, JsonKind, sniff},
    source::TextEncoding,
};

/// Reads a file into a dataset: a Parquet file with exact statistics over every row, and a report of what did not fit.
///
/// Works on `limits.threads` threads in bounded memory whatever the file's size. The output and the rejects report
/// appear together when everything succeeded; on an error, a cancellation or a crash neither does (a crash may leave a
/// hidden file that ends in `.partial`).
///
/// # Errors
/// [`IngestError::code`] and [`IngestError::public_message`] say what is wrong with the file and what to do.
///
/// # Examples
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use gristmill_ingest::{IngestLimits, IngestRequest, Unobserved, ingest};
///
/// let directory = tempfile::tempdir()?;
/// let (source, output, rejects) =
///     (directory.path().join("in.csv"), directory.path().join("out.parquet"), directory.path().join("rejects.ndjson"));
/// std::fs::write(&source, "city,people\nAachen,249070\nBonn,n/a\n")?;
/// let request = IngestRequest {
///     source: &source,
///     filename: "cities.csv",
///     media_type: None,
///     output: &output,
///     rejects: &rejects,
///     limits: IngestLimits::default(),
/// };
/// let dataset = ingest(&request, &Unobserved)?;
/// assert_eq!(dataset.row_count, 2);
/// assert_eq!(dataset.columns[1].null_count, 1);
/// # Ok(())
/// # }
/// ```
pub fn ingest(request: &IngestRequest<'_>, observer: &dyn IngestObserver) -> Result<IngestedDataset, IngestError> {
    pipeline::run(request, &plan::ForcedTypes::new(), observer)
}
