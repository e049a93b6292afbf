//! What trainings, evaluations and studies share: the runtime, the limits, the places of files.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use gristmill_domain::{DatasetId, JobId, ModelId, ProjectId, UserId};
use gristmill_jobs::Tasks;
use gristmill_runtime::{Runtime, sandbox::SandboxLimits};
use tokio::sync::OnceCell;

use crate::{crew, error::ModelingError, package, ready::Ready, worker::Worker};

/// What is left in the work directory for longer than this belongs to no running job.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);

/// What the operator decides about models.
#[derive(Debug, Clone)]
pub struct ModelingOptions {
    /// A directory for what runs need only while they run. Absolute.
    pub work_dir: PathBuf,
    /// The per-user cache, where the Python package is written. Absolute.
    pub cache_dir: PathBuf,
    /// The most that a sandbox may use; a request may ask for other memory.
    pub limits: SandboxLimits,
    /// How many trainings at once find their sandboxes ready; 0: every sandbox starts when it is needed. Each takes three or
    /// four processes of some 150 MB.
    pub ready_trainings: usize,
    /// After this time without a training, ready sandboxes are ended; at most 12 hours.
    pub ready_idle: Duration,
}

impl ModelingOptions {
    /// The defaults, with these directories and limits.
    #[must_use]
    pub fn new(work_dir: PathBuf, cache_dir: PathBuf, limits: SandboxLimits) -> Self {
        Self { work_dir, cache_dir, limits, ready_trainings: 1, ready_idle: Duration::from_mins(10) }
    }
}

/// Tells where stored files are. The server has its own way to name them.
pub trait ModelPlaces: Send + Sync + std::fmt::Debug {
    /// A version of a dataset, a Parquet file.
    fn dataset(&self, owner: UserId, project: ProjectId, dataset: DatasetId, version: u32) -> PathBuf;

    /// The dataset that a version of a dataset was derived from and has the row ids of, a Parquet file. None: it is no
    /// derived one, or the rows of its source are not known.
    fn origin(&self, owner: UserId, project: ProjectId, dataset: DatasetId, version: u32) -> Option<PathBuf> {
        let _ = (owner, project, dataset, version);
        None
    }

    /// What makes columns of a version of a dataset from others, as far as a model with these columns needs it: the text of a
    /// file that is kept with the model. None: nothing made any of them. Blocks.
    ///
    /// # Errors
    /// The files of the dataset cannot be read.
    fn features(
        &self,
        owner: UserId,
        project: ProjectId,
        dataset: DatasetId,
        version: u32,
        columns: &[String],
    ) -> io::Result<Option<Vec<u8>>> {
        let _ = (owner, project, dataset, version, columns);
        Ok(None)
    }

    /// The directory of a model. What is stored with a model is named relative to it.
    fn model(&self, project: ProjectId, model: ModelId) -> PathBuf;
}

/// Makes, evaluates, tunes and compares models in sandboxes.
#[derive(Debug)]
pub struct Engine {
    pub(crate) starter: Arc<Starter>,
    pub(crate) ready: Arc<Ready>,
}

/// What it takes to start a sandbox.
#[derive(Debug)]
pub(crate) struct Starter {
    pub(crate) runtime: Runtime,
    pub(crate) options: ModelingOptions,
    package: OnceCell<PathBuf>,
}

/// What one run may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Longest step.
    pub time: Duration,
    /// Most memory of a step, bytes.
    pub memory_bytes: u64,
}

/// A directory that goes when the run ends.
#[derive(Debug)]
pub(crate) struct WorkDirectory {
    path: PathBuf,
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "files of a run were not removed; they go a day later");
        }
    }
}

impl WorkDirectory {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A directory of its own for the next step.
    pub(crate) fn step(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Starter {
    /// The directory of the Python package, written when it is first asked for.
    pub(crate) async fn package(&self) -> Result<PathBuf, ModelingError> {
        let made = self.package.get_or_try_init(|| {
            let cache = self.options.cache_dir.clone();
            blocking("writing gristmill_ml", move || package::install(&cache))
        });
        made.await.cloned()
    }

    /// The directory below which everything is that runs need while they run.
    pub(crate) async fn work_root(&self) -> Result<PathBuf, ModelingError> {
        private_directory(self.options.work_dir.clone()).await
    }

    /// The directory beside it for sandboxes that wait for a run. What an earlier server left there goes.
    pub(crate) async fn ready_root(&self) -> Result<PathBuf, ModelingError> {
        let mut name = self.options.work_dir.file_name().unwrap_or_default().to_owned();
        name.push("-ready");
        let root = private_directory(self.options.work_dir.with_file_name(name)).await?;
        blocking("removing old files", move || {
            for entry in fs::read_dir(&root)?.flatten().filter(is_forgotten) {
                // Another server may be doing the same.
                drop(fs::remove_dir_all(entry.path()));
            }
            Ok(root)
        })
        .await
    }
}

/// Makes a directory for the server alone.
async fn private_directory(path: PathBuf) -> Result<PathBuf, ModelingError> {
    blocking("making a work directory", move || {
        fs::create_dir_all(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
        Ok(path)
    })
    .await
}

/// Whether an entry is so old that it belongs to nothing that runs.
fn is_forgotten(entry: &fs::DirEntry) -> bool {
    let changed = entry.metadata().and_then(|metadata| metadata.modified()).ok();
    changed.and_then(|at| SystemTime::now().duration_since(at).ok()).is_some_and(|age| age > FORGOTTEN_AFTER)
}

impl Engine {
    /// An engine over a runtime. What keeps sandboxes ready runs in `tasks`.
    #[must_use]
    pub fn new(runtime: Runtime, options: ModelingOptions, tasks: &Tasks) -> Self {
        let starter = Arc::new(Starter { runtime, options, package: OnceCell::new() });
        Self { ready: Arc::new(Ready::new(Arc::clone(&starter), tasks.clone())), starter }
    }

    /// Makes sandboxes ready for a training that is likely to come, with this much memory each. Returns at once; where they
    /// are ready already, they stay so for longer.
    pub fn warm(&self, memory_bytes: u64) {
        self.ready.want(&crew::COMMANDS, memory_bytes);
    }

    /// How many sandboxes wait for a training.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready.waiting()
    }

    /// The directory of the Python package, written when it is first asked for: what serves models runs it too.
    ///
    /// # Errors
    /// It cannot be written.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn package(&self) -> Result<PathBuf, ModelingError> {
        self.starter.package().await
    }

    /// Threads that a command may use.
    pub(crate) fn cpus(&self) -> u32 {
        self.starter.options.limits.cpu_percent.div_ceil(100).max(1)
    }

    /// A sandbox for a command: one that is ready, or a new one below `parent`.
    pub(crate) async fn worker(&self, command: &'static str, memory_bytes: u64, parent: &Path) -> Result<Worker, ModelingError> {
        match self.ready.claim(command, memory_bytes) {
            Some(worker) => Ok(worker),
            None => Worker::start(&self.starter, command, memory_bytes, parent, None).await,
        }
    }

    /// A directory for the file of a model that is to be adopted, made when missing. It goes with the adoption, or a day
    /// later.
    ///
    /// # Errors
    /// It cannot be made.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn staging(&self, model: ModelId) -> Result<PathBuf, ModelingError> {
        let root = self.starter.work_root().await?;
        blocking("making a work directory", move || {
            let path = root.join(format!("adopt-{model}"));
            fs::create_dir_all(&path)?;
            Ok(path)
        })
        .await
    }

    /// A work directory for a run of a job. Those of its earlier runs, whose worker died, go.
    pub(crate) async fn work_directory(&self, job: JobId, epoch: i64) -> Result<WorkDirectory, ModelingError> {
        let root = self.starter.work_root().await?;
        blocking("making a work directory", move || {
            let (prefix, name) = (format!("{job}-"), format!("{job}-{epoch}"));
            for entry in fs::read_dir(&root)?.flatten() {
                let found = entry.file_name().to_string_lossy().into_owned();
                if found.starts_with(&prefix) || is_forgotten(&entry) {
                    // Another worker may be doing the same.
                    drop(fs::remove_dir_all(entry.path()));
                }
            }
            let path = root.join(name);
            fs::create_dir_all(&path)?;
            Ok(WorkDirectory { path })
        })
        .await
    }
}

/// Runs file operations where they may block.
pub(crate) async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ModelingError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(ModelingError::io(doing)),
        Err(failed) => Err(ModelingError::Io { doing, source: io::Error::other(failed) }),
    }
}

/// Runs work of this crate where it may block.
pub(crate) async fn off_thread<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, ModelingError> + Send + 'static,
) -> Result<T, ModelingError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => Err(ModelingError::Io { doing, source: io::Error::other(failed) }),
    }
}
