//! Workbooks.

use std::io::Write;

use gristmill_domain::{
    ErrorCode,
    datasets::{ColumnType, FileType},
};
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook, Worksheet};
use serde_json::json;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::support::{Ingested, Place};

fn workbook(build: impl FnOnce(&mut Worksheet)) -> Vec<u8> {
    let mut workbook = Workbook::new();
    build(workbook.add_worksheet());
    workbook.save_to_buffer().unwrap()
}

fn ingest(bytes: &[u8]) -> Ingested {
    Place::new("book.xlsx", bytes).ingest()
}

#[test]
fn cells_become_what_they_show() {
    let date = Format::new().set_num_format("yyyy-mm-dd");
    let instant = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
    let time = Format::new().set_num_format("hh:mm:ss");
    let found = ingest(&workbook(|sheet| {
        for (column, name) in ["day", "at", "clock", "n", "x", "ok", "text", "sum"].iter().enumerate() {
            sheet.write(0, u16::try_from(column).unwrap(), *name).unwrap();
        }
        for row in 1..=3_u32 {
            let day = u8::try_from(row).unwrap();
            sheet.write_with_format(row, 0, ExcelDateTime::from_ymd(2024, 1, day).unwrap(), &date).unwrap();
            let at = ExcelDateTime::from_ymd(2024, 1, day).unwrap().and_hms(10, 30, 0).unwrap();
            sheet.write_with_format(row, 1, at, &instant).unwrap();
            sheet.write_with_format(row, 2, ExcelDateTime::from_hms(6, 15, 0).unwrap(), &time).unwrap();
            sheet.write(row, 3, row).unwrap();
            sheet.write(row, 4, f64::from(row) + 0.25).unwrap();
            sheet.write(row, 5, row == 1).unwrap();
            sheet.write(row, 6, if row == 2 { "007" } else { "name" }).unwrap();
            sheet.write(row, 7, Formula::new("=D2-D2").set_result("0")).unwrap();
        }
    }));
    use ColumnType::{Boolean, Date, Float, Integer, String};
    assert_eq!(found.dataset.file_type, FileType::Xlsx);
    assert_eq!(found.types(), [Date, Date, String, Integer, Float, Boolean, String, Integer]);
    assert_eq!(
        json!(found.rows()[1]),
        json!({"day": "2024-01-02T00:00:00.000Z", "at": "2024-01-02T10:30:00.000Z", "clock": "06:15:00", "n": 2, "x": 2.25,
               "ok": false, "text": "007", "sum": 0})
    );
}

#[test]
fn blank_headers_empty_rows_and_ragged_rows() {
    let found = ingest(&workbook(|sheet| {
        sheet.write(0, 0, "a").unwrap();
        sheet.write(0, 2, "a").unwrap();
        sheet.write(1, 0, 1).unwrap();
        sheet.write(1, 1, "between").unwrap();
        sheet.write(4, 0, 2).unwrap();
        sheet.write(4, 4, "beyond the header").unwrap();
    }));
    assert_eq!(found.names(), ["a", "column_2", "a_2", "column_4", "column_5"]);
    assert_eq!(found.dataset.row_count, 2);
    assert_eq!(found.values("column_2"), [json!("between"), json!(null)]);
    assert_eq!(found.values("column_5"), [json!(null), json!("beyond the header")]);
    assert!(found.has_note("named by position"));
}

#[test]
fn a_table_that_does_not_begin_in_the_corner() {
    let found = ingest(&workbook(|sheet| {
        sheet.write(3, 2, "x").unwrap();
        sheet.write(3, 3, "y").unwrap();
        sheet.write(4, 2, 1).unwrap();
        sheet.write(4, 3, 2).unwrap();
    }));
    assert_eq!(json!(found.rows()), json!([{"x": 1, "y": 2}]));
}

#[test]
fn errors_are_counted_and_listed_with_their_row() {
    let found = ingest(&workbook(|sheet| {
        sheet.write(0, 0, "n").unwrap();
        for row in 1..=20 {
            if row == 7 {
                sheet.write(row, 0, Formula::new("=1/0").set_result("#DIV/0!")).unwrap();
            } else {
                sheet.write(row, 0, row).unwrap();
            }
        }
    }));
    assert_eq!(found.column("n").dtype, ColumnType::Integer);
    assert_eq!((found.rejects[0].line, found.rejects[0].value.as_str()), (8, "#DIV/0!"));
    assert!(found.has_note("1 cells hold an error"));
}

#[test]
fn only_the_first_sheet_is_read_and_that_is_said() {
    let mut workbook = Workbook::new();
    for name in ["first", "second", "third"] {
        let sheet = workbook.add_worksheet().set_name(name).unwrap();
        sheet.write(0, 0, name).unwrap();
        sheet.write(1, 0, 1).unwrap();
    }
    let found = ingest(&workbook.save_to_buffer().unwrap());
    assert_eq!(found.names(), ["first"]);
    assert!(found.has_note("\"second\", \"third\""));
}

#[test]
fn a_large_sheet_comes_in_order() {
    let found = ingest(&workbook(|sheet| {
        sheet.write(0, 0, "n").unwrap();
        sheet.write(0, 1, "s").unwrap();
        // A long text makes blocks full before many rows are.
        let long = "text ".repeat(200);
        for row in 1..=10_000 {
            sheet.write(row, 0, row).unwrap();
            sheet.write(row, 1, format!("{long}{}", row % 100)).unwrap();
        }
        // Late enough that the first guess is wrong.
        sheet.write(10_001, 0, 0.5).unwrap();
    }));
    assert_eq!((found.dataset.row_count, found.column("n").dtype), (10_001, ColumnType::Float));
    assert_eq!(found.column("s").unique_count, 100);
    let row = gristmill_ingest::read_rows(&found.place.output(), 9_000, 1).unwrap();
    assert_eq!(row[0].get("n"), Some(&json!(9_001.0)));
}

#[test]
fn empty_and_header_only_sheets_are_refused() {
    let header_only = workbook(|sheet| {
        sheet.write(0, 0, "a").unwrap();
    });
    for (bytes, part) in [(workbook(|_| {}), "empty"), (header_only, "no rows")] {
        let error = Place::new("book.xlsx", &bytes).refused();
        assert_eq!(error.code(), ErrorCode::UnreadableFile);
        assert!(error.public_message().contains(part), "{}", error.public_message());
    }
}

/// A workbook whose parts are given; sheet and the like are as small as they can be.
fn handmade(sheet: &[u8], shared_strings: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let parts: [(&str, &[u8]); 6] = [
        ("[Content_Types].xml", br#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#),
        ("_rels/.rels", br#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#),
        ("xl/workbook.xml", br#"<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="s" sheetId="1" r:id="rId1"/></sheets></workbook>"#),
        ("xl/_rels/workbook.xml.rels", br#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#),
        ("xl/worksheets/sheet1.xml", sheet),
        ("xl/sharedStrings.xml", shared_strings),
    ];
    for (name, content) in parts {
        zip.start_file(name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn sheet(rows: &str) -> Vec<u8> {
    format!(r#"<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData></worksheet>"#)
        .into_bytes()
}

const NO_STRINGS: &[u8] = br#"<?xml version="1.0"?><sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"/>"#;

#[test]
fn a_handmade_workbook_is_read() {
    let rows = r#"<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row><row r="2"><c r="A2"><v>5</v></c></row>"#;
    let found = ingest(&handmade(&sheet(rows), NO_STRINGS));
    assert_eq!(json!(found.rows()), json!([{"a": 5}]));
}

/// Replaces the unpacked size that a part declares, beside the part and in the directory.
fn declare(mut bytes: Vec<u8>, true_size: usize, declared: u32) -> Vec<u8> {
    let true_size = u32::try_from(true_size).unwrap().to_le_bytes();
    let mut changed = 0;
    while let Some(at) = memchr::memmem::find(&bytes, &true_size) {
        bytes[at..at + 4].copy_from_slice(&declared.to_le_bytes());
        changed += 1;
    }
    assert_eq!(changed, 2);
    bytes
}

#[test]
fn bombs_are_refused_before_they_are_unpacked() {
    let zeros = vec![b' '; 3 << 20];
    for bytes in [handmade(&zeros, NO_STRINGS), handmade(&sheet(""), &zeros)] {
        let mut place = Place::new("book.xlsx", &bytes);
        place.limits.uncompressed_bytes_max = 1 << 20;
        let error = place.refused();
        assert_eq!(error.code(), ErrorCode::UnreadableFile);
        assert!(error.public_message().contains("unpacks to more"), "{}", error.public_message());
    }
    let mut place = Place::new("book.xlsx", handmade(&sheet(""), &zeros));
    place.limits.shared_strings_bytes_max = 1 << 20;
    assert!(place.refused().public_message().contains("unpacks to more"));
    // A few kilobytes that declare a gigabyte, below the limit on the sum.
    let error = Place::new("book.xlsx", declare(handmade(&zeros, NO_STRINGS), zeros.len(), 1 << 30)).refused();
    assert!(error.public_message().contains("unpacks to more"), "{}", error.public_message());
}

#[test]
fn a_header_that_lies_about_its_size_is_found_out() {
    // Noise is stored nearly as it is, so that the part is large enough to be looked at.
    let mut random = crate::support::Random(1);
    let noise: String = (0..400_000).map(|_| char::from(b'a' + u8::try_from(random.below(26)).unwrap())).collect();
    let content = sheet(&format!(r#"<row r="1"><c r="A1" t="inlineStr"><is><t>{noise}</t></is></c></row>"#));
    for declared in [1000, 1 << 20] {
        let bytes = declare(handmade(&content, NO_STRINGS), content.len(), declared);
        let error = Place::new("book.xlsx", &bytes).refused();
        assert_eq!(error.code(), ErrorCode::UnreadableFile, "{error:?}");
    }
}

#[test]
fn sparse_and_strange_cells_take_no_memory() {
    let rows = r#"<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>
        <row r="1048576"><c r="A1048576"><v>1</v></c></row><row r="2"><c r="A2"><v>2</v></c></row>"#;
    let found = ingest(&handmade(&sheet(rows), NO_STRINGS));
    assert_eq!(found.values("a"), [json!(1), json!(2)]);
    let far = r#"<row r="1"><c r="A1"><v>1</v></c></row><row r="2"><c r="ALL2"><v>2</v></c></row>"#;
    let found = ingest(&handmade(&sheet(far), NO_STRINGS));
    assert_eq!(found.dataset.columns.len(), 1000);
}

#[test]
fn damage_is_refused_wherever_it_is() {
    let good = workbook(|sheet| {
        for row in 0..50 {
            sheet.write(row, 0, format!("text {row}")).unwrap();
            sheet.write(row, 1, row).unwrap();
        }
    });
    for cut in [good.len() / 4, good.len() / 2, good.len() - 10] {
        let error = Place::new("book.xlsx", &good[..cut]).refused();
        assert!(matches!(error.code(), ErrorCode::UnreadableFile | ErrorCode::UnsupportedFormat), "{cut}: {error:?}");
    }
    for rows in [
        r#"<row r="1"><c r="A1" t="s"><v>99</v></c></row>"#,
        r#"<row r="1"><c r="??"><v>1</v></c></row>"#,
        r#"<row r="1"><c r="A1"><v>1</v>"#,
        r#"<row r="x"><c><v>1</v></c></row>"#,
        r#"<row r="1"><c r="A1" t="b"><v>maybe</v></c></row>"#,
    ] {
        let error = Place::new("book.xlsx", handmade(&sheet(rows), NO_STRINGS)).refused();
        assert_eq!(error.code(), ErrorCode::UnreadableFile, "{rows}: {error:?}");
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let good = workbook(|sheet| {
        for row in 0..20 {
            sheet.write(row, 0, format!("text {row}")).unwrap();
            sheet.write(row, 1, f64::from(row) / 3.0).unwrap();
        }
    });
    let mut random = crate::support::Random(7);
    for _ in 0..150 {
        let mut bytes = good.clone();
        for _ in 0..1 + random.below(8) {
            let at = usize::try_from(random.below(u64::try_from(bytes.len()).unwrap())).unwrap();
            bytes[at] = u8::try_from(random.below(256)).unwrap();
        }
        let place = Place::new("book.xlsx", &bytes);
        if let Err(error) = place.ingest_observed(&gristmill_ingest::Unobserved) {
            assert_ne!(error.code(), ErrorCode::Internal, "{error:?}");
            place.assert_nothing_left();
        }
    }
}
