//! Running the server: jobs, logs and traces.

use std::time::Duration;

use url::Url;

use super::{Environment, Variable};

/// Jobs.
#[derive(Debug, Clone)]
pub struct JobsConfig {
    /// `JOB_WORKERS`: jobs that this process runs at once.
    pub workers: usize,
    /// `JOB_LEASE_MS`: after this long without a heartbeat a worker counts as dead.
    pub lease: Duration,
    /// `JOB_RETENTION_DAYS`: how long ended jobs and their logs are kept.
    pub retention: Duration,
    /// `GRISTMILL_PROBE_JOBS`: takes part in tests of the queue.
    pub probes: bool,
}

/// Logging.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// `LOG_LEVEL`: a `tracing` filter such as `info` or `gristmill_api=debug,info`.
    pub filter: String,
    /// `LOG_FORMAT`: `text` or `json`.
    pub format: LogFormat,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Traces, for a program that was built with the feature `otel`.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: the collector, without `/v1/traces`.
    pub endpoint: Url,
    /// `OTEL_SERVICE_NAME`.
    pub service_name: String,
}

impl TelemetryConfig {
    /// Where traces are sent to.
    #[must_use]
    pub fn traces_url(&self) -> String {
        format!("{}/v1/traces", self.endpoint.as_str().trim_end_matches('/'))
    }
}

pub(super) fn jobs(env: &mut Environment<'_>, cores: usize) -> JobsConfig {
    JobsConfig {
        workers: env.number("JOB_WORKERS", 1..=256, cores * 2),
        lease: Duration::from_millis(env.number("JOB_LEASE_MS", 300..=3_600_000, 30_000)),
        retention: Duration::from_secs(env.number("JOB_RETENTION_DAYS", 1..=3650, 30) * 86_400),
        probes: env.flag("GRISTMILL_PROBE_JOBS"),
    }
}

pub(super) fn log(env: &mut Environment<'_>) -> LogConfig {
    let format = match env.text("LOG_FORMAT").as_deref() {
        None | Some("text") => LogFormat::Text,
        Some("json") => LogFormat::Json,
        Some(_) => {
            env.problem("LOG_FORMAT", "must be `text` or `json`");
            LogFormat::Text
        }
    };
    LogConfig { filter: env.text("LOG_LEVEL").unwrap_or_else(|| "info".into()), format }
}

pub(super) fn telemetry(env: &mut Environment<'_>) -> Option<TelemetryConfig> {
    const ENDPOINT: Variable = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let service_name = env.text("OTEL_SERVICE_NAME").unwrap_or_else(|| "gristmill".to_owned());
    env.text(ENDPOINT)?;
    let endpoint = env.url(ENDPOINT, "http://localhost:4318");
    if endpoint.scheme() != "http" {
        env.problem(ENDPOINT, "must begin with http://; a collector beside the server passes traces on over TLS");
    }
    Some(TelemetryConfig { endpoint, service_name })
}
