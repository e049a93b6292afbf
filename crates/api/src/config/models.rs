//! Models: training and serving them.

use std::time::Duration;

use super::{Environment, MB};

/// Models.
#[derive(Debug, Clone)]
pub struct ModelingConfig {
    /// `MODELING_WORKERS`: trainings, evaluations and studies that this process runs at once, beside other jobs.
    pub workers: usize,
    /// `MODELING_READY`: trainings that find their sandboxes started; 0: none is started before it is needed.
    pub ready_trainings: usize,
    /// `MODELING_READY_IDLE_MS`: after this long without a training, and without a look at the templates, those end.
    pub ready_idle: Duration,
}

/// Deployed models.
#[derive(Debug, Clone)]
pub struct ServingConfig {
    /// `SERVING_MODELS_MAX_MB`: memory for models that the server runs itself.
    pub models_bytes_max: u64,
    /// `SERVING_WORKERS_MAX`: Python workers at the same time.
    pub workers_max: usize,
    /// `SERVING_WORKER_IDLE_MS`: a worker that nobody asks for this long ends.
    pub worker_idle: Duration,
    /// `SERVING_PROBE_MS`: how often deployments in use are probed.
    pub probe_every: Duration,
    /// `PREDICTION_LOG_DAYS`: how long requests for predictions stay in the log.
    pub log_retention: Duration,
    /// `PREDICTION_STATS_DAYS`: how long their statistics are kept.
    pub hour_retention: Duration,
}

pub(super) fn modeling(env: &mut Environment<'_>) -> ModelingConfig {
    ModelingConfig {
        workers: env.number("MODELING_WORKERS", 1..=256, 2),
        ready_trainings: env.number("MODELING_READY", 0..=64, 1),
        ready_idle: Duration::from_millis(env.number("MODELING_READY_IDLE_MS", 1_000..=43_200_000, 600_000)),
    }
}

pub(super) fn serving(env: &mut Environment<'_>) -> ServingConfig {
    let days = |days: u64| Duration::from_secs(days * 24 * 3600);
    ServingConfig {
        models_bytes_max: env.number("SERVING_MODELS_MAX_MB", 1..=1_000_000, 512) * MB,
        workers_max: env.number("SERVING_WORKERS_MAX", 1..=1000, 8),
        worker_idle: Duration::from_millis(env.number("SERVING_WORKER_IDLE_MS", 1000..=86_400_000, 900_000)),
        probe_every: Duration::from_millis(env.number("SERVING_PROBE_MS", 100..=3_600_000, 5000)),
        log_retention: days(env.number("PREDICTION_LOG_DAYS", 1..=3650, 30)),
        hour_retention: days(env.number("PREDICTION_STATS_DAYS", 7..=3650, 90)),
    }
}
