//! Finds where the elements of an array, or the values of a sequence, begin and end. Checks brackets and quotes only;
//! whether an element is good JSON is for the reader of records to say.

use memchr::memchr2;

/// What the scanner found next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    Element {
        start: usize,
        end: usize,
    },
    /// The text ends before the answer.
    NeedMore,
    /// The array or the sequence is complete.
    End,
    /// Something stands behind the array.
    Trailing {
        at: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    BeforeArray,
    Inside,
    AfterArray,
}

/// Walks over a text that grows at its end.
#[derive(Debug)]
pub(super) struct ElementScanner {
    is_array: bool,
    state: State,
    at: usize,
}

impl ElementScanner {
    pub(super) fn new(is_array: bool) -> Self {
        Self { is_array, state: if is_array { State::BeforeArray } else { State::Inside }, at: 0 }
    }

    /// How far the text was used up: behind the last element, or at the beginning of the next.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Tells that everything before [`Self::position`] was cut off.
    pub(super) fn rebase(&mut self) {
        self.at = 0;
    }

    pub(super) fn next(&mut self, text: &[u8], is_complete: bool) -> Scanned {
        loop {
            self.skip_separators(text);
            let Some(&byte) = text.get(self.at) else { return self.at_end_of_text(is_complete) };
            match (self.state, byte) {
                (State::BeforeArray, b'[') => {
                    self.state = State::Inside;
                    self.at += 1;
                }
                (State::BeforeArray | State::AfterArray, _) => return Scanned::Trailing { at: self.at },
                (State::Inside, b']') if self.is_array => {
                    self.state = State::AfterArray;
                    self.at += 1;
                }
                (State::Inside, _) => {
                    let start = self.at;
                    return match value_end(text, start, is_complete) {
                        Some(end) => {
                            self.at = end;
                            Scanned::Element { start, end }
                        }
                        None => Scanned::NeedMore,
                    };
                }
            }
        }
    }

    fn skip_separators(&mut self, text: &[u8]) {
        let commas = self.state == State::Inside;
        while let Some(byte) = text.get(self.at)
            && (byte.is_ascii_whitespace() || (commas && *byte == b','))
        {
            self.at += 1;
        }
    }

    fn at_end_of_text(&self, is_complete: bool) -> Scanned {
        let is_whole = if self.is_array { self.state == State::AfterArray } else { true };
        if is_complete && is_whole { Scanned::End } else { Scanned::NeedMore }
    }
}

/// Where the value that begins at `start` ends, or `None` when the text ends first.
fn value_end(text: &[u8], start: usize, is_complete: bool) -> Option<usize> {
    match text.get(start)? {
        b'{' | b'[' => container_end(text, start),
        b'"' => string_end(text, start),
        _ => {
            let rest = text.get(start..)?;
            let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}' | b'{' | b'[' | b'"');
            match rest.iter().skip(1).position(ends) {
                Some(length) => Some(start + 1 + length),
                None if is_complete => Some(text.len()),
                None => None,
            }
        }
    }
}

fn container_end(text: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0_u64;
    let mut at = start;
    loop {
        match text.get(at)? {
            b'"' => {
                at = string_end(text, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Where the string whose opening quote stands at `open` ends, closing quote included.
pub(super) fn string_end(text: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}
