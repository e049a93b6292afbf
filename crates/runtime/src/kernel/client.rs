//! A running kernel: its sockets, whether it lives, why it ended.

use std::{collections::BTreeMap, io, time::Duration};

use bytes::Bytes;
use jupyter_protocol::{InterruptRequest, ShutdownRequest};
use tokio::time::Instant;

use super::{launch::SocketDirectory, variables, wire::Wire, zmtp::ZmtpSocket};
use crate::{
    intelligence::LiveVariable,
    sandbox::{Exit, Sandbox, SandboxLimits},
};

const BEAT_EVERY: Duration = Duration::from_secs(5);
/// A kernel whose heartbeat thread is silent for so long hangs. It answers even while Python computes.
const BEAT_PATIENCE: Duration = Duration::from_secs(30);
/// How long the end of the process may lag behind the end of its sockets.
const EXIT_PATIENCE: Duration = Duration::from_secs(2);
const SHUTDOWN_PATIENCE: Duration = Duration::from_millis(500);

/// The channels of one kernel. `stdin` is not connected: code that asks for input gets an error at once.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) shell: ZmtpSocket,
    pub(super) iopub: ZmtpSocket,
    pub(super) control: ZmtpSocket,
    pub(super) heartbeat: Heartbeat,
}

/// A ready kernel. Dropping it ends its sandbox.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(super) sockets: Sockets,
    pub(super) wire: Wire,
    pub(super) sandbox: Box<dyn Sandbox>,
    limits: SandboxLimits,
    /// The request for what it holds that was not answered yet.
    pub(super) looking: Option<String>,
    _directory: SocketDirectory,
}

/// What happened to a kernel that runs nothing.
#[derive(Debug)]
pub(crate) enum Watched {
    /// It is lost, and why.
    Lost(String),
    /// It told what it holds.
    Holds(BTreeMap<String, LiveVariable>),
}

impl Kernel {
    pub(super) fn new(
        sandbox: Box<dyn Sandbox>,
        sockets: Sockets,
        wire: Wire,
        limits: SandboxLimits,
        directory: SocketDirectory,
    ) -> Self {
        Self { sockets, wire, sandbox, limits, looking: None, _directory: directory }
    }

    /// Watches a kernel that runs nothing, until something happens.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn watch(&mut self) -> Watched {
        let lost = loop {
            let Sockets { shell, iopub, control, heartbeat } = &mut self.sockets;
            tokio::select! {
                // What threads of an earlier run put out belongs to no run any more.
                message = iopub.receive() => if let Err(error) = message { break error },
                message = shell.receive() => match message {
                    Ok(message) => {
                        let answer = self.wire.open(&message).filter(|answer| self.looking.as_ref() == Some(&answer.parent));
                        if let Some(answer) = answer {
                            self.looking = None;
                            return Watched::Holds(variables::read(&answer.content));
                        }
                    }
                    Err(error) => break error,
                },
                message = control.receive() => if let Err(error) = message { break error },
                error = heartbeat.watch() => break error,
                exit = self.sandbox.wait() => return Watched::Lost(describe_exit(&exit, &self.limits)),
            }
        };
        Watched::Lost(self.cause(&lost).await)
    }

    /// Asks a kernel that runs nothing what it holds; [`Self::watch`] gets the answer. A cell that comes meanwhile is
    /// sent all the same: the kernel gives itself little time to answer.
    pub(crate) async fn look(&mut self) {
        if self.looking.is_some() {
            return;
        }
        let Ok((id, frames)) = self.wire.request("gristmill_variables_request", &serde_json::json!({})) else { return };
        // A kernel that does not take it is watched anyway.
        if self.sockets.shell.send(&frames).await.is_ok() {
            self.looking = Some(id);
        }
    }

    /// Sends SIGINT to the code that runs.
    pub(super) async fn interrupt(&mut self) -> io::Result<()> {
        let (_, frames) = self.wire.request("interrupt_request", &InterruptRequest {})?;
        self.sockets.control.send(&frames).await
    }

    /// Ends the kernel and its sandbox.
    pub(crate) async fn stop(mut self) {
        let asked = async {
            let (_, frames) = self.wire.request("shutdown_request", &ShutdownRequest { restart: false })?;
            self.sockets.control.send(&frames).await
        };
        if asked.await.is_ok() {
            // Time for the exit handlers of the code; nobody has to be waited for longer.
            let _ = tokio::time::timeout(SHUTDOWN_PATIENCE, self.sandbox.wait()).await;
        }
        self.sandbox.kill().await;
    }

    /// Ends the sandbox at once.
    pub(crate) async fn kill(self) {
        self.sandbox.kill().await;
    }

    /// Why the kernel does not answer any more. Its sandbox is gone afterwards.
    pub(super) async fn cause(&mut self, lost: &io::Error) -> String {
        let exit = tokio::time::timeout(EXIT_PATIENCE, self.sandbox.wait()).await;
        if let Ok(exit) = exit {
            return describe_exit(&exit, &self.limits);
        }
        self.sandbox.kill().await;
        if lost.kind() == io::ErrorKind::TimedOut {
            "the kernel stopped answering".to_owned()
        } else {
            "the kernel lost its connection: its sockets were closed from inside".to_owned()
        }
    }
}

/// The heartbeat channel: echoed by a thread of the kernel's that does not run Python.
#[derive(Debug)]
pub(super) struct Heartbeat {
    socket: ZmtpSocket,
    sent: Option<Instant>,
    next: Instant,
}

impl Heartbeat {
    pub(super) fn new(socket: ZmtpSocket) -> Self {
        Self { socket, sent: None, next: Instant::now() + BEAT_EVERY }
    }

    /// Beats until the kernel fails to answer.
    ///
    /// # Cancel safety
    /// Cancel safe: a beat may be sent twice.
    pub(super) async fn watch(&mut self) -> io::Error {
        loop {
            let Some(sent) = self.sent else {
                tokio::select! {
                    () = tokio::time::sleep_until(self.next) => {}
                    message = self.socket.receive() => match message {
                        Ok(_) => continue,
                        Err(error) => return error,
                    },
                }
                if let Err(error) = self.socket.send(&[Bytes::new(), Bytes::from_static(b"beat")]).await {
                    return error;
                }
                self.sent = Some(Instant::now());
                continue;
            };
            match tokio::time::timeout_at(sent + BEAT_PATIENCE, self.socket.receive()).await {
                Ok(Ok(_)) => {
                    self.sent = None;
                    self.next = Instant::now() + BEAT_EVERY;
                }
                Ok(Err(error)) => return error,
                Err(_) => return io::Error::new(io::ErrorKind::TimedOut, "no heartbeat"),
            }
        }
    }
}

/// Why a sandbox ended, for the person whose code ran in it.
pub(super) fn describe_exit(exit: &Exit, limits: &SandboxLimits) -> String {
    // A supervisor in between reports the signal of its child in this range.
    let exit = match exit {
        Exit::Code(code @ 129..=160) => Exit::Signal(code - 128),
        other => other.clone(),
    };
    match exit {
        Exit::Code(code) => format!("the kernel exited with code {code}"),
        Exit::Signal(4 | 7 | 8 | 11) => "the kernel crashed (segmentation fault or similar)".to_owned(),
        Exit::Signal(6) => "the kernel aborted".to_owned(),
        Exit::Signal(24) => "the kernel used up its CPU time".to_owned(),
        Exit::Signal(signal) => format!("the kernel was ended by signal {signal}"),
        Exit::OutOfMemory => {
            format!("the kernel used more than its {} MB of memory and was stopped", limits.memory_bytes >> 20)
        }
        Exit::OutOfDisk => {
            format!("the workspace grew over its {} MB and the kernel was stopped: remove files", limits.disk_bytes >> 20)
        }
        Exit::Killed => "the kernel was stopped".to_owned(),
    }
}
