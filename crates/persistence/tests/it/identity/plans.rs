//! What runs with each request is answered from indexes, in as few round trips as there can be.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use gristmill_domain::identity::{
    AccountStore, ClientInfo, ExternalIdentity, ExternalIdentityStore, OneTimePurpose, OneTimeTokenStore, PersonalTokenStore,
    Provider, ProviderSubject, RotateOutcome, Rotation, SessionAccess, SessionStore, SessionTtl, ThrottleKey, ThrottleRule,
    ThrottleStore, TokenPrefix,
};
use gristmill_persistence::{Database, DatabaseOptions, repo::identity::Identity};
use gristmill_testkit::pg::TestDatabase;

use secrecy::{ExposeSecret, SecretString};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
};
use tokio_postgres::config::Host;

use super::{at, hash, register, wait_until};

const FILL: &str = "
    insert into users (user_id, email, password_hash, name, email_verified)
        select gen_random_uuid(), n || '@many.example', 'x', 'x', true from generate_series(1, 5000) n;
    insert into sessions (session_id, user_id, remember, created_at, expires_at)
        select gen_random_uuid(), user_id, false, '2026-01-01Z', '2026-01-08Z' from users, generate_series(1, 2);
    insert into refresh_tokens (token_hash, session_id, generation, created_at, expires_at)
        select sha256(session_id::text::bytea), session_id, 0, created_at, expires_at from sessions
        where session_id not in (select session_id from refresh_tokens);
    insert into one_time_tokens (token_hash, user_id, purpose, created_at, expires_at)
        select sha256(email::bytea), user_id, 'reset_password', '2026-01-01Z', '2026-01-02Z' from users;
    insert into personal_access_tokens (token_id, user_id, name, prefix, secret_hash, scopes, created_at, expires_at)
        select gen_random_uuid(), user_id, 'x', lpad(row_number() over ()::text, 8, '0'), sha256(''), '{read}', '2026-01-01Z', '2027-01-01Z'
        from users;
    insert into throttle_counters (throttle_key, started_at, hits, expires_at)
        select sha256(n::text::bytea), '2026-01-01Z', 1, '2026-01-02Z' from generate_series(1, 10000) n;
    insert into external_identities (provider, subject, user_id, created_at)
        select 'google', row_number() over ()::text, user_id, '2026-01-01Z' from users;
    insert into sign_in_codes (code_hash, client_hash, provider, subject, email, name, created_at, expires_at)
        select sha256(n::text::bytea), sha256(''), 'google', n::text, n || '@many.example', 'x', '2026-01-01Z', '2026-01-02Z'
        from generate_series(1, 10000) n;
    analyze";

async fn connect_once(database: &TestDatabase) -> Database {
    let mut options = DatabaseOptions::new(database.url().clone());
    options.connections_max = 1;
    Database::connect(&options).await.unwrap()
}

fn rotation(number: u64, now_s: i64) -> Rotation {
    let day = Duration::from_secs(86_400);
    Rotation {
        token_hash: hash(number),
        successor_hash: hash(number + 1),
        now: at(now_s),
        grace: Duration::from_secs(10),
        ttl: SessionTtl { standard: day, remembered: day },
        client: ClientInfo::default(),
    }
}

/// The counters of scans of every table, once all other connections have ended and with that handed theirs in.
async fn scans(database: &TestDatabase, column: &str) -> HashMap<String, i64> {
    let client = database.client().await.unwrap();
    let others = "select count(*) from pg_stat_activity
                  where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()";
    wait_until(0_i64, async || client.query_one(others, &[]).await.unwrap().get(0)).await;
    let sql = format!(
        "select relname::text, coalesce({column}, 0) from pg_stat_user_tables where relname not like '\\_\\_diesel%' order by 1"
    );
    client.query(&sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// The plans of the very statements that the repository sends: PostgreSQL counts each sequential scan that it makes.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_request_needs_reads_a_whole_table() {
    let database = TestDatabase::create().await.unwrap();
    let pool = connect_once(&database).await;
    let identity = Identity::new(pool);
    let (user, session) = register(&identity, 1).await;
    database.client().await.unwrap().batch_execute(FILL).await.unwrap();
    drop(identity);
    let (seq_before, idx_before) = (scans(&database, "seq_scan").await, scans(&database, "idx_scan").await);

    let identity = Identity::new(connect_once(&database).await);
    let (key, rule) = (ThrottleKey::new([3; 32]), ThrottleRule::new(3, 60));
    let prefix = TokenPrefix::parse("abcdefgh").unwrap();
    let external = ExternalIdentity { provider: Provider::Google, subject: ProviderSubject::parse("7").unwrap() };
    for _ in 0..8 {
        identity.find_account_by_identity(&external).await.unwrap();
        identity.take_sign_in_code(hash(9), at(1)).await.unwrap();
        let access = identity.find_session_access(session, user).await.unwrap();
        assert!(matches!(access, SessionAccess::Active { .. }));
        identity.find_token(&prefix).await.unwrap();
        identity.hit(key, rule, at(1)).await.unwrap();
        identity.check(key, rule, at(1)).await.unwrap();
        identity.forgive(key, rule, at(1)).await.unwrap();
        identity.find_account(user).await.unwrap();
        identity.find_one_time_token(hash(7), OneTimePurpose::ResetPassword, at(1)).await.unwrap();
        identity.list_sessions(user, Some(hash(1)), at(1)).await.unwrap();
        identity.list_tokens(user).await.unwrap();
        identity.end_sessions(user, None, Some(hash(5_000)), at(1)).await.unwrap();
    }
    for (number, now_s, expected) in [(1, 10, "Rotated"), (1, 11, "Replayed"), (2, 20, "Rotated"), (1, 40, "Reused")] {
        let outcome = identity.rotate_refresh_token(rotation(number, now_s)).await.unwrap();
        let seen = match outcome {
            RotateOutcome::Rotated { .. } => "Rotated",
            RotateOutcome::Replayed { .. } => "Replayed",
            RotateOutcome::Reused { .. } => "Reused",
            other => panic!("{other:?}"),
        };
        assert_eq!(seen, expected);
    }
    identity.prune(at(-1_000), Duration::ZERO).await.unwrap();
    identity.delete_account(user).await.unwrap();
    drop(identity);

    let (seq_after, idx_after) = (scans(&database, "seq_scan").await, scans(&database, "idx_scan").await);
    // The other tables are empty here, and an empty table is read as a whole by any plan.
    let tables = ["users", "sessions", "refresh_tokens", "one_time_tokens", "personal_access_tokens", "throttle_counters"];
    for table in tables.into_iter().chain(["external_identities", "sign_in_codes"]) {
        assert_eq!(seq_after[table], seq_before[table], "{table} was read as a whole");
        assert!(idx_after[table] > idx_before[table], "{table} was not read at all: the statistics tell nothing");
    }
}

/// Round trips are counted on the wire: a client ends each of its questions with a `Sync`.
#[tokio::test(flavor = "multi_thread")]
async fn what_runs_with_each_request_is_one_round_trip() {
    let database = TestDatabase::create().await.unwrap();
    let wire = Wire::tap(database.url()).await;
    let mut options = DatabaseOptions::new(wire.url.clone());
    options.connections_max = 1;
    let identity = Identity::new(Database::connect(&options).await.unwrap());
    let (user, session) = register(&identity, 1).await;
    let (key, rule) = (ThrottleKey::new([3; 32]), ThrottleRule::new(30, 60));
    let prefix = TokenPrefix::parse("abcdefgh").unwrap();
    for round in 0..3 {
        let mut trips = Vec::new();
        let mut count = async |name: &'static str, call: BoxFuture<'_, ()>| {
            let before = wire.syncs();
            call.await;
            trips.push((name, wire.syncs() - before));
        };
        count("access", identity.find_session_access(session, user).map(|done| assert!(done.is_ok())).boxed()).await;
        count("find_token", identity.find_token(&prefix).map(|done| assert!(done.is_ok())).boxed()).await;
        count("hit", identity.hit(key, rule, at(1)).map(|done| assert!(done.is_ok())).boxed()).await;
        count("check", identity.check(key, rule, at(1)).map(|done| assert!(done.is_ok())).boxed()).await;
        count("forgive", identity.forgive(key, rule, at(1)).map(|done| assert!(done.is_ok())).boxed()).await;
        // The first round prepares the statements on the connection.
        let expected = if round == 0 { 2 } else { 1 };
        assert_eq!(trips, ["access", "find_token", "hit", "check", "forgive"].map(|name| (name, expected)), "round {round}");
    }
}

/// A relay between a client and the database that counts what the client asks.
struct Wire {
    url: SecretString,
    syncs: Arc<AtomicU64>,
    relay: tokio::task::JoinHandle<()>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

impl Wire {
    /// Listens where one client may connect in place of `url`.
    #[expect(clippy::disallowed_methods, reason = "the task is aborted with the relay, and tests have no task tracker")]
    async fn tap(url: &SecretString) -> Self {
        let config: tokio_postgres::Config = url.expose_secret().parse().unwrap();
        let address = config.get_hosts().first().unwrap().clone();
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own_port = listener.local_addr().unwrap().port();
        let database = config.get_dbname().unwrap();
        let user = config.get_user().unwrap();
        let password = String::from_utf8(config.get_password().unwrap_or_default().to_vec()).unwrap();
        let own_url = SecretString::from(format!("postgres://{user}:{password}@127.0.0.1:{own_port}/{database}"));
        let syncs = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&syncs);
        let relay = tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            let (from_client, mut to_client) = client.into_split();
            match address {
                Host::Unix(directory) => {
                    let server = UnixStream::connect(directory.join(format!(".s.PGSQL.{port}"))).await.unwrap();
                    let (mut from_server, to_server) = server.into_split();
                    let up = relay_counting(from_client, to_server, &counter);
                    tokio::join!(up, tokio::io::copy(&mut from_server, &mut to_client)).1.unwrap();
                }
                Host::Tcp(name) => {
                    let server = TcpStream::connect((name, port)).await.unwrap();
                    let (mut from_server, to_server) = server.into_split();
                    let up = relay_counting(from_client, to_server, &counter);
                    tokio::join!(up, tokio::io::copy(&mut from_server, &mut to_client)).1.unwrap();
                }
            }
        });
        Self { url: own_url, syncs, relay }
    }

    fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::SeqCst)
    }
}

/// Passes on what the client sends, message by message. A message is counted before the server can answer it.
async fn relay_counting(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, syncs: &AtomicU64) {
    // The first message has no kind, only a length that counts itself.
    let mut kind = None;
    while let Ok(length) = from.read_u32().await {
        if kind == Some(b'S') {
            syncs.fetch_add(1, Ordering::SeqCst);
        }
        let mut body = vec![0; usize::try_from(length).unwrap() - 4];
        from.read_exact(&mut body).await.unwrap();
        let mut message: Vec<u8> = kind.into_iter().collect();
        message.extend(length.to_be_bytes());
        message.extend(body);
        to.write_all(&message).await.unwrap();
        match from.read_u8().await {
            Ok(next) => kind = Some(next),
            Err(_) => return,
        }
    }
}
