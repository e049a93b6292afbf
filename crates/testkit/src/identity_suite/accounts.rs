//! Making, finding, rehashing and deleting accounts.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use gristmill_domain::{
    SessionId, UserId,
    identity::{
        DisplayName, IdentityChange, NewPersonalToken, OneTimePurpose, PasswordChange, PhcString, RotateOutcome, SessionAccess,
    },
    ports::StoreError,
    users::{Email, User, UserRole},
};

use super::{
    IdentityStores, at, new_one_time_token, new_personal_token, new_session, new_user, phc, race, random_email, random_hash,
};

pub(super) async fn makes_an_account_with_session_and_verification(stores: &mut IdentityStores) -> Result<()> {
    let mut user = new_user(&Email::parse("Ada@Suite.Example")?)?;
    user.email_verified = false;
    let session = new_session(user.id, at(0));
    let link = new_one_time_token(user.id, OneTimePurpose::VerifyEmail, at(0));
    let made = stores.accounts.create_account(user.clone(), session.clone(), Some(link.clone())).await?;
    let expected = User {
        id: user.id,
        email: "ada@suite.example".to_owned(),
        name: "Ada Lovelace".to_owned(),
        role: UserRole::User,
        email_verified: false,
        created_at: at(0),
        updated_at: at(0),
        last_login_at: None,
    };
    assert_eq!(made, expected);
    for found in [stores.accounts.find_account(user.id).await?, stores.accounts.find_account_by_email(&user.email).await?] {
        let found = found.context("found")?;
        assert_eq!((found.user, found.password_hash.expose()), (expected.clone(), phc("first").expose()));
    }
    let access = stores.sessions.find_session_access(session.id, user.id).await?;
    assert_eq!(access, SessionAccess::Active { user: expected, expires_at: session.expires_at });
    let found = stores.one_time_tokens.find_one_time_token(link.token_hash, OneTimePurpose::VerifyEmail, at(1)).await?;
    assert_eq!(found, Some(user.id));
    stores.rotate(session.token_hash, at(1)).await?;
    Ok(())
}

pub(super) async fn makes_an_account_without_verification(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let account = stores.accounts.find_account(person.id).await?.context("found")?;
    assert!(account.user.email_verified);
    assert_eq!(account.user.last_login_at, None);
    assert_eq!(stores.sessions.list_sessions(person.id, None, at(1)).await?.len(), 1);
    Ok(())
}

pub(super) async fn refuses_a_taken_address_and_keeps_nothing(stores: &mut IdentityStores) -> Result<()> {
    let first = stores.register().await?;
    let user = new_user(&first.email)?;
    let session = new_session(user.id, at(0));
    let link = new_one_time_token(user.id, OneTimePurpose::VerifyEmail, at(0));
    let refused = stores.accounts.create_account(user.clone(), session.clone(), Some(link.clone())).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    ensure!(stores.accounts.find_account(user.id).await?.is_none());
    assert_eq!(stores.sessions.find_session_access(session.id, user.id).await?, SessionAccess::UserGone);
    assert_eq!(stores.outcome(session.token_hash, at(1)).await?, RotateOutcome::Unknown);
    let found = stores.one_time_tokens.find_one_time_token(link.token_hash, OneTimePurpose::VerifyEmail, at(1)).await?;
    assert_eq!(found, None);
    let kept = stores.accounts.find_account_by_email(&first.email).await?.context("found")?;
    assert_eq!(kept.user.id, first.id);
    Ok(())
}

pub(super) async fn makes_one_account_of_many_at_once(stores: &mut IdentityStores) -> Result<()> {
    let email = random_email()?;
    let outcomes = race(20, |_| {
        let (accounts, user) = (Arc::clone(&stores.accounts), new_user(&email));
        async move {
            let user = user?;
            let session = new_session(user.id, at(0));
            match accounts.create_account(user, session, None).await {
                Ok(user) => Ok(Some(user.id)),
                Err(StoreError::Conflict(_)) => Ok(None),
                Err(error) => Err(anyhow::Error::from(error)),
            }
        }
    })
    .await?;
    let outcomes: Vec<Option<UserId>> = outcomes.into_iter().collect::<Result<_>>()?;
    let made: Vec<UserId> = outcomes.into_iter().flatten().collect();
    let stored = stores.accounts.find_account_by_email(&email).await?.context("found")?;
    assert_eq!(made, [stored.user.id]);
    Ok(())
}

pub(super) async fn finds_nobody_where_nobody_is(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    ensure!(stores.accounts.find_account(UserId::random()).await?.is_none());
    ensure!(stores.accounts.find_account(UserId(person.session.0)).await?.is_none(), "an id of another kind");
    ensure!(stores.accounts.find_account_by_email(&random_email()?).await?.is_none());
    Ok(())
}

/// Texts that a table may stumble over: letters whose lower case is disputed, long ones, quotes, and hashes with a
/// NUL, which PostgreSQL cannot even compare with.
pub(super) async fn keeps_any_text_that_the_types_allow(stores: &mut IdentityStores) -> Result<()> {
    let long = format!("{}@{}.example", "ü".repeat(32), "é".repeat(31));
    for address in ["İ@suite.example", "ǅ@suite.example", "ΑΣ@suite.example", "ẞ'--@suite.example", "Ა@suite.example", &long]
    {
        let mut user = new_user(&Email::parse(address)?)?;
        user.name = DisplayName::parse("Robert'); drop table users;-- \u{1F4A5}\u{202E}\u{FFFF}")?;
        let session = new_session(user.id, at(0));
        let made = stores.accounts.create_account(user.clone(), session, None).await.context(address.to_owned())?;
        let found = stores.accounts.find_account_by_email(&user.email).await?.context("found")?;
        assert_eq!((found.user.email.as_str(), found.user.name.as_str()), (user.email.as_str(), user.name.as_str()));
        assert_eq!(found.user, made);
    }
    let person = stores.register().await?;
    let nul = PhcString::from("a\0b".to_owned());
    ensure!(!stores.sessions.open_session(new_session(person.id, at(1)), &nul).await?);
    let change = PasswordChange { expected: nul, replacement: phc("second") };
    ensure!(!stores.accounts.rehash_password(person.id, change).await?);
    Ok(())
}

pub(super) async fn deletes_everything_of_a_user_and_nothing_else(stores: &mut IdentityStores) -> Result<()> {
    let (gone, other) = (stores.register().await?, stores.register().await?);
    let successor = stores.rotate(gone.token, at(1)).await?;
    let reset = stores.issue(gone.id, OneTimePurpose::ResetPassword, at(1)).await?;
    let others_reset = stores.issue(other.id, OneTimePurpose::ResetPassword, at(1)).await?;
    let (token, others_token) = (new_personal_token(gone.id, at(1))?, new_personal_token(other.id, at(1))?);
    for token in [&token, &others_token] {
        stores.personal_tokens.create_token(NewPersonalToken::clone(token), 50).await?;
    }
    stores.announced().await?;

    stores.accounts.delete_account(gone.id).await?;
    assert_eq!(stores.announced().await?, [IdentityChange::User(gone.id)]);
    ensure!(stores.accounts.find_account(gone.id).await?.is_none());
    ensure!(stores.accounts.find_account_by_email(&gone.email).await?.is_none());
    assert_eq!(stores.sessions.find_session_access(gone.session, gone.id).await?, SessionAccess::UserGone);
    assert_eq!(stores.sessions.list_sessions(gone.id, None, at(2)).await?, []);
    for token in [gone.token, successor] {
        let outcome = stores.outcome(token, at(2)).await?;
        ensure!(matches!(outcome, RotateOutcome::Unknown | RotateOutcome::UserGone), "{outcome:?}");
    }
    assert_eq!(stores.one_time_tokens.find_one_time_token(reset, OneTimePurpose::ResetPassword, at(2)).await?, None);
    assert_eq!(stores.personal_tokens.find_token(&token.prefix).await?, None);
    assert_eq!(stores.personal_tokens.list_tokens(gone.id).await?, []);

    ensure!(stores.lives(other.session, other.id).await?);
    let found = stores.one_time_tokens.find_one_time_token(others_reset, OneTimePurpose::ResetPassword, at(2)).await?;
    assert_eq!(found, Some(other.id));
    ensure!(stores.personal_tokens.find_token(&others_token.prefix).await?.is_some());
    let again = new_user(&gone.email)?;
    let session = new_session(again.id, at(3));
    stores.accounts.create_account(again, session, None).await.context("the address is free again")?;
    Ok(())
}

pub(super) async fn refuses_to_delete_twice(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    stores.accounts.delete_account(person.id).await?;
    stores.announced().await?;
    for id in [person.id, UserId::random()] {
        let refused = stores.accounts.delete_account(id).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    }
    assert_eq!(stores.announced().await?, []);
    Ok(())
}

pub(super) async fn deletes_once_of_many_at_once(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let outcomes = race(10, |_| {
        let (accounts, id) = (Arc::clone(&stores.accounts), person.id);
        async move { accounts.delete_account(id).await }
    })
    .await?;
    let deleted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let not_found = outcomes.iter().filter(|outcome| matches!(outcome, Err(StoreError::NotFound))).count();
    assert_eq!((deleted, not_found), (1, 9), "{outcomes:?}");
    Ok(())
}

pub(super) async fn replaces_a_hash_only_if_it_is_the_expected_one(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let before = stores.accounts.find_account(person.id).await?.context("found")?.user;
    stores.announced().await?;
    let rehash = async |id: UserId, expected: &str| {
        let change = PasswordChange { expected: phc(expected), replacement: phc("costlier") };
        stores.accounts.rehash_password(id, change).await
    };
    assert!(!rehash(person.id, "another").await?);
    assert_eq!(stores.password_of(person.id).await?, phc("first").expose());
    assert!(rehash(person.id, "first").await?);
    assert_eq!(stores.password_of(person.id).await?, phc("costlier").expose());
    assert!(!rehash(person.id, "first").await?);
    assert!(!rehash(UserId::random(), "first").await?);
    assert_eq!(stores.accounts.find_account(person.id).await?.context("found")?.user, before, "nothing else changed");
    ensure!(stores.lives(person.session, person.id).await?);
    assert_eq!(stores.announced().await?, []);
    Ok(())
}

pub(super) async fn rehashes_once_of_many_at_once(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let outcomes = race(10, |number| {
        let (accounts, id) = (Arc::clone(&stores.accounts), person.id);
        let change = PasswordChange { expected: phc("first"), replacement: phc(&format!("costlier {number}")) };
        async move { accounts.rehash_password(id, change).await }
    })
    .await?;
    let outcomes: Vec<bool> = outcomes.into_iter().collect::<Result<_, _>>()?;
    assert_eq!(outcomes.iter().filter(|done| **done).count(), 1);
    // A session id and a refresh token that were never stored belong to nobody.
    ensure!(!stores.lives(SessionId::random(), person.id).await?);
    assert_eq!(stores.outcome(random_hash(), at(1)).await?, RotateOutcome::Unknown);
    Ok(())
}
