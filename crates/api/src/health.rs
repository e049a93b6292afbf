//! The background probes, and what they last found.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use gristmill_api_types::health::{
    DatabaseCheck, DockerCheck, HealthChecks, HealthStatus, HealthView, LlmCheck, MemoryCheck, RuntimeImageCheck,
};
use gristmill_persistence::Database;
use gristmill_runtime::{RuntimeStatus, sandbox::BackendKind};

/// How often the probes run.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_millis(1500);

/// What the probes last found. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HealthBoard {
    started: Instant,
    host: Arc<str>,
    database: Arc<Mutex<DatabaseCheck>>,
}

impl Default for HealthBoard {
    fn default() -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let unknown = DatabaseCheck {
            status: HealthStatus::Error,
            critical: true,
            configured: true,
            latency_ms: None,
            message: Some("not probed yet".into()),
        };
        Self { started: Instant::now(), host: host.into(), database: Arc::new(Mutex::new(unknown)) }
    }
}

impl HealthBoard {
    /// Probes now.
    pub async fn probe(&self, database: &Database) {
        let began = Instant::now();
        let answer = tokio::time::timeout(PROBE_TIMEOUT, database.ping()).await;
        let (status, message) = match answer {
            Ok(Ok(())) => (HealthStatus::Ok, None),
            Ok(Err(error)) => {
                tracing::warn!(error.cause = crate::error::chain(&error), "the database does not answer");
                (HealthStatus::Error, Some("the database does not answer".to_owned()))
            }
            Err(_) => (HealthStatus::Error, Some("the database did not answer in time".to_owned())),
        };
        let latency_ms = (status == HealthStatus::Ok).then(|| began.elapsed().as_secs_f64() * 1000.0);
        let check = DatabaseCheck { status, critical: true, configured: true, latency_ms, message };
        *self.database.lock().unwrap_or_else(PoisonError::into_inner) = check;
    }

    /// Probes for ever. Run it in a task that is aborted at shutdown.
    pub async fn keep_probing(&self, database: &Database) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.probe(database).await;
        }
    }

    /// Whether everything critical worked, at most a few seconds ago.
    #[must_use]
    pub fn works(&self) -> bool {
        self.database.lock().unwrap_or_else(PoisonError::into_inner).status != HealthStatus::Error
    }

    /// What was found, at most a few seconds ago, with how running code (`image` is what sandboxes are made from, for
    /// Docker) and the language model stand.
    #[must_use]
    pub fn view(&self, now: DateTime<Utc>, runtime: RuntimeStatus, image: String, llm: LlmCheck) -> HealthView {
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ready = runtime.ready;
        let backend = runtime.isolation.map(|isolation| isolation.backend);
        let message = match backend {
            Some(backend) if ready => format!("code runs on the backend `{}`", backend.as_str()),
            // Anybody may read this, so why is told elsewhere.
            _ => "no code can be run now; `gristmill doctor` and GET /api/execute/health tell why".to_owned(),
        };
        let sandboxes = if ready { HealthStatus::Ok } else { HealthStatus::Degraded };
        let docker = DockerCheck {
            status: sandboxes,
            critical: false,
            enabled: backend.is_some(),
            reachable: ready,
            latency_ms: None,
            message: Some(message.clone()),
        };
        let runtime_image = RuntimeImageCheck {
            status: sandboxes,
            critical: false,
            enabled: backend == Some(BackendKind::Docker),
            image,
            available: ready,
            message: Some(message),
        };
        let status = match database.status {
            HealthStatus::Error => HealthStatus::Error,
            _ if [database.status, sandboxes, llm.status].iter().all(|status| *status == HealthStatus::Ok) => HealthStatus::Ok,
            _ => HealthStatus::Degraded,
        };
        HealthView {
            status,
            uptime: self.uptime().as_secs_f64(),
            timestamp: now.into(),
            host: self.host.to_string(),
            version: env!("CARGO_PKG_VERSION").into(),
            checks: HealthChecks { database, docker, runtime_image, llm, memory: memory() },
        }
    }

    /// How long this server runs.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

/// This process' memory, from `/proc/self/status`.
pub(crate) fn memory() -> MemoryCheck {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    MemoryCheck {
        status: HealthStatus::Ok,
        critical: false,
        rss_bytes: bytes("VmRSS:"),
        heap_total_bytes: bytes("VmData:"),
        heap_used_bytes: bytes("RssAnon:"),
        external_bytes: bytes("RssFile:"),
        array_buffers_bytes: 0,
    }
}
