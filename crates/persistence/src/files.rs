//! Where files are kept: generated names under one root. Display names live in the database only.

use std::{
    io,
    path::{Path, PathBuf},
};

use gristmill_domain::{CellId, DatasetId, DocumentId, JobId, LoggedModelId, ModelId, NotebookId, ProjectId, RunId, UserId};

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

/// Prefix of a document's files.
#[must_use]
pub fn document_prefix(owner: UserId, project: Option<ProjectId>, id: DocumentId) -> String {
    let parent = project.map_or_else(|| user_prefix(owner), project_prefix);
    format!("{parent}/documents/{id}")
}

/// Prefix of the files that a notebook's outputs refer to.
#[must_use]
pub fn notebook_prefix(project: ProjectId, id: NotebookId) -> String {
    format!("{}/notebooks/{id}", project_prefix(project))
}

/// Where a file of a cell's outputs is. The name is one that the server made.
#[must_use]
pub fn output_file(project: ProjectId, notebook: NotebookId, cell: CellId, name: &str) -> String {
    format!("{}/{cell}/{name}", notebook_prefix(project, notebook))
}

/// Prefix of a model's files.
#[must_use]
pub fn model_prefix(project: ProjectId, id: ModelId) -> String {
    format!("{}/models/{id}", project_prefix(project))
}

/// Prefix of the files that a program logged to a run.
#[must_use]
pub fn run_prefix(project: ProjectId, id: RunId) -> String {
    format!("{}/runs/{id}", project_prefix(project))
}

/// Prefix of the files of a model that a program logged.
#[must_use]
pub fn logged_model_prefix(project: ProjectId, id: LoggedModelId) -> String {
    format!("{}/logged/{id}", project_prefix(project))
}

/// Prefix of all datasets of a project.
#[must_use]
pub fn datasets_prefix(project: ProjectId) -> String {
    format!("{}/datasets", project_prefix(project))
}

/// Names of the files of a dataset's version: columns and rejects report.
#[must_use]
pub fn version_files(version: u32) -> [String; 2] {
    [format!("v{version}.parquet"), format!("v{version}.rejects.ndjson")]
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

    /// The spool directory of an upload and of the job that reads it.
    #[must_use]
    pub fn spool_directory(&self, job: JobId) -> PathBuf {
        self.spool().join(job.to_string())
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

    /// The directory of a document. Its one file is `original`, the document as it was uploaded.
    #[must_use]
    pub fn document(&self, owner: UserId, project: Option<ProjectId>, id: DocumentId) -> PathBuf {
        self.path(&document_prefix(owner, project, id))
    }

    /// Removes a file, or everything under a prefix. Succeeds when there is nothing.
    ///
    /// # Errors
    /// The file system's.
    pub fn remove(&self, prefix: &str) -> io::Result<()> {
        let path = self.path(prefix);
        let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        match removed {
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
        let [parquet, _] = version_files(version);
        self.directory.join(parquet)
    }

    /// What the features of a derived dataset have learned, JSON.
    #[must_use]
    pub fn features(&self) -> PathBuf {
        self.directory.join("features.json")
    }

    /// Which dataset the rows of a derived dataset come from, JSON.
    #[must_use]
    pub fn origin(&self) -> PathBuf {
        self.directory.join("origin.json")
    }

    /// The rejects report of a version, one JSON object a line.
    #[must_use]
    pub fn rejects(&self, version: u32) -> PathBuf {
        let [_, rejects] = version_files(version);
        self.directory.join(rejects)
    }
}
