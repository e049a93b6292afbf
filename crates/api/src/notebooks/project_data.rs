//! What the runtime may know of projects.

use std::path::PathBuf;

use async_trait::async_trait;
use gristmill_domain::ProjectId;
use gristmill_persistence::{
    files::{self, LocalFiles},
    repo::datasets::Datasets,
};
use gristmill_runtime::{DatasetFile, ProjectData, ProjectFiles};

/// Datasets as they are stored.
#[derive(Debug)]
pub struct StoredData {
    /// Their control data.
    pub datasets: Datasets,
    /// Their files.
    pub files: LocalFiles,
}

#[async_trait]
impl ProjectData for StoredData {
    async fn datasets(&self, project: ProjectId) -> Result<ProjectFiles, Box<dyn std::error::Error + Send + Sync>> {
        let outlines = self.datasets.outlines(project).await?;
        let file = |outline: gristmill_persistence::repo::datasets::DatasetOutline| DatasetFile {
            path: PathBuf::from(outline.id.to_string()).join("original"),
            id: outline.id,
            filename: outline.filename,
            columns: outline.columns,
        };
        Ok(ProjectFiles {
            directory: std::path::absolute(self.files.path(&files::datasets_prefix(project)))?,
            files: outlines.into_iter().map(file).collect(),
        })
    }
}
