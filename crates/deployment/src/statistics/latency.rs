//! A sketch of latencies from which percentiles come, and which can be merged.
//!
//! `hdrhistogram` with two digits: each latency is known within one percent, whatever the merging. It is maintained, has
//! two small dependencies without its default features, and tells its buckets, so that the stored form is ours (a list of
//! values and counts) and outlives a change of the crate. `sketches-ddsketch`, which the metrics bring along, keeps its
//! buckets to itself: its stored form would be its private fields.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longest latency that is told apart; a longer one counts as this.
const LONGEST: Duration = Duration::from_hours(1);
const DIGITS: u8 = 2;
const VERSION: u32 = 1;
/// More buckets than there are between a microsecond and an hour.
const BUCKETS_MAX: usize = 8192;

/// Why a stored sketch cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LatencyError {
    /// It was written by another version.
    #[error("the stored latencies have version {0}, and version {VERSION} is read")]
    Version(u32),
    /// It holds what is never written.
    #[error("the stored latencies are not what was written")]
    Altered,
}

/// Latencies of some requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct LatencySketch {
    micros: Histogram<u64>,
    /// For the mean, which needs no buckets.
    sum_micros: u64,
}

/// As it is stored: `[microseconds, count]` for each bucket that holds something.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    #[serde(rename = "sumMicros")]
    sum_micros: u64,
    micros: Vec<(u64, u64)>,
}

impl Default for LatencySketch {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for LatencySketch {
    fn eq(&self, other: &Self) -> bool {
        self.sum_micros == other.sum_micros && self.micros == other.micros
    }
}

impl LatencySketch {
    /// An empty one.
    #[must_use]
    #[expect(clippy::expect_used, reason = "an hour and two digits are bounds that the histogram takes")]
    pub fn new() -> Self {
        let micros = Histogram::new_with_bounds(1, micros_of(LONGEST), DIGITS).expect("bounds that make sense");
        Self { micros, sum_micros: 0 }
    }

    /// Adds one latency.
    pub fn record(&mut self, latency: Duration) {
        let micros = micros_of(latency.min(LONGEST));
        self.micros.saturating_record(micros);
        self.sum_micros = self.sum_micros.saturating_add(micros);
    }

    /// Adds those of another sketch.
    pub fn merge(&mut self, other: &Self) {
        for bucket in other.micros.iter_recorded() {
            self.micros.saturating_record_n(bucket.value_iterated_to(), bucket.count_at_value());
        }
        self.sum_micros = self.sum_micros.saturating_add(other.sum_micros);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.micros.len()
    }

    /// The latency that a share of all (0 to 1) does not exceed, within one percent; `None` without any.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        (!self.micros.is_empty()).then(|| Duration::from_micros(self.micros.value_at_quantile(share.clamp(0.0, 1.0))))
    }

    /// Their mean; `None` without any.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        self.sum_micros.checked_div(self.micros.len()).map(Duration::from_micros)
    }
}

impl From<LatencySketch> for Stored {
    fn from(sketch: LatencySketch) -> Self {
        let buckets = sketch.micros.iter_recorded().map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value()));
        Self { version: VERSION, sum_micros: sketch.sum_micros, micros: buckets.collect() }
    }
}

impl TryFrom<Stored> for LatencySketch {
    type Error = LatencyError;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        if stored.version != VERSION {
            return Err(LatencyError::Version(stored.version));
        }
        // The last bucket reaches a little beyond the longest latency.
        let most = micros_of(LONGEST) * 2;
        if stored.micros.len() > BUCKETS_MAX || stored.micros.iter().any(|(value, count)| *value > most || *count == 0) {
            return Err(LatencyError::Altered);
        }
        let mut sketch = Self::new();
        for (value, count) in stored.micros {
            sketch.micros.saturating_record_n(value, count);
        }
        sketch.sum_micros = stored.sum_micros;
        Ok(sketch)
    }
}

fn micros_of(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(micros: impl IntoIterator<Item = u64>) -> LatencySketch {
        let mut sketch = LatencySketch::new();
        micros.into_iter().for_each(|micros| sketch.record(Duration::from_micros(micros)));
        sketch
    }

    #[test]
    fn percentiles_are_within_one_percent() {
        let latencies = sketch((1..=100_000).map(|value| value * 7));
        for (share, exact) in [(0.5, 350_000.0), (0.95, 665_000.0), (0.99, 693_000.0)] {
            let found = latencies.quantile(share).unwrap().as_secs_f64() * 1e6;
            assert!((found / exact - 1.0).abs() <= 0.01, "p{share}: {found} instead of {exact}");
        }
        assert_eq!(latencies.mean(), Some(Duration::from_micros(350_003)));
    }

    #[test]
    fn percentiles_of_the_merged_are_not_means_of_percentiles() {
        let mut merged = sketch(std::iter::repeat_n(1000, 990));
        merged.merge(&sketch(std::iter::repeat_n(1_000_000, 10)));
        assert_eq!(merged.count(), 1000);
        assert!(merged.quantile(0.5).unwrap() < Duration::from_millis(2));
        assert!(merged.quantile(0.995).unwrap() > Duration::from_millis(900));
    }

    #[test]
    fn it_comes_back_as_it_was_stored() {
        let latencies = sketch([0, 1, 17, 900, 1_000_000, u64::MAX / 2]);
        let text = serde_json::to_string(&latencies).unwrap();
        let again: LatencySketch = serde_json::from_str(&text).unwrap();
        assert_eq!(again, latencies);
        assert_eq!(serde_json::to_string(&again).unwrap(), text);
    }

    #[test]
    fn altered_ones_are_refused() {
        let refused = |text: &str| serde_json::from_str::<LatencySketch>(text).unwrap_err().to_string();
        assert!(refused(r#"{"version":2,"sumMicros":0,"micros":[]}"#).contains("version 2"));
        assert!(refused(r#"{"version":1,"sumMicros":0,"micros":[[1,0]]}"#).contains("not what was written"));
        assert!(refused(r#"{"version":1,"sumMicros":0,"micros":[[18446744073709551615,1]]}"#).contains("not what was written"));
        let full: LatencySketch =
            serde_json::from_str(r#"{"version":1,"sumMicros":5,"micros":[[1,18446744073709551615]]}"#).unwrap();
        let mut twice = full.clone();
        twice.merge(&full);
        assert_eq!(twice.count(), u64::MAX, "too many are as many as can be counted");
    }

    #[test]
    fn none_have_no_percentiles() {
        let none = LatencySketch::new();
        assert_eq!((none.count(), none.quantile(0.5), none.mean()), (0, None, None));
    }
}
