//! The contracts of the identity ports, as tests that any store can be put to.
//!
//! A store's own tests call [`identity_suite!`](crate::identity_suite!) with the name of an async function that makes
//! [`IdentityStores`] over an empty store; each case becomes a test of its own there. What only one kind of store has
//! (tables, plans, outages) is tested beside that store.

mod accounts;
mod announcements;
mod changes;
mod concurrency;
mod external_identities;
mod one_time_tokens;
mod personal_tokens;
mod pruning;
mod rotation;
mod sessions;
mod throttles;

use std::{any::Any, future::Future, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use gristmill_domain::{
    Scope, SessionId, TokenId, UserId,
    identity::{
        AccountStore, ClientInfo, DisplayName, ExternalIdentityStore, IdentityChange, NewOneTimeToken, NewPersonalToken,
        NewSession, NewUser, OneTimePurpose, OneTimeTokenStore, PersonalTokenStore, PhcString, RotateOutcome, Rotation, Scopes,
        SessionAccess, SessionLifetime, SessionStore, SessionTtl, ThrottleStore, TokenHash, TokenPrefix,
    },
    users::Email,
};
use tokio::{
    sync::{Barrier, broadcast},
    task::JoinSet,
};

/// Runs every case against the stores that an async function makes: `identity_suite!(stores)`, where
/// `async fn stores() -> IdentityStores`. The calling crate needs `tokio` with its test macro.
#[macro_export]
macro_rules! identity_suite {
    ($stores:ident) => {
        $crate::identity_cases! { [$crate::identity_tests] [$stores] }
    };
}

/// One test a case.
#[doc(hidden)]
#[macro_export]
macro_rules! identity_tests {
    ([$stores:ident] $($topic:ident: $($case:ident)+;)+) => {$(
        mod $topic {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let mut stores = super::$stores().await;
                let name = concat!(stringify!($topic), "::", stringify!($case));
                $crate::identity_suite::run(name, &mut stores).await.unwrap();
            }
        )+}
    )+};
}

/// The one list of cases. A case that is missing here is dead code, and so does not compile in `cargo xtask check`.
#[doc(hidden)]
#[macro_export]
macro_rules! identity_cases {
    ([$($then:tt)*] [$($given:tt)*]) => {
        $($then)*! { [$($given)*]
            accounts:
                makes_an_account_with_session_and_verification makes_an_account_without_verification
                refuses_a_taken_address_and_keeps_nothing makes_one_account_of_many_at_once
                finds_nobody_where_nobody_is keeps_any_text_that_the_types_allow
                deletes_everything_of_a_user_and_nothing_else refuses_to_delete_twice deletes_once_of_many_at_once
                replaces_a_hash_only_if_it_is_the_expected_one rehashes_once_of_many_at_once;
            changes:
                changes_a_name sets_the_time_even_when_nothing_changes refuses_to_change_nobody
                leaves_the_stored_address_alone a_new_address_ends_every_link_and_starts_unverified
                a_new_address_without_a_link_counts_as_verified changes_nothing_when_the_address_is_taken
                changes_nothing_when_the_password_is_another a_new_password_ends_sessions_and_reset_links
                changes_all_at_once gives_one_address_to_one_of_many users_who_want_each_others_address_do_not_wait
                replaces_a_password_once_of_many_at_once a_login_does_not_outlive_its_password;
            one_time_tokens:
                finds_a_token_until_it_expires a_new_token_replaces_the_one_of_its_purpose refuses_to_issue_to_nobody
                keeps_one_of_many_issued_at_once a_reset_sets_the_password_once a_reset_by_an_unusable_token_changes_nothing
                resets_once_of_many_at_once verifies_an_address_once a_verification_by_an_unusable_token_changes_nothing
                verifies_once_of_many_at_once;
            sessions:
                opens_a_session_and_notes_the_login opens_nothing_for_an_outdated_password opens_nothing_for_nobody
                an_access_token_is_worth_what_its_session_is an_access_token_shows_the_user_as_it_is_now
                lists_living_sessions_newest_first marks_the_current_session_by_any_token_of_its_family
                keeps_where_a_session_is_used_from ends_one_session_of_the_list refuses_to_end_what_is_not_there
                ends_all_sessions_of_a_user logs_out_by_session_and_by_token logs_out_only_what_is_the_users
                logs_out_once_of_many_at_once;
            rotation:
                puts_a_successor_in_place each_lifetime_has_its_time stores_where_the_token_came_from
                knows_no_foreign_token replays_within_the_grace counts_the_steps_of_a_replay
                a_token_that_comes_back_late_revokes_its_family an_expired_token_does_no_harm
                a_revoked_family_refuses_every_token rotates_once_of_fifty_at_once
                families_do_not_touch_each_other rotations_and_revocations_at_once_leave_nothing_living
                lasts_to_the_end_of_time;
            personal_tokens:
                makes_a_token_and_finds_it lists_newest_first_expired_ones_too refuses_a_token_for_nobody
                expired_tokens_do_not_count refuses_beyond_the_limit holds_the_limit_at_once
                refuses_a_taken_prefix gives_one_prefix_to_one_of_many tells_prefixes_apart_by_case
                shows_the_owner_as_it_is_now revokes_only_ones_own notes_the_use_once_an_interval
                notes_the_use_of_many_at_once;
            throttles:
                allows_the_limit_then_refuses counts_keys_apart refuses_everything_at_limit_zero
                looking_counts_nothing forgives_only_what_is_allowed counts_exactly_at_once
                forgives_and_counts_at_once follows_a_rule_that_changes copes_with_odd_windows_and_clocks
                decides_as_the_rule_does;
            external_identities:
                takes_a_code_once_until_it_expires gives_a_code_to_one_of_many forgets_codes_that_expired
                makes_an_account_of_an_identity refuses_what_is_taken_and_keeps_nothing
                makes_one_account_of_an_identity_of_many_at_once links_an_identity_to_one_account
                an_identity_goes_with_its_account a_new_password_and_a_new_address_forget_identities
                lists_identities_the_oldest_link_first unlinks_all_of_the_user_s_and_nobody_else_s
                keeps_the_only_way_into_an_account unlinks_what_made_an_account_that_has_got_a_password
                a_new_address_keeps_the_only_way_into_an_account unlinks_once_of_many_at_once;
            announcements:
                announces_what_ends_and_what_changes announces_nothing_when_nothing_changes;
            pruning:
                deletes_what_expired_and_counts_it keeps_what_can_still_be_used keeps_personal_tokens_for_a_while;
            concurrency:
                mixed_calls_at_once_neither_fail_nor_wait_for_ever;
        }
    };
}

/// The ports under test, over one empty store.
#[derive(Debug)]
pub struct IdentityStores {
    /// Accounts.
    pub accounts: Arc<dyn AccountStore>,
    /// One-time tokens.
    pub one_time_tokens: Arc<dyn OneTimeTokenStore>,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Personal access tokens.
    pub personal_tokens: Arc<dyn PersonalTokenStore>,
    /// Throttles.
    pub throttles: Arc<dyn ThrottleStore>,
    /// Identities at other providers.
    pub external_identities: Arc<dyn ExternalIdentityStore>,
    /// What the store announces, in the order of its commits, from before the first call.
    pub announcements: broadcast::Receiver<IdentityChange>,
    /// What must live as long as the store: its database, for one.
    pub keep: Box<dyn Keep>,
}

/// Anything that only has to live.
pub trait Keep: Any + Send + Sync + std::fmt::Debug {}

impl<T: Any + Send + Sync + std::fmt::Debug> Keep for T {}

/// Runs one case.
///
/// # Errors
/// The failures of the store, where the case does not expect them. What it decides wrongly panics.
pub async fn run(name: &str, stores: &mut IdentityStores) -> Result<()> {
    macro_rules! dispatch {
        ([$name:ident $stores:ident] $($topic:ident: $($case:ident)+;)+) => {$($(
            if $name == concat!(stringify!($topic), "::", stringify!($case)) {
                return Box::pin($topic::$case($stores)).await.with_context(|| $name.to_owned());
            }
        )+)+};
    }
    crate::identity_cases! { [dispatch] [name stores] }
    bail!("there is no case {name}")
}

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;
/// How long sessions of the suite last.
const TTL: SessionTtl = SessionTtl { standard: Duration::from_secs(7 * 86_400), remembered: Duration::from_secs(30 * 86_400) };
const GRACE: Duration = Duration::from_secs(10);

/// The instant `seconds` after the suite's beginning, which is when everybody registers.
fn at(seconds: i64) -> DateTime<Utc> {
    at_ms(seconds * 1_000)
}

fn at_ms(ms: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(1_767_225_600) + TimeDelta::milliseconds(ms)
}

fn random_hash() -> TokenHash {
    TokenHash::new(rand::random())
}

fn random_prefix() -> Result<TokenPrefix> {
    TokenPrefix::parse(&format!("{:08x}", rand::random::<u32>())).context("a prefix")
}

fn random_email() -> Result<Email> {
    Ok(Email::parse(&format!("{:032x}@suite.example", rand::random::<u128>()))?)
}

fn phc(text: &str) -> PhcString {
    PhcString::from(format!("$argon2id${text}"))
}

fn client(address: &str, program: &str) -> Result<ClientInfo> {
    Ok(ClientInfo::new(Some(address.parse()?), Some(program)))
}

/// A registered user, with what was used to register.
#[derive(Debug, Clone)]
struct Person {
    id: UserId,
    email: Email,
    password: PhcString,
    /// The session of the registration, and its first refresh token.
    session: SessionId,
    token: TokenHash,
}

fn new_user(email: &Email) -> Result<NewUser> {
    Ok(NewUser {
        id: UserId::random(),
        email: email.clone(),
        name: DisplayName::parse("Ada Lovelace")?,
        password_hash: phc("first"),
        email_verified: true,
        created_at: at(0),
    })
}

/// A session from `from` on, for a week.
fn new_session(user_id: UserId, from: DateTime<Utc>) -> NewSession {
    NewSession {
        id: SessionId::random(),
        user_id,
        lifetime: SessionLifetime::Standard,
        token_hash: random_hash(),
        client: ClientInfo::default(),
        created_at: from,
        expires_at: from + TimeDelta::days(7),
    }
}

/// A one-time token from `from` on, for an hour.
fn new_one_time_token(user_id: UserId, purpose: OneTimePurpose, from: DateTime<Utc>) -> NewOneTimeToken {
    let expires_at = from + TimeDelta::hours(1);
    NewOneTimeToken { user_id, purpose, token_hash: random_hash(), created_at: from, expires_at }
}

/// A personal access token from `from` on, for 90 days.
fn new_personal_token(user_id: UserId, from: DateTime<Utc>) -> Result<NewPersonalToken> {
    Ok(NewPersonalToken {
        id: TokenId::random(),
        user_id,
        name: DisplayName::parse("nightly export")?,
        prefix: random_prefix()?,
        secret_hash: random_hash(),
        scopes: Scopes::new([Scope::Read]).context("scopes")?,
        created_at: from,
        expires_at: from + TimeDelta::days(90),
    })
}

fn rotation(token_hash: TokenHash, now: DateTime<Utc>) -> Rotation {
    // The successor follows from the presented token alone, as the port says.
    let successor_hash = TokenHash::new(token_hash.as_bytes().map(|byte| byte.wrapping_mul(7).wrapping_add(1)));
    Rotation { token_hash, successor_hash, now, grace: GRACE, ttl: TTL, client: ClientInfo::default() }
}

impl IdentityStores {
    /// The ports of one store that implements them all.
    #[must_use]
    pub fn of<S>(store: &Arc<S>, announcements: broadcast::Receiver<IdentityChange>, keep: Box<dyn Keep>) -> Self
    where
        S: AccountStore + OneTimeTokenStore + SessionStore + PersonalTokenStore + ThrottleStore + ExternalIdentityStore + 'static,
    {
        Self {
            accounts: Arc::<S>::clone(store),
            one_time_tokens: Arc::<S>::clone(store),
            sessions: Arc::<S>::clone(store),
            personal_tokens: Arc::<S>::clone(store),
            throttles: Arc::<S>::clone(store),
            external_identities: Arc::<S>::clone(store),
            announcements,
            keep,
        }
    }

    /// Registers somebody with a verified address, at the beginning.
    async fn register(&self) -> Result<Person> {
        let user = new_user(&random_email()?)?;
        let session = new_session(user.id, at(0));
        let person = Person {
            id: user.id,
            email: user.email.clone(),
            password: user.password_hash.clone(),
            session: session.id,
            token: session.token_hash,
        };
        self.accounts.create_account(user, session, None).await?;
        Ok(person)
    }

    /// Logs a person in once more.
    async fn log_in(&self, person: &Person, now: DateTime<Utc>) -> Result<(SessionId, TokenHash)> {
        let session = new_session(person.id, now);
        let opened = (session.id, session.token_hash);
        if !self.sessions.open_session(session, &person.password).await? {
            bail!("the login was refused");
        }
        Ok(opened)
    }

    /// Rotates, and returns the successor.
    async fn rotate(&self, token: TokenHash, now: DateTime<Utc>) -> Result<TokenHash> {
        let rotation = rotation(token, now);
        let successor = rotation.successor_hash;
        match self.sessions.rotate_refresh_token(rotation).await? {
            RotateOutcome::Rotated { .. } => Ok(successor),
            other => bail!("not rotated: {other:?}"),
        }
    }

    async fn outcome(&self, token: TokenHash, now: DateTime<Utc>) -> Result<RotateOutcome> {
        Ok(self.sessions.rotate_refresh_token(rotation(token, now)).await?)
    }

    async fn lives(&self, session: SessionId, user: UserId) -> Result<bool> {
        Ok(matches!(self.sessions.find_session_access(session, user).await?, SessionAccess::Active { .. }))
    }

    /// Issues a one-time token and returns its hash.
    async fn issue(&self, user: UserId, purpose: OneTimePurpose, now: DateTime<Utc>) -> Result<TokenHash> {
        let token = new_one_time_token(user, purpose, now);
        let hash = token.token_hash;
        self.one_time_tokens.issue_one_time_token(token).await?;
        Ok(hash)
    }

    async fn password_of(&self, user: UserId) -> Result<String> {
        let account = self.accounts.find_account(user).await?.context("the account is gone")?;
        Ok(account.password_hash.expose().to_owned())
    }

    /// What was announced since the last look. A change of our own is the mark up to which to read: announcements
    /// come in the order of their commits.
    async fn announced(&mut self) -> Result<Vec<IdentityChange>> {
        let mark = UserId::random();
        self.sessions.revoke_all_sessions(mark, at(0)).await?;
        let mut heard = Vec::new();
        loop {
            let change = tokio::time::timeout(Duration::from_secs(30), self.announcements.recv())
                .await
                .context("an announcement did not arrive")??;
            if change == IdentityChange::User(mark) {
                return Ok(heard);
            }
            heard.push(change);
        }
    }
}

/// Starts `count` calls at one moment and returns what became of them, in any order.
async fn race<T, F>(count: usize, call: impl Fn(usize) -> F) -> Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let gate = Arc::new(Barrier::new(count));
    let mut calls = JoinSet::new();
    for number in 0..count {
        let (gate, call) = (Arc::clone(&gate), call(number));
        calls.spawn(async move {
            gate.wait().await;
            call.await
        });
    }
    let mut outcomes = Vec::with_capacity(count);
    while let Some(outcome) = calls.join_next().await {
        outcomes.push(outcome?);
    }
    Ok(outcomes)
}
