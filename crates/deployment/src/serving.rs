//! Serving: deployments are brought up and down, asked for predictions, limited, watched and logged.
//!
//! Any server process serves any deployment: what it needs it reads once through [`DeploymentStore`] and keeps until it
//! hears that the deployment changed. While nothing is heard ([`Serving::lost`]), everything is read anew for each request,
//! so that a revoked key is refused at once.

mod entry;
mod error;
mod features;
mod health;
pub mod keys;
mod limiter;
mod predict;
mod recorder;
mod start;
mod workers;

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gristmill_domain::{ApiKeyId, Clock, DeploymentId, deployments::DeploymentStore, models::Model};
use gristmill_jobs::Tasks;
use gristmill_runtime::{Runtime, sandbox::SandboxLimits};

pub use self::{
    entry::Entry,
    error::ServingError,
    features::{FeaturesError, RowFeatures, ServedFeatures},
    limiter::RatePass,
    predict::{Answer, Answers, Explain},
    recorder::{Recorded, RecorderCounters, WINDOW},
    start::{StartHandler, start_job},
};
use self::{limiter::Limiter, recorder::Recorder, workers::Workers};
use crate::inference::{CacheCounters, ModelCache};

/// Where models and the Python package are; the server has its own way to name them.
#[async_trait]
pub trait ServingPlaces: Send + Sync + std::fmt::Debug {
    /// The directory with a model's files. Absolute.
    fn model(&self, model: &Model) -> PathBuf;

    /// The directory of the package `gristmill_ml`, written when it is not there. Absolute.
    async fn package(&self) -> Result<PathBuf, String>;

    /// Prepares what computes a model's engineered columns, as it was kept with the model. Blocks.
    ///
    /// # Errors
    /// What is wrong with it.
    fn features(&self, kept: &[u8]) -> Result<Box<dyn RowFeatures>, String>;
}

/// What the operator decides about serving.
#[derive(Debug, Clone)]
pub struct ServingOptions {
    /// Memory for models that this process runs, bytes.
    pub models_bytes_max: u64,
    /// Python workers that this process keeps at most.
    pub workers_max: usize,
    /// A worker that nobody asks for this long ends.
    pub worker_idle: Duration,
    /// A directory for sockets of workers. Absolute.
    pub scratch: PathBuf,
    /// What a worker may use.
    pub limits: SandboxLimits,
    /// How often deployments that are in use are probed.
    pub probe_every: Duration,
    /// How long requests stay in the log.
    pub log_retention: Duration,
    /// How long hours are kept.
    pub hour_retention: Duration,
}

/// What it needs from outside.
#[derive(Debug, Clone)]
pub struct ServingPorts {
    /// Storage.
    pub store: Arc<dyn DeploymentStore>,
    /// Files.
    pub places: Arc<dyn ServingPlaces>,
    /// Sandboxes.
    pub runtime: Runtime,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Owns what runs in the background.
    pub tasks: Tasks,
}

/// What is known of deployments.
#[derive(Debug, Default)]
struct Entries {
    known: HashMap<DeploymentId, Arc<Entry>>,
    /// Counts what was forgotten. What was read before any of it may be outdated, and is not kept.
    forgotten: u64,
}

/// Serves deployments. One a process.
#[derive(Debug)]
pub struct Serving {
    ports: ServingPorts,
    options: ServingOptions,
    cache: ModelCache,
    workers: Workers,
    entries: RwLock<Entries>,
    limiter: Limiter,
    recorder: Recorder,
    used_keys: Mutex<HashMap<ApiKeyId, DateTime<Utc>>>,
    /// Unhealthy ones that are being tried.
    recovering: Mutex<HashSet<DeploymentId>>,
    /// Whether changes are heard of.
    hears: AtomicBool,
}

/// How long stopping may take before somebody else may end it.
const STOPPING_PATIENCE: Duration = Duration::from_mins(2);
/// How often what piled up is written.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// How often old logs are looked for.
const PRUNE_EVERY: Duration = Duration::from_mins(10);

impl Serving {
    /// Makes it; [`Self::run`] does the work in the background.
    #[must_use]
    pub fn new(ports: ServingPorts, options: ServingOptions) -> Self {
        Self {
            cache: ModelCache::new(options.models_bytes_max),
            workers: Workers::new(options.workers_max),
            entries: RwLock::default(),
            limiter: Limiter::default(),
            recorder: Recorder::default(),
            used_keys: Mutex::default(),
            recovering: Mutex::default(),
            hears: AtomicBool::new(false),
            ports,
            options,
        }
    }

    /// Finds a deployment with all that is needed to serve it. Who asks has still to be checked.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn find(&self, id: DeploymentId) -> Result<Arc<Entry>, ServingError> {
        let forgotten = {
            let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
            match entries.known.get(&id) {
                Some(entry) if self.hears.load(Ordering::Acquire) => return Ok(Arc::clone(entry)),
                _ => entries.forgotten,
            }
        };
        let entry = Arc::new(Entry::new(self.ports.store.served(id).await?, &self.ports.places));
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        // A change may have been announced while it was read: kept, what was before it would be believed for ever.
        if entries.forgotten == forgotten {
            entries.known.insert(id, Arc::clone(&entry));
        }
        Ok(entry)
    }

    /// Forgets what is known of a deployment: it is read anew when somebody asks.
    pub fn forget(&self, id: DeploymentId) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.forgotten = entries.forgotten.wrapping_add(1);
        entries.known.remove(&id);
    }

    /// A deployment changed or is gone: it is forgotten, and its worker ends when it should not run.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn changed(&self, id: DeploymentId) {
        self.forget(id);
        if !self.workers.has(id) {
            return;
        }
        let serves = match self.find(id).await {
            Ok(entry) => entry.served.deployment.status.is_active(),
            Err(ServingError::NotFound) => false,
            // Whoever asks next finds out.
            Err(_) => true,
        };
        if !serves {
            self.workers.end(id).await;
        }
    }

    /// Changes are not heard of any more: from now on nothing is taken from memory.
    pub fn lost(&self) {
        self.hears.store(false, Ordering::Release);
    }

    /// Changes are heard of again; what was missed is not known, so everything is forgotten.
    pub fn resynchronize(&self) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.forgotten = entries.forgotten.wrapping_add(1);
        entries.known.clear();
        self.hears.store(true, Ordering::Release);
    }

    /// Takes one request from the deployment's limit.
    ///
    /// # Errors
    /// `Limited` with when to come again; `NotFound`, `Store`.
    ///
    /// # Cancel safety
    /// Cancel safe; a request that was taken is not given back.
    pub async fn admit(&self, entry: &Entry) -> Result<RatePass, ServingError> {
        let now = self.ports.clock.now();
        self.limiter.admit(self.ports.store.as_ref(), &entry.served.deployment, now).await
    }

    /// Notes that a key was used; it is stored a little later.
    pub fn touch(&self, key: ApiKeyId) {
        self.used_keys.lock().unwrap_or_else(PoisonError::into_inner).insert(key, self.ports.clock.now());
    }

    /// Takes a request into log, statistics and drift. Never waits.
    pub fn record(&self, entry: &Entry, recorded: &Recorded<'_>) {
        self.recorder.record(entry, recorded);
    }

    /// Writes what piled up at once: for readers who should see their own requests.
    ///
    /// # Cancel safety
    /// What was being written may be written twice, which does no harm.
    pub async fn flush(&self) {
        self.recorder.flush(self.ports.store.as_ref(), self.ports.clock.now()).await;
    }

    /// The end of what a deployment's worker wrote; none when it has none here.
    pub async fn log_tail(&self, id: DeploymentId) -> Option<String> {
        self.workers.log_tail(id).await
    }

    /// Ends what runs of a deployment here.
    ///
    /// # Cancel safety
    /// Cancel safe: it ends all the same.
    pub async fn take_down(&self, id: DeploymentId) {
        self.forget(id);
        self.workers.end(id).await;
    }

    /// What happened to models that this process runs.
    #[must_use]
    pub fn cache_counters(&self) -> CacheCounters {
        self.cache.counters()
    }

    /// What happened to the log.
    #[must_use]
    pub fn recorder_counters(&self) -> RecorderCounters {
        self.recorder.counters()
    }

    /// Works in the background until the tasks are told to stop: writes logs, probes, ends what is idle or forgotten,
    /// removes what is old. At the end what piled up is written.
    pub async fn run(self: Arc<Self>) {
        let mut writes = tokio::time::interval(WRITE_EVERY);
        let mut probes = tokio::time::interval(self.options.probe_every);
        let mut prunes = tokio::time::interval(PRUNE_EVERY);
        for ticks in [&mut writes, &mut probes, &mut prunes] {
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        let stopping = self.ports.tasks.stopping().clone();
        loop {
            tokio::select! {
                () = stopping.cancelled() => break,
                () = self.recorder.is_filling() => self.flush().await,
                _ = writes.tick() => {
                    self.flush().await;
                    self.write_used_keys().await;
                }
                _ = probes.tick() => self.probe().await,
                _ = prunes.tick() => self.prune().await,
            }
        }
        self.flush().await;
        self.write_used_keys().await;
        self.workers.end_all().await;
    }

    async fn write_used_keys(&self) {
        let used = std::mem::take(&mut *self.used_keys.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return;
        }
        let used: Vec<_> = used.into_iter().collect();
        if let Err(error) = self.ports.store.touch_keys(&used).await {
            tracing::warn!(error = %error, "the last use of keys was not stored");
        }
    }

    async fn prune(&self) {
        let now = self.ports.clock.now();
        let (logs, hours) = (now - self.options.log_retention, now - self.options.hour_retention);
        match self.ports.store.prune(logs, hours).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(predictions.removed = removed, "old predictions were removed from the log"),
            Err(error) => tracing::warn!(error = %error, "old predictions could not be removed"),
        }
    }
}
