//! What was asked of the language model: kept in memory for a second, then in the database.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use gristmill_domain::{ProjectId, UserId, ports::StoreError};
use gristmill_llm::{
    Spender,
    layers::{UsageEntry, UsageStore, UsageTotals},
};
use gristmill_persistence::repo::llm_usage::{LlmUsage, UsageSum};

/// How often sums are stored.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

type Key = (UserId, Option<ProjectId>, DateTime<Utc>, String);

/// Sums what was used, and stores the sums.
#[derive(Debug)]
pub struct StoredUsage {
    repository: LlmUsage,
    /// What is not stored yet.
    pending: Mutex<HashMap<Key, UsageSum>>,
}

impl StoredUsage {
    /// Over a repository.
    #[must_use]
    pub fn new(repository: LlmUsage) -> Self {
        Self { repository, pending: Mutex::default() }
    }

    /// Stores what is pending, for ever. Run it in a task that is dropped at shutdown, and [`Self::flush`] after it.
    pub async fn keep_flushing(&self) {
        let mut ticks = tokio::time::interval(FLUSH_INTERVAL);
        loop {
            ticks.tick().await;
            self.flush().await;
        }
    }

    /// Stores what is pending. What cannot be stored stays pending.
    pub async fn flush(&self) {
        let sums: Vec<UsageSum> = {
            let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.values().cloned().collect()
        };
        match self.repository.add(&sums).await {
            // Only now, so that nobody finds it in neither place; for a moment it counts twice, which refuses too much
            // rather than too little.
            Ok(()) => self.subtract(&sums),
            Err(error) => tracing::warn!(error.cause = crate::error::chain(&error), "what was used is not stored yet"),
        }
    }

    fn subtract(&self, stored: &[UsageSum]) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        for sum in stored {
            let key = key_of(sum);
            if let Some(kept) = pending.get_mut(&key) {
                for (kept, stored) in numbers(kept).into_iter().zip(numbers(&mut sum.clone())) {
                    *kept = kept.saturating_sub(*stored);
                }
                if kept.requests == 0 {
                    pending.remove(&key);
                }
            }
        }
    }

    fn add(&self, sum: UsageSum) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        match pending.entry(key_of(&sum)) {
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(sum);
            }
            std::collections::hash_map::Entry::Occupied(mut place) => {
                let mut sum = sum;
                for (kept, more) in numbers(place.get_mut()).into_iter().zip(numbers(&mut sum)) {
                    *kept = kept.saturating_add(*more);
                }
            }
        }
    }
}

fn key_of(sum: &UsageSum) -> Key {
    (sum.user, sum.project, sum.hour, sum.model.clone())
}

fn numbers(sum: &mut UsageSum) -> [&mut u64; 6] {
    [
        &mut sum.requests,
        &mut sum.input_tokens,
        &mut sum.cached_tokens,
        &mut sum.output_tokens,
        &mut sum.reasoning_tokens,
        &mut sum.cost_micros,
    ]
}

fn hour_of(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at)
}

#[async_trait]
impl UsageStore for StoredUsage {
    async fn totals(&self, spender: Spender, since: DateTime<Utc>) -> Result<UsageTotals, StoreError> {
        let since = hour_of(since);
        let (mut user_tokens, mut project_tokens) = self.repository.totals(spender.user, spender.project, since).await?;
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        for sum in pending.values().filter(|sum| sum.hour >= since) {
            let tokens = sum.input_tokens.saturating_add(sum.output_tokens);
            if sum.user == spender.user {
                user_tokens = user_tokens.saturating_add(tokens);
            }
            if sum.project.is_some() && sum.project == spender.project {
                project_tokens = project_tokens.saturating_add(tokens);
            }
        }
        Ok(UsageTotals { user_tokens, project_tokens })
    }

    fn record(&self, entry: UsageEntry) {
        let Some(spender) = entry.spender else { return };
        self.add(UsageSum {
            user: spender.user,
            project: spender.project,
            hour: hour_of(entry.at),
            model: entry.model,
            requests: 1,
            input_tokens: entry.usage.input_tokens,
            cached_tokens: entry.usage.cached_tokens(),
            output_tokens: entry.usage.output_tokens,
            reasoning_tokens: entry.usage.reasoning_tokens(),
            cost_micros: entry.cost_micros.unwrap_or(0),
        });
    }
}
