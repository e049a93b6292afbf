//! Links by mail.

use std::sync::Arc;

use gristmill_domain::{ErrorCode, identity::NewPassword};
use gristmill_identity::{IdentityError, OneTimeToken};

use crate::support::{Kind, PASSWORD, World, assert_code, browser, email, no_throttles};

const NEW: &str = "battery staple";

fn new_password() -> NewPassword {
    NewPassword::parse(NEW).unwrap()
}

/// Asks for a reset link and takes it from the mailbox.
async fn reset_token(world: &World) -> OneTimeToken {
    world.identity.accounts.forgot_password(email("ada@example.org")).await.unwrap().await;
    let (kind, letter) = world.mail.last();
    assert_eq!((kind, letter.to.as_str(), letter.name.as_str()), (Kind::Reset, "ada@example.org", "Ada"));
    letter.token
}

#[tokio::test]
async fn a_reset_link_sets_the_password_once_and_ends_all_sessions() {
    let world = World::with_mail();
    let signed_in = world.register("ada@example.org").await;
    world.caller(&signed_in).await;
    let token = reset_token(&world).await;
    world.identity.accounts.reset_password(token.expose(), &new_password()).await.unwrap();
    assert_code(world.authenticate(&signed_in).await, ErrorCode::Unauthenticated);
    let refreshed = world.identity.accounts.refresh(signed_in.tokens.refresh.expose(), browser()).await;
    assert_code(refreshed, ErrorCode::Unauthenticated);
    assert_code(world.login("ada@example.org", PASSWORD).await, ErrorCode::InvalidCredentials);
    assert!(world.login("ada@example.org", NEW).await.is_ok());
    assert_code(world.identity.accounts.reset_password(token.expose(), &new_password()).await, ErrorCode::TokenInvalid);
}

#[tokio::test]
async fn a_reset_link_lasts_an_hour() {
    for (age, works) in [(3599, true), (3600, false)] {
        let world = World::with_mail();
        world.register("ada@example.org").await;
        let token = reset_token(&world).await;
        world.clock.advance(age);
        let outcome = world.identity.accounts.reset_password(token.expose(), &new_password()).await;
        assert_eq!(outcome.is_ok(), works, "after {age} s: {outcome:?}");
    }
}

#[tokio::test]
async fn a_new_link_makes_the_older_one_useless() {
    let world = World::with_mail();
    world.register("ada@example.org").await;
    let older = reset_token(&world).await;
    world.clock.advance(60);
    let newer = reset_token(&world).await;
    assert_code(world.identity.accounts.reset_password(older.expose(), &new_password()).await, ErrorCode::TokenInvalid);
    world.identity.accounts.reset_password(newer.expose(), &new_password()).await.unwrap();
}

#[tokio::test]
async fn made_up_tokens_are_refused_and_cost_no_hash() {
    let world = World::with_mail();
    world.register("ada@example.org").await;
    let verification = world.mail.last().1.token;
    let made_up = OneTimeToken::mint();
    for bad in ["", "x", "\0", made_up.expose(), verification.expose(), &"0".repeat(5000)] {
        let (outcome, hashes, _) = world.work_of(world.identity.accounts.reset_password(bad, &new_password())).await;
        assert_code(outcome, ErrorCode::TokenInvalid);
        assert_eq!(hashes, 0);
    }
    let reset = reset_token(&world).await;
    for bad in ["", "x", made_up.expose(), reset.expose()] {
        assert_code(world.identity.accounts.verify_email(bad).await, ErrorCode::TokenInvalid);
    }
    world.identity.accounts.verify_email(verification.expose()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_uses_of_one_link_at_once_one_succeeds() {
    let world = World::with_mail();
    world.register("ada@example.org").await;
    let token = Arc::new(reset_token(&world).await);
    let world = Arc::new(world);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (world, token) = (Arc::clone(&world), Arc::clone(&token));
        tasks.spawn(async move { world.identity.accounts.reset_password(token.expose(), &new_password()).await.is_ok() });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|ok| *ok).count(), 1);
}

#[tokio::test]
async fn asking_for_a_link_tells_nothing_about_accounts() {
    let world = World::with_mail();
    world.register("ada@example.org").await;
    let forgot = |address: &'static str| world.identity.accounts.forgot_password(email(address));
    let (known, known_hashes, known_calls) = world.work_of(forgot("ada@example.org")).await;
    let (unknown, unknown_hashes, unknown_calls) = world.work_of(forgot("bob@example.org")).await;
    assert_eq!((known_hashes, known_calls), (0, 1), "the rest happens after the answer");
    assert_eq!((unknown_hashes, unknown_calls), (known_hashes, known_calls));
    unknown.unwrap().await;
    assert_eq!(world.mail.letters().len(), 1, "only registration's");
    known.unwrap().await;
    assert_eq!(world.mail.last().0, Kind::Reset);
    for address in ["ada@example.org", "bob@example.org"] {
        let again = world.identity.accounts.forgot_password(email(address)).await;
        assert!(matches!(again, Err(IdentityError::TooManyRequests { retry_after_s: 60 })), "{again:?}");
    }
}

#[tokio::test]
async fn without_mail_the_answer_is_the_same_and_nothing_is_made() {
    let world = World::new();
    world.register("ada@example.org").await;
    let (deferred, _, calls) = world.work_of(world.identity.accounts.forgot_password(email("ada@example.org"))).await;
    let ((), _, deferred_calls) = world.work_of(deferred.unwrap()).await;
    assert_eq!((calls, deferred_calls), (1, 0));
}

#[tokio::test]
async fn a_letter_that_cannot_be_sent_fails_nothing() {
    let world = World::with_mail();
    world.register("ada@example.org").await;
    world.mail.break_down();
    world.identity.accounts.forgot_password(email("ada@example.org")).await.unwrap().await;
    assert_eq!(world.mail.letters().len(), 1);
}

#[tokio::test]
async fn the_verification_link_lasts_a_day_and_works_once() {
    for (age, works) in [(86_399, true), (86_400, false)] {
        let world = World::with_mail();
        let signed_in = world.register("ada@example.org").await;
        let token = world.mail.last().1.token;
        let access = signed_in.tokens.refresh.expose();
        world.clock.advance(age);
        let outcome = world.identity.accounts.verify_email(token.expose()).await;
        assert_eq!(outcome.is_ok(), works, "after {age} s: {outcome:?}");
        let pair = world.identity.accounts.refresh(access, browser()).await.unwrap();
        let caller = world.identity.authenticator.authenticate(pair.access_text()).await.unwrap();
        assert_eq!(world.identity.accounts.verification_status(&caller).await.unwrap(), works);
        assert_code(world.identity.accounts.verify_email(token.expose()).await, ErrorCode::TokenInvalid);
    }
}

#[tokio::test]
async fn another_letter_can_be_asked_for_a_minute_after_registration() {
    let world = World::with_mail();
    let signed_in = world.register("ada@example.org").await;
    let first = world.mail.last().1.token;
    let caller = world.caller(&signed_in).await;
    let accounts = &world.identity.accounts;
    world.clock.advance(20);
    let early = accounts.resend_verification(&caller, None).await;
    assert!(matches!(early, Err(IdentityError::TooManyRequests { retry_after_s: 40 })), "{early:?}");
    world.clock.advance(40);
    accounts.resend_verification(&caller, None).await.unwrap().await;
    assert_eq!(world.mail.letters().len(), 2);
    assert_code(accounts.verify_email(first.expose()).await, ErrorCode::TokenInvalid);
    accounts.verify_email(world.mail.last().1.token.expose()).await.unwrap();
    world.clock.advance(60);
    assert_code(accounts.resend_verification(&caller, None).await, ErrorCode::EmailAlreadyVerified);
}

#[tokio::test]
async fn a_letter_can_be_asked_for_to_another_address() {
    let world = World::with_mail();
    let signed_in = world.register("typo@example.org").await;
    world.register("eve@example.org").await;
    let caller = world.caller(&signed_in).await;
    let accounts = &world.identity.accounts;
    world.clock.advance(60);
    assert_code(accounts.resend_verification(&caller, Some(email("eve@example.org"))).await, ErrorCode::EmailTaken);
    world.clock.advance(60);
    accounts.resend_verification(&caller, Some(email("Ada@example.org"))).await.unwrap().await;
    let letter = world.mail.last().1;
    assert_eq!(letter.to, "ada@example.org");
    accounts.verify_email(letter.token.expose()).await.unwrap();
    let me = accounts.me(&caller).await.unwrap();
    assert_eq!((me.email.as_str(), me.email_verified), ("ada@example.org", true));
}

#[tokio::test]
async fn without_mail_no_letter_can_be_asked_for() {
    let world = World::with_policy(no_throttles);
    let signed_in = world.register("ada@example.org").await;
    let caller = world.caller(&signed_in).await;
    assert_code(world.identity.accounts.resend_verification(&caller, None).await, ErrorCode::NotConfigured);
    assert!(world.identity.accounts.verification_status(&caller).await.unwrap());
}

#[tokio::test]
async fn a_reset_for_a_deleted_user_is_refused() {
    let world = World::with_mail();
    let signed_in = world.register("ada@example.org").await;
    let token = reset_token(&world).await;
    let caller = world.caller(&signed_in).await;
    world.identity.accounts.delete_account(&caller, &PASSWORD.into()).await.unwrap();
    assert_code(world.identity.accounts.reset_password(token.expose(), &new_password()).await, ErrorCode::TokenInvalid);
}
