//! Questions about code, to a worker of the project.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gristmill_domain::{execution::PythonVersion, ids::ProjectId};
use gristmill_jobs::Tasks;
use tokio_util::sync::CancellationToken;

use super::{AssistAnswer, AssistDirectories, AssistError, AssistOp, AssistRequest, launch::Launcher, protocol};
use crate::{
    resident::{Crew, Launch, ResidentError, ResidentSettings},
    sandbox::SandboxBackend,
};

/// Code and cells together; more is not looked at.
const SOURCE_BYTES_MAX: usize = 8 << 20;
/// As a line: what the worker reads at most, and more than it ever answers.
const QUESTION_BYTES_MAX: usize = 32 << 20;
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// Questions that may wait for a worker. It gets all of them at once: newer ones push out older ones there too.
const PENDING_MAX: usize = 64;
/// The worker gives up a question after four seconds; one that answers nothing for longer than this hangs.
const STUCK_AFTER: Duration = Duration::from_secs(15);

/// How Python help works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssistSettings {
    /// The version that workers run on where it is there.
    pub python: PythonVersion,
    /// How long an answer may take, once the worker is up. Default 2 s.
    pub answer_timeout: Duration,
    /// How long a worker may take to start and get warm. Default 20 s.
    pub startup_timeout: Duration,
    /// A worker that is not asked for this long ends. Default 10 min.
    pub idle_after: Duration,
    /// Workers at once, about 300 MB each. Default 8.
    pub workers_max: usize,
    /// Whether the installed libraries are parsed ahead in the background, once for each environment. Default true.
    pub prepares: bool,
}

impl Default for AssistSettings {
    fn default() -> Self {
        Self {
            python: PythonVersion::default(),
            answer_timeout: Duration::from_secs(2),
            startup_timeout: Duration::from_secs(20),
            idle_after: Duration::from_mins(10),
            workers_max: 8,
            prepares: true,
        }
    }
}

/// Help with writing Python. Cheap to clone; clones share the workers.
#[derive(Debug, Clone)]
pub struct Assistant {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    launcher: Arc<Launcher>,
    workers: Crew<ProjectId, AssistRequest>,
    newest: Mutex<HashMap<(ProjectId, Option<String>), CancellationToken>>,
    prepared: AtomicBool,
    tasks: Tasks,
}

impl AssistSettings {
    fn of_workers(&self) -> ResidentSettings {
        ResidentSettings {
            startup_timeout: self.startup_timeout,
            answer_timeout: self.answer_timeout,
            stuck_after: STUCK_AFTER,
            idle_after: self.idle_after,
            queue_max: PENDING_MAX,
            in_flight_max: PENDING_MAX,
            question_bytes_max: QUESTION_BYTES_MAX,
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }
}

impl Assistant {
    /// Starts nothing yet. Workers are tasks of `tasks`, and end with it.
    #[must_use]
    pub fn new(backend: Arc<dyn SandboxBackend>, directories: AssistDirectories, settings: AssistSettings, tasks: Tasks) -> Self {
        let launcher = Arc::new(Launcher { backend, directories, python: settings.python });
        let launches: Arc<dyn Launch<ProjectId>> = launcher.clone();
        let workers = Crew::new(launches, settings.of_workers(), settings.workers_max, tasks.clone());
        let prepared = AtomicBool::new(!settings.prepares);
        let shared = Shared { launcher, workers, newest: Mutex::default(), prepared, tasks };
        Self { shared: Arc::new(shared) }
    }

    /// Answers a question about code; starts the project's worker when there is none. Newer completions of a cell push out
    /// older ones, which are answered empty. Completions that fail are empty too: an editor asks again with the next key.
    ///
    /// # Errors
    /// `Unavailable` when no worker can be started; for everything but completions also `Timeout` and `Ended`.
    ///
    /// # Cancel safety
    /// Cancel safe: the worker stays.
    pub async fn assist(&self, project: ProjectId, request: AssistRequest) -> Result<AssistAnswer, AssistError> {
        let op = request.op;
        if source_bytes(&request) > SOURCE_BYTES_MAX {
            return Ok(AssistAnswer::empty(op));
        }
        if op != AssistOp::Completions {
            return self.ask(project, request).await;
        }
        let newest = Newest::begin(&self.shared, (project, request.current_cell_id.clone()));
        let answer = tokio::select! {
            biased;
            () = newest.token.cancelled() => return Ok(AssistAnswer::empty(op)),
            answer = self.ask(project, request) => answer,
        };
        match answer {
            Err(AssistError::Timeout | AssistError::Ended) => Ok(AssistAnswer::empty(op)),
            answer => answer,
        }
    }

    /// Starts the project's worker when there is none, so that the first question finds it warm.
    pub fn warm(&self, project: ProjectId) {
        self.shared.workers.warm(project);
    }

    /// Parses the installed libraries ahead, which takes about a minute of CPU time, where that was not done before; workers
    /// start several times as fast then. Returns whether something was done. A set-up may call it; else it is done in the
    /// background when the first worker is up.
    ///
    /// # Errors
    /// `Unavailable`, `Ended`; Python help works without it.
    pub async fn prepare(&self) -> Result<bool, AssistError> {
        self.shared.prepared.store(true, Ordering::Relaxed);
        self.shared.launcher.prepare().await
    }

    /// Ends the worker of a project; the next question starts another, which sees newly made directories.
    pub fn close(&self, project: ProjectId) {
        self.shared.workers.close(&project);
    }

    /// How many workers are up or starting.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.shared.workers.count()
    }

    async fn ask(&self, project: ProjectId, request: AssistRequest) -> Result<AssistAnswer, AssistError> {
        let op = request.op;
        let answer = match self.shared.workers.ask(project, request).await {
            Ok(text) => protocol::answer(op, &text),
            Err(ResidentError::Refused(_) | ResidentError::TooLarge) => None,
            Err(error) => return Err(error.into()),
        };
        self.prepare_in_background();
        // A question that broke the analysis has an answer that says nothing, as in the contract.
        Ok(answer.unwrap_or_else(|| AssistAnswer::empty(op)))
    }

    fn prepare_in_background(&self) {
        if self.shared.prepared.swap(true, Ordering::Relaxed) {
            return;
        }
        let assistant = self.clone();
        let stopping = self.shared.tasks.stopping().clone();
        self.shared.tasks.spawn("parse libraries ahead", async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                prepared = assistant.prepare() => {
                    if let Err(error) = prepared {
                        tracing::warn!(error = %error, "the installed libraries were not parsed ahead");
                    }
                }
            }
        });
    }
}

/// The newest completions of a cell: pushes out the one before, and takes itself off the list at its end.
struct Newest<'a> {
    shared: &'a Shared,
    key: (ProjectId, Option<String>),
    token: CancellationToken,
}

impl<'a> Newest<'a> {
    fn begin(shared: &'a Shared, key: (ProjectId, Option<String>)) -> Self {
        let token = CancellationToken::new();
        let mut newest = shared.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = newest.insert(key.clone(), token.clone()) {
            // Under the lock: its end must not take this one off the list.
            before.cancel();
        }
        drop(newest);
        Self { shared, key, token }
    }
}

impl Drop for Newest<'_> {
    fn drop(&mut self) {
        let mut newest = self.shared.newest.lock().unwrap_or_else(PoisonError::into_inner);
        // One that was pushed out is not on the list any more.
        if !self.token.is_cancelled() {
            newest.remove(&self.key);
        }
    }
}

fn source_bytes(request: &AssistRequest) -> usize {
    request.code.len() + request.cells.iter().map(|cell| cell.content.len()).sum::<usize>()
}
