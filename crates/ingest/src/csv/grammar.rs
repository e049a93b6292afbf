//! Where a CSV field ends. One set of rules for the header, the splitter into blocks and the workers, so that they never
//! disagree.
//!
//! RFC 4180, with these answers to what it leaves open:
//! - A quote opens a field only at its beginning (blanks before it are skipped); elsewhere it is an ordinary character.
//! - A quote inside a quoted field that is neither doubled nor followed by the field's end is an ordinary character, when
//!   the field is closed properly further on in the same line: `"He said "hi" to me"`.
//! - Otherwise the quote that opened the field was no such quote: the field is read to the next separator as it stands.
//!   So one forgotten quote damages one line and does not swallow the rest of the file.

use memchr::{memchr, memchr2, memchr3};

/// What ended a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The separator: another field follows.
    Delimiter,
    /// A line end: the record is complete.
    Line,
    /// The end of the text: the record is complete.
    End,
}

/// How a field was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Without quotes.
    Plain,
    /// In quotes.
    Quoted,
    /// In quotes, with doubled quotes inside that stand for one.
    Doubled,
    /// With an opening quote that is never closed; the text includes it.
    Unclosed,
}

/// One field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    /// Where its text begins, quotes not included.
    pub(crate) start: usize,
    /// Where its text ends.
    pub(crate) end: usize,
    /// Where the next field or record begins.
    pub(crate) next: usize,
    pub(crate) stop: Stop,
    pub(crate) shape: Shape,
    /// Whether more text behind the end could change the answer.
    pub(crate) open_ended: bool,
}

/// Reads the field that begins at `at`. The text's end is taken for the file's end.
pub(crate) fn next_field(text: &[u8], at: usize, delimiter: u8) -> Field {
    // Nearly every field begins with neither a blank nor a quote.
    match text.get(at) {
        Some(b' ' | b'\t' | b'"') => {
            let open = skip_blanks(text, at, delimiter);
            if text.get(open) == Some(&b'"') {
                quoted(text, open, delimiter)
            } else {
                plain(text, at, at, delimiter, Shape::Plain)
            }
        }
        _ => plain(text, at, at, delimiter, Shape::Plain),
    }
}

/// Whether the text goes on behind its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// More may come.
    Partial,
    /// This is all.
    Complete,
}

/// Where the record that begins at `at` ends, or `None` when more text could change the answer.
pub(crate) fn record_end(text: &[u8], mut at: usize, delimiter: u8, extent: Extent) -> Option<usize> {
    loop {
        let field = next_field(text, at, delimiter);
        if field.open_ended && extent == Extent::Partial {
            return None;
        }
        at = field.next;
        if field.stop != Stop::Delimiter {
            return Some(at);
        }
    }
}

fn skip_blanks(text: &[u8], mut at: usize, delimiter: u8) -> usize {
    while let Some(byte) = text.get(at)
        && (*byte == b' ' || *byte == b'\t')
        && *byte != delimiter
    {
        at += 1;
    }
    at
}

/// A field that ends at the next separator or line end behind `from`.
fn plain(text: &[u8], start: usize, from: usize, delimiter: u8, shape: Shape) -> Field {
    let rest = text.get(from..).unwrap_or_default();
    match memchr3(delimiter, b'\n', b'\r', rest) {
        Some(length) => ended(text, start, from + length, from + length, shape),
        None => Field { start, end: text.len(), next: text.len(), stop: Stop::End, shape, open_ended: true },
    }
}

/// A field whose text ends at `end` and whose separator or line end stands at `mark`.
fn ended(text: &[u8], start: usize, end: usize, mark: usize, shape: Shape) -> Field {
    let (stop, length, open_ended) = match text.get(mark) {
        Some(b'\n') => (Stop::Line, 1, false),
        Some(b'\r') => match text.get(mark + 1) {
            Some(b'\n') => (Stop::Line, 2, false),
            Some(_) => (Stop::Line, 1, false),
            // A line feed may follow.
            None => (Stop::Line, 1, true),
        },
        Some(_) => (Stop::Delimiter, 1, false),
        None => (Stop::End, 0, true),
    };
    Field { start, end, next: mark + length, stop, shape, open_ended }
}

/// Whether a field may end at `at`.
fn is_mark(text: &[u8], at: usize, delimiter: u8) -> bool {
    text.get(at).is_none_or(|byte| *byte == delimiter || *byte == b'\n' || *byte == b'\r')
}

/// A field whose opening quote stands at `open`.
fn quoted(text: &[u8], open: usize, delimiter: u8) -> Field {
    let mut at = open + 1;
    let mut shape = Shape::Quoted;
    let mut checked = at;
    let mut closing_known = 0;
    loop {
        let Some(length) = memchr(b'"', text.get(at..).unwrap_or_default()) else {
            // No quote closes it. Where more text may come, one may.
            return Field { open_ended: true, ..plain(text, open, open + 1, delimiter, Shape::Unclosed) };
        };
        let quote = at + length;
        if text.get(quote + 1) == Some(&b'"') {
            shape = Shape::Doubled;
            at = quote + 2;
            continue;
        }
        let mark = skip_blanks(text, quote + 1, delimiter);
        if is_mark(text, mark, delimiter) {
            return ended(text, open + 1, quote, mark, shape);
        }
        // A stray quote. On a later line than the opening one it opens a field of its own.
        if memchr2(b'\n', b'\r', text.get(checked..quote).unwrap_or_default()).is_some() {
            return plain(text, open, open + 1, delimiter, Shape::Unclosed);
        }
        checked = quote;
        if quote >= closing_known {
            match closing_quote_on_line(text, quote + 1, delimiter) {
                Closing::At(closing) => closing_known = closing,
                // Quotes up to here protected separators, so they still do.
                Closing::None { open_ended } => {
                    let field = plain(text, open, quote + 1, delimiter, Shape::Unclosed);
                    return Field { open_ended: field.open_ended || open_ended, ..field };
                }
            }
        }
        at = quote + 1;
    }
}

enum Closing {
    At(usize),
    None { open_ended: bool },
}

/// A quote further on in the line behind which a field may end.
fn closing_quote_on_line(text: &[u8], mut at: usize, delimiter: u8) -> Closing {
    loop {
        let Some(length) = memchr3(b'"', b'\n', b'\r', text.get(at..).unwrap_or_default()) else {
            return Closing::None { open_ended: true };
        };
        let found = at + length;
        if text.get(found) != Some(&b'"') {
            return Closing::None { open_ended: false };
        }
        if text.get(found + 1) == Some(&b'"') {
            at = found + 2;
            continue;
        }
        if is_mark(text, skip_blanks(text, found + 1, delimiter), delimiter) {
            return Closing::At(found);
        }
        at = found + 1;
    }
}

/// Replaces each doubled quote by one, in place, and returns the new length. The bytes behind it become blanks.
pub(crate) fn collapse_quotes(field: &mut [u8]) -> usize {
    let mut to = 0;
    let mut from = 0;
    while let Some(&byte) = field.get(from) {
        if let Some(slot) = field.get_mut(to) {
            *slot = byte;
        }
        to += 1;
        from += if byte == b'"' && field.get(from + 1) == Some(&b'"') { 2 } else { 1 };
    }
    if let Some(rest) = field.get_mut(to..) {
        rest.fill(b' ');
    }
    to
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(text: &str) -> Vec<Vec<String>> {
        let mut bytes = text.as_bytes().to_vec();
        let (mut at, mut all, mut record) = (0, Vec::new(), Vec::new());
        loop {
            let field = next_field(&bytes, at, b',');
            let mut end = field.end;
            if field.shape == Shape::Doubled {
                end = field.start + collapse_quotes(&mut bytes[field.start..field.end]);
            }
            record.push(String::from_utf8(bytes[field.start..end].to_vec()).unwrap());
            at = field.next;
            if field.stop != Stop::Delimiter {
                all.push(std::mem::take(&mut record));
                if at >= bytes.len() {
                    return all;
                }
            }
        }
    }

    fn check(text: &str, expected: &[&[&str]]) {
        assert_eq!(records(text), expected, "{text:?}");
    }

    #[test]
    fn reads_rfc_4180() {
        check("a,b\n1,2\n", &[&["a", "b"], &["1", "2"]]);
        check("a,b\r\n1,\r\n", &[&["a", "b"], &["1", ""]]);
        check("a\rb\r", &[&["a"], &["b"]]);
        check("\"a,b\",\"c\nd\",\"e\"\"f\"", &[&["a,b", "c\nd", "e\"f"]]);
        check("\"\",x", &[&["", "x"]]);
        check("\"\"\"\"", &[&["\""]]);
        check(" \"a,b\" ,c", &[&["a,b", "c"]]);
    }

    #[test]
    fn stray_quotes_harm_their_own_line_only() {
        check("5\" pipe,2\n", &[&["5\" pipe", "2"]]);
        check("\"He said \"hi\" to me\",2\n", &[&["He said \"hi\" to me", "2"]]);
        check("\"12\" pipe,x\n3,4\n", &[&["\"12\" pipe", "x"], &["3", "4"]]);
        check("\"a,b\"c,d\n", &[&["\"a,b\"c", "d"]]);
    }

    #[test]
    fn a_quote_that_is_never_closed_swallows_nothing() {
        check("1,\"open\n2,b\n3,c", &[&["1", "\"open"], &["2", "b"], &["3", "c"]]);
        check("1,\"open\n2,\"Smith, J\",x\n", &[&["1", "\"open"], &["2", "Smith, J", "x"]]);
    }

    #[test]
    fn answers_that_more_text_may_change_are_open_ended() {
        for text in ["a", "a\r", "\"a", "\"a\"", "\"a\" ", "\"a\"b", "\"a\"b \"c"] {
            assert!(next_field(text.as_bytes(), 0, b',').open_ended, "{text:?}");
        }
        for text in ["a,", "a\n", "a\r\n", "a\rb", "\"a\",", "\"a\" ,", "\"a\nb\"c\"\n"] {
            assert!(!next_field(text.as_bytes(), 0, b',').open_ended, "{text:?}");
        }
    }

    proptest! {
        /// A record that is complete in a prefix is the same record in the whole.
        #[test]
        fn complete_records_do_not_change(text in "[a,\" \n\r]{0,24}", more in "[a,\"\n]{0,12}") {
            if let Some(end) = record_end(text.as_bytes(), 0, b',', Extent::Partial) {
                let longer = format!("{text}{more}");
                prop_assert_eq!(record_end(longer.as_bytes(), 0, b',', Extent::Complete), Some(end));
            }
        }

        /// Reading always goes on and stays inside the text.
        #[test]
        fn every_field_makes_progress(text in proptest::collection::vec(any::<u8>(), 0..64), delimiter in any::<u8>()) {
            let mut at = 0;
            while at < text.len() {
                let field = next_field(&text, at, delimiter);
                prop_assert!(field.next > at || field.stop == Stop::End);
                prop_assert!(field.start <= field.end && field.end <= text.len());
                if field.stop == Stop::End { break; }
                at = field.next;
            }
        }
    }
}
