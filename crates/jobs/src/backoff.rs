//! How long to wait before trying again.

use std::time::Duration;

/// Exponential back-off with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first delay, before jitter.
    pub first: Duration,
    /// The longest delay, before jitter.
    pub max: Duration,
}

impl Backoff {
    /// The delay before try number `tries + 1`, without jitter: doubles with each try up to the maximum.
    #[must_use]
    pub fn base(self, tries: u32) -> Duration {
        let factor = 2_u32.saturating_pow(tries.saturating_sub(1));
        self.first.saturating_mul(factor).min(self.max)
    }

    /// The delay before try number `tries + 1`: a random half to all of [`Self::base`], so that many who failed
    /// together do not come back together.
    #[must_use]
    pub fn delay(self, tries: u32) -> Duration {
        self.base(tries).mul_f64(rand::random_range(0.5..=1.0))
    }
}

/// Waits longer each time.
#[derive(Debug)]
pub(crate) struct Retries {
    backoff: Backoff,
    tries: u32,
}

impl Retries {
    pub(crate) fn new(backoff: Backoff) -> Self {
        Self { backoff, tries: 0 }
    }

    pub(crate) async fn pause(&mut self) {
        self.tries = self.tries.saturating_add(1);
        tokio::time::sleep(self.backoff.delay(self.tries)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_maximum() {
        let backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(1) };
        let bases: Vec<u128> = (1..=6).map(|tries| backoff.base(tries).as_millis()).collect();
        assert_eq!(bases, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.base(u32::MAX), backoff.max);
    }

    #[test]
    fn jitter_takes_at_most_half() {
        let backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(1) };
        for _ in 0..1000 {
            let delay = backoff.delay(2);
            assert!(delay >= backoff.base(2) / 2 && delay <= backoff.base(2), "{delay:?}");
        }
    }
}
