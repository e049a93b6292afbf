//! The locked Python environment: found, or provisioned into the per-user cache.
//!
//! One directory a Python version and lock: `<cache>/python/<version>-<hash of the lock>`. It is a virtual environment,
//! complete when its marker is there, and never changed afterwards: sandboxes mount it read only. Everything here blocks.

mod interpreter;
mod kernel_files;
mod package_set;
mod provision;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use gristmill_domain::execution::PythonVersion;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(crate) use kernel_files::PIP_SETTINGS;
pub use kernel_files::install_kernel_files;
pub use package_set::PackageSet;
pub use provision::{ProvisionOptions, provision};

/// What is installed: every package with its hashes.
const LOCK: &str = include_str!("../python/environment/requirements.lock");
/// The marker of a complete environment, inside it.
const MARKER: &str = "gristmill.json";

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

/// Why there is no Python environment.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// It was not provisioned yet.
    #[error("Python {} is not provisioned in {directory}; run `gristmill setup`", version.as_str())]
    NotProvisioned {
        /// The version.
        version: PythonVersion,
        /// Where it would be.
        directory: PathBuf,
    },
    /// It was provisioned, but what it needs is gone since.
    #[error("the Python environment {directory} is broken: {reason}; run `gristmill setup`")]
    Broken {
        /// Where it is.
        directory: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The machine has no interpreter of this version.
    #[error("Python {} is not installed on this machine; install it (with its venv module), then run `gristmill setup`", version.as_str())]
    NoInterpreter {
        /// The version.
        version: PythonVersion,
    },
    /// Packages could not be installed.
    #[error("{doing} failed: {reason}")]
    Install {
        /// The step.
        doing: &'static str,
        /// The end of what the installer said.
        reason: String,
    },
    /// The cache could not be read or written.
    #[error("{doing} failed")]
    Cache {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What the marker says.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    /// The installation that the virtual environment was made from.
    base: Vec<PathBuf>,
}

/// Where the environment of a version belongs.
#[must_use]
pub fn directory(cache_dir: &Path, version: PythonVersion) -> PathBuf {
    cache_dir.join("python").join(format!("{}-{}", version.as_str(), lock_hash()))
}

/// The first digits of the lock's SHA-256: a name for what is installed, also for container images.
#[must_use]
pub fn lock_hash() -> String {
    short_hash(LOCK)
}

fn short_hash(text: &str) -> String {
    hex::encode(Sha256::digest(text)).chars().take(12).collect()
}

/// Finds a provisioned environment.
///
/// # Errors
/// `NotProvisioned` when there is none, `Broken` when its interpreter was removed since, `Cache` when it cannot be read.
pub fn locate(cache_dir: &Path, version: PythonVersion) -> Result<PythonEnvironment, EnvironmentError> {
    let root = directory(cache_dir, version);
    let text = match fs::read(root.join(MARKER)) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(EnvironmentError::NotProvisioned { version, directory: root });
        }
        Err(source) => return Err(EnvironmentError::Cache { doing: "reading the Python environment's marker", source }),
    };
    let marker: Marker = match serde_json::from_slice(&text) {
        Ok(marker) => marker,
        Err(error) => return Err(EnvironmentError::Broken { directory: root, reason: format!("its marker says {error}") }),
    };
    let interpreter = root.join("bin/python");
    if !interpreter.exists() {
        return Err(EnvironmentError::Broken { directory: root, reason: "the Python that it was made from is gone".into() });
    }
    // A sandbox mounts it: a link on the way would lead out of what is mounted.
    let root = fs::canonicalize(&root)
        .map_err(|source| EnvironmentError::Cache { doing: "resolving the Python environment's path", source })?;
    let mut binds = vec![root.clone()];
    binds.extend(marker.base);
    Ok(PythonEnvironment { version, root, binds })
}

/// The versions that could be provisioned here: those whose interpreter is installed.
#[must_use]
pub fn installable(search_path: &str) -> Vec<PythonVersion> {
    PythonVersion::ALL.into_iter().filter(|version| interpreter::find(search_path, *version).is_some()).collect()
}
