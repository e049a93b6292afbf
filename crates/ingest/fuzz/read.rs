//! Reads bytes as a file and checks what every dataset must keep.

use gristmill_ingest::{IngestLimits, IngestRequest, Unobserved, ingest};

/// Panics when a rule is broken.
pub fn check(filename: &str, bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("source"), bytes).expect("the source is written");
    let request = IngestRequest {
        source: &path("source"),
        filename,
        media_type: None,
        output: &path("out.parquet"),
        rejects: &path("rejects.ndjson"),
        limits: IngestLimits {
            threads: std::num::NonZeroUsize::MIN,
            record_bytes_max: 4096,
            columns_max: 256,
            ..IngestLimits::default()
        },
    };
    match ingest(&request, &Unobserved) {
        Ok(dataset) => {
            assert_eq!(dataset.report.rows_read, dataset.row_count + dataset.report.rows_rejected);
            for column in &dataset.columns {
                assert_eq!(column.null_count + column.sample_count, dataset.row_count);
            }
        }
        Err(error) => {
            assert!(!matches!(error, gristmill_ingest::IngestError::Internal { .. }), "{error:?}");
            let left = std::fs::read_dir(directory.path()).expect("the directory is there").count();
            assert_eq!(left, 1, "only the source is left");
        }
    }
}
