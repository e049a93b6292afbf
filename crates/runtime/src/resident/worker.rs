//! One worker: questions go in, answers come out, until it idles, breaks, or the server stops.

use std::{collections::HashMap, fmt::Debug, sync::Arc};

use gristmill_jobs::Tasks;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    ResidentError, ResidentSettings,
    crew::{Key, Launch},
    launch::Launched,
    lines::Lines,
};
use crate::sandbox::Sandbox;

/// Longest reason of a worker's that is passed on, characters.
const REASON_CHARS_MAX: usize = 300;

/// What is asked. It becomes a line when its turn comes.
pub(crate) trait Question: Debug + Send + 'static {
    /// What a worker knows from earlier questions.
    type Told: Default + Send + 'static;

    /// The line that asks it, without its end: an object with `id`.
    fn line(self, id: u64, told: &mut Self::Told) -> Result<Vec<u8>, serde_json::Error>;
}

/// What came of a question.
pub(crate) type Answer = Result<Box<RawValue>, ResidentError>;

/// A question on its way.
#[derive(Debug)]
pub(super) struct Ask<Q> {
    pub(super) question: Q,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// How a worker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Starting,
    Ready,
    /// It could not be started: why, and when that was known.
    Failed {
        reason: String,
        at: Instant,
    },
    Ended,
}

/// The way to a worker.
#[derive(Debug)]
pub(super) struct Handle<Q> {
    pub(super) asks: mpsc::Sender<Ask<Q>>,
    pub(super) state: watch::Receiver<State>,
    pub(super) stop: CancellationToken,
    pub(super) used: Instant,
}

impl<Q> Clone for Handle<Q> {
    fn clone(&self) -> Self {
        Self { asks: self.asks.clone(), state: self.state.clone(), stop: self.stop.clone(), used: self.used }
    }
}

impl<Q: Question> Handle<Q> {
    /// Starts a worker in a task of its own: it goes on when the first who asked has left.
    pub(super) fn start<K: Key>(launcher: Arc<dyn Launch<K>>, key: K, settings: ResidentSettings, tasks: &Tasks) -> Self {
        let (asks, receiver) = mpsc::channel(settings.queue_max.max(1));
        let (sender, state) = watch::channel(State::Starting);
        let stop = CancellationToken::new();
        let life = Life { settings, state: sender, stop: stop.clone(), stopping: tasks.stopping().clone() };
        tasks.spawn(launcher.name(), life.run(launcher, key, receiver));
        Self { asks, state, stop, used: Instant::now() }
    }
}

struct Life {
    settings: ResidentSettings,
    state: watch::Sender<State>,
    stop: CancellationToken,
    stopping: CancellationToken,
}

impl Life {
    async fn run<K: Key, Q: Question>(self, launcher: Arc<dyn Launch<K>>, key: K, asks: mpsc::Receiver<Ask<Q>>) {
        let starting = async {
            let mut link = Link::<Q>::new(launcher.launch(&key).await?, self.settings);
            link.ready().await?;
            Ok::<_, ResidentError>(link)
        };
        let started = tokio::select! {
            () = self.stop.cancelled() => return,
            () = self.stopping.cancelled() => return,
            started = tokio::time::timeout(self.settings.startup_timeout, starting) => started,
        };
        let linked = match started {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_elapsed) => Err("its worker did not start in time".to_owned()),
        };
        let mut link = match linked {
            Ok(link) => link,
            Err(reason) => {
                self.state.send_replace(State::Failed { reason, at: Instant::now() });
                return;
            }
        };
        self.state.send_replace(State::Ready);
        let reason = link.serve(asks, &self).await;
        self.state.send_replace(State::Ended);
        tracing::debug!(worker.name = launcher.name(), worker.key = ?key, reason, "a worker ends");
        link.sandbox.kill().await;
    }
}

/// What a worker sends.
#[derive(Deserialize)]
struct Message {
    /// It can be asked.
    #[serde(default)]
    ready: bool,
    /// Of the question.
    id: Option<u64>,
    answer: Option<Box<RawValue>>,
    error: Option<String>,
}

struct Link<Q: Question> {
    sandbox: Box<dyn Sandbox>,
    lines: Lines,
    pending: HashMap<u64, oneshot::Sender<Answer>>,
    told: Q::Told,
    next_id: u64,
    settings: ResidentSettings,
    _directory: tempfile::TempDir,
}

impl<Q: Question> Link<Q> {
    fn new(launched: Launched, settings: ResidentSettings) -> Self {
        let Launched { sandbox, stream, directory } = launched;
        Self {
            sandbox,
            lines: Lines::new(stream, settings.answer_bytes_max),
            pending: HashMap::new(),
            told: Q::Told::default(),
            next_id: 0,
            settings,
            _directory: directory,
        }
    }

    /// Waits until the worker can be asked.
    async fn ready(&mut self) -> Result<(), ResidentError> {
        loop {
            if let Some(line) = self.lines.take() {
                return match serde_json::from_slice::<Message>(&line) {
                    Ok(Message { ready: true, .. }) => Ok(()),
                    _ => Err(ResidentError::Unavailable("its worker said something else than expected".to_owned())),
                };
            }
            if !self.lines.turn().await {
                let log = self.sandbox.log_tail().await;
                tracing::warn!(sandbox.id = self.sandbox.id(), log, "a worker ended before it was ready");
                return Err(ResidentError::Unavailable("its worker ended before it was ready".to_owned()));
            }
        }
    }

    /// Serves until there is a reason to end, and tells it.
    async fn serve(&mut self, mut asks: mpsc::Receiver<Ask<Q>>, life: &Life) -> &'static str {
        let mut heard = Instant::now();
        loop {
            let owes = !self.pending.is_empty();
            let patience = if owes { self.settings.stuck_after } else { self.settings.idle_after };
            let takes = self.lines.all_sent() && self.pending.len() < self.settings.in_flight_max.max(1);
            tokio::select! {
                () = life.stop.cancelled() => return "told to",
                () = life.stopping.cancelled() => return "the server stops",
                () = tokio::time::sleep_until(heard + patience) => return if owes { "it hangs" } else { "idle" },
                ask = asks.recv(), if takes => {
                    let Some(ask) = ask else { return "nobody can ask" };
                    if !owes {
                        heard = Instant::now();
                    }
                    self.ask(ask);
                }
                alive = self.lines.turn() => {
                    if !alive {
                        return "it ended";
                    }
                    while let Some(line) = self.lines.take() {
                        heard = Instant::now();
                        if !self.take_answer(&line) {
                            return "it sent nonsense";
                        }
                    }
                }
            }
        }
    }

    fn ask(&mut self, ask: Ask<Q>) {
        // Who gave up waiting wants no answer.
        if ask.reply.is_closed() {
            return;
        }
        self.next_id += 1;
        match ask.question.line(self.next_id, &mut self.told) {
            Ok(line) if line.len() < self.settings.question_bytes_max => {
                self.lines.send(&line);
                self.pending.insert(self.next_id, ask.reply);
            }
            Ok(_too_long) => drop(ask.reply.send(Err(ResidentError::TooLarge))),
            Err(error) => drop(ask.reply.send(Err(ResidentError::Refused(error.to_string())))),
        }
    }

    /// Whether it was an answer to something that was asked.
    fn take_answer(&mut self, line: &[u8]) -> bool {
        let Ok(Message { id: Some(id), answer, error, .. }) = serde_json::from_slice::<Message>(line) else { return false };
        let Some(reply) = self.pending.remove(&id) else { return false };
        let reason = || error.unwrap_or_default().chars().take(REASON_CHARS_MAX).collect();
        drop(reply.send(answer.ok_or_else(|| ResidentError::Refused(reason()))));
        true
    }
}
