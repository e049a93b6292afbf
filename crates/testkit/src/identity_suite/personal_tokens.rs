//! Personal access tokens.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, Utc};
use gristmill_domain::{
    Scope, TokenId, UserId,
    identity::{
        AccountChange, DisplayName, IdentityChange, NewPersonalToken, PersonalToken, PersonalTokenAccess, Scopes, TokenCreation,
        TokenPrefix,
    },
    ports::StoreError,
};

use super::{DAY_S, IdentityStores, at, new_personal_token, race, random_prefix};

const MINUTE: Duration = Duration::from_secs(60);

async fn create(stores: &IdentityStores, token: &NewPersonalToken) -> Result<PersonalToken> {
    match stores.personal_tokens.create_token(token.clone(), 50).await? {
        TokenCreation::Created(made) => Ok(made),
        other => bail!("{other:?}"),
    }
}

async fn last_use(stores: &IdentityStores, prefix: &TokenPrefix) -> Result<Option<DateTime<Utc>>> {
    Ok(stores.personal_tokens.find_token(prefix).await?.context("found")?.token.last_used_at)
}

pub(super) async fn makes_a_token_and_finds_it(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    stores.announced().await?;
    for scopes in [vec![Scope::Read], vec![Scope::Account, Scope::Read], vec![Scope::Write, Scope::Read, Scope::Account]] {
        let mut token = new_personal_token(person.id, at(5))?;
        token.name = DisplayName::parse("nächtlicher 'Export' \u{1F4BE}")?;
        token.scopes = Scopes::new(scopes).context("scopes")?;
        let expected = PersonalToken {
            id: token.id,
            name: token.name.as_str().to_owned(),
            prefix: token.prefix.clone(),
            scopes: token.scopes.clone(),
            created_at: at(5),
            expires_at: token.expires_at,
            last_used_at: None,
        };
        assert_eq!(create(stores, &token).await?, expected);
        let user = stores.accounts.find_account(person.id).await?.context("found")?.user;
        let access = PersonalTokenAccess { token: expected, secret_hash: token.secret_hash, user };
        assert_eq!(stores.personal_tokens.find_token(&token.prefix).await?, Some(access));
    }
    assert_eq!(stores.personal_tokens.find_token(&random_prefix()?).await?, None);
    assert_eq!(stores.announced().await?, []);
    Ok(())
}

pub(super) async fn lists_newest_first_expired_ones_too(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    let mut made = Vec::new();
    for day in [1, 3, 2] {
        let mut token = new_personal_token(person.id, at(day * DAY_S))?;
        token.expires_at = at((day + 1) * DAY_S);
        made.push(create(stores, &token).await?);
    }
    create(stores, &new_personal_token(other.id, at(0))?).await?;
    made.sort_by_key(|token| std::cmp::Reverse(token.created_at));
    assert_eq!(stores.personal_tokens.list_tokens(person.id).await?, made);
    assert_eq!(stores.personal_tokens.list_tokens(UserId::random()).await?, []);
    Ok(())
}

pub(super) async fn refuses_a_token_for_nobody(stores: &mut IdentityStores) -> Result<()> {
    let token = new_personal_token(UserId::random(), at(0))?;
    for limit in [0, 50] {
        let refused = stores.personal_tokens.create_token(token.clone(), limit).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    }
    assert_eq!(stores.personal_tokens.find_token(&token.prefix).await?, None);
    Ok(())
}

pub(super) async fn expired_tokens_do_not_count(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let create = async |from: i64, until: i64| {
        let mut token = new_personal_token(person.id, at(from))?;
        token.expires_at = at(until);
        anyhow::Ok(stores.personal_tokens.create_token(token, 2).await?)
    };
    assert!(matches!(create(0, DAY_S).await?, TokenCreation::Created(_)));
    assert!(matches!(create(0, 2 * DAY_S).await?, TokenCreation::Created(_)));
    assert_eq!(create(DAY_S - 1, 9 * DAY_S).await?, TokenCreation::LimitReached);
    assert!(matches!(create(DAY_S, 9 * DAY_S).await?, TokenCreation::Created(_)), "the first expires at this instant");
    assert_eq!(create(DAY_S, 9 * DAY_S).await?, TokenCreation::LimitReached);
    Ok(())
}

pub(super) async fn refuses_beyond_the_limit(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    let token = new_personal_token(person.id, at(0))?;
    assert_eq!(stores.personal_tokens.create_token(token.clone(), 0).await?, TokenCreation::LimitReached);
    assert_eq!(stores.personal_tokens.find_token(&token.prefix).await?, None, "nothing was stored");
    let made = create(stores, &token).await?;
    let second = new_personal_token(person.id, at(0))?;
    assert_eq!(stores.personal_tokens.create_token(second, 1).await?, TokenCreation::LimitReached);
    let others = stores.personal_tokens.create_token(new_personal_token(other.id, at(0))?, 1).await?;
    assert!(matches!(others, TokenCreation::Created(_)), "another user's tokens do not count");
    assert_eq!(stores.personal_tokens.list_tokens(person.id).await?, [made]);
    Ok(())
}

pub(super) async fn holds_the_limit_at_once(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let outcomes = race(30, |_| {
        let (tokens, token) = (Arc::clone(&stores.personal_tokens), new_personal_token(person.id, at(0)));
        async move { anyhow::Ok(tokens.create_token(token?, 7).await?) }
    })
    .await?;
    let mut created = 0;
    for outcome in outcomes {
        match outcome? {
            TokenCreation::Created(_) => created += 1,
            other => assert_eq!(other, TokenCreation::LimitReached),
        }
    }
    assert_eq!((created, stores.personal_tokens.list_tokens(person.id).await?.len()), (7, 7));
    Ok(())
}

pub(super) async fn refuses_a_taken_prefix(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    let token = new_personal_token(person.id, at(0))?;
    let made = create(stores, &token).await?;
    for user in [person.id, other.id] {
        let second = NewPersonalToken { prefix: token.prefix.clone(), ..new_personal_token(user, at(1))? };
        assert_eq!(stores.personal_tokens.create_token(second, 50).await?, TokenCreation::PrefixTaken);
    }
    let found = stores.personal_tokens.find_token(&token.prefix).await?.context("found")?;
    assert_eq!((found.token, found.secret_hash), (made, token.secret_hash));
    assert_eq!(stores.personal_tokens.list_tokens(other.id).await?, []);
    Ok(())
}

pub(super) async fn gives_one_prefix_to_one_of_many(stores: &mut IdentityStores) -> Result<()> {
    let mut people = Vec::new();
    for _ in 0..10 {
        people.push(stores.register().await?.id);
    }
    let prefix = random_prefix()?;
    let outcomes = race(people.len(), |number| {
        let (tokens, user, prefix) = (Arc::clone(&stores.personal_tokens), people.get(number).copied(), prefix.clone());
        async move {
            let token = NewPersonalToken { prefix, ..new_personal_token(user.context("a person")?, at(0))? };
            anyhow::Ok(tokens.create_token(token, 50).await?)
        }
    })
    .await?;
    let mut created = 0;
    for outcome in outcomes {
        match outcome? {
            TokenCreation::Created(_) => created += 1,
            other => assert_eq!(other, TokenCreation::PrefixTaken),
        }
    }
    assert_eq!(created, 1);
    Ok(())
}

pub(super) async fn tells_prefixes_apart_by_case(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let prefix = |text| TokenPrefix::parse(text).context("a prefix");
    for text in ["abcdefgh", "ABCDEFGH", "abcdefgH"] {
        create(stores, &NewPersonalToken { prefix: prefix(text)?, ..new_personal_token(person.id, at(0))? }).await?;
    }
    let found = stores.personal_tokens.find_token(&prefix("ABCDEFGH")?).await?.context("found")?;
    assert_eq!(found.token.prefix.as_str(), "ABCDEFGH");
    assert_eq!(stores.personal_tokens.find_token(&prefix("Abcdefgh")?).await?, None);
    Ok(())
}

pub(super) async fn shows_the_owner_as_it_is_now(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let token = new_personal_token(person.id, at(0))?;
    create(stores, &token).await?;
    let change = AccountChange { name: Some(DisplayName::parse("Grace")?), ..AccountChange::default() };
    stores.accounts.update_account(person.id, change, at(3)).await?;
    let found = stores.personal_tokens.find_token(&token.prefix).await?.context("found")?;
    assert_eq!((found.user.name.as_str(), found.user.updated_at), ("Grace", at(3)));
    Ok(())
}

pub(super) async fn revokes_only_ones_own(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    let (token, kept) = (new_personal_token(person.id, at(0))?, new_personal_token(person.id, at(0))?);
    create(stores, &token).await?;
    create(stores, &kept).await?;
    stores.announced().await?;
    for (user, id) in [(other.id, token.id), (UserId::random(), token.id), (person.id, TokenId::random())] {
        let refused = stores.personal_tokens.revoke_token(user, id).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    }
    assert_eq!(stores.announced().await?, []);
    stores.personal_tokens.revoke_token(person.id, token.id).await?;
    assert_eq!(stores.announced().await?, [IdentityChange::Token(token.id)]);
    assert_eq!(stores.personal_tokens.find_token(&token.prefix).await?, None);
    ensure!(stores.personal_tokens.find_token(&kept.prefix).await?.is_some());
    let again = stores.personal_tokens.revoke_token(person.id, token.id).await;
    assert!(matches!(again, Err(StoreError::NotFound)), "{again:?}");
    Ok(())
}

pub(super) async fn notes_the_use_once_an_interval(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let token = new_personal_token(person.id, at(0))?;
    create(stores, &token).await?;
    stores.announced().await?;
    for (now, expected) in [(100, 100), (101, 100), (159, 100), (160, 160), (90, 160), (219, 160), (300, 300)] {
        stores.personal_tokens.touch_token(token.id, at(now), MINUTE).await?;
        assert_eq!(last_use(stores, &token.prefix).await?, Some(at(expected)), "at {now}");
    }
    stores.personal_tokens.touch_token(token.id, at(301), Duration::ZERO).await?;
    assert_eq!(last_use(stores, &token.prefix).await?, Some(at(301)));
    stores.personal_tokens.touch_token(token.id, at(99 * DAY_S), Duration::MAX).await?;
    assert_eq!(last_use(stores, &token.prefix).await?, Some(at(301)));
    stores.personal_tokens.touch_token(TokenId::random(), at(1), MINUTE).await?;
    assert_eq!(stores.announced().await?, []);
    Ok(())
}

pub(super) async fn notes_the_use_of_many_at_once(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let token = new_personal_token(person.id, at(0))?;
    create(stores, &token).await?;
    let outcomes = race(20, |number| {
        let (tokens, id) = (Arc::clone(&stores.personal_tokens), token.id);
        async move { anyhow::Ok(tokens.touch_token(id, at(100 + i64::try_from(number)?), MINUTE).await?) }
    })
    .await?;
    outcomes.into_iter().collect::<Result<Vec<()>>>()?;
    let last = last_use(stores, &token.prefix).await?.context("used")?;
    ensure!((at(100)..at(120)).contains(&last), "{last}");
    Ok(())
}
