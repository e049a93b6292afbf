//! The limit of a deployment for any 60 seconds, over all server processes.
//!
//! The database counts by second. A process reserves a thousandth of the limit at once and may use it within the same
//! second, so a limit of 60 is asked for each request, and one of a billion once a second.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use gristmill_domain::{
    DeploymentId,
    deployments::{Deployment, DeploymentStore},
};

use super::ServingError;

/// The part of a limit that is reserved at once.
const SHARE: u32 = 1000;

/// A request that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatePass {
    /// Requests a minute.
    pub limit: u32,
    /// How many more may pass in this minute.
    pub remaining: u32,
}

#[derive(Debug, Clone, Copy)]
struct Reserved {
    second: i64,
    left: u32,
    remaining: u32,
    limit: u32,
}

#[derive(Debug, Default)]
pub(super) struct Limiter {
    reserved: Mutex<HashMap<DeploymentId, Reserved>>,
}

impl Limiter {
    pub(super) async fn admit(
        &self,
        store: &dyn DeploymentStore,
        deployment: &Deployment,
        now: DateTime<Utc>,
    ) -> Result<RatePass, ServingError> {
        let limit = deployment.config.rate_limit_per_minute;
        let second = now.timestamp();
        if let Some(pass) = self.take(deployment.id, second, limit) {
            return Ok(pass);
        }
        let grant = store.reserve(deployment.id, (limit / SHARE).max(1), limit).await?;
        let Some(left) = grant.granted.checked_sub(1) else { return Err(ServingError::Limited { limit, grant }) };
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        // What others left unused of earlier seconds is of no use to anybody.
        reserved.retain(|_, other| other.second == second);
        let entry = reserved.entry(deployment.id).or_insert(Reserved { second, left: 0, remaining: 0, limit });
        *entry = Reserved { second, left: entry.left.saturating_add(left), remaining: grant.remaining, limit };
        Ok(RatePass { limit, remaining: grant.remaining.saturating_add(entry.left) })
    }

    fn take(&self, id: DeploymentId, second: i64, limit: u32) -> Option<RatePass> {
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = reserved.get_mut(&id).filter(|entry| entry.second == second && entry.limit == limit)?;
        entry.left = entry.left.checked_sub(1)?;
        Some(RatePass { limit, remaining: entry.remaining.saturating_add(entry.left) })
    }
}
