//! A model in a supervised Python worker, in a sandbox: for models that have no ONNX form, and to explain answers.
//!
//! The worker runs `python -m gristmill_ml serve` with the model's directory mounted read only, without a network and
//! without anything that it could write to but its `/tmp`. The server listens on a Unix socket in a mounted directory and
//! the worker connects, so that the server opens nothing in a place that a model can write to. Requests and answers are
//! JSON lines.
//!
//! Loading a model runs whatever code is in it, so everything that comes back is hostile: lines are bounded while they
//! are read, parsed into narrow types, and a worker that says anything unexpected is ended and started anew.

mod launch;
mod link;
mod protocol;
mod supervise;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gristmill_domain::execution::PythonVersion;
use gristmill_jobs::Tasks;
use gristmill_runtime::{
    packages::FrozenLayer,
    sandbox::{Sandbox, SandboxBackend, SandboxLimits},
};
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::protocol::{ExplainedRow, Explanation, Label, PredictedRow};
use self::protocol::{Operation, Reply};

/// What to run.
#[derive(Debug, Clone)]
pub struct WorkerSpec {
    /// Names its sandboxes: letters, digits and dashes.
    pub name: String,
    /// The directory with `model.joblib`, `signature.json` and `baseline.json`. Absolute, readable by everybody.
    pub model: PathBuf,
    /// The directory with the package `gristmill_ml`. Absolute, readable by everybody.
    pub package: PathBuf,
    /// The packages that the model was made with, where it needs any.
    pub packages: Option<FrozenLayer>,
    /// A directory of the server's for sockets and specs. It is made; only the server may write to it.
    pub scratch: PathBuf,
    /// Which Python.
    pub python: PythonVersion,
    /// The most that it may use.
    pub limits: SandboxLimits,
    /// Whether what explaining needs is loaded before the first request; that takes some seconds more.
    pub explains: bool,
    /// Times and sizes.
    pub settings: WorkerSettings,
}

/// Times and sizes of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerSettings {
    /// From the start of the sandbox until it has loaded the model.
    pub startup_timeout: Duration,
    /// Longest wait of a caller, and longest time for a batch: a worker that takes longer hangs, and is started anew.
    pub request_timeout: Duration,
    /// How long an idle worker is left alone before it is asked whether it is well.
    pub probe_every: Duration,
    /// Callers that may wait; a further one is refused as busy.
    pub queue_max: usize,
    /// Rows of several callers that are answered together.
    pub batch_rows_max: usize,
    /// How long the first caller of a batch waits for company.
    pub batch_delay: Duration,
    /// Longest line in either direction, bytes.
    pub line_bytes_max: usize,
    /// Pause before the first restart; it doubles with each death in a row.
    pub pause_first: Duration,
    /// Longest pause before a restart.
    pub pause_max: Duration,
    /// Deaths without a good answer between them after which it is given up.
    pub deaths_max: u32,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            startup_timeout: Duration::from_mins(2),
            request_timeout: Duration::from_secs(30),
            probe_every: Duration::from_secs(15),
            queue_max: 256,
            batch_rows_max: 512,
            batch_delay: Duration::from_millis(1),
            line_bytes_max: 16 << 20,
            pause_first: Duration::from_millis(500),
            pause_max: Duration::from_secs(30),
            deaths_max: 5,
        }
    }
}

/// How a worker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerStatus {
    /// It loads the model for the first time.
    Starting,
    /// It answers.
    Ready,
    /// It died and comes back by itself.
    Restarting {
        /// Why it died.
        reason: String,
    },
    /// It is given up.
    Failed {
        /// Why.
        reason: String,
    },
    /// It was told to stop, or the server stops.
    Stopped,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkerError {
    /// Too many callers wait already. Try again soon (503).
    #[error("{waiting} requests wait for this model already; try again in a moment")]
    Busy {
        /// How many may wait.
        waiting: usize,
    },
    /// It starts, or comes back after a death (503).
    #[error("the model is not ready: {0}")]
    NotReady(String),
    /// It is given up (503).
    #[error("the model cannot be served: {0}")]
    Failed(String),
    /// It was stopped (409 or 503).
    #[error("the model is stopped")]
    Stopped,
    /// It died over this request or one that was answered together with it (502).
    #[error("the model's worker ended before it answered: {0}")]
    Died(String),
    /// No answer came in time (504).
    #[error("the model did not answer within {} seconds", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The model does not take these rows (400).
    #[error("{message}")]
    Rejected {
        /// The code that `gristmill_ml` gives.
        code: String,
        /// What is wrong, for people.
        message: String,
        /// The part of the request, as `columns.<name>`.
        field: Option<String>,
    },
    /// The request is larger than a line may be, or has no or too many rows (413 or 400).
    #[error("{0}")]
    TooLarge(String),
}

/// A request on its way.
#[derive(Debug)]
struct Job {
    operation: Operation,
    /// Rows as JSON, with commas between them.
    rows: String,
    count: usize,
    reply: oneshot::Sender<Result<Reply, WorkerError>>,
}

/// What the handles and the supervisor share.
#[derive(Debug)]
struct Shared {
    sandbox: Mutex<Option<Arc<dyn Sandbox>>>,
    /// The end of the last log, once its sandbox is gone.
    log: Mutex<String>,
    deaths: AtomicU64,
}

/// A supervised worker. Clones are the same worker; when the last is dropped, it ends.
#[derive(Debug, Clone)]
pub struct Worker {
    jobs: mpsc::Sender<Job>,
    status: watch::Receiver<WorkerStatus>,
    shared: Arc<Shared>,
    settings: WorkerSettings,
    stop: CancellationToken,
    _guard: Arc<DropGuard>,
}

impl Worker {
    /// Starts a worker and its supervision, and returns at once: see [`Worker::ready`].
    #[must_use]
    pub fn start(backend: Arc<dyn SandboxBackend>, tasks: &Tasks, spec: WorkerSpec) -> Self {
        let (sender, receiver) = mpsc::channel(spec.settings.queue_max.max(1));
        let (told, status) = watch::channel(WorkerStatus::Starting);
        let shared = Arc::new(Shared { sandbox: Mutex::default(), log: Mutex::default(), deaths: AtomicU64::new(0) });
        let stop = CancellationToken::new();
        let settings = spec.settings;
        let supervisor = supervise::Supervisor {
            backend,
            spec,
            shared: Arc::clone(&shared),
            status: told,
            stop: stop.clone(),
            stopping: tasks.stopping().clone(),
        };
        tasks.spawn("serving worker", supervisor.run(receiver));
        let guard = Arc::new(stop.clone().drop_guard());
        Self { jobs: sender, status, shared, settings, stop, _guard: guard }
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> WorkerStatus {
        self.status.borrow().clone()
    }

    /// Tells of every change of its status.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<WorkerStatus> {
        self.status.clone()
    }

    /// How often it died so far.
    #[must_use]
    pub fn deaths(&self) -> u64 {
        self.shared.deaths.load(Ordering::Relaxed)
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// `Failed`, `Stopped`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ready(&self) -> Result<(), WorkerError> {
        let mut status = self.status.clone();
        let settled = |status: &WorkerStatus| !matches!(status, WorkerStatus::Starting | WorkerStatus::Restarting { .. });
        let settled = status.wait_for(settled).await.map(|status| status.clone());
        match settled.unwrap_or(WorkerStatus::Stopped) {
            WorkerStatus::Failed { reason } => Err(WorkerError::Failed(reason)),
            WorkerStatus::Stopped => Err(WorkerError::Stopped),
            _ => Ok(()),
        }
    }

    /// Predicts for rows by their original column names, each with every column that the model needs; null is a missing
    /// value. Rows of several callers may be answered together.
    ///
    /// # Errors
    /// Every [`WorkerError`].
    ///
    /// # Cancel safety
    /// Cancel safe: who leaves is forgotten.
    pub async fn predict(&self, rows: &[Map<String, Value>]) -> Result<Vec<PredictedRow>, WorkerError> {
        match self.ask(Operation::Predict, rows).await? {
            Reply::Predictions(predictions) => Ok(predictions),
            Reply::Explanation(_) | Reply::Healthy => Err(WorkerError::Died("it answered something else".to_owned())),
        }
    }

    /// Explains what the model answers for rows, by SHAP values of the dataset's columns.
    ///
    /// # Errors
    /// Every [`WorkerError`]. A model that cannot be explained is no error: see [`Explanation::Unavailable`].
    ///
    /// # Cancel safety
    /// As for [`Worker::predict`].
    pub async fn explain(&self, rows: &[Map<String, Value>]) -> Result<Explanation, WorkerError> {
        match self.ask(Operation::Explain, rows).await? {
            Reply::Explanation(explanation) => Ok(explanation),
            Reply::Predictions(_) | Reply::Healthy => Err(WorkerError::Died("it answered something else".to_owned())),
        }
    }

    /// Asks whether it is well, behind whoever waits already.
    ///
    /// # Errors
    /// Every [`WorkerError`] but `Rejected` and `TooLarge`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn probe(&self) -> Result<(), WorkerError> {
        self.send(Operation::Health, String::new(), 0).await.map(drop)
    }

    /// The end of what it wrote to standard output and error, at most 64 KiB; of the last one, when none runs.
    pub async fn log_tail(&self) -> String {
        let running = self.shared.sandbox();
        match running {
            Some(sandbox) => sandbox.log_tail().await,
            None => self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Ends it and returns when all is gone. Who waits is told; twice does no harm.
    ///
    /// # Cancel safety
    /// Cancel safe: it ends all the same.
    pub async fn stop(&self) {
        self.stop.cancel();
        let mut status = self.status.clone();
        let ended = |status: &WorkerStatus| matches!(status, WorkerStatus::Stopped | WorkerStatus::Failed { .. });
        // An error means that the supervisor is gone, and its sandbox with it.
        drop(status.wait_for(ended).await);
    }

    async fn ask(&self, operation: Operation, rows: &[Map<String, Value>]) -> Result<Reply, WorkerError> {
        if rows.is_empty() {
            return Err(WorkerError::TooLarge("there are no rows to answer for".to_owned()));
        }
        let too_large = || WorkerError::TooLarge("these are more rows than can be answered at once; send fewer".to_owned());
        let texts: Result<Vec<String>, _> = rows.iter().map(serde_json::to_string).collect();
        let text = texts.map_err(|_error| too_large())?.join(",");
        if rows.len() > protocol::ROWS_MAX || text.len() + protocol::ENVELOPE_BYTES > self.settings.line_bytes_max {
            return Err(too_large());
        }
        self.send(operation, text, rows.len()).await
    }

    async fn send(&self, operation: Operation, rows: String, count: usize) -> Result<Reply, WorkerError> {
        if let Some(error) = self.refusal() {
            return Err(error);
        }
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Job { operation, rows, count, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => WorkerError::Busy { waiting: self.settings.queue_max },
            mpsc::error::TrySendError::Closed(_) => self.refusal().unwrap_or(WorkerError::Stopped),
        })?;
        match tokio::time::timeout(self.settings.request_timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_dropped)) => Err(self.refusal().unwrap_or(WorkerError::Stopped)),
            Err(_elapsed) => Err(WorkerError::TimedOut(self.settings.request_timeout)),
        }
    }

    fn refusal(&self) -> Option<WorkerError> {
        match self.status() {
            WorkerStatus::Ready => None,
            WorkerStatus::Starting => Some(WorkerError::NotReady("it is starting".to_owned())),
            WorkerStatus::Restarting { reason } => Some(WorkerError::NotReady(format!("{reason}; it is being restarted"))),
            WorkerStatus::Failed { reason } => Some(WorkerError::Failed(reason)),
            WorkerStatus::Stopped => Some(WorkerError::Stopped),
        }
    }
}

impl Shared {
    fn sandbox(&self) -> Option<Arc<dyn Sandbox>> {
        self.sandbox.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn show(&self, sandbox: Option<Arc<dyn Sandbox>>) {
        *self.sandbox.lock().unwrap_or_else(PoisonError::into_inner) = sandbox;
    }

    fn keep_log(&self, log: String) {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = log;
    }
}
