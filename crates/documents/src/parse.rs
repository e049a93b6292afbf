//! Files to blocks of text. Everything read here is hostile: what a file can make this do is bounded by [`ParseLimits`] where
//! that is cheap, and by the process that it runs in ([`crate::worker`]) for the rest.

mod docx;
mod html;
mod pdf;

use gristmill_domain::documents::DocumentFormat;
use serde::{Deserialize, Serialize};

use crate::{
    sniff::{Sniffed, sniff},
    text::{decode, markdown_blocks, plain_blocks},
};

/// What a block counts for beside its text: a million blocks of one letter take memory too.
const BLOCK_BYTES: usize = 16;

/// What a file may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseLimits {
    /// Pages that are read; further ones are left out, with a warning.
    pub pages_max: u32,
    /// Bytes of text that are kept, some for each block included; the rest is left out, with a warning.
    pub text_bytes_max: usize,
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self { pages_max: 2000, text_bytes_max: 32 * 1024 * 1024 }
    }
}

/// What kind of text a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockKind {
    /// A heading of a level, 1 the outermost.
    Heading(u8),
    /// A paragraph.
    Paragraph,
    /// A line of something that is made of lines: a table, a list, a program.
    Line,
}

/// A piece of text that stands by itself: one line, without control characters or runs of white space, never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// The page it is on, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// Its text.
    pub text: String,
}

/// What was read from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedDocument {
    /// What the file is.
    pub format: DocumentFormat,
    /// How many pages it has, if it has pages.
    pub page_count: Option<u32>,
    /// Its text, in order.
    pub blocks: Vec<Block>,
    /// Why text is missing, for a person.
    pub warning: Option<String>,
}

impl Default for ParsedDocument {
    fn default() -> Self {
        Self { format: DocumentFormat::Unknown, page_count: None, blocks: Vec::new(), warning: None }
    }
}

impl ParsedDocument {
    /// Adds something that was found out.
    pub(crate) fn add(&mut self, event: Event) {
        match event {
            Event::Format(format) => self.format = format,
            Event::Pages(pages) => self.page_count = Some(pages),
            Event::Block(block) => self.blocks.push(block),
            Event::Warning(warning) => self.warn(&warning),
        }
    }

    /// Adds a warning to those that are there.
    pub fn warn(&mut self, warning: &str) {
        match &mut self.warning {
            None => self.warning = Some(warning.to_owned()),
            Some(warnings) => {
                warnings.push_str("; ");
                warnings.push_str(warning);
            }
        }
    }
}

/// One thing that was found out, in the order in which it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Event {
    Format(DocumentFormat),
    Pages(u32),
    Block(Block),
    Warning(String),
}

/// Where parsers put what they find. Takes only so much text.
pub(crate) struct Sink<'a> {
    emit: &'a mut dyn FnMut(Event),
    text_bytes_left: usize,
    is_full: bool,
    has_text: bool,
    has_warned: bool,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(limits: &ParseLimits, emit: &'a mut dyn FnMut(Event)) -> Self {
        Self { emit, text_bytes_left: limits.text_bytes_max, is_full: false, has_text: false, has_warned: false }
    }

    /// Takes a block, or nothing once it is full.
    pub(crate) fn block(&mut self, block: Block) {
        if self.is_full {
            return;
        }
        let size = block.text.len().saturating_add(BLOCK_BYTES);
        if size > self.text_bytes_left {
            self.is_full = true;
            self.warn("The document has more text than is kept; the rest was left out");
            return;
        }
        self.text_bytes_left -= size;
        self.has_text = true;
        (self.emit)(Event::Block(block));
    }

    pub(crate) fn warn(&mut self, warning: impl Into<String>) {
        self.has_warned = true;
        (self.emit)(Event::Warning(warning.into()));
    }

    pub(crate) fn pages(&mut self, pages: u32) {
        (self.emit)(Event::Pages(pages));
    }

    /// Whether further text would be left out.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    pub(crate) fn has_text(&self) -> bool {
        self.has_text
    }
}

/// Reads a document. Never fails: a file without readable text gives no blocks and a warning. It may take long, much memory,
/// or the stack; callers with hostile files run it in [`crate::worker`].
///
/// ```
/// use gristmill_documents::{ParseLimits, parse};
/// let document = parse(b"# Mills\n\nThey grind.", "notes.md", &ParseLimits::default());
/// assert_eq!(document.format.as_str(), "markdown");
/// assert_eq!(document.blocks.len(), 2);
/// ```
#[must_use]
pub fn parse(bytes: &[u8], filename: &str, limits: &ParseLimits) -> ParsedDocument {
    let mut document = ParsedDocument::default();
    parse_into(bytes, filename, limits, &mut |event| document.add(event));
    document
}

/// As [`parse`], and hands on what it finds as soon as it does.
pub(crate) fn parse_into(bytes: &[u8], filename: &str, limits: &ParseLimits, emit: &mut dyn FnMut(Event)) {
    let format = match sniff(bytes, filename) {
        Sniffed::Format(format) => format,
        Sniffed::Unsupported(reason) => {
            emit(Event::Warning(reason.to_owned()));
            return;
        }
    };
    emit(Event::Format(format));
    let mut sink = Sink::new(limits, emit);
    match format {
        DocumentFormat::Pdf => pdf::read(bytes, limits, &mut sink),
        DocumentFormat::Docx => docx::read(bytes, &mut sink),
        DocumentFormat::Html => html::read(&decoded(bytes, &mut sink), &mut sink),
        DocumentFormat::Markdown => markdown_blocks(&decoded(bytes, &mut sink), &mut |block| sink.block(block)),
        DocumentFormat::Text | DocumentFormat::Unknown => {
            plain_blocks(&decoded(bytes, &mut sink), &mut |block| sink.block(block));
        }
    }
    if !sink.has_text && !sink.has_warned {
        sink.warn("The document has no text");
    }
}

fn decoded(bytes: &[u8], sink: &mut Sink<'_>) -> String {
    let decoded = decode(bytes);
    if let Some(warning) = decoded.warning {
        sink.warn(warning);
    }
    decoded.text
}
