//! DOCX: the text of `word/document.xml`, read as a stream. No entity is defined by a file, nothing nested is followed.

use std::io::{BufReader, Cursor, Read};

use quick_xml::{
    Reader,
    events::{BytesRef, BytesStart, Event as Xml},
};
use zip::{ZipArchive, result::ZipError};

use super::{Block, BlockKind, Sink};
use crate::text::push_block;

/// The most XML that is unpacked. A long book has some 20 MB of it.
const XML_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The most entries in the archive: a list of them is held in memory.
const ENTRIES_MAX: usize = 20_000;
/// The longest paragraph that is kept, bytes.
const PARAGRAPH_BYTES_MAX: usize = 1024 * 1024;
const MAIN_PART: &str = "word/document.xml";

/// Reads paragraphs, headings and rows of tables.
pub(super) fn read(bytes: &[u8], sink: &mut Sink<'_>) {
    if memchr::memmem::find_iter(bytes, b"PK\x01\x02").take(ENTRIES_MAX + 1).count() > ENTRIES_MAX {
        return sink.warn("The DOCX archive has too many entries");
    }
    let Ok(mut archive) = ZipArchive::new(Cursor::new(bytes)) else {
        return sink.warn("The DOCX document is damaged and could not be read");
    };
    let part = match archive.by_name(MAIN_PART) {
        Ok(part) => part,
        Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
            return sink.warn("The document is encrypted; remove its password and upload it again");
        }
        Err(_) => return sink.warn("The DOCX document is damaged and could not be read"),
    };
    let mut xml = Reader::from_reader(BufReader::new(part.take(XML_BYTES_MAX)));
    let mut state = State::default();
    let mut buffer = Vec::new();
    let whole = loop {
        if sink.is_full() {
            return;
        }
        buffer.clear();
        match xml.read_event_into(&mut buffer) {
            Ok(Xml::Eof) => break state.is_closed,
            Ok(event) => state.take(&event, sink),
            Err(_) => break false,
        }
    };
    state.end_paragraph(sink);
    if !whole {
        let unpacked = xml.get_ref().get_ref().limit() == 0;
        sink.warn(if unpacked {
            "The DOCX document unpacks to more than may be read; the rest was left out"
        } else {
            "The DOCX document is damaged; only a part of it could be read"
        });
    } else if !sink.has_text() {
        sink.warn("The DOCX document has no text");
    }
}

#[derive(Default)]
struct State {
    paragraph: String,
    heading: Option<u8>,
    /// Inside of `w:t`.
    in_text: bool,
    /// Depth of tables; the rows of the outermost are lines.
    tables: u32,
    row: String,
    page: u32,
    /// Word notes where it last broke pages; without such notes there are no pages.
    has_pages: bool,
    is_closed: bool,
}

impl State {
    fn take(&mut self, event: &Xml<'_>, sink: &mut Sink<'_>) {
        match event {
            Xml::Start(element) => self.open(element, sink, false),
            Xml::Empty(element) => self.open(element, sink, true),
            Xml::End(element) => self.close(element.local_name().into_inner(), sink),
            Xml::Text(text) if self.in_text => self.push(text),
            Xml::CData(text) if self.in_text => self.push(text),
            Xml::GeneralRef(reference) if self.in_text => self.push_reference(reference),
            _ => {}
        }
    }

    fn open(&mut self, element: &BytesStart<'_>, sink: &mut Sink<'_>, is_empty: bool) {
        match element.local_name().into_inner() {
            "p" => self.heading = None,
            "pStyle" => self.heading = value_of(element).and_then(|style| heading_of_style(&style)).or(self.heading),
            "outlineLvl" => {
                let level = value_of(element).and_then(|level| level.parse::<u8>().ok()).filter(|level| *level < 9);
                self.heading = level.map(|level| level.saturating_add(1)).or(self.heading);
            }
            "t" => self.in_text = !is_empty,
            "tab" | "br" | "cr" => self.push(" "),
            "noBreakHyphen" => self.push("-"),
            "lastRenderedPageBreak" => {
                if self.tables == 0 && !self.paragraph.trim().is_empty() {
                    self.emit(BlockKind::Paragraph, sink);
                }
                self.has_pages = true;
                self.page = self.page.saturating_add(1);
                sink.pages(self.page.saturating_add(1));
            }
            "tbl" if !is_empty => self.tables = self.tables.saturating_add(1),
            _ => {}
        }
    }

    fn close(&mut self, name: &str, sink: &mut Sink<'_>) {
        match name {
            "t" => self.in_text = false,
            "p" => self.end_paragraph(sink),
            "tc" if self.tables > 0 => self.row.push_str(" | "),
            "tr" if self.tables > 0 => self.end_row(sink),
            "tbl" => self.tables = self.tables.saturating_sub(1),
            "document" => self.is_closed = true,
            _ => {}
        }
    }

    fn push(&mut self, text: &str) {
        let room = PARAGRAPH_BYTES_MAX.saturating_sub(self.paragraph.len().saturating_add(self.row.len()));
        if text.len() <= room {
            self.paragraph.push_str(text);
        }
    }

    fn push_reference(&mut self, reference: &BytesRef<'_>) {
        let c = match reference.resolve_char_ref() {
            Ok(Some(c)) => Some(c),
            _ => named(reference),
        };
        if let Some(c) = c {
            self.push(c.encode_utf8(&mut [0; 4]));
        }
    }

    fn end_paragraph(&mut self, sink: &mut Sink<'_>) {
        if self.tables > 0 {
            // Paragraphs of a cell stand on its row's line.
            if !self.row.is_empty() && !self.row.ends_with("| ") {
                self.row.push(' ');
            }
            self.row.push_str(&std::mem::take(&mut self.paragraph));
            return;
        }
        let kind = self.heading.take().map_or(BlockKind::Paragraph, BlockKind::Heading);
        self.emit(kind, sink);
    }

    fn end_row(&mut self, sink: &mut Sink<'_>) {
        if self.tables > 1 {
            return;
        }
        self.paragraph = std::mem::take(&mut self.row).trim_end_matches(" | ").to_owned();
        self.emit(BlockKind::Line, sink);
    }

    fn emit(&mut self, kind: BlockKind, sink: &mut Sink<'_>) {
        let text = std::mem::take(&mut self.paragraph);
        let page = self.has_pages.then(|| self.page.saturating_add(1));
        push_block(kind, page, &text, &mut |block: Block| sink.block(block));
    }
}

fn value_of(element: &BytesStart<'_>) -> Option<String> {
    let mut attributes = element.attributes();
    let mut readable = attributes.with_checks(false).filter_map(Result::ok);
    readable.find(|attribute| attribute.key.local_name().into_inner() == "val").map(|attribute| attribute.value.into_owned())
}

/// `Heading2`, `heading 2`, `Title`: the names that Word keeps in every language of its own, and those of its translations
/// that end with the level.
fn heading_of_style(style: &str) -> Option<u8> {
    let style = style.to_lowercase();
    if style == "title" {
        return Some(1);
    }
    let is_heading =
        ["heading", "berschrift", "titre", "ttulo", "titolo", "kop", "rubrik"].iter().any(|name| style.contains(name));
    let level = style.chars().last()?.to_digit(10).filter(|level| (1..=9).contains(level))?;
    is_heading.then_some(u8::try_from(level).ok()?)
}

fn named(reference: &str) -> Option<char> {
    Some(match reference {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}
