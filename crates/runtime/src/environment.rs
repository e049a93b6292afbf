//! The locked Python environment: found, or provisioned into the per-user cache.

use std::path::PathBuf;

use gristmill_domain::execution::PythonVersion;

/// A provisioned Python environment on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonEnvironment {
    /// Its version.
    pub version: PythonVersion,
    /// The virtual environment: `bin/python` inside.
    pub root: PathBuf,
    /// What a sandbox must see, read only and at the same path, for it to run: the environment itself and the
    /// installation of the interpreter that it was made from.
    pub binds: Vec<PathBuf>,
}

impl PythonEnvironment {
    /// The interpreter.
    #[must_use]
    pub fn interpreter(&self) -> PathBuf {
        self.root.join("bin/python")
    }
}
