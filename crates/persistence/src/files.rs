//! Where files are kept: generated names under one root. Display names live in the database only.

use std::{
    io,
    path::{Path, PathBuf},
};

use gristmill_domain::{DatasetId, JobId, ProjectId, UserId};

/// Prefix of everything that belongs to a project.
#[must_use]
pub fn project_prefix(id: ProjectId) -> String {
    format!("projects/{id}")
}

/// Prefix of what a user keeps outside projects.
#[must_use]
pub fn user_prefix(id: UserId) -> String {
    format!("users/{id}")
}

/// Prefix of a dataset's files.
#[must_use]
pub fn dataset_prefix(owner: UserId, project: Option<ProjectId>, id: DatasetId) -> String {
    let parent = project.map_or_else(|| user_prefix(owner), project_prefix);
    format!("{parent}/datasets/{id}")
}

/// The server's files on a local disk. Every path is made here, from ids alone.
#[derive(Debug, Clone)]
pub struct LocalFiles {
    root: PathBuf,
}

impl LocalFiles {
    /// Files under `root` (made when missing), with a spool for uploads on the same file system.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(root: &Path) -> io::Result<Self> {
        let files = Self { root: root.to_owned() };
        std::fs::create_dir_all(files.spool())?;
        std::fs::create_dir_all(files.root.join("store"))?;
        Ok(files)
    }

    /// The directory for uploads that are not datasets yet.
    #[must_use]
    pub fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }

    /// The spool file of an ingest job.
    #[must_use]
    pub fn spool_file(&self, job: JobId) -> PathBuf {
        self.spool().join(format!("{job}.upload"))
    }

    /// The path of a stored prefix.
    #[must_use]
    pub fn path(&self, prefix: &str) -> PathBuf {
        self.root.join("store").join(prefix)
    }

    /// The directory of a dataset.
    #[must_use]
    pub fn dataset(&self, owner: UserId, project: Option<ProjectId>, id: DatasetId) -> DatasetFiles {
        DatasetFiles { directory: self.path(&dataset_prefix(owner, project, id)) }
    }

    /// Removes everything under a prefix. Succeeds when there is nothing.
    ///
    /// # Errors
    /// The file system's.
    pub fn remove(&self, prefix: &str) -> io::Result<()> {
        match std::fs::remove_dir_all(self.path(prefix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// The files of one dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetFiles {
    directory: PathBuf,
}

impl DatasetFiles {
    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file as it was uploaded.
    #[must_use]
    pub fn original(&self) -> PathBuf {
        self.directory.join("original")
    }

    /// The columns of a version.
    #[must_use]
    pub fn parquet(&self, version: u32) -> PathBuf {
        self.directory.join(format!("v{version}.parquet"))
    }

    /// The rejects report of a version, one JSON object a line.
    #[must_use]
    pub fn rejects(&self, version: u32) -> PathBuf {
        self.directory.join(format!("v{version}.rejects.ndjson"))
    }
}
