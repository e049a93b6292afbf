//! A workbook with one sheet, written row by row: no sheet is ever in memory.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, BufWriter, Write},
};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{Cell, Sheet};
use crate::{error::IngestError, profile::keys::shown_float};

/// Rows of a sheet, its header included.
pub const SHEET_ROWS_MAX: u64 = 1 << 20;
/// Columns of a sheet.
pub const SHEET_COLUMNS_MAX: usize = 1 << 14;
/// Whole numbers beyond this are written as text: a workbook's numbers are floats.
const SAFE_INTEGER_MAX: u64 = 1 << 53;
/// Quick, and a third of the size of what is fastest.
const COMPRESSION_LEVEL: i64 = 4;

const PARTS: [(&str, &str); 4] = [
    (
        "[Content_Types].xml",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>"#,
    ),
    (
        "_rels/.rels",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
    ),
    (
        "xl/workbook.xml",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Data" sheetId="1" r:id="rId1"/></sheets></workbook>"#,
    ),
    (
        "xl/_rels/workbook.xml.rels",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#,
    ),
];
const SHEET: &str = "xl/worksheets/sheet1.xml";
const SHEET_BEGIN: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>"#;
const SHEET_END: &str = "</sheetData></worksheet>";

/// Refuses what no sheet can hold.
pub(super) fn check_size(rows: u64, columns: usize) -> Result<(), IngestError> {
    if rows >= SHEET_ROWS_MAX || columns > SHEET_COLUMNS_MAX {
        return Err(IngestError::unreadable(format!(
            "A sheet of a workbook holds at most {} rows below its header and {SHEET_COLUMNS_MAX} columns. Choose CSV or JSON.",
            SHEET_ROWS_MAX - 1
        )));
    }
    Ok(())
}

/// The workbook.
pub(super) struct Workbook {
    zip: ZipWriter<BufWriter<File>>,
    /// `A`, `B`, …
    letters: Vec<String>,
    row: u64,
    buffer: String,
}

impl Workbook {
    pub(super) fn new(sink: BufWriter<File>) -> Self {
        Self { zip: ZipWriter::new(sink), letters: Vec::new(), row: 0, buffer: String::new() }
    }

    fn part(&mut self, name: &str, is_large: bool) -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(COMPRESSION_LEVEL))
            .large_file(is_large);
        Ok(self.zip.start_file(name, options)?)
    }
}

impl Sheet for Workbook {
    fn begin(&mut self, names: &[&str]) -> io::Result<()> {
        for (name, content) in PARTS {
            self.part(name, false)?;
            self.zip.write_all(content.as_bytes())?;
        }
        self.part(SHEET, true)?;
        self.zip.write_all(SHEET_BEGIN.as_bytes())?;
        self.letters = (0..names.len()).map(letters).collect();
        let header: Vec<Cell<'_>> = names.iter().map(|name| Cell::Text(name)).collect();
        self.row(&header)
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        self.row += 1;
        self.buffer.clear();
        let row = self.row;
        // Writing to a string cannot fail.
        let _ = write!(self.buffer, "<row r=\"{row}\">");
        for (letters, cell) in self.letters.iter().zip(cells) {
            push_cell(&mut self.buffer, letters, row, *cell);
        }
        self.buffer.push_str("</row>");
        self.zip.write_all(self.buffer.as_bytes())
    }

    fn end(self: Box<Self>) -> io::Result<()> {
        let Self { mut zip, .. } = *self;
        zip.write_all(SHEET_END.as_bytes())?;
        let mut sink = zip.finish()?;
        sink.flush()
    }
}

fn push_cell(buffer: &mut String, letters: &str, row: u64, cell: Cell<'_>) {
    let _ = match cell {
        Cell::Missing => Ok(()),
        Cell::Integer(value) if value.unsigned_abs() > SAFE_INTEGER_MAX => {
            write!(buffer, "<c r=\"{letters}{row}\" t=\"inlineStr\"><is><t>{value}</t></is></c>")
        }
        Cell::Integer(value) => write!(buffer, "<c r=\"{letters}{row}\"><v>{value}</v></c>"),
        Cell::Float(value) => write!(buffer, "<c r=\"{letters}{row}\"><v>{}</v></c>", shown_float(value)),
        Cell::Boolean(value) => write!(buffer, "<c r=\"{letters}{row}\" t=\"b\"><v>{}</v></c>", u8::from(value)),
        Cell::Instant(micros) => write!(buffer, "<c r=\"{letters}{row}\" t=\"d\"><v>{}</v></c>", instant(micros)),
        Cell::Text(text) => {
            let _ = write!(buffer, "<c r=\"{letters}{row}\" t=\"inlineStr\"><is><t xml:space=\"preserve\">");
            push_text(buffer, text);
            buffer.push_str("</t></is></c>");
            Ok(())
        }
    };
}

/// Always with a time of day: readers want it.
fn instant(micros: i64) -> String {
    let Some(at) = chrono::DateTime::from_timestamp_micros(micros) else { return micros.to_string() };
    at.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f").to_string()
}

/// Text as XML, with Excel's own way to write what XML cannot.
fn push_text(buffer: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => buffer.push_str("&amp;"),
            '<' => buffer.push_str("&lt;"),
            '>' => buffer.push_str("&gt;"),
            '\t' | '\n' => buffer.push(c),
            '\r' => buffer.push_str("&#13;"),
            '\u{fffe}' | '\u{ffff}' => buffer.push(char::REPLACEMENT_CHARACTER),
            c if c.is_control() && c < '\u{80}' => {
                let _ = write!(buffer, "_x{:04X}_", u32::from(c));
            }
            c => buffer.push(c),
        }
    }
}

/// The name of a column, from 0: `A` to `Z`, `AA`, …
fn letters(mut column: usize) -> String {
    let mut reversed = String::new();
    loop {
        reversed.push(char::from(b'A' + u8::try_from(column % 26).unwrap_or(0)));
        column /= 26;
        if column == 0 {
            return reversed.chars().rev().collect();
        }
        column -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_as_in_a_sheet() {
        let named: Vec<String> = [0, 25, 26, 27, 51, 52, 701, 702, 16_383].into_iter().map(letters).collect();
        assert_eq!(named, ["A", "Z", "AA", "AB", "AZ", "BA", "ZZ", "AAA", "XFD"]);
    }

    #[test]
    fn what_xml_cannot_say_is_written_as_excel_does() {
        let mut buffer = String::new();
        push_text(&mut buffer, "a<b>&\"c\"\u{1}\n\r\u{ffff}é");
        assert_eq!(buffer, "a&lt;b&gt;&amp;\"c\"_x0001_\n&#13;\u{fffd}é");
    }

    #[test]
    fn sheets_are_bounded() {
        assert!(check_size(SHEET_ROWS_MAX - 1, SHEET_COLUMNS_MAX).is_ok());
        for (rows, columns) in [(SHEET_ROWS_MAX, 1), (1, SHEET_COLUMNS_MAX + 1)] {
            assert!(check_size(rows, columns).unwrap_err().public_message().contains("1048575 rows"));
        }
    }
}
