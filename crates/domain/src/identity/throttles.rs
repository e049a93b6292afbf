//! Throttles: counters that all server processes share.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::instant_after;
use crate::ports::StoreError;

/// What is counted, as a keyed hash: no address and no e-mail is stored in clear.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ThrottleKey([u8; 32]);

impl ThrottleKey {
    /// Wraps a digest.
    #[must_use]
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ThrottleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ThrottleKey(..)")
    }
}

/// How often something may happen.
///
/// Windows are fixed and begin with their first hit, so nothing is ever refused for longer than `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleRule {
    /// Hits that a window allows. 0 refuses everything.
    pub limit: u32,
    /// Length of a window.
    pub window: Duration,
}

/// The running window of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleWindow {
    /// When its first hit came.
    pub started_at: DateTime<Utc>,
    /// Hits so far, also refused ones, but never more than one beyond the limit.
    pub hits: u32,
}

/// Whether something may happen now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThrottleDecision {
    /// Go ahead.
    Allowed,
    /// Not now.
    Denied {
        /// When to come back, whole seconds, at least 1.
        retry_after_s: u64,
    },
}

impl ThrottleRule {
    /// The rule of `limit` hits in `window_s` seconds.
    #[must_use]
    pub const fn new(limit: u32, window_s: u64) -> Self {
        Self { limit, window: Duration::from_secs(window_s) }
    }

    /// When a window ends.
    #[must_use]
    pub fn end_of(self, window: ThrottleWindow) -> DateTime<Utc> {
        instant_after(window.started_at, self.window)
    }

    /// The window after one more hit: the running one, or a new one when there is none or it is over.
    #[must_use]
    pub fn count(self, window: Option<ThrottleWindow>, now: DateTime<Utc>) -> ThrottleWindow {
        match self.running(window, now) {
            Some(window) => ThrottleWindow { hits: window.hits.min(self.limit).saturating_add(1), ..window },
            None => ThrottleWindow { started_at: now, hits: 1 },
        }
    }

    /// Decides about a hit that `window` includes already.
    #[must_use]
    pub fn decide_counted(self, window: ThrottleWindow, now: DateTime<Utc>) -> ThrottleDecision {
        if window.hits <= self.limit { ThrottleDecision::Allowed } else { self.denied(window, now) }
    }

    /// Decides whether one more hit would be allowed, without counting it.
    #[must_use]
    pub fn decide_next(self, window: Option<ThrottleWindow>, now: DateTime<Utc>) -> ThrottleDecision {
        self.decide_counted(self.count(window, now), now)
    }

    fn running(self, window: Option<ThrottleWindow>, now: DateTime<Utc>) -> Option<ThrottleWindow> {
        window.filter(|window| now < self.end_of(*window))
    }

    fn denied(self, window: ThrottleWindow, now: DateTime<Utc>) -> ThrottleDecision {
        let left_ms = self.end_of(window).signed_duration_since(now).num_milliseconds();
        let left_ms = u64::try_from(left_ms).unwrap_or(0);
        ThrottleDecision::Denied { retry_after_s: left_ms.div_ceil(1000).max(1) }
    }
}

/// Keeps the counters. One method is one transaction, and one statement is enough for each.
#[async_trait]
pub trait ThrottleStore: Send + Sync + fmt::Debug {
    /// Counts a hit as [`ThrottleRule::count`] says, atomically, and decides as [`ThrottleRule::decide_counted`]
    /// does. The window may be pruned after [`ThrottleRule::end_of`].
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn hit(&self, key: ThrottleKey, rule: ThrottleRule, now: DateTime<Utc>) -> Result<ThrottleDecision, StoreError>;

    /// Decides as [`ThrottleRule::decide_next`] does and counts nothing.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn check(&self, key: ThrottleKey, rule: ThrottleRule, now: DateTime<Utc>) -> Result<ThrottleDecision, StoreError>;

    /// Decides as [`ThrottleRule::decide_next`] does, and when that allows, deletes the key's window, atomically.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn forgive(&self, key: ThrottleKey, rule: ThrottleRule, now: DateTime<Utc>) -> Result<ThrottleDecision, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: ThrottleRule = ThrottleRule::new(3, 60);

    fn at_ms(ms: i64) -> DateTime<Utc> {
        DateTime::<Utc>::from_timestamp_millis(ms).unwrap()
    }

    fn hit(window: &mut Option<ThrottleWindow>, now: DateTime<Utc>) -> ThrottleDecision {
        let counted = RULE.count(*window, now);
        *window = Some(counted);
        RULE.decide_counted(counted, now)
    }

    #[test]
    fn allows_the_limit_then_refuses_until_the_window_ends() {
        let mut window = None;
        for ms in [0, 1, 2] {
            assert_eq!(hit(&mut window, at_ms(ms)), ThrottleDecision::Allowed);
        }
        assert_eq!(hit(&mut window, at_ms(500)), ThrottleDecision::Denied { retry_after_s: 60 });
        assert_eq!(hit(&mut window, at_ms(59_999)), ThrottleDecision::Denied { retry_after_s: 1 });
        assert_eq!(window.unwrap(), ThrottleWindow { started_at: at_ms(0), hits: 4 });
        assert_eq!(hit(&mut window, at_ms(60_000)), ThrottleDecision::Allowed);
        assert_eq!(window.unwrap(), ThrottleWindow { started_at: at_ms(60_000), hits: 1 });
    }

    #[test]
    fn refused_hits_do_not_prolong_the_window_and_do_not_overflow() {
        let full = ThrottleWindow { started_at: at_ms(0), hits: u32::MAX };
        assert_eq!(RULE.count(Some(full), at_ms(30_000)), ThrottleWindow { started_at: at_ms(0), hits: 4 });
    }

    #[test]
    fn looking_does_not_count() {
        let two = Some(ThrottleWindow { started_at: at_ms(0), hits: 2 });
        let three = Some(ThrottleWindow { started_at: at_ms(0), hits: 3 });
        assert_eq!(RULE.decide_next(None, at_ms(0)), ThrottleDecision::Allowed);
        assert_eq!(RULE.decide_next(two, at_ms(1)), ThrottleDecision::Allowed);
        assert_eq!(RULE.decide_next(three, at_ms(1)), ThrottleDecision::Denied { retry_after_s: 60 });
        assert_eq!(RULE.decide_next(three, at_ms(60_000)), ThrottleDecision::Allowed);
    }

    #[test]
    fn a_limit_of_zero_refuses_everything() {
        let closed = ThrottleRule::new(0, 60);
        assert_eq!(closed.decide_next(None, at_ms(0)), ThrottleDecision::Denied { retry_after_s: 60 });
    }

    #[test]
    fn a_clock_behind_the_window_is_refused_for_no_less_than_a_second() {
        let full = ThrottleWindow { started_at: at_ms(5_000), hits: 4 };
        assert_eq!(RULE.decide_counted(full, at_ms(0)), ThrottleDecision::Denied { retry_after_s: 65 });
    }
}
