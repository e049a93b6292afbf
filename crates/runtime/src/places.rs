//! Whose kernel it is, and what is asked of it.

use std::time::Duration;

use gristmill_domain::{
    execution::PythonVersion,
    ids::{ExecutionSessionId, ProjectId, UserId},
};

/// A place where code runs: one sandbox with one kernel and one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KernelPlace {
    /// The project whose datasets and packages it sees.
    pub project: ProjectId,
    /// Which of the project's places it is.
    pub kind: PlaceKind,
    /// The Python that its kernel runs on. A place that is asked for with another version gets a new kernel.
    pub python: PythonVersion,
    /// Against whose share of the sandboxes it counts; none counts against the server's only.
    pub owner: Option<UserId>,
}

/// Which place of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PlaceKind {
    /// Shared by all notebooks of the project.
    Notebook,
    /// An execution session's own.
    Session(ExecutionSessionId),
}

/// What makes two places the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PlaceKey {
    pub(crate) project: ProjectId,
    pub(crate) kind: PlaceKind,
}

impl KernelPlace {
    /// The place of a project's notebooks.
    #[must_use]
    pub fn notebook(project: ProjectId) -> Self {
        Self { project, kind: PlaceKind::Notebook, python: PythonVersion::default(), owner: None }
    }

    /// The place of an execution session.
    #[must_use]
    pub fn session(project: ProjectId, session: ExecutionSessionId, python: PythonVersion) -> Self {
        Self { project, kind: PlaceKind::Session(session), python, owner: None }
    }

    /// The same place, counted against this user's share.
    #[must_use]
    pub fn owned_by(self, owner: UserId) -> Self {
        Self { owner: Some(owner), ..self }
    }

    pub(crate) fn key(&self) -> PlaceKey {
        PlaceKey { project: self.project, kind: self.kind }
    }
}

/// Code to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecuteRequest {
    /// The source, with the magics of `IPython`.
    pub code: String,
    /// How long it may run, from the moment that the kernel is ready and no earlier run is before it.
    pub timeout: Duration,
    /// The most memory that the place may use. It counts when the sandbox is started; a running one keeps its limit.
    pub memory_bytes: u64,
}
