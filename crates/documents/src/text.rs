//! Bytes to text, and text to blocks: plain text, tables of separated values, Markdown.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::parse::{Block, BlockKind};

/// Text with what was odd about its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) text: String,
    pub(crate) warning: Option<&'static str>,
}

/// Decodes text of any encoding that can be told. Never fails: what cannot be decoded becomes U+FFFD.
pub(crate) fn decode(bytes: &[u8]) -> Decoded {
    if let Some(encoding) = utf16_of(bytes) {
        return Decoded { text: encoding.decode(bytes).0.into_owned(), warning: None };
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Decoded { text: text.to_owned(), warning: None },
        // Cut in the middle of a character: the end of a sample, or of a file.
        Err(error) if error.error_len().is_none() => Decoded { text: String::from_utf8_lossy(bytes).into_owned(), warning: None },
        Err(_) => decode_damaged(bytes),
    }
}

/// UTF-8 with errors, or an 8-bit encoding: whichever explains more of the bytes beyond ASCII.
fn decode_damaged(bytes: &[u8]) -> Decoded {
    let (mut whole, mut broken) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        whole += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        broken += chunk.invalid().len();
    }
    if whole >= broken {
        let text = String::from_utf8_lossy(bytes).into_owned();
        return Decoded { text, warning: Some("Some bytes of the file are not valid UTF-8 and were replaced") };
    }
    let (text, _, _) = WINDOWS_1252.decode(bytes);
    Decoded { text: text.into_owned(), warning: Some("The file is not in UTF-8; it was read as Windows-1252") }
}

/// UTF-16 by its mark, or by the zero bytes that Latin text has at every other place.
pub(crate) fn utf16_of(bytes: &[u8]) -> Option<&'static Encoding> {
    match Encoding::for_bom(bytes) {
        Some((encoding, _)) if encoding == UTF_16LE || encoding == UTF_16BE => return Some(encoding),
        _ => {}
    }
    let sample = bytes.get(..4096).unwrap_or(bytes);
    let zeros = |odd: usize| sample.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let half = sample.len() / 2;
    let (even, odd) = (zeros(0), zeros(1));
    // Most of one half, nearly none of the other.
    if half >= 4 && odd * 10 > half * 7 && even * 10 < half {
        Some(UTF_16LE)
    } else if half >= 4 && even * 10 > half * 7 && odd * 10 < half {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// One piece of text on one line: no control characters, each run of white space one space.
pub(crate) fn squeeze(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() {
            gap = true;
            continue;
        }
        if is_dropped(c) {
            continue;
        }
        if gap && !squeezed.is_empty() {
            squeezed.push(' ');
        }
        gap = false;
        match ligature(c) {
            Some(letters) => squeezed.push_str(letters),
            None => squeezed.push(c),
        }
    }
    squeezed
}

/// Characters that say nothing and would keep words from being found.
fn is_dropped(c: char) -> bool {
    c.is_control() || matches!(c, '\u{AD}' | '\u{200B}' | '\u{2060}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}')
}

fn ligature(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{FB00}' => "ff",
        '\u{FB01}' => "fi",
        '\u{FB02}' => "fl",
        '\u{FB03}' => "ffi",
        '\u{FB04}' => "ffl",
        '\u{FB05}' | '\u{FB06}' => "st",
        _ => return None,
    })
}

/// Blocks of plain text: paragraphs between blank lines. Lines of tables stay lines.
pub(crate) fn plain_blocks(text: &str, push: &mut dyn FnMut(Block)) {
    if is_table(text) {
        for line in text.lines() {
            push_block(BlockKind::Line, None, line, push);
        }
    } else {
        paragraphs(text, None, push);
    }
}

/// Blocks of a page.
pub(crate) fn page_blocks(text: &str, page: u32, push: &mut dyn FnMut(Block)) {
    paragraphs(text, Some(page), push);
}

fn paragraphs(text: &str, page: Option<u32>, push: &mut dyn FnMut(Block)) {
    let mut paragraph = String::new();
    let mut lines = 0_usize;
    // One more blank line ends the last paragraph.
    for line in text.lines().chain([""]) {
        if !line.trim().is_empty() {
            join_line(&mut paragraph, line);
            lines += 1;
            continue;
        }
        let heading = if lines == 1 { heading_level(&paragraph) } else { None };
        push_block(heading.map_or(BlockKind::Paragraph, BlockKind::Heading), page, &paragraph, push);
        paragraph.clear();
        lines = 0;
    }
}

/// The level of a line that stands alone, if it looks like a heading: `Article I`, `CHAPTER 4. SELECTION`, `3.1 Scope`.
fn heading_level(line: &str) -> Option<u8> {
    const HEADING_CHARS_MAX: usize = 100;
    let line = line.trim();
    if line.chars().nth(HEADING_CHARS_MAX).is_some() {
        return None;
    }
    let (first, rest) = line.split_once(' ')?;
    let number = first.trim_end_matches('.');
    let is_numbered =
        number.split('.').all(|part| !part.is_empty() && part.len() <= 2 && part.chars().all(|c| c.is_ascii_digit()));
    if is_numbered && rest.starts_with(|c: char| c.is_uppercase()) && !line.ends_with(['.', ',', ';', ':']) {
        return u8::try_from(number.split('.').count()).ok().map(|level| level.clamp(2, 6));
    }
    let is_division = match first.to_lowercase().as_str() {
        "part" | "book" | "chapter" | "article" | "appendix" | "title" => Some(1),
        "section" | "amendment" => Some(2),
        _ => None,
    };
    let counted = rest.split([' ', '.', ':', ',']).next().is_some_and(|word| {
        let is_roman = word.chars().all(|c| "IVXLCDMivxlcdm".contains(c));
        !word.is_empty() && (is_roman || word.chars().all(|c| c.is_ascii_digit()) || word.chars().count() == 1)
    });
    is_division.filter(|_| counted)
}

/// Appends a line; a word that was divided at the end of the line before becomes whole.
pub(crate) fn join_line(paragraph: &mut String, line: &str) {
    let line = line.trim();
    let divided = paragraph.strip_suffix('-').is_some_and(|rest| rest.ends_with(|c: char| c.is_lowercase()))
        && line.starts_with(|c: char| c.is_lowercase());
    if divided {
        paragraph.pop();
    } else if !paragraph.is_empty() {
        paragraph.push(' ');
    }
    paragraph.push_str(line);
}

/// Hands on a block unless it has no text.
pub(crate) fn push_block(kind: BlockKind, page: Option<u32>, text: &str, push: &mut dyn FnMut(Block)) {
    let text = squeeze(text);
    if !text.is_empty() {
        push(Block { kind, page, text });
    }
}

/// Whether most lines have the same number of the same separator.
fn is_table(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(50).collect();
    if lines.len() < 3 {
        return false;
    }
    [',', '\t', ';', '|'].into_iter().any(|separator| {
        let counts: Vec<usize> = lines.iter().map(|line| line.matches(separator).count()).collect();
        let first = counts.first().copied().unwrap_or(0);
        let same = counts.iter().filter(|count| **count == first).count();
        first >= 1 && same * 10 >= counts.len() * 9
    })
}

/// The level and the text of a Markdown heading (`## Two`).
pub(crate) fn markdown_heading(line: &str) -> Option<(u8, &str)> {
    let level = line.chars().take_while(|c| *c == '#').count();
    let rest = line.get(level..)?;
    let level = u8::try_from(level).ok().filter(|level| (1..=6).contains(level))?;
    let text = rest.strip_prefix([' ', '\t'])?.trim().trim_end_matches('#').trim_end();
    (!text.is_empty()).then_some((level, text))
}

/// Blocks of Markdown. Marks inside of a line stay: they are words to nobody.
pub(crate) fn markdown_blocks(text: &str, push: &mut dyn FnMut(Block)) {
    let mut paragraph = String::new();
    let mut fenced = false;
    let flush = |paragraph: &mut String, push: &mut dyn FnMut(Block)| {
        push_block(BlockKind::Paragraph, None, paragraph, push);
        paragraph.clear();
    };
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
            flush(&mut paragraph, push);
            fenced = !fenced;
        } else if fenced {
            push_block(BlockKind::Line, None, line, push);
        } else if let Some((level, heading)) = markdown_heading(line) {
            flush(&mut paragraph, push);
            push_block(BlockKind::Heading(level), None, heading, push);
        } else if let Some(level) = underline(trimmed).filter(|_| !paragraph.is_empty()) {
            push_block(BlockKind::Heading(level), None, &paragraph, push);
            paragraph.clear();
        } else if trimmed.is_empty() {
            flush(&mut paragraph, push);
        } else if is_item(trimmed) || trimmed.starts_with('|') {
            flush(&mut paragraph, push);
            push_block(BlockKind::Line, None, line, push);
        } else {
            join_line(&mut paragraph, line);
        }
    }
    flush(&mut paragraph, push);
}

/// The level of a heading that is underlined.
fn underline(line: &str) -> Option<u8> {
    let all = |mark: char| line.len() >= 3 && line.chars().all(|c| c == mark);
    if all('=') { Some(1) } else { all('-').then_some(2) }
}

fn is_item(line: &str) -> bool {
    let numbered = line.split_once(['.', ')']).is_some_and(|(number, rest)| {
        !number.is_empty() && number.len() <= 4 && number.chars().all(|c| c.is_ascii_digit()) && rest.starts_with(' ')
    });
    numbered || ["- ", "* ", "+ "].iter().any(|mark| line.starts_with(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(markdown: &str) -> Vec<(BlockKind, String)> {
        let mut all = Vec::new();
        markdown_blocks(markdown, &mut |block| all.push((block.kind, block.text)));
        all
    }

    #[test]
    fn markdown_has_headings_paragraphs_and_lines() {
        let text = "Title\n=====\n\nOne line\nand another.\n- item\n1. first\n```\n# no heading\n```\n### Three ###\nend\n";
        let expected = [
            (BlockKind::Heading(1), "Title"),
            (BlockKind::Paragraph, "One line and another."),
            (BlockKind::Line, "- item"),
            (BlockKind::Line, "1. first"),
            (BlockKind::Line, "# no heading"),
            (BlockKind::Heading(3), "Three"),
            (BlockKind::Paragraph, "end"),
        ];
        assert_eq!(blocks(text), expected.map(|(kind, text)| (kind, text.to_owned())));
    }

    #[test]
    fn bytes_of_any_encoding_become_text() {
        for (bytes, expected, warns) in [
            (&b"caf\xc3\xa9"[..], "café", false),
            (b"\xEF\xBB\xBFx", "x", false),
            (b"caf\xe9 au lait", "café au lait", true),
            (b"h\x00e\x00l\x00l\x00o\x00", "hello", false),
            (b"\xFE\xFF\x00h\x00i", "hi", false),
            ("größer \u{4f60}".as_bytes(), "größer 你", false),
            (b"gr\xc3\xb6\xc3\x9fer \xff", "größer \u{FFFD}", true),
        ] {
            let decoded = decode(bytes);
            assert_eq!((decoded.text.as_str(), decoded.warning.is_some()), (expected, warns));
        }
    }

    #[test]
    fn text_is_squeezed() {
        assert_eq!(squeeze(" a\u{0}\t b\u{AD}c \n\u{FB01}sh\u{1b} "), "a bc fish");
    }

    #[test]
    fn lines_that_number_what_follows_are_headings() {
        for (line, expected) in [
            ("Article I", Some(1)),
            ("CHAPTER 4. NATURAL SELECTION", Some(1)),
            ("Section 8.", Some(2)),
            ("3.1 Scope", Some(2)),
            ("Part of the whole", None),
            ("1. Wash your hands.", None),
            ("1999 was a good year", None),
            ("Title of something", None),
            ("word", None),
        ] {
            assert_eq!(heading_level(line), expected, "{line}");
        }
    }

    #[test]
    fn divided_words_become_whole_and_tables_stay_lines() {
        let mut all = Vec::new();
        plain_blocks("An exam-\nple of a\nwell-\nKnown\n\nthing.", &mut |block| all.push(block.text));
        assert_eq!(all, ["An example of a well- Known", "thing."]);
        all.clear();
        plain_blocks("a,b\n1,2\n3,4\n", &mut |block| all.push(block.text));
        assert_eq!(all, ["a,b", "1,2", "3,4"]);
    }
}
