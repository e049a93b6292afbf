//! Loaded models, each once, within a budget of memory.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use gristmill_domain::models::Artifact;
use tokio::sync::{OnceCell, Semaphore};

use super::{error::InferenceError, model::NativeModel};

/// Models that are loaded at the same time.
const LOADS_AT_ONCE: usize = 2;
/// How long a model that could not be loaded is not tried again: loading reads all of its files.
const RETRY_AFTER: Duration = Duration::from_secs(5);

type Outcome = Result<Arc<NativeModel>, Arc<InferenceError>>;

/// Loaded models by their contents: equal files are loaded once, altered ones are other models.
///
/// A model stays while it fits into the budget; the one that was not used for the longest time goes first. Who has a model
/// keeps it, also when it is gone from here.
#[derive(Debug)]
pub struct ModelCache {
    bytes_max: u64,
    entries: RwLock<HashMap<Key, Arc<Entry>>>,
    loading: Semaphore,
    clock: AtomicU64,
    hits: AtomicU64,
    loads: AtomicU64,
    failures: AtomicU64,
    evictions: AtomicU64,
}

/// What happened in a [`ModelCache`], for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheCounters {
    /// Models that are in memory.
    pub models: usize,
    /// Memory that they take, bytes.
    pub bytes: u64,
    /// Requests that found their model loaded, or being loaded.
    pub hits: u64,
    /// Models that were loaded.
    pub loads: u64,
    /// Models that could not be loaded.
    pub failures: u64,
    /// Models that had to make room.
    pub evictions: u64,
}

/// The checksums of what a model is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    graph: String,
    signature: String,
    parity: String,
}

#[derive(Debug, Default)]
struct Entry {
    loaded: OnceCell<Loaded>,
    last_used: AtomicU64,
}

#[derive(Debug)]
struct Loaded {
    outcome: Outcome,
    at: Instant,
}

impl ModelCache {
    /// Makes an empty cache.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            entries: RwLock::default(),
            loading: Semaphore::new(LOADS_AT_ONCE),
            clock: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            loads: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
        }
    }

    /// Returns the model of a directory, loading it on a blocking thread where it is not here. Whoever asks meanwhile waits
    /// for the same load.
    ///
    /// # Errors
    /// As [`NativeModel::load`]. A model that could not be loaded gives the same error for five seconds.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; another one that waits loads instead.
    pub async fn get(&self, directory: &Path, artifacts: &[Artifact]) -> Outcome {
        let key = Key::new(artifacts);
        let entry = self.entry(&key);
        entry.last_used.store(self.clock.fetch_add(1, Relaxed), Relaxed);
        if entry.loaded.initialized() {
            self.hits.fetch_add(1, Relaxed);
        }
        let loaded = entry.loaded.get_or_init(|| self.load(&key, directory.to_owned(), artifacts.to_vec())).await;
        loaded.outcome.clone()
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> CacheCounters {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let models = entries.values().filter_map(|entry| entry.model());
        CacheCounters {
            models: models.clone().count(),
            bytes: models.map(bytes).sum(),
            hits: self.hits.load(Relaxed),
            loads: self.loads.load(Relaxed),
            failures: self.failures.load(Relaxed),
            evictions: self.evictions.load(Relaxed),
        }
    }

    /// The entry of a key; a new one where there is none, or where one failed some time ago.
    fn entry(&self, key: &Key) -> Arc<Entry> {
        let found = self.entries.read().unwrap_or_else(PoisonError::into_inner).get(key).map(Arc::clone);
        if let Some(entry) = found.filter(|entry| !entry.is_stale()) {
            return entry;
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| !entry.is_stale());
        Arc::clone(entries.entry(key.clone()).or_default())
    }

    async fn load(&self, key: &Key, directory: PathBuf, artifacts: Vec<Artifact>) -> Loaded {
        // The semaphore is never closed.
        let permit = self.loading.acquire().await.ok();
        let loading = tokio::task::spawn_blocking(move || NativeModel::load(&directory, &artifacts));
        let outcome = match loading.await {
            Ok(loaded) => loaded.map(Arc::new).map_err(Arc::new),
            Err(_) => Err(Arc::new(InferenceError::LoadingEnded)),
        };
        drop(permit);
        match &outcome {
            Ok(model) => {
                self.loads.fetch_add(1, Relaxed);
                self.make_room(key, model);
            }
            Err(_) => {
                self.failures.fetch_add(1, Relaxed);
            }
        }
        Loaded { outcome, at: Instant::now() }
    }

    /// Lets go of the models that were not used for the longest time until a new one fits. One that can never fit is handed
    /// out, but not kept.
    fn make_room(&self, key: &Key, model: &NativeModel) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let needed = bytes(model);
        if needed > self.bytes_max {
            entries.remove(key);
            return;
        }
        loop {
            let used: u64 = entries.values().filter_map(|entry| entry.model()).map(bytes).sum();
            if used.saturating_add(needed) <= self.bytes_max {
                return;
            }
            let others = entries.iter().filter(|(other, entry)| *other != key && entry.model().is_some());
            let oldest = others.min_by_key(|(_, entry)| entry.last_used.load(Relaxed)).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { return };
            entries.remove(&oldest);
            self.evictions.fetch_add(1, Relaxed);
        }
    }
}

impl Key {
    fn new(artifacts: &[Artifact]) -> Self {
        let checksum = |name: &str| {
            let artifact = artifacts.iter().find(|artifact| artifact.filename == name);
            artifact.map(|artifact| artifact.sha256.clone()).unwrap_or_default()
        };
        Self { graph: checksum("model.onnx"), signature: checksum("signature.json"), parity: checksum("parity.json") }
    }
}

impl Entry {
    fn model(&self) -> Option<&NativeModel> {
        self.loaded.get()?.outcome.as_deref().ok()
    }

    fn is_stale(&self) -> bool {
        self.loaded.get().is_some_and(|loaded| loaded.outcome.is_err() && loaded.at.elapsed() > RETRY_AFTER)
    }
}

fn bytes(model: &NativeModel) -> u64 {
    u64::try_from(model.memory_bytes()).unwrap_or(u64::MAX)
}
