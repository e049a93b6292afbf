//! Running a program of ours that reads hostile input: bounded in time and in output, killed when nobody waits for it. Its
//! other limits it sets itself, before it reads; a sandbox for people's code is [`crate::sandbox`].

use std::{fs::File, io, path::PathBuf, process::Stdio, time::Duration};

use tokio::{io::AsyncReadExt as _, process::Command};

/// What to run.
#[derive(Debug)]
pub struct ConfinedCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments. Its environment is empty.
    pub arguments: Vec<String>,
    /// What it reads on standard input.
    pub input: File,
    /// After this long it is killed.
    pub timeout: Duration,
    /// When it writes more it is killed.
    pub output_bytes_max: usize,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfinedEnd {
    /// By itself, with this status.
    Exited(i32),
    /// By a signal that it did not get from here.
    Died,
    /// It was killed at the end of its time.
    TimedOut,
    /// It was killed for writing too much.
    WroteTooMuch,
}

/// What it wrote before it ended.
#[derive(Debug)]
pub struct ConfinedOutput {
    /// Standard output, up to the limit.
    pub stdout: Vec<u8>,
    /// How it ended.
    pub end: ConfinedEnd,
}

impl ConfinedCommand {
    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started or waited for.
    ///
    /// # Cancel safety
    /// Dropping the future kills the process.
    pub async fn run(self) -> io::Result<ConfinedOutput> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(self.input))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut pipe = child.stdout.take().ok_or_else(|| io::Error::other("the child has no standard output"))?;
        let mut stdout = Vec::new();
        let limit = u64::try_from(self.output_bytes_max).unwrap_or(u64::MAX);
        // One more byte than it may write tells that it wrote too much.
        let mut bounded = (&mut pipe).take(limit.saturating_add(1));
        let reading = async {
            bounded.read_to_end(&mut stdout).await?;
            if stdout.len() > self.output_bytes_max {
                return Ok::<_, io::Error>(None);
            }
            Ok(Some(child.wait().await?))
        };
        let ended = tokio::time::timeout(self.timeout, reading).await;
        let end = match ended {
            Ok(Ok(Some(status))) => status.code().map_or(ConfinedEnd::Died, ConfinedEnd::Exited),
            Ok(Ok(None)) => ConfinedEnd::WroteTooMuch,
            Ok(Err(error)) => return Err(error),
            Err(_elapsed) => ConfinedEnd::TimedOut,
        };
        if matches!(end, ConfinedEnd::WroteTooMuch | ConfinedEnd::TimedOut) {
            child.kill().await?;
        }
        stdout.truncate(self.output_bytes_max);
        Ok(ConfinedOutput { stdout, end })
    }
}
