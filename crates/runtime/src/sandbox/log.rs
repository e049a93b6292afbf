//! The end of what a sandbox printed, kept in bounded memory.

use std::collections::VecDeque;

/// How much of the end of a log is kept, bytes.
pub(crate) const TAIL_BYTES_MAX: usize = 64 * 1024;

/// The last [`TAIL_BYTES_MAX`] bytes of a stream.
#[derive(Debug, Default)]
pub(crate) struct LogTail {
    bytes: VecDeque<u8>,
}

impl LogTail {
    /// Adds bytes, and forgets the oldest ones that no longer fit.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let (_, kept) = bytes.split_at(bytes.len().saturating_sub(TAIL_BYTES_MAX));
        let room = TAIL_BYTES_MAX.saturating_sub(kept.len());
        let excess = self.bytes.len().saturating_sub(room);
        drop(self.bytes.drain(..excess));
        self.bytes.extend(kept);
    }

    /// The kept bytes as text; a character that was cut is replaced.
    pub(crate) fn text(&self) -> String {
        let (front, back) = self.bytes.as_slices();
        let mut all = Vec::with_capacity(self.bytes.len());
        all.extend_from_slice(front);
        all.extend_from_slice(back);
        let mut text = String::from_utf8_lossy(&all).into_owned();
        // A replacement character is longer than the byte it stands for.
        while text.len() > TAIL_BYTES_MAX {
            let over = text.len() - TAIL_BYTES_MAX;
            let cut = text.char_indices().map(|(at, _)| at).find(|at| *at >= over).unwrap_or(text.len());
            drop(text.drain(..cut));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_end() {
        let mut tail = LogTail::default();
        for line in 0..100_000 {
            tail.push(format!("{line}\n").as_bytes());
        }
        let text = tail.text();
        assert!(text.ends_with("\n99999\n"));
        assert!(text.len() <= TAIL_BYTES_MAX);
    }

    #[test]
    fn keeps_the_end_of_one_big_write() {
        let mut tail = LogTail::default();
        tail.push(b"start");
        tail.push(&vec![b'x'; 3 * TAIL_BYTES_MAX]);
        assert_eq!(tail.text(), "x".repeat(TAIL_BYTES_MAX));
    }

    #[test]
    fn stays_bounded_when_the_bytes_are_no_text() {
        let mut tail = LogTail::default();
        tail.push(&vec![0xff; TAIL_BYTES_MAX]);
        assert!(tail.text().len() <= TAIL_BYTES_MAX);
    }
}
