//! Server-sent events, parsed from bytes in whatever pieces they come.
//!
//! After the HTML standard's rules for event streams, without `id` and `retry`, which nobody reconnects by here. Lines and
//! events are bounded: the other end may send anything.

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// Its `event` field; empty when it had none.
    pub name: String,
    /// Its `data` fields, joined by line breaks.
    pub data: String,
}

/// An event or a line is larger than is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line of the event stream is longer than {bytes_max} bytes")]
pub struct LineTooLong {
    /// What is accepted.
    pub bytes_max: usize,
}

/// Puts events together. After an error it is of no more use.
#[derive(Debug)]
pub struct SseParser {
    line: Vec<u8>,
    name: String,
    data: Option<String>,
    bytes_max: usize,
    /// The last byte was a carriage return: a line feed that follows belongs to it.
    after_return: bool,
    at_start: bool,
}

impl SseParser {
    /// A parser for lines and events of at most `bytes_max` bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { line: Vec::new(), name: String::new(), data: None, bytes_max, after_return: false, at_start: true }
    }

    /// Takes the next piece, and puts the events that it completes at the end of `events`.
    ///
    /// # Errors
    /// [`LineTooLong`].
    pub fn push(&mut self, mut piece: &[u8], events: &mut Vec<SseEvent>) -> Result<(), LineTooLong> {
        while !piece.is_empty() {
            if std::mem::take(&mut self.after_return)
                && let [b'\n', rest @ ..] = piece
            {
                piece = rest;
                continue;
            }
            let end = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (text, rest) = piece.split_at(end.unwrap_or(piece.len()));
            if self.line.len().saturating_add(text.len()) > self.bytes_max {
                return Err(LineTooLong { bytes_max: self.bytes_max });
            }
            self.line.extend_from_slice(text);
            let Some((separator, rest)) = rest.split_first() else { break };
            self.after_return = *separator == b'\r';
            piece = rest;
            self.end_line(events)?;
        }
        Ok(())
    }

    /// Takes the end of the stream. The standard drops an event that no blank line ended; servers that forget it are common,
    /// so it counts when its last line was complete.
    pub fn finish(&mut self, events: &mut Vec<SseEvent>) {
        if self.line.is_empty() {
            self.dispatch(events);
        }
    }

    fn end_line(&mut self, events: &mut Vec<SseEvent>) -> Result<(), LineTooLong> {
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let line = if std::mem::take(&mut self.at_start) { text.trim_start_matches('\u{feff}') } else { &text };
        if line.is_empty() {
            self.dispatch(events);
            return Ok(());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                let held = self.data.as_ref().map_or(0, String::len);
                if held.saturating_add(value.len()) > self.bytes_max {
                    return Err(LineTooLong { bytes_max: self.bytes_max });
                }
                match &mut self.data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => self.data = Some(value.to_owned()),
                }
            }
            // Comments, `id`, `retry` and what may come.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, events: &mut Vec<SseEvent>) {
        let name = std::mem::take(&mut self.name);
        if let Some(data) = self.data.take() {
            events.push(SseEvent { name, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn parse(pieces: &[&[u8]], bytes_max: usize) -> Result<Vec<SseEvent>, LineTooLong> {
        let mut parser = SseParser::new(bytes_max);
        let mut events = Vec::new();
        for piece in pieces {
            parser.push(piece, &mut events)?;
        }
        parser.finish(&mut events);
        Ok(events)
    }

    fn check(text: &str, expected: &[(&str, &str)]) {
        let events = parse(&[text.as_bytes()], 1024).unwrap();
        let events: Vec<(&str, &str)> = events.iter().map(|event| (event.name.as_str(), event.data.as_str())).collect();
        assert_eq!(events, expected, "{text:?}");
    }

    #[test]
    fn events_are_read() {
        check("data: 1\n\ndata: 2\n\n", &[("", "1"), ("", "2")]);
        check("event: a\r\ndata: x\r\n\r\n", &[("a", "x")]);
        check("event: a\rdata: x\r\r", &[("a", "x")]);
        check("data: first\ndata:second\ndata\n\n", &[("", "first\nsecond\n")]);
        check(": keep alive\n\n:\n\ndata:  two blanks\n\n", &[("", " two blanks")]);
        check("\u{feff}data: x\nid: 1\nretry: 5\nother: y\n\n", &[("", "x")]);
        check("event: nothing\n\ndata: x\n\n", &[("", "x")]);
        check("data: no blank line\n", &[("", "no blank line")]);
        check("data: whole\n\ndata: cut in the mid", &[("", "whole")]);
        check("", &[]);
    }

    #[test]
    fn bad_text_is_replaced() {
        let events = parse(&[b"data: \xff\xfe\n\n"], 100).unwrap();
        assert_eq!(events[0].data, "\u{fffd}\u{fffd}");
    }

    #[test]
    fn lines_and_events_are_bounded() {
        let error = LineTooLong { bytes_max: 10 };
        assert_eq!(parse(&[b"data: 4567890"], 10), Err(error));
        assert_eq!(parse(&[b"12345", b"67890", b"1"], 10), Err(error));
        assert_eq!(parse(&[b"data:12345\ndata:123456\n\n"], 10), Err(error));
        assert!(parse(&[b"data:12345\n\ndata:12345\n\n"], 10).is_ok());
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            text in r"(data|event|id|:)?(: ?)?[a-zé]{0,3}(\r\n|\n|\r)?((data: ?|event: ?|: )[a-z]{0,4}(\r\n|\n|\r){1,2}){0,12}",
            cuts in vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let bytes = text.as_bytes();
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            places.push(bytes.len());
            places.sort_unstable();
            let mut start = 0;
            let mut pieces = Vec::new();
            for place in places {
                pieces.push(&bytes[start..place]);
                start = place;
            }
            prop_assert_eq!(parse(&pieces, 64), parse(&[bytes], 64));
        }

        #[test]
        fn no_bytes_make_it_panic(pieces in vec(vec(any::<u8>(), 0..40), 0..10)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            drop(parse(&pieces, 20));
        }
    }
}
