//! One worker: questions go in, answers come out, until it idles, breaks, or the server stops.

use std::{collections::HashMap, sync::Arc, time::Duration};

use gristmill_domain::ids::ProjectId;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    AssistAnswer, AssistError, AssistOp, AssistRequest,
    launch::{self, Launched},
    protocol::{self, Message, Told},
};
use crate::intelligence::assistant::Shared;

/// Longer lines than any answer.
const LINE_MAX: usize = 8 << 20;
/// Questions that may wait for a worker; a further one is refused.
pub(super) const PENDING_MAX: usize = 64;
/// The worker gives up a question after four seconds; one that is silent for longer than this hangs.
const STUCK_AFTER: Duration = Duration::from_secs(15);

/// A question on its way.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) request: AssistRequest,
    pub(super) reply: oneshot::Sender<Result<AssistAnswer, AssistError>>,
}

/// How a worker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Starting,
    Ready,
    Failed(String),
    Ended,
}

/// The way to a worker.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) state: watch::Receiver<State>,
    pub(super) stop: CancellationToken,
    pub(super) since: Instant,
    pub(super) used: Instant,
}

impl Handle {
    /// Starts a worker in a task of its own: it goes on when the first who asked has left.
    pub(super) fn start(shared: Arc<Shared>, project: ProjectId) -> Self {
        let (asks, receiver) = mpsc::channel(PENDING_MAX);
        let (sender, state) = watch::channel(State::Starting);
        let stop = CancellationToken::new();
        let now = Instant::now();
        let handle = Self { asks, state, stop: stop.clone(), since: now, used: now };
        let tasks = shared.tasks.clone();
        tasks.spawn("python help", run(shared, project, receiver, sender, stop));
        handle
    }
}

async fn run(
    shared: Arc<Shared>,
    project: ProjectId,
    asks: mpsc::Receiver<Ask>,
    state: watch::Sender<State>,
    stop: CancellationToken,
) {
    let settings = shared.settings;
    let starting = async {
        let launched = launch::launch(&*shared.backend, &shared.directories, settings.python, project).await?;
        let mut link = Link::new(launched);
        link.ready().await?;
        Ok::<_, AssistError>(link)
    };
    let started = tokio::select! {
        () = stop.cancelled() => return,
        () = shared.tasks.stopping().cancelled() => return,
        started = tokio::time::timeout(settings.startup_timeout, starting) => started,
    };
    let mut link = match started {
        Ok(Ok(link)) => link,
        Ok(Err(error)) => {
            state.send_replace(State::Failed(error.to_string()));
            return;
        }
        Err(_elapsed) => {
            state.send_replace(State::Failed("its worker did not start in time".to_owned()));
            return;
        }
    };
    state.send_replace(State::Ready);
    let reason = link.serve(asks, &settings.idle_after, &stop, shared.tasks.stopping()).await;
    state.send_replace(State::Ended);
    tracing::debug!(project.id = %project, reason, "a worker for Python help ends");
    link.launched.sandbox.kill().await;
}

#[derive(Debug)]
struct Pending {
    op: AssistOp,
    reply: oneshot::Sender<Result<AssistAnswer, AssistError>>,
    since: Instant,
}

#[derive(Debug)]
struct Link {
    launched: Launched,
    buffer: Vec<u8>,
    pending: HashMap<u64, Pending>,
    told: Told,
    next_id: u64,
}

impl Link {
    fn new(launched: Launched) -> Self {
        Self { launched, buffer: Vec::new(), pending: HashMap::new(), told: Told::default(), next_id: 0 }
    }

    /// Waits until the worker has warmed up enough to be asked.
    async fn ready(&mut self) -> Result<(), AssistError> {
        loop {
            if let Some(line) = self.take_line() {
                return match serde_json::from_slice::<Message<'_>>(&line) {
                    Ok(Message { ready: true, .. }) => Ok(()),
                    _ => Err(AssistError::Unavailable("its worker said something else than expected".to_owned())),
                };
            }
            if !self.fill().await {
                let log = self.launched.sandbox.log_tail().await;
                tracing::warn!(log, "the worker for Python help ended before it was ready");
                return Err(AssistError::Unavailable("its worker ended before it was ready".to_owned()));
            }
        }
    }

    /// Serves until there is a reason to end, and tells it.
    async fn serve(
        &mut self,
        mut asks: mpsc::Receiver<Ask>,
        idle_after: &Duration,
        stop: &CancellationToken,
        stopping: &CancellationToken,
    ) -> &'static str {
        let mut used = Instant::now();
        loop {
            let oldest = self.pending.values().map(|pending| pending.since).min();
            let wake = oldest.map_or(used + *idle_after, |since| since + STUCK_AFTER);
            tokio::select! {
                () = stop.cancelled() => return "told to",
                () = stopping.cancelled() => return "the server stops",
                () = tokio::time::sleep_until(wake) => {
                    return if oldest.is_some() { "it hangs" } else { "idle" };
                }
                ask = asks.recv() => {
                    let Some(ask) = ask else { return "nobody can ask" };
                    used = Instant::now();
                    if !self.ask(ask).await {
                        return "it does not read";
                    }
                }
                alive = Self::read(&mut self.launched, &mut self.buffer) => {
                    if !alive {
                        return "it ended";
                    }
                    while let Some(line) = self.take_line() {
                        if !self.take_answer(&line) {
                            return "it sent nonsense";
                        }
                    }
                }
            }
        }
    }

    async fn ask(&mut self, ask: Ask) -> bool {
        // Who gave up waiting wants no answer; this also bounds how many wait.
        if ask.reply.is_closed() {
            return true;
        }
        if self.pending.len() >= PENDING_MAX {
            drop(ask.reply.send(Err(AssistError::Timeout)));
            return true;
        }
        self.next_id += 1;
        let op = ask.request.op;
        let Ok(line) = self.told.line(self.next_id, ask.request) else { return false };
        let since = Instant::now();
        self.pending.insert(self.next_id, Pending { op, reply: ask.reply, since });
        let write = self.launched.stream.write_all(&line);
        matches!(tokio::time::timeout(STUCK_AFTER, write).await, Ok(Ok(())))
    }

    fn take_answer(&mut self, line: &[u8]) -> bool {
        let Ok(Message { id: Some(id), answer, .. }) = serde_json::from_slice::<Message<'_>>(line) else { return false };
        let Some(pending) = self.pending.remove(&id) else { return false };
        let answer = answer.and_then(|text| protocol::answer(pending.op, text));
        // A question that broke the analysis has an answer that says nothing, as in the contract.
        drop(pending.reply.send(Ok(answer.unwrap_or_else(|| AssistAnswer::empty(pending.op)))));
        true
    }

    async fn fill(&mut self) -> bool {
        Self::read(&mut self.launched, &mut self.buffer).await
    }

    /// Reads what is there; false at the end. Cancel safe.
    async fn read(launched: &mut Launched, buffer: &mut Vec<u8>) -> bool {
        if buffer.len() > LINE_MAX {
            return false;
        }
        matches!(launched.stream.read_buf(buffer).await, Ok(count) if count > 0)
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
        let rest = self.buffer.split_off(end + 1);
        Some(std::mem::replace(&mut self.buffer, rest))
    }
}
