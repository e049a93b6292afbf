//! What a file is, told from its bytes. Its name only decides between kinds of text.

use gristmill_domain::documents::DocumentFormat;
use memchr::memmem;

/// Bytes that are looked at to tell text from other things.
const SAMPLE_BYTES: usize = 256 * 1024;
/// Where the mark of a PDF may begin: some programs write something before it.
const PDF_MARK_WITHIN: usize = 1024;

/// What a file was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// One of the formats that are read.
    Format(DocumentFormat),
    /// Something that is not read, and why, for a person.
    Unsupported(&'static str),
}

/// Tells what a file is. `filename` matters only for text, to tell Markdown from other text.
#[must_use]
pub fn sniff(bytes: &[u8], filename: &str) -> Sniffed {
    if is_pdf(bytes) {
        return Sniffed::Format(DocumentFormat::Pdf);
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return zipped(bytes);
    }
    if bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]) {
        return old_office(bytes);
    }
    if bytes.starts_with(b"{\\rtf") {
        return Sniffed::Unsupported("RTF is not read; save the document as DOCX or PDF");
    }
    let sample = bytes.get(..SAMPLE_BYTES).unwrap_or(bytes);
    if is_binary(sample) {
        return Sniffed::Unsupported("The file is not a document: it has no text that can be read");
    }
    let text = super::text::decode(sample).text;
    Sniffed::Format(text_format(&text, filename))
}

/// The mark at the start, or near it when the rest of a PDF is there too: a text may speak of the mark.
fn is_pdf(bytes: &[u8]) -> bool {
    const MARK: &[u8] = b"%PDF-";
    let head = bytes.get(..PDF_MARK_WITHIN).unwrap_or(bytes);
    bytes.starts_with(MARK) || (memmem::find(head, MARK).is_some() && memmem::find(bytes, b"startxref").is_some())
}

fn zipped(bytes: &[u8]) -> Sniffed {
    // Names of entries stand in the archive as they are.
    if memmem::find(bytes, b"word/document.xml").is_some() {
        Sniffed::Format(DocumentFormat::Docx)
    } else if memmem::find(bytes, b"xl/workbook").is_some() {
        Sniffed::Unsupported("The file is a workbook; upload it as a dataset")
    } else {
        Sniffed::Unsupported("The file is an archive, and not a DOCX document")
    }
}

fn old_office(bytes: &[u8]) -> Sniffed {
    let encrypted: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    if memmem::find(bytes, &encrypted).is_some() {
        Sniffed::Unsupported("The document is encrypted; remove its password and upload it again")
    } else {
        Sniffed::Unsupported("The binary Office formats of before 2007 are not read; save the document as DOCX or PDF")
    }
}

/// Whether bytes are something else than text in UTF-8, UTF-16 or one of the 8-bit encodings.
fn is_binary(sample: &[u8]) -> bool {
    if super::text::utf16_of(sample).is_some() {
        return false;
    }
    let odd = sample.iter().filter(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31 | 127)).count();
    // Some programs leave a NUL here and there.
    odd.saturating_mul(50) > sample.len()
}

fn text_format(text: &str, filename: &str) -> DocumentFormat {
    let start = text.trim_start();
    let head: String = start.chars().take(2048).collect::<String>().to_lowercase();
    let is_markup = head.starts_with("<!doctype html")
        || head.starts_with("<html")
        || head.starts_with("<?xml")
        || (head.starts_with('<') && ["<head", "<body", "<div", "<p>", "</"].iter().any(|tag| head.contains(tag)));
    if is_markup {
        return DocumentFormat::Html;
    }
    let extension = filename.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    let named = matches!(extension.as_deref(), Some("md" | "markdown" | "mdown" | "mkd"));
    if named || looks_like_markdown(text) { DocumentFormat::Markdown } else { DocumentFormat::Text }
}

/// Marks that other text does not have by chance: two headings, or a heading with a list, a link or a fence.
fn looks_like_markdown(text: &str) -> bool {
    let mut headings = 0;
    let mut others = 0;
    for line in text.lines().take(500) {
        if super::text::markdown_heading(line).is_some() {
            headings += 1;
        } else if line.starts_with("```") || line.starts_with("- ") || line.starts_with("* ") || line.contains("](") {
            others += 1;
        }
    }
    headings >= 2 || (headings == 1 && others >= 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(bytes: &[u8], name: &str) -> &'static str {
        match sniff(bytes, name) {
            Sniffed::Format(format) => format.as_str(),
            Sniffed::Unsupported(_) => "unsupported",
        }
    }

    #[test]
    fn content_decides_and_names_do_not() {
        for (bytes, name, expected) in [
            (&b"%PDF-1.7\n"[..], "a.txt", "pdf"),
            (b"\n\njunk %PDF-1.4 startxref", "a", "pdf"),
            (b"A file that begins with %PDF-1.4 is a PDF.", "a", "text"),
            (b"PK\x03\x04....word/document.xml", "a.pdf", "docx"),
            (b"PK\x03\x04....xl/workbook.xml", "a.docx", "unsupported"),
            (b"PK\x03\x04....", "a.docx", "unsupported"),
            (b"{\\rtf1 hello}", "a.txt", "unsupported"),
            (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1....", "a.doc", "unsupported"),
            (b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x00", "a.pdf", "unsupported"),
            (b"<!DOCTYPE html><title>x</title>", "a.txt", "html"),
            (b"\xEF\xBB\xBF  <html><body>", "a", "html"),
            (b"<?xml version='1.0'?><a/>", "a", "html"),
            (b"plain words", "a.pdf", "text"),
            (b"plain words", "a.MD", "markdown"),
            (b"# One\n\ntext\n\n## Two\n", "a.txt", "markdown"),
            (b"#!/bin/sh\n# comment\necho\n", "a.sh", "text"),
            (b"a,b\n1,2\n", "a.csv", "text"),
            (b"caf\xe9 na\xefve", "a", "text"),
            (b"\xFF\xFEh\x00i\x00", "a", "text"),
            (b"", "a", "text"),
        ] {
            assert_eq!(format(bytes, name), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
