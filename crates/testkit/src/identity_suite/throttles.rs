//! Throttles.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::{Result, bail, ensure};
use chrono::{DateTime, Utc};
use gristmill_domain::identity::{ThrottleDecision, ThrottleKey, ThrottleRule, ThrottleWindow};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{IdentityStores, at, at_ms, race};

const RULE: ThrottleRule = ThrottleRule::new(3, 60);
const ALLOWED: ThrottleDecision = ThrottleDecision::Allowed;

fn denied(retry_after_s: u64) -> ThrottleDecision {
    ThrottleDecision::Denied { retry_after_s }
}

fn random_key() -> ThrottleKey {
    ThrottleKey::new(rand::random())
}

pub(super) async fn allows_the_limit_then_refuses(stores: &mut IdentityStores) -> Result<()> {
    let key = random_key();
    let hit = async |ms: i64| stores.throttles.hit(key, RULE, at_ms(ms)).await;
    for ms in [0, 1, 59_999] {
        assert_eq!(hit(ms).await?, ALLOWED);
    }
    assert_eq!(hit(59_999).await?, denied(1));
    assert_eq!(hit(30_000).await?, denied(30), "refused hits prolong nothing");
    assert_eq!(hit(60_000).await?, ALLOWED, "a new window, which begins with its first hit");
    for ms in [60_001, 60_002] {
        assert_eq!(hit(ms).await?, ALLOWED);
    }
    assert_eq!(hit(60_003).await?, denied(60));
    Ok(())
}

pub(super) async fn counts_keys_apart(stores: &mut IdentityStores) -> Result<()> {
    let (one, two) = (random_key(), random_key());
    let single = ThrottleRule::new(1, 60);
    assert_eq!(stores.throttles.hit(one, single, at(0)).await?, ALLOWED);
    assert_eq!(stores.throttles.hit(one, single, at(0)).await?, denied(60));
    assert_eq!(stores.throttles.hit(two, single, at(0)).await?, ALLOWED);
    Ok(())
}

pub(super) async fn refuses_everything_at_limit_zero(stores: &mut IdentityStores) -> Result<()> {
    let closed = ThrottleRule::new(0, 60);
    let key = random_key();
    assert_eq!(stores.throttles.check(key, closed, at(0)).await?, denied(60));
    assert_eq!(stores.throttles.forgive(key, closed, at(0)).await?, denied(60));
    assert_eq!(stores.throttles.hit(key, closed, at(0)).await?, denied(60));
    assert_eq!(stores.throttles.hit(key, closed, at(30)).await?, denied(30));
    assert_eq!(stores.throttles.forgive(key, closed, at(90)).await?, denied(60));
    Ok(())
}

pub(super) async fn looking_counts_nothing(stores: &mut IdentityStores) -> Result<()> {
    let key = random_key();
    for _ in 0..9 {
        assert_eq!(stores.throttles.check(key, RULE, at(0)).await?, ALLOWED);
    }
    for _ in 0..3 {
        assert_eq!(stores.throttles.check(key, RULE, at(1)).await?, ALLOWED);
        assert_eq!(stores.throttles.hit(key, RULE, at(1)).await?, ALLOWED);
    }
    assert_eq!(stores.throttles.check(key, RULE, at(31)).await?, denied(30));
    assert_eq!(stores.throttles.check(key, RULE, at(61)).await?, ALLOWED);
    Ok(())
}

pub(super) async fn forgives_only_what_is_allowed(stores: &mut IdentityStores) -> Result<()> {
    let key = random_key();
    let (hit, forgive) =
        (async |s| stores.throttles.hit(key, RULE, at(s)).await, async |s| stores.throttles.forgive(key, RULE, at(s)).await);
    assert_eq!(forgive(0).await?, ALLOWED, "nothing to forgive");
    for _ in 0..2 {
        assert_eq!(hit(0).await?, ALLOWED);
    }
    assert_eq!(forgive(1).await?, ALLOWED);
    for _ in 0..3 {
        assert_eq!(hit(2).await?, ALLOWED, "the count began anew");
    }
    assert_eq!(forgive(3).await?, denied(59));
    assert_eq!(hit(3).await?, denied(59), "the refusal deleted nothing");
    assert_eq!(forgive(62).await?, ALLOWED, "the window is over");
    Ok(())
}

pub(super) async fn counts_exactly_at_once(stores: &mut IdentityStores) -> Result<()> {
    let rule = ThrottleRule::new(20, 60);
    // The second round meets a window that is over, and must not begin several new ones.
    for round in 0..2 {
        let key = ThrottleKey::new([7; 32]);
        let outcomes = race(50, |_| {
            let throttles = Arc::clone(&stores.throttles);
            async move { throttles.hit(key, rule, at(round * 60)).await }
        })
        .await?;
        let mut allowed = 0;
        for outcome in outcomes {
            match outcome? {
                ThrottleDecision::Allowed => allowed += 1,
                decision => assert_eq!(decision, denied(60)),
            }
        }
        assert_eq!(allowed, 20);
    }
    Ok(())
}

/// A forgiveness that says so has deleted the window, and one that refuses has not, whoever counts meanwhile: so no
/// more hits get through than the forgivenesses between them allow.
pub(super) async fn forgives_and_counts_at_once(stores: &mut IdentityStores) -> Result<()> {
    let rule = ThrottleRule::new(5, 60);
    for _ in 0..5 {
        let key = random_key();
        let outcomes = race(40, |number| {
            let throttles = Arc::clone(&stores.throttles);
            async move {
                let is_hit = number % 10 != 0;
                let decision = match is_hit {
                    true => throttles.hit(key, rule, at(0)).await?,
                    false => throttles.forgive(key, rule, at(0)).await?,
                };
                anyhow::Ok((is_hit, decision == ALLOWED))
            }
        })
        .await?;
        let outcomes: Vec<(bool, bool)> = outcomes.into_iter().collect::<Result<_>>()?;
        let hits = outcomes.iter().filter(|outcome| **outcome == (true, true)).count();
        let forgiven = outcomes.iter().filter(|outcome| **outcome == (false, true)).count();
        ensure!((5..=5 * (forgiven + 1)).contains(&hits), "{hits} hits with {forgiven} times forgiveness");
    }
    Ok(())
}

pub(super) async fn follows_a_rule_that_changes(stores: &mut IdentityStores) -> Result<()> {
    let key = random_key();
    for _ in 0..5 {
        assert_eq!(stores.throttles.hit(key, ThrottleRule::new(9, 60), at(0)).await?, ALLOWED);
    }
    let (narrow, long, wide) = (ThrottleRule::new(3, 60), ThrottleRule::new(3, 600), ThrottleRule::new(5, 600));
    assert_eq!(stores.throttles.hit(key, narrow, at(1)).await?, denied(59));
    assert_eq!(stores.throttles.hit(key, long, at(100)).await?, denied(500), "the same window, as the longer rule sees it");
    assert_eq!(stores.accounts.prune(at(599), Duration::ZERO).await?, 0, "and it is kept as long");
    assert_eq!(stores.throttles.hit(key, wide, at(101)).await?, ALLOWED, "the fifth: refused ones count once at most");
    assert_eq!(stores.throttles.check(key, wide, at(102)).await?, denied(498));
    assert_eq!(stores.throttles.check(key, ThrottleRule::new(1, 60), at(102)).await?, ALLOWED, "over, by the shorter rule");
    Ok(())
}

pub(super) async fn copes_with_odd_windows_and_clocks(stores: &mut IdentityStores) -> Result<()> {
    let endless = ThrottleRule { limit: 1, window: Duration::MAX };
    let key = random_key();
    assert_eq!(stores.throttles.hit(key, endless, at(0)).await?, ALLOWED);
    for now in [at(0), at(99_999_999)] {
        for decision in [
            stores.throttles.hit(key, endless, now).await?,
            stores.throttles.check(key, endless, now).await?,
            stores.throttles.forgive(key, endless, now).await?,
        ] {
            ensure!(matches!(decision, ThrottleDecision::Denied { retry_after_s: 1_000_000.. }), "{decision:?}");
        }
    }
    let boundless = ThrottleRule { limit: u32::MAX, window: Duration::from_secs(60) };
    let instant = ThrottleRule { limit: 1, window: Duration::ZERO };
    let (boundless_key, instant_key) = (random_key(), random_key());
    for _ in 0..3 {
        assert_eq!(stores.throttles.hit(boundless_key, boundless, at(0)).await?, ALLOWED);
        assert_eq!(stores.throttles.hit(instant_key, instant, at(0)).await?, ALLOWED, "a window without length");
    }
    // A clock behind the one that began the window.
    let key = random_key();
    for _ in 0..3 {
        assert_eq!(stores.throttles.hit(key, RULE, at(100)).await?, ALLOWED);
    }
    assert_eq!(stores.throttles.hit(key, RULE, at(95)).await?, denied(65));
    Ok(())
}

/// Every sequence of calls decides as the pure rule does.
pub(super) async fn decides_as_the_rule_does(stores: &mut IdentityStores) -> Result<()> {
    let mut random = StdRng::seed_from_u64(0x67_72_69_73_74);
    let keys = [random_key(), random_key()];
    let mut model: HashMap<ThrottleKey, ThrottleWindow> = HashMap::new();
    let mut now_ms = 0_i64;
    for step in 0..600 {
        now_ms += random.random_range(-400..1_500);
        let now: DateTime<Utc> = at_ms(now_ms);
        let rule =
            ThrottleRule { limit: random.random_range(0..5), window: Duration::from_millis(random.random_range(0..9_000)) };
        let Some(key) = keys.get(random.random_range(0..keys.len())).copied() else { bail!("no key") };
        let window = model.get(&key).copied();
        let (call, decision, expected) = match random.random_range(0..4) {
            0 => ("check", stores.throttles.check(key, rule, now).await?, rule.decide_next(window, now)),
            1 => {
                let expected = rule.decide_next(window, now);
                if expected == ALLOWED {
                    model.remove(&key);
                }
                ("forgive", stores.throttles.forgive(key, rule, now).await?, expected)
            }
            _ => {
                let counted = rule.count(window, now);
                model.insert(key, counted);
                ("hit", stores.throttles.hit(key, rule, now).await?, rule.decide_counted(counted, now))
            }
        };
        assert_eq!(decision, expected, "{call} {rule:?} at {now}, step {step}");
    }
    Ok(())
}
