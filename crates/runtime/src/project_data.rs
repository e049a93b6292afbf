//! The port through which the runtime learns what a project's sandboxes may read.

use std::{error::Error, path::PathBuf};

use async_trait::async_trait;
use gristmill_domain::ids::{DatasetId, ProjectId};

/// Tells which files a project's sandboxes see.
#[async_trait]
pub trait ProjectData: Send + Sync + std::fmt::Debug {
    /// The datasets of a project now. Asked before every run, so it should be cheap.
    ///
    /// # Errors
    /// Whatever the store says; the run is then refused.
    async fn datasets(&self, project: ProjectId) -> Result<ProjectFiles, Box<dyn Error + Send + Sync>>;
}

/// The stored datasets of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectFiles {
    /// The project's datasets directory on the host (`<id>/original` and `<id>/v1.parquet` inside); absolute. It is made
    /// when it is not there.
    pub directory: PathBuf,
    /// Its datasets.
    pub files: Vec<DatasetFile>,
}

/// One dataset of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetFile {
    /// Its id.
    pub id: DatasetId,
    /// The name that people gave it: may contain anything.
    pub filename: String,
    /// The uploaded file, relative to [`ProjectFiles::directory`]: `<id>/original`.
    pub path: PathBuf,
    /// Column names and their types, in order, for completions.
    pub columns: Vec<(String, String)>,
}
