//! Separated values: the header, the split into blocks at record boundaries, the records of a block.

pub(crate) mod grammar;
pub(crate) mod header;
mod records;

use std::path::Path;

use memchr::{memchr, memchr_iter, memchr2_iter};

use self::grammar::{Extent, Stop};
pub(crate) use self::records::CsvRecords;
use crate::{
    block::{Block, BlockSize, BlockSource, Records},
    error::IngestError,
    request::IngestLimits,
    sniff,
    source::{Mended, TextEncoding, TextSource},
    value,
};

/// A CSV file whose header was read; gives the rest in blocks.
pub(crate) struct CsvSource {
    source: TextSource,
    delimiter: u8,
    /// Text that was read and not yet given out.
    carry: Vec<u8>,
    /// Line on which `carry` begins.
    line: u64,
    size: BlockSize,
    record_bytes_max: usize,
}

/// The first record of a file.
pub(crate) struct Header {
    /// The fields, as they stand there.
    pub(crate) fields: Vec<String>,
}

impl CsvSource {
    /// Opens a file and reads its header.
    pub(crate) fn open(
        path: &Path,
        encoding: TextEncoding,
        delimiter: u8,
        limits: &IngestLimits,
    ) -> Result<(Self, Header), IngestError> {
        Self::from_source(TextSource::open(path, encoding)?, delimiter, limits)
    }

    fn from_source(source: TextSource, delimiter: u8, limits: &IngestLimits) -> Result<(Self, Header), IngestError> {
        let mut reader = Self {
            source,
            delimiter,
            carry: Vec::new(),
            line: 1,
            size: BlockSize::default(),
            record_bytes_max: limits.record_bytes_max,
        };
        reader.skip_separator_line()?;
        let header = reader.read_header(limits.columns_max)?;
        Ok((reader, header))
    }

    /// A source for text from the middle of a file, without a header.
    pub(crate) fn without_header(source: TextSource, delimiter: u8, limits: &IngestLimits) -> Self {
        Self {
            source,
            delimiter,
            carry: Vec::new(),
            line: 1,
            size: BlockSize::default(),
            record_bytes_max: limits.record_bytes_max,
        }
    }

    pub(crate) fn set_block_size(&mut self, size: BlockSize) {
        self.size = size;
    }

    fn skip_separator_line(&mut self) -> Result<(), IngestError> {
        self.source.fill(&mut self.carry, 16)?;
        if let Some((_, length)) = sniff::separator_line(&self.carry) {
            self.carry.drain(..length);
            self.line += 1;
        }
        Ok(())
    }

    fn read_header(&mut self, columns_max: usize) -> Result<Header, IngestError> {
        loop {
            let end = self.take_record()?;
            let record: Vec<u8> = self.carry.drain(..end).collect();
            if record.is_empty() {
                return Err(IngestError::unreadable("The file has no content but white space."));
            }
            let line = self.line;
            self.line += value::count_lines(&record);
            if let Some(header) = parse_header(record, self.delimiter, columns_max, line)? {
                return Ok(header);
            }
        }
    }

    /// Makes sure that `carry` holds a whole record, and returns its length; 0 at the file's end.
    fn take_record(&mut self) -> Result<usize, IngestError> {
        let mut target = 64 * 1024;
        loop {
            self.source.fill(&mut self.carry, target)?;
            let extent = self.extent();
            if let Some(end) = grammar::record_end(&self.carry, 0, self.delimiter, extent) {
                return Ok(end);
            }
            self.check_record_size(self.carry.len())?;
            target = self.carry.len() * 2;
        }
    }

    fn extent(&self) -> Extent {
        if self.source.is_finished() { Extent::Complete } else { Extent::Partial }
    }

    fn check_record_size(&self, size: usize) -> Result<(), IngestError> {
        if size > self.record_bytes_max {
            return Err(IngestError::RecordTooLong { line: self.line, bytes_max: self.record_bytes_max });
        }
        Ok(())
    }
}

/// The header's fields, or `None` for a blank line.
fn parse_header(mut record: Vec<u8>, delimiter: u8, columns_max: usize, line: u64) -> Result<Option<Header>, IngestError> {
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let field = grammar::next_field(&record, at, delimiter);
        let mut end = field.end;
        if field.shape == grammar::Shape::Doubled
            && let Some(text) = record.get_mut(field.start..field.end)
        {
            end = field.start + grammar::collapse_quotes(text);
        }
        let text = value::trim(record.get(field.start..end).unwrap_or_default());
        if fields.len() == columns_max {
            let found = fields.len() + 1;
            return Err(IngestError::TooManyColumns { found, max: columns_max });
        }
        fields.push(String::from_utf8_lossy(text).into_owned());
        at = field.next;
        if field.stop != Stop::Delimiter {
            break;
        }
    }
    if fields.len() == 1 && fields.iter().all(String::is_empty) {
        return Ok(None);
    }
    if fields.iter().all(String::is_empty) {
        return Err(IngestError::unreadable_at(line, "The header has no names. Put the column names into the first row."));
    }
    Ok(Some(Header { fields }))
}

impl BlockSource for CsvSource {
    fn next_block(&mut self) -> Result<Option<Block>, IngestError> {
        let mut text = std::mem::take(&mut self.carry);
        let mut target = self.size.bytes;
        loop {
            self.source.fill(&mut text, target)?;
            if let Some(end) = boundary(&text, self.delimiter, self.size.rows, self.extent()) {
                self.carry = text.split_off(end);
                break;
            }
            if self.source.is_finished() {
                break;
            }
            self.check_record_size(text.len())?;
            target = text.len() * 2;
        }
        if text.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        self.line += value::count_lines(&text);
        Ok(Some(Block {
            text,
            position: self.source.position().saturating_sub(crate::num::count(self.carry.len())),
            records: Records::Csv(CsvRecords::new(line, self.delimiter)),
        }))
    }

    fn mended(&self) -> Mended {
        self.source.mended()
    }
}

/// Where the last whole record ends, or the record number `rows`; `None` when there is no whole one.
fn boundary(text: &[u8], delimiter: u8, rows: usize, extent: Extent) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    let found = if memchr(b'"', text).is_some() {
        quoted_boundary(text, delimiter, rows, extent)
    } else if memchr(b'\r', text).is_some() {
        // A CR at the very end may be half of a CRLF.
        let ends = memchr2_iter(b'\n', b'\r', text)
            .filter(|at| text.get(*at) == Some(&b'\n') || text.get(at + 1).is_some_and(|next| *next != b'\n'));
        line_boundary(ends, rows)
    } else {
        line_boundary(memchr_iter(b'\n', text), rows)
    };
    match found {
        Some((end, true)) => Some(end),
        Some((_, false)) | None if extent == Extent::Complete => Some(text.len()),
        other => other.map(|(end, _)| end),
    }
}

/// The end of the last line, and whether the wanted number was reached.
fn line_boundary(mut ends: impl Iterator<Item = usize>, rows: usize) -> Option<(usize, bool)> {
    let mut last = None;
    let mut count = 0;
    while count < rows {
        match ends.next() {
            Some(at) => last = Some(at + 1),
            None => return last.map(|end| (end, false)),
        }
        count += 1;
    }
    last.map(|end| (end, true))
}

fn quoted_boundary(text: &[u8], delimiter: u8, rows: usize, extent: Extent) -> Option<(usize, bool)> {
    let mut end = 0;
    for _ in 0..rows {
        match grammar::record_end(text, end, delimiter, extent) {
            Some(next) if next > end => end = next,
            _ => return (end > 0).then_some((end, false)),
        }
    }
    Some((end, true))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn blocks(text: &str, rows: usize, bytes: usize) -> (Vec<String>, Vec<String>) {
        let source = TextSource::new(Box::new(Cursor::new(text.as_bytes().to_vec())), TextEncoding::Utf8);
        let (mut reader, header) = CsvSource::from_source(source, b',', &IngestLimits::default()).unwrap();
        reader.set_block_size(BlockSize { bytes, rows });
        let mut all = Vec::new();
        while let Some(block) = reader.next_block().unwrap() {
            all.push(String::from_utf8(block.text).unwrap());
        }
        (header.fields, all)
    }

    #[test]
    fn blocks_end_between_records() {
        let (header, found) = blocks("\n a ,\"b\nc\"\n1,2\r\n\"3\n\",4\n5,6", 1, 1);
        assert_eq!(header, ["a", "b\nc"]);
        assert_eq!(found, ["1,2\r\n", "\"3\n\",4\n", "5,6"]);
    }

    #[test]
    fn blocks_hold_as_many_rows_as_wanted() {
        let (_, found) = blocks("a\n1\n2\n3\n4\n5", 2, 1000);
        assert_eq!(found, ["1\n2\n", "3\n4\n", "5"]);
        let (_, found) = blocks("a\r1\r2\r3\r", 2, 1000);
        assert_eq!(found, ["1\r2\r", "3\r"]);
    }

    #[test]
    fn excels_separator_line_is_no_header() {
        let (header, found) = blocks("sep=,\r\na,b\r\n1,2", 10, 1000);
        assert_eq!((header, found), (vec!["a".to_owned(), "b".to_owned()], vec!["1,2".to_owned()]));
    }

    #[test]
    fn a_record_without_end_is_refused_with_its_line() {
        let text = format!("a,b\n1,2\n\"{}", "x\n".repeat(100_000));
        let limits = IngestLimits { record_bytes_max: 1024, ..IngestLimits::default() };
        let read = TextSource::new(Box::new(Slow(Cursor::new(text.into_bytes()))), TextEncoding::Utf8);
        let (mut reader, _) = CsvSource::from_source(read, b',', &limits).unwrap();
        reader.set_block_size(BlockSize { bytes: 512, rows: 10 });
        assert_eq!(String::from_utf8(reader.next_block().unwrap().unwrap().text).unwrap(), "1,2\n");
        assert!(matches!(reader.next_block(), Err(IngestError::RecordTooLong { line: 3, bytes_max: 1024 })));
    }

    /// Gives few bytes at a time, as a pipe does.
    struct Slow(Cursor<Vec<u8>>);

    impl std::io::Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = buffer.len().min(100);
            self.0.read(&mut buffer[..length])
        }
    }
}
