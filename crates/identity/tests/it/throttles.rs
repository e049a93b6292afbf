//! How often things may happen.

use std::sync::Arc;

use gristmill_domain::{ErrorCode, identity::ClientInfo};
use gristmill_identity::IdentityError;

use crate::support::{PASSWORD, World, assert_code, browser, client, login, registration};

fn retry_after<T: std::fmt::Debug>(result: Result<T, IdentityError>) -> Option<u64> {
    result.unwrap_err().retry_after()
}

#[tokio::test]
async fn ten_wrong_passwords_lock_an_account_for_the_rest_of_15_minutes() {
    let world = World::new();
    world.register("ada@example.org").await;
    for _ in 0..10 {
        assert_code(world.login("ada@example.org", "wrong one").await, ErrorCode::InvalidCredentials);
        world.clock.advance(6);
    }
    let (locked, hashes, _) = world.work_of(world.login("ada@example.org", PASSWORD)).await;
    assert_eq!((retry_after(locked), hashes), (Some(840), 0), "the right password does not help, and costs nothing");
    let elsewhere = world.identity.accounts.login(login("ada@example.org", PASSWORD), client("198.51.100.7", "x")).await;
    assert_code(elsewhere, ErrorCode::TooManyRequests);
    world.clock.advance(839);
    assert_eq!(retry_after(world.login("ADA@example.org", PASSWORD).await), Some(1));
    world.clock.advance(1);
    assert!(world.login("ada@example.org", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn addresses_without_account_are_locked_alike() {
    let world = World::new();
    world.register("ada@example.org").await;
    for address in ["ada@example.org", "nobody@example.org"] {
        let answers = async {
            let mut answers = Vec::new();
            for _ in 0..12 {
                answers.push(world.login(address, "wrong one").await.unwrap_err().to_string());
            }
            answers
        };
        let answers = answers.await;
        assert_eq!(answers.iter().filter(|text| text.contains("wrong")).count(), 10);
        assert_eq!(answers[11], "too many requests: try again in 900 s");
    }
}

#[tokio::test]
async fn success_clears_the_count() {
    let world = World::new();
    world.register("ada@example.org").await;
    for _ in 0..3 {
        for _ in 0..9 {
            assert_code(world.login("ada@example.org", "wrong one").await, ErrorCode::InvalidCredentials);
        }
        assert!(world.login("ada@example.org", PASSWORD).await.is_ok());
        world.clock.advance(60);
    }
}

#[tokio::test]
async fn one_account_being_locked_does_not_lock_another() {
    let world = World::new();
    world.register("ada@example.org").await;
    world.register("eve@example.org").await;
    for _ in 0..10 {
        world.login("ada@example.org", "wrong one").await.unwrap_err();
    }
    assert_code(world.login("ada@example.org", PASSWORD).await, ErrorCode::TooManyRequests);
    assert!(world.login("eve@example.org", PASSWORD).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guesses_at_once_learn_no_more_than_ten_do() {
    let world = Arc::new(World::new());
    world.register("ada@example.org").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let world = Arc::clone(&world);
        tasks.spawn(async move { world.login("ada@example.org", "wrong one").await.unwrap_err().code() });
    }
    let codes = tasks.join_all().await;
    assert_eq!(codes.iter().filter(|code| **code == ErrorCode::InvalidCredentials).count(), 10);
    assert_eq!(codes.iter().filter(|code| **code == ErrorCode::TooManyRequests).count(), 40);
}

#[tokio::test]
async fn sixty_logins_a_minute_from_one_network() {
    let world = World::new();
    world.register("ada@example.org").await;
    for _ in 0..60 {
        assert!(world.login("ada@example.org", PASSWORD).await.is_ok());
    }
    assert_eq!(retry_after(world.login("ada@example.org", PASSWORD).await), Some(60));
    let elsewhere = client("198.51.100.7", "x");
    assert!(world.identity.accounts.login(login("ada@example.org", PASSWORD), elsewhere).await.is_ok());
    world.clock.advance(60);
    assert!(world.login("ada@example.org", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn thirty_registrations_a_minute_from_one_network_and_refused_ones_cost_no_hash() {
    let world = World::new();
    let register = |n: u32, from: ClientInfo| {
        let email = format!("user{n}@example.org");
        let accounts = &world.identity.accounts;
        async move { accounts.register(registration(&email), from).await }
    };
    for n in 0..30 {
        // Addresses of one IPv6 network count together.
        register(n, client(&format!("2001:db8::{n:x}"), "x")).await.unwrap();
    }
    let (refused, hashes, _) = world.work_of(register(30, client("2001:db8::ffff", "x"))).await;
    assert_eq!(hashes, 0);
    assert_eq!(retry_after(refused), Some(60));
    assert!(register(31, client("2001:db8:0:1::1", "x")).await.is_ok());
    assert!(register(32, browser()).await.is_ok());
}

#[tokio::test]
async fn processes_count_together() {
    let world = World::new();
    world.register("ada@example.org").await;
    let other = world.another_process();
    for n in 0..10 {
        let accounts = if n % 2 == 0 { &world.identity.accounts } else { &other.accounts };
        accounts.login(login("ada@example.org", "wrong one"), browser()).await.unwrap_err();
    }
    let locked = other.accounts.login(login("ada@example.org", PASSWORD), browser()).await;
    assert_code(locked, ErrorCode::TooManyRequests);
}

#[tokio::test]
async fn neither_addresses_nor_emails_are_stored_by_throttles() {
    let world = World::new();
    world.login("nobody@example.org", "wrong one").await.unwrap_err();
    let stored = format!("{:?}", world.store);
    assert!(stored.contains("ThrottleKey"), "{stored}");
    assert!(!stored.contains("nobody") && !stored.contains("192.0.2.1"), "{stored}");
}

#[tokio::test]
async fn pruning_drops_windows_that_are_over_and_forgets_no_running_one() {
    let world = World::new();
    for _ in 0..10 {
        world.login("nobody@example.org", "wrong one").await.unwrap_err();
    }
    world.clock.advance(60);
    assert_eq!(world.identity.accounts.prune().await.unwrap(), 1, "the network's minute is over");
    assert_code(world.login("nobody@example.org", "wrong one").await, ErrorCode::TooManyRequests);
    world.clock.advance(15 * 60);
    assert_eq!(world.identity.accounts.prune().await.unwrap(), 2);
}
