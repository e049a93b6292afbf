//! Vectors by the model on this machine, in a worker that stays up in a sandbox.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use gristmill_documents::{EmbedError, Embedder, TextKind, Texts, local};
use gristmill_runtime::{
    PythonPackage, Runtime,
    environment::PackageSet,
    resident::{ResidentError, ResidentPlan, ResidentSettings, ResidentWorker},
    sandbox::SandboxLimits,
};
use tokio::sync::Semaphore;

use crate::config::Config;

/// What `gristmill setup` installs for it.
pub(crate) const PACKAGES: PackageSet = PackageSet { name: local::PACKAGE_SET, lock: local::LOCK };
const PROGRAM: PythonPackage = PythonPackage { name: local::PACKAGE, files: &local::FILES };
/// Where the worker sees the packages.
const GUEST_PACKAGES: &str = "/opt/gristmill/embed";
/// Texts of one question: a tenth of a second of a calm core and one of a busy one, which a query may have to wait.
const BATCH: usize = 8;

#[derive(Debug)]
pub(super) struct LocalEmbedder {
    worker: ResidentWorker,
    packages: PathBuf,
    /// Whose passages are asked for: one at a time, so that a query waits for one batch at most.
    turn: Semaphore,
}

impl LocalEmbedder {
    /// A worker on the runtime's backend. It is started by the first text.
    pub(super) fn new(config: &Config, runtime: &Runtime) -> std::io::Result<Self> {
        let packages = PACKAGES.directory(&std::path::absolute(&config.database.cache_dir)?);
        let plan = ResidentPlan {
            name: "embed",
            package: PROGRAM,
            arguments: vec![format!("{GUEST_PACKAGES}/{}", local::MODEL_DIRECTORY)],
            shows: vec![(packages.clone(), GUEST_PACKAGES.to_owned())],
            python_path: vec![GUEST_PACKAGES.to_owned()],
            limits: SandboxLimits {
                memory_bytes: 1 << 30,
                cpu_percent: config.execution.cpu_percent,
                pids: 64,
                file_size_bytes: 1 << 20,
                open_files: 256,
                tmp_bytes: 16 << 20,
                disk_bytes: 16 << 20,
            },
            settings: ResidentSettings {
                startup_timeout: Duration::from_mins(1),
                answer_timeout: Duration::from_mins(1),
                stuck_after: Duration::from_secs(30),
                idle_after: Duration::from_mins(10),
                queue_max: 64,
                in_flight_max: 1,
                question_bytes_max: 32 << 20,
                answer_bytes_max: 4 << 20,
            },
        };
        Ok(Self { worker: runtime.resident(plan), packages, turn: Semaphore::new(1) })
    }

    async fn ask(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let question = local::question(texts);
        let mut answer = self.worker.ask(question.clone()).await;
        if matches!(answer, Err(ResidentError::Ended)) {
            // Not by these texts, most likely: it may have idled, or the machine ran out of memory.
            answer = self.worker.ask(question).await;
        }
        match answer {
            Ok(answer) => local::vectors(answer.get(), texts.len()),
            Err(error @ (ResidentError::Refused(_) | ResidentError::TooLarge)) => Err(EmbedError::Refused(error.to_string())),
            Err(error) => Err(EmbedError::Unavailable(error.to_string())),
        }
    }
}

#[async_trait]
impl Embedder for LocalEmbedder {
    fn model(&self) -> &str {
        local::MODEL
    }

    async fn embed(&self, texts: Texts<'_>) -> Result<Vec<Vec<f32>>, EmbedError> {
        // It may have been installed since the last text.
        if !self.packages.is_dir() {
            let reason = "it is not installed; run `EMBEDDINGS=local gristmill setup`";
            return Err(EmbedError::Unavailable(reason.to_owned()));
        }
        let mut vectors = Vec::with_capacity(texts.all.len());
        for batch in texts.all.chunks(BATCH) {
            // Closed never: an error cannot happen.
            let _turn = match texts.kind {
                TextKind::Query => None,
                TextKind::Passage => self.turn.acquire().await.ok(),
            };
            vectors.extend(self.ask(batch).await?);
        }
        Ok(vectors)
    }
}
