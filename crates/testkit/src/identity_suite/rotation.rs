//! Families of refresh tokens.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use gristmill_domain::{
    SessionId, UserId,
    identity::{ClientInfo, IdentityChange, RotateOutcome, Rotation, SessionAccess, SessionLifetime, SessionTtl},
};

use super::{DAY_S, IdentityStores, NewSession, Person, at, at_ms, client, new_session, race, random_hash, rotation};

async fn expiry(stores: &IdentityStores, session: SessionId, user: UserId) -> Result<DateTime<Utc>> {
    match stores.sessions.find_session_access(session, user).await? {
        SessionAccess::Active { expires_at, .. } => Ok(expires_at),
        other => bail!("{other:?}"),
    }
}

/// Checks that the family is revoked, for good and for every of its tokens.
async fn assert_revoked(
    stores: &IdentityStores,
    person: &Person,
    tokens: &[gristmill_domain::identity::TokenHash],
) -> Result<()> {
    ensure!(!stores.lives(person.session, person.id).await?);
    for token in tokens {
        assert_eq!(stores.outcome(*token, at(100)).await?, RotateOutcome::Revoked);
    }
    Ok(())
}

pub(super) async fn puts_a_successor_in_place(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    stores.announced().await?;
    let mut token = person.token;
    for step in 1..=5 {
        let rotation = rotation(token, at(step * DAY_S));
        token = rotation.successor_hash;
        match stores.sessions.rotate_refresh_token(rotation).await? {
            RotateOutcome::Rotated { session_id, user } => assert_eq!((session_id, user.id), (person.session, person.id)),
            other => bail!("{other:?}"),
        }
        assert_eq!(expiry(stores, person.session, person.id).await?, at((step + 7) * DAY_S));
    }
    assert_eq!(stores.announced().await?, []);
    let listed = stores.sessions.list_sessions(person.id, None, at(11 * DAY_S)).await?;
    assert_eq!(listed.len(), 1, "a session that is used lives on");
    assert_eq!(listed.first().map(|session| session.created_at), Some(at(0)));
    Ok(())
}

pub(super) async fn each_lifetime_has_its_time(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    for (lifetime, days, days_later) in [(SessionLifetime::Standard, 7, 2), (SessionLifetime::Remembered, 30, 60)] {
        let session = NewSession { lifetime, ..new_session(person.id, at(0)) };
        stores.sessions.open_session(session.clone(), &person.password).await?;
        let successor = stores.rotate(session.token_hash, at(DAY_S)).await?;
        assert_eq!(expiry(stores, session.id, person.id).await?, at((1 + days) * DAY_S));
        // A changed setting reaches living sessions.
        let ttl = SessionTtl { standard: Duration::from_secs(2 * 86_400), remembered: Duration::from_secs(60 * 86_400) };
        let later = Rotation { ttl, ..rotation(successor, at(2 * DAY_S)) };
        let outcome = stores.sessions.rotate_refresh_token(later).await?;
        ensure!(matches!(outcome, RotateOutcome::Rotated { .. }), "{outcome:?}");
        assert_eq!(expiry(stores, session.id, person.id).await?, at((2 + days_later) * DAY_S));
    }
    Ok(())
}

pub(super) async fn stores_where_the_token_came_from(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let mut token = person.token;
    for (step, from) in
        [client("192.0.2.7", "Firefox")?, client("2001:db8::7", "curl/8 \0")?, ClientInfo::default()].into_iter().enumerate()
    {
        let rotation = Rotation { client: from.clone(), ..rotation(token, at(100 * (i64::try_from(step)? + 1))) };
        token = rotation.successor_hash;
        stores.sessions.rotate_refresh_token(rotation).await?;
        let listed = stores.sessions.list_sessions(person.id, None, at(500)).await?;
        let session = listed.first().context("a session")?;
        assert_eq!((session.address, session.user_agent.as_deref()), (from.address(), from.user_agent()));
    }
    Ok(())
}

pub(super) async fn knows_no_foreign_token(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    stores.announced().await?;
    assert_eq!(stores.outcome(random_hash(), at(1)).await?, RotateOutcome::Unknown);
    let unborn = rotation(person.token, at(1)).successor_hash;
    assert_eq!(stores.outcome(unborn, at(1)).await?, RotateOutcome::Unknown, "a successor that is not there yet");
    assert_eq!(stores.announced().await?, []);
    ensure!(stores.lives(person.session, person.id).await?);
    Ok(())
}

pub(super) async fn replays_within_the_grace(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let successor = stores.rotate(person.token, at(100)).await?;
    let before = stores.sessions.list_sessions(person.id, None, at(100)).await?;
    stores.announced().await?;
    // A clock behind the one that rotated counts as no time at all.
    for now in [at(100), at(105), at_ms(109_999), at(110), at(90)] {
        let rotation = Rotation { client: client("192.0.2.99", "second tab")?, ..rotation(person.token, now) };
        match stores.sessions.rotate_refresh_token(rotation).await? {
            RotateOutcome::Replayed { session_id, user, steps, newest_hash } => {
                assert_eq!((session_id, user.id, steps, newest_hash), (person.session, person.id, 1, successor));
            }
            other => bail!("{other:?} at {now}"),
        }
    }
    assert_eq!(stores.sessions.list_sessions(person.id, None, at(100)).await?, before, "a replay changes nothing");
    assert_eq!(stores.announced().await?, []);
    stores.rotate(successor, at(110)).await?;
    Ok(())
}

pub(super) async fn counts_the_steps_of_a_replay(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let second = stores.rotate(person.token, at(100)).await?;
    let third = stores.rotate(second, at(103)).await?;
    let fourth = stores.rotate(third, at(106)).await?;
    for (token, expected) in [(person.token, 3), (second, 2), (third, 1)] {
        match stores.outcome(token, at(110)).await? {
            RotateOutcome::Replayed { steps, newest_hash, .. } => assert_eq!((steps, newest_hash), (expected, fourth)),
            other => bail!("{other:?}"),
        }
    }
    // The grace of each begins with its own rotation.
    ensure!(matches!(stores.outcome(second, at(112)).await?, RotateOutcome::Replayed { steps: 2, .. }));
    ensure!(matches!(stores.outcome(person.token, at(112)).await?, RotateOutcome::Reused { .. }));
    Ok(())
}

pub(super) async fn a_token_that_comes_back_late_revokes_its_family(stores: &mut IdentityStores) -> Result<()> {
    let (person, other) = (stores.register().await?, stores.register().await?);
    let (second, _) = stores.log_in(&person, at(0)).await?;
    let successor = stores.rotate(person.token, at(50)).await?;
    stores.announced().await?;
    let reused = stores.outcome(person.token, at(61)).await?;
    assert_eq!(reused, RotateOutcome::Reused { session_id: person.session, user_id: person.id });
    assert_eq!(stores.announced().await?, [IdentityChange::Session(person.session)]);
    assert_revoked(stores, &person, &[person.token, successor]).await?;
    assert_eq!(stores.announced().await?, [], "revoked once");
    ensure!(stores.lives(second, person.id).await?, "the user's other session");
    ensure!(stores.lives(other.session, other.id).await?, "another user's");
    Ok(())
}

pub(super) async fn an_expired_token_does_no_harm(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    assert_eq!(stores.outcome(person.token, at(7 * DAY_S)).await?, RotateOutcome::Expired);
    let successor = stores.rotate(person.token, at(7 * DAY_S - 1)).await?;
    stores.announced().await?;
    // It was rotated, longer ago than the grace: but it opens nothing any more, so its family is not punished.
    assert_eq!(stores.outcome(person.token, at(8 * DAY_S)).await?, RotateOutcome::Expired);
    assert_eq!(stores.announced().await?, []);
    stores.rotate(successor, at(8 * DAY_S)).await?;
    Ok(())
}

pub(super) async fn a_revoked_family_refuses_every_token(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let successor = stores.rotate(person.token, at(99)).await?;
    stores.sessions.revoke_session(person.id, person.session, at(99)).await?;
    stores.announced().await?;
    assert_revoked(stores, &person, &[person.token, successor]).await?;
    assert_eq!(stores.outcome(person.token, at(9 * DAY_S)).await?, RotateOutcome::Revoked, "expired and revoked");
    assert_eq!(stores.announced().await?, []);
    Ok(())
}

pub(super) async fn rotates_once_of_fifty_at_once(stores: &mut IdentityStores) -> Result<()> {
    // Several rounds: the first may be spread out by a store that is still making its connections.
    for _ in 0..4 {
        let person = stores.register().await?;
        let successor = rotation(person.token, at(1)).successor_hash;
        let outcomes = race(50, |_| {
            let (sessions, rotation) = (Arc::clone(&stores.sessions), rotation(person.token, at(1)));
            async move { sessions.rotate_refresh_token(rotation).await }
        })
        .await?;
        let (mut rotated, mut replayed) = (0, 0);
        for outcome in outcomes {
            match outcome? {
                RotateOutcome::Rotated { .. } => rotated += 1,
                RotateOutcome::Replayed { steps: 1, newest_hash, .. } if newest_hash == successor => replayed += 1,
                other => bail!("{other:?}"),
            }
        }
        assert_eq!((rotated, replayed), (1, 49));
        stores.rotate(successor, at(2)).await?;
    }
    Ok(())
}

pub(super) async fn families_do_not_touch_each_other(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let mut tokens = vec![person.token];
    for _ in 0..19 {
        tokens.push(stores.log_in(&person, at(0)).await?.1);
    }
    let outcomes = race(tokens.len(), |number| {
        let (sessions, token) = (Arc::clone(&stores.sessions), tokens.get(number).copied());
        async move {
            let rotation = rotation(token.context("a token")?, at(1));
            sessions.rotate_refresh_token(rotation).await.map_err(anyhow::Error::from)
        }
    })
    .await?;
    for outcome in outcomes {
        let outcome = outcome?;
        ensure!(matches!(outcome, RotateOutcome::Rotated { .. }), "{outcome:?}");
    }
    Ok(())
}

pub(super) async fn rotations_and_revocations_at_once_leave_nothing_living(stores: &mut IdentityStores) -> Result<()> {
    for _ in 0..5 {
        let person = stores.register().await?;
        let outcomes = race(12, |number| {
            let (sessions, person) = (Arc::clone(&stores.sessions), person.clone());
            async move {
                match number {
                    6 => sessions.revoke_all_sessions(person.id, at(1)).await.map(|_| ())?,
                    _ => match sessions.rotate_refresh_token(rotation(person.token, at(1))).await? {
                        RotateOutcome::Rotated { .. } | RotateOutcome::Replayed { .. } | RotateOutcome::Revoked => {}
                        other => bail!("{other:?}"),
                    },
                }
                Ok(())
            }
        })
        .await?;
        outcomes.into_iter().collect::<Result<Vec<()>>>()?;
        assert_revoked(stores, &person, &[person.token]).await?;
    }
    Ok(())
}

/// Times without end, as a setting may give them, neither overflow nor end at once.
pub(super) async fn lasts_to_the_end_of_time(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let ttl = SessionTtl { standard: Duration::MAX, remembered: Duration::MAX };
    let first = Rotation { ttl, grace: Duration::MAX, ..rotation(person.token, at(1)) };
    let outcome = stores.sessions.rotate_refresh_token(first.clone()).await?;
    ensure!(matches!(outcome, RotateOutcome::Rotated { .. }), "{outcome:?}");
    let end = expiry(stores, person.session, person.id).await?;
    ensure!(DateTime::<Utc>::MAX_UTC - end < TimeDelta::seconds(1), "{end}");
    let late = Rotation { now: at(6 * DAY_S), ..first };
    let outcome = stores.sessions.rotate_refresh_token(late).await?;
    ensure!(matches!(outcome, RotateOutcome::Replayed { steps: 1, .. }), "{outcome:?}");
    assert_eq!(stores.sessions.list_sessions(person.id, None, at(99_999 * DAY_S)).await?.len(), 1);
    Ok(())
}
