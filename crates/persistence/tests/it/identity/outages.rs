//! A database that is away, that refuses, or that holds what nobody wrote.

use std::time::Duration;

use gristmill_domain::{
    TokenId, UserId,
    identity::{
        AccountStore, DisplayName, NewPersonalToken, OneTimePurpose, OneTimeTokenStore, PersonalTokenStore, Scopes, SessionStore,
        ThrottleKey, ThrottleRule, ThrottleStore, TokenPrefix,
    },
    ports::StoreError,
};
use gristmill_persistence::{Database, DatabaseOptions, repo::identity::Identity};
use gristmill_testkit::pg::TestDatabase;

use super::{at, connect, hash, new_session, password, register};

fn is_unavailable<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Unavailable(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_port_says_that_the_database_is_away_and_recovers() {
    let database = TestDatabase::create().await.unwrap();
    let mut options = DatabaseOptions::new(database.url().clone());
    options.acquire_timeout = Duration::from_millis(300);
    let identity = Identity::new(Database::connect(&options).await.unwrap());
    let (user, session) = register(&identity, 1).await;
    let (key, rule) = (ThrottleKey::new([1; 32]), ThrottleRule::new(9, 60));
    let prefix = TokenPrefix::parse("abcdefgh").unwrap();

    database.refuse_connections().await.unwrap();
    assert!(is_unavailable(&identity.find_account(user).await));
    assert!(is_unavailable(&identity.find_session_access(session, user).await));
    assert!(is_unavailable(&identity.open_session(new_session(user, hash(2)), &password()).await));
    assert!(is_unavailable(&identity.find_one_time_token(hash(3), OneTimePurpose::ResetPassword, at(1)).await));
    assert!(is_unavailable(&identity.find_token(&prefix).await));
    assert!(is_unavailable(&identity.hit(key, rule, at(1)).await));
    assert!(is_unavailable(&identity.forgive(key, rule, at(1)).await));
    assert!(is_unavailable(&identity.prune(at(1), Duration::ZERO).await));

    database.allow_connections().await.unwrap();
    assert_eq!(identity.find_account(user).await.unwrap().unwrap().user.id, user);
    identity.hit(key, rule, at(1)).await.unwrap();
}

/// Ids and hashes are random, so a second one of a kind is a defect of the caller. It may not pass for a taken
/// address.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_id_or_hash_is_a_defect_and_changes_nothing() {
    let database = TestDatabase::create().await.unwrap();
    let identity = Identity::new(connect(&database).await);
    let (user, _) = register(&identity, 1).await;
    let repeated = new_session(user, hash(1));
    let outcome = identity.open_session(repeated.clone(), &password()).await;
    assert!(matches!(outcome, Err(StoreError::Defect(_))), "{outcome:?}");
    assert_eq!(identity.list_sessions(user, None, at(1)).await.unwrap().len(), 1);
    assert_eq!(identity.find_account(user).await.unwrap().unwrap().user.last_login_at, None);

    let token = NewPersonalToken {
        id: TokenId::random(),
        user_id: user,
        name: DisplayName::parse("x").unwrap(),
        prefix: TokenPrefix::parse("abcdefgh").unwrap(),
        secret_hash: hash(5),
        scopes: Scopes::new([gristmill_domain::Scope::Read]).unwrap(),
        created_at: at(0),
        expires_at: at(60),
    };
    identity.create_token(token.clone(), 5).await.unwrap();
    let again = NewPersonalToken { prefix: TokenPrefix::parse("hgfedcba").unwrap(), ..token };
    let outcome = identity.create_token(again, 5).await;
    assert!(matches!(outcome, Err(StoreError::Defect(_))), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_this_version_does_not_know_is_a_defect() {
    let database = TestDatabase::create().await.unwrap();
    let identity = Identity::new(connect(&database).await);
    let (user, session) = register(&identity, 1).await;
    let client = database.client().await.unwrap();
    let sql = "alter table users drop constraint users_role_check; update users set role = 'emperor'";
    client.batch_execute(sql).await.unwrap();
    let outcome = identity.find_account(user).await;
    assert!(matches!(&outcome, Err(StoreError::Defect(error)) if error.to_string().contains("users.role")), "{outcome:?}");
    let outcome = identity.find_session_access(session, user).await;
    assert!(matches!(outcome, Err(StoreError::Defect(_))), "{outcome:?}");
    assert!(identity.find_account(UserId::random()).await.unwrap().is_none());
}
