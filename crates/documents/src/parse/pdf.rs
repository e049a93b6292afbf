//! PDF: text page by page. The library panics on odd files, so each page is read behind a catch.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pdf_extract::{Document, Error, PlainTextOutput, output_doc_page};

use super::{ParseLimits, Sink};
use crate::text::page_blocks;

const ENCRYPTED: &str = "The PDF is encrypted; remove its password and upload it again";
const BROKEN: &str = "The PDF is damaged and could not be read";

/// Reads the text of each page. Pages that cannot be read are counted and told.
pub(super) fn read(bytes: &[u8], limits: &ParseLimits, sink: &mut Sink<'_>) {
    let document = match load(bytes) {
        Ok(document) => document,
        Err(reason) => return sink.warn(reason),
    };
    let pages = catch_unwind(AssertUnwindSafe(|| document.get_pages().len())).unwrap_or(0);
    let pages = u32::try_from(pages).unwrap_or(u32::MAX);
    if pages == 0 {
        return sink.warn(why_unreadable(bytes));
    }
    sink.pages(pages);
    let (mut unreadable, mut empty) = (0_u32, 0_u32);
    for page in 1..=pages.min(limits.pages_max) {
        if sink.is_full() {
            return;
        }
        let Some(text) = page_text(&document, page) else {
            unreadable += 1;
            continue;
        };
        let mut has_text = false;
        page_blocks(&text, page, &mut |block| {
            has_text = true;
            sink.block(block);
        });
        empty += u32::from(!has_text);
    }
    tell(pages, unreadable, empty, limits, sink);
}

fn tell(pages: u32, unreadable: u32, empty: u32, limits: &ParseLimits, sink: &mut Sink<'_>) {
    if pages > limits.pages_max {
        sink.warn(format!("The PDF has {pages} pages; only the first {} were read", limits.pages_max));
    }
    if unreadable > 0 {
        sink.warn(format!("{unreadable} of {pages} pages are damaged and could not be read"));
    }
    if !sink.has_text() && unreadable == 0 {
        sink.warn("The PDF has no text: its pages are images. Run text recognition (OCR) on it and upload it again");
    } else if empty > 0 && sink.has_text() {
        sink.warn(format!("{empty} of {pages} pages have no text; scanned pages need text recognition (OCR)"));
    }
}

fn load(bytes: &[u8]) -> Result<Document, &'static str> {
    let loaded = catch_unwind(AssertUnwindSafe(|| {
        let mut document = Document::load_mem(bytes)?;
        if document.is_encrypted() {
            // Many are encrypted with no password, to keep others from printing them.
            document.decrypt("")?;
        }
        Ok::<Document, Error>(document)
    }));
    match loaded {
        Ok(Ok(document)) => Ok(document),
        Ok(Err(error)) => Err(reason_of(&error, bytes)),
        Err(_panic) => Err(why_unreadable(bytes)),
    }
}

fn reason_of(error: &Error, bytes: &[u8]) -> &'static str {
    let says_so = matches!(error, Error::Decryption(_) | Error::InvalidPassword | Error::UnsupportedSecurityHandler(_));
    if says_so { ENCRYPTED } else { why_unreadable(bytes) }
}

/// The library takes some files that need a password for damaged ones.
fn why_unreadable(bytes: &[u8]) -> &'static str {
    if memchr::memmem::find(bytes, b"/Encrypt").is_some() { ENCRYPTED } else { BROKEN }
}

fn page_text(document: &Document, page: u32) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| {
        let mut text = String::new();
        output_doc_page(document, &mut PlainTextOutput::new(&mut text), page).ok()?;
        Some(text)
    }))
    .ok()
    .flatten()
}
