//! What is kept of requests: a log entry, counts and latencies by hour, sketches for drift.
//!
//! Off the path of the request: entries wait in memory and are written once a second, or when many wait. The memory for
//! them is bounded; when it is full, the entry of a request is dropped and counted, its statistics are not.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use gristmill_domain::{
    DeploymentId, PredictionId,
    deployments::{DeploymentStore, HourRow, LoggedPrediction, Outcome},
};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Answer, Entry};
use crate::{
    drift::{Prediction, Reference, Window},
    statistics::{self, HourCounter, hour_of},
};

/// Entries that may wait.
const WAITING_MAX: usize = 20_000;
/// Bytes of entries that may wait.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// Entries that are written before their second is over.
const FILLING_AT: usize = 1000;
/// Entries of one statement.
const BATCH: usize = 500;
/// What is sent or answered is logged up to this size, bytes; of more, only the size.
const LOGGED_BYTES_MAX: usize = 256 << 10;
/// About the text of a size.
const LOGGED_SIZE_BYTES: usize = 20;
/// Rows of one request that are logged each; of more, only how many there were.
const ROWS_LOGGED_MAX: usize = 100;
/// An hour that is over for so long is not kept in memory.
const HOUR_KEPT: TimeDelta = TimeDelta::minutes(90);

/// A request that was answered or refused.
#[derive(Debug)]
pub struct Recorded<'a> {
    /// What the answer calls each row; one for a refusal.
    pub ids: &'a [PredictionId],
    /// When it came.
    pub at: DateTime<Utc>,
    /// How long the answer took.
    pub latency: Duration,
    /// The rows that were sent, as far as they could be read.
    pub rows: &'a [Map<String, Value>],
    /// The rows as the model saw them, where columns of them were computed: for drift. The log has what was sent.
    pub seen: Option<&'a [Map<String, Value>]>,
    /// The answers; none for a refusal.
    pub answers: &'a [Answer],
    /// Why it was refused.
    pub error: Option<String>,
    /// Status code, who asked.
    pub metadata: Map<String, Value>,
}

/// What happened to the log, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecorderCounters {
    /// Requests that were recorded.
    pub recorded: u64,
    /// Log entries that were dropped because too many waited.
    pub dropped: u64,
    /// Log entries that wait.
    pub waiting: usize,
}

#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// Held while something is written.
    writing: tokio::sync::Mutex<()>,
    /// Counts what could not be written.
    failed: AtomicU64,
    waiting: Mutex<Waiting>,
    hours: Mutex<Hours>,
    filling: Notify,
    recorded: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: Vec<(LoggedPrediction, usize)>,
    bytes: usize,
}

/// Hours that this process adds to.
#[derive(Debug, Default)]
struct Hours {
    open: HashMap<(DeploymentId, DateTime<Utc>), Seen>,
}

/// An hour of a deployment, all that was seen since it was opened.
#[derive(Debug)]
struct Seen {
    /// Names its row: an hour that is opened again, because a clock went back, gets another row.
    writer: Uuid,
    counted: Option<statistics::HourBucket>,
    counter: HourCounter,
    window: Option<Window>,
    is_new: bool,
}

impl Recorder {
    pub(super) fn record(&self, entry: &Entry, recorded: &Recorded<'_>) {
        self.recorded.fetch_add(1, Ordering::Relaxed);
        measure(entry, recorded);
        self.count(entry, recorded);
        let dropped = self.log(entry, recorded);
        if dropped > 0 {
            self.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
    }

    pub(super) fn counters(&self) -> RecorderCounters {
        RecorderCounters {
            recorded: self.recorded.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            waiting: self.waiting().entries.len(),
        }
    }

    /// Waits until it is time to write before the second is over.
    pub(super) async fn is_filling(&self) {
        self.filling.notified().await;
    }

    /// Writes what waits. What cannot be written waits on.
    ///
    /// One writes after the other: when this returns, all that waited before is written, whoever did it, unless the database did
    /// not take it; and no hour is written over by how it was earlier.
    pub(super) async fn flush(&self, store: &dyn DeploymentStore, now: DateTime<Utc>) {
        let failed = self.failed.load(Ordering::Relaxed);
        let _turn = self.writing.lock().await;
        if self.failed.load(Ordering::Relaxed) != failed {
            // The database did not answer another meanwhile. Asked anew by each that waits, it would keep the last for all of them.
            return;
        }
        loop {
            let (batch, bytes) = self.first_waiting();
            if batch.is_empty() {
                break;
            }
            if let Err(error) = store.log(&batch).await {
                tracing::warn!(error = %error, "predictions were not logged; trying again");
                self.failed.fetch_add(1, Ordering::Relaxed);
                break;
            }
            // Others only add behind these.
            let mut waiting = self.waiting();
            waiting.entries.drain(..batch.len());
            waiting.bytes = waiting.bytes.saturating_sub(bytes);
        }
        self.write_hours(store, now).await;
    }

    /// The entries that are written next, with what they take.
    fn first_waiting(&self) -> (Vec<LoggedPrediction>, usize) {
        let waiting = self.waiting();
        let first = || waiting.entries.iter().take(BATCH);
        (first().map(|(entry, _)| entry.clone()).collect(), first().map(|(_, bytes)| bytes).sum())
    }

    async fn write_hours(&self, store: &dyn DeploymentStore, now: DateTime<Utc>) {
        let (rows, keys) = {
            let mut hours = self.hours();
            let mut rows = Vec::new();
            let mut keys = Vec::new();
            for (key, seen) in hours.open.iter_mut().filter(|(_, seen)| seen.is_new) {
                rows.extend(seen.row(key.0, key.1));
                keys.push(*key);
            }
            (rows, keys)
        };
        if !rows.is_empty()
            && let Err(error) = store.write_hours(&rows, now).await
        {
            tracing::warn!(error = %error, "statistics of deployments were not stored; trying again");
            self.failed.fetch_add(1, Ordering::Relaxed);
            let mut hours = self.hours();
            for key in keys {
                if let Some(seen) = hours.open.get_mut(&key) {
                    seen.is_new = true;
                }
            }
            return;
        }
        self.hours().open.retain(|(_, hour), seen| seen.is_new || *hour + HOUR_KEPT > now);
    }

    fn count(&self, entry: &Entry, recorded: &Recorded<'_>) {
        let id = entry.served.deployment.id;
        let reference = entry.known_reference();
        let mut hours = self.hours();
        let seen = hours.open.entry((id, hour_of(recorded.at))).or_insert_with(|| Seen {
            writer: Uuid::new_v4(),
            counted: None,
            counter: HourCounter::default(),
            window: None,
            is_new: true,
        });
        seen.is_new = true;
        let outcome = if recorded.error.is_none() { statistics::Outcome::Success } else { statistics::Outcome::Error };
        seen.counter.record(id.0, recorded.at, outcome, Some(recorded.latency));
        let Some(reference) = reference else { return };
        let window = seen.window.get_or_insert_with(|| Window::new(&reference, rand::random()));
        for (place, row) in seen_rows(entry, recorded).iter().enumerate() {
            observe(window, &reference, row, recorded.answers.get(place));
        }
    }

    /// Returns how many entries had to be dropped.
    fn log(&self, entry: &Entry, recorded: &Recorded<'_>) -> u64 {
        let logged = entries_of(entry, recorded);
        let mut waiting = self.waiting();
        let mut dropped = 0;
        for (logged, bytes) in logged {
            if waiting.entries.len() >= WAITING_MAX || waiting.bytes + bytes > WAITING_BYTES_MAX {
                dropped += 1;
                continue;
            }
            waiting.bytes += bytes;
            waiting.entries.push((logged, bytes));
        }
        if waiting.entries.len() >= FILLING_AT {
            self.filling.notify_one();
        }
        dropped
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hours(&self) -> std::sync::MutexGuard<'_, Hours> {
        self.hours.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// The whole hour so far; `None` when it cannot be written as JSON.
    fn row(&mut self, deployment: DeploymentId, hour: DateTime<Utc>) -> Option<HourRow> {
        self.is_new = false;
        for bucket in self.counter.drain() {
            match &mut self.counted {
                Some(counted) => counted.merge(&bucket),
                None => self.counted = Some(bucket),
            }
        }
        let statistics = serde_json::to_value(self.counted.as_ref()?).ok()?;
        let window = self.window.as_ref().and_then(|window| serde_json::to_value(window).ok());
        let sketches: BTreeMap<_, _> = window.into_iter().map(|window| (WINDOW.to_owned(), window)).collect();
        Some(HourRow { deployment_id: deployment, hour, writer: self.writer, statistics, sketches })
    }
}

/// The rows as far as drift can be told from them: those of a refusal may lack columns that would have been computed.
fn seen_rows<'a>(entry: &Entry, recorded: &Recorded<'a>) -> &'a [Map<String, Value>] {
    match recorded.seen {
        Some(seen) => seen,
        None if recorded.error.is_some() && entry.has_features() => &[],
        None => recorded.rows,
    }
}

/// Counts a request. Not by deployment: their number has no bound.
fn measure(entry: &Entry, recorded: &Recorded<'_>) {
    let runtime = entry.served.deployment.runtime.as_str();
    let outcome = if recorded.error.is_none() { "success" } else { "error" };
    metrics::counter!("gristmill_prediction_requests_total", "runtime" => runtime, "outcome" => outcome).increment(1);
    metrics::histogram!("gristmill_prediction_duration_seconds", "runtime" => runtime, "outcome" => outcome)
        .record(recorded.latency);
    let rows = u64::try_from(recorded.answers.len()).unwrap_or(u64::MAX);
    metrics::counter!("gristmill_predicted_rows_total", "runtime" => runtime).increment(rows);
}

/// The name of the drift window among the sketches of an hour.
pub const WINDOW: &str = "window";

fn observe(window: &mut Window, reference: &Reference, row: &Map<String, Value>, answer: Option<&Answer>) {
    let text = answer.and_then(|answer| answer.prediction.as_str());
    let prediction = match (text, answer) {
        (Some(label), Some(answer)) => {
            let confidence = answer.probabilities.as_ref().and_then(|chances| chances.get(label)?.as_f64());
            Some(Prediction::Label { label, confidence })
        }
        (None, Some(answer)) => answer.prediction.as_f64().map(Prediction::Number),
        (_, None) => None,
    };
    // The window of an hour is of the model of its deployment, which never changes.
    drop(window.observe(reference, row, prediction));
}

fn entries_of(entry: &Entry, recorded: &Recorded<'_>) -> Vec<(LoggedPrediction, usize)> {
    let latency_us = u64::try_from(recorded.latency.as_micros()).unwrap_or(u64::MAX);
    let outcome = if recorded.error.is_none() { Outcome::Success } else { Outcome::Error };
    let logged = |id: PredictionId, input: Value, prediction: Value, metadata: Map<String, Value>| {
        let ((input_features, input_bytes), (prediction, answer_bytes)) = (bounded(input), bounded(prediction));
        let logged = LoggedPrediction {
            deployment_id: entry.served.deployment.id,
            prediction_id: id,
            at: recorded.at,
            latency_us,
            input_features,
            prediction,
            outcome,
            error: recorded.error.clone(),
            metadata,
        };
        // Maps take more than their text.
        (logged, 3 * (input_bytes + answer_bytes) + 512)
    };
    let each = recorded.answers.len() <= ROWS_LOGGED_MAX && recorded.answers.len() == recorded.ids.len();
    if each && !recorded.answers.is_empty() {
        let rows = recorded.rows.iter().zip(recorded.answers).zip(recorded.ids);
        return rows
            .map(|((row, answer), id)| logged(*id, Value::Object(row.clone()), answer.to_json(), recorded.metadata.clone()))
            .collect();
    }
    let Some(id) = recorded.ids.first() else { return Vec::new() };
    let mut metadata = recorded.metadata.clone();
    let input = match recorded.rows {
        [row] => Value::Object(row.clone()),
        rows => {
            metadata.insert("rows".to_owned(), rows.len().into());
            json!({})
        }
    };
    vec![logged(*id, input, json!({}), metadata)]
}

/// The value, or only its size where it is large; with the bytes of its text.
fn bounded(value: Value) -> (Value, usize) {
    let bytes = value.to_string().len();
    if bytes <= LOGGED_BYTES_MAX { (value, bytes) } else { (json!({ "bytes": bytes }), LOGGED_SIZE_BYTES) }
}

impl Answer {
    /// As it is answered and logged, in both spellings of the contract.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("prediction".to_owned(), self.prediction.clone());
        let is_label = self.prediction.is_string();
        let shap = self.contributions.as_ref().map(|values| {
            let values = values.iter().map(|(feature, value)| json!({ "feature": feature, "value": value }));
            Value::Array(values.collect())
        });
        let shap = shap.unwrap_or(Value::Null);
        if is_label {
            object.insert("probabilities".to_owned(), self.probabilities.clone().map_or(Value::Null, Value::Object));
        } else {
            let interval = self.interval.map(|(lower, upper)| json!({ "lower": lower, "upper": upper }));
            let interval = interval.unwrap_or(Value::Null);
            object.insert("prediction_interval".to_owned(), interval.clone());
            object.insert("predictionInterval".to_owned(), interval);
        }
        object.insert("shap_values".to_owned(), shap.clone());
        object.insert("shapValues".to_owned(), shap);
        Value::Object(object)
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use gristmill_domain::{
        ApiKeyId,
        deployments::{Deployment, Event, RateGrant, Served},
        jobs::{JobOutcome, Lease},
        ports::StoreError,
    };

    use super::*;

    /// A database that does not answer.
    #[derive(Debug, Default)]
    struct Silent {
        asked: AtomicU64,
    }

    fn silence() -> StoreError {
        StoreError::Unavailable("nobody answers".into())
    }

    #[async_trait]
    impl DeploymentStore for Silent {
        async fn served(&self, _: DeploymentId) -> Result<Served, StoreError> {
            Err(silence())
        }

        async fn happen(&self, _: DeploymentId, _: Event, _: Option<String>, _: DateTime<Utc>) -> Result<Deployment, StoreError> {
            Err(silence())
        }

        async fn conclude_start(
            &self,
            _: Lease,
            _: DeploymentId,
            _: Event,
            _: Option<String>,
            _: JobOutcome,
            _: DateTime<Utc>,
        ) -> Result<(), StoreError> {
            Err(silence())
        }

        async fn end_forgotten(&self, _: DateTime<Utc>, _: DateTime<Utc>) -> Result<usize, StoreError> {
            Err(silence())
        }

        async fn touch_keys(&self, _: &[(ApiKeyId, DateTime<Utc>)]) -> Result<(), StoreError> {
            Err(silence())
        }

        async fn log(&self, _: &[LoggedPrediction]) -> Result<usize, StoreError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            // Until the others wait.
            tokio::task::yield_now().await;
            Err(silence())
        }

        async fn write_hours(&self, _: &[HourRow], _: DateTime<Utc>) -> Result<(), StoreError> {
            Err(silence())
        }

        async fn reserve(&self, _: DeploymentId, _: u32, _: u32) -> Result<RateGrant, StoreError> {
            Err(silence())
        }

        async fn prune(&self, _: DateTime<Utc>, _: DateTime<Utc>) -> Result<usize, StoreError> {
            Err(silence())
        }
    }

    #[tokio::test]
    async fn a_database_that_does_not_answer_is_asked_once_for_all_who_wait() {
        let (recorder, store) = (Recorder::default(), Silent::default());
        let logged = LoggedPrediction {
            deployment_id: DeploymentId::random(),
            prediction_id: PredictionId::random(),
            at: DateTime::UNIX_EPOCH,
            latency_us: 1,
            input_features: json!({}),
            prediction: json!({}),
            outcome: Outcome::Success,
            error: None,
            metadata: Map::new(),
        };
        recorder.waiting().entries.push((logged, 1));
        let flush = || recorder.flush(&store, DateTime::UNIX_EPOCH);
        tokio::join!(flush(), flush(), flush());
        assert_eq!((store.asked.load(Ordering::Relaxed), recorder.counters().waiting), (1, 1));
        flush().await;
        assert_eq!(store.asked.load(Ordering::Relaxed), 2, "who comes later asks anew");
    }
}
