//! Workers that stay up in a sandbox and answer questions in lines of JSON: what helps with writing Python
//! ([`crate::intelligence`]), and programs that other crates bring along ([`ResidentWorker`]).
//!
//! The server listens on a Unix socket in a mounted directory and the worker connects, so that the server opens nothing in a
//! place that a sandbox can write to. A worker says `{"ready": true}` once it can be asked. A question is an object with an
//! `id`, an answer `{"id", "answer"}` or `{"id", "error"}`; answers may come in any order. What a worker says is hostile:
//! lines are bounded while they are read, and a worker that says anything else is ended.

mod crew;
mod launch;
mod lines;
mod worker;

use std::{path::PathBuf, sync::Arc, time::Duration};

use gristmill_jobs::Tasks;
use serde_json::{Map, Value, value::RawValue};

pub(crate) use self::{
    crew::{Crew, Launch},
    launch::{GUEST_SOCKET, Launched, any_python, blocking, connect, python_environment, read_only},
    worker::Question,
};
use crate::{python_package::PythonPackage, sandbox::SandboxLimits};

/// What a worker is: its program, what it sees, and how long things may take.
#[derive(Debug, Clone)]
pub struct ResidentPlan {
    /// Names it in the ids of its sandboxes, in the cache and in the log: lower-case letters and dashes.
    pub name: &'static str,
    /// Its program, run as `python -m <package> serve <socket> <arguments>`.
    pub package: PythonPackage,
    /// Arguments behind the socket's path.
    pub arguments: Vec<String>,
    /// Directories of the host that it sees, read only, and where it sees them. Absolute, readable by everybody.
    pub shows: Vec<(PathBuf, String)>,
    /// Where it looks for modules beside its program and the locked environment, as it sees them.
    pub python_path: Vec<String>,
    /// The most that it may use. It computes in as many threads as it has cores.
    pub limits: SandboxLimits,
    /// Times and sizes.
    pub settings: ResidentSettings,
}

/// Times and sizes of workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResidentSettings {
    /// From the start of the sandbox until it can be asked.
    pub startup_timeout: Duration,
    /// Longest wait for an answer once it is up, its turn included.
    pub answer_timeout: Duration,
    /// One that answers nothing for this long while it is asked hangs, and is ended.
    pub stuck_after: Duration,
    /// One that nobody asks for this long ends.
    pub idle_after: Duration,
    /// Questions that may wait; further ones wait outside, within their time.
    pub queue_max: usize,
    /// Questions that it may have at once.
    pub in_flight_max: usize,
    /// Longest question as a line, bytes.
    pub question_bytes_max: usize,
    /// Longest answer as a line, bytes: a worker that says more is ended.
    pub answer_bytes_max: usize,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResidentError {
    /// No worker can be started. It is tried again by a question some seconds later.
    #[error("{0}")]
    Unavailable(String),
    /// No answer came in time.
    #[error("its worker took too long")]
    Timeout,
    /// It ended while it had this question; the next one starts another.
    #[error("its worker ended before it answered")]
    Ended,
    /// It says that it cannot answer this.
    #[error("its worker refused: {0}")]
    Refused(String),
    /// The question is longer than a line may be.
    #[error("this is more than its worker can be asked at once")]
    TooLarge,
}

/// A question as it is.
#[derive(Debug)]
struct Plain(Map<String, Value>);

impl Question for Plain {
    type Told = ();

    fn line(mut self, id: u64, (): &mut ()) -> Result<Vec<u8>, serde_json::Error> {
        self.0.insert("id".to_owned(), id.into());
        serde_json::to_vec(&self.0)
    }
}

/// A worker that is started by the first question, ended when nobody asks it for a while or when it breaks, and started anew
/// by the next question. Cheap to clone; clones are the same worker.
#[derive(Debug, Clone)]
pub struct ResidentWorker {
    crew: Arc<Crew<(), Plain>>,
}

impl ResidentWorker {
    pub(crate) fn new(launcher: Arc<dyn Launch<()>>, settings: ResidentSettings, tasks: Tasks) -> Self {
        Self { crew: Arc::new(Crew::new(launcher, settings, 1, tasks)) }
    }

    /// Asks it. The question gets its `id` here.
    ///
    /// # Errors
    /// Every [`ResidentError`].
    ///
    /// # Cancel safety
    /// Cancel safe: the worker stays, and a question that still waits for its turn is forgotten.
    pub async fn ask(&self, question: Map<String, Value>) -> Result<Box<RawValue>, ResidentError> {
        self.crew.ask((), Plain(question)).await
    }

    /// Whether it is up or starting.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.crew.count() > 0
    }
}
