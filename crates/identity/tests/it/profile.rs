//! Reading, changing and deleting one's account.

use gristmill_domain::{
    Caller, ErrorCode,
    identity::{AccountStore, DisplayName, NewPassword},
};
use gristmill_identity::{IdentityError, ProfileUpdate, SignedIn};
use secrecy::SecretString;

use crate::support::{Kind, PASSWORD, World, assert_code, browser, email};

async fn started(world: &World) -> (SignedIn, Caller) {
    let signed_in = world.register("ada@example.org").await;
    let caller = world.caller(&signed_in).await;
    (signed_in, caller)
}

fn new_email(text: &str) -> ProfileUpdate {
    ProfileUpdate { email: Some(email(text)), ..ProfileUpdate::default() }
}

fn new_password(current: Option<&str>, new: &str) -> ProfileUpdate {
    ProfileUpdate {
        current_password: current.map(SecretString::from),
        new_password: Some(NewPassword::parse(new).unwrap()),
        ..ProfileUpdate::default()
    }
}

#[tokio::test]
async fn a_new_name_shows_at_once() {
    let world = World::new();
    let (_, caller) = started(&world).await;
    world.clock.advance(5);
    let update = ProfileUpdate { name: Some(DisplayName::parse("Ada L.").unwrap()), ..ProfileUpdate::default() };
    let updated = world.identity.accounts.update_profile(&caller, update).await.unwrap().user;
    assert_eq!(updated.name, "Ada L.");
    assert_eq!((updated.updated_at - updated.created_at).num_seconds(), 5);
    assert_eq!(world.identity.accounts.me(&caller).await.unwrap(), updated);
}

#[tokio::test]
async fn an_empty_update_changes_nothing_but_answers() {
    let world = World::with_mail();
    let (signed_in, caller) = started(&world).await;
    let updated = world.identity.accounts.update_profile(&caller, ProfileUpdate::default()).await.unwrap();
    updated.deferred.await;
    assert_eq!(updated.user, signed_in.user);
    assert_eq!(world.mail.letters().len(), 1, "only registration's");
}

#[tokio::test]
async fn without_mail_a_new_address_needs_no_password_and_stays_verified() {
    let world = World::new();
    let (signed_in, caller) = started(&world).await;
    let updated = world.identity.accounts.update_profile(&caller, new_email("Ada@New.example")).await.unwrap();
    assert_eq!((updated.user.email.as_str(), updated.user.email_verified), ("ada@new.example", true));
    assert!(world.authenticate(&signed_in).await.unwrap().email_verified);
    assert!(world.login("ada@new.example", PASSWORD).await.is_ok());
    assert_code(world.login("ada@example.org", PASSWORD).await, ErrorCode::InvalidCredentials);
}

#[tokio::test]
async fn with_mail_a_new_address_must_be_verified() {
    let world = World::with_mail();
    let (signed_in, caller) = started(&world).await;
    world.identity.accounts.verify_email(world.mail.last().1.token.expose()).await.unwrap();
    let updated = world.identity.accounts.update_profile(&caller, new_email("ada@new.example")).await.unwrap();
    updated.deferred.await;
    assert!(!updated.user.email_verified);
    assert!(!world.authenticate(&signed_in).await.unwrap().email_verified, "at once");
    let (kind, letter) = world.mail.last();
    assert_eq!((kind, letter.to.as_str()), (Kind::Verification, "ada@new.example"));
    world.identity.accounts.verify_email(letter.token.expose()).await.unwrap();
    assert!(world.authenticate(&signed_in).await.unwrap().email_verified);
}

#[tokio::test]
async fn the_same_address_again_is_no_change() {
    let world = World::with_mail();
    let (_, caller) = started(&world).await;
    world.identity.accounts.verify_email(world.mail.last().1.token.expose()).await.unwrap();
    let updated = world.identity.accounts.update_profile(&caller, new_email("ADA@example.org")).await.unwrap();
    updated.deferred.await;
    assert!(updated.user.email_verified);
    assert_eq!(world.mail.letters().len(), 1);
}

#[tokio::test]
async fn links_in_the_old_mailbox_die_with_a_new_address() {
    let world = World::with_mail();
    let (_, caller) = started(&world).await;
    let old_verification = world.mail.last().1.token;
    world.identity.accounts.forgot_password(email("ada@example.org")).await.unwrap().await;
    let old_reset = world.mail.last().1.token;
    world.identity.accounts.update_profile(&caller, new_email("ada@new.example")).await.unwrap().deferred.await;
    assert_code(world.identity.accounts.verify_email(old_verification.expose()).await, ErrorCode::TokenInvalid);
    let password = NewPassword::parse("battery staple").unwrap();
    assert_code(world.identity.accounts.reset_password(old_reset.expose(), &password).await, ErrorCode::TokenInvalid);
    assert!(!world.identity.accounts.verification_status(&caller).await.unwrap());
}

#[tokio::test]
async fn a_taken_address_is_refused_and_nothing_else_is_changed() {
    let world = World::new();
    let (_, caller) = started(&world).await;
    world.register("eve@example.org").await;
    let update = ProfileUpdate {
        name: Some(DisplayName::parse("Other").unwrap()),
        email: Some(email("EVE@example.org")),
        ..new_password(Some(PASSWORD), "battery staple")
    };
    assert_code(world.identity.accounts.update_profile(&caller, update).await, ErrorCode::EmailTaken);
    let me = world.identity.accounts.me(&caller).await.unwrap();
    assert_eq!((me.name.as_str(), me.email.as_str()), ("Ada", "ada@example.org"));
    assert!(world.login("ada@example.org", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_new_password_needs_the_current_one() {
    let world = World::new();
    let (signed_in, caller) = started(&world).await;
    let accounts = &world.identity.accounts;
    for missing in [None, Some("")] {
        let outcome = accounts.update_profile(&caller, new_password(missing, "battery staple")).await;
        assert!(matches!(outcome, Err(IdentityError::CurrentPasswordRequired)), "{outcome:?}");
    }
    let wrong = accounts.update_profile(&caller, new_password(Some("wrong one"), "battery staple")).await;
    assert_code(wrong, ErrorCode::WrongPassword);
    assert!(world.authenticate(&signed_in).await.is_ok(), "a failed change ends nothing");
}

#[tokio::test]
async fn a_wrong_current_password_is_refused_with_any_change() {
    let world = World::new();
    let (_, caller) = started(&world).await;
    let update = ProfileUpdate { current_password: Some("wrong one".into()), ..new_email("ada@new.example") };
    assert_code(world.identity.accounts.update_profile(&caller, update).await, ErrorCode::WrongPassword);
    assert_eq!(world.identity.accounts.me(&caller).await.unwrap().email, "ada@example.org");
}

#[tokio::test]
async fn a_new_password_ends_all_sessions_at_once() {
    let world = World::new();
    let (first, caller) = started(&world).await;
    let second = world.login("ada@example.org", PASSWORD).await.unwrap();
    world.caller(&second).await;
    world.identity.accounts.update_profile(&caller, new_password(Some(PASSWORD), "battery staple")).await.unwrap();
    for dead in [&first, &second] {
        assert_code(world.authenticate(dead).await, ErrorCode::Unauthenticated);
        let refreshed = world.identity.accounts.refresh(dead.tokens.refresh.expose(), browser()).await;
        assert_code(refreshed, ErrorCode::Unauthenticated);
    }
    assert!(world.login("ada@example.org", "battery staple").await.is_ok());
}

#[tokio::test]
async fn guessing_the_current_password_is_throttled_like_logging_in() {
    let world = World::new();
    let (_, caller) = started(&world).await;
    let accounts = &world.identity.accounts;
    for _ in 0..5 {
        let outcome = accounts.update_profile(&caller, new_password(Some("wrong one"), "battery staple")).await;
        assert_code(outcome, ErrorCode::WrongPassword);
        assert_code(accounts.delete_account(&caller, &"wrong one".into()).await, ErrorCode::WrongPassword);
    }
    assert_code(accounts.delete_account(&caller, &PASSWORD.into()).await, ErrorCode::TooManyRequests);
    assert_code(world.login("ada@example.org", PASSWORD).await, ErrorCode::TooManyRequests);
    world.clock.advance(15 * 60);
    assert!(world.login("ada@example.org", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn deleting_the_account_needs_the_password_and_ends_everything() {
    let world = World::new();
    let (signed_in, caller) = started(&world).await;
    let accounts = &world.identity.accounts;
    assert_code(accounts.delete_account(&caller, &"wrong one".into()).await, ErrorCode::WrongPassword);
    assert!(world.authenticate(&signed_in).await.is_ok());
    accounts.delete_account(&caller, &PASSWORD.into()).await.unwrap();
    assert_code(world.authenticate(&signed_in).await, ErrorCode::Unauthenticated);
    assert_code(world.login("ada@example.org", PASSWORD).await, ErrorCode::InvalidCredentials);
    for gone in [
        accounts.me(&caller).await.err(),
        accounts.update_profile(&caller, ProfileUpdate::default()).await.err(),
        accounts.delete_account(&caller, &PASSWORD.into()).await.err(),
    ] {
        assert!(matches!(gone, Some(IdentityError::UserGone)), "{gone:?}");
    }
    world.register("ada@example.org").await;
}

#[tokio::test]
async fn an_update_for_an_account_that_vanishes_meanwhile_is_refused() {
    let world = World::new();
    let (_, caller) = started(&world).await;
    world.store.delete_account(caller.user_id).await.unwrap();
    let outcome = world.identity.accounts.update_profile(&caller, new_email("ada@new.example")).await;
    assert_code(outcome, ErrorCode::Unauthenticated);
}
