//! What a process remembers about callers, and how fast it forgets.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gristmill_domain::{
    Clock, ErrorCode, SessionId, UserId,
    identity::{
        ClientInfo, IdentityChange, NewSession, PhcString, RotateOutcome, Rotation, SessionAccess, SessionStore, SessionSummary,
        TokenHash,
    },
    ports::StoreError,
};
use gristmill_identity::{IdentityError, Ports, memory::MemoryStore};
use tokio::sync::Semaphore;

use crate::support::{PASSWORD, World, assert_code, browser, email, login};

/// Sessions over the memory store, with some things going otherwise.
#[derive(Debug)]
struct Sessions {
    inner: Arc<MemoryStore>,
    /// The next `access` reads, then waits for a permit before it answers.
    hold: AtomicBool,
    reading: Semaphore,
    release: Semaphore,
    /// How many times `open` says that the password was replaced.
    refusals: std::sync::atomic::AtomicU32,
}

impl Sessions {
    fn over(inner: &Arc<MemoryStore>) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            hold: AtomicBool::new(false),
            reading: Semaphore::new(0),
            release: Semaphore::new(0),
            refusals: 0.into(),
        })
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn open_session(&self, session: NewSession, expected: &PhcString) -> Result<bool, StoreError> {
        let refuse = self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if refuse { Ok(false) } else { self.inner.open_session(session, expected).await }
    }

    async fn rotate_refresh_token(&self, rotation: Rotation) -> Result<RotateOutcome, StoreError> {
        self.inner.rotate_refresh_token(rotation).await
    }

    async fn find_session_access(&self, id: SessionId, user_id: UserId) -> Result<SessionAccess, StoreError> {
        let read = self.inner.find_session_access(id, user_id).await;
        if self.hold.swap(false, Ordering::SeqCst) {
            self.reading.add_permits(1);
            self.release.acquire().await.unwrap().forget();
        }
        read
    }

    async fn list_sessions(
        &self,
        user_id: UserId,
        current: Option<TokenHash>,
        now: DateTime<Utc>,
    ) -> Result<Vec<SessionSummary>, StoreError> {
        self.inner.list_sessions(user_id, current, now).await
    }

    async fn revoke_session(&self, user_id: UserId, id: SessionId, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.inner.revoke_session(user_id, id, now).await
    }

    async fn revoke_all_sessions(&self, user_id: UserId, now: DateTime<Utc>) -> Result<u64, StoreError> {
        self.inner.revoke_all_sessions(user_id, now).await
    }

    async fn end_sessions(
        &self,
        user_id: UserId,
        id: Option<SessionId>,
        token: Option<TokenHash>,
        now: DateTime<Utc>,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.inner.end_sessions(user_id, id, token, now).await
    }
}

/// A world whose store's sessions misbehave on demand.
fn world_with_sessions() -> (World, Arc<Sessions>, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::new());
    let sessions = Sessions::over(&store);
    let world = World::with_ports(|ports| Ports {
        sessions: Arc::<Sessions>::clone(&sessions),
        ..Ports::of(Arc::clone(&store), ports.mailer, ports.clock)
    });
    (world, sessions, store)
}

#[tokio::test]
async fn a_known_caller_costs_no_store_call() {
    let world = World::new();
    let signed_in = world.register("ada@example.org").await;
    let (_, _, first) = world.work_of(world.caller(&signed_in)).await;
    let (_, _, second) = world.work_of(world.caller(&signed_in)).await;
    assert_eq!((first, second), (1, 0));
}

#[tokio::test]
async fn an_entry_is_believed_for_30_seconds() {
    let world = World::new();
    let signed_in = world.register("ada@example.org").await;
    world.caller(&signed_in).await;
    world.clock.advance(29);
    assert_eq!(world.work_of(world.caller(&signed_in)).await.2, 0);
    world.clock.advance(1);
    assert_eq!(world.work_of(world.caller(&signed_in)).await.2, 1);
}

#[tokio::test]
async fn another_process_learns_of_a_logout_by_announcement() {
    let world = World::new();
    let signed_in = world.register("ada@example.org").await;
    let other = world.another_process();
    let mut changes = world.store.changes();
    other.authenticator.authenticate(signed_in.tokens.access_text()).await.unwrap();

    let caller = world.caller(&signed_in).await;
    world.identity.accounts.logout(&caller, None).await.unwrap();
    assert!(other.authenticator.authenticate(signed_in.tokens.access_text()).await.is_ok(), "not yet heard of it");
    let change: IdentityChange = changes.try_recv().unwrap().to_string().parse().unwrap();
    other.apply(change);
    let heard = other.authenticator.authenticate(signed_in.tokens.access_text()).await;
    assert_code(heard, ErrorCode::Unauthenticated);
}

#[tokio::test]
async fn a_process_that_hears_nothing_forgets_in_30_seconds_or_on_demand() {
    let world = World::new();
    for forget in [true, false] {
        let signed_in = world.register(&format!("ada{forget}@example.org")).await;
        let deaf = world.another_process();
        deaf.authenticator.authenticate(signed_in.tokens.access_text()).await.unwrap();
        let caller = world.caller(&signed_in).await;
        world.identity.accounts.logout(&caller, None).await.unwrap();
        if forget {
            deaf.forget_callers();
        } else {
            world.clock.advance(30);
        }
        assert_code(deaf.authenticator.authenticate(signed_in.tokens.access_text()).await, ErrorCode::Unauthenticated);
    }
}

#[tokio::test]
async fn verification_takes_effect_at_once() {
    let world = World::with_mail();
    let signed_in = world.register("ada@example.org").await;
    assert!(!world.caller(&signed_in).await.email_verified);
    let token = world.mail.last().1.token;
    world.identity.accounts.verify_email(token.expose()).await.unwrap();
    assert!(world.caller(&signed_in).await.email_verified);
}

#[tokio::test]
async fn forgetting_one_user_leaves_the_others_remembered() {
    let world = World::new();
    let ada = world.register("ada@example.org").await;
    let eve = world.register("eve@example.org").await;
    world.caller(&ada).await;
    world.caller(&eve).await;
    world.identity.apply(IdentityChange::User(ada.user.id));
    assert_eq!(world.work_of(world.caller(&eve)).await.2, 0);
    assert_eq!(world.work_of(world.caller(&ada)).await.2, 1);
}

#[tokio::test]
async fn what_was_read_before_a_logout_is_not_remembered_after_it() {
    let (world, sessions, store) = world_with_sessions();
    let signed_in = world.identity.accounts.register(crate::support::registration("ada@example.org"), browser()).await.unwrap();
    let access = signed_in.signed_in.tokens.access_text().to_owned();
    sessions.hold.store(true, Ordering::SeqCst);
    let slow = world.identity.authenticator.authenticate(&access);
    let meanwhile = async {
        sessions.reading.acquire().await.unwrap().forget();
        let caller = world.identity.authenticator.authenticate(&access).await.unwrap();
        world.identity.accounts.logout(&caller, None).await.unwrap();
        sessions.release.add_permits(1);
    };
    let (slow, ()) = tokio::join!(slow, meanwhile);
    assert!(slow.is_ok(), "it began before the logout");
    let calls = store.calls();
    assert_code(world.identity.authenticator.authenticate(&access).await, ErrorCode::Unauthenticated);
    assert_eq!(store.calls() - calls, 1, "the store was asked again");
}

#[tokio::test]
async fn a_login_survives_a_hash_that_is_renewed_at_the_same_time_but_not_a_new_password() {
    let (world, sessions, _) = world_with_sessions();
    let accounts = &world.identity.accounts;
    accounts.register(crate::support::registration("ada@example.org"), browser()).await.unwrap();
    sessions.refusals.store(1, Ordering::SeqCst);
    assert!(accounts.login(login("ada@example.org", PASSWORD), browser()).await.is_ok());
    sessions.refusals.store(2, Ordering::SeqCst);
    let outcome = accounts.login(login("ada@example.org", PASSWORD), browser()).await;
    assert!(matches!(outcome, Err(IdentityError::InvalidLogin)), "{outcome:?}");
}

#[tokio::test]
async fn a_cached_session_that_was_prolonged_is_asked_about_again() {
    let world = World::with_policy(|policy| {
        policy.tokens.session_ttl.standard = std::time::Duration::from_secs(20);
    });
    let signed_in = world.register("ada@example.org").await;
    world.clock.advance(15);
    world.caller(&signed_in).await;
    world.identity.accounts.refresh(signed_in.tokens.refresh.expose(), ClientInfo::default()).await.unwrap();
    world.clock.advance(6);
    assert!(world.authenticate(&signed_in).await.is_ok(), "remembered as ending by now, but it does not");
    world.clock.advance(15);
    assert!(matches!(world.authenticate(&signed_in).await, Err(IdentityError::ExpiredCredential)));
}

#[tokio::test]
async fn an_unreachable_database_is_told_as_such() {
    #[derive(Debug)]
    struct Down;

    #[async_trait]
    impl gristmill_domain::identity::ThrottleStore for Down {
        async fn hit(
            &self,
            _: gristmill_domain::identity::ThrottleKey,
            _: gristmill_domain::identity::ThrottleRule,
            _: DateTime<Utc>,
        ) -> Result<gristmill_domain::identity::ThrottleDecision, StoreError> {
            Err(StoreError::Unavailable("connection refused".into()))
        }

        async fn check(
            &self,
            _: gristmill_domain::identity::ThrottleKey,
            _: gristmill_domain::identity::ThrottleRule,
            _: DateTime<Utc>,
        ) -> Result<gristmill_domain::identity::ThrottleDecision, StoreError> {
            Err(StoreError::Defect("syntax error".into()))
        }

        async fn forgive(
            &self,
            _: gristmill_domain::identity::ThrottleKey,
            _: gristmill_domain::identity::ThrottleRule,
            _: DateTime<Utc>,
        ) -> Result<gristmill_domain::identity::ThrottleDecision, StoreError> {
            Err(StoreError::Defect("syntax error".into()))
        }
    }

    let world = World::with_ports(|ports| Ports { throttles: Arc::new(Down), ..ports });
    let accounts = &world.identity.accounts;
    let login = accounts.login(login("ada@example.org", PASSWORD), browser()).await;
    assert!(!login.as_ref().unwrap_err().to_string().contains("refused"), "the source stays out of the message");
    assert_code(login, ErrorCode::DatabaseUnavailable);
    assert_code(accounts.forgot_password(email("ada@example.org")).await, ErrorCode::DatabaseUnavailable);
    assert!(world.clock.now().timestamp() > 0);
}
