//! Personal access tokens.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gristmill_domain::{
    Caller, Clock, ErrorCode, Scope, TokenId, UserId,
    caller::Credential,
    identity::{
        DisplayName, NewPersonalToken, PersonalToken, PersonalTokenAccess, PersonalTokenStore, Scopes, TokenCreation,
        TokenLifetime, TokenPrefix,
    },
    ports::StoreError,
};
use gristmill_identity::{CreatedToken, IdentityError, Ports, ProfileUpdate, TokenRequest, memory::MemoryStore};
use secrecy::ExposeSecret;

use crate::support::{PASSWORD, World, assert_code};

fn request(scopes: &[Scope], days: i64) -> TokenRequest {
    TokenRequest {
        name: DisplayName::parse("ci").unwrap(),
        scopes: Scopes::new(scopes.iter().copied()).unwrap(),
        lifetime: TokenLifetime::from_days(days).unwrap(),
    }
}

async fn started() -> (World, Caller) {
    let world = World::new();
    let signed_in = world.register("ada@example.org").await;
    let caller = world.caller(&signed_in).await;
    (world, caller)
}

async fn create(world: &World, caller: &Caller, scopes: &[Scope], days: i64) -> CreatedToken {
    world.identity.accounts.create_token(caller, request(scopes, days)).await.unwrap()
}

async fn authenticate(world: &World, created: &CreatedToken) -> Result<Caller, IdentityError> {
    world.identity.authenticator.authenticate(created.secret.expose_secret()).await
}

#[tokio::test]
async fn a_token_authenticates_with_its_widest_scope() {
    let (world, caller) = started().await;
    let created = create(&world, &caller, &[Scope::Write, Scope::Read], 90).await;
    let text = created.secret.expose_secret();
    assert!(text.starts_with("gmp_") && text.len() == 56, "{text}");
    let by_token = authenticate(&world, &created).await.unwrap();
    assert_eq!((by_token.user_id, by_token.scope), (caller.user_id, Scope::Write));
    assert_eq!(by_token.credential, Credential::PersonalToken(created.token.id));
    assert!(by_token.email_verified);
    assert!(by_token.allows(Scope::Read) && !by_token.allows(Scope::Account));
}

#[tokio::test]
async fn the_secret_is_shown_once_and_never_listed() {
    let (world, caller) = started().await;
    let created = create(&world, &caller, &[Scope::Read], 1).await;
    let listed = world.identity.accounts.list_tokens(&caller).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&created.token));
    let (_, secret) = created.secret.expose_secret().split_at(13);
    assert!(!format!("{:?} {:?}", listed, world.store).contains(secret), "not even in the store");
}

#[tokio::test]
async fn a_wrong_secret_or_prefix_is_refused() {
    let (world, caller) = started().await;
    let created = create(&world, &caller, &[Scope::Read], 90).await;
    let other = create(&world, &caller, &[Scope::Account], 90).await;
    let (mine, theirs) = (created.secret.expose_secret(), other.secret.expose_secret());
    let mut last = mine.to_owned();
    let changed = if last.pop() == Some('A') { 'B' } else { 'A' };
    last.push(changed);
    let ((my_prefix, my_secret), (_, their_secret)) = (mine.split_at(13), theirs.split_at(13));
    let mixed = format!("{my_prefix}{their_secret}");
    let unknown = format!("gmp_00000000_{my_secret}");
    for _ in 0..2 {
        for bad in [&last, &mixed, &unknown] {
            let outcome = world.identity.authenticator.authenticate(bad).await;
            assert!(matches!(outcome, Err(IdentityError::InvalidCredential)), "{outcome:?}");
        }
        assert!(authenticate(&world, &created).await.is_ok());
    }
    for bad in [mine.split_at(55).0, &format!("{mine}A"), &mine.replace("gmp_", "GMP_"), &mine.to_uppercase()] {
        let outcome = world.identity.authenticator.authenticate(bad).await;
        assert!(matches!(outcome, Err(IdentityError::MalformedCredential)), "{bad}: {outcome:?}");
    }
}

#[tokio::test]
async fn tokens_expire_on_their_day_also_when_remembered() {
    let (world, caller) = started().await;
    let created = create(&world, &caller, &[Scope::Read], 1).await;
    world.clock.advance(86_399);
    assert!(authenticate(&world, &created).await.is_ok());
    world.clock.advance(1);
    assert!(matches!(authenticate(&world, &created).await, Err(IdentityError::ExpiredCredential)));
    world.clock.advance(60);
    assert!(matches!(authenticate(&world, &created).await, Err(IdentityError::ExpiredCredential)));
}

#[tokio::test]
async fn a_revoked_token_is_dead_at_once_here_and_by_announcement_elsewhere() {
    let (world, caller) = started().await;
    let created = create(&world, &caller, &[Scope::Read], 90).await;
    let other = world.another_process();
    let text = created.secret.expose_secret();
    authenticate(&world, &created).await.unwrap();
    other.authenticator.authenticate(text).await.unwrap();
    let mut changes = world.store.changes();
    world.identity.accounts.revoke_token(&caller, created.token.id).await.unwrap();
    assert!(matches!(authenticate(&world, &created).await, Err(IdentityError::InvalidCredential)));
    other.apply(changes.try_recv().unwrap());
    assert!(matches!(other.authenticator.authenticate(text).await, Err(IdentityError::InvalidCredential)));
    assert_code(world.identity.accounts.revoke_token(&caller, created.token.id).await, ErrorCode::TokenNotFound);
    assert!(world.identity.accounts.list_tokens(&caller).await.unwrap().is_empty());
}

#[tokio::test]
async fn tokens_of_others_are_neither_seen_nor_revoked() {
    let (world, ada) = started().await;
    let eve = world.register("eve@example.org").await;
    let eve = world.caller(&eve).await;
    let created = create(&world, &ada, &[Scope::Read], 90).await;
    assert!(world.identity.accounts.list_tokens(&eve).await.unwrap().is_empty());
    assert_code(world.identity.accounts.revoke_token(&eve, created.token.id).await, ErrorCode::TokenNotFound);
    assert!(authenticate(&world, &created).await.is_ok());
}

#[tokio::test]
async fn narrow_tokens_cannot_touch_the_account() {
    let (world, caller) = started().await;
    let accounts = &world.identity.accounts;
    for scope in [Scope::Read, Scope::Write] {
        let created = create(&world, &caller, &[scope], 90).await;
        let narrow = authenticate(&world, &created).await.unwrap();
        assert!(accounts.me(&narrow).await.is_ok());
        assert!(accounts.verification_status(&narrow).await.is_ok());
        assert_code(accounts.create_token(&narrow, request(&[Scope::Read], 1)).await, ErrorCode::InsufficientScope);
        assert_code(accounts.list_tokens(&narrow).await, ErrorCode::InsufficientScope);
        assert_code(accounts.revoke_token(&narrow, created.token.id).await, ErrorCode::InsufficientScope);
        assert_code(accounts.list_sessions(&narrow, None).await, ErrorCode::InsufficientScope);
        assert_code(accounts.revoke_all_sessions(&narrow).await, ErrorCode::InsufficientScope);
        assert_code(accounts.revoke_session(&narrow, gristmill_domain::SessionId::random()).await, ErrorCode::InsufficientScope);
        assert_code(accounts.logout(&narrow, None).await, ErrorCode::InsufficientScope);
        assert_code(accounts.update_profile(&narrow, ProfileUpdate::default()).await, ErrorCode::InsufficientScope);
        assert_code(accounts.resend_verification(&narrow, None).await, ErrorCode::InsufficientScope);
        assert_code(accounts.delete_account(&narrow, &PASSWORD.into()).await, ErrorCode::InsufficientScope);
    }
}

#[tokio::test]
async fn an_account_token_may_manage_the_account_and_has_no_session() {
    let (world, caller) = started().await;
    let created = create(&world, &caller, &[Scope::Account], 90).await;
    let wide = authenticate(&world, &created).await.unwrap();
    let sessions = world.identity.accounts.list_sessions(&wide, None).await.unwrap();
    assert_eq!(sessions.iter().map(|session| session.current).collect::<Vec<_>>(), [false]);
    world.identity.accounts.logout(&wide, None).await.unwrap();
    assert_eq!(world.identity.accounts.list_sessions(&wide, None).await.unwrap().len(), 1);
    assert_eq!(world.identity.accounts.revoke_all_sessions(&wide).await.unwrap(), 1);
    assert!(authenticate(&world, &created).await.is_ok(), "personal access tokens stay");
    world.identity.accounts.delete_account(&wide, &PASSWORD.into()).await.unwrap();
    assert!(matches!(authenticate(&world, &created).await, Err(IdentityError::InvalidCredential)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_tokens_a_user_also_for_many_at_once() {
    let (world, caller) = started().await;
    let (world, caller) = (Arc::new(world), Arc::new(caller));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let (world, caller) = (Arc::clone(&world), Arc::clone(&caller));
        tasks.spawn(async move { world.identity.accounts.create_token(&caller, request(&[Scope::Read], 1)).await });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 50);
    for refused in outcomes.into_iter().filter(Result::is_err) {
        assert_code(refused, ErrorCode::Conflict);
    }
    let eve = world.register("eve@example.org").await;
    let eve = world.caller(&eve).await;
    create(&world, &eve, &[Scope::Read], 1).await;
    world.clock.advance(86_400);
    world.identity.forget_callers();
    create(&world, &caller, &[Scope::Read], 1).await;
    assert_eq!(world.identity.accounts.list_tokens(&caller).await.unwrap().len(), 51, "expired ones are listed, not counted");
}

#[tokio::test]
async fn use_is_recorded_at_most_once_a_minute() {
    let (world, caller) = started().await;
    let created = create(&world, &caller, &[Scope::Read], 90).await;
    let last_used = || async { world.identity.accounts.list_tokens(&caller).await.unwrap()[0].last_used_at };
    assert_eq!(last_used().await, None);
    let first_use = world.clock.now();
    authenticate(&world, &created).await.unwrap();
    assert_eq!(last_used().await, Some(first_use));
    assert_eq!(world.work_of(authenticate(&world, &created)).await.2, 0);
    world.clock.advance(59);
    authenticate(&world, &created).await.unwrap();
    assert_eq!(last_used().await, Some(first_use));
    world.clock.advance(1);
    authenticate(&world, &created).await.unwrap();
    assert_eq!(last_used().await, Some(world.clock.now()));
}

/// Tokens over the memory store, with some things going wrong.
#[derive(Debug)]
struct Trouble {
    inner: Arc<MemoryStore>,
    taken_prefixes: u32,
    seen: std::sync::atomic::AtomicU32,
}

#[async_trait]
impl PersonalTokenStore for Trouble {
    async fn create_token(&self, token: NewPersonalToken, limit: u32) -> Result<TokenCreation, StoreError> {
        if self.seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < self.taken_prefixes {
            return Ok(TokenCreation::PrefixTaken);
        }
        self.inner.create_token(token, limit).await
    }

    async fn list_tokens(&self, user_id: UserId) -> Result<Vec<PersonalToken>, StoreError> {
        self.inner.list_tokens(user_id).await
    }

    async fn revoke_token(&self, user_id: UserId, id: TokenId) -> Result<(), StoreError> {
        self.inner.revoke_token(user_id, id).await
    }

    async fn find_token(&self, prefix: &TokenPrefix) -> Result<Option<PersonalTokenAccess>, StoreError> {
        self.inner.find_token(prefix).await
    }

    async fn touch_token(&self, _: TokenId, _: DateTime<Utc>, _: Duration) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("down".into()))
    }
}

fn troubled(taken_prefixes: u32) -> World {
    let store = Arc::new(MemoryStore::new());
    World::with_ports(|ports| Ports {
        personal_tokens: Arc::new(Trouble { inner: Arc::clone(&store), taken_prefixes, seen: 0.into() }),
        ..Ports::of(Arc::clone(&store), ports.mailer, ports.clock)
    })
}

#[tokio::test]
async fn a_failing_record_of_use_does_not_fail_the_request() {
    let world = troubled(0);
    let signed_in = world.register("ada@example.org").await;
    let created = create(&world, &world.caller(&signed_in).await, &[Scope::Read], 1).await;
    assert!(authenticate(&world, &created).await.is_ok());
}

#[tokio::test]
async fn a_taken_prefix_is_replaced_but_not_for_ever() {
    let world = troubled(4);
    let signed_in = world.register("ada@example.org").await;
    let caller = world.caller(&signed_in).await;
    create(&world, &caller, &[Scope::Read], 1).await;
    let world = troubled(5);
    let signed_in = world.register("ada@example.org").await;
    let caller = world.caller(&signed_in).await;
    assert_code(world.identity.accounts.create_token(&caller, request(&[Scope::Read], 1)).await, ErrorCode::Internal);
}

#[tokio::test]
async fn tokens_show_the_owners_verification_of_now() {
    let world = World::with_mail();
    let signed_in = world.register("ada@example.org").await;
    let caller = world.caller(&signed_in).await;
    let created = create(&world, &caller, &[Scope::Read], 1).await;
    assert!(!authenticate(&world, &created).await.unwrap().email_verified);
    world.identity.accounts.verify_email(world.mail.last().1.token.expose()).await.unwrap();
    assert!(authenticate(&world, &created).await.unwrap().email_verified);
}
