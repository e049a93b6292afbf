//! One run of code in a kernel, from the request to its last output.

use std::{io, time::Duration};

use gristmill_domain::execution::ExecutionStatus;
use jupyter_protocol::{ExecuteReply, ExecuteRequest, ExecutionState, ReplyStatus, Status};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    client::{Kernel, Sockets},
    wire::Incoming,
    zmtp::Multipart,
};
use crate::{
    error::RuntimeError,
    output::{Collector, Live},
    places::KernelPlace,
};

/// How long code may take to end after it was interrupted at its deadline.
const INTERRUPT_PATIENCE: Duration = Duration::from_secs(2);
/// How long outputs may lag behind the answer.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(3);

/// What may be asked of a place while code runs there.
#[derive(Debug)]
pub(crate) enum Signal {
    /// Interrupt the run. The answer: whether there was one.
    Interrupt(oneshot::Sender<bool>),
    /// Replace the kernel.
    Restart(KernelPlace, oneshot::Sender<Result<(), RuntimeError>>),
    /// End the sandbox.
    Close(oneshot::Sender<()>),
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum RunEnd {
    /// The kernel answered, and is ready for more.
    Answered {
        /// `Timeout` when it had to be interrupted at the deadline.
        status: ExecutionStatus,
        /// The kernel's counter.
        count: Option<i64>,
    },
    /// The time was up, and the code went on in spite of the interrupt. The kernel is of no more use.
    Unanswered,
    /// The kernel or its sandbox is gone.
    Lost {
        /// Why, for people.
        reason: String,
    },
    /// A signal asked for the kernel's end.
    Stopped(Signal),
}

/// What is known of the run.
#[derive(Debug)]
struct Progress {
    /// The id of the request.
    id: String,
    reply: Option<ExecuteReply>,
    /// Whether the kernel said that it runs the code now.
    begun: bool,
    idle: bool,
    /// An interrupt was asked for before that: the kernel would not notice it.
    interrupt_due: bool,
    /// Whether it was interrupted because its time was up.
    interrupted: bool,
    /// When the next thing must have happened.
    until: Instant,
}

impl Kernel {
    /// Runs code to its end, its deadline or the kernel's end.
    pub(crate) async fn run(
        &mut self,
        code: &str,
        timeout: Duration,
        collector: &mut Collector,
        live: &mut Live,
        signals: &mut mpsc::Receiver<Signal>,
    ) -> RunEnd {
        match self.try_run(code, timeout, collector, live, signals).await {
            Ok(end) => end,
            Err(lost) => RunEnd::Lost { reason: self.cause(&lost).await },
        }
    }

    async fn try_run(
        &mut self,
        code: &str,
        timeout: Duration,
        collector: &mut Collector,
        live: &mut Live,
        signals: &mut mpsc::Receiver<Signal>,
    ) -> io::Result<RunEnd> {
        let request = ExecuteRequest {
            code: code.to_owned(),
            silent: false,
            store_history: true,
            user_expressions: None,
            allow_stdin: false,
            stop_on_error: true,
        };
        // Its answer would tell how things were before this run.
        self.looking = None;
        let (id, frames) = self.wire.request("execute_request", &request)?;
        self.sockets.shell.send(&frames).await?;
        let mut progress = Progress::new(id, timeout);
        loop {
            let Sockets { shell, iopub, control, heartbeat } = &mut self.sockets;
            tokio::select! {
                message = iopub.receive() => {
                    if let Some(message) = self.wire.open(&message?) {
                        progress.output(&message, collector, live);
                    }
                }
                message = shell.receive() => progress.answer(self.wire.open(&message?)),
                message = control.receive() => { let _: Multipart = message?; }
                error = heartbeat.watch() => return Err(error),
                _ = self.sandbox.wait() => return Err(io::ErrorKind::UnexpectedEof.into()),
                () = live.send_waiting(), if live.has_waiting() => {}
                Some(signal) = signals.recv() => match signal {
                    Signal::Interrupt(reply) => {
                        progress.interrupt_due = true;
                        let _ = reply.send(true);
                    }
                    other => return Ok(RunEnd::Stopped(other)),
                },
                () = tokio::time::sleep_until(progress.until) => {
                    if progress.reply.is_some() {
                        return Ok(progress.end(collector));
                    }
                    if progress.idle {
                        collector.fail("KeyboardInterrupt: the run was interrupted as it began", live);
                        return Ok(progress.end_without_reply());
                    }
                    if progress.interrupted {
                        return Ok(RunEnd::Unanswered);
                    }
                    progress.interrupted = true;
                    progress.until = Instant::now() + INTERRUPT_PATIENCE;
                    self.interrupt().await?;
                }
            }
            if progress.reply.is_some() && progress.idle {
                return Ok(progress.end(collector));
            }
            if progress.begun && progress.interrupt_due {
                progress.interrupt_due = false;
                self.interrupt().await?;
            }
        }
    }
}

impl Progress {
    fn new(id: String, timeout: Duration) -> Self {
        let until = Instant::now() + timeout;
        Self { id, reply: None, begun: false, idle: false, interrupt_due: false, interrupted: false, until }
    }

    fn output(&mut self, message: &Incoming, collector: &mut Collector, live: &mut Live) {
        if message.parent != self.id {
            return;
        }
        if message.kind == "status" {
            let status = serde_json::from_slice::<Status>(&message.content);
            if status.is_ok_and(|status| status.execution_state == ExecutionState::Idle) {
                self.idle = true;
                if self.reply.is_none() {
                    // An interrupt between the kernel's taking the request and its running the code swallows the answer.
                    self.until = self.until.min(Instant::now() + OUTPUT_PATIENCE);
                }
            }
        } else {
            self.begun |= message.kind == "execute_input";
            collector.take(&message.kind, &message.content, message.dropped, live);
        }
    }

    fn answer(&mut self, message: Option<Incoming>) {
        let Some(message) = message.filter(|message| message.parent == self.id && message.kind == "execute_reply") else {
            return;
        };
        let reply = serde_json::from_slice(&message.content);
        self.reply = Some(reply.unwrap_or_else(|_| ExecuteReply { status: ReplyStatus::Error, ..ExecuteReply::default() }));
        self.until = Instant::now() + OUTPUT_PATIENCE;
    }

    fn end_without_reply(&self) -> RunEnd {
        let status = if self.interrupted { ExecutionStatus::Timeout } else { ExecutionStatus::Error };
        RunEnd::Answered { status, count: None }
    }

    fn end(&self, collector: &Collector) -> RunEnd {
        let Some(reply) = &self.reply else { return RunEnd::Unanswered };
        let status = match reply.status {
            _ if self.interrupted => ExecutionStatus::Timeout,
            ReplyStatus::Ok if !collector.raised_error() => ExecutionStatus::Success,
            _ => ExecutionStatus::Error,
        };
        RunEnd::Answered { status, count: i64::try_from(reply.execution_count.value()).ok() }
    }
}
