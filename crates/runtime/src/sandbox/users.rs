//! Which user id a sandbox runs as, when the server is root.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

#[derive(Debug, Default)]
struct Lease {
    sandboxes: usize,
    writable: Vec<PathBuf>,
}

/// Hands out the user ids of a range. Sandboxes that live at the same time have different ones, since the kernel counts
/// processes per user; only sandboxes that write to the same directory share one.
#[derive(Debug, Clone)]
pub(crate) struct UserPool {
    range: RangeInclusive<u32>,
    /// Where the search begins: servers with the same range, but other owners, begin elsewhere.
    first: u32,
    leases: Arc<Mutex<BTreeMap<u32, Lease>>>,
}

/// A user id in use; free again when dropped.
#[derive(Debug)]
pub(crate) struct UserLease {
    pub(crate) uid: u32,
    pool: UserPool,
}

impl UserPool {
    pub(crate) fn new(range: RangeInclusive<u32>, owner: &str) -> Self {
        let spread = owner.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        let width = range.end().saturating_sub(*range.start()).saturating_add(1);
        let first = range.start().saturating_add(spread % width.max(1));
        Self { range, first, leases: Arc::default() }
    }

    /// Takes an id for a sandbox that writes to these directories. `owner` is who owns the first of them now: taking
    /// the same id again saves a walk that changes owners.
    pub(crate) fn take(&self, owner: Option<u32>, writable: &[PathBuf]) -> Option<UserLease> {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = leases.iter().find(|(_, lease)| lease.writable.iter().any(|path| writable.contains(path)));
        let uid = match shared {
            Some((uid, _)) => *uid,
            None => owner
                .into_iter()
                .chain(self.first..=*self.range.end())
                .chain(self.range.clone())
                .find(|uid| self.range.contains(uid) && !leases.contains_key(uid))?,
        };
        let lease = leases.entry(uid).or_default();
        lease.sandboxes += 1;
        lease.writable.extend_from_slice(writable);
        drop(leases);
        Some(UserLease { uid, pool: self.clone() })
    }
}

impl UserLease {
    /// Adds directories that the sandbox of this id writes to from now on. False: another id's sandbox writes to one of
    /// them, and nothing was added.
    pub(crate) fn extend(&self, writable: &[PathBuf]) -> bool {
        let mut leases = self.pool.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let taken =
            leases.iter().any(|(uid, lease)| *uid != self.uid && lease.writable.iter().any(|path| writable.contains(path)));
        if !taken && let Some(lease) = leases.get_mut(&self.uid) {
            lease.writable.extend_from_slice(writable);
        }
        !taken
    }
}

impl Drop for UserLease {
    fn drop(&mut self) {
        let mut leases = self.pool.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lease) = leases.get_mut(&self.uid) {
            lease.sandboxes = lease.sandboxes.saturating_sub(1);
            if lease.sandboxes == 0 {
                leases.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn live_sandboxes_have_different_users() {
        let pool = UserPool::new(10..=11, "");
        let first = pool.take(None, &paths(&["/a"])).unwrap();
        let second = pool.take(Some(10), &paths(&["/b"])).unwrap();
        assert_ne!(first.uid, second.uid);
        assert!(pool.take(None, &paths(&["/c"])).is_none(), "the range is used up");
        drop(first);
        assert_eq!(pool.take(None, &paths(&["/c"])).unwrap().uid, 10);
    }

    #[test]
    fn sandboxes_over_one_directory_share_their_user() {
        let pool = UserPool::new(10..=11, "");
        let first = pool.take(None, &paths(&["/a", "/sockets/1"])).unwrap();
        let second = pool.take(None, &paths(&["/a", "/sockets/2"])).unwrap();
        assert_eq!(first.uid, second.uid);
        drop(first);
        assert_ne!(pool.take(None, &paths(&["/b"])).unwrap().uid, second.uid, "still in use");
    }

    #[test]
    fn a_directory_that_is_added_later_has_one_user_too() {
        let pool = UserPool::new(10..=12, "");
        let waiting = pool.take(None, &paths(&["/sockets/1"])).unwrap();
        let other = pool.take(None, &paths(&["/a"])).unwrap();
        assert!(!waiting.extend(&paths(&["/b", "/a"])), "another's");
        assert_ne!(pool.take(None, &paths(&["/b"])).unwrap().uid, waiting.uid, "nothing was added");
        assert!(waiting.extend(&paths(&["/b"])));
        assert_eq!(pool.take(None, &paths(&["/b"])).unwrap().uid, waiting.uid);
        drop(other);
        assert!(waiting.extend(&paths(&["/a"])));
    }

    #[test]
    fn keeps_the_owner_of_a_directory_and_nobody_outside_the_range() {
        let pool = UserPool::new(10..=20, "");
        assert_eq!(pool.take(Some(15), &[]).unwrap().uid, 15);
        assert_eq!(pool.take(Some(0), &[]).unwrap().uid, 10);
    }
}
