//! Requests by deployment and hour.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::latency::LatencySketch;

/// Buckets that a counter holds between two drains. Further hours are refused and counted: a counter that is drained
/// every few seconds holds one or two for each deployment in use.
const BUCKETS_MAX: usize = 4096;
const HOUR_SECONDS: i64 = 3600;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer.
    Success,
    /// With anything else, a refusal for its rate included.
    Error,
}

/// What is known of one hour of one deployment. Buckets of the same hour add up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HourBucket {
    /// The deployment.
    pub deployment: Uuid,
    /// The hour's first moment.
    pub hour: DateTime<Utc>,
    /// Requests.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Latencies of those that were timed.
    pub latencies: LatencySketch,
}

/// Counts requests between two writes to the store. What it gives is an increment, never a total: adding it to what is
/// stored is right for any number of processes, and when the clock went back into an hour that was written already.
#[derive(Debug, Default)]
pub struct HourCounter {
    buckets: BTreeMap<(Uuid, DateTime<Utc>), HourBucket>,
    refused: u64,
}

/// One hour on the wire: whole milliseconds, as in the contract, and whole microseconds, because a native prediction
/// takes less than a millisecond.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HourRow {
    /// The deployment.
    pub deployment_id: Uuid,
    /// The hour's first moment.
    pub hour_bucket: DateTime<Utc>,
    /// Requests.
    pub request_count: u64,
    /// Those of them that failed.
    pub error_count: u64,
    /// Half of the requests took at most this, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency_p50: Option<u64>,
    /// 95 percent took at most this, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency_p95: Option<u64>,
    /// 99 percent took at most this, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency_p99: Option<u64>,
    /// Their mean, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency_avg: Option<u64>,
    /// `latencyP50` in microseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency_p50_us: Option<u64>,
    /// `latencyP95` in microseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency_p95_us: Option<u64>,
    /// `latencyP99` in microseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency_p99_us: Option<u64>,
    /// `latencyAvg` in microseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency_avg_us: Option<u64>,
}

/// How far back statistics go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StatisticsRange {
    /// `1h`.
    Hour,
    /// `6h`.
    SixHours,
    /// `24h`, the default.
    #[default]
    Day,
    /// `7d`.
    Week,
}

impl HourBucket {
    /// An empty one for the hour of this moment.
    #[must_use]
    pub fn new(deployment: Uuid, at: DateTime<Utc>) -> Self {
        Self { deployment, hour: hour_of(at), requests: 0, errors: 0, latencies: LatencySketch::new() }
    }

    /// Adds what another bucket counted. Whether both are of the same deployment and hour is for the caller to know.
    pub fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.latencies.merge(&other.latencies);
    }

    fn record(&mut self, outcome: Outcome, latency: Option<Duration>) {
        self.requests = self.requests.saturating_add(1);
        self.errors = self.errors.saturating_add(u64::from(outcome == Outcome::Error));
        if let Some(latency) = latency {
            self.latencies.record(latency);
        }
    }
}

impl HourCounter {
    /// Counts a request in the hour of its own time. `latency` is `None` where the time says nothing, as for a refusal.
    pub fn record(&mut self, deployment: Uuid, at: DateTime<Utc>, outcome: Outcome, latency: Option<Duration>) {
        match self.bucket(deployment, at) {
            Some(bucket) => bucket.record(outcome, latency),
            None => self.refused = self.refused.saturating_add(1),
        }
    }

    /// Takes what was counted, to be added to what is stored.
    #[must_use]
    pub fn drain(&mut self) -> Vec<HourBucket> {
        std::mem::take(&mut self.buckets).into_values().collect()
    }

    /// Puts back what could not be stored, beside what was counted since.
    pub fn put_back(&mut self, buckets: Vec<HourBucket>) {
        for bucket in buckets {
            match self.bucket(bucket.deployment, bucket.hour) {
                Some(mine) => mine.merge(&bucket),
                None => self.refused = self.refused.saturating_add(bucket.requests),
            }
        }
    }

    /// Requests that were not counted because too many hours were open at once.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn bucket(&mut self, deployment: Uuid, at: DateTime<Utc>) -> Option<&mut HourBucket> {
        let key = (deployment, hour_of(at));
        if self.buckets.len() >= BUCKETS_MAX && !self.buckets.contains_key(&key) {
            return None;
        }
        Some(self.buckets.entry(key).or_insert_with(|| HourBucket::new(deployment, at)))
    }
}

/// The rows of a deployment for the wire, ascending; buckets of the same hour are merged first.
#[must_use]
pub fn rows(buckets: impl IntoIterator<Item = HourBucket>) -> Vec<HourRow> {
    let mut hours: BTreeMap<(DateTime<Utc>, Uuid), HourBucket> = BTreeMap::new();
    for bucket in buckets {
        match hours.get_mut(&(bucket.hour, bucket.deployment)) {
            Some(hour) => hour.merge(&bucket),
            None => drop(hours.insert((bucket.hour, bucket.deployment), bucket)),
        }
    }
    hours.into_values().map(HourRow::from).collect()
}

impl From<HourBucket> for HourRow {
    fn from(bucket: HourBucket) -> Self {
        let latencies = &bucket.latencies;
        let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| latencies.quantile(share));
        let mean = latencies.mean();
        Self {
            deployment_id: bucket.deployment,
            hour_bucket: bucket.hour,
            request_count: bucket.requests,
            error_count: bucket.errors,
            latency_p50: p50.map(millis),
            latency_p95: p95.map(millis),
            latency_p99: p99.map(millis),
            latency_avg: mean.map(millis),
            latency_p50_us: p50.map(micros),
            latency_p95_us: p95.map(micros),
            latency_p99_us: p99.map(micros),
            latency_avg_us: mean.map(micros),
        }
    }
}

/// The first moment of the hour that a moment is in.
#[must_use]
pub fn hour_of(at: DateTime<Utc>) -> DateTime<Utc> {
    let seconds = at.timestamp().div_euclid(HOUR_SECONDS) * HOUR_SECONDS;
    DateTime::from_timestamp(seconds, 0).unwrap_or(at)
}

impl StatisticsRange {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::SixHours => "6h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    /// The first hour that belongs to it: the one that the range begins in.
    #[must_use]
    pub fn first_hour(self, now: DateTime<Utc>) -> DateTime<Utc> {
        let hours = match self {
            Self::Hour => 1,
            Self::SixHours => 6,
            Self::Day => 24,
            Self::Week => 7 * 24,
        };
        hour_of(now - TimeDelta::hours(hours))
    }
}

impl FromStr for StatisticsRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Hour, Self::SixHours, Self::Day, Self::Week];
        all.into_iter().find(|range| range.as_str() == text).ok_or("range must be 1h, 6h, 24h or 7d")
    }
}

/// Whole milliseconds, rounded.
fn millis(latency: Duration) -> u64 {
    micros(latency).saturating_add(500) / 1000
}

fn micros(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPLOYMENT: Uuid = Uuid::from_u128(7);

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_clock_that_goes_back_finds_its_hour_again() {
        let mut counter = HourCounter::default();
        let mut stored: Vec<HourBucket> = Vec::new();
        let one_second = Some(Duration::from_secs(1));
        counter.record(DEPLOYMENT, at("2026-11-26T12:59:59.9Z"), Outcome::Success, one_second);
        counter.record(DEPLOYMENT, at("2026-11-26T13:00:00Z"), Outcome::Success, one_second);
        stored.extend(counter.drain());
        // The clock is set back by a minute, after both hours were written.
        counter.record(DEPLOYMENT, at("2026-11-26T12:59:10Z"), Outcome::Error, None);
        counter.record(DEPLOYMENT, at("2026-11-26T13:00:01Z"), Outcome::Success, one_second);
        stored.extend(counter.drain());
        assert!(counter.drain().is_empty(), "nothing is given twice");
        let rows = rows(stored);
        let counts: Vec<_> = rows.iter().map(|row| (row.hour_bucket.to_rfc3339(), row.request_count, row.error_count)).collect();
        assert_eq!(counts, [("2026-11-26T12:00:00+00:00".to_owned(), 2, 1), ("2026-11-26T13:00:00+00:00".to_owned(), 2, 0)]);
    }

    #[test]
    fn what_could_not_be_stored_is_counted_once() {
        let mut counter = HourCounter::default();
        let moment = at("2026-11-26T12:10:00Z");
        counter.record(DEPLOYMENT, moment, Outcome::Success, Some(Duration::from_millis(3)));
        let failed = counter.drain();
        counter.record(DEPLOYMENT, moment, Outcome::Success, Some(Duration::from_millis(3)));
        counter.put_back(failed);
        let buckets = counter.drain();
        assert_eq!((buckets.len(), buckets[0].requests, buckets[0].latencies.count()), (1, 2, 2));
    }

    #[test]
    fn more_hours_than_are_held_are_refused_and_counted() {
        let mut counter = HourCounter::default();
        let start = at("2026-01-01T00:00:00Z");
        let hours = i64::try_from(BUCKETS_MAX).unwrap() + 3;
        for hour in 0..hours {
            counter.record(DEPLOYMENT, start + TimeDelta::hours(hour), Outcome::Success, None);
        }
        counter.record(DEPLOYMENT, start, Outcome::Success, None);
        assert_eq!(counter.refused(), 3);
        assert_eq!(counter.drain().iter().map(|bucket| bucket.requests).sum::<u64>(), u64::try_from(hours - 3).unwrap() + 1);
    }

    #[test]
    fn rows_have_whole_milliseconds() {
        let mut bucket = HourBucket::new(DEPLOYMENT, at("2026-11-26T12:10:00Z"));
        bucket.record(Outcome::Success, Some(Duration::from_micros(400)));
        bucket.record(Outcome::Success, Some(Duration::from_micros(2500)));
        bucket.record(Outcome::Error, None);
        let row = serde_json::to_value(HourRow::from(bucket)).unwrap();
        assert_eq!((&row["requestCount"], &row["errorCount"]), (&3.into(), &1.into()));
        assert_eq!((&row["latencyP50"], &row["latencyP99"], &row["latencyAvg"]), (&0.into(), &3.into(), &1.into()));
        let micros = row["latencyP50Us"].as_u64().unwrap();
        assert!((400..=404).contains(&micros), "{micros}");
        assert_eq!(row["hourBucket"], "2026-11-26T12:00:00Z");
        let none = serde_json::to_value(HourRow::from(HourBucket::new(DEPLOYMENT, DateTime::UNIX_EPOCH))).unwrap();
        assert!(none.get("latencyP50").is_none());
    }

    #[test]
    fn ranges_begin_with_a_whole_hour() {
        let now = at("2026-11-26T13:11:00Z");
        let begins = ["1h", "6h", "24h", "7d"].map(|text| text.parse::<StatisticsRange>().unwrap().first_hour(now));
        assert_eq!(
            begins,
            ["2026-11-26T12", "2026-11-26T07", "2026-11-25T13", "2026-11-19T13"].map(|hour| at(&format!("{hour}:00:00Z")))
        );
        assert!("2h".parse::<StatisticsRange>().unwrap_err().contains("24h"));
        assert_eq!(StatisticsRange::default().as_str(), "24h");
    }

    #[test]
    fn hours_before_1970_are_hours_too() {
        assert_eq!(hour_of(at("1969-12-31T23:30:00Z")), at("1969-12-31T23:00:00Z"));
    }
}
