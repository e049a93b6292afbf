//! `GET /metrics` for Prometheus. Every crate counts through the `metrics` facade; only here is what they counted written out.
//!
//! What has a value of its own, such as the length of a queue, is looked up when somebody asks. Labels have few values:
//! routes by their pattern, never users, projects or deployments.

use std::{sync::OnceLock, time::Duration};

use actix_web::{HttpRequest, HttpResponse, ResponseError, get, http::header, web};
use gristmill_domain::{
    ErrorCode,
    jobs::{JobKind, JobState},
};
use gristmill_persistence::repo::jobs::Jobs;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::{
    error::{ApiError, ApiResult},
    health::memory,
    state::AppState,
};

/// How often what was observed is put into its buckets; until then it takes memory.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// How long the database may take to tell how many jobs wait.
const QUEUE_PATIENCE: Duration = Duration::from_secs(2);

/// Seconds: of requests, predictions and starts of sandboxes.
const SHORT: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Seconds: of jobs, some of which take an hour.
const LONG: &[f64] = &[0.05, 0.25, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0];

/// One recorder a process, however many servers run in it; none when an embedding program has installed its own.
static EXPORTER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Starts to record, once a process.
pub fn record() -> Option<&'static PrometheusHandle> {
    let exporter = EXPORTER.get_or_init(|| match install() {
        Ok(handle) => {
            describe();
            Some(handle)
        }
        Err(error) => {
            tracing::warn!(%error, "GET /metrics is not available: metrics go elsewhere in this process");
            None
        }
    });
    exporter.as_ref()
}

fn install() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets(SHORT)?
        .set_buckets_for_metric(Matcher::Full("gristmill_job_run_duration_seconds".to_owned()), LONG)?
        .install_recorder()
}

/// Puts what was observed into its buckets from time to time. Run it in a task that is dropped at shutdown.
pub async fn keep_up() {
    let Some(exporter) = record() else { return };
    let mut ticks = tokio::time::interval(UPKEEP_EVERY);
    loop {
        ticks.tick().await;
        exporter.run_upkeep();
    }
}

fn describe() {
    use metrics::{describe_counter as counter, describe_gauge as gauge, describe_histogram as histogram};
    counter!("gristmill_http_requests_total", "Requests by route pattern, method and status");
    histogram!("gristmill_http_request_duration_seconds", "Time to the head of the response");
    counter!("gristmill_job_runs_total", "Ended runs of jobs by kind and outcome");
    histogram!("gristmill_job_run_duration_seconds", "Time from claim to recorded end");
    gauge!("gristmill_jobs_open", "Jobs of all servers on this database that wait or run, by kind and state");
    counter!("gristmill_sandbox_starts_total", "Sandboxes by backend, and whether they started");
    histogram!("gristmill_sandbox_start_duration_seconds", "Time until a sandbox runs");
    gauge!("gristmill_sandboxes_alive", "Sandboxes that run now");
    counter!("gristmill_kernel_starts_total", "Kernels, and whether they started");
    histogram!("gristmill_kernel_start_duration_seconds", "Time until a kernel answers");
    gauge!("gristmill_kernels_active", "Kernels that belong to a notebook or session");
    gauge!("gristmill_kernels_ready", "Kernels that are kept ready");
    counter!("gristmill_prediction_requests_total", "Requests for predictions by runtime and outcome");
    counter!("gristmill_predicted_rows_total", "Rows that were answered");
    histogram!("gristmill_prediction_duration_seconds", "Time of a request for predictions");
    counter!("gristmill_prediction_log_recorded_total", "Requests for predictions that were taken into log and statistics");
    counter!("gristmill_prediction_log_dropped_total", "Log entries that were dropped because too many waited");
    gauge!("gristmill_prediction_log_waiting", "Log entries that wait to be written");
    gauge!("gristmill_serving_models_bytes", "Memory of models that this process runs");
    gauge!("gristmill_serving_models", "Models that this process has loaded");
    gauge!("gristmill_database_connections", "Connections of the pool by state");
    gauge!("gristmill_database_connections_max", "Most connections of the pool");
    counter!("gristmill_database_waits_total", "How often somebody had to wait for a connection");
    counter!("gristmill_database_timeouts_total", "How often somebody waited too long for a connection");
    gauge!("gristmill_database_up", "Whether the database answers");
    gauge!("gristmill_resident_memory_bytes", "Memory of this process");
    gauge!("gristmill_uptime_seconds", "Since the server started");
}

/// What was counted, in Prometheus' text format. Not in the OpenAPI document: it is for operators.
///
/// With `METRICS_TOKEN` set, for whoever sends it as a bearer token; without, for programs on this machine that do not come
/// through a proxy. Others do not learn that it is there.
#[get("/metrics")]
pub(crate) async fn show_metrics(request: HttpRequest, state: web::Data<AppState>) -> HttpResponse {
    match text(&request, &state).await {
        Ok(text) => HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text),
        Err(error) => error.error_response(),
    }
}

async fn text(request: &HttpRequest, state: &AppState) -> ApiResult<String> {
    admit(request, state)?;
    let exporter = record().ok_or_else(|| {
        ApiError::new(ErrorCode::NotFound, "Metrics of this process are recorded by the program that embeds it")
    })?;
    sample(state).await;
    Ok(exporter.render())
}

fn admit(request: &HttpRequest, state: &AppState) -> ApiResult<()> {
    let Some(token) = &state.config.http.metrics_token else {
        let is_local = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
        let is_forwarded = ["forwarded", "x-forwarded-for", "x-real-ip"].iter().any(|name| request.headers().contains_key(*name));
        return if is_local && !is_forwarded { Ok(()) } else { Err(ApiError::new(ErrorCode::NotFound, "Not Found")) };
    };
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
    let sent = sent.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, sent)| sent.trim()).unwrap_or_default();
    // Hashes are compared: how long that takes tells nothing of the token.
    if Sha256::digest(sent) == Sha256::digest(token.expose_secret()) {
        Ok(())
    } else {
        Err(ApiError::new(ErrorCode::Unauthenticated, "Send METRICS_TOKEN as bearer token"))
    }
}

/// Looks up what has a value of its own.
async fn sample(state: &AppState) {
    use metrics::{counter, gauge};
    let pool = state.database.counters();
    gauge!("gristmill_database_connections", "state" => "idle").set(f64::from(pool.idle));
    gauge!("gristmill_database_connections", "state" => "used").set(f64::from(pool.open.saturating_sub(pool.idle)));
    gauge!("gristmill_database_connections_max").set(f64::from(state.config.database.connections_max));
    counter!("gristmill_database_waits_total").absolute(pool.waited);
    counter!("gristmill_database_timeouts_total").absolute(pool.timed_out);
    gauge!("gristmill_database_up").set(if state.health.works() { 1.0 } else { 0.0 });
    let log = state.serving.recorder_counters();
    counter!("gristmill_prediction_log_recorded_total").absolute(log.recorded);
    counter!("gristmill_prediction_log_dropped_total").absolute(log.dropped);
    gauge!("gristmill_prediction_log_waiting").set(count(log.waiting));
    let models = state.serving.cache_counters();
    gauge!("gristmill_serving_models").set(count(models.models));
    gauge!("gristmill_serving_models_bytes").set(whole(models.bytes));
    let runtime = state.runtime.status();
    gauge!("gristmill_kernels_active").set(count(runtime.active));
    gauge!("gristmill_kernels_ready").set(count(runtime.pooled));
    gauge!("gristmill_uptime_seconds").set(state.health.uptime().as_secs_f64());
    gauge!("gristmill_resident_memory_bytes").set(whole(memory().rss_bytes));
    sample_queue(state).await;
}

/// How many jobs wait and run. Kinds of which there are none are zero: a series that ends looks like one that stopped.
async fn sample_queue(state: &AppState) {
    let jobs = Jobs::new(state.database.clone());
    let open = match tokio::time::timeout(QUEUE_PATIENCE, jobs.count_open()).await {
        Ok(Ok(open)) => open,
        Ok(Err(error)) => {
            tracing::debug!(error.cause = crate::error::chain(&error), "open jobs were not counted");
            return;
        }
        Err(_) => return,
    };
    for kind in JobKind::ALL {
        for state in [JobState::Queued, JobState::Running] {
            let found = open.iter().find(|(other, standing, _)| (*other, *standing) == (kind, state));
            let number = found.map_or(0, |(_, _, number)| *number);
            metrics::gauge!("gristmill_jobs_open", "kind" => kind.as_str(), "state" => state.as_str()).set(whole(number));
        }
    }
}

fn count(number: usize) -> f64 {
    whole(u64::try_from(number).unwrap_or(u64::MAX))
}

#[expect(clippy::as_conversions, reason = "counts and bytes are far below 2^53, from where on they would be rounded")]
fn whole(number: u64) -> f64 {
    number as f64
}
