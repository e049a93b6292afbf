//! A dataset's file in the formats that people exchange: CSV, JSON and XLSX. For datasets that nobody uploaded.
//!
//! Values are written so that reading the file gives the same values again. What the formats cannot say is lost: a text
//! that means "no value" to a reader (`NA`), and which of two types a column without fractions has.

mod workbook;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, StringArray},
    datatypes::{Float64Type, Int64Type, TimestampMicrosecondType},
};
use gristmill_domain::datasets::FileType;

use self::workbook::Workbook;
pub use self::workbook::{SHEET_COLUMNS_MAX, SHEET_ROWS_MAX};
use crate::{
    derive::DatasetFile, error::IngestError, num, profile::keys::shown_float, request::IngestObserver, value::date, write,
};

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 1 << 18;

/// Writes a dataset's Parquet file as a file of another format, and returns its size in bytes. CSV has commas and a header,
/// JSON is an array of objects, XLSX has one sheet. The file appears only when it is complete; its directory must exist.
///
/// # Errors
/// [`IngestError::SourceMissing`] when the dataset is gone, [`IngestError::Dataset`] when it is damaged,
/// [`IngestError::Unreadable`] when a sheet cannot hold so many rows or columns, [`IngestError::DiskFull`],
/// [`IngestError::Write`], and [`IngestError::Cancelled`]. Nothing is left behind then.
pub fn export(parquet: &Path, file_type: FileType, output: &Path, observer: &dyn IngestObserver) -> Result<u64, IngestError> {
    let file = DatasetFile::open(parquet)?;
    let staged = write::temporary(output)?;
    let sink = BufWriter::with_capacity(BUFFER_BYTES, write::handle(&staged)?);
    let sheet: Box<dyn Sheet> = match file_type {
        FileType::Csv => Box::new(Csv { sink }),
        FileType::Json => Box::new(Json { sink, keys: Vec::new(), rows: 0 }),
        FileType::Xlsx => {
            workbook::check_size(file.row_count(), file.columns().len())?;
            Box::new(Workbook::new(sink))
        }
    };
    walk(&file, sheet, observer)?;
    write::publish(staged, output)
}

/// Where a table is written, row by row.
trait Sheet {
    /// Writes the header.
    fn begin(&mut self, names: &[&str]) -> io::Result<()>;

    /// Writes a row.
    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()>;

    /// Writes what comes last.
    fn end(self: Box<Self>) -> io::Result<()>;
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cell<'a> {
    Missing,
    Integer(i64),
    Float(f64),
    /// Microseconds since 1970 in UTC.
    Instant(i64),
    Boolean(bool),
    Text(&'a str),
}

/// A column of a batch.
enum Column<'a> {
    Integers(&'a PrimitiveArray<Int64Type>),
    Floats(&'a PrimitiveArray<Float64Type>),
    Instants(&'a PrimitiveArray<TimestampMicrosecondType>),
    Booleans(&'a BooleanArray),
    Texts(&'a StringArray),
}

impl<'a> Column<'a> {
    fn of(array: &'a ArrayRef) -> Result<Self, IngestError> {
        let integers = array.as_primitive_opt::<Int64Type>().map(Self::Integers);
        let floats = || array.as_primitive_opt::<Float64Type>().map(Self::Floats);
        let instants = || array.as_primitive_opt::<TimestampMicrosecondType>().map(Self::Instants);
        let booleans = || array.as_boolean_opt().map(Self::Booleans);
        let texts = || array.as_string_opt::<i32>().map(Self::Texts);
        let found = integers.or_else(floats).or_else(instants).or_else(booleans).or_else(texts);
        found.ok_or(IngestError::Internal { context: "a dataset has a column of a type that datasets do not have" })
    }

    fn cell(&self, row: usize) -> Cell<'a> {
        match self {
            Self::Integers(array) if array.is_valid(row) => Cell::Integer(array.value(row)),
            Self::Floats(array) if array.is_valid(row) && array.value(row).is_finite() => Cell::Float(array.value(row)),
            Self::Instants(array) if array.is_valid(row) => Cell::Instant(array.value(row)),
            Self::Booleans(array) if array.is_valid(row) => Cell::Boolean(array.value(row)),
            Self::Texts(array) if array.is_valid(row) => Cell::Text(array.value(row)),
            _ => Cell::Missing,
        }
    }
}

fn walk(file: &DatasetFile, mut sheet: Box<dyn Sheet>, observer: &dyn IngestObserver) -> Result<(), IngestError> {
    let names: Vec<&str> = file.columns().iter().map(|(name, _)| name.as_str()).collect();
    let places: Vec<usize> = (0..names.len()).collect();
    sheet.begin(&names).map_err(IngestError::from_write)?;
    let mut rows = 0;
    for batch in file.batches(&places)? {
        if observer.is_cancelled() {
            return Err(IngestError::Cancelled);
        }
        let batch = batch?;
        let columns: Vec<Column<'_>> = batch.columns().iter().map(Column::of).collect::<Result<_, _>>()?;
        let mut cells = Vec::with_capacity(columns.len());
        for row in 0..batch.num_rows() {
            cells.clear();
            cells.extend(columns.iter().map(|column| column.cell(row)));
            sheet.row(&cells).map_err(IngestError::from_write)?;
        }
        rows += num::count(batch.num_rows());
        observer.progress((num::float(rows) / num::float(file.row_count().max(1))).min(1.0), "exporting");
    }
    sheet.end().map_err(IngestError::from_write)
}

/// Comma-separated values.
struct Csv {
    sink: BufWriter<File>,
}

impl Csv {
    fn text(&mut self, text: &str) -> io::Result<()> {
        if !needs_quotes(text) {
            return self.sink.write_all(text.as_bytes());
        }
        self.sink.write_all(b"\"")?;
        for (at, piece) in text.split('"').enumerate() {
            if at > 0 {
                self.sink.write_all(b"\"\"")?;
            }
            self.sink.write_all(piece.as_bytes())?;
        }
        self.sink.write_all(b"\"")
    }
}

/// Whether a reader could take the text for something else: another separator, JSON, Excel's first line, or less blanks.
fn needs_quotes(text: &str) -> bool {
    text.is_empty()
        || text.contains([',', ';', '\t', '|', '"', '\n', '\r'])
        || text.starts_with([' ', '[', '{'])
        || text.starts_with("sep=")
        || text.ends_with(' ')
}

impl Sheet for Csv {
    fn begin(&mut self, names: &[&str]) -> io::Result<()> {
        for (at, name) in names.iter().enumerate() {
            if at > 0 {
                self.sink.write_all(b",")?;
            }
            self.text(name)?;
        }
        self.sink.write_all(b"\n")
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                self.sink.write_all(b",")?;
            }
            match cell {
                Cell::Missing => {}
                Cell::Integer(value) => write!(self.sink, "{value}")?,
                Cell::Float(value) => self.sink.write_all(shown_float(*value).as_bytes())?,
                Cell::Instant(micros) => self.sink.write_all(date::format(*micros).as_bytes())?,
                Cell::Boolean(value) => write!(self.sink, "{value}")?,
                Cell::Text(text) => self.text(text)?,
            }
        }
        // A row without any value would be a blank line, which readers pass over.
        if let [Cell::Missing] = cells {
            self.sink.write_all(b"\"\"")?;
        }
        self.sink.write_all(b"\n")
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.sink.flush()
    }
}

/// An array of objects.
struct Json {
    sink: BufWriter<File>,
    /// Names as they stand before each value.
    keys: Vec<String>,
    rows: u64,
}

impl Sheet for Json {
    fn begin(&mut self, names: &[&str]) -> io::Result<()> {
        for name in names {
            self.keys.push(format!("{}:", serde_json::to_string(name)?));
        }
        self.sink.write_all(b"[")
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let opening = if self.rows == 0 { "\n{" } else { ",\n{" };
        self.sink.write_all(opening.as_bytes())?;
        self.rows += 1;
        for (at, (key, cell)) in self.keys.iter().zip(cells).enumerate() {
            if at > 0 {
                self.sink.write_all(b",")?;
            }
            self.sink.write_all(key.as_bytes())?;
            match cell {
                Cell::Missing => self.sink.write_all(b"null")?,
                Cell::Integer(value) => write!(self.sink, "{value}")?,
                Cell::Float(value) => serde_json::to_writer(&mut self.sink, value)?,
                Cell::Instant(micros) => write!(self.sink, "\"{}\"", date::format(*micros))?,
                Cell::Boolean(value) => write!(self.sink, "{value}")?,
                Cell::Text(text) => serde_json::to_writer(&mut self.sink, text)?,
            }
        }
        self.sink.write_all(b"}")
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.sink.write_all(b"\n]\n")?;
        self.sink.flush()
    }
}
