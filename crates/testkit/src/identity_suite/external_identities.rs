//! Identities at other providers, and the codes of sign-ins.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use gristmill_domain::{
    UserId,
    identity::{
        AccountChange, ClientBinding, DisplayName, EmailChange, ExternalIdentity, ExternalProfile, IdentityLink, IdentityUnlink,
        LinkedIdentity, NewSignInCode, OneTimePurpose, Provider, ProviderSubject, SignInCode,
    },
    ports::StoreError,
    users::Email,
};

use super::{IdentityStores, Person, at, new_session, new_user, phc, race, random_email, random_hash};

fn random_identity() -> Result<ExternalIdentity> {
    let subject = format!("{}", rand::random::<u128>());
    Ok(ExternalIdentity { provider: Provider::Google, subject: ProviderSubject::parse(&subject)? })
}

/// A code from the beginning on, for a minute.
fn new_code() -> Result<NewSignInCode> {
    let profile =
        ExternalProfile { identity: random_identity()?, email: random_email()?, name: DisplayName::parse("Ada Lovelace")? };
    let client = ClientBinding::new(rand::random());
    Ok(NewSignInCode { code_hash: random_hash(), client, profile, created_at: at(0), expires_at: at(60) })
}

async fn owner(stores: &IdentityStores, identity: &ExternalIdentity) -> Result<Option<UserId>> {
    let account = stores.external_identities.find_account_by_identity(identity).await?;
    Ok(account.map(|account| account.user.id))
}

async fn link(stores: &IdentityStores, person: &Person, identity: &ExternalIdentity) -> Result<IdentityLink> {
    Ok(stores.external_identities.link_identity(person.id, identity.clone(), at(1)).await?)
}

async fn listed(stores: &IdentityStores, user: UserId) -> Result<Vec<LinkedIdentity>> {
    Ok(stores.external_identities.list_identities(user).await?)
}

async fn unlink(stores: &IdentityStores, user: UserId) -> Result<IdentityUnlink> {
    Ok(stores.external_identities.unlink_identities(user, Provider::Google).await?)
}

/// What is listed of an identity that was linked then.
fn linked(seconds: i64) -> LinkedIdentity {
    LinkedIdentity { provider: Provider::Google, linked_at: at(seconds), made_account: false }
}

/// Makes an account of an identity; nothing when something is taken.
async fn make(stores: &IdentityStores, email: &Email, identity: &ExternalIdentity) -> Result<Option<UserId>> {
    let user = new_user(email)?;
    let session = new_session(user.id, at(0));
    let (id, session_id) = (user.id, session.id);
    match stores.external_identities.create_account_of_identity(user, session, identity.clone()).await {
        Ok(made) => {
            assert_eq!((made.id, made.email.as_str(), made.last_login_at), (id, email.as_str(), None));
            ensure!(stores.lives(session_id, id).await?);
            Ok(Some(id))
        }
        Err(StoreError::Conflict(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn takes_a_code_once_until_it_expires(stores: &mut IdentityStores) -> Result<()> {
    let (code, other) = (new_code()?, new_code()?);
    for code in [&code, &other] {
        stores.external_identities.issue_sign_in_code(NewSignInCode::clone(code)).await?;
    }
    let take = async |hash, seconds| stores.external_identities.take_sign_in_code(hash, at(seconds)).await;
    assert_eq!(take(random_hash(), 1).await?, None);
    assert_eq!(take(code.code_hash, 60).await?, None, "expired");
    let expected = SignInCode { client: code.client, profile: code.profile.clone() };
    assert_eq!(take(code.code_hash, 59).await?, Some(expected));
    assert_eq!(take(code.code_hash, 59).await?, None, "used");
    ensure!(take(other.code_hash, 59).await?.is_some(), "another's");
    Ok(())
}

pub(super) async fn gives_a_code_to_one_of_many(stores: &mut IdentityStores) -> Result<()> {
    let code = new_code()?;
    let hash = code.code_hash;
    stores.external_identities.issue_sign_in_code(code).await?;
    let taken = race(20, |_| {
        let identities = Arc::clone(&stores.external_identities);
        async move { identities.take_sign_in_code(hash, at(1)).await }
    })
    .await?;
    let taken: Vec<Option<SignInCode>> = taken.into_iter().collect::<Result<_, _>>()?;
    assert_eq!(taken.iter().flatten().count(), 1);
    Ok(())
}

pub(super) async fn forgets_codes_that_expired(stores: &mut IdentityStores) -> Result<()> {
    let code = new_code()?;
    let hash = code.code_hash;
    stores.external_identities.issue_sign_in_code(code).await?;
    assert_eq!(stores.accounts.prune(at(59), Duration::ZERO).await?, 0);
    assert_eq!(stores.accounts.prune(at(60), Duration::ZERO).await?, 1);
    assert_eq!(stores.external_identities.take_sign_in_code(hash, at(1)).await?, None);
    Ok(())
}

pub(super) async fn makes_an_account_of_an_identity(stores: &mut IdentityStores) -> Result<()> {
    let (email, identity) = (random_email()?, random_identity()?);
    assert_eq!(owner(stores, &identity).await?, None);
    let id = make(stores, &email, &identity).await?.context("made")?;
    assert_eq!(owner(stores, &identity).await?, Some(id));
    let by_email = stores.accounts.find_account_by_email(&email).await?.context("found")?;
    let by_identity = stores.external_identities.find_account_by_identity(&identity).await?.context("found")?;
    assert_eq!(by_identity.user, by_email.user);
    assert_eq!(by_identity.password_hash.expose(), by_email.password_hash.expose());
    Ok(())
}

pub(super) async fn refuses_what_is_taken_and_keeps_nothing(stores: &mut IdentityStores) -> Result<()> {
    let (email, identity) = (random_email()?, random_identity()?);
    make(stores, &email, &identity).await?.context("made")?;
    let (free_email, free_identity) = (random_email()?, random_identity()?);
    assert_eq!(make(stores, &free_email, &identity).await?, None, "a taken identity");
    ensure!(stores.accounts.find_account_by_email(&free_email).await?.is_none());
    assert_eq!(make(stores, &email, &free_identity).await?, None, "a taken address");
    assert_eq!(owner(stores, &free_identity).await?, None);
    ensure!(make(stores, &free_email, &free_identity).await?.is_some());
    Ok(())
}

pub(super) async fn makes_one_account_of_an_identity_of_many_at_once(stores: &mut IdentityStores) -> Result<()> {
    let identity = random_identity()?;
    let made = race(20, |_| {
        let (identities, identity) = (Arc::clone(&stores.external_identities), identity.clone());
        async move {
            let user = new_user(&random_email()?)?;
            let session = new_session(user.id, at(0));
            match identities.create_account_of_identity(user, session, identity).await {
                Ok(user) => Ok(Some(user.id)),
                Err(StoreError::Conflict(_)) => Ok(None),
                Err(error) => Err(anyhow::Error::from(error)),
            }
        }
    })
    .await?;
    let made: Vec<Option<UserId>> = made.into_iter().collect::<Result<_>>()?;
    let made: Vec<UserId> = made.into_iter().flatten().collect();
    assert_eq!(made, [owner(stores, &identity).await?.context("found")?]);
    Ok(())
}

pub(super) async fn links_an_identity_to_one_account(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    let (identity, second) = (random_identity()?, random_identity()?);
    stores.announced().await?;
    assert_eq!(link(stores, &person, &identity).await?, IdentityLink::Linked);
    assert_eq!(link(stores, &person, &identity).await?, IdentityLink::Linked, "was so before");
    assert_eq!(link(stores, &other, &identity).await?, IdentityLink::Taken);
    assert_eq!(link(stores, &person, &second).await?, IdentityLink::Linked, "an account may have several");
    for identity in [&identity, &second] {
        assert_eq!(owner(stores, identity).await?, Some(person.id));
    }
    assert_eq!(stores.announced().await?, [], "no cache knows of it");
    let nobody = stores.external_identities.link_identity(UserId::random(), random_identity()?, at(1)).await;
    ensure!(matches!(nobody, Err(StoreError::NotFound)), "{nobody:?}");
    Ok(())
}

pub(super) async fn an_identity_goes_with_its_account(stores: &mut IdentityStores) -> Result<()> {
    let (gone, other) = (stores.register().await?, stores.register().await?);
    let identity = random_identity()?;
    link(stores, &gone, &identity).await?;
    stores.accounts.delete_account(gone.id).await?;
    assert_eq!(owner(stores, &identity).await?, None);
    assert_eq!(link(stores, &other, &identity).await?, IdentityLink::Linked, "it is free again");
    Ok(())
}

pub(super) async fn a_new_password_and_a_new_address_forget_identities(stores: &mut IdentityStores) -> Result<()> {
    let (reset, moved, named) = (stores.register().await?, stores.register().await?, stores.register().await?);
    let identities = [random_identity()?, random_identity()?, random_identity()?];
    for (person, identity) in [&reset, &moved, &named].into_iter().zip(&identities) {
        link(stores, person, identity).await?;
    }
    let token = stores.issue(reset.id, OneTimePurpose::ResetPassword, at(1)).await?;
    stores.one_time_tokens.reset_password(token, phc("second"), at(2)).await?;
    let email = EmailChange { email: random_email()?, verification: None };
    stores.accounts.update_account(moved.id, AccountChange { email: Some(email), ..AccountChange::default() }, at(2)).await?;
    let name = Some(DisplayName::parse("Ada")?);
    stores.accounts.update_account(named.id, AccountChange { name, ..AccountChange::default() }, at(2)).await?;
    let [of_reset, of_moved, of_named] = &identities;
    assert_eq!((owner(stores, of_reset).await?, owner(stores, of_moved).await?), (None, None));
    assert_eq!(owner(stores, of_named).await?, Some(named.id));
    Ok(())
}

pub(super) async fn lists_identities_the_oldest_link_first(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    assert_eq!(listed(stores, person.id).await?, []);
    assert_eq!(listed(stores, UserId::random()).await?, [], "nobody has none");
    let (late, early, foreign) = (random_identity()?, random_identity()?, random_identity()?);
    // The last one is linked already: nothing changes, not even since when.
    for (who, identity, seconds) in [(&person, &late, 9), (&person, &early, 5), (&other, &foreign, 7), (&person, &early, 20)] {
        let linked = stores.external_identities.link_identity(who.id, identity.clone(), at(seconds)).await?;
        assert_eq!(linked, IdentityLink::Linked);
    }
    assert_eq!(listed(stores, person.id).await?, [linked(5), linked(9)]);
    assert_eq!(listed(stores, other.id).await?, [linked(7)]);
    Ok(())
}

pub(super) async fn unlinks_all_of_the_user_s_and_nobody_else_s(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    let (first, second, foreign) = (random_identity()?, random_identity()?, random_identity()?);
    for (who, identity) in [(&person, &first), (&person, &second), (&other, &foreign)] {
        link(stores, who, identity).await?;
    }
    stores.announced().await?;
    assert_eq!(unlink(stores, person.id).await?, IdentityUnlink::Unlinked);
    assert_eq!((owner(stores, &first).await?, owner(stores, &second).await?), (None, None));
    assert_eq!(listed(stores, person.id).await?, []);
    assert_eq!(unlink(stores, person.id).await?, IdentityUnlink::NotLinked);
    assert_eq!(owner(stores, &foreign).await?, Some(other.id));
    assert_eq!(stores.announced().await?, [], "no cache knows of it");
    ensure!(stores.lives(person.session, person.id).await?, "sessions go on");
    assert_eq!(link(stores, &other, &first).await?, IdentityLink::Linked, "it is free again");
    let nobody = stores.external_identities.unlink_identities(UserId::random(), Provider::Google).await;
    ensure!(matches!(nobody, Err(StoreError::NotFound)), "{nobody:?}");
    Ok(())
}

pub(super) async fn keeps_the_only_way_into_an_account(stores: &mut IdentityStores) -> Result<()> {
    let (identity, further) = (random_identity()?, random_identity()?);
    let id = make(stores, &random_email()?, &identity).await?.context("made")?;
    let first = LinkedIdentity { made_account: true, ..linked(0) };
    assert_eq!(listed(stores, id).await?, [first]);
    assert_eq!(unlink(stores, id).await?, IdentityUnlink::LastWay);
    // To link it once more, or another of the same provider, makes no other way.
    for identity in [&identity, &further] {
        stores.external_identities.link_identity(id, identity.clone(), at(3)).await?;
        assert_eq!(unlink(stores, id).await?, IdentityUnlink::LastWay);
    }
    assert_eq!(listed(stores, id).await?, [first, linked(3)]);
    assert_eq!((owner(stores, &identity).await?, owner(stores, &further).await?), (Some(id), Some(id)));
    Ok(())
}

pub(super) async fn a_new_address_keeps_the_only_way_into_an_account(stores: &mut IdentityStores) -> Result<()> {
    let (identity, further) = (random_identity()?, random_identity()?);
    let id = make(stores, &random_email()?, &identity).await?.context("made")?;
    stores.external_identities.link_identity(id, further.clone(), at(3)).await?;
    let email = EmailChange { email: random_email()?, verification: None };
    stores.accounts.update_account(id, AccountChange { email: Some(email), ..AccountChange::default() }, at(4)).await?;
    assert_eq!(listed(stores, id).await?, [LinkedIdentity { made_account: true, ..linked(0) }]);
    assert_eq!((owner(stores, &identity).await?, owner(stores, &further).await?), (Some(id), None));
    assert_eq!(unlink(stores, id).await?, IdentityUnlink::LastWay, "still");
    Ok(())
}

pub(super) async fn unlinks_what_made_an_account_that_has_got_a_password(stores: &mut IdentityStores) -> Result<()> {
    let identity = random_identity()?;
    let id = make(stores, &random_email()?, &identity).await?.context("made")?;
    let token = stores.issue(id, OneTimePurpose::ResetPassword, at(1)).await?;
    stores.one_time_tokens.reset_password(token, phc("second"), at(2)).await?;
    assert_eq!(unlink(stores, id).await?, IdentityUnlink::NotLinked);
    stores.external_identities.link_identity(id, identity.clone(), at(3)).await?;
    assert_eq!(listed(stores, id).await?, [linked(3)], "it is a link like any other now");
    assert_eq!(unlink(stores, id).await?, IdentityUnlink::Unlinked);
    assert_eq!(owner(stores, &identity).await?, None);
    Ok(())
}

pub(super) async fn unlinks_once_of_many_at_once(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    link(stores, &person, &random_identity()?).await?;
    let outcomes = race(20, |_| {
        let (identities, user) = (Arc::clone(&stores.external_identities), person.id);
        async move { identities.unlink_identities(user, Provider::Google).await }
    })
    .await?;
    let outcomes: Vec<IdentityUnlink> = outcomes.into_iter().collect::<Result<_, _>>()?;
    let count = |expected: IdentityUnlink| outcomes.iter().filter(|outcome| **outcome == expected).count();
    assert_eq!((count(IdentityUnlink::Unlinked), count(IdentityUnlink::NotLinked)), (1, 19));
    Ok(())
}
