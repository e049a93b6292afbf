//! What the program in an installing sandbox tells, over a Unix socket.

use gristmill_domain::execution::PackageInfo;
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::{UnixListener, UnixStream},
};

use super::progress::Phase;

/// Longest line, and most of everything; what is over it is the end.
const LINE_BYTES_MAX: u64 = 256 * 1024;
const LINES_MAX: usize = 200_000;

/// A line of the installer.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    #[serde(default)]
    pub(super) log: Option<String>,
    #[serde(default)]
    pub(super) phase: Option<Phase>,
    #[serde(default)]
    pub(super) exit: Option<i32>,
    #[serde(default)]
    pub(super) installed: Vec<String>,
    #[serde(default)]
    pub(super) packages: Vec<PackageInfo>,
}

/// The lines of one sandbox's program.
#[derive(Debug)]
pub(super) struct Teller {
    listener: UnixListener,
    connection: Option<BufReader<UnixStream>>,
    line: Vec<u8>,
    lines: usize,
}

impl Teller {
    pub(super) fn new(listener: UnixListener) -> Self {
        Self { listener, connection: None, line: Vec::new(), lines: 0 }
    }

    /// The next line; none at the end, or when it is not what it should be.
    ///
    /// # Cancel safety
    /// Cancel safe: what was read of a line is kept.
    pub(super) async fn next(&mut self) -> Option<Told> {
        if self.connection.is_none() {
            let (connection, _) = self.listener.accept().await.ok()?;
            self.connection = Some(BufReader::new(connection));
        }
        let connection = self.connection.as_mut()?;
        let room = LINE_BYTES_MAX.saturating_sub(u64::try_from(self.line.len()).unwrap_or(LINE_BYTES_MAX));
        connection.take(room).read_until(b'\n', &mut self.line).await.ok()?;
        let line = std::mem::take(&mut self.line);
        self.lines += 1;
        if self.lines > LINES_MAX || !line.ends_with(b"\n") {
            return None;
        }
        serde_json::from_slice(&line).ok()
    }
}
