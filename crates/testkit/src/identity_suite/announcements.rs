//! What other servers are told, over a whole life; each method's own announcement is checked with the method.

use anyhow::Result;
use gristmill_domain::{
    identity::{AccountChange, DisplayName, IdentityChange, OneTimePurpose, TokenCreation},
    ports::StoreError,
};

use super::{IdentityStores, at, new_personal_token, new_session, new_user, phc};

pub(super) async fn announces_what_ends_and_what_changes(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let (second, token) = stores.log_in(&person, at(1)).await?;
    let personal = new_personal_token(person.id, at(1))?;
    let id = personal.id;
    stores.personal_tokens.create_token(personal, 50).await?;
    assert_eq!(stores.announced().await?, [], "what begins needs no announcement");

    let change = AccountChange { name: Some(DisplayName::parse("Grace")?), ..AccountChange::default() };
    stores.accounts.update_account(person.id, change, at(2)).await?;
    stores.personal_tokens.revoke_token(person.id, id).await?;
    stores.sessions.end_sessions(person.id, None, Some(token), at(3)).await?;
    let reset = stores.issue(person.id, OneTimePurpose::ResetPassword, at(3)).await?;
    stores.one_time_tokens.reset_password(reset, phc("second"), at(4)).await?;
    stores.sessions.revoke_all_sessions(person.id, at(5)).await?;
    stores.accounts.delete_account(person.id).await?;
    let user = IdentityChange::User(person.id);
    let expected = [user, IdentityChange::Token(id), IdentityChange::Session(second), user, user, user];
    assert_eq!(stores.announced().await?, expected, "in the order of the changes");
    Ok(())
}

pub(super) async fn announces_nothing_when_nothing_changes(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let successor = stores.rotate(person.token, at(1)).await?;
    let second = new_user(&person.email)?;
    let session = new_session(second.id, at(1));
    let refused = stores.accounts.create_account(second, session, None).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    let token = new_personal_token(person.id, at(1))?;
    let refused = stores.personal_tokens.create_token(token, 0).await?;
    assert_eq!(refused, TokenCreation::LimitReached);
    stores.sessions.find_session_access(person.session, person.id).await?;
    stores.sessions.list_sessions(person.id, Some(successor), at(1)).await?;
    stores.accounts.find_account(person.id).await?;
    stores.accounts.prune(at(2), std::time::Duration::ZERO).await?;
    assert_eq!(stores.announced().await?, []);
    Ok(())
}
