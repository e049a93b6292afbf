//! Registering and logging in.

use std::sync::Arc;

use gristmill_domain::{ErrorCode, Scope, UserId, identity::NewPassword, users::UserRole};
use gristmill_identity::{IdentityError, PasswordCost, ProfileUpdate};

use crate::support::{PASSWORD, World, assert_code, browser, cheap_policy, login, no_throttles, registration};

#[tokio::test]
async fn registering_makes_a_verified_user_when_there_is_no_mail() {
    let world = World::new();
    let signed_in = world.register("Ada@Example.org").await;
    let user = &signed_in.user;
    assert_eq!((user.email.as_str(), user.name.as_str(), user.role), ("ada@example.org", "Ada", UserRole::User));
    assert!(user.email_verified);
    assert_eq!(user.last_login_at, None);
    assert_eq!(signed_in.tokens.refresh.expose().len(), 128);
    assert!(world.mail.letters().is_empty());
    let caller = world.caller(&signed_in).await;
    assert_eq!((caller.user_id, caller.scope, caller.email_verified), (user.id, Scope::Account, true));
}

#[tokio::test]
async fn registering_with_mail_makes_an_unverified_user_who_may_log_in() {
    let world = World::with_mail();
    let signed_in = world.register("ada@example.org").await;
    assert!(!signed_in.user.email_verified);
    assert!(!world.caller(&signed_in).await.email_verified);
    assert_eq!(world.mail.letters().len(), 1);
    assert!(!world.login("ada@example.org", PASSWORD).await.unwrap().user.email_verified);
}

#[tokio::test]
async fn a_failing_mail_server_does_not_undo_a_registration() {
    let world = World::with_mail();
    world.mail.break_down();
    world.register("ada@example.org").await;
    assert!(world.login("ada@example.org", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn an_address_can_be_registered_once_in_any_case_of_letters() {
    let world = World::new();
    world.register("ada@example.org").await;
    let again = world.identity.accounts.register(registration("ADA@example.ORG"), browser()).await;
    assert_code(again, ErrorCode::EmailTaken);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_registrations_of_one_address_at_once_one_succeeds() {
    let world = Arc::new(World::with_policy(no_throttles));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let world = Arc::clone(&world);
        tasks.spawn(async move { world.identity.accounts.register(registration("ada@example.org"), browser()).await });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.into_iter().filter_map(Result::err).all(|error| matches!(error, IdentityError::EmailTaken)));
}

#[tokio::test]
async fn logging_in_shows_the_previous_login_time() {
    let world = World::new();
    world.register("ada@example.org").await;
    let first = world.login("ada@example.org", PASSWORD).await.unwrap();
    assert_eq!(first.user.last_login_at, None);
    world.clock.advance(100);
    let second = world.login("ADA@example.org", PASSWORD).await.unwrap();
    let first_login = second.user.last_login_at.unwrap();
    assert_eq!(first_login, first.user.created_at);
    let me = world.identity.accounts.me(&world.caller(&second).await).await.unwrap();
    assert_eq!((me.last_login_at.unwrap() - first_login).num_seconds(), 100);
    assert_eq!(me.updated_at, me.created_at);
}

#[tokio::test]
async fn wrong_passwords_and_unknown_addresses_get_the_same_answer_for_the_same_work() {
    let world = World::new();
    world.register("ada@example.org").await;
    let (wrong, wrong_hashes, wrong_calls) = world.work_of(world.login("ada@example.org", "wrong password")).await;
    let (unknown, unknown_hashes, unknown_calls) = world.work_of(world.login("bob@example.org", "wrong password")).await;
    assert_eq!(wrong.unwrap_err().to_string(), unknown.as_ref().unwrap_err().to_string());
    assert_code(unknown, ErrorCode::InvalidCredentials);
    assert_eq!((wrong_hashes, wrong_calls), (1, 4));
    assert_eq!((unknown_hashes, unknown_calls), (wrong_hashes, wrong_calls));
}

#[tokio::test]
async fn passwords_that_nobody_can_have_are_wrong_and_cost_as_much() {
    let world = World::new();
    world.register("ada@example.org").await;
    for hopeless in ["", "\0", &"x".repeat(1025), &"x".repeat(5_000_000)] {
        for address in ["ada@example.org", "bob@example.org"] {
            let (outcome, hashes, _) = world.work_of(world.login(address, hopeless)).await;
            assert_code(outcome, ErrorCode::InvalidCredentials);
            assert_eq!(hashes, 1);
        }
    }
}

#[tokio::test]
async fn registering_a_taken_address_costs_the_same_hash() {
    let world = World::new();
    let register = || world.identity.accounts.register(registration("ada@example.org"), browser());
    let (_, free, _) = world.work_of(register()).await;
    let (taken, taken_hashes, _) = world.work_of(register()).await;
    assert_code(taken, ErrorCode::EmailTaken);
    assert_eq!((free, taken_hashes), (1, 1));
}

#[tokio::test]
async fn a_login_renews_a_hash_of_another_cost_once() {
    let world = World::new();
    world.register("ada@example.org").await;
    let mut costlier = cheap_policy();
    costlier.hashing.cost = PasswordCost { memory_kib: 16, passes: 2, lanes: 1 };
    let process = world.process_with(&world.secret, &costlier);
    let before = process.password_hashes();
    process.accounts.login(login("ada@example.org", PASSWORD), browser()).await.unwrap();
    assert_eq!(process.password_hashes() - before, 2);
    process.accounts.login(login("ada@example.org", PASSWORD), browser()).await.unwrap();
    assert_eq!(process.password_hashes() - before, 3);
}

#[tokio::test]
async fn a_login_by_a_replaced_password_fails() {
    let world = World::new();
    let signed_in = world.register("ada@example.org").await;
    let caller = world.caller(&signed_in).await;
    let update = ProfileUpdate {
        current_password: Some(PASSWORD.into()),
        new_password: Some(NewPassword::parse("battery staple").unwrap()),
        ..ProfileUpdate::default()
    };
    world.identity.accounts.update_profile(&caller, update).await.unwrap();
    assert_code(world.login("ada@example.org", PASSWORD).await, ErrorCode::InvalidCredentials);
    assert!(world.login("ada@example.org", "battery staple").await.is_ok());
}

#[tokio::test]
async fn users_left_unverified_by_a_mail_server_that_is_gone_are_not_asked_to_verify() {
    let world = World::with_mail();
    world.register("ada@example.org").await;
    let without_mail = World::with_ports(|ports| gristmill_identity::Ports {
        accounts: Arc::<gristmill_identity::memory::MemoryStore>::clone(&world.store),
        sessions: Arc::<gristmill_identity::memory::MemoryStore>::clone(&world.store),
        ..ports
    });
    let signed_in = without_mail.login("ada@example.org", PASSWORD).await.unwrap();
    assert!(signed_in.user.email_verified);
    let caller = without_mail.caller(&signed_in).await;
    assert!(caller.email_verified);
    assert!(without_mail.identity.accounts.verification_status(&caller).await.unwrap());
}

#[tokio::test]
async fn the_bypass_lets_unverified_callers_count_as_verified_but_says_the_truth_about_them() {
    let world = World::with_mail();
    let signed_in = world.register("ada@example.org").await;
    let bypassing = world.another_process().waive_verification();
    let caller = bypassing.authenticator.authenticate(signed_in.tokens.access_text()).await.unwrap();
    assert!(caller.email_verified);
    assert!(!bypassing.accounts.me(&caller).await.unwrap().email_verified);
}

#[tokio::test]
async fn ids_of_users_are_not_shared() {
    let world = World::new();
    let ids: std::collections::HashSet<UserId> =
        [world.register("a@example.org").await.user.id, world.register("b@example.org").await.user.id].into();
    assert_eq!(ids.len(), 2);
}
