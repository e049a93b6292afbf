//! Changing accounts: names, addresses, passwords.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, Utc};
use gristmill_domain::{
    UserId,
    identity::{
        AccountChange, AccountUpdate, DisplayName, EmailChange, IdentityChange, OneTimePurpose, PasswordChange, PhcString,
        RotateOutcome, TokenHash,
    },
    ports::StoreError,
    users::{Email, User},
};

use super::{IdentityStores, Person, at, new_one_time_token, new_session, new_user, phc, race, random_email};

fn name(text: &str) -> Result<AccountChange> {
    Ok(AccountChange { name: Some(DisplayName::parse(text)?), ..AccountChange::default() })
}

fn email(email: &Email) -> AccountChange {
    let change = EmailChange { email: email.clone(), verification: None };
    AccountChange { email: Some(change), ..AccountChange::default() }
}

fn password(expected: &str, replacement: &str) -> AccountChange {
    let change = PasswordChange { expected: phc(expected), replacement: phc(replacement) };
    AccountChange { password: Some(change), ..AccountChange::default() }
}

async fn updated(stores: &IdentityStores, id: UserId, change: AccountChange, now: DateTime<Utc>) -> Result<User> {
    match stores.accounts.update_account(id, change, now).await? {
        AccountUpdate::Updated(user) => {
            let stored = stores.accounts.find_account(id).await?.context("found")?;
            assert_eq!(stored.user, user, "the answer is what is stored");
            Ok(user)
        }
        other => bail!("not updated: {other:?}"),
    }
}

async fn user(stores: &IdentityStores, id: UserId) -> Result<User> {
    Ok(stores.accounts.find_account(id).await?.context("found")?.user)
}

async fn is_usable(stores: &IdentityStores, hash: TokenHash, purpose: OneTimePurpose) -> Result<bool> {
    Ok(stores.one_time_tokens.find_one_time_token(hash, purpose, at(2)).await?.is_some())
}

pub(super) async fn changes_a_name(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let before = user(stores, person.id).await?;
    stores.announced().await?;
    let after = updated(stores, person.id, name("Grace Hopper")?, at(5)).await?;
    assert_eq!(after, User { name: "Grace Hopper".to_owned(), updated_at: at(5), ..before });
    assert_eq!(stores.announced().await?, [IdentityChange::User(person.id)]);
    ensure!(stores.lives(person.session, person.id).await?);
    Ok(())
}

pub(super) async fn sets_the_time_even_when_nothing_changes(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let before = user(stores, person.id).await?;
    stores.announced().await?;
    let after = updated(stores, person.id, AccountChange::default(), at(5)).await?;
    assert_eq!(after, User { updated_at: at(5), ..before });
    assert_eq!(stores.announced().await?, [IdentityChange::User(person.id)]);
    Ok(())
}

pub(super) async fn refuses_to_change_nobody(stores: &mut IdentityStores) -> Result<()> {
    for change in [AccountChange::default(), name("X")?, email(&random_email()?), password("first", "second")] {
        let refused = stores.accounts.update_account(UserId::random(), change, at(1)).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    }
    assert_eq!(stores.announced().await?, []);
    Ok(())
}

pub(super) async fn leaves_the_stored_address_alone(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let reset = stores.issue(person.id, OneTimePurpose::ResetPassword, at(0)).await?;
    let link = new_one_time_token(person.id, OneTimePurpose::VerifyEmail, at(1));
    let change = EmailChange { email: person.email.clone(), verification: Some(link.clone()) };
    let change = AccountChange { email: Some(change), ..AccountChange::default() };
    let after = updated(stores, person.id, change, at(1)).await?;
    assert!(after.email_verified);
    assert_eq!(after.updated_at, at(1));
    ensure!(is_usable(stores, reset, OneTimePurpose::ResetPassword).await?);
    ensure!(!is_usable(stores, link.token_hash, OneTimePurpose::VerifyEmail).await?);
    Ok(())
}

pub(super) async fn a_new_address_ends_every_link_and_starts_unverified(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    let reset = stores.issue(person.id, OneTimePurpose::ResetPassword, at(0)).await?;
    let verify = stores.issue(person.id, OneTimePurpose::VerifyEmail, at(0)).await?;
    let others = stores.issue(other.id, OneTimePurpose::ResetPassword, at(0)).await?;
    stores.announced().await?;
    let link = new_one_time_token(person.id, OneTimePurpose::VerifyEmail, at(1));
    let new = random_email()?;
    let change = EmailChange { email: new.clone(), verification: Some(link.clone()) };
    let change = AccountChange { email: Some(change), ..AccountChange::default() };
    let after = updated(stores, person.id, change, at(1)).await?;
    assert_eq!((after.email.as_str(), after.email_verified), (new.as_str(), false));
    assert_eq!(stores.announced().await?, [IdentityChange::User(person.id)]);
    ensure!(!is_usable(stores, reset, OneTimePurpose::ResetPassword).await?);
    ensure!(!is_usable(stores, verify, OneTimePurpose::VerifyEmail).await?);
    ensure!(is_usable(stores, link.token_hash, OneTimePurpose::VerifyEmail).await?);
    ensure!(is_usable(stores, others, OneTimePurpose::ResetPassword).await?, "another user's");
    ensure!(stores.accounts.find_account_by_email(&person.email).await?.is_none(), "the old address leads nowhere");
    ensure!(stores.lives(person.session, person.id).await?, "a new address ends no session");
    Ok(())
}

pub(super) async fn a_new_address_without_a_link_counts_as_verified(stores: &mut IdentityStores) -> Result<()> {
    let mut unverified = new_user(&random_email()?)?;
    unverified.email_verified = false;
    let (id, session) = (unverified.id, new_session(unverified.id, at(0)));
    let link = new_one_time_token(id, OneTimePurpose::VerifyEmail, at(0));
    stores.accounts.create_account(unverified, session, Some(link.clone())).await?;
    let after = updated(stores, id, email(&random_email()?), at(1)).await?;
    assert!(after.email_verified);
    ensure!(!is_usable(stores, link.token_hash, OneTimePurpose::VerifyEmail).await?);
    Ok(())
}

/// What a refused change must not have touched.
async fn assert_untouched(stores: &mut IdentityStores, person: &Person, before: &User, reset: TokenHash) -> Result<()> {
    assert_eq!(user(stores, person.id).await?, *before);
    assert_eq!(stores.password_of(person.id).await?, person.password.expose());
    ensure!(stores.lives(person.session, person.id).await?);
    ensure!(is_usable(stores, reset, OneTimePurpose::ResetPassword).await?);
    assert_eq!(stores.announced().await?, []);
    Ok(())
}

pub(super) async fn changes_nothing_when_the_address_is_taken(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    let reset = stores.issue(person.id, OneTimePurpose::ResetPassword, at(0)).await?;
    let before = user(stores, person.id).await?;
    stores.announced().await?;
    let link = new_one_time_token(person.id, OneTimePurpose::VerifyEmail, at(1));
    let change = AccountChange {
        email: Some(EmailChange { email: other.email.clone(), verification: Some(link.clone()) }),
        ..AccountChange { name: name("X")?.name, ..password("first", "second") }
    };
    assert_eq!(stores.accounts.update_account(person.id, change, at(1)).await?, AccountUpdate::EmailTaken);
    assert_untouched(stores, &person, &before, reset).await?;
    ensure!(!is_usable(stores, link.token_hash, OneTimePurpose::VerifyEmail).await?);
    Ok(())
}

pub(super) async fn changes_nothing_when_the_password_is_another(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let reset = stores.issue(person.id, OneTimePurpose::ResetPassword, at(0)).await?;
    let before = user(stores, person.id).await?;
    stores.announced().await?;
    for expected in [phc("another"), PhcString::from("\0".to_owned()), PhcString::from(String::new())] {
        let change = AccountChange {
            name: name("X")?.name,
            email: email(&random_email()?).email,
            password: Some(PasswordChange { expected, replacement: phc("second") }),
        };
        assert_eq!(stores.accounts.update_account(person.id, change, at(1)).await?, AccountUpdate::PasswordChanged);
        assert_untouched(stores, &person, &before, reset).await?;
    }
    Ok(())
}

pub(super) async fn a_new_password_ends_sessions_and_reset_links(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    let (second, _) = stores.log_in(&person, at(0)).await?;
    let reset = stores.issue(person.id, OneTimePurpose::ResetPassword, at(0)).await?;
    let verify = stores.issue(person.id, OneTimePurpose::VerifyEmail, at(0)).await?;
    let others = stores.issue(other.id, OneTimePurpose::ResetPassword, at(0)).await?;
    stores.announced().await?;
    updated(stores, person.id, password("first", "second"), at(1)).await?;
    assert_eq!(stores.announced().await?, [IdentityChange::User(person.id)]);
    assert_eq!(stores.password_of(person.id).await?, phc("second").expose());
    for session in [person.session, second] {
        ensure!(!stores.lives(session, person.id).await?);
    }
    assert_eq!(stores.outcome(person.token, at(2)).await?, RotateOutcome::Revoked);
    ensure!(!is_usable(stores, reset, OneTimePurpose::ResetPassword).await?);
    ensure!(is_usable(stores, verify, OneTimePurpose::VerifyEmail).await?, "the address is the same");
    ensure!(is_usable(stores, others, OneTimePurpose::ResetPassword).await?, "another user's");
    ensure!(stores.lives(other.session, other.id).await?, "another user's");
    Ok(())
}

pub(super) async fn changes_all_at_once(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let reset = stores.issue(person.id, OneTimePurpose::ResetPassword, at(0)).await?;
    let link = new_one_time_token(person.id, OneTimePurpose::VerifyEmail, at(1));
    let new = random_email()?;
    let change = AccountChange {
        email: Some(EmailChange { email: new.clone(), verification: Some(link.clone()) }),
        ..AccountChange { name: name("Grace")?.name, ..password("first", "second") }
    };
    let after = updated(stores, person.id, change, at(1)).await?;
    assert_eq!((after.name.as_str(), after.email.as_str(), after.email_verified), ("Grace", new.as_str(), false));
    assert_eq!(stores.password_of(person.id).await?, phc("second").expose());
    ensure!(!stores.lives(person.session, person.id).await?);
    ensure!(!is_usable(stores, reset, OneTimePurpose::ResetPassword).await?);
    ensure!(is_usable(stores, link.token_hash, OneTimePurpose::VerifyEmail).await?);
    Ok(())
}

pub(super) async fn gives_one_address_to_one_of_many(stores: &mut IdentityStores) -> Result<()> {
    let wanted = random_email()?;
    let mut people = Vec::new();
    for _ in 0..10 {
        people.push(stores.register().await?.id);
    }
    let outcomes = race(people.len(), |number| {
        let (accounts, id, change) = (Arc::clone(&stores.accounts), people.get(number).copied(), email(&wanted));
        async move { accounts.update_account(id.context("a person")?, change, at(1)).await.map_err(anyhow::Error::from) }
    })
    .await?;
    let mut winners = Vec::new();
    for outcome in outcomes {
        match outcome? {
            AccountUpdate::Updated(user) => winners.push(user.id),
            other => assert_eq!(other, AccountUpdate::EmailTaken),
        }
    }
    let stored = stores.accounts.find_account_by_email(&wanted).await?.context("found")?;
    assert_eq!(winners, [stored.user.id]);
    Ok(())
}

pub(super) async fn users_who_want_each_others_address_do_not_wait(stores: &mut IdentityStores) -> Result<()> {
    for _ in 0..20 {
        let (one, two) = (stores.register().await?, stores.register().await?);
        let outcomes = race(2, |number| {
            let accounts = Arc::clone(&stores.accounts);
            let (person, wanted) = if number == 0 { (one.id, two.email.clone()) } else { (two.id, one.email.clone()) };
            async move { accounts.update_account(person, email(&wanted), at(1)).await }
        })
        .await?;
        for outcome in outcomes {
            assert_eq!(outcome?, AccountUpdate::EmailTaken);
        }
    }
    Ok(())
}

pub(super) async fn replaces_a_password_once_of_many_at_once(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let outcomes = race(10, |number| {
        let (accounts, id) = (Arc::clone(&stores.accounts), person.id);
        async move { accounts.update_account(id, password("first", &format!("second {number}")), at(1)).await }
    })
    .await?;
    let mut done = 0;
    for outcome in outcomes {
        match outcome? {
            AccountUpdate::Updated(_) => done += 1,
            other => assert_eq!(other, AccountUpdate::PasswordChanged),
        }
    }
    assert_eq!(done, 1);
    Ok(())
}

/// The reason why a login hands in the hash that it checked: else a session could be opened with the old password
/// just after the new one revoked them all.
pub(super) async fn a_login_does_not_outlive_its_password(stores: &mut IdentityStores) -> Result<()> {
    for _ in 0..5 {
        let person = stores.register().await?;
        let outcomes = race(12, |number| {
            let (accounts, sessions) = (Arc::clone(&stores.accounts), Arc::clone(&stores.sessions));
            let person = person.clone();
            async move {
                if number == 6 {
                    accounts.update_account(person.id, password("first", "second"), at(1)).await?;
                } else {
                    sessions.open_session(new_session(person.id, at(1)), &person.password).await?;
                }
                anyhow::Ok(())
            }
        })
        .await?;
        outcomes.into_iter().collect::<Result<Vec<()>>>()?;
        assert_eq!(stores.sessions.list_sessions(person.id, None, at(2)).await?, []);
    }
    Ok(())
}
