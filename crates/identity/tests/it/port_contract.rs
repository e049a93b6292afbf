//! What every store behind the identity ports must do, for the test suites of all of them.
//!
//! Needs nothing but the domain and tokio, so another crate's tests may include this file by path. Every check makes
//! its own users, so one database serves all; only `pruning` wants a store to itself.

use std::{collections::HashSet, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use gristmill_domain::{
    Scope, SessionId, TokenId, UserId,
    identity::{
        AccountChange, AccountStore, AccountUpdate, ClientInfo, DisplayName, EmailChange, ExternalIdentityStore, NewOneTimeToken,
        NewPersonalToken, NewSession, NewUser, OneTimePurpose, OneTimeTokenStore, PasswordChange, PersonalTokenStore, PhcString,
        RotateOutcome, Rotation, Scopes, SessionAccess, SessionLifetime, SessionStore, SessionTtl, ThrottleDecision, ThrottleKey,
        ThrottleRule, ThrottleStore, TokenCreation, TokenHash, TokenPrefix,
    },
    ports::StoreError,
    users::{Email, User},
};

// By path, because this file is found that way by others, too.
#[path = "port_contract/external.rs"]
mod external;
#[path = "port_contract/tokens.rs"]
mod tokens;

pub(crate) use external::external_identities;
pub(crate) use tokens::{one_time_tokens, personal_tokens};

/// All ports at once.
pub(crate) trait Store:
    AccountStore + OneTimeTokenStore + SessionStore + PersonalTokenStore + ThrottleStore + ExternalIdentityStore + 'static
{
}

impl<S> Store for S where
    S: AccountStore + OneTimeTokenStore + SessionStore + PersonalTokenStore + ThrottleStore + ExternalIdentityStore + 'static
{
}

const TTL: SessionTtl = SessionTtl { standard: Duration::from_secs(1000), remembered: Duration::from_secs(5000) };
const GRACE: Duration = Duration::from_secs(10);
const KEEP: Duration = Duration::from_secs(100);

/// The instant `seconds` after the start of all checks.
fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::<Utc>::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

/// A hash that nobody has seen.
fn fresh_hash() -> TokenHash {
    let (a, b) = (UserId::random(), UserId::random());
    let mut digest = [0; 32];
    digest[..16].copy_from_slice(a.0.as_bytes());
    digest[16..].copy_from_slice(b.0.as_bytes());
    TokenHash::new(digest)
}

fn fresh_email() -> Email {
    Email::parse(&format!("{}@example.org", UserId::random())).unwrap()
}

fn phc(text: &str) -> PhcString {
    PhcString::from(text.to_owned())
}

fn new_session(user_id: UserId, lifetime: SessionLifetime, now: DateTime<Utc>) -> NewSession {
    NewSession {
        id: SessionId::random(),
        user_id,
        lifetime,
        token_hash: fresh_hash(),
        client: ClientInfo::new(Some("192.0.2.1".parse().unwrap()), Some("Firefox")),
        created_at: now,
        expires_at: now + TTL.of(lifetime),
    }
}

fn new_user(email: Email) -> NewUser {
    NewUser {
        id: UserId::random(),
        email,
        name: DisplayName::parse("Ada").unwrap(),
        password_hash: phc("$one"),
        email_verified: false,
        created_at: at(0),
    }
}

fn one_time(user_id: UserId, purpose: OneTimePurpose) -> NewOneTimeToken {
    NewOneTimeToken { user_id, purpose, token_hash: fresh_hash(), created_at: at(0), expires_at: at(100) }
}

fn rotation_of(token: TokenHash, successor: TokenHash, seconds: i64) -> Rotation {
    Rotation {
        token_hash: token,
        successor_hash: successor,
        now: at(seconds),
        grace: GRACE,
        ttl: TTL,
        client: ClientInfo::new(Some("2001:db8::1".parse().unwrap()), Some("Phone")),
    }
}

fn new_token(user_id: UserId, prefix: &str, seconds: i64) -> NewPersonalToken {
    NewPersonalToken {
        id: TokenId::random(),
        user_id,
        name: DisplayName::parse("ci").unwrap(),
        prefix: TokenPrefix::parse(prefix).unwrap(),
        secret_hash: fresh_hash(),
        scopes: Scopes::new([Scope::Write, Scope::Read]).unwrap(),
        created_at: at(seconds),
        expires_at: at(seconds + 100),
    }
}

/// A prefix that nobody has seen.
fn fresh_prefix() -> String {
    UserId::random().0.simple().to_string().split_at(8).0.to_owned()
}

/// Makes somebody, with the password hash `$one` and one session.
async fn somebody(store: &impl Store) -> (User, NewSession) {
    let user = new_user(fresh_email());
    let session = new_session(user.id, SessionLifetime::Standard, at(0));
    (store.create_account(user, session.clone(), None).await.unwrap(), session)
}

async fn open(store: &impl Store, user: &User, lifetime: SessionLifetime, seconds: i64) -> NewSession {
    let session = new_session(user.id, lifetime, at(seconds));
    assert!(store.open_session(session.clone(), &phc("$one")).await.unwrap());
    session
}

async fn lives(store: &impl Store, session: &NewSession) -> bool {
    matches!(store.find_session_access(session.id, session.user_id).await.unwrap(), SessionAccess::Active { .. })
}

fn assert_not_found<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    match result {
        Err(StoreError::NotFound) => {}
        other => panic!("{other:?} instead of `NotFound`"),
    }
}

pub(crate) async fn accounts(store: &impl Store) {
    let new = new_user(fresh_email());
    let session = new_session(new.id, SessionLifetime::Standard, at(0));
    let verification = one_time(new.id, OneTimePurpose::VerifyEmail);
    let user = store.create_account(new.clone(), session.clone(), Some(verification.clone())).await.unwrap();
    assert_eq!((user.id, user.email.as_str(), user.name.as_str()), (new.id, new.email.as_str(), "Ada"));
    assert_eq!((user.created_at, user.updated_at, user.last_login_at), (at(0), at(0), None));
    assert!(!user.email_verified && lives(store, &session).await);
    let pending = store.find_one_time_token(verification.token_hash, OneTimePurpose::VerifyEmail, at(1)).await.unwrap();
    assert_eq!(pending, Some(user.id));

    // A taken address leaves nothing behind, not even the session.
    let twin = new_user(new.email.clone());
    let twin_session = new_session(twin.id, SessionLifetime::Standard, at(0));
    let refused = store.create_account(twin.clone(), twin_session.clone(), None).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert_eq!(store.find_session_access(twin_session.id, twin.id).await.unwrap(), SessionAccess::UserGone);

    let found = store.find_account(user.id).await.unwrap().unwrap();
    assert_eq!((found.user, found.password_hash.expose()), (user.clone(), "$one"));
    assert_eq!(store.find_account_by_email(&new.email).await.unwrap().unwrap().user, user);
    assert!(store.find_account_by_email(&fresh_email()).await.unwrap().is_none());
    assert!(store.find_account(UserId::random()).await.unwrap().is_none());

    changes(store, &user).await;
    addresses(store).await;
    passwords(store).await;

    let (gone, session) = somebody(store).await;
    let token = new_token(gone.id, &fresh_prefix(), 0);
    store.create_token(token.clone(), 5).await.unwrap();
    store.delete_account(gone.id).await.unwrap();
    assert_not_found(store.delete_account(gone.id).await);
    assert_eq!(store.find_session_access(session.id, gone.id).await.unwrap(), SessionAccess::UserGone);
    assert!(store.find_token(&token.prefix).await.unwrap().is_none());
    let dead = store.rotate_refresh_token(rotation_of(session.token_hash, fresh_hash(), 1)).await.unwrap();
    assert!(matches!(dead, RotateOutcome::Unknown | RotateOutcome::UserGone), "{dead:?}");
    assert!(store.find_account(user.id).await.unwrap().is_some(), "others stay");
}

async fn changes(store: &impl Store, user: &User) {
    let change = AccountChange { name: Some(DisplayName::parse("Ada L.").unwrap()), ..AccountChange::default() };
    let AccountUpdate::Updated(updated) = store.update_account(user.id, change, at(5)).await.unwrap() else { panic!() };
    assert_eq!(updated, User { name: "Ada L.".to_owned(), updated_at: at(5), ..user.clone() });
    assert_not_found(store.update_account(UserId::random(), AccountChange::default(), at(5)).await);
}

async fn addresses(store: &impl Store) {
    let (user, _) = somebody(store).await;
    let (other, _) = somebody(store).await;
    let taken = EmailChange { email: Email::parse(&other.email).unwrap(), verification: None };
    let name = Some(DisplayName::parse("Lost").unwrap());
    let change = AccountChange { name, email: Some(taken), password: None };
    assert_eq!(store.update_account(user.id, change, at(5)).await.unwrap(), AccountUpdate::EmailTaken);
    assert_eq!(store.find_account(user.id).await.unwrap().unwrap().user, user, "nothing was changed");

    let (reset, verify) = (one_time(user.id, OneTimePurpose::ResetPassword), one_time(user.id, OneTimePurpose::VerifyEmail));
    store.issue_one_time_token(reset.clone()).await.unwrap();
    store.issue_one_time_token(verify.clone()).await.unwrap();
    // The stored address again: links stay, the flag stays.
    let same = EmailChange { email: Email::parse(&user.email).unwrap(), verification: None };
    let change = AccountChange { email: Some(same), ..AccountChange::default() };
    let AccountUpdate::Updated(same) = store.update_account(user.id, change, at(6)).await.unwrap() else { panic!() };
    assert!(!same.email_verified);
    let find = async |token: &NewOneTimeToken| store.find_one_time_token(token.token_hash, token.purpose, at(7)).await.unwrap();
    assert_eq!((find(&reset).await, find(&verify).await), (Some(user.id), Some(user.id)));

    let (email, newer) = (fresh_email(), one_time(user.id, OneTimePurpose::VerifyEmail));
    let change = EmailChange { email: email.clone(), verification: Some(newer.clone()) };
    let change = AccountChange { email: Some(change), ..AccountChange::default() };
    let AccountUpdate::Updated(moved) = store.update_account(user.id, change, at(7)).await.unwrap() else { panic!() };
    assert_eq!((moved.email.as_str(), moved.email_verified), (email.as_str(), false));
    assert_eq!((find(&reset).await, find(&verify).await, find(&newer).await), (None, None, Some(user.id)));

    let change =
        AccountChange { email: Some(EmailChange { email: fresh_email(), verification: None }), ..AccountChange::default() };
    let AccountUpdate::Updated(trusted) = store.update_account(user.id, change, at(8)).await.unwrap() else { panic!() };
    assert!(trusted.email_verified);
    assert_eq!(find(&newer).await, None);
}

async fn passwords(store: &impl Store) {
    let (user, session) = somebody(store).await;
    let (other, other_session) = somebody(store).await;
    let (reset, verify) = (one_time(user.id, OneTimePurpose::ResetPassword), one_time(user.id, OneTimePurpose::VerifyEmail));
    store.issue_one_time_token(reset.clone()).await.unwrap();
    store.issue_one_time_token(verify.clone()).await.unwrap();
    let to = |expected: &str, replacement: &str| PasswordChange { expected: phc(expected), replacement: phc(replacement) };
    let change = |password| AccountChange { password: Some(password), ..AccountChange::default() };

    let late = store.update_account(user.id, change(to("$zero", "$two")), at(5)).await.unwrap();
    assert_eq!(late, AccountUpdate::PasswordChanged);
    assert!(lives(store, &session).await);
    assert!(matches!(store.update_account(user.id, change(to("$one", "$two")), at(5)).await.unwrap(), AccountUpdate::Updated(_)));
    assert!(!lives(store, &session).await);
    assert!(store.find_one_time_token(reset.token_hash, reset.purpose, at(6)).await.unwrap().is_none());
    assert_eq!(store.find_one_time_token(verify.token_hash, verify.purpose, at(6)).await.unwrap(), Some(user.id));
    assert!(lives(store, &other_session).await);

    assert!(!store.rehash_password(user.id, to("$one", "$three")).await.unwrap());
    assert!(store.rehash_password(user.id, to("$two", "$three")).await.unwrap());
    assert!(!store.rehash_password(UserId::random(), to("$two", "$three")).await.unwrap());
    let account = store.find_account(user.id).await.unwrap().unwrap();
    assert_eq!((account.password_hash.expose(), account.user.updated_at), ("$three", at(5)));
    assert_eq!(store.find_account(other.id).await.unwrap().unwrap().password_hash.expose(), "$one");
}

pub(crate) async fn sessions(store: &impl Store) {
    let (user, first) = somebody(store).await;
    let (other, foreign) = somebody(store).await;

    let stale = new_session(user.id, SessionLifetime::Standard, at(1));
    assert!(!store.open_session(stale.clone(), &phc("$zero")).await.unwrap(), "another password");
    assert!(!lives(store, &stale).await);
    let nobodys = new_session(UserId::random(), SessionLifetime::Standard, at(1));
    assert!(!store.open_session(nobodys, &phc("$one")).await.unwrap());
    assert_eq!(store.find_account(user.id).await.unwrap().unwrap().user.last_login_at, None);

    let second = open(store, &user, SessionLifetime::Remembered, 10).await;
    let account = store.find_account(user.id).await.unwrap().unwrap();
    assert_eq!((account.user.last_login_at, account.user.updated_at), (Some(at(10)), at(0)));

    let SessionAccess::Active { user: seen, expires_at } = store.find_session_access(second.id, user.id).await.unwrap() else {
        panic!()
    };
    assert_eq!((seen, expires_at), (account.user, at(5010)));
    assert_eq!(store.find_session_access(second.id, other.id).await.unwrap(), SessionAccess::Ended);
    assert_eq!(store.find_session_access(SessionId::random(), user.id).await.unwrap(), SessionAccess::Ended);
    assert_eq!(store.find_session_access(second.id, UserId::random()).await.unwrap(), SessionAccess::UserGone);

    let listed = async |current, seconds| {
        let sessions = store.list_sessions(user.id, current, at(seconds)).await.unwrap();
        sessions.into_iter().map(|session| (session.id, session.current)).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 20).await, [(second.id, false), (first.id, false)]);
    assert_eq!(listed(Some(first.token_hash), 20).await, [(second.id, false), (first.id, true)]);
    assert_eq!(listed(Some(foreign.token_hash), 20).await, [(second.id, false), (first.id, false)]);
    assert_eq!(listed(None, 1000).await, [(second.id, false)], "the first has expired");
    let shown = store.list_sessions(user.id, None, at(20)).await.unwrap().pop().unwrap();
    assert_eq!(shown.address, first.client.address());
    assert_eq!((shown.user_agent.as_deref(), shown.created_at), (Some("Firefox"), at(0)));

    assert_not_found(store.revoke_session(other.id, second.id, at(20)).await);
    assert_not_found(store.revoke_session(user.id, SessionId::random(), at(20)).await);
    assert_not_found(store.revoke_session(user.id, first.id, at(1000)).await);
    store.revoke_session(user.id, second.id, at(20)).await.unwrap();
    assert_not_found(store.revoke_session(user.id, second.id, at(20)).await);
    assert!(!lives(store, &second).await && lives(store, &first).await);
    assert_eq!(listed(None, 20).await, [(first.id, false)]);

    logging_out(store).await;
    let third = open(store, &user, SessionLifetime::Standard, 30).await;
    assert_eq!(store.revoke_all_sessions(user.id, at(40)).await.unwrap(), 2);
    assert_eq!(store.revoke_all_sessions(user.id, at(40)).await.unwrap(), 0);
    assert!(!lives(store, &first).await && !lives(store, &third).await && lives(store, &foreign).await);
    assert_eq!(listed(None, 40).await, []);
}

async fn logging_out(store: &impl Store) {
    let (user, first) = somebody(store).await;
    let (_, foreign) = somebody(store).await;
    let second = open(store, &user, SessionLifetime::Standard, 1).await;
    let third = open(store, &user, SessionLifetime::Standard, 2).await;
    let end = async |id, token| store.end_sessions(user.id, id, token, at(5)).await.unwrap();
    assert_eq!(end(None, None).await, []);
    assert_eq!(end(Some(foreign.id), Some(foreign.token_hash)).await, []);
    assert!(lives(store, &foreign).await);
    assert_eq!(end(Some(first.id), Some(first.token_hash)).await, [first.id], "one session, named twice");
    assert_eq!(end(Some(first.id), None).await, []);
    let ended: HashSet<SessionId> = end(Some(second.id), Some(third.token_hash)).await.into_iter().collect();
    assert_eq!(ended, HashSet::from([second.id, third.id]));
    assert!(!lives(store, &first).await && !lives(store, &second).await && !lives(store, &third).await);
}

pub(crate) async fn rotation(store: &impl Store) {
    let (user, session) = somebody(store).await;
    let [t0, t1, t2] = [session.token_hash, fresh_hash(), fresh_hash()];
    let rotate =
        async |token, successor, seconds| store.rotate_refresh_token(rotation_of(token, successor, seconds)).await.unwrap();
    let rotated = RotateOutcome::Rotated { session_id: session.id, user: user.clone() };
    let replayed =
        |steps, newest_hash| RotateOutcome::Replayed { session_id: session.id, user: user.clone(), steps, newest_hash };

    assert_eq!(rotate(fresh_hash(), fresh_hash(), 0).await, RotateOutcome::Unknown);
    assert_eq!(rotate(t0, t1, 100).await, rotated);
    assert_eq!(rotate(t0, t1, 110).await, replayed(1, t1));
    assert_eq!(rotate(t0, t1, 99).await, replayed(1, t1), "a clock behind");
    assert_eq!(rotate(t1, t2, 105).await, rotated);
    assert_eq!(rotate(t0, t1, 110).await, replayed(2, t2));
    assert_eq!(rotate(t1, t2, 115).await, replayed(1, t2));
    let shown = store.list_sessions(user.id, Some(t0), at(115)).await.unwrap().pop().unwrap();
    assert_eq!((shown.user_agent.as_deref(), shown.current), (Some("Phone"), true));
    let SessionAccess::Active { expires_at, .. } = store.find_session_access(session.id, user.id).await.unwrap() else {
        panic!()
    };
    assert_eq!(expires_at, at(1105));

    // Expired tokens harm nobody, rotated or not.
    assert_eq!(rotate(t0, t1, 1000).await, RotateOutcome::Expired);
    assert_eq!(rotate(t2, fresh_hash(), 1105).await, RotateOutcome::Expired);
    assert!(lives(store, &session).await);

    // Reuse revokes, for good.
    assert_eq!(rotate(t1, t2, 116).await, RotateOutcome::Reused { session_id: session.id, user_id: user.id });
    assert!(!lives(store, &session).await);
    for token in [t0, t1, t2] {
        assert_eq!(rotate(token, fresh_hash(), 116).await, RotateOutcome::Revoked);
    }

    // A remembered session stays so.
    let remembered = open(store, &user, SessionLifetime::Remembered, 0).await;
    let next = fresh_hash();
    rotate(remembered.token_hash, next, 4000).await;
    let SessionAccess::Active { expires_at, .. } = store.find_session_access(remembered.id, user.id).await.unwrap() else {
        panic!()
    };
    assert_eq!(expires_at, at(9000));

    // A revoked one is not rotated.
    store.revoke_session(user.id, remembered.id, at(4001)).await.unwrap();
    assert_eq!(rotate(next, fresh_hash(), 4002).await, RotateOutcome::Revoked);
}

pub(crate) async fn throttles(store: &impl Store) {
    let rule = ThrottleRule::new(2, 60);
    let (key, other) = (ThrottleKey::new(*fresh_hash().as_bytes()), ThrottleKey::new(*fresh_hash().as_bytes()));
    let denied = |retry_after_s| ThrottleDecision::Denied { retry_after_s };
    let hit = async |seconds| store.hit(key, rule, at(seconds)).await.unwrap();
    let check = async |seconds| store.check(key, rule, at(seconds)).await.unwrap();
    let forgive = async |seconds| store.forgive(key, rule, at(seconds)).await.unwrap();

    assert_eq!(check(0).await, ThrottleDecision::Allowed);
    assert_eq!((hit(0).await, check(1).await), (ThrottleDecision::Allowed, ThrottleDecision::Allowed));
    assert_eq!((hit(20).await, check(20).await), (ThrottleDecision::Allowed, denied(40)));
    assert_eq!((hit(30).await, hit(59).await), (denied(30), denied(1)));
    assert_eq!(forgive(59).await, denied(1), "a full window is not forgiven");
    assert_eq!(store.hit(other, rule, at(59)).await.unwrap(), ThrottleDecision::Allowed);
    assert_eq!(check(60).await, ThrottleDecision::Allowed);
    assert_eq!(
        (hit(60).await, hit(61).await, hit(62).await),
        (ThrottleDecision::Allowed, ThrottleDecision::Allowed, denied(58),)
    );

    assert_eq!(forgive(120).await, ThrottleDecision::Allowed);
    assert_eq!(hit(120).await, ThrottleDecision::Allowed);
    assert_eq!(forgive(121).await, ThrottleDecision::Allowed);
    assert_eq!(
        (hit(122).await, hit(123).await, hit(124).await),
        (ThrottleDecision::Allowed, ThrottleDecision::Allowed, denied(58),)
    );
    assert_eq!(store.forgive(ThrottleKey::new(*fresh_hash().as_bytes()), rule, at(0)).await.unwrap(), ThrottleDecision::Allowed);
}

/// Wants a store to itself.
pub(crate) async fn pruning(store: &impl Store) {
    let (user, session) = somebody(store).await;
    let remembered = open(store, &user, SessionLifetime::Remembered, 0).await;
    let next = fresh_hash();
    store.rotate_refresh_token(rotation_of(remembered.token_hash, next, 1500)).await.unwrap();
    store.issue_one_time_token(one_time(user.id, OneTimePurpose::ResetPassword)).await.unwrap();
    let token = new_token(user.id, &fresh_prefix(), 0);
    store.create_token(token.clone(), 3).await.unwrap();
    let key = ThrottleKey::new(*fresh_hash().as_bytes());
    store.hit(key, ThrottleRule::new(1, 60), at(0)).await.unwrap();

    assert_eq!(store.prune(at(59), KEEP).await.unwrap(), 0);
    assert_eq!(store.prune(at(60), KEEP).await.unwrap(), 1, "the throttle's window");
    assert_eq!(store.prune(at(100), KEEP).await.unwrap(), 1, "the one-time token");
    assert_eq!(store.prune(at(199), KEEP).await.unwrap(), 0);
    assert_eq!(store.prune(at(200), KEEP).await.unwrap(), 1, "the personal token, some time after it expired");
    assert_eq!(store.prune(at(1000), KEEP).await.unwrap(), 2, "the first session and its only token");
    assert!(!lives(store, &session).await && lives(store, &remembered).await);
    assert_eq!(store.prune(at(5000), KEEP).await.unwrap(), 1, "a rotated token");
    let rotated = store.rotate_refresh_token(rotation_of(next, fresh_hash(), 5000)).await.unwrap();
    assert!(matches!(rotated, RotateOutcome::Rotated { .. }), "{rotated:?}");
}

pub(crate) async fn races<S: Store>(store: &Arc<S>) {
    let (user, session) = somebody(&**store).await;
    let successor = fresh_hash();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (store, token) = (Arc::clone(store), session.token_hash);
        tasks.spawn(async move { store.rotate_refresh_token(rotation_of(token, successor, 10)).await.unwrap() });
    }
    let outcomes = tasks.join_all().await;
    let rotated = outcomes.iter().filter(|outcome| matches!(outcome, RotateOutcome::Rotated { .. })).count();
    let replayed = RotateOutcome::Replayed { session_id: session.id, user: user.clone(), steps: 1, newest_hash: successor };
    assert_eq!((rotated, outcomes.iter().filter(|outcome| **outcome == replayed).count()), (1, 31));

    let key = ThrottleKey::new(*fresh_hash().as_bytes());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let store = Arc::clone(store);
        tasks.spawn(async move { store.hit(key, ThrottleRule::new(7, 60), at(0)).await.unwrap() });
    }
    let decisions = tasks.join_all().await;
    assert_eq!(decisions.iter().filter(|decision| **decision == ThrottleDecision::Allowed).count(), 7);

    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (store, token) = (Arc::clone(store), new_token(user.id, &fresh_prefix(), 0));
        tasks.spawn(async move { store.create_token(token, 5).await.unwrap() });
    }
    let created = tasks.join_all().await;
    assert_eq!(created.iter().filter(|outcome| matches!(outcome, TokenCreation::Created(_))).count(), 5);

    let reset = one_time(user.id, OneTimePurpose::ResetPassword);
    store.issue_one_time_token(reset.clone()).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (store, hash) = (Arc::clone(store), reset.token_hash);
        tasks.spawn(async move { store.reset_password(hash, phc("$two"), at(1)).await.unwrap() });
    }
    let used = tasks.join_all().await;
    assert_eq!(used.iter().flatten().count(), 1);
}
