//! Identity on PostgreSQL: the contracts of the ports, and what only this store has.

mod deletion;
mod locks;
mod outages;
mod plans;

use std::{fmt::Debug, future::poll_fn, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use gristmill_domain::{
    SessionId, UserId,
    identity::{
        AccountStore, ClientInfo, DisplayName, IdentityChange, NewSession, NewUser, PhcString, SessionLifetime, TokenHash,
    },
    users::Email,
};
use gristmill_persistence::{Database, DatabaseOptions, repo::identity::Identity};
use gristmill_testkit::{identity_suite, identity_suite::IdentityStores, pg::TestDatabase};
use secrecy::ExposeSecret;
use tokio::sync::broadcast;
use tokio_postgres::AsyncMessage;

identity_suite!(stores);

/// As many as the suite has calls at once, nearly.
const CONNECTIONS: u32 = 40;

async fn connect(database: &TestDatabase) -> Database {
    let mut options = DatabaseOptions::new(database.url().clone());
    options.connections_max = CONNECTIONS;
    // A busy machine is slow to fork so many.
    options.acquire_timeout = Duration::from_secs(60);
    Database::connect(&options).await.unwrap()
}

async fn stores() -> IdentityStores {
    let database = TestDatabase::create().await.unwrap();
    let announcements = listen(&database).await;
    let identity = Arc::new(Identity::new(connect(&database).await));
    IdentityStores::of(&identity, announcements, Box::new(database))
}

/// Listens as another server process would: on a connection of its own, to the channel's name as it is documented.
async fn listen(database: &TestDatabase) -> broadcast::Receiver<IdentityChange> {
    let url = database.url().expose_secret();
    let (client, mut connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let (sender, receiver) = broadcast::channel(4096);
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    #[expect(clippy::disallowed_methods, reason = "the task ends with its connection, and tests have no task tracker")]
    tokio::spawn(async move {
        let listening = client.batch_execute("listen gristmill_identity_changed");
        let mut listening = std::pin::pin!(listening);
        let mut ready = Some(ready);
        loop {
            tokio::select! {
                done = &mut listening, if ready.is_some() => {
                    done.unwrap();
                    ready.take().unwrap().send(()).unwrap();
                }
                message = poll_fn(|context| connection.poll_message(context)) => match message {
                    Some(Ok(AsyncMessage::Notification(notification))) => {
                        // The payload is the change's text form and nothing else. Fails when the test is over.
                        if sender.send(notification.payload().parse().unwrap()).is_err() {
                            return;
                        }
                    }
                    Some(Ok(_)) => {}
                    // The database is dropped under a test's end.
                    Some(Err(_)) | None => return,
                }
            }
        }
    });
    is_ready.await.unwrap();
    receiver
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(1_767_225_600 + seconds)
}

fn hash(number: u64) -> TokenHash {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    TokenHash::new(digest)
}

fn password() -> PhcString {
    PhcString::from("$argon2id$first".to_owned())
}

fn new_session(user_id: UserId, token_hash: TokenHash) -> NewSession {
    NewSession {
        id: SessionId::random(),
        user_id,
        lifetime: SessionLifetime::Standard,
        token_hash,
        client: ClientInfo::default(),
        created_at: at(0),
        expires_at: at(7 * 86_400),
    }
}

/// Registers a user, whose first refresh token is `hash(number)`.
async fn register(identity: &Identity, number: u64) -> (UserId, SessionId) {
    let user = NewUser {
        id: UserId::random(),
        email: Email::parse(&format!("user{number}@example.org")).unwrap(),
        name: DisplayName::parse("Ada").unwrap(),
        password_hash: password(),
        email_verified: true,
        created_at: at(0),
    };
    let session = new_session(user.id, hash(number));
    let ids = (user.id, session.id);
    identity.create_account(user, session, None).await.unwrap();
    ids
}

/// Waits until a query answers as it should; statistics and the end of connections show a moment later.
async fn wait_until<T: PartialEq + Debug>(expected: T, mut look: impl AsyncFnMut() -> T) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let seen = look().await;
        if seen == expected {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{seen:?} instead of {expected:?}");
        tokio::task::yield_now().await;
    }
}
