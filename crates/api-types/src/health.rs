//! Health (contract 1, section 4).

use serde::Serialize;
use utoipa::ToSchema;

use crate::common::Instant;

/// How a check, or the whole, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// In order.
    Ok,
    /// Works, but something that is not critical is missing.
    Degraded,
    /// Does not work.
    Error,
}

/// The server's health, as measured in the background at most a few seconds ago.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthView {
    /// `error` when a critical check fails, else `degraded` when any check is not `ok`.
    pub status: HealthStatus,
    /// Seconds since the server started.
    pub uptime: f64,
    /// When this was put together.
    pub timestamp: Instant,
    /// Host name.
    pub host: String,
    /// Version of the server.
    pub version: String,
    /// The single checks.
    pub checks: HealthChecks,
}

/// The single checks.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthChecks {
    /// PostgreSQL.
    pub database: DatabaseCheck,
    /// The sandbox backend for code.
    pub docker: DockerCheck,
    /// The image or environment that sandboxes run in.
    pub runtime_image: RuntimeImageCheck,
    /// The language model.
    pub llm: LlmCheck,
    /// This process.
    pub memory: MemoryCheck,
}

/// PostgreSQL.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseCheck {
    /// Result.
    pub status: HealthStatus,
    /// Always true: nothing works without.
    pub critical: bool,
    /// Whether there is a database to ask.
    pub configured: bool,
    /// How long it took to answer, milliseconds.
    pub latency_ms: Option<f64>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The sandbox backend.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DockerCheck {
    /// Result.
    pub status: HealthStatus,
    /// Always false.
    pub critical: bool,
    /// Whether a backend is configured.
    pub enabled: bool,
    /// Whether it answers.
    pub reachable: bool,
    /// How long it took to answer, milliseconds.
    pub latency_ms: Option<f64>,
    /// What is wrong, and how to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The image or environment of the sandboxes.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeImageCheck {
    /// Result.
    pub status: HealthStatus,
    /// Always false.
    pub critical: bool,
    /// Whether a backend is configured.
    pub enabled: bool,
    /// Its name.
    pub image: String,
    /// Whether it is there.
    pub available: bool,
    /// What is wrong, and how to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The language model, asked for a sign of life about once a minute.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LlmCheck {
    /// Result; `ok` when none is configured, as that is a choice.
    pub status: HealthStatus,
    /// Always false.
    pub critical: bool,
    /// Whether one is configured.
    pub configured: bool,
    /// The kind of its provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model that is asked by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How long it took to answer, milliseconds.
    pub latency_ms: Option<f64>,
    /// What is wrong or missing, and how to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// This process' memory, bytes.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryCheck {
    /// Result.
    pub status: HealthStatus,
    /// Always false.
    pub critical: bool,
    /// Resident set.
    pub rss_bytes: u64,
    /// Data segment, which is the nearest thing to a heap that the kernel reports.
    pub heap_total_bytes: u64,
    /// Anonymous resident memory.
    pub heap_used_bytes: u64,
    /// File-backed resident memory.
    pub external_bytes: u64,
    /// Always 0: there are no array buffers here.
    pub array_buffers_bytes: u64,
}
