//! The records of one block of separated values.

use gristmill_domain::datasets::Reject;

use super::grammar::{self, Field, Shape, Stop};
use crate::{
    block::RecordContext,
    error::IngestError,
    record::RecordNotes,
    table::{Span, SpanTable},
    value,
};

/// Reads a block's records from its beginning.
#[derive(Debug, Clone)]
pub(crate) struct CsvRecords {
    at: usize,
    line: u64,
    delimiter: u8,
}

impl CsvRecords {
    /// For a block that begins on the given line.
    pub(crate) fn new(line: u64, delimiter: u8) -> Self {
        Self { at: 0, line, delimiter }
    }

    pub(crate) fn fill(
        &mut self,
        text: &mut [u8],
        table: &mut SpanTable,
        notes: &mut RecordNotes,
        context: &RecordContext<'_>,
    ) -> Result<(), IngestError> {
        while self.at < text.len() && !table.is_full() {
            self.read_record(text, table, notes, context)?;
        }
        Ok(())
    }

    fn read_record(
        &mut self,
        text: &mut [u8],
        table: &mut SpanTable,
        notes: &mut RecordNotes,
        context: &RecordContext<'_>,
    ) -> Result<(), IngestError> {
        let (begin, line, columns) = (self.at, self.line, table.columns());
        let mut found = 0;
        let mut extra_from = None;
        loop {
            let field = grammar::next_field(text, self.at, self.delimiter);
            let span = self.take(text, &field, notes, context);
            if found < columns {
                table.push(span);
            } else if found == columns {
                extra_from = Some(self.at);
            }
            found += 1;
            self.at = field.next;
            if field.stop != Stop::Delimiter {
                self.line += u64::from(field.stop == Stop::Line);
                let is_blank = found == 1 && field.shape == Shape::Plain && span == Span::ABSENT;
                if is_blank {
                    table.abandon_row();
                    return Ok(());
                }
                break;
            }
        }
        if self.at - begin > context.record_bytes_max {
            return Err(IngestError::RecordTooLong { line, bytes_max: context.record_bytes_max });
        }
        notes.records += 1;
        table.end_row(line);
        notes.too_short += u64::from(found < columns);
        if let Some(from) = extra_from {
            self.report_extra(text.get(from..self.at).unwrap_or_default(), line, notes, context);
        }
        Ok(())
    }

    /// The place of a field's text, with doubled quotes resolved.
    fn take(&mut self, text: &mut [u8], field: &Field, notes: &mut RecordNotes, context: &RecordContext<'_>) -> Span {
        let mut end = field.end;
        match field.shape {
            Shape::Plain => {
                let raw = text.get(field.start..end).unwrap_or_default();
                return trimmed(raw, field.start);
            }
            Shape::Quoted => {}
            Shape::Doubled => {
                if let Some(raw) = text.get_mut(field.start..end) {
                    end = field.start + grammar::collapse_quotes(raw);
                }
            }
            Shape::Unclosed => {
                notes.unclosed_quotes += 1;
                let line = self.line;
                notes.report(context.rejects_listed_max, || Reject {
                    line,
                    column: None,
                    value: value::excerpt(text.get(field.start..end).unwrap_or_default()),
                    reason: "the quotes of this field are not closed; they were read as ordinary text".to_owned(),
                });
                return trimmed(text.get(field.start..end).unwrap_or_default(), field.start);
            }
        }
        self.line += value::count_lines(text.get(field.start..field.end).unwrap_or_default());
        Span::new(field.start, end)
    }

    fn report_extra(&self, extra: &[u8], line: u64, notes: &mut RecordNotes, context: &RecordContext<'_>) {
        // A separator at the line's end makes an empty field; nothing is lost with it.
        let delimiter = self.delimiter;
        if extra.iter().all(|byte| byte.is_ascii_whitespace() || *byte == delimiter || *byte == b'"') {
            return;
        }
        notes.too_long += 1;
        notes.report(context.rejects_listed_max, || Reject {
            line,
            column: None,
            value: value::excerpt(extra.trim_ascii_end()),
            reason: "the record has more fields than the header; these were left out".to_owned(),
        });
    }
}

/// The place of a plain field without blanks around it; absent when nothing is left.
fn trimmed(raw: &[u8], start: usize) -> Span {
    let left = raw.trim_ascii_start();
    let begin = start + (raw.len() - left.len());
    let text = left.trim_ascii_end();
    if text.is_empty() { Span::ABSENT } else { Span::new(begin, begin + text.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, columns: usize) -> (Vec<Vec<Option<String>>>, Vec<u64>, RecordNotes) {
        let mut text = text.as_bytes().to_vec();
        let mut table = SpanTable::new(columns);
        let mut notes = RecordNotes::default();
        let context =
            RecordContext { keys: None, first_column: 0, columns_max: 100, record_bytes_max: 1000, rejects_listed_max: 10 };
        CsvRecords::new(2, b',').fill(&mut text, &mut table, &mut notes, &context).unwrap();
        let columns: Vec<Vec<_>> = (0..columns).map(|column| table.column(column).collect()).collect();
        let rows = (0..table.rows())
            .map(|row| columns.iter().map(|c| c[row].text(&text).map(|t| String::from_utf8_lossy(t).into_owned())).collect())
            .collect();
        let lines = (0..table.rows()).map(|row| table.line(row)).collect();
        (rows, lines, notes)
    }

    fn row(cells: &[&str]) -> Vec<Option<String>> {
        cells.iter().map(|cell| (*cell != "∅").then(|| (*cell).to_owned())).collect()
    }

    #[test]
    fn ragged_rows_are_kept_and_counted() {
        let (rows, lines, notes) = read("1,2\n\n3\n4,5,6,7\n8,9,\n , \n", 2);
        assert_eq!(rows, [row(&["1", "2"]), row(&["3", "∅"]), row(&["4", "5"]), row(&["8", "9"]), row(&["∅", "∅"])]);
        assert_eq!(lines, [2, 4, 5, 6, 7]);
        assert_eq!((notes.records, notes.too_short, notes.too_long), (5, 1, 1));
        assert_eq!(notes.listed[0].value, "6,7");
        assert_eq!(notes.listed[0].line, 5);
    }

    #[test]
    fn quoted_text_keeps_its_blanks_and_lines_are_counted_through_it() {
        let (rows, lines, _) = read(" a , \" b \" \n\"x\ny\",\"say \"\"hi\"\"\"\nz,\"\"\n", 2);
        assert_eq!(rows, [row(&["a", " b "]), row(&["x\ny", "say \"hi\""]), row(&["z", ""])]);
        assert_eq!(lines, [2, 3, 5]);
    }

    #[test]
    fn an_unclosed_quote_is_reported_with_its_line() {
        let (rows, _, notes) = read("a,b\nc,\"d\ne,f\n", 2);
        assert_eq!(rows, [row(&["a", "b"]), row(&["c", "\"d"]), row(&["e", "f"])]);
        assert_eq!(notes.unclosed_quotes, 1);
        assert_eq!((notes.listed[0].line, notes.listed[0].value.as_str()), (3, "\"d"));
    }

    #[test]
    fn a_quoted_empty_field_alone_is_a_row() {
        let (rows, ..) = read("\"\"\n\na\n", 1);
        assert_eq!(rows, [row(&[""]), row(&["a"])]);
    }
}
