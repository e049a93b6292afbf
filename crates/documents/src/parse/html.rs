//! HTML and XML: the text without tags, by a tolerant reader that goes forward only. Nothing is fetched, run or nested.

use super::{BlockKind, Sink};
use crate::text::push_block;

/// Elements whose content is no text.
const HIDDEN: [&str; 8] = ["script", "style", "noscript", "template", "svg", "iframe", "object", "math"];
/// Elements inside of a line: everything else begins a new block.
const INLINE: [&str; 36] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img", "ins",
    "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
    "input", "ruby",
];
/// Characters of a tag that are looked at for the end of its attributes: quotes that never close must not cost more.
const TAG_CHARS_MAX: usize = 16 * 1024;
/// The longest entity that is looked for.
const ENTITY_BYTES_MAX: usize = 12;

/// Reads text block by block.
pub(super) fn read(text: &str, sink: &mut Sink<'_>) {
    let mut page = Page { block: String::new(), kind: BlockKind::Paragraph };
    let mut rest = text;
    while !rest.is_empty() && !sink.is_full() {
        let Some(at) = rest.find('<') else {
            page.push(rest);
            break;
        };
        let (before, tag) = rest.split_at_checked(at).unwrap_or((rest, ""));
        page.push(before);
        rest = page.markup(tag, sink);
    }
    page.end_block(sink);
    if !sink.has_text() {
        sink.warn("The document has no text");
    }
}

struct Page {
    block: String,
    kind: BlockKind,
}

impl Page {
    /// Takes what begins with `<` and returns what comes after it.
    fn markup<'a>(&mut self, markup: &'a str, sink: &mut Sink<'_>) -> &'a str {
        if let Some(comment) = markup.strip_prefix("<!--") {
            return after(comment, "-->");
        }
        if let Some(data) = markup.strip_prefix("<![CDATA[") {
            let (data, rest) = data.split_once("]]>").unwrap_or((data, ""));
            self.block.push_str(data);
            return rest;
        }
        if markup.starts_with("<!") || markup.starts_with("<?") {
            return after(markup, ">");
        }
        let inner = markup.strip_prefix('<').unwrap_or(markup);
        let is_end = inner.starts_with('/');
        let named = inner.strip_prefix('/').unwrap_or(inner);
        if !named.starts_with(|c: char| c.is_ascii_alphabetic()) {
            // A `<` that begins no tag.
            self.block.push('<');
            return inner;
        }
        let length = named.find(|c: char| c.is_whitespace() || c == '>' || c == '/').unwrap_or(named.len());
        let (name, attributes) = named.split_at_checked(length).unwrap_or((named, ""));
        let name = name.to_ascii_lowercase();
        let (attributes, rest) = end_of_tag(attributes);
        if HIDDEN.contains(&name.as_str()) && !is_end {
            return if attributes.ends_with('/') { rest } else { after_element(rest, &name) };
        }
        self.tag(&name, is_end, sink);
        rest
    }

    fn tag(&mut self, name: &str, is_end: bool, sink: &mut Sink<'_>) {
        if INLINE.contains(&name) {
            return;
        }
        if matches!(name, "td" | "th") {
            self.block.push_str(if is_end { " | " } else { " " });
            return;
        }
        self.end_block(sink);
        self.kind = match name {
            _ if is_end => BlockKind::Paragraph,
            "h1" | "title" => BlockKind::Heading(1),
            "h2" => BlockKind::Heading(2),
            "h3" => BlockKind::Heading(3),
            "h4" => BlockKind::Heading(4),
            "h5" => BlockKind::Heading(5),
            "h6" => BlockKind::Heading(6),
            "li" | "tr" | "dt" | "dd" | "br" => BlockKind::Line,
            _ => BlockKind::Paragraph,
        };
    }

    /// Adds text, with its entities resolved once.
    fn push(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find('&') {
            let (before, reference) = rest.split_at_checked(at).unwrap_or((rest, ""));
            self.block.push_str(before);
            let (c, length) = entity(reference);
            self.block.push(c);
            rest = reference.get(length..).unwrap_or_default();
        }
        self.block.push_str(rest);
    }

    fn end_block(&mut self, sink: &mut Sink<'_>) {
        let text = std::mem::take(&mut self.block);
        let text = text.trim().trim_end_matches('|');
        push_block(self.kind, None, text, &mut |block| sink.block(block));
    }
}

fn after<'a>(text: &'a str, mark: &str) -> &'a str {
    text.split_once(mark).map_or("", |(_, rest)| rest)
}

/// The attributes of a tag and what comes after its `>`; a `>` inside of quotes does not end it.
fn end_of_tag(text: &str) -> (&str, &str) {
    let mut quote = None;
    for (at, c) in text.char_indices().take(TAG_CHARS_MAX) {
        match (quote, c) {
            (None, '>') => return (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    // Never closed: the quotes are wrong, or the file is cut.
    match text.split_once('>') {
        Some(parts) => parts,
        None => (text, ""),
    }
}

/// What comes after the end of a hidden element.
fn after_element<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        let inner = rest.get(at + 2..).unwrap_or_default();
        if inner.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return after(inner, ">");
        }
        rest = inner;
    }
    ""
}

/// The character of an entity at the start of `text` and how many bytes it takes; `&` itself when it is none.
fn entity(text: &str) -> (char, usize) {
    let window: String = text.chars().take(ENTITY_BYTES_MAX).collect();
    let Some(end) = window.find(';') else { return ('&', 1) };
    let name = window.get(1..end).unwrap_or_default();
    let c = if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok(),
            None => number.parse().ok(),
        };
        code.and_then(char::from_u32)
    } else {
        named(name)
    };
    c.map_or(('&', 1), |c| (c, end + 1))
}

fn named(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "shy" => '\u{AD}',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "bull" => '•',
        "middot" => '·',
        "copy" => '©',
        "reg" => '®',
        "euro" => '€',
        "pound" => '£',
        "sect" => '§',
        "deg" => '°',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "Auml" => 'Ä',
        "Ouml" => 'Ö',
        "Uuml" => 'Ü',
        "szlig" => 'ß',
        "eacute" => 'é',
        "egrave" => 'è',
        "agrave" => 'à',
        "ccedil" => 'ç',
        "ntilde" => 'ñ',
        _ => return None,
    })
}
