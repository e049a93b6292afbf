//! Checks one JSON object and finds its members, without changing or copying it. No recursion: depth is bounded by a
//! counter and not by the stack.

use super::scan::string_end;

/// Deepest nesting of a value.
const DEPTH_MAX: usize = 512;

/// Why a record is no JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    NotAnObject,
    Malformed,
    TooDeep,
}

impl Fault {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::NotAnObject => "not a JSON object",
            Self::Malformed => "malformed JSON",
            Self::TooDeep => "nested more than 512 levels deep",
        }
    }
}

/// What kind of value a member has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    String,
    /// A number, `true`, `false`, or one of the words that other languages write for numbers: `NaN`, `Infinity`.
    Scalar,
    Nested,
}

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// One member of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    /// The key between its quotes.
    pub(super) key: Piece,
    /// The value; a string's quotes are left out.
    pub(super) value: Piece,
    pub(super) kind: Kind,
}

/// Finds the members of the object that fills `start..end`.
pub(super) fn members(text: &[u8], start: usize, end: usize, found: &mut Vec<Member>) -> Result<(), Fault> {
    found.clear();
    let mut cursor = Cursor { text: text.get(..end).unwrap_or_default(), at: start };
    cursor.skip_blanks();
    if cursor.peek() != Some(b'{') {
        // Whether the value is good JSON or not, it is no object.
        return Err(Fault::NotAnObject);
    }
    cursor.at += 1;
    cursor.skip_blanks();
    if cursor.peek() == Some(b'}') {
        cursor.at += 1;
        return cursor.expect_end();
    }
    loop {
        cursor.skip_blanks();
        let key = cursor.string()?;
        cursor.skip_blanks();
        cursor.expect(b':')?;
        cursor.skip_blanks();
        let (kind, value) = cursor.value()?;
        found.push(Member { key, value, kind });
        cursor.skip_blanks();
        match cursor.next() {
            Some(b',') => {}
            Some(b'}') => return cursor.expect_end(),
            _ => return Err(Fault::Malformed),
        }
    }
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.at += 1;
        byte
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.next() == Some(byte) { Ok(()) } else { Err(Fault::Malformed) }
    }

    fn expect_end(&mut self) -> Result<(), Fault> {
        self.skip_blanks();
        if self.peek().is_none() { Ok(()) } else { Err(Fault::Malformed) }
    }

    /// A string; the piece is what stands between its quotes.
    fn string(&mut self) -> Result<Piece, Fault> {
        if self.peek() != Some(b'"') {
            return Err(Fault::Malformed);
        }
        let end = string_end(self.text, self.at).ok_or(Fault::Malformed)?;
        let piece = Piece { start: self.at + 1, end: end - 1 };
        check_escapes(self.text.get(piece.start..piece.end).unwrap_or_default())?;
        self.at = end;
        Ok(piece)
    }

    fn value(&mut self) -> Result<(Kind, Piece), Fault> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => Ok((Kind::String, self.string()?)),
            Some(b'{' | b'[') => {
                self.skip_nested()?;
                Ok((Kind::Nested, Piece { start, end: self.at }))
            }
            _ => {
                let is_null = self.scalar()?;
                Ok((if is_null { Kind::Null } else { Kind::Scalar }, Piece { start, end: self.at }))
            }
        }
    }

    /// A number or a word; says whether it is `null`.
    fn scalar(&mut self) -> Result<bool, Fault> {
        const WORDS: [&[u8]; 6] = [b"null", b"true", b"false", b"NaN", b"Infinity", b"-Infinity"];
        let rest = self.text.get(self.at..).unwrap_or_default();
        let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b'}' | b']' | b':' | b'"' | b'{' | b'[');
        let token = rest.get(..rest.iter().position(ends).unwrap_or(rest.len())).unwrap_or_default();
        if !is_number(token) && !WORDS.contains(&token) {
            return Err(Fault::Malformed);
        }
        self.at += token.len();
        Ok(token == b"null")
    }

    /// Steps over an object or array and checks its grammar.
    fn skip_nested(&mut self) -> Result<(), Fault> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            // Here a value must follow.
            self.skip_blanks();
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    if open.len() == DEPTH_MAX {
                        return Err(Fault::TooDeep);
                    }
                    open.push(bracket);
                    self.at += 1;
                    self.skip_blanks();
                    if self.peek() != Some(closing(bracket)) {
                        self.key_if_object(bracket)?;
                        continue;
                    }
                }
                Some(b'"') => {
                    self.string()?;
                }
                _ => {
                    self.scalar()?;
                }
            }
            if self.close_or_separate(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Behind a value: closes what ends here, or steps over a comma. Says whether the outermost bracket was closed.
    fn close_or_separate(&mut self, open: &mut Vec<u8>) -> Result<bool, Fault> {
        while let Some(&bracket) = open.last() {
            self.skip_blanks();
            match self.next() {
                Some(byte) if byte == closing(bracket) => {
                    open.pop();
                }
                Some(b',') => {
                    self.skip_blanks();
                    self.key_if_object(bracket)?;
                    return Ok(false);
                }
                _ => return Err(Fault::Malformed),
            }
        }
        Ok(true)
    }

    fn key_if_object(&mut self, bracket: u8) -> Result<(), Fault> {
        if bracket == b'{' {
            self.string()?;
            self.skip_blanks();
            self.expect(b':')?;
        }
        Ok(())
    }
}

fn closing(bracket: u8) -> u8 {
    if bracket == b'{' { b'}' } else { b']' }
}

fn check_escapes(text: &[u8]) -> Result<(), Fault> {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let length = match rest.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') if rest.get(at + 2..at + 6).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) => 6,
            _ => return Err(Fault::Malformed),
        };
        rest = rest.get(at + length..).unwrap_or_default();
    }
    Ok(())
}

/// Whether the token is a number as JSON defines it.
fn is_number(token: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut rest = token.strip_prefix(b"-").unwrap_or(token);
    let integer = digits(rest);
    if integer == 0 || (integer > 1 && rest.first() == Some(&b'0')) {
        return false;
    }
    rest = rest.get(integer..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = fraction.get(length..).unwrap_or_default();
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let exponent = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let length = digits(exponent);
        return length > 0 && length == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) -> Result<usize, Fault> {
        let mut found = Vec::new();
        members(text.as_bytes(), 0, text.len(), &mut found).map(|()| found.len())
    }

    #[test]
    fn good_objects_give_their_members() {
        for (text, count) in [
            ("{}", 0),
            (" { } ", 0),
            (r#"{"a":1}"#, 1),
            (r#"{"a":-0.5e+10,"b":null,"c":true,"d":"x\"y"}"#, 4),
            (r#"{"a":{"b":[1,{"c":[]},"]"]},"d":[[],{}]}"#, 2),
            (r#"{"a":NaN,"b":-Infinity}"#, 2),
            ("{\n\t\"a\" : 1 ,\r\n \"b\" : [ 1 , 2 ]\n}", 2),
        ] {
            assert_eq!(check(text), Ok(count), "{text:?}");
        }
    }

    #[test]
    fn bad_ones_are_refused() {
        for text in [
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":1} x",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":oops}",
            "{\"a\":[1,]}",
            "{\"a\":[1 2]}",
            "{\"a\":{\"b\"}}",
            "{\"a\":[}]}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"x}",
            "{'a':1}",
            "{\"a\":[1}",
            "{\"a\":+1}",
            "{\"a\":1e}",
        ] {
            assert_eq!(check(text), Err(Fault::Malformed), "{text:?}");
        }
        for text in ["", "1", "[1]", "\"x\"", "null"] {
            assert_eq!(check(text), Err(Fault::NotAnObject), "{text:?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(check(&deep(512)), Ok(1));
        assert_eq!(check(&deep(513)), Err(Fault::TooDeep));
        assert_eq!(check(&"{\"a\":".repeat(100_000)), Err(Fault::TooDeep));
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in r#"\{("a"|"b\\n"): ?(1|-2\.5e3|"x"|null|true|\[[1,\] {}"]{0,6}|\{"c":[0-9a,\]}]{0,5}),?\}"#) {
            let expected = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text);
            prop_assert_eq!(check(&text).is_ok(), expected.is_ok(), "{}", text);
        }
    }
}
