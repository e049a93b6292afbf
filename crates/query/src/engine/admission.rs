//! Who may run: a few queries at once, a few more that wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gristmill_domain::UserId;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::QueryError;

/// How long a refused caller should wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The turns of an engine.
#[derive(Debug)]
pub(super) struct Admission {
    turns: Semaphore,
    /// Queries that run or wait, by caller.
    present: Arc<Mutex<HashMap<UserId, usize>>>,
    total_max: usize,
    per_caller_max: usize,
}

/// The right to run, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _permit: SemaphorePermit<'a>,
    _place: Place,
}

impl Admission {
    pub(super) fn new(turns: usize, waiting_max: usize, per_caller_max: usize) -> Self {
        Self {
            turns: Semaphore::new(turns),
            present: Arc::default(),
            total_max: turns.saturating_add(waiting_max),
            per_caller_max,
        }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self, place: Place) -> Result<Turn<'_>, QueryError> {
        let permit = self.turns.acquire().await.map_err(|error| QueryError::Internal { source: error.into() })?;
        Ok(Turn { _permit: permit, _place: place })
    }

    /// Takes a place in the line, or refuses at once: however busy the engine's threads are.
    pub(super) fn take_place(&self, caller: UserId) -> Result<Place, QueryError> {
        // The map is whole at every step, so a panic elsewhere does not spoil it.
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let own = present.get(&caller).copied().unwrap_or(0);
        if own >= self.per_caller_max || present.values().sum::<usize>() >= self.total_max {
            return Err(QueryError::TooMany { retry_after: RETRY_AFTER });
        }
        present.insert(caller, own + 1);
        Ok(Place { present: self.present.clone(), caller })
    }
}

/// A caller's place among those that run or wait.
#[derive(Debug)]
pub(super) struct Place {
    present: Arc<Mutex<HashMap<UserId, usize>>>,
    caller: UserId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        match present.get_mut(&self.caller) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(present.remove(&self.caller)),
        }
    }
}
