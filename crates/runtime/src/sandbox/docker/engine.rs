//! What the docker backend asks of a container engine, and nothing of how it is asked.

use std::{collections::BTreeMap, path::PathBuf};

use async_trait::async_trait;

use super::super::{Mount, SandboxLimits, Usage};

/// An engine refused, or could not be reached.
#[derive(Debug, thiserror::Error)]
#[error("the container engine answered: {message}")]
pub struct EngineError {
    /// What it said.
    pub message: String,
}

/// A container to create.
#[derive(Debug, Clone)]
pub struct ContainerSpec {
    /// Its name.
    pub name: String,
    /// The image.
    pub image: String,
    /// Labels, for the sweep.
    pub labels: BTreeMap<String, String>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The environment, added to the image's.
    pub environment: BTreeMap<String, String>,
    /// Working directory.
    pub directory: PathBuf,
    /// Bind mounts.
    pub mounts: Vec<Mount>,
    /// Limits.
    pub limits: SandboxLimits,
    /// The user and group it runs as, not root.
    pub user: u32,
    /// Another runtime than the engine's default, such as `runsc`.
    pub runtime: Option<String>,
}

/// How a container is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerState {
    /// Whether it runs.
    pub running: bool,
    /// What its main process returned.
    pub exit_code: i64,
    /// Whether the kernel ended something in it because memory ran out.
    pub out_of_memory: bool,
    /// Its main process, as the engine's machine numbers it; none when it does not run.
    pub process: Option<u32>,
}

/// An image to build.
#[derive(Debug, Clone)]
pub struct ImageBuild {
    /// Its name with its tag.
    pub name: String,
    /// The build context, a tar archive with a `Dockerfile`.
    pub context: Vec<u8>,
    /// Build arguments.
    pub arguments: BTreeMap<String, String>,
}

/// Who hears what a build says, line by line.
pub type Tell<'listener> = &'listener (dyn Fn(&str) + Send + Sync);

/// A container engine.
#[async_trait]
pub trait ContainerEngine: Send + Sync + std::fmt::Debug {
    /// Its name and version; also tells whether it answers.
    ///
    /// # Errors
    /// When it does not answer.
    async fn version(&self) -> Result<String, EngineError>;

    /// Whether it has the image.
    ///
    /// # Errors
    /// When it does not answer.
    async fn has_image(&self, image: &str) -> Result<bool, EngineError>;

    /// Builds an image; takes minutes. What only the build needed is not kept.
    ///
    /// # Errors
    /// With the end of what the build said.
    async fn build_image(&self, build: ImageBuild, tell: Tell<'_>) -> Result<(), EngineError>;

    /// Creates a container, and starts it. When starting fails it is removed again.
    ///
    /// # Errors
    /// What the engine refused.
    async fn start(&self, container: &ContainerSpec) -> Result<(), EngineError>;

    /// Waits for the end of a container. It may fail at any time, then ask for its state.
    ///
    /// # Errors
    /// When the engine cannot be reached, or went away.
    async fn wait(&self, name: &str) -> Result<(), EngineError>;

    /// The state of a container; `None` when there is none of this name.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn state(&self, name: &str) -> Result<Option<ContainerState>, EngineError>;

    /// Ends a container and removes it; one that is not there is fine.
    ///
    /// # Errors
    /// When the engine does not answer, or cannot end it.
    async fn remove(&self, name: &str) -> Result<(), EngineError>;

    /// The end of its log.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn log_tail(&self, name: &str) -> Result<String, EngineError>;

    /// What it uses.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn usage(&self, name: &str) -> Result<Usage, EngineError>;

    /// The containers with this label: name, and all labels.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn labelled(&self, label: &str, value: &str) -> Result<Vec<(String, BTreeMap<String, String>)>, EngineError>;
}
