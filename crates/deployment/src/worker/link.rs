//! The connection to one worker: a line out, a line in, both bounded.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::Instant,
};

use super::protocol::{self, Answer, Operation};

/// Why a worker is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// The connection ended.
    Gone,
    /// It did not answer, or did not read, in time.
    Hangs,
    /// It said something that is no answer.
    Nonsense,
    /// It sent a longer line than any answer.
    Floods,
}

impl Broken {
    /// For people; `None` when the sandbox knows better.
    pub(super) fn reason(self) -> Option<&'static str> {
        match self {
            Self::Gone => None,
            Self::Hangs => Some("it did not answer in time"),
            Self::Nonsense => Some("it said something that is no answer"),
            Self::Floods => Some("its answer was larger than an answer may be"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Link {
    stream: UnixStream,
    buffer: Vec<u8>,
    line_bytes_max: usize,
    next_id: u64,
}

impl Link {
    pub(super) fn new(stream: UnixStream, line_bytes_max: usize) -> Self {
        Self { stream, buffer: Vec::new(), line_bytes_max, next_id: 0 }
    }

    /// Waits until the worker says that it is ready. Its caller keeps the time.
    pub(super) async fn ready(&mut self) -> Result<(), Broken> {
        let line = self.line().await?;
        if protocol::is_ready(&line) { Ok(()) } else { Err(Broken::Nonsense) }
    }

    /// Asks for rows of JSON, `count` in all.
    pub(super) async fn exchange(
        &mut self,
        operation: Operation,
        rows: &[&str],
        count: usize,
        patience: Duration,
    ) -> Result<Answer, Broken> {
        self.next_id += 1;
        let line = protocol::request(self.next_id, operation, rows);
        let deadline = Instant::now() + patience;
        let conversation = async {
            // It may answer before it has read everything; nobody would read then.
            self.stream.write_all(&line).await.map_err(|_error| Broken::Gone)?;
            self.line().await
        };
        let answered = tokio::time::timeout_at(deadline, conversation).await.map_err(|_elapsed| Broken::Hangs)??;
        // Nothing is sent unasked: what follows an answer would be taken for the next one.
        if !self.buffer.is_empty() {
            return Err(Broken::Nonsense);
        }
        protocol::answer(&answered, self.next_id, operation, count).ok_or(Broken::Nonsense)
    }

    /// Ends when the connection does, or when something is said unasked. Cancel safe.
    pub(super) async fn idle(&mut self) -> Broken {
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(count) if count > 0 => Broken::Nonsense,
            _ => Broken::Gone,
        }
    }

    async fn line(&mut self) -> Result<Vec<u8>, Broken> {
        let mut searched = 0;
        loop {
            let unread = self.buffer.get(searched..).unwrap_or_default();
            if let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(searched + end + 1);
                return Ok(std::mem::replace(&mut self.buffer, rest));
            }
            searched = self.buffer.len();
            if searched > self.line_bytes_max {
                return Err(Broken::Floods);
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(count) if count > 0 => {}
                _ => return Err(Broken::Gone),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A link whose worker has said this already.
    async fn link(said: &[u8], ends: bool) -> (Link, Option<UnixStream>) {
        let (mine, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(said).await.unwrap();
        (Link::new(mine, 1000), (!ends).then_some(theirs))
    }

    #[tokio::test]
    async fn an_answer_is_read_and_an_end_is_noticed() {
        let (mut link, _open) = link(b"{\"ready\":true}\n", false).await;
        link.ready().await.unwrap();
        let (mut link, _open) = self::link(b"{\"id\":1,\"result\":{\"ready\":true}}\n", false).await;
        let answer = link.exchange(Operation::Health, &[], 0, PATIENCE).await;
        assert_eq!(answer, Ok(Answer::Reply(protocol::Reply::Healthy)));
        let (mut link, _) = self::link(b"{\"id\":1,", true).await;
        assert_eq!(link.exchange(Operation::Health, &[], 0, PATIENCE).await, Err(Broken::Gone));
        let (mut link, _) = self::link(b"", true).await;
        assert_eq!(link.idle().await, Broken::Gone);
    }

    #[tokio::test]
    async fn nonsense_floods_and_silence_are_told_apart() {
        let (mut link, _open) = link(b"hello\n", false).await;
        assert_eq!(link.ready().await, Err(Broken::Nonsense));
        let (mut link, _open) = self::link(&[b'x'; 1001], false).await;
        assert_eq!(link.exchange(Operation::Health, &[], 0, PATIENCE).await, Err(Broken::Floods));
        let twice = b"{\"id\":1,\"result\":{\"ready\":true}}\n{\"id\":2,\"result\":{\"ready\":true}}\n";
        let (mut link, _open) = self::link(twice, false).await;
        assert_eq!(link.exchange(Operation::Health, &[], 0, PATIENCE).await, Err(Broken::Nonsense));
        let (mut link, _open) = self::link(b"unasked", false).await;
        assert_eq!(link.idle().await, Broken::Nonsense);
        let (mut link, _open) = self::link(b"", false).await;
        assert_eq!(link.exchange(Operation::Health, &[], 0, Duration::ZERO).await, Err(Broken::Hangs));
    }
}
