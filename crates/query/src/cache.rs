//! Results that were computed before, and are still true: the key holds the versions of all tables, so a changed
//! dataset is another key, and nothing has to be thrown away for being wrong.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gristmill_domain::{DatasetId, ProjectId};
use gristmill_sql_safety::ValidatedSql;
use moka::{Expiry, policy::EvictionPolicy, sync::Cache};
use sha2::{Digest, Sha256};

/// What a result depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    /// Makes the key of a statement's result.
    ///
    /// * `project`: whose tables the names stand for. A project has one owner, so nobody is answered from another's.
    /// * `sql`: its canonical text with its limits counts, and its cap of rows.
    /// * `tables`: the datasets that it reads with their versions, in any order.
    #[must_use]
    pub fn new(project: ProjectId, sql: &ValidatedSql, tables: &[(DatasetId, u32)]) -> Self {
        Self::of(project, sql.text(), sql.rows_cap(), tables)
    }

    fn of(project: ProjectId, text: &str, rows_cap: u32, tables: &[(DatasetId, u32)]) -> Self {
        let mut tables = tables.to_vec();
        tables.sort_unstable();
        let mut hash = Sha256::new();
        // Lengths go in front, so that no two inputs run together into one.
        let mut part = |bytes: &[u8]| {
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(bytes);
        };
        part(project.0.as_bytes());
        part(text.as_bytes());
        for (id, version) in tables {
            part(id.0.as_bytes());
            part(&version.to_le_bytes());
        }
        part(&rows_cap.to_le_bytes());
        Self(hash.finalize().into())
    }
}

/// A kept value.
#[derive(Debug)]
struct Entry<V> {
    value: Arc<V>,
    weight_bytes: usize,
    ttl: Duration,
}

impl<V> Clone for Entry<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), weight_bytes: self.weight_bytes, ttl: self.ttl }
    }
}

struct OwnLife;

impl<V> Expiry<CacheKey, Entry<V>> for OwnLife {
    fn expire_after_create(&self, _key: &CacheKey, entry: &Entry<V>, _now: Instant) -> Option<Duration> {
        Some(entry.ttl)
    }

    fn expire_after_update(&self, _key: &CacheKey, entry: &Entry<V>, _now: Instant, _left: Option<Duration>) -> Option<Duration> {
        Some(entry.ttl)
    }
}

/// Results by key, bounded by their size and number; those least used go first.
#[derive(Debug)]
pub struct ResultCache<V: Send + Sync + 'static> {
    cache: Cache<CacheKey, Entry<V>>,
    entry_bytes_max: usize,
}

impl<V: Send + Sync + 'static> ResultCache<V> {
    /// Makes a cache of at most `bytes_max` and `entries_max`. One result may take an eighth of it.
    #[must_use]
    pub fn new(bytes_max: usize, entries_max: u64) -> Self {
        let capacity = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        // An entry weighs at least its share of the room, which bounds their number as well.
        let least = u32::try_from(capacity / entries_max.max(1)).unwrap_or(u32::MAX);
        let cache = Cache::builder()
            .max_capacity(capacity)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(move |_: &CacheKey, entry: &Entry<V>| u32::try_from(entry.weight_bytes).unwrap_or(u32::MAX).max(least))
            .expire_after(OwnLife)
            .build();
        Self { cache, entry_bytes_max: bytes_max / 8 }
    }

    /// The result under a key, if it is there and alive.
    #[must_use]
    pub fn get(&self, key: &CacheKey) -> Option<Arc<V>> {
        self.cache.get(key).map(|entry| entry.value)
    }

    /// Keeps a result of `weight_bytes` for `ttl`. Does nothing when `ttl` is zero, or the result is too large to be
    /// worth its room. Results of volatile statements (`random()`, `now()`) must not be put here.
    pub fn insert(&self, key: CacheKey, value: Arc<V>, weight_bytes: usize, ttl: Duration) {
        if ttl.is_zero() || weight_bytes > self.entry_bytes_max {
            return;
        }
        self.cache.insert(key, Entry { value, weight_bytes, ttl });
    }

    /// Throws one result away.
    pub fn forget(&self, key: &CacheKey) {
        self.cache.invalidate(key);
    }

    /// How many results are kept, and their bytes: as of the last upkeep.
    #[must_use]
    pub fn usage(&self) -> (u64, u64) {
        self.cache.run_pending_tasks();
        (self.cache.entry_count(), self.cache.weighted_size())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> CacheKey {
        CacheKey::of(ProjectId(uuid::Uuid::nil()), text, 200, &[])
    }

    #[test]
    fn keys_tell_everything_apart_that_changes_a_result() {
        let (a, b) = (DatasetId::random(), DatasetId::random());
        let (project, other) = (ProjectId::random(), ProjectId::random());
        let base = CacheKey::of(project, "select 1", 200, &[(a, 1), (b, 2)]);
        assert_eq!(base, CacheKey::of(project, "select 1", 200, &[(b, 2), (a, 1)]));
        for different in [
            CacheKey::of(other, "select 1", 200, &[(a, 1), (b, 2)]),
            CacheKey::of(project, "select 2", 200, &[(a, 1), (b, 2)]),
            CacheKey::of(project, "select 1", 200, &[(a, 2), (b, 2)]),
            CacheKey::of(project, "select 1", 200, &[(a, 2), (b, 1)]),
            CacheKey::of(project, "select 1", 200, &[(a, 1)]),
            CacheKey::of(project, "select 1", 1000, &[(a, 1), (b, 2)]),
            CacheKey::of(project, "select  1", 200, &[(a, 1), (b, 2)]),
        ] {
            assert_ne!(base, different);
        }
    }

    #[test]
    fn keeps_nothing_without_a_life_or_beyond_an_eighth() {
        let cache = ResultCache::new(8000, 100);
        cache.insert(key("off"), Arc::new(1), 10, Duration::ZERO);
        cache.insert(key("large"), Arc::new(2), 1001, Duration::from_secs(60));
        cache.insert(key("fits"), Arc::new(3), 1000, Duration::from_secs(60));
        assert_eq!(cache.get(&key("off")), None);
        assert_eq!(cache.get(&key("large")), None);
        assert_eq!(cache.get(&key("fits")).as_deref(), Some(&3));
        cache.forget(&key("fits"));
        assert_eq!(cache.get(&key("fits")), None);
    }

    #[test]
    fn stays_within_its_bytes_and_entries() {
        let by_bytes = ResultCache::new(8000, 1000);
        let by_number = ResultCache::new(8000, 4);
        for number in 0..100 {
            by_bytes.insert(key(&number.to_string()), Arc::new(number), 1000, Duration::from_secs(60));
            by_number.insert(key(&number.to_string()), Arc::new(number), 1, Duration::from_secs(60));
        }
        assert!(by_bytes.usage().0 <= 8 && by_bytes.usage().1 <= 8000, "{:?}", by_bytes.usage());
        assert!(by_number.usage().0 <= 4, "{:?}", by_number.usage());
    }

    #[test]
    fn lets_go_of_a_result_at_the_end_of_its_own_life() {
        let cache = ResultCache::new(8000, 100);
        cache.insert(key("short"), Arc::new(1), 10, Duration::from_nanos(1));
        cache.insert(key("long"), Arc::new(2), 10, Duration::from_secs(3600));
        let deadline = Instant::now() + Duration::from_secs(5);
        while cache.get(&key("short")).is_some() {
            assert!(Instant::now() < deadline, "it should have expired");
        }
        assert!(cache.get(&key("long")).is_some());
    }
}
