//! JSON: an array, a single object or one object a line, streamed in blocks of whole objects.

mod object;
mod records;
mod scan;
mod text;

use std::{collections::HashMap, path::Path};

use memchr::{memchr_iter, memrchr};

pub(crate) use self::records::JsonRecords;
use self::scan::{ElementScanner, Scanned};
use crate::{
    block::{Block, BlockSize, BlockSource, Records},
    error::IngestError,
    num,
    request::IngestLimits,
    sniff::JsonKind,
    source::{Mended, TextEncoding, TextSource},
    value,
};

/// The keys that have a column, by place and by name.
#[derive(Debug)]
pub(crate) struct Keys {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Keys {
    pub(crate) fn new(names: Vec<String>) -> Self {
        let places = names.iter().enumerate().map(|(place, name)| (name.clone(), place)).collect();
        Self { names, places }
    }

    /// The column of a key. Objects mostly repeat the order of keys, so the expected place is tried first.
    fn place(&self, key: &str, expected: usize) -> Option<usize> {
        if self.names.get(expected).is_some_and(|name| name == key) {
            return Some(expected);
        }
        self.places.get(key).copied()
    }
}

/// A place in a block where one object stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element {
    start: usize,
    end: usize,
    line: u64,
}

/// A JSON file in blocks.
pub(crate) struct JsonSource {
    source: TextSource,
    kind: JsonKind,
    carry: Vec<u8>,
    line: u64,
    size: BlockSize,
    record_bytes_max: usize,
    scanner: ElementScanner,
}

impl JsonSource {
    pub(crate) fn open(path: &Path, encoding: TextEncoding, kind: JsonKind, limits: &IngestLimits) -> Result<Self, IngestError> {
        Ok(Self::new(TextSource::open(path, encoding)?, kind, limits))
    }

    pub(crate) fn new(source: TextSource, kind: JsonKind, limits: &IngestLimits) -> Self {
        Self {
            source,
            kind,
            carry: Vec::new(),
            line: 1,
            size: BlockSize::default(),
            record_bytes_max: limits.record_bytes_max,
            scanner: ElementScanner::new(kind == JsonKind::Array),
        }
    }

    pub(crate) fn set_block_size(&mut self, size: BlockSize) {
        self.size = size;
    }

    fn too_long(&self, line: u64) -> IngestError {
        IngestError::RecordTooLong { line, bytes_max: self.record_bytes_max }
    }

    fn next_lines(&mut self) -> Result<Option<Block>, IngestError> {
        let mut text = std::mem::take(&mut self.carry);
        let mut target = self.size.bytes;
        loop {
            self.source.fill(&mut text, target)?;
            let end = memchr_iter(b'\n', &text)
                .nth(self.size.rows - 1)
                .or_else(|| if self.source.is_finished() { None } else { memrchr(b'\n', &text) });
            if let Some(end) = end {
                self.carry = text.split_off(end + 1);
                break;
            }
            if self.source.is_finished() {
                break;
            }
            if text.len() > self.record_bytes_max {
                return Err(self.too_long(self.line));
            }
            target = text.len() * 2;
        }
        if text.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        self.line += num::count(memchr_iter(b'\n', &text).count());
        Ok(Some(self.block(text, JsonRecords::lines(line))))
    }

    fn next_elements(&mut self) -> Result<Option<Block>, IngestError> {
        let mut text = std::mem::take(&mut self.carry);
        let mut target = self.size.bytes;
        let mut elements = Vec::new();
        let mut counted = 0;
        self.scanner.rebase();
        loop {
            self.source.fill(&mut text, target)?;
            let scanned = self.scan(&text, &mut elements, &mut counted)?;
            if scanned == Scanned::End || elements.len() >= self.size.rows {
                break;
            }
            if self.source.is_finished() {
                return Err(self.cut_off(&text, counted));
            }
            if !elements.is_empty() && text.len() >= self.size.bytes {
                break;
            }
            if text.len().saturating_sub(self.scanner.position()) > self.record_bytes_max {
                return Err(
                    self.too_long(self.line + value::count_lines(text.get(counted..self.scanner.position()).unwrap_or_default()))
                );
            }
            target = text.len() * 2;
        }
        // What follows the last element is scanned again in the next block.
        self.line += value::count_lines(text.get(counted..self.scanner.position()).unwrap_or_default());
        self.carry = text.split_off(self.scanner.position().min(text.len()));
        if elements.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.block(text, JsonRecords::elements(elements))))
    }

    /// Collects elements until there are enough or more text is needed. `counted` is how far lines were counted.
    fn scan(&mut self, text: &[u8], elements: &mut Vec<Element>, counted: &mut usize) -> Result<Scanned, IngestError> {
        while elements.len() < self.size.rows {
            match self.scanner.next(text, self.source.is_finished()) {
                Scanned::Element { start, end } => {
                    self.line += value::count_lines(text.get(*counted..start).unwrap_or_default());
                    *counted = start;
                    if end - start > self.record_bytes_max {
                        return Err(self.too_long(self.line));
                    }
                    elements.push(Element { start, end, line: self.line });
                }
                Scanned::Trailing { at } => {
                    let line = self.line + value::count_lines(text.get(*counted..at).unwrap_or_default());
                    return Err(IngestError::unreadable_at(
                        line,
                        "Something follows the end of the JSON array. Remove it, or upload one object a line as .ndjson.",
                    ));
                }
                other => return Ok(other),
            }
        }
        Ok(Scanned::NeedMore)
    }

    fn cut_off(&self, text: &[u8], counted: usize) -> IngestError {
        let line = self.line + value::count_lines(text.get(counted..).unwrap_or_default());
        IngestError::unreadable_at(line, "The JSON ends in the middle: a bracket is not closed. The file seems to be cut off.")
    }

    fn block(&self, text: Vec<u8>, records: JsonRecords) -> Block {
        let position = self.source.position().saturating_sub(num::count(self.carry.len()));
        Block { text, position, records: Records::Json(records) }
    }
}

impl BlockSource for JsonSource {
    fn next_block(&mut self) -> Result<Option<Block>, IngestError> {
        match self.kind {
            JsonKind::Lines => self.next_lines(),
            JsonKind::Array | JsonKind::Sequence => self.next_elements(),
        }
    }

    fn mended(&self) -> Mended {
        self.source.mended()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(text: &str, kind: JsonKind, bytes: usize) -> Result<Vec<Vec<(String, u64)>>, IngestError> {
        let source = TextSource::new(Box::new(Cursor::new(text.as_bytes().to_vec())), TextEncoding::Utf8);
        let limits = IngestLimits { record_bytes_max: 4096, ..IngestLimits::default() };
        let mut reader = JsonSource::new(source, kind, &limits);
        reader.set_block_size(BlockSize { bytes, rows: 2 });
        let mut all = Vec::new();
        while let Some(block) = reader.next_block()? {
            let Records::Json(records) = &block.records else { panic!("JSON gives JSON") };
            all.push(
                records
                    .remaining(&block.text)
                    .map(|(range, line)| (String::from_utf8(block.text[range].to_vec()).unwrap(), line))
                    .collect(),
            );
        }
        Ok(all)
    }

    #[test]
    fn arrays_come_apart_into_elements_with_lines() {
        let found = read("[ {\"a\":[1,\"]\"]},\n{\"b\":\"\\\"}\"}\n,\n3, {}]\n", JsonKind::Array, 1).unwrap();
        let flat: Vec<_> = found.into_iter().flatten().collect();
        let expected = [("{\"a\":[1,\"]\"]}", 1), ("{\"b\":\"\\\"}\"}", 2), ("3", 4), ("{}", 4)];
        assert_eq!(flat, expected.map(|(text, line)| (text.to_owned(), line)));
    }

    #[test]
    fn sequences_and_lines_come_apart_too() {
        let found = read("{\n \"a\": 1\n}\n{\"a\":2}", JsonKind::Sequence, 100).unwrap();
        assert_eq!(found.concat(), [("{\n \"a\": 1\n}".to_owned(), 1), ("{\"a\":2}".to_owned(), 4)]);
        let found = read("{\"a\":1}\n\n{\"a\":2}\r\n{\"a\":3}", JsonKind::Lines, 100).unwrap();
        let lines: Vec<_> = found.concat().into_iter().filter(|(text, _)| !text.is_empty()).collect();
        assert_eq!(lines, [("{\"a\":1}".to_owned(), 1), ("{\"a\":2}".to_owned(), 3), ("{\"a\":3}".to_owned(), 4)]);
    }

    #[test]
    fn cut_off_oversize_and_trailing_text_are_refused() {
        for text in ["[{\"a\":1}", "[{\"a\":1},{\"b", "[", "[{\"a\":\"x"] {
            assert!(matches!(read(text, JsonKind::Array, 10), Err(IngestError::Unreadable { line: Some(1), .. })), "{text:?}");
        }
        let long = format!("[\n{{\"a\":\"{}\"}}]", "x".repeat(5000));
        assert!(matches!(read(&long, JsonKind::Array, 10), Err(IngestError::RecordTooLong { line: 2, .. })));
        assert!(matches!(read("[{}]\n[{}]", JsonKind::Array, 100), Err(IngestError::Unreadable { line: Some(2), .. })));
    }
}
