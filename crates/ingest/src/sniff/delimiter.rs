//! Which sign separates the fields.

use crate::csv::grammar;

/// Signs that are tried, the default first.
const CANDIDATES: [u8; 4] = [b',', b'\t', b';', b'|'];

/// The sign that splits the first non-blank line into most parts, quotes respected. Excel's `sep=;` line decides alone.
pub(super) fn guess(text: &[u8]) -> u8 {
    if let Some((delimiter, _)) = separator_line(text) {
        return delimiter;
    }
    let mut best = (1, b',');
    for delimiter in CANDIDATES {
        let parts = first_record_fields(text, delimiter);
        if parts > best.0 {
            best = (parts, delimiter);
        }
    }
    best.1
}

/// Excel's first line `sep=;`: the sign, and where the next line begins.
pub(crate) fn separator_line(text: &[u8]) -> Option<(u8, usize)> {
    let rest = text.strip_prefix(b"sep=")?;
    let (&delimiter, rest) = rest.split_first()?;
    if !CANDIDATES.contains(&delimiter) {
        return None;
    }
    match rest {
        [b'\r', b'\n', ..] => Some((delimiter, 7)),
        [b'\n' | b'\r', ..] => Some((delimiter, 6)),
        _ => None,
    }
}

fn first_record_fields(text: &[u8], delimiter: u8) -> usize {
    let start = text.len() - text.trim_ascii_start().len();
    // A tab-separated header may begin with an empty field, so blanks on the header's own line count.
    let line = memchr::memrchr2(b'\n', b'\r', text.get(..start).unwrap_or_default()).map_or(0, |at| at + 1);
    let mut at = line;
    let mut fields = 0;
    loop {
        let field = grammar::next_field(text, at, delimiter);
        fields += 1;
        at = field.next;
        if field.stop != grammar::Stop::Delimiter {
            return fields;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_with_most_parts_wins() {
        for (text, expected) in [
            ("a,b,c\n", b','),
            ("a;b;c\n", b';'),
            ("a\tb\n", b'\t'),
            ("a|b|c,d\n", b'|'),
            ("\n\n  a;b\n", b';'),
            ("\"a,b,c\";d\n", b';'),
            ("single\n", b','),
            ("sep=;\r\na,b,c;d\n", b';'),
            ("\ta\tb,c\n", b'\t'),
            ("", b','),
        ] {
            assert_eq!(guess(text.as_bytes()), expected, "{text:?}");
        }
    }
}
