//! Pruning.

use std::time::Duration;

use anyhow::{Result, ensure};
use chrono::{DateTime, Utc};
use gristmill_domain::{
    UserId,
    identity::{NewPersonalToken, OneTimePurpose, RotateOutcome, Rotation, SessionTtl, ThrottleKey, ThrottleRule, TokenPrefix},
};

use super::{DAY_S, HOUR_S, IdentityStores, at, new_personal_token, rotation};

const KEEP: Duration = Duration::from_secs(30 * 86_400);

async fn personal_token(stores: &IdentityStores, user: UserId, expires_at: DateTime<Utc>) -> Result<TokenPrefix> {
    let token = NewPersonalToken { expires_at, ..new_personal_token(user, at(0))? };
    let prefix = token.prefix.clone();
    stores.personal_tokens.create_token(token, 50).await?;
    Ok(prefix)
}

pub(super) async fn deletes_what_expired_and_counts_it(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let prune = async |now_s: i64| stores.accounts.prune(at(now_s), KEEP).await;
    let successor = stores.rotate(person.token, at(DAY_S)).await?;
    stores.issue(person.id, OneTimePurpose::ResetPassword, at(0)).await?;
    let used = stores.issue(person.id, OneTimePurpose::VerifyEmail, at(0)).await?;
    stores.one_time_tokens.verify_email(used, at(1)).await?;
    stores.throttles.hit(ThrottleKey::new([1; 32]), ThrottleRule::new(1, 60), at(0)).await?;
    let expired = personal_token(stores, person.id, at(DAY_S)).await?;

    assert_eq!(prune(59).await?, 0);
    assert_eq!(prune(60).await?, 1, "the throttle window");
    assert_eq!(prune(HOUR_S - 1).await?, 0);
    assert_eq!(prune(HOUR_S).await?, 2, "the one-time tokens, used or not");
    assert_eq!(prune(7 * DAY_S - 1).await?, 0);
    assert_eq!(prune(7 * DAY_S).await?, 1, "the rotated refresh token");
    assert_eq!(stores.outcome(person.token, at(7 * DAY_S)).await?, RotateOutcome::Unknown);
    ensure!(stores.lives(person.session, person.id).await?);
    assert_eq!(prune(8 * DAY_S).await?, 2, "the newest refresh token and with it the session");
    ensure!(!stores.lives(person.session, person.id).await?);
    assert_eq!(stores.outcome(successor, at(DAY_S)).await?, RotateOutcome::Unknown);
    assert_eq!(prune(31 * DAY_S).await?, 1, "the personal access token");
    assert_eq!(stores.personal_tokens.find_token(&expired).await?, None);
    assert_eq!(prune(999 * DAY_S).await?, 0, "the account stays");
    ensure!(stores.accounts.find_account(person.id).await?.is_some());
    Ok(())
}

pub(super) async fn keeps_what_can_still_be_used(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    // The setting was cut: the newest token expires before the one that it replaced, which still tells of reuse.
    let ttl = SessionTtl { standard: Duration::from_secs(60), remembered: Duration::from_secs(60) };
    let cut = Rotation { ttl, ..rotation(person.token, at(100)) };
    stores.sessions.rotate_refresh_token(cut).await?;
    assert_eq!(stores.accounts.prune(at(160), KEEP).await?, 1, "the newest token");
    assert_eq!(stores.sessions.list_sessions(person.id, None, at(7 * DAY_S)).await?, []);
    let late = stores.outcome(person.token, at(161)).await?;
    assert_eq!(late, RotateOutcome::Reused { session_id: person.session, user_id: person.id });

    // Revoked ones are kept until they expire: their tokens are to be refused, not unknown.
    let person = stores.register().await?;
    stores.sessions.revoke_all_sessions(person.id, at(1)).await?;
    let reset = stores.issue(person.id, OneTimePurpose::ResetPassword, at(0)).await?;
    let key = ThrottleKey::new([2; 32]);
    let rule = ThrottleRule::new(1, 3_600);
    stores.throttles.hit(key, rule, at(0)).await?;
    assert_eq!(stores.accounts.prune(at(HOUR_S - 1), KEEP).await?, 0);
    assert_eq!(stores.outcome(person.token, at(HOUR_S)).await?, RotateOutcome::Revoked);
    let found = stores.one_time_tokens.find_one_time_token(reset, OneTimePurpose::ResetPassword, at(HOUR_S - 1)).await?;
    assert_eq!(found, Some(person.id));
    let decision = stores.throttles.check(key, rule, at(HOUR_S - 1)).await?;
    assert_eq!(decision, gristmill_domain::identity::ThrottleDecision::Denied { retry_after_s: 1 });
    Ok(())
}

pub(super) async fn keeps_personal_tokens_for_a_while(stores: &mut IdentityStores) -> Result<()> {
    let person = stores.register().await?;
    let early = personal_token(stores, person.id, at(DAY_S)).await?;
    let late = personal_token(stores, person.id, at(DAY_S + 1)).await?;
    let found = async |prefix| anyhow::Ok(stores.personal_tokens.find_token(prefix).await?.is_some());
    let long = Duration::MAX;
    let session_rows = 2;
    assert_eq!(stores.accounts.prune(at(99 * DAY_S), long).await?, session_rows, "kept for ever");
    ensure!(found(&early).await? && found(&late).await?);
    assert_eq!(stores.accounts.prune(at(31 * DAY_S), KEEP).await?, 1);
    ensure!(!found(&early).await? && found(&late).await?);
    assert_eq!(stores.accounts.prune(at(DAY_S + 1), Duration::ZERO).await?, 1);
    ensure!(!found(&late).await?);
    Ok(())
}
