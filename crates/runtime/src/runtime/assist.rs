//! Help with writing Python, on the backend that kernels run on.

use gristmill_domain::ids::ProjectId;

use super::{Runtime, inner::Inner};
use crate::{
    error::RuntimeError,
    intelligence::{AssistAnswer, AssistDataset, AssistDirectories, AssistError, AssistRequest, AssistSettings, Assistant},
};

impl Runtime {
    /// Answers a question about code, from a worker of the project that is started when there is none. The project's
    /// datasets are filled in.
    ///
    /// # Errors
    /// `RuntimeUnavailable` when no worker can be had, or none answers in time.
    ///
    /// # Cancel safety
    /// Cancel safe: the worker stays.
    pub async fn assist(&self, project: ProjectId, mut request: AssistRequest) -> Result<AssistAnswer, RuntimeError> {
        let assistant = self.inner.assistant().await?;
        let files = self.inner.data.datasets(project).await.map_err(RuntimeError::ProjectData)?;
        request.datasets = files
            .files
            .into_iter()
            .map(|file| AssistDataset { id: file.id, filename: file.filename, columns: file.columns })
            .collect();
        assistant.assist(project, request).await.map_err(|error| match error {
            AssistError::Unavailable(reason) => RuntimeError::Unavailable { reason },
            AssistError::Timeout | AssistError::Ended => {
                RuntimeError::Unavailable { reason: "help with Python did not answer in time; try again".to_owned() }
            }
        })
    }
}

impl Inner {
    async fn assistant(&self) -> Result<&Assistant, RuntimeError> {
        let make = || async {
            let backend = self.backend().await?;
            let directories = AssistDirectories {
                projects: self.directories.projects(),
                sockets: self.directories.assist_sockets(),
                cache: self.options.cache_dir.clone(),
            };
            Ok(Assistant::new(backend, directories, AssistSettings::default(), self.tasks.clone()))
        };
        self.assistant.get_or_try_init(make).await
    }

    /// Ends the project's worker, when there is one.
    pub(super) fn close_assistant(&self, project: ProjectId) {
        if let Some(assistant) = self.assistant.get() {
            assistant.close(project);
        }
    }
}
