//! How many sandboxes may run: for the server, and for each user.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use gristmill_domain::ids::UserId;

use crate::places::PlaceKey;

/// The taken slots.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    taken: Arc<Mutex<HashMap<PlaceKey, Option<UserId>>>>,
}

/// A sandbox's right to run; given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    taken: Arc<Mutex<HashMap<PlaceKey, Option<UserId>>>>,
    key: PlaceKey,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Server,
    Owner,
}

impl Slots {
    pub(super) fn count(&self) -> usize {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Takes a slot.
    pub(super) fn take(&self, key: PlaceKey, owner: Option<UserId>, max: usize, owner_max: usize) -> Result<Slot, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if owner.is_some() && taken.values().filter(|other| **other == owner).count() >= owner_max {
            return Err(Full::Owner);
        }
        if taken.len() >= max {
            return Err(Full::Server);
        }
        taken.insert(key, owner);
        Ok(Slot { taken: Arc::clone(&self.taken), key })
    }

    /// Whether the place's slot counts against this user.
    pub(super) fn is_owned_by(&self, key: PlaceKey, owner: UserId) -> bool {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).get(&key) == Some(&Some(owner))
    }
}
