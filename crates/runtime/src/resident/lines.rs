//! Lines over a worker's socket; those that come are bounded.

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// A connection that is read while it is written: a worker may answer before it has read everything, and would wait for
/// ever for somebody who reads its answer later.
#[derive(Debug)]
pub(super) struct Lines {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    incoming: Vec<u8>,
    /// Bytes of `incoming` in which there is no end of a line.
    searched: usize,
    outgoing: BytesMut,
    bytes_max: usize,
}

impl Lines {
    pub(super) fn new(stream: UnixStream, bytes_max: usize) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader, writer, incoming: Vec::new(), searched: 0, outgoing: BytesMut::new(), bytes_max }
    }

    /// Whether everything was sent.
    pub(super) fn all_sent(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// Notes a line to be sent.
    pub(super) fn send(&mut self, line: &[u8]) {
        self.outgoing.extend_from_slice(line);
        self.outgoing.extend_from_slice(b"\n");
    }

    /// Sends or reads what can be; false at the end, and beyond the longest line. Cancel safe.
    pub(super) async fn turn(&mut self) -> bool {
        if self.incoming.len() > self.bytes_max {
            return false;
        }
        if self.outgoing.is_empty() {
            return matches!(self.reader.read_buf(&mut self.incoming).await, Ok(count) if count > 0);
        }
        tokio::select! {
            read = self.reader.read_buf(&mut self.incoming) => matches!(read, Ok(count) if count > 0),
            sent = self.writer.write(&self.outgoing) => match sent {
                Ok(count) if count > 0 => {
                    self.outgoing.advance(count);
                    true
                }
                _ => false,
            },
        }
    }

    /// A line that has come, without its end.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        let unread = self.incoming.get(self.searched..).unwrap_or_default();
        let Some(end) = unread.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.incoming.len();
            return None;
        };
        let rest = self.incoming.split_off(self.searched + end + 1);
        let mut line = std::mem::replace(&mut self.incoming, rest);
        line.pop();
        self.searched = 0;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_whatever_the_pieces() {
        let (mine, mut theirs) = UnixStream::pair().unwrap();
        let mut lines = Lines::new(mine, 100);
        theirs.write_all(b"one\ntw").await.unwrap();
        assert!(lines.turn().await);
        assert_eq!((lines.take(), lines.take()), (Some(b"one".to_vec()), None));
        theirs.write_all(b"o\n\n").await.unwrap();
        assert!(lines.turn().await);
        assert_eq!((lines.take(), lines.take(), lines.take()), (Some(b"two".to_vec()), Some(Vec::new()), None));
        drop(theirs);
        assert!(!lines.turn().await);
    }

    #[tokio::test]
    async fn a_flood_ends() {
        let (mine, mut theirs) = UnixStream::pair().unwrap();
        let mut lines = Lines::new(mine, 100);
        theirs.write_all(&[b'x'; 101]).await.unwrap();
        // However many pieces it comes in.
        while lines.turn().await {
            assert_eq!(lines.take(), None);
        }
    }

    #[tokio::test]
    async fn much_goes_both_ways_at_once() {
        const SIZE: usize = 4 << 20;
        let (mine, theirs) = UnixStream::pair().unwrap();
        let mut lines = Lines::new(mine, SIZE);
        lines.send(&vec![b'q'; SIZE]);
        let (mut reader, mut writer) = theirs.into_split();
        // The other side reads nothing before it has said everything.
        let other = async move {
            writer.write_all(&vec![b'a'; SIZE - 1]).await.unwrap();
            writer.write_all(b"\n").await.unwrap();
            let mut asked = vec![0; SIZE + 1];
            reader.read_exact(&mut asked).await.unwrap();
            assert_eq!(asked.last(), Some(&b'\n'));
            // Both ends stay open until here.
            (reader, writer)
        };
        let own = async {
            let mut answer = None;
            while answer.is_none() || !lines.all_sent() {
                assert!(lines.turn().await);
                answer = answer.take().or_else(|| lines.take());
            }
            assert_eq!(answer.map(|line| line.len()), Some(SIZE - 1));
        };
        tokio::join!(other, own);
    }
}
