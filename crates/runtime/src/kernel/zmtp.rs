//! The client's half of ZMTP 3.0 over a Unix socket: just enough for a Jupyter kernel, and safe against a hostile one.
//!
//! Whoever controls the sandbox controls the peer. The `zeromq` crate reserves whatever length a frame's header claims
//! (one header of nine bytes then aborts the server), reconnects to whatever has appeared at the path, and follows
//! symbolic links there. Here a message is bounded while it is read, a connection is made once, and only to a socket.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use rustix::fs::{FileType, Mode, OFlags};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Frames above this are read and dropped.
const FRAME_BYTES_MAX: u64 = 32 << 20;
/// Frames of a message together; what is over is dropped.
const MESSAGE_BYTES_MAX: u64 = 48 << 20;
/// Jupyter messages have six frames and their buffers.
const FRAMES_MAX: usize = 64;
/// Commands of the protocol are short.
const COMMAND_BYTES_MAX: u64 = 4096;
/// A kernel that does not take a request within this time has stopped.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
const READ_CHUNK: usize = 64 * 1024;

/// What the socket is to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketKind {
    Dealer,
    Subscriber,
    Requester,
}

impl SocketKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Dealer => "DEALER",
            Self::Subscriber => "SUB",
            Self::Requester => "REQ",
        }
    }
}

/// A received message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Multipart {
    /// Its frames; one that was too large is there, empty.
    pub(super) frames: Vec<Bytes>,
    /// Bytes that were dropped.
    pub(super) dropped: u64,
}

/// A connected socket.
#[derive(Debug)]
pub(super) struct ZmtpSocket {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    decoder: Decoder,
}

impl ZmtpSocket {
    /// Connects to the socket `name` in a directory that the sandbox can write to, and greets the peer.
    pub(super) async fn connect(directory: &OwnedFd, name: &str, kind: SocketKind) -> io::Result<Self> {
        // By descriptor: a link in the directory is never followed, and the path may be longer than a socket's may.
        let socket = rustix::fs::openat(directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        if FileType::from_raw_mode(rustix::fs::fstat(&socket)?.st_mode) != FileType::Socket {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "there is something else where the kernel's socket should be",
            ));
        }
        let stream = UnixStream::connect(format!("/proc/self/fd/{}", socket.as_raw_fd())).await?;
        let (read, write) = stream.into_split();
        let mut connected = Self { read, write, decoder: Decoder::default() };
        connected.greet(kind).await?;
        Ok(connected)
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, frames: &[Bytes]) -> io::Result<()> {
        let mut wire = BytesMut::with_capacity(frames.iter().map(|frame| frame.len() + 9).sum());
        for (index, frame) in frames.iter().enumerate() {
            let more = u8::from(index + 1 < frames.len());
            put_frame(&mut wire, more, frame)?;
        }
        self.write(&wire).await
    }

    /// Receives a message; an error when the peer has closed the connection or does not speak the protocol.
    ///
    /// # Cancel safety
    /// Cancel safe: what was read is kept for the next call.
    pub(super) async fn receive(&mut self) -> io::Result<Multipart> {
        loop {
            if let Some(message) = self.decoder.next_message()? {
                return Ok(message);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.decoder.buffer.reserve(READ_CHUNK);
        match self.read.read_buf(&mut self.decoder.buffer).await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the kernel closed its connection")),
            _ => Ok(()),
        }
    }

    async fn write(&mut self, wire: &[u8]) -> io::Result<()> {
        tokio::time::timeout(SEND_TIMEOUT, self.write.write_all(wire))
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel does not read its socket")))
    }

    async fn greet(&mut self, kind: SocketKind) -> io::Result<()> {
        let mut greeting = [0_u8; GREETING_BYTES];
        for (slot, byte) in greeting.iter_mut().zip(*b"\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL") {
            *slot = byte;
        }
        self.write(&greeting).await?;
        while self.decoder.buffer.len() < GREETING_BYTES {
            self.fill().await?;
        }
        let theirs = self.decoder.buffer.split_to(GREETING_BYTES);
        let version = theirs.get(10).copied().unwrap_or_default();
        if theirs.first() != Some(&0xff) || version < 3 || theirs.get(12..16) != Some(b"NULL".as_slice()) {
            return Err(invalid("the kernel's greeting is not ZMTP 3 without encryption"));
        }
        let mut ready = BytesMut::from(&b"\x05READY"[..]);
        put_property(&mut ready, "Socket-Type", kind.as_str())?;
        let mut wire = BytesMut::new();
        put_frame(&mut wire, COMMAND, &ready)?;
        if kind == SocketKind::Subscriber {
            // To everything: an empty topic.
            put_frame(&mut wire, 0, &[1])?;
        }
        self.write(&wire).await?;
        while !self.decoder.ready {
            if self.decoder.next_message()?.is_some() {
                return Err(invalid("the kernel sent a message before it was ready"));
            }
            if !self.decoder.ready {
                self.fill().await?;
            }
        }
        Ok(())
    }
}

const GREETING_BYTES: usize = 64;
const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn put_frame(wire: &mut BytesMut, flags: u8, frame: &[u8]) -> io::Result<()> {
    if let Ok(length) = u8::try_from(frame.len()) {
        wire.extend_from_slice(&[flags, length]);
    } else {
        let length = u64::try_from(frame.len()).map_err(io::Error::other)?;
        wire.extend_from_slice(&[flags | LONG]);
        wire.extend_from_slice(&length.to_be_bytes());
    }
    wire.extend_from_slice(frame);
    Ok(())
}

fn put_property(command: &mut BytesMut, name: &str, value: &str) -> io::Result<()> {
    command.extend_from_slice(&[u8::try_from(name.len()).map_err(io::Error::other)?]);
    command.extend_from_slice(name.as_bytes());
    command.extend_from_slice(&u32::try_from(value.len()).map_err(io::Error::other)?.to_be_bytes());
    command.extend_from_slice(value.as_bytes());
    Ok(())
}

/// Cuts what was read into messages.
#[derive(Debug, Default)]
struct Decoder {
    buffer: BytesMut,
    /// The frame that is being read.
    frame: Option<PartialFrame>,
    message: Multipart,
    message_bytes: u64,
    /// The peer's READY was seen.
    ready: bool,
}

#[derive(Debug)]
struct PartialFrame {
    flags: u8,
    remaining: u64,
    kept: Option<BytesMut>,
}

impl Decoder {
    fn next_message(&mut self) -> io::Result<Option<Multipart>> {
        loop {
            if self.frame.is_none() {
                self.frame = self.frame_header()?;
            }
            let Some(frame) = &mut self.frame else { return Ok(None) };
            let available = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX).min(frame.remaining);
            let taken = self.buffer.split_to(usize::try_from(available).unwrap_or_default());
            frame.remaining -= available;
            match &mut frame.kept {
                Some(kept) if kept.is_empty() => *kept = taken,
                Some(kept) => kept.extend_from_slice(&taken),
                None => {}
            }
            if frame.remaining > 0 {
                return Ok(None);
            }
            if let Some(frame) = self.frame.take()
                && let Some(message) = self.finish_frame(frame)?
            {
                return Ok(Some(message));
            }
        }
    }

    fn frame_header(&mut self) -> io::Result<Option<PartialFrame>> {
        let Some(&flags) = self.buffer.first() else { return Ok(None) };
        let header = if flags & LONG == 0 { 2 } else { 9 };
        if self.buffer.len() < header {
            return Ok(None);
        }
        self.buffer.advance(1);
        let length = if flags & LONG == 0 { u64::from(self.buffer.get_u8()) } else { self.buffer.get_u64() };
        if flags & COMMAND != 0 {
            if length > COMMAND_BYTES_MAX {
                return Err(invalid("the kernel sent a command that is too long"));
            }
            return Ok(Some(PartialFrame { flags, remaining: length, kept: Some(BytesMut::new()) }));
        }
        let keep = length <= FRAME_BYTES_MAX && self.message_bytes.saturating_add(length) <= MESSAGE_BYTES_MAX;
        if keep {
            self.message_bytes += length;
        } else {
            self.message.dropped = self.message.dropped.saturating_add(length);
        }
        Ok(Some(PartialFrame { flags, remaining: length, kept: keep.then(BytesMut::new) }))
    }

    fn finish_frame(&mut self, frame: PartialFrame) -> io::Result<Option<Multipart>> {
        let body = frame.kept.unwrap_or_default().freeze();
        if frame.flags & COMMAND != 0 {
            if body.starts_with(b"\x05READY") {
                self.ready = true;
            } else if body.starts_with(b"\x05ERROR") {
                return Err(invalid("the kernel refused the connection"));
            }
            return Ok(None);
        }
        if self.message.frames.len() >= FRAMES_MAX {
            return Err(invalid("the kernel sent a message of too many frames"));
        }
        self.message.frames.push(body);
        if frame.flags & MORE != 0 {
            return Ok(None);
        }
        self.message_bytes = 0;
        Ok(Some(std::mem::take(&mut self.message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoder(bytes: &[u8]) -> Decoder {
        Decoder { buffer: BytesMut::from(bytes), ..Decoder::default() }
    }

    fn encoded(frames: &[&[u8]]) -> Vec<u8> {
        let mut wire = BytesMut::new();
        for (index, frame) in frames.iter().enumerate() {
            put_frame(&mut wire, u8::from(index + 1 < frames.len()), frame).unwrap();
        }
        wire.to_vec()
    }

    #[test]
    fn reads_a_message_that_arrives_byte_by_byte() {
        let long = vec![7_u8; 700];
        let wire = encoded(&[b"topic", &long, b""]);
        let mut decoder = Decoder::default();
        for (index, byte) in wire.iter().enumerate() {
            decoder.buffer.extend_from_slice(&[*byte]);
            let message = decoder.next_message().unwrap();
            assert_eq!(message.is_some(), index + 1 == wire.len());
            if let Some(message) = message {
                assert_eq!(message.frames, [Bytes::from_static(b"topic"), Bytes::from(long.clone()), Bytes::new()]);
            }
        }
    }

    #[test]
    fn drops_a_frame_that_is_too_large_and_goes_on() {
        let mut decoder = decoder(&[LONG | MORE]);
        decoder.buffer.extend_from_slice(&(FRAME_BYTES_MAX + 1).to_be_bytes());
        let mut left = FRAME_BYTES_MAX + 1;
        while left > 0 {
            let chunk = left.min(1 << 20);
            decoder.buffer.extend_from_slice(&vec![0; usize::try_from(chunk).unwrap()]);
            assert!(decoder.next_message().unwrap().is_none());
            assert!(decoder.buffer.len() < 1 << 20, "nothing piles up");
            left -= chunk;
        }
        decoder.buffer.extend_from_slice(&encoded(&[b"end"]));
        let message = decoder.next_message().unwrap().unwrap();
        assert_eq!((message.frames.len(), message.dropped), (2, FRAME_BYTES_MAX + 1));
    }

    #[test]
    fn a_claimed_length_reserves_nothing() {
        let mut decoder = decoder(&[LONG, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
        assert!(decoder.next_message().unwrap().is_none());
        assert!(decoder.buffer.capacity() < 1 << 20);
    }

    #[test]
    fn refuses_endless_messages_and_long_commands() {
        let mut endless = Decoder::default();
        for _ in 0..=FRAMES_MAX {
            endless.buffer.extend_from_slice(&[MORE, 0]);
        }
        assert!(endless.next_message().is_err());
        let mut long = decoder(&[COMMAND | LONG]);
        long.buffer.extend_from_slice(&(COMMAND_BYTES_MAX + 1).to_be_bytes());
        assert!(long.next_message().is_err());
        assert!(decoder(&[COMMAND, 6, 5, b'E', b'R', b'R', b'O', b'R']).next_message().is_err());
    }
}
