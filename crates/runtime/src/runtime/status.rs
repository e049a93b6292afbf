//! What the runtime tells about itself.

use std::{path::PathBuf, time::SystemTime};

use gristmill_domain::execution::PythonVersion;

use crate::{places::KernelPlace, sandbox::Isolation};

/// Whether and how code can be run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeStatus {
    /// Whether runs are accepted now.
    pub ready: bool,
    /// The backend in use with what keeps its sandboxes apart; none when none works.
    pub isolation: Option<Isolation>,
    /// Why the other backends are not used, no kernels are kept ready, or nothing is ready: one sentence each.
    pub reasons: Vec<String>,
    /// The Python versions that kernels can run on.
    pub versions: Vec<PythonVersion>,
    /// Sandboxes with a kernel now.
    pub active: usize,
    /// Kernels that are kept ready and belong to no place yet.
    pub pooled: usize,
}

/// Something that happened to a kernel outside of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeEvent {
    /// Where.
    pub place: KernelPlace,
    /// What.
    pub kind: RuntimeEventKind,
}

/// What happened to a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeEventKind {
    /// It is up.
    Started,
    /// It ended by itself, or had to be ended; its variables are gone, its workspace is not.
    Died {
        /// Why, for people.
        reason: String,
    },
    /// It was ended because nobody used it; its workspace is kept.
    Culled,
    /// It was restarted on request.
    Restarted,
}

/// What a place is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceState {
    /// There is no kernel.
    Absent,
    /// A kernel waits for code.
    Idle,
    /// A kernel starts, or runs code.
    Busy,
}

/// A table that code saved to the project with `save_to_project`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The name that code gave it: letters, digits, spaces, dashes, underscores.
    pub name: String,
    /// A CSV file out of the sandbox's reach. The caller moves or removes it.
    pub path: PathBuf,
    /// Rows, as code said.
    pub rows: u64,
    /// Columns, as code said.
    pub cols: u64,
    /// The id that `save_to_project` gave it.
    pub export_id: String,
}

/// A file of a workspace, copied out of the code's reach. Dropping it removes the copy.
#[derive(Debug)]
pub struct TakenFile {
    /// The copy.
    pub path: PathBuf,
    /// Its size.
    pub size_bytes: u64,
    /// When code wrote to it last, as its file system tells.
    pub modified_at: SystemTime,
}

impl Drop for TakenFile {
    fn drop(&mut self) {
        // Moved when its owner kept it.
        drop(std::fs::remove_file(&self.path));
    }
}

/// What came of looking for a file in a workspace.
#[derive(Debug)]
pub enum WorkspaceFile {
    /// It was copied.
    Taken(TakenFile),
    /// There is none.
    Missing,
    /// It is none that is taken: why, after "it".
    Refused(&'static str),
}
