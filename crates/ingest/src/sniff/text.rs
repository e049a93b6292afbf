//! Text in a file's head: its encoding, and whether it is JSON.

use super::JsonKind;
use crate::{
    error::IngestError,
    num,
    source::{TextEncoding, TextSource},
};

/// The encoding that the head suggests. The whole file has the last word: a byte that is no UTF-8 may come late.
pub(super) fn encoding(head: &[u8]) -> Result<TextEncoding, IngestError> {
    if head.starts_with(b"\xEF\xBB\xBF") {
        return Ok(TextEncoding::Utf8);
    }
    if head.starts_with(b"\xFF\xFE") {
        return Ok(TextEncoding::Utf16Le);
    }
    if head.starts_with(b"\xFE\xFF") {
        return Ok(TextEncoding::Utf16Be);
    }
    if let Some(encoding) = utf16_without_mark(head) {
        return Ok(encoding);
    }
    let controls = share(head, head.iter().filter(|byte| is_control(**byte)).count());
    let valid = std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    // Random bytes have 11 % control characters; text has none to speak of.
    if controls > if valid { 0.10 } else { 0.02 } {
        return Err(IngestError::unsupported("The file is binary, not text. Upload CSV, TSV, JSON, NDJSON or XLSX."));
    }
    Ok(TextEncoding::Utf8)
}

/// In UTF-16 nearly every second byte of most text is zero.
fn utf16_without_mark(head: &[u8]) -> Option<TextEncoding> {
    let pairs = head.chunks_exact(2);
    let half = pairs.len();
    if half < 2 {
        return None;
    }
    let zeros = |at: usize| share_of(half, head.chunks_exact(2).filter(|pair| pair.get(at) == Some(&0)).count());
    let (high, low) = (zeros(1), zeros(0));
    if high > 0.4 && low < 0.05 {
        Some(TextEncoding::Utf16Le)
    } else if low > 0.4 && high < 0.05 {
        Some(TextEncoding::Utf16Be)
    } else {
        None
    }
}

fn is_control(byte: u8) -> bool {
    // NUL has its own rule: it is removed and counted.
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C | 0) || byte == 0x1A
}

fn share(bytes: &[u8], part: usize) -> f64 {
    share_of(bytes.len(), part)
}

fn share_of(all: usize, part: usize) -> f64 {
    num::float(num::count(part)) / num::float(num::count(all.max(1)))
}

/// The head as UTF-8, without the characters that the readers drop too.
pub(crate) fn decode_head(head: &[u8], encoding: TextEncoding) -> Vec<u8> {
    let mut source = TextSource::new(Box::new(std::io::Cursor::new(head.to_vec())), encoding);
    let mut text = Vec::new();
    // Reading from memory cannot fail.
    let _ = source.fill(&mut text, head.len() * 3 + 1);
    text
}

/// Whether the text is JSON beyond doubt, and how it is arranged.
pub(super) fn json_kind(text: &[u8]) -> Option<JsonKind> {
    let body = text.trim_ascii_start();
    let (&first, rest) = body.split_first()?;
    let inside = rest.trim_ascii_start();
    match first {
        b'[' => {
            // `[id],[name]` is a CSV header.
            let opens_value = match inside.first()? {
                b'{' | b'[' | b'"' | b']' | b'-' | b'0'..=b'9' => true,
                b't' | b'f' | b'n' => [&b"true"[..], b"false", b"null"].iter().any(|word| inside.starts_with(word)),
                _ => false,
            };
            opens_value.then_some(JsonKind::Array)
        }
        b'{' if inside.first().is_none_or(|byte| matches!(byte, b'"' | b'}')) => Some(object_kind(body)),
        _ => None,
    }
}

/// One object a line, or objects that span lines.
fn object_kind(body: &[u8]) -> JsonKind {
    let mut whole_lines = 0;
    for line in body.split(|byte| *byte == b'\n').take(64) {
        let line = line.trim_ascii();
        if line.starts_with(b"{") && line.ends_with(b"}") {
            whole_lines += 1;
        }
    }
    let first_line = body.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    let first_is_whole = serde_json::from_slice::<serde::de::IgnoredAny>(first_line).is_ok();
    if first_is_whole || whole_lines >= 2 { JsonKind::Lines } else { JsonKind::Sequence }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_from_csv_that_begins_alike() {
        for (text, expected) in [
            ("[{\"a\":1}]", Some(JsonKind::Array)),
            (" [ ]", Some(JsonKind::Array)),
            ("[1,2]", Some(JsonKind::Array)),
            ("[id],[name]\n1,2", None),
            ("[name],[id]", None),
            ("{\"a\":1}\n{\"a\":2}", Some(JsonKind::Lines)),
            ("{\"a\":1}", Some(JsonKind::Lines)),
            ("{\"a\":1\n{\"a\":2}\n{\"a\":3}\n", Some(JsonKind::Lines)),
            ("{\n \"a\": 1\n}\n", Some(JsonKind::Sequence)),
            ("{a},{b}", None),
            ("a,b", None),
        ] {
            assert_eq!(json_kind(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn encodings_are_told_by_mark_or_by_zeros() {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        assert_eq!(encoding(&wide("a,b\n1,2\n")).unwrap(), TextEncoding::Utf16Le);
        let big: Vec<u8> = "a,b\n1,2\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(encoding(&big).unwrap(), TextEncoding::Utf16Be);
        assert_eq!(encoding(b"caf\xe9,b\n1,2").unwrap(), TextEncoding::Utf8);
        assert_eq!(encoding(b"a\0,b\n1,2\n3,4\n5,6").unwrap(), TextEncoding::Utf8);
    }

    #[test]
    fn noise_is_binary() {
        let noise: Vec<u8> = (0_u32..4096).map(|i| u8::try_from(i.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect();
        assert!(encoding(&noise).is_err());
    }
}
