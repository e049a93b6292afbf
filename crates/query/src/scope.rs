//! One running query: its deadline, whether somebody stopped it, and how large its values may get.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use datafusion::error::Result;

use crate::{
    config::EngineConfig,
    error::{SqlError, too_expensive},
};

/// What the functions, rules and operators of one query share.
#[derive(Debug)]
pub(crate) struct QueryScope {
    stopped: AtomicBool,
    deadline: Instant,
    /// Microseconds since 1970 at which the statement began: `now()`.
    pub started_us: i64,
    /// Largest text, bytes.
    pub value_bytes_max: usize,
    /// Largest array, bytes.
    pub array_bytes_max: usize,
    /// Largest batch, bytes.
    pub batch_bytes_max: usize,
}

impl QueryScope {
    pub(crate) fn new(config: &EngineConfig, deadline: Instant, started_us: i64) -> Self {
        Self {
            stopped: AtomicBool::new(false),
            deadline,
            started_us,
            value_bytes_max: config.value_bytes_max,
            array_bytes_max: config.array_bytes_max,
            batch_bytes_max: config.batch_bytes_max,
        }
    }

    /// Makes every later [`Self::check`] fail.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Fails once the query was stopped or its deadline has passed. For loops that do not yield to the runtime: the
    /// runtime drops a query only where it awaits.
    pub(crate) fn check(&self) -> Result<()> {
        if self.stopped.load(Ordering::Relaxed) || Instant::now() >= self.deadline {
            return Err(SqlError::Stopped.into());
        }
        Ok(())
    }

    /// Refuses a text or array of `bytes`.
    pub(crate) fn check_value(&self, bytes: usize) -> Result<()> {
        if bytes > self.value_bytes_max {
            let limit_mb = self.value_bytes_max / (1024 * 1024);
            return Err(too_expensive(format!("a single value is larger than the {limit_mb} MB that one may have")));
        }
        Ok(())
    }

    /// Refuses a column of `bytes` in one batch.
    pub(crate) fn check_batch(&self, bytes: usize) -> Result<()> {
        // A function may make more than a batch should hold, since the batch is cut up afterwards; but not much more.
        if bytes > self.batch_bytes_max.saturating_mul(4) {
            return Err(too_expensive("the query makes values that are too large together; select fewer rows or shorter values"));
        }
        Ok(())
    }
}
