//! The workers of all projects: started on demand, at most so many, the one that is asked for longest ago ends first.

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
use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    AssistAnswer, AssistDirectories, AssistError, AssistOp, AssistRequest, launch,
    worker::{Ask, Handle, State},
};
use crate::sandbox::SandboxBackend;

/// After a worker could not be started, the next try is not made sooner than this.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Code and cells together; more is not looked at.
const SOURCE_BYTES_MAX: usize = 8 << 20;

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
pub(super) struct Shared {
    pub(super) backend: Arc<dyn SandboxBackend>,
    pub(super) directories: AssistDirectories,
    pub(super) settings: AssistSettings,
    pub(super) tasks: Tasks,
    workers: Mutex<HashMap<ProjectId, Handle>>,
    newest: Mutex<HashMap<(ProjectId, Option<String>), CancellationToken>>,
    prepared: AtomicBool,
}

impl Assistant {
    /// Starts nothing yet. Workers are tasks of `tasks`, and end with it.
    #[must_use]
    pub fn new(backend: Arc<dyn SandboxBackend>, directories: AssistDirectories, settings: AssistSettings, tasks: Tasks) -> Self {
        let shared = Shared {
            backend,
            directories,
            settings,
            tasks,
            workers: Mutex::default(),
            newest: Mutex::default(),
            prepared: AtomicBool::new(!settings.prepares),
        };
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
        drop(self.worker(project));
    }

    /// Parses the installed libraries ahead, which takes about a minute of CPU time, where that was not done before; workers
    /// start several times as fast then. Returns whether something was done. A set-up may call it; else it is done in the
    /// background when the first worker is up.
    ///
    /// # Errors
    /// `Unavailable`, `Ended`; Python help works without it.
    pub async fn prepare(&self) -> Result<bool, AssistError> {
        self.shared.prepared.store(true, Ordering::Relaxed);
        launch::prepare(&*self.shared.backend, &self.shared.directories, self.shared.settings.python).await
    }

    /// Ends the worker of a project; the next question starts another, which sees newly made directories.
    pub fn close(&self, project: ProjectId) {
        let removed = self.shared.workers().remove(&project);
        if let Some(handle) = removed {
            handle.stop.cancel();
        }
    }

    /// How many workers are up or starting.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.shared.workers().values().filter(|handle| !handle.asks.is_closed()).count()
    }

    async fn ask(&self, project: ProjectId, request: AssistRequest) -> Result<AssistAnswer, AssistError> {
        let mut handle = self.worker(project)?;
        let started = async {
            let state = handle.state.wait_for(|state| *state != State::Starting).await;
            state.map_or(State::Ended, |state| state.clone())
        };
        let startup_timeout = self.shared.settings.startup_timeout;
        match tokio::time::timeout(startup_timeout, started).await.unwrap_or(State::Starting) {
            State::Ready => {}
            State::Failed(reason) => return Err(AssistError::Unavailable(reason)),
            State::Starting => return Err(AssistError::Timeout),
            State::Ended => return Err(AssistError::Ended),
        }
        self.prepare_in_background();
        let (reply, answer) = oneshot::channel();
        let asked = async {
            if handle.asks.send(Ask { request, reply }).await.is_err() {
                return Err(AssistError::Ended);
            }
            answer.await.unwrap_or(Err(AssistError::Ended))
        };
        tokio::time::timeout(self.shared.settings.answer_timeout, asked).await.unwrap_or(Err(AssistError::Timeout))
    }

    /// The worker of a project, which may be starting.
    fn worker(&self, project: ProjectId) -> Result<Handle, AssistError> {
        let mut workers = self.shared.workers();
        let now = Instant::now();
        if let Some(handle) = workers.get_mut(&project) {
            let state = handle.state.borrow().clone();
            match state {
                State::Failed(reason) if handle.since.elapsed() < RETRY_AFTER => return Err(AssistError::Unavailable(reason)),
                State::Starting | State::Ready if !handle.asks.is_closed() => {
                    handle.used = now;
                    return Ok(handle.clone());
                }
                _ => {}
            }
        }
        workers.retain(|_, handle| !handle.asks.is_closed());
        while workers.len() >= self.shared.settings.workers_max.max(1) {
            let oldest = workers.iter().min_by_key(|(_, handle)| handle.used).map(|(project, _)| *project);
            let Some(handle) = oldest.and_then(|project| workers.remove(&project)) else { break };
            handle.stop.cancel();
        }
        let handle = Handle::start(self.shared.clone(), project);
        workers.insert(project, handle.clone());
        Ok(handle)
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

impl Shared {
    fn workers(&self) -> std::sync::MutexGuard<'_, HashMap<ProjectId, Handle>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
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
