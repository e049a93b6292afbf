//! The thread that reads a sheet. Owns calamine.

use std::{
    fmt::Write as _,
    fs::File,
    io::BufReader,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::mpsc::SyncSender,
};

use calamine::{DataRef, ExcelDateTime, Reader, SheetType, SheetVisible, Xlsx, XlsxError};

use super::{Answer, CellRecords, Message, SheetHeader, guard};
use crate::{
    block::{Block, ROWS_A_GROUP, Records},
    csv::header::listed,
    error::IngestError,
    num,
    request::IngestLimits,
    sniff,
    table::Span,
};

const TEXT_BYTES_A_BLOCK: usize = 8 << 20;
const CELLS_A_BLOCK: usize = 1 << 20;

type Workbook = Xlsx<BufReader<File>>;

/// Reads the sheet and sends its header, then its blocks, then at most one error. Ends early when nobody listens.
pub(super) fn run(path: &Path, limits: &IngestLimits, answers: &SyncSender<Answer>) {
    // The library is fed with whatever people upload; a panic in it must not take the server's thread along.
    let error = match catch_unwind(AssertUnwindSafe(|| read(path, limits, answers))) {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error,
        Err(_panic) => guard::damaged(),
    };
    // When nobody listens any more, nobody needs to know.
    let _ = answers.send(Err(error));
}

fn read(path: &Path, limits: &IngestLimits, answers: &SyncSender<Answer>) -> Result<(), IngestError> {
    let file = File::open(path).map_err(IngestError::from_read)?;
    let file_bytes = file.metadata().map_err(IngestError::from_read)?.len();
    let mut workbook = Workbook::new(BufReader::new(file)).map_err(workbook_error)?;
    let (sheet, notes) = choose_sheet(&workbook)?;
    let mut cells = workbook.worksheet_cells_reader(&sheet).map_err(workbook_error)?;
    let declared_rows = u64::from(cells.dimensions().end.0).max(1);
    let mut builder = BlockBuilder::new(limits, file_bytes, declared_rows);
    let mut notes = Some(notes);
    while let Some(cell) = cells.next_cell().map_err(workbook_error)? {
        let (row, column) = cell.get_position();
        if row != builder.row {
            if !builder.finish_row(&mut notes, answers)? {
                return Ok(());
            }
            builder.row = row;
        }
        builder.add(column, cell.get_value())?;
    }
    if builder.finish_row(&mut notes, answers)? && builder.send(answers) && notes.is_some() {
        return Err(IngestError::unreadable("The workbook's first sheet is empty. Put the table into the first sheet."));
    }
    Ok(())
}

/// The first visible worksheet, and a note when there are others.
fn choose_sheet(workbook: &Workbook) -> Result<(String, Vec<String>), IngestError> {
    let sheets: Vec<_> = workbook.sheets_metadata().iter().filter(|sheet| sheet.typ == SheetType::WorkSheet).collect();
    let chosen = sheets.iter().find(|sheet| sheet.visible == SheetVisible::Visible).or(sheets.first());
    let chosen = chosen.ok_or_else(|| IngestError::unreadable("The workbook has no worksheet with a table."))?;
    let others: Vec<String> = sheets.iter().filter(|sheet| sheet.name != chosen.name).map(|sheet| sheet.name.clone()).collect();
    let notes = if others.is_empty() {
        Vec::new()
    } else {
        vec![format!("Only the sheet \"{}\" was read; not read: {}.", chosen.name, listed(&others))]
    };
    Ok((chosen.name.clone(), notes))
}

fn workbook_error(error: XlsxError) -> IngestError {
    match error {
        XlsxError::Password => sniff::encrypted_workbook(),
        XlsxError::Io(source) if source.kind() == std::io::ErrorKind::NotFound => IngestError::SourceMissing { source },
        other => {
            tracing::debug!(error = %other, "a workbook could not be read");
            guard::damaged()
        }
    }
}

/// Gathers cells into rows and rows into blocks.
struct BlockBuilder<'a> {
    limits: &'a IngestLimits,
    file_bytes: u64,
    declared_rows: u64,
    row: u32,
    row_start: usize,
    text: Vec<u8>,
    records: CellRecords,
    scratch: String,
}

impl<'a> BlockBuilder<'a> {
    fn new(limits: &'a IngestLimits, file_bytes: u64, declared_rows: u64) -> Self {
        Self {
            limits,
            file_bytes,
            declared_rows,
            row: 0,
            row_start: 0,
            text: Vec::new(),
            records: CellRecords::default(),
            scratch: String::new(),
        }
    }

    fn line(&self) -> u64 {
        u64::from(self.row) + 1
    }

    fn add(&mut self, column: u32, value: &DataRef<'_>) -> Result<(), IngestError> {
        self.scratch.clear();
        let text = match value {
            DataRef::Empty => return Ok(()),
            DataRef::String(text) => text,
            DataRef::SharedString(text) => *text,
            DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text,
            DataRef::Error(error) => {
                self.records.error_cells += 1;
                write_to(&mut self.scratch, format_args!("{error}"))
            }
            DataRef::Bool(value) => write_to(&mut self.scratch, format_args!("{value}")),
            DataRef::Int(value) => write_to(&mut self.scratch, format_args!("{value}")),
            DataRef::Float(value) => write_number(&mut self.scratch, *value),
            DataRef::DateTime(value) => write_instant(&mut self.scratch, value),
        };
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        let start = self.text.len();
        self.text.extend(text.bytes().filter(|byte| *byte != 0));
        let end = self.text.len();
        self.records.nuls += num::count(text.len() - (end - start));
        if end - self.row_start > self.limits.record_bytes_max {
            return Err(IngestError::RecordTooLong { line: self.line(), bytes_max: self.limits.record_bytes_max });
        }
        self.records.push_cell(column, Span::new(start, end));
        Ok(())
    }

    /// Ends a row: the first one that is not empty is the header. Says whether somebody still listens.
    fn finish_row(&mut self, notes: &mut Option<Vec<String>>, answers: &SyncSender<Answer>) -> Result<bool, IngestError> {
        if self.records.open_cells().is_empty() {
            return Ok(true);
        }
        if let Some(notes) = notes.take() {
            let found = self.take_header(notes)?;
            return Ok(answers.send(Ok(Message::Header(found))).is_ok());
        }
        self.records.end_row(self.line());
        self.row_start = self.text.len();
        let is_full =
            self.records.rows() >= ROWS_A_GROUP || self.text.len() >= TEXT_BYTES_A_BLOCK || self.records.cells() >= CELLS_A_BLOCK;
        Ok(!is_full || self.send(answers))
    }

    fn take_header(&mut self, notes: Vec<String>) -> Result<SheetHeader, IngestError> {
        let cells = self.records.open_cells();
        let positions = || cells.iter().map(|(column, _)| num::index(*column));
        let (first, last) = (positions().min().unwrap_or(0), positions().max().unwrap_or(0));
        let width = last - first + 1;
        if width > self.limits.columns_max {
            return Err(IngestError::TooManyColumns { found: width, max: self.limits.columns_max });
        }
        let mut names = vec![String::new(); width];
        for (column, span) in cells {
            if let Some(name) = names.get_mut(num::index(*column) - first) {
                *name = String::from_utf8_lossy(span.text(&self.text).unwrap_or_default()).into_owned();
            }
        }
        self.records.abandon_row();
        self.text.clear();
        Ok(SheetHeader { first_column: first, names, notes })
    }

    fn send(&mut self, answers: &SyncSender<Answer>) -> bool {
        let records = std::mem::take(&mut self.records);
        self.row_start = 0;
        if records.rows() == 0 {
            return true;
        }
        let share = u128::from(self.line()).min(u128::from(self.declared_rows));
        let position = u128::from(self.file_bytes) * share / u128::from(self.declared_rows);
        let block = Block {
            text: std::mem::take(&mut self.text),
            position: u64::try_from(position).unwrap_or(self.file_bytes),
            records: Records::Cells(records),
        };
        answers.send(Ok(Message::Block(block))).is_ok()
    }
}

fn write_to<'a>(scratch: &'a mut String, value: std::fmt::Arguments<'_>) -> &'a str {
    // Writing to a string cannot fail.
    let _ = scratch.write_fmt(value);
    scratch
}

/// A number with as many digits as it takes to read it back; large ones with an exponent, as Excel shows them.
fn write_number(scratch: &mut String, value: f64) -> &str {
    if value.abs() >= 1e15 { write_to(scratch, format_args!("{value:e}")) } else { write_to(scratch, format_args!("{value}")) }
}

/// A date, a date with a time, or only a time.
fn write_instant<'a>(scratch: &'a mut String, value: &ExcelDateTime) -> &'a str {
    const DAYS_MAX: f64 = 2_958_466.0;
    let serial = value.as_f64();
    let is_time = value.is_duration() || (0.0..1.0).contains(&serial);
    if is_time {
        return write_time(scratch, serial);
    }
    if !(0.0..DAYS_MAX).contains(&serial) {
        return write_number(scratch, serial);
    }
    let (year, month, day, hour, minute, second, milli) = value.to_ymd_hms_milli();
    write_to(scratch, format_args!("{year:04}-{month:02}-{day:02}"));
    if (hour, minute, second, milli) != (0, 0, 0, 0) {
        write_to(scratch, format_args!("T{hour:02}:{minute:02}:{second:02}"));
        if milli != 0 {
            write_to(scratch, format_args!(".{milli:03}"));
        }
    }
    scratch
}

/// A time of day or a duration as `HH:MM:SS`, hours beyond 24 included.
fn write_time(scratch: &mut String, days: f64) -> &str {
    let millis = num::count(num::floor((days.abs() * 86_400_000.0).round()));
    let sign = if days < 0.0 { "-" } else { "" };
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
    write_to(scratch, format_args!("{sign}{hours:02}:{minutes:02}:{seconds:02}"));
    if !millis.is_multiple_of(1000) {
        write_to(scratch, format_args!(".{:03}", millis % 1000));
    }
    scratch
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType;

    use super::*;

    #[test]
    fn instants_are_written_as_the_date_reader_reads_them() {
        for (serial, kind, expected) in [
            (45_306.0, ExcelDateTimeType::DateTime, "2024-01-15"),
            (45_306.5, ExcelDateTimeType::DateTime, "2024-01-15T12:00:00"),
            (45_943.541, ExcelDateTimeType::DateTime, "2025-10-13T12:59:02.400"),
            (0.25, ExcelDateTimeType::DateTime, "06:00:00"),
            (1.5, ExcelDateTimeType::TimeDelta, "36:00:00"),
            (-5.0, ExcelDateTimeType::DateTime, "-5"),
            (1e300, ExcelDateTimeType::DateTime, "1e300"),
        ] {
            let mut scratch = String::new();
            assert_eq!(write_instant(&mut scratch, &ExcelDateTime::new(serial, kind, false)), expected, "{serial}");
        }
    }

    #[test]
    fn numbers_are_written_to_be_read_back() {
        for (value, expected) in [(1.0, "1"), (0.1, "0.1"), (1e21, "1e21"), (-2.5, "-2.5"), (123_456_789.25, "123456789.25")] {
            assert_eq!(write_number(&mut String::new(), value), expected);
        }
    }
}
