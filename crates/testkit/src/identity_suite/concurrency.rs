//! All methods at once on a few users: nothing fails, nothing waits for ever.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use gristmill_domain::{
    identity::{
        AccountChange, AccountUpdate, DisplayName, EmailChange, OneTimePurpose, PasswordChange, RotateOutcome, ThrottleKey,
        ThrottleRule, TokenHash,
    },
    ports::StoreError,
    users::Email,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::task::JoinSet;

use super::{
    IdentityStores, Person, at, new_one_time_token, new_personal_token, new_session, new_user, phc, random_email, rotation,
};

const USERS: usize = 3;
const TASKS: u64 = 16;
const CALLS_A_TASK: u32 = 60;

/// What the tasks know of each other's doings: enough to get into each other's way.
#[derive(Debug)]
struct Shared {
    stores: IdentityStores,
    people: Mutex<Vec<Person>>,
    tokens: Mutex<Vec<TokenHash>>,
    /// Addresses that everybody wants.
    emails: Vec<Email>,
}

impl Shared {
    fn person(&self, random: &mut StdRng) -> Result<Person> {
        let people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        people.get(random.random_range(0..people.len())).cloned().context("a person")
    }

    fn token(&self, random: &mut StdRng) -> Result<TokenHash> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        // The newest ones, so that several rotate the same.
        let newest = tokens.len().saturating_sub(8);
        tokens.get(random.random_range(newest..tokens.len())).copied().context("a token")
    }

    fn remember(&self, token: TokenHash) {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).push(token);
    }

    fn email(&self, random: &mut StdRng) -> Result<Email> {
        self.emails.get(random.random_range(0..self.emails.len())).cloned().context("an address")
    }
}

/// Lets a refusal pass that somebody else's call explains.
fn unless_gone<T>(outcome: Result<T, StoreError>) -> Result<Option<T>> {
    match outcome {
        Ok(outcome) => Ok(Some(outcome)),
        Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn mixed_calls_at_once_neither_fail_nor_wait_for_ever(stores: &mut IdentityStores) -> Result<()> {
    let mut people = Vec::new();
    let mut emails = vec![random_email()?];
    for _ in 0..USERS {
        let person = stores.register().await?;
        emails.push(person.email.clone());
        people.push(person);
    }
    let tokens = people.iter().map(|person| person.token).collect();
    let stores = IdentityStores {
        accounts: Arc::clone(&stores.accounts),
        one_time_tokens: Arc::clone(&stores.one_time_tokens),
        sessions: Arc::clone(&stores.sessions),
        personal_tokens: Arc::clone(&stores.personal_tokens),
        throttles: Arc::clone(&stores.throttles),
        external_identities: Arc::clone(&stores.external_identities),
        announcements: stores.announcements.resubscribe(),
        keep: Box::new(()),
    };
    let shared = Arc::new(Shared { stores, people: Mutex::new(people), tokens: Mutex::new(tokens), emails });
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut random = StdRng::seed_from_u64(task);
            for call in 0..CALLS_A_TASK {
                let kind = random.random_range(0..18);
                let person = shared.person(&mut random)?;
                let done = match kind {
                    0..7 => call_sessions(&shared, &person, kind, &mut random).await,
                    7..12 => call_accounts(&shared, &person, kind, &mut random).await,
                    _ => call_tokens(&shared, &person, kind, &mut random).await,
                };
                done.with_context(|| format!("task {task}, call {call} of kind {kind}"))?;
            }
            anyhow::Ok(())
        });
    }
    let finished = tokio::time::timeout(Duration::from_secs(120), async {
        while let Some(finished) = tasks.join_next().await {
            finished??;
        }
        anyhow::Ok(())
    });
    finished.await.context("somebody waits for ever")??;
    let people = shared.people.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for person in people {
        // Everybody is whole at the end: can log in, be listed and be deleted.
        let session = new_session(person.id, at(100));
        assert!(shared.stores.sessions.open_session(session.clone(), &person.password).await?);
        let listed = shared.stores.sessions.list_sessions(person.id, Some(session.token_hash), at(100)).await?;
        assert_eq!(listed.iter().filter(|listed| listed.current).map(|listed| listed.id).collect::<Vec<_>>(), [session.id]);
        shared.stores.accounts.delete_account(person.id).await?;
    }
    Ok(())
}

async fn call_sessions(shared: &Shared, person: &Person, kind: u32, random: &mut StdRng) -> Result<()> {
    let sessions = &shared.stores.sessions;
    let now = at(random.random_range(0..40));
    match kind {
        0..2 => {
            let session = new_session(person.id, at(0));
            let token = session.token_hash;
            if sessions.open_session(session, &person.password).await? {
                shared.remember(token);
            }
        }
        2 | 3 => {
            let rotation = rotation(shared.token(random)?, now);
            let successor = rotation.successor_hash;
            if let RotateOutcome::Rotated { .. } = sessions.rotate_refresh_token(rotation).await? {
                shared.remember(successor);
            }
        }
        4 => {
            let listed = sessions.list_sessions(person.id, Some(shared.token(random)?), now).await?;
            if let Some(session) = listed.first() {
                unless_gone(sessions.revoke_session(person.id, session.id, now).await)?;
                sessions.find_session_access(session.id, person.id).await?;
            }
        }
        5 => drop(sessions.end_sessions(person.id, Some(person.session), Some(shared.token(random)?), now).await?),
        _ => drop(sessions.revoke_all_sessions(person.id, now).await?),
    }
    Ok(())
}

async fn call_accounts(shared: &Shared, person: &Person, kind: u32, random: &mut StdRng) -> Result<()> {
    let accounts = &shared.stores.accounts;
    let now = at(random.random_range(0..40));
    let link = new_one_time_token(person.id, OneTimePurpose::VerifyEmail, now);
    let mut change = AccountChange::default();
    match kind {
        7 => change.name = Some(DisplayName::parse("X")?),
        8 => change.email = Some(EmailChange { email: shared.email(random)?, verification: Some(link) }),
        9 => {
            // To the same password, so that the other tasks' logins still match.
            let same = PasswordChange { expected: phc("first"), replacement: phc("first") };
            accounts.rehash_password(person.id, same.clone()).await?;
            change.password = Some(same);
            change.email = Some(EmailChange { email: shared.email(random)?, verification: None });
        }
        10 => return replace_person(shared, person).await,
        _ => {
            let pruned_at = at(random.random_range(0..8 * super::DAY_S));
            accounts.prune(pruned_at, Duration::ZERO).await?;
            return Ok(());
        }
    }
    match unless_gone(accounts.update_account(person.id, change, now).await)? {
        None | Some(AccountUpdate::Updated(_) | AccountUpdate::EmailTaken) => Ok(()),
        Some(AccountUpdate::PasswordChanged) => bail!("nobody changed the password"),
    }
}

/// Deletes an account and makes another in its place.
async fn replace_person(shared: &Shared, person: &Person) -> Result<()> {
    if unless_gone(shared.stores.accounts.delete_account(person.id).await)?.is_none() {
        return Ok(());
    }
    let user = new_user(&random_email()?)?;
    let session = new_session(user.id, at(0));
    let next = Person {
        id: user.id,
        email: user.email.clone(),
        password: user.password_hash.clone(),
        session: session.id,
        token: session.token_hash,
    };
    let link = new_one_time_token(user.id, OneTimePurpose::VerifyEmail, at(0));
    shared.stores.accounts.create_account(user, session, Some(link)).await?;
    shared.remember(next.token);
    let mut people = shared.people.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(slot) = people.iter_mut().find(|other| other.id == person.id) {
        *slot = next;
    }
    Ok(())
}

async fn call_tokens(shared: &Shared, person: &Person, kind: u32, random: &mut StdRng) -> Result<()> {
    let stores = &shared.stores;
    let now = at(random.random_range(0..40));
    match kind {
        12 => {
            let token = new_one_time_token(person.id, OneTimePurpose::ResetPassword, at(0));
            unless_gone(stores.one_time_tokens.issue_one_time_token(token.clone()).await)?;
            stores.one_time_tokens.reset_password(token.token_hash, phc("first"), now).await?;
        }
        13 => {
            let token = new_one_time_token(person.id, OneTimePurpose::VerifyEmail, at(0));
            unless_gone(stores.one_time_tokens.issue_one_time_token(token.clone()).await)?;
            stores.one_time_tokens.verify_email(token.token_hash, now).await?;
        }
        14 => {
            let token = new_personal_token(person.id, now)?;
            unless_gone(stores.personal_tokens.create_token(token.clone(), 5).await)?;
            stores.personal_tokens.touch_token(token.id, now, Duration::ZERO).await?;
            stores.personal_tokens.find_token(&token.prefix).await?;
        }
        15 => {
            for token in stores.personal_tokens.list_tokens(person.id).await? {
                unless_gone(stores.personal_tokens.revoke_token(person.id, token.id).await)?;
            }
        }
        _ => {
            let (key, rule) = (ThrottleKey::new([random.random_range(0..2); 32]), ThrottleRule::new(5, 10));
            stores.throttles.hit(key, rule, now).await?;
            stores.throttles.check(key, rule, now).await?;
            stores.throttles.forgive(key, rule, now).await?;
        }
    }
    Ok(())
}
