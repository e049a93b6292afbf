//! What was used, by whom.

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gristmill_domain::{ProjectId, UserId, ports::StoreError};

use crate::{Spender, Usage};

/// One request that was paid for.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageEntry {
    /// When it ended.
    pub at: DateTime<Utc>,
    /// Who asked; absent for the server's own work.
    pub spender: Option<Spender>,
    /// The model.
    pub model: String,
    /// Its tokens: as the provider counted, or an estimate when it was broken off before that.
    pub usage: Usage,
    /// Whether `usage` is an estimate.
    pub estimated: bool,
    /// What it cost, in millionths of a US dollar; absent when the catalog has no price.
    pub cost_micros: Option<u64>,
}

/// Sums of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageTotals {
    /// Of the user, in all projects.
    pub user_tokens: u64,
    /// Of the project, by all users.
    pub project_tokens: u64,
}

/// Keeps what was used. Implementations may write later: `record` neither waits nor fails.
#[async_trait]
pub trait UsageStore: Send + Sync + Debug {
    /// What a user and a project have used since an instant.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn totals(&self, spender: Spender, since: DateTime<Utc>) -> Result<UsageTotals, StoreError>;

    /// Takes note of a request. Called while streams are dropped, so it must not block.
    fn record(&self, entry: UsageEntry);
}

/// Hours that are kept.
const HOURS_KEPT: i64 = 48;

/// Keeps sums by hour in memory, for servers without a store and for tests. They are gone with the process.
#[derive(Debug, Default)]
pub struct MemoryUsage {
    hours: Mutex<Hours>,
}

#[derive(Debug, Default)]
struct Hours {
    users: HashMap<(UserId, i64), u64>,
    projects: HashMap<(ProjectId, i64), u64>,
}

fn hour(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(3600)
}

#[async_trait]
impl UsageStore for MemoryUsage {
    async fn totals(&self, spender: Spender, since: DateTime<Utc>) -> Result<UsageTotals, StoreError> {
        let hours = self.hours.lock().unwrap_or_else(PoisonError::into_inner);
        let since = hour(since);
        let user = hours.users.iter().filter(|((id, at), _)| *id == spender.user && *at >= since);
        let project = hours.projects.iter().filter(|((id, at), _)| Some(*id) == spender.project && *at >= since);
        Ok(UsageTotals {
            user_tokens: user.map(|(_, tokens)| tokens).sum(),
            project_tokens: project.map(|(_, tokens)| tokens).sum(),
        })
    }

    fn record(&self, entry: UsageEntry) {
        let Some(spender) = entry.spender else { return };
        let now = hour(entry.at);
        let mut hours = self.hours.lock().unwrap_or_else(PoisonError::into_inner);
        hours.users.retain(|(_, at), _| *at > now - HOURS_KEPT);
        hours.projects.retain(|(_, at), _| *at > now - HOURS_KEPT);
        let add = |sum: &mut u64| *sum = sum.saturating_add(entry.usage.total_tokens);
        add(hours.users.entry((spender.user, now)).or_default());
        if let Some(project) = spender.project {
            add(hours.projects.entry((project, now)).or_default());
        }
    }
}
