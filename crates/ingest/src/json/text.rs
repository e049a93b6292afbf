//! JSON strings and nested values, rewritten in place. The result is never longer than the source.

/// What was mended in a string.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StringFaults {
    /// NUL characters that were left out.
    pub(super) nuls: u64,
    /// Unpaired surrogates that became U+FFFD.
    pub(super) surrogates: u64,
}

/// Writes at the front of a slice that is read further back.
struct Rewriter<'a> {
    text: &'a mut [u8],
    from: usize,
    to: usize,
}

impl Rewriter<'_> {
    fn take(&mut self) -> Option<u8> {
        let byte = self.text.get(self.from).copied();
        self.from += usize::from(byte.is_some());
        byte
    }

    fn put(&mut self, byte: u8) {
        if let Some(slot) = self.text.get_mut(self.to) {
            *slot = byte;
        }
        self.to += 1;
    }

    fn put_all(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.put(byte);
        }
    }

    /// Four hexadecimal digits.
    fn take_unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.from..self.from + 4)?;
        let mut unit = 0;
        for &digit in digits {
            unit = unit * 16 + char::from(digit).to_digit(16)?;
        }
        self.from += 4;
        Some(unit)
    }

    /// The second half of a surrogate pair, if it follows.
    fn take_low_surrogate(&mut self) -> Option<u32> {
        if self.text.get(self.from..self.from + 2)? != b"\\u" {
            return None;
        }
        let before = self.from;
        self.from += 2;
        match self.take_unit() {
            Some(unit @ 0xDC00..=0xDFFF) => Some(unit),
            _ => {
                self.from = before;
                None
            }
        }
    }

    /// The character of a `\u` escape whose `\u` was taken.
    fn take_escaped(&mut self, faults: &mut StringFaults) -> Option<char> {
        let code = match self.take_unit()? {
            high @ 0xD800..=0xDBFF => match self.take_low_surrogate() {
                Some(low) => 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00),
                None => high,
            },
            unit => unit,
        };
        Some(char::from_u32(code).unwrap_or_else(|| {
            faults.surrogates += 1;
            char::REPLACEMENT_CHARACTER
        }))
    }

    /// Fills what is left over with blanks, so that the text stays UTF-8, and returns the new length.
    fn finish(self) -> usize {
        let length = self.to;
        if let Some(rest) = self.text.get_mut(length..) {
            rest.fill(b' ');
        }
        length
    }
}

/// Resolves the escapes of a checked string (quotes not included), and returns the new length.
pub(super) fn unescape(text: &mut [u8], faults: &mut StringFaults) -> usize {
    let mut rewriter = Rewriter { text, from: 0, to: 0 };
    while let Some(byte) = rewriter.take() {
        if byte != b'\\' {
            rewriter.put(byte);
            continue;
        }
        match rewriter.take() {
            Some(b'b') => rewriter.put(0x08),
            Some(b'f') => rewriter.put(0x0C),
            Some(b'n') => rewriter.put(b'\n'),
            Some(b'r') => rewriter.put(b'\r'),
            Some(b't') => rewriter.put(b'\t'),
            Some(b'u') => match rewriter.take_escaped(faults) {
                Some('\0') => faults.nuls += 1,
                Some(character) => rewriter.put_all(character.encode_utf8(&mut [0; 4]).as_bytes()),
                None => {}
            },
            Some(other) => rewriter.put(other),
            None => {}
        }
    }
    rewriter.finish()
}

/// Takes the white space out of a checked nested value, and escapes that no text can hold out of its strings; returns
/// the new length.
pub(super) fn compact(text: &mut [u8], faults: &mut StringFaults) -> usize {
    let mut rewriter = Rewriter { text, from: 0, to: 0 };
    let mut in_string = false;
    while let Some(byte) = rewriter.take() {
        match byte {
            b'"' => {
                in_string = !in_string;
                rewriter.put(byte);
            }
            b'\\' => compact_escape(&mut rewriter, faults),
            _ if in_string || !byte.is_ascii_whitespace() => rewriter.put(byte),
            _ => {}
        }
    }
    rewriter.finish()
}

/// Keeps an escape as it stands, unless it is a NUL or half of a surrogate pair.
fn compact_escape(rewriter: &mut Rewriter<'_>, faults: &mut StringFaults) {
    let Some(kind) = rewriter.take() else { return };
    if kind != b'u' {
        rewriter.put_all(&[b'\\', kind]);
        return;
    }
    let begin = rewriter.from;
    match rewriter.take_escaped(faults) {
        Some('\0') => faults.nuls += 1,
        Some(char::REPLACEMENT_CHARACTER) => rewriter.put_all("\u{fffd}".as_bytes()),
        Some(_) => {
            rewriter.put_all(b"\\u");
            for at in begin..rewriter.from {
                let byte = rewriter.text.get(at).copied().unwrap_or(b'0');
                rewriter.put(byte);
            }
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescaped(text: &str) -> (String, StringFaults) {
        let (mut bytes, mut faults) = (text.as_bytes().to_vec(), StringFaults::default());
        let length = unescape(&mut bytes, &mut faults);
        (String::from_utf8(bytes[..length].to_vec()).unwrap(), faults)
    }

    fn compacted(text: &str) -> String {
        let (mut bytes, mut faults) = (text.as_bytes().to_vec(), StringFaults::default());
        let length = compact(&mut bytes, &mut faults);
        assert!(std::str::from_utf8(&bytes).is_ok(), "what is left over stays UTF-8");
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn escapes_become_their_characters() {
        for (text, expected) in [
            (r#"a\"b\\c\/d"#, "a\"b\\c/d"),
            (r"\b\f\n\r\t", "\u{8}\u{c}\n\r\t"),
            (r"\u00e9 \ud83d\ude00 ü", "é 😀 ü"),
            (r"a\u0000b", "ab"),
            (r"\ud83d x", "\u{fffd} x"),
            (r"\ude00\ud83d\u0041", "\u{fffd}\u{fffd}A"),
        ] {
            assert_eq!(unescaped(text).0, expected, "{text:?}");
        }
        assert_eq!(unescaped(r"\u0000\ud800").1, StringFaults { nuls: 1, surrogates: 1 });
    }

    #[test]
    fn nested_values_keep_their_meaning() {
        for (text, expected) in [
            (r#"{ "a" : [ 1 , "x y" ] }"#, r#"{"a":[1,"x y"]}"#),
            (r#"["\" \\", "\u00e9", "\ud83d\ude00"]"#, r#"["\" \\","\u00e9","\ud83d\ude00"]"#),
            (r#"["a\u0000b","\ud800"]"#, "[\"ab\",\"\u{fffd}\"]"),
        ] {
            assert_eq!(compacted(text), expected, "{text:?}");
        }
    }
}
