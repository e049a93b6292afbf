//! Datasets as files of other formats: what is written reads back as the same rows.

use std::path::{Path, PathBuf};

use gristmill_domain::{ErrorCode, datasets::FileType};
use gristmill_ingest::{IngestError, IngestObserver, Unobserved, export};
use serde_json::json;

use crate::support::{Ingested, Place, csv};

const FORMATS: [FileType; 3] = [FileType::Csv, FileType::Json, FileType::Xlsx];

/// A column of each type, and everything in texts that a format could trip over.
fn source() -> Ingested {
    let rows = [
        ["1", "0.1", "true", "2024-02-29", "plain"],
        ["-2", "1e-9", "false", "2024-02-29T10:30:15.123456", "\"a, \"\"b\"\"; c|d\te\""],
        ["9007199254740993", "-2.5", "", "", "\"two\nlines\""],
        ["", "", "true", "1969-12-31T23:59:59", " edge "],
        ["5", "123456789.125", "false", "2030-01-01", "<b>&amp;'é✓"],
        ["6", "1e300", "true", "2001-01-01", "[not json]"],
    ];
    csv(format!("whole,real,\"flag; yes\",\"at\",text\n{}\n", rows.map(|row| row.join(",")).join("\n")))
}

fn exported(source: &Ingested, file_type: FileType) -> (PathBuf, u64) {
    let path = source.place.path(file_type.as_str());
    let bytes = export(&source.place.output(), file_type, &path, &Unobserved).unwrap();
    (path, bytes)
}

fn again(path: &Path, file_type: FileType) -> Ingested {
    Place::new(&format!("again.{}", file_type.as_str()), std::fs::read(path).unwrap()).ingest()
}

#[test]
fn every_format_reads_back_as_the_same_rows() {
    let source = source();
    for file_type in FORMATS {
        let (path, bytes) = exported(&source, file_type);
        assert_eq!(bytes, path.metadata().unwrap().len());
        let again = again(&path, file_type);
        assert_eq!((again.dataset.file_type, again.names(), again.types()), (file_type, source.names(), source.types()));
        assert_eq!(again.rows(), source.rows(), "{file_type:?}");
        assert_eq!(again.dataset.report.rows_rejected, 0);
    }
}

#[test]
fn csv_has_plain_names_and_json_is_an_array() {
    let source = csv("a,b\n1,x\n,y\n");
    let text = |file_type| std::fs::read_to_string(exported(&source, file_type).0).unwrap();
    assert_eq!(text(FileType::Csv), "a,b\n1,x\n,y\n");
    let json: serde_json::Value = serde_json::from_str(&text(FileType::Json)).unwrap();
    assert_eq!(json, json!([{ "a": 1, "b": "x" }, { "a": null, "b": "y" }]));
}

#[test]
fn a_column_alone_keeps_its_rows_without_a_value() {
    let json = Place::new("one.json", r#"[{"a": 1}, {"a": null}, {"a": 3}]"#).ingest();
    let (path, _) = exported(&json, FileType::Csv);
    assert_eq!(again(&path, FileType::Csv).rows(), json.rows());
}

#[test]
fn many_rows_are_all_there() {
    let source = csv(format!("n,text\n{}", (0..150_000).map(|n| format!("{n},word {}\n", n % 13)).collect::<String>()));
    for file_type in FORMATS {
        let again = again(&exported(&source, file_type).0, file_type);
        assert_eq!(again.dataset.row_count, 150_000);
        assert_eq!(again.dataset.columns, source.dataset.columns);
    }
}

struct Impatient;

impl IngestObserver for Impatient {
    fn progress(&self, _fraction: f64, _stage: &str) {}

    fn is_cancelled(&self) -> bool {
        true
    }
}

#[test]
fn what_ends_early_leaves_nothing_behind() {
    let source = source();
    let path = source.place.path("left");
    for file_type in FORMATS {
        let cancelled = export(&source.place.output(), file_type, &path, &Impatient);
        assert!(matches!(cancelled, Err(IngestError::Cancelled)), "{file_type:?}");
        let missing = export(&source.place.path("none"), file_type, &path, &Unobserved).unwrap_err();
        assert_eq!(missing.code(), ErrorCode::FileMissing);
    }
    let left = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(left, 3, "the source, the dataset and its rejects");
}
