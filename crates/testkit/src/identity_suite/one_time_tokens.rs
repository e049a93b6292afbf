//! Links that are mailed.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use gristmill_domain::{
    UserId,
    identity::{IdentityChange, OneTimePurpose, RotateOutcome, TokenHash},
    ports::StoreError,
    users::User,
};

use super::{HOUR_S, IdentityStores, at, new_one_time_token, new_session, new_user, phc, race, random_email, random_hash};

const RESET: OneTimePurpose = OneTimePurpose::ResetPassword;
const VERIFY: OneTimePurpose = OneTimePurpose::VerifyEmail;

async fn find(stores: &IdentityStores, hash: TokenHash, purpose: OneTimePurpose, now: DateTime<Utc>) -> Result<Option<UserId>> {
    Ok(stores.one_time_tokens.find_one_time_token(hash, purpose, now).await?)
}

async fn user(stores: &IdentityStores, id: UserId) -> Result<User> {
    Ok(stores.accounts.find_account(id).await?.context("found")?.user)
}

/// A user whose address is not verified, without a link.
async fn unverified(stores: &IdentityStores) -> Result<UserId> {
    let mut user = new_user(&random_email()?)?;
    user.email_verified = false;
    let session = new_session(user.id, at(0));
    Ok(stores.accounts.create_account(user, session, None).await?.id)
}

pub(super) async fn finds_a_token_until_it_expires(stores: &mut IdentityStores) -> Result<()> {
    let id = stores.register().await?.id;
    let hash = stores.issue(id, RESET, at(0)).await?;
    for _ in 0..2 {
        assert_eq!(find(stores, hash, RESET, at(HOUR_S - 1)).await?, Some(id), "finding uses nothing up");
    }
    assert_eq!(find(stores, hash, RESET, at(HOUR_S)).await?, None);
    assert_eq!(find(stores, hash, VERIFY, at(1)).await?, None);
    assert_eq!(find(stores, random_hash(), RESET, at(1)).await?, None);
    Ok(())
}

pub(super) async fn a_new_token_replaces_the_one_of_its_purpose(stores: &mut IdentityStores) -> Result<()> {
    let (id, other) = (stores.register().await?.id, stores.register().await?.id);
    let first = stores.issue(id, RESET, at(0)).await?;
    let verify = stores.issue(id, VERIFY, at(0)).await?;
    let others = stores.issue(other, RESET, at(0)).await?;
    let second = stores.issue(id, RESET, at(1)).await?;
    assert_eq!(find(stores, first, RESET, at(2)).await?, None);
    assert_eq!(find(stores, second, RESET, at(2)).await?, Some(id));
    assert_eq!(find(stores, verify, VERIFY, at(2)).await?, Some(id));
    assert_eq!(find(stores, others, RESET, at(2)).await?, Some(other));
    // One that was used is replaced like any other.
    stores.one_time_tokens.reset_password(second, phc("second"), at(2)).await?;
    let third = stores.issue(id, RESET, at(3)).await?;
    assert_eq!(find(stores, second, RESET, at(3)).await?, None);
    assert_eq!(find(stores, third, RESET, at(3)).await?, Some(id));
    Ok(())
}

pub(super) async fn refuses_to_issue_to_nobody(stores: &mut IdentityStores) -> Result<()> {
    let token = new_one_time_token(UserId::random(), RESET, at(0));
    let refused = stores.one_time_tokens.issue_one_time_token(token.clone()).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    assert_eq!(find(stores, token.token_hash, RESET, at(1)).await?, None);
    Ok(())
}

pub(super) async fn keeps_one_of_many_issued_at_once(stores: &mut IdentityStores) -> Result<()> {
    let id = stores.register().await?.id;
    let issued = race(20, |_| {
        let (tokens, token) = (Arc::clone(&stores.one_time_tokens), new_one_time_token(id, RESET, at(0)));
        async move {
            let hash = token.token_hash;
            tokens.issue_one_time_token(token).await.map(|()| hash)
        }
    })
    .await?;
    let mut usable = 0;
    for hash in issued {
        usable += usize::from(find(stores, hash?, RESET, at(1)).await?.is_some());
    }
    assert_eq!(usable, 1);
    Ok(())
}

pub(super) async fn a_reset_sets_the_password_once(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    let (second, _) = stores.log_in(&person, at(0)).await?;
    let hash = stores.issue(person.id, RESET, at(0)).await?;
    let verify = stores.issue(person.id, VERIFY, at(0)).await?;
    let before = user(stores, person.id).await?;
    stores.announced().await?;
    assert_eq!(stores.one_time_tokens.reset_password(hash, phc("second"), at(5)).await?, Some(person.id));
    assert_eq!(stores.announced().await?, [IdentityChange::User(person.id)]);
    assert_eq!(stores.password_of(person.id).await?, phc("second").expose());
    assert_eq!(user(stores, person.id).await?, User { updated_at: at(5), ..before });
    for session in [person.session, second] {
        ensure!(!stores.lives(session, person.id).await?);
    }
    assert_eq!(stores.outcome(person.token, at(6)).await?, RotateOutcome::Revoked);
    assert_eq!(find(stores, verify, VERIFY, at(6)).await?, Some(person.id));
    ensure!(stores.lives(other.session, other.id).await?, "another user's");
    assert_eq!(find(stores, hash, RESET, at(6)).await?, None);
    assert_eq!(stores.one_time_tokens.reset_password(hash, phc("third"), at(6)).await?, None);
    assert_eq!(stores.password_of(person.id).await?, phc("second").expose());
    Ok(())
}

pub(super) async fn a_reset_by_an_unusable_token_changes_nothing(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let hash = stores.issue(person.id, RESET, at(0)).await?;
    let verify = stores.issue(person.id, VERIFY, at(0)).await?;
    let before = user(stores, person.id).await?;
    stores.announced().await?;
    for (hash, now) in [(hash, at(HOUR_S)), (verify, at(1)), (random_hash(), at(1))] {
        assert_eq!(stores.one_time_tokens.reset_password(hash, phc("second"), now).await?, None);
    }
    assert_eq!(user(stores, person.id).await?, before);
    assert_eq!(stores.password_of(person.id).await?, phc("first").expose());
    ensure!(stores.lives(person.session, person.id).await?);
    assert_eq!(find(stores, hash, RESET, at(1)).await?, Some(person.id), "a refused use uses nothing up");
    assert_eq!(find(stores, verify, VERIFY, at(1)).await?, Some(person.id));
    assert_eq!(stores.announced().await?, []);
    Ok(())
}

pub(super) async fn resets_once_of_many_at_once(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let hash = stores.issue(person.id, RESET, at(0)).await?;
    let outcomes = race(20, |number| {
        let (tokens, replacement) = (Arc::clone(&stores.one_time_tokens), phc(&number.to_string()));
        async move {
            let used = tokens.reset_password(hash, replacement.clone(), at(1)).await?;
            anyhow::Ok(used.map(|id| (id, replacement.expose().to_owned())))
        }
    })
    .await?;
    let outcomes: Vec<_> = outcomes.into_iter().collect::<Result<_>>()?;
    let winners: Vec<_> = outcomes.into_iter().flatten().collect();
    assert_eq!(winners, [(person.id, stores.password_of(person.id).await?)]);
    Ok(())
}

pub(super) async fn verifies_an_address_once(stores: &mut IdentityStores) -> Result<()> {
    let id = unverified(stores).await?;
    let hash = stores.issue(id, VERIFY, at(0)).await?;
    let reset = stores.issue(id, RESET, at(0)).await?;
    let before = user(stores, id).await?;
    stores.announced().await?;
    assert_eq!(stores.one_time_tokens.verify_email(hash, at(5)).await?, Some(id));
    assert_eq!(stores.announced().await?, [IdentityChange::User(id)]);
    assert_eq!(user(stores, id).await?, User { email_verified: true, updated_at: at(5), ..before });
    assert_eq!(stores.sessions.list_sessions(id, None, at(6)).await?.len(), 1, "sessions live on");
    assert_eq!(find(stores, reset, RESET, at(6)).await?, Some(id));
    assert_eq!(find(stores, hash, VERIFY, at(6)).await?, None);
    assert_eq!(stores.one_time_tokens.verify_email(hash, at(6)).await?, None);
    Ok(())
}

pub(super) async fn a_verification_by_an_unusable_token_changes_nothing(stores: &mut IdentityStores) -> Result<()> {
    let id = unverified(stores).await?;
    let hash = stores.issue(id, VERIFY, at(0)).await?;
    let reset = stores.issue(id, RESET, at(0)).await?;
    let before = user(stores, id).await?;
    stores.announced().await?;
    for (hash, now) in [(hash, at(HOUR_S)), (reset, at(1)), (random_hash(), at(1))] {
        assert_eq!(stores.one_time_tokens.verify_email(hash, now).await?, None);
    }
    assert_eq!(user(stores, id).await?, before);
    assert_eq!(find(stores, hash, VERIFY, at(1)).await?, Some(id));
    assert_eq!(find(stores, reset, RESET, at(1)).await?, Some(id));
    assert_eq!(stores.announced().await?, []);
    Ok(())
}

pub(super) async fn verifies_once_of_many_at_once(stores: &mut IdentityStores) -> Result<()> {
    let id = unverified(stores).await?;
    let hash = stores.issue(id, VERIFY, at(0)).await?;
    let outcomes = race(20, |_| {
        let tokens = Arc::clone(&stores.one_time_tokens);
        async move { tokens.verify_email(hash, at(1)).await }
    })
    .await?;
    let outcomes: Vec<Option<UserId>> = outcomes.into_iter().collect::<Result<_, _>>()?;
    assert_eq!(outcomes.into_iter().flatten().collect::<Vec<_>>(), [id]);
    Ok(())
}
