//! What a file is taken for.

use gristmill_domain::{ErrorCode, datasets::FileType};
use gristmill_ingest::{FileFormat, JsonKind, TextEncoding, sniff};

use crate::support::Place;

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn names_and_media_types_decide_where_content_does_not() {
    let comma = FileFormat::Delimited { delimiter: b',', encoding: TextEncoding::Utf8 };
    let tab = FileFormat::Delimited { delimiter: b'\t', encoding: TextEncoding::Utf8 };
    for (name, media, expected) in [
        ("a.csv", None, Some(comma)),
        ("A.CSV", None, Some(comma)),
        ("a.tsv", None, Some(tab)),
        ("a", Some("text/csv; charset=utf-8"), Some(comma)),
        ("a", Some("application/vnd.ms-excel"), Some(comma)),
        ("a.dat", Some("text/tab-separated-values"), Some(tab)),
        ("a.csv", Some("application/json"), Some(comma)),
        ("a.txt", Some("text/plain"), None),
        ("a", None, None),
        ("a.xls", Some("text/csv"), None),
    ] {
        let found = sniff(name, media, b"x,y\n1,2\n");
        assert_eq!(found.as_ref().ok(), expected.as_ref(), "{name} {media:?}");
    }
}

#[test]
fn decisive_content_wins_over_the_name() {
    let json = |kind| FileFormat::Json { kind, encoding: TextEncoding::Utf8 };
    for (name, head, expected) in [
        ("a.csv", &b"[{\"a\":1}]"[..], json(JsonKind::Array)),
        ("a.txt", b"{\"a\":1}\n{\"a\":2}\n", json(JsonKind::Lines)),
        ("a.csv", b"PK\x03\x04......xl/workbook.xml", FileFormat::Xlsx),
        ("a.xls", b"PK\x03\x04......[Content_Types].xml", FileFormat::Xlsx),
    ] {
        assert_eq!(sniff(name, None, head).unwrap(), expected, "{name}");
    }
    let found = Place::new("mine.csv", "[{\"a\":1}]").ingest();
    assert_eq!(found.dataset.file_type, FileType::Json);
    assert!(found.has_note("The content is JSON"));
}

#[test]
fn foreign_formats_are_refused_with_advice() {
    let compound = |marker: &str| [b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec(), vec![0; 504], utf16(marker)].concat();
    for (name, bytes, part) in [
        ("a.xls", compound("Workbook"), "as .xlsx"),
        ("a.xlsx", compound("EncryptedPackage"), "password"),
        ("a.xlsx", compound("something"), "password"),
        ("a.csv", b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "gzip"),
        ("a.csv", b"PAR1....".to_vec(), "Parquet"),
        ("a.csv", b"%PDF-1.7\n".to_vec(), "PDF"),
        ("a.zip", b"PK\x03\x04....data.csv".to_vec(), "Unpack"),
        ("a.xlsx", b"PK\x03\x04....xl/workbook.bin".to_vec(), "xlsb"),
        ("a.docx", b"PK\x03\x04....[Content_Types].xml word/document.xml".to_vec(), "document"),
        ("a.txt", b"hello".to_vec(), "CSV, TSV, JSON"),
        ("a.xls", b"a,b\n1,2\n".to_vec(), ".xls"),
        ("a.csv", (0..=255).cycle().take(4000).collect(), "binary"),
    ] {
        let error = Place::new(name, &bytes).refused();
        assert_eq!(error.code(), ErrorCode::UnsupportedFormat, "{name}: {error:?}");
        assert!(error.public_message().contains(part), "{name}: {}", error.public_message());
    }
    let error = Place::new("a.xlsx", "a,b\n1,2\n").refused();
    assert_eq!(error.code(), ErrorCode::UnreadableFile);
}

#[test]
fn a_missing_source_is_said_to_be_missing() {
    let place = Place::new("a.csv", "a\n1\n");
    std::fs::remove_file(place.source()).unwrap();
    let error = place.ingest_observed(&gristmill_ingest::Unobserved).unwrap_err();
    assert_eq!(error.code(), ErrorCode::FileMissing);
}
