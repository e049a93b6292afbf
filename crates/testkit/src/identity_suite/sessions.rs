//! Opening, listing and ending sessions.

use std::{collections::HashSet, sync::Arc};

use anyhow::{Context, Result, ensure};
use gristmill_domain::{
    SessionId, UserId,
    identity::{
        AccountChange, ClientInfo, DisplayName, IdentityChange, RotateOutcome, SessionAccess, SessionSummary, TokenHash,
        USER_AGENT_CHARS_MAX,
    },
    ports::StoreError,
    users::User,
};

use super::{DAY_S, IdentityStores, at, client, new_session, phc, race, random_hash};

async fn ids(stores: &IdentityStores, user: UserId, now_s: i64) -> Result<Vec<SessionId>> {
    Ok(stores.sessions.list_sessions(user, None, at(now_s)).await?.into_iter().map(|session| session.id).collect())
}

async fn current(stores: &IdentityStores, user: UserId, token: TokenHash) -> Result<Vec<SessionId>> {
    let sessions = stores.sessions.list_sessions(user, Some(token), at(10)).await?;
    Ok(sessions.into_iter().filter(|session| session.current).map(|session| session.id).collect())
}

pub(super) async fn opens_a_session_and_notes_the_login(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let before = stores.accounts.find_account(person.id).await?.context("found")?.user;
    stores.announced().await?;
    let session = new_session(person.id, at(5));
    assert!(stores.sessions.open_session(session.clone(), &person.password).await?);
    let after = User { last_login_at: Some(at(5)), ..before };
    let access = stores.sessions.find_session_access(session.id, person.id).await?;
    assert_eq!(access, SessionAccess::Active { user: after, expires_at: session.expires_at });
    assert_eq!(stores.announced().await?, []);
    stores.rotate(session.token_hash, at(6)).await?;
    ensure!(stores.lives(person.session, person.id).await?, "the other session lives on");
    Ok(())
}

pub(super) async fn opens_nothing_for_an_outdated_password(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let before = stores.accounts.find_account(person.id).await?.context("found")?.user;
    let session = new_session(person.id, at(5));
    for outdated in ["older", "", "first "] {
        assert!(!stores.sessions.open_session(session.clone(), &phc(outdated)).await?);
    }
    assert_eq!(stores.sessions.find_session_access(session.id, person.id).await?, SessionAccess::Ended);
    assert_eq!(stores.outcome(session.token_hash, at(6)).await?, RotateOutcome::Unknown);
    assert_eq!(stores.accounts.find_account(person.id).await?.context("found")?.user, before);
    Ok(())
}

pub(super) async fn opens_nothing_for_nobody(stores: &mut IdentityStores) -> Result<()> {
    let session = new_session(UserId::random(), at(0));
    assert!(!stores.sessions.open_session(session.clone(), &phc("first")).await?);
    assert_eq!(stores.outcome(session.token_hash, at(1)).await?, RotateOutcome::Unknown);
    Ok(())
}

pub(super) async fn an_access_token_is_worth_what_its_session_is(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    let access = async |session, user| stores.sessions.find_session_access(session, user).await;
    assert!(matches!(access(person.session, person.id).await?, SessionAccess::Active { .. }));
    assert_eq!(access(other.session, person.id).await?, SessionAccess::Ended, "another user's session");
    assert_eq!(access(person.session, other.id).await?, SessionAccess::Ended, "another user's session");
    assert_eq!(access(SessionId::random(), person.id).await?, SessionAccess::Ended);
    assert_eq!(access(person.session, UserId::random()).await?, SessionAccess::UserGone);
    assert_eq!(access(SessionId::random(), UserId::random()).await?, SessionAccess::UserGone);
    stores.sessions.revoke_session(person.id, person.session, at(1)).await?;
    assert_eq!(access(person.session, person.id).await?, SessionAccess::Ended);
    Ok(())
}

pub(super) async fn an_access_token_shows_the_user_as_it_is_now(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let change = AccountChange { name: Some(DisplayName::parse("Grace")?), ..AccountChange::default() };
    stores.accounts.update_account(person.id, change, at(3)).await?;
    match stores.sessions.find_session_access(person.session, person.id).await? {
        SessionAccess::Active { user, .. } => assert_eq!((user.name.as_str(), user.updated_at), ("Grace", at(3))),
        other => anyhow::bail!("{other:?}"),
    }
    Ok(())
}

pub(super) async fn lists_living_sessions_newest_first(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    let (second, _) = stores.log_in(&person, at(DAY_S)).await?;
    let (third, _) = stores.log_in(&person, at(2 * DAY_S)).await?;
    let (revoked, _) = stores.log_in(&person, at(DAY_S)).await?;
    stores.sessions.revoke_session(person.id, revoked, at(DAY_S)).await?;
    assert_eq!(ids(stores, person.id, 2 * DAY_S).await?, [third, second, person.session]);
    assert_eq!(ids(stores, person.id, 7 * DAY_S - 1).await?, [third, second, person.session]);
    assert_eq!(ids(stores, person.id, 7 * DAY_S).await?, [third, second], "the first has expired");
    assert_eq!(ids(stores, person.id, 9 * DAY_S).await?, []);
    assert_eq!(ids(stores, other.id, DAY_S).await?, [other.session]);
    assert_eq!(ids(stores, UserId::random(), DAY_S).await?, []);
    Ok(())
}

pub(super) async fn marks_the_current_session_by_any_token_of_its_family(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    let (second, token) = stores.log_in(&person, at(1)).await?;
    let successor = stores.rotate(token, at(2)).await?;
    assert_eq!(current(stores, person.id, token).await?, [second], "an older generation");
    assert_eq!(current(stores, person.id, successor).await?, [second]);
    assert_eq!(current(stores, person.id, person.token).await?, [person.session]);
    assert_eq!(current(stores, person.id, other.token).await?, [], "another user's token");
    assert_eq!(current(stores, person.id, random_hash()).await?, []);
    let sessions = stores.sessions.list_sessions(person.id, None, at(10)).await?;
    assert!(sessions.iter().all(|session| !session.current));
    Ok(())
}

pub(super) async fn keeps_where_a_session_is_used_from(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let long = format!("Mozilla/5.0 \0\u{1F980}{}", "ü".repeat(600));
    for (number, from) in [
        client("192.0.2.7", "curl/8 'quoted' \\ %s")?,
        client("2001:db8::1", &long)?,
        client("::ffff:192.0.2.1", "\0")?,
        ClientInfo::new(None, Some("no address")),
        ClientInfo::default(),
    ]
    .into_iter()
    .enumerate()
    {
        let session = super::NewSession { client: from.clone(), ..new_session(person.id, at(i64::try_from(number)? + 1)) };
        assert!(stores.sessions.open_session(session.clone(), &person.password).await?);
        let listed = stores.sessions.list_sessions(person.id, None, at(10)).await?;
        let expected = SessionSummary {
            id: session.id,
            address: from.address(),
            user_agent: from.user_agent().map(str::to_owned),
            created_at: session.created_at,
            current: false,
        };
        assert_eq!(listed.first(), Some(&expected));
        let chars = expected.user_agent.map_or(0, |text| text.chars().count());
        assert!(chars <= USER_AGENT_CHARS_MAX);
    }
    Ok(())
}

pub(super) async fn ends_one_session_of_the_list(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let (second, token) = stores.log_in(&person, at(1)).await?;
    stores.announced().await?;
    stores.sessions.revoke_session(person.id, second, at(2)).await?;
    assert_eq!(stores.announced().await?, [IdentityChange::Session(second)]);
    ensure!(!stores.lives(second, person.id).await?);
    assert_eq!(stores.outcome(token, at(3)).await?, RotateOutcome::Revoked);
    assert_eq!(ids(stores, person.id, 3).await?, [person.session]);
    Ok(())
}

pub(super) async fn refuses_to_end_what_is_not_there(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    let (revoked, _) = stores.log_in(&person, at(0)).await?;
    stores.sessions.revoke_session(person.id, revoked, at(1)).await?;
    stores.announced().await?;
    for (user, session, now) in [
        (person.id, other.session, at(1)),
        (UserId::random(), person.session, at(1)),
        (person.id, revoked, at(1)),
        (person.id, SessionId::random(), at(1)),
        (person.id, SessionId(person.id.0), at(1)),
        (person.id, person.session, at(7 * DAY_S)),
    ] {
        let refused = stores.sessions.revoke_session(user, session, now).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    }
    assert_eq!(stores.announced().await?, []);
    ensure!(stores.lives(other.session, other.id).await? && stores.lives(person.session, person.id).await?);
    Ok(())
}

pub(super) async fn ends_all_sessions_of_a_user(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    let (second, _) = stores.log_in(&person, at(1)).await?;
    let (revoked, _) = stores.log_in(&person, at(1)).await?;
    stores.sessions.revoke_session(person.id, revoked, at(1)).await?;
    stores.announced().await?;
    assert_eq!(stores.sessions.revoke_all_sessions(person.id, at(2)).await?, 2);
    assert_eq!(stores.announced().await?, [IdentityChange::User(person.id)]);
    for session in [person.session, second, revoked] {
        ensure!(!stores.lives(session, person.id).await?);
    }
    assert_eq!(stores.outcome(person.token, at(3)).await?, RotateOutcome::Revoked);
    ensure!(stores.lives(other.session, other.id).await?, "another user's");
    assert_eq!(stores.sessions.revoke_all_sessions(person.id, at(3)).await?, 0);
    assert_eq!(stores.sessions.revoke_all_sessions(UserId::random(), at(3)).await?, 0);
    Ok(())
}

pub(super) async fn logs_out_by_session_and_by_token(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let end = async |id, token| stores.sessions.end_sessions(person.id, id, token, at(9)).await;
    let (second, token) = stores.log_in(&person, at(1)).await?;
    assert_eq!(end(Some(second), None).await?, [second], "by session");
    assert_eq!(end(Some(second), Some(token)).await?, [], "once only");
    let (third, token) = stores.log_in(&person, at(1)).await?;
    let successor = stores.rotate(token, at(2)).await?;
    assert_eq!(end(None, Some(token)).await?, [third], "by a token of an older generation");
    assert_eq!(stores.outcome(successor, at(9)).await?, RotateOutcome::Revoked);
    let (fourth, token) = stores.log_in(&person, at(1)).await?;
    assert_eq!(end(Some(fourth), Some(token)).await?, [fourth], "both name the same");
    let (fifth, _) = stores.log_in(&person, at(1)).await?;
    let (sixth, token) = stores.log_in(&person, at(1)).await?;
    let ended: HashSet<SessionId> = end(Some(fifth), Some(token)).await?.into_iter().collect();
    assert_eq!(ended, HashSet::from([fifth, sixth]), "each names another");
    assert_eq!(ids(stores, person.id, 9).await?, [person.session]);
    Ok(())
}

pub(super) async fn logs_out_only_what_is_the_users(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    stores.announced().await?;
    for (id, token) in [
        (Some(other.session), Some(other.token)),
        (Some(SessionId::random()), Some(random_hash())),
        (Some(other.session), None),
        (None, Some(other.token)),
        (None, None),
    ] {
        assert_eq!(stores.sessions.end_sessions(person.id, id, token, at(1)).await?, []);
    }
    assert_eq!(stores.sessions.end_sessions(UserId::random(), Some(person.session), None, at(1)).await?, []);
    assert_eq!(stores.announced().await?, []);
    ensure!(stores.lives(other.session, other.id).await? && stores.lives(person.session, person.id).await?);
    // Of two, the one that is the user's.
    let ended = stores.sessions.end_sessions(person.id, Some(person.session), Some(other.token), at(1)).await?;
    assert_eq!(ended, [person.session]);
    assert_eq!(stores.announced().await?, [IdentityChange::Session(person.session)]);
    Ok(())
}

pub(super) async fn logs_out_once_of_many_at_once(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let (second, token) = stores.log_in(&person, at(1)).await?;
    let outcomes = race(20, |_| {
        let (sessions, person) = (Arc::clone(&stores.sessions), person.clone());
        async move { sessions.end_sessions(person.id, Some(person.session), Some(token), at(2)).await }
    })
    .await?;
    let outcomes: Vec<Vec<SessionId>> = outcomes.into_iter().collect::<Result<_, _>>()?;
    let ended: Vec<SessionId> = outcomes.into_iter().flatten().collect();
    assert_eq!((ended.len(), ended.iter().copied().collect::<HashSet<_>>()), (2, HashSet::from([person.session, second])));
    Ok(())
}
