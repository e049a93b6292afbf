//! Pages of rows.

use gristmill_ingest::{RowReader, read_rows};
use serde_json::json;

use crate::support::csv;

#[test]
fn pages_begin_and_end_anywhere() {
    let body: String = (0..140_000).map(|row| format!("{row},v{}\n", row % 10)).collect();
    let found = csv(format!("n,s\n{body}"));
    let reader = RowReader::open(&found.place.output()).unwrap();
    assert_eq!(reader.row_count(), 140_000);
    assert_eq!(reader.columns().collect::<Vec<_>>(), ["n", "s"]);
    for (offset, limit, expected) in [
        (0, 200, 200),
        (1, 1, 1),
        (65_400, 300, 300),
        (65_535, 2, 2),
        (131_000, 1000, 1000),
        (139_900, 1000, 100),
        (140_000, 10, 0),
        (u64::MAX, 10, 0),
        (5, 0, 0),
    ] {
        let page = reader.rows(offset, limit).unwrap();
        let numbers: Vec<u64> = page.iter().map(|row| row["n"].as_u64().unwrap()).collect();
        let wanted: Vec<u64> = (offset..offset.saturating_add(expected)).collect();
        assert_eq!(numbers, wanted, "{offset} {limit}");
    }
    assert_eq!(json!(read_rows(&found.place.output(), 7, 1).unwrap()), json!([{"n": 7, "s": "v7"}]));
}

#[test]
fn a_reader_may_be_shared_by_threads() {
    let body: String = (0..70_000).map(|row| format!("{row}\n")).collect();
    let found = csv(format!("n\n{body}"));
    let reader = RowReader::open(&found.place.output()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let reader = &reader;
            scope.spawn(move || {
                for step in 0..20 {
                    let offset = (thread * 24_001 + step * 1009) % 69_000;
                    let page = reader.rows(offset, 50).unwrap();
                    assert_eq!(page[49]["n"], json!(offset + 49));
                }
            });
        }
    });
}

#[test]
fn damaged_and_missing_files_are_errors() {
    let found = csv("n\n1\n2\n");
    let bytes = std::fs::read(found.place.output()).unwrap();
    let broken = found.place.path("broken.parquet");
    for cut in [0, 3, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&broken, &bytes[..cut]).unwrap();
        assert!(read_rows(&broken, 0, 10).is_err(), "{cut}");
    }
    let gone = read_rows(&found.place.path("gone"), 0, 10).unwrap_err();
    assert_eq!(gone.code(), gristmill_domain::ErrorCode::FileMissing);
}
