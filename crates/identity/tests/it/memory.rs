//! The in-memory store keeps to the contracts of the ports.

use std::sync::Arc;

use gristmill_domain::{
    Scope,
    identity::{DisplayName, IdentityChange, NewPassword, Scopes, TokenLifetime},
};
use gristmill_identity::{ProfileUpdate, TokenRequest, memory::MemoryStore};

use crate::{
    port_contract,
    support::{PASSWORD, World, browser, email},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn accounts() {
    port_contract::accounts(&MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_time_tokens() {
    port_contract::one_time_tokens(&MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions() {
    port_contract::sessions(&MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rotation() {
    port_contract::rotation(&MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn personal_tokens() {
    port_contract::personal_tokens(&MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn external_identities() {
    port_contract::external_identities(&MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn throttles() {
    port_contract::throttles(&MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pruning() {
    port_contract::pruning(&MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn races() {
    port_contract::races(&Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn every_change_that_caches_must_hear_of_is_announced_and_no_other() {
    let world = World::with_mail();
    let mut changes = world.store.changes();
    let signed_in = world.register("ada@example.org").await;
    let accounts = &world.identity.accounts;
    let caller = world.caller(&signed_in).await;
    let user = IdentityChange::User(caller.user_id);
    let request = TokenRequest {
        name: DisplayName::parse("ci").unwrap(),
        scopes: Scopes::new([Scope::Read]).unwrap(),
        lifetime: TokenLifetime::default(),
    };
    let token = accounts.create_token(&caller, request).await.unwrap().token.id;
    accounts.refresh(signed_in.tokens.refresh.expose(), browser()).await.unwrap();
    world.login("ada@example.org", PASSWORD).await.unwrap();
    assert!(changes.try_recv().is_err(), "nothing so far makes a cached caller outdated");

    accounts.verify_email(world.mail.last().1.token.expose()).await.unwrap();
    assert_eq!(changes.try_recv(), Ok(user));
    accounts
        .update_profile(&caller, ProfileUpdate { email: Some(email("a@example.org")), ..ProfileUpdate::default() })
        .await
        .unwrap();
    assert_eq!(changes.try_recv(), Ok(user));
    accounts.revoke_token(&caller, token).await.unwrap();
    assert_eq!(changes.try_recv(), Ok(IdentityChange::Token(token)));
    let sessions = accounts.list_sessions(&caller, None).await.unwrap();
    let other = sessions.iter().find(|session| !session.current).unwrap().id;
    accounts.revoke_session(&caller, other).await.unwrap();
    assert_eq!(changes.try_recv(), Ok(IdentityChange::Session(other)));
    let own = sessions.iter().find(|session| session.current).unwrap().id;
    world.clock.advance(11);
    accounts.refresh(signed_in.tokens.refresh.expose(), browser()).await.unwrap_err();
    assert_eq!(changes.try_recv(), Ok(IdentityChange::Session(own)), "a reused token");
    world.login("a@example.org", PASSWORD).await.unwrap();
    accounts.revoke_all_sessions(&caller).await.unwrap();
    assert_eq!(changes.try_recv(), Ok(user));
    accounts.forgot_password(email("a@example.org")).await.unwrap().await;
    let password = NewPassword::parse(PASSWORD).unwrap();
    accounts.reset_password(world.mail.last().1.token.expose(), &password).await.unwrap();
    assert_eq!(changes.try_recv(), Ok(user));
    accounts.delete_account(&caller, &PASSWORD.into()).await.unwrap();
    assert_eq!(changes.try_recv(), Ok(user));
    assert!(changes.try_recv().is_err());
}
