//! Where PostgreSQL's programs are.

use std::path::{Path, PathBuf};

use super::ClusterError;

/// A directory that holds `initdb` and `postgres` of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgBinaries {
    directory: PathBuf,
    version: String,
}

impl PgBinaries {
    /// Looks into one directory.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Option<Self> {
        let postgres = directory.join("postgres").canonicalize().ok()?;
        // Distributions link `postgres` from a common directory; the real one has its sharedir beside it.
        let directory = postgres.parent()?.to_owned();
        if !directory.join("initdb").exists() {
            return None;
        }
        #[expect(clippy::disallowed_methods, reason = "this module belongs to persistence::cluster")]
        let output = std::process::Command::new(&postgres).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let version = text.split_whitespace().nth(2)?.to_owned();
        Some(Self { directory, version })
    }

    /// The version, such as `15.18`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The major version, as `PG_VERSION` has it.
    #[must_use]
    pub fn major_version(&self) -> &str {
        self.version.split('.').next().unwrap_or_default()
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.directory.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.directory.join("postgres")
    }
}

/// Finds PostgreSQL in `preferred` (in order), on `search_path` (the value of `PATH`), then where Debian, Red Hat
/// and others put it, newest version first.
///
/// # Errors
/// [`ClusterError::BinariesMissing`].
pub fn find_binaries(preferred: &[PathBuf], search_path: &str) -> Result<PgBinaries, ClusterError> {
    candidates(preferred, search_path)
        .iter()
        .find_map(|directory| PgBinaries::in_directory(directory))
        .ok_or(ClusterError::BinariesMissing)
}

/// Directories in which PostgreSQL's programs may be, the likeliest first.
pub(super) fn candidates(preferred: &[PathBuf], search_path: &str) -> Vec<PathBuf> {
    let mut candidates: Vec<PathBuf> = preferred.to_vec();
    candidates.extend(std::env::split_paths(search_path));
    let mut versioned: Vec<PathBuf> = ["/usr/lib/postgresql", "/usr/lib64/pgsql", "/opt/postgresql", "/usr/local/pgsql"]
        .iter()
        .filter_map(|root| std::fs::read_dir(root).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path().join("bin")))
        .collect();
    versioned.sort_by_key(|path| std::cmp::Reverse(version_number(path)));
    candidates.extend(versioned);
    candidates.extend(["/usr/local/pgsql/bin", "/usr/bin"].map(PathBuf::from));
    candidates
}

fn version_number(bin: &Path) -> u32 {
    bin.parent().and_then(Path::file_name).and_then(|name| name.to_str()).and_then(|name| name.parse().ok()).unwrap_or(0)
}
