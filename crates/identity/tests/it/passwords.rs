//! The hashing pool.

use std::{num::NonZeroUsize, sync::Arc};

use gristmill_domain::{
    ErrorCode,
    identity::{NewPassword, PhcString},
};
use gristmill_identity::{HashingPolicy, IdentityError, PasswordCost, PasswordHasher, Verdict};

use crate::support::{assert_code, cheap_hashing};

fn hasher() -> PasswordHasher {
    PasswordHasher::new(&cheap_hashing()).unwrap()
}

async fn hash(hasher: &PasswordHasher, password: &str) -> PhcString {
    hasher.hash(&NewPassword::parse(password).unwrap()).await.unwrap()
}

#[tokio::test]
async fn hashes_are_salted_phc_strings_of_argon2id_that_verify() {
    let hasher = hasher();
    let (one, two) = (hash(&hasher, "correct horse").await, hash(&hasher, "correct horse").await);
    assert!(one.expose().starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{}", one.expose());
    assert_ne!(one.expose(), two.expose());
    assert_eq!(hasher.verify(Some(&one), &"correct horse".into()).await.unwrap(), Verdict::Right);
    assert_eq!(hasher.verify(Some(&one), &"correct horsf".into()).await.unwrap(), Verdict::Wrong);
    assert_eq!(hasher.verify(Some(&one), &"".into()).await.unwrap(), Verdict::Wrong);
}

#[tokio::test]
async fn the_default_cost_is_owasps() {
    let policy = HashingPolicy::default();
    let hasher = PasswordHasher::new(&policy).unwrap();
    let hash = hash(&hasher, "correct horse").await;
    assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.expose());
}

#[tokio::test]
async fn unknown_users_cost_one_hash_and_are_never_right() {
    let hasher = hasher();
    let before = hasher.hashes();
    assert_eq!(hasher.verify(None, &"correct horse".into()).await.unwrap(), Verdict::Wrong);
    assert_eq!(hasher.hashes() - before, 1);
}

#[tokio::test]
async fn hashes_of_another_cost_or_kind_are_stale_but_verify() {
    let old =
        PasswordHasher::new(&HashingPolicy { cost: PasswordCost { memory_kib: 16, passes: 1, lanes: 1 }, ..cheap_hashing() })
            .unwrap();
    let hash = hash(&old, "correct horse").await;
    assert_eq!(old.verify(Some(&hash), &"correct horse".into()).await.unwrap(), Verdict::Right);
    assert_eq!(hasher().verify(Some(&hash), &"correct horse".into()).await.unwrap(), Verdict::RightButStale);
    assert_eq!(hasher().verify(Some(&hash), &"wrong horse".into()).await.unwrap(), Verdict::Wrong);
}

#[tokio::test]
async fn unreadable_hashes_are_a_defect_and_never_a_login() {
    for stored in
        ["", "x", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=8,t=1,p=1$c2FsdA", "$scrypt$ln=1$c2FsdHNhbHQ$aGFzaA"]
    {
        let outcome = hasher().verify(Some(&PhcString::from(stored.to_owned())), &"correct horse".into()).await;
        match outcome {
            Ok(verdict) => assert_eq!(verdict, Verdict::Wrong, "{stored}"),
            Err(error) => assert_eq!(error.code(), ErrorCode::Internal, "{stored}"),
        }
    }
}

#[test]
fn impossible_costs_are_refused_at_the_start() {
    for cost in [
        PasswordCost { memory_kib: 7, passes: 1, lanes: 1 },
        PasswordCost { memory_kib: 8, passes: 0, lanes: 1 },
        PasswordCost { memory_kib: 8, passes: 1, lanes: 0 },
    ] {
        let outcome = PasswordHasher::new(&HashingPolicy { cost, ..cheap_hashing() });
        assert!(matches!(outcome, Err(IdentityError::InvalidSetting { .. })), "{cost:?}");
    }
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_recovers() {
    let policy = HashingPolicy {
        cost: PasswordCost { memory_kib: 65_536, passes: 4, lanes: 1 },
        concurrent: NonZeroUsize::MIN,
        queued: 2,
    };
    let hasher = Arc::new(PasswordHasher::new(&policy).unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let hasher = Arc::clone(&hasher);
        tasks.spawn(async move { hasher.verify(None, &"correct horse".into()).await });
    }
    let outcomes = tasks.join_all().await;
    let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!((3..12).contains(&done), "one at work and two waiting, at least: {done}");
    for refused in outcomes.into_iter().filter(Result::is_err) {
        assert_eq!(refused.as_ref().unwrap_err().retry_after(), Some(1));
        assert_code(refused, ErrorCode::TooManyRequests);
    }
    assert!(hasher.verify(None, &"correct horse".into()).await.is_ok());
}

#[tokio::test]
async fn a_caller_that_goes_away_gives_its_place_back() {
    let policy = HashingPolicy { queued: 0, concurrent: NonZeroUsize::MIN, ..HashingPolicy::default() };
    let hasher = PasswordHasher::new(&policy).unwrap();
    for _ in 0..5 {
        let before = hasher.hashes();
        // Polled once, so that the work begins, and dropped, most likely before it ends.
        let candidate = "correct horse".into();
        let mut work = Box::pin(hasher.verify(None, &candidate));
        std::future::poll_fn(|cx| std::task::Poll::Ready(work.as_mut().poll(cx).is_pending())).await;
        drop(work);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while hasher.hashes() == before {
            assert!(std::time::Instant::now() < deadline, "the work did not go on");
            tokio::task::yield_now().await;
        }
        while matches!(hasher.verify(None, &candidate).await, Err(IdentityError::TooManyRequests { .. })) {
            assert!(std::time::Instant::now() < deadline, "the place was not given back");
            tokio::task::yield_now().await;
        }
    }
}
