//! What a caller hands in and gets back.

use std::{num::NonZeroUsize, path::Path, thread};

use gristmill_domain::{
    datasets::{ColumnProfile, FileType, IngestReport, Row},
    eda::EdaSummary,
    key_sketches::KeySketch,
    limits,
};

/// One file to read.
#[derive(Debug, Clone, Copy)]
pub struct IngestRequest<'a> {
    /// The file.
    pub source: &'a Path,
    /// The name under which it was uploaded; only its extension is used.
    pub filename: &'a str,
    /// The media type that came with it, if any.
    pub media_type: Option<&'a str>,
    /// The Parquet file to create. It appears only when everything succeeded; its directory must exist.
    pub output: &'a Path,
    /// The rejects report to create: one JSON object of `gristmill_domain::datasets::Reject` a line.
    pub rejects: &'a Path,
    /// Bounds.
    pub limits: IngestLimits,
}

/// Bounds of one run. They hold for hostile files too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngestLimits {
    /// Most columns. Default 16,384.
    pub columns_max: usize,
    /// Largest single record (CSV record, JSON object), bytes. Default 16 MiB.
    pub record_bytes_max: usize,
    /// Entries in the rejects report; further ones are counted only. Default 1000.
    pub rejects_listed_max: usize,
    /// Largest sum of the unpacked XML parts of a workbook, bytes. Default 2 GiB.
    pub uncompressed_bytes_max: u64,
    /// Largest unpacked shared-strings part of a workbook, which is held in memory, bytes. Default 128 MiB.
    pub shared_strings_bytes_max: u64,
    /// Most cells (rows times columns). Default 10^9: six times what a dense file of 300 MB can have.
    pub cells_max: u64,
    /// Threads that read and write. Default: the machine's, at most 4. Each needs about 40 MB.
    pub threads: NonZeroUsize,
}

impl Default for IngestLimits {
    fn default() -> Self {
        let available = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            columns_max: limits::COLUMNS_MAX,
            record_bytes_max: limits::CSV_RECORD_BYTES_MAX,
            rejects_listed_max: limits::REJECTS_LISTED_MAX,
            uncompressed_bytes_max: 2 << 30,
            shared_strings_bytes_max: 128 << 20,
            cells_max: 1_000_000_000,
            threads: NonZeroUsize::new(available.min(4)).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// Watches a run and may stop it. Called from the threads that work, so it must be quick.
pub trait IngestObserver: Sync {
    /// Tells how far the run is: `fraction` is 0..=1 and never falls; `stage` is `reading`, `writing`, `profiling` or
    /// `summarising`; engines that derive datasets have stages of their own.
    fn progress(&self, fraction: f64, stage: &str);

    /// Whether the run should stop. Asked at least every 64k rows.
    fn is_cancelled(&self) -> bool;
}

/// An observer that watches nothing and never stops the run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl IngestObserver for Unobserved {
    fn progress(&self, _fraction: f64, _stage: &str) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}

/// A file that became a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct IngestedDataset {
    /// Family of the format that it was read as.
    pub file_type: FileType,
    /// Columns in file order, profiled over every row.
    pub columns: Vec<ColumnProfile>,
    /// Sketches of the first key-like columns, by which columns of different datasets are found to belong together.
    pub key_sketches: Vec<KeySketch>,
    /// Rows.
    pub row_count: u64,
    /// The first rows, at most 20.
    pub sample: Vec<Row>,
    /// What happened while reading.
    pub report: IngestReport,
    /// Exploratory summary over every row.
    pub eda: Option<EdaSummary>,
    /// Size of the Parquet file, bytes.
    pub parquet_bytes: u64,
}
