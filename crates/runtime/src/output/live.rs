//! Outputs on their way to who watches a run. The kernel never waits for them.

use std::collections::VecDeque;

use gristmill_domain::execution::RichOutput;
use tokio::sync::mpsc;

/// Bytes that may wait for a slow watcher.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// Text is joined up to this size.
const JOINED_BYTES_MAX: usize = 64 << 10;

/// A bounded, joining queue in front of a watcher's channel. When it is full, later outputs are left out: the result of
/// the run has them all.
#[derive(Debug)]
pub(crate) struct Live {
    sink: mpsc::Sender<RichOutput>,
    waiting: VecDeque<(RichOutput, Joins)>,
    waiting_bytes: usize,
}

/// Whether an output may be joined with one of its kind before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joins {
    Yes,
    No,
}

impl Live {
    pub(crate) fn new(sink: mpsc::Sender<RichOutput>) -> Self {
        Self { sink, waiting: VecDeque::new(), waiting_bytes: 0 }
    }

    /// Hands an output on, or keeps it until [`Self::send_waiting`].
    pub(crate) fn push(&mut self, output: RichOutput, joins: Joins) {
        if self.sink.is_closed() {
            self.waiting.clear();
            return;
        }
        let output = if self.waiting.is_empty() {
            match self.sink.try_send(output) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Full(output) | mpsc::error::TrySendError::Closed(output)) => output,
            }
        } else {
            output
        };
        let size = size_of_output(&output);
        if self.waiting_bytes + size > WAITING_BYTES_MAX {
            return;
        }
        self.waiting_bytes += size;
        match self.waiting.back_mut() {
            Some((last, Joins::Yes))
                if joins == Joins::Yes && last.kind == output.kind && last.content.len() + size <= JOINED_BYTES_MAX =>
            {
                last.content.push_str(&output.content);
            }
            _ => self.waiting.push_back((output, joins)),
        }
    }

    /// Whether [`Self::send_waiting`] has something to do.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Sends one waiting output as soon as the watcher takes it.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn send_waiting(&mut self) {
        let Ok(permit) = self.sink.reserve().await else {
            self.waiting.clear();
            return;
        };
        if let Some((output, _)) = self.waiting.pop_front() {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(size_of_output(&output));
            permit.send(output);
        }
    }
}

fn size_of_output(output: &RichOutput) -> usize {
    // A figure's size is not known here; its bound is the run's.
    output.content.len() + if output.data.is_some() { 64 << 10 } else { 64 }
}

#[cfg(test)]
mod tests {
    use gristmill_domain::execution::OutputKind;

    use super::*;

    fn text(content: &str) -> RichOutput {
        RichOutput::new(OutputKind::Text, content)
    }

    #[tokio::test]
    async fn joins_text_for_a_slow_watcher_and_keeps_the_order() {
        let (sink, mut watcher) = mpsc::channel(1);
        let mut live = Live::new(sink);
        for piece in ["a", "b", "c"] {
            live.push(text(piece), Joins::Yes);
        }
        live.push(RichOutput::new(OutputKind::Html, "<b>"), Joins::No);
        live.push(text("d"), Joins::Yes);
        let mut seen = vec![watcher.recv().await.unwrap().content];
        while live.has_waiting() {
            live.send_waiting().await;
            seen.push(watcher.recv().await.unwrap().content);
        }
        assert_eq!(seen, ["a", "bc", "<b>", "d"]);
    }

    #[tokio::test]
    async fn is_bounded_and_survives_a_watcher_that_left() {
        let (sink, watcher) = mpsc::channel(1);
        let mut live = Live::new(sink);
        let piece = "x".repeat(1 << 20);
        for _ in 0..100 {
            live.push(text(&piece), Joins::Yes);
        }
        assert!(live.waiting_bytes <= WAITING_BYTES_MAX && live.waiting.len() <= 4);
        drop(watcher);
        live.send_waiting().await;
        live.push(text("y"), Joins::Yes);
        assert!(!live.has_waiting());
    }
}
