//! Statistics of requests: counts and latencies by hour, and how right the answers were once the truth is known.
//!
//! Everything here adds up: what several server processes counted for one hour, and several hours of a range, are merged
//! by adding, in any order. Nothing reads a clock; a request belongs to the hour in which it says that it came.

mod hours;
mod latency;
mod truth;

pub use hours::{HourBucket, HourCounter, HourRow, Outcome, StatisticsRange, hour_of, rows};
pub use latency::{LatencyError, LatencySketch};
pub use truth::{LabelCounts, LabelScore, LiveAccuracy, LiveScore};
