//! The connection pool and the mapping of database failures.

use std::time::Duration;

use bb8::RunError;
use diesel::{
    ConnectionError, ConnectionResult,
    result::{DatabaseErrorKind, Error as DieselError},
};
use diesel_async::{
    AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, PoolError, RecyclingMethod, bb8::Pool},
};
use futures_util::{FutureExt, future::BoxFuture};
use gristmill_domain::ports::StoreError;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio_util::context::TokioContext;

/// A pooled connection.
pub(crate) type Connection<'a> = bb8::PooledConnection<'a, AsyncDieselConnectionManager<AsyncPgConnection>>;

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct DatabaseOptions {
    /// `postgres://…`; may hold a password.
    pub url: SecretString,
    /// Most connections.
    pub connections_max: u32,
    /// Connections that are kept when idle.
    pub connections_min: u32,
    /// Longest wait for a free connection.
    pub acquire_timeout: Duration,
    /// `statement_timeout` of each connection.
    pub statement_timeout: Duration,
}

impl DatabaseOptions {
    /// Options with defaults: 10 connections, 5 s to get one, 30 s a statement.
    #[must_use]
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            connections_max: 10,
            connections_min: 0,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
        }
    }
}

/// The database: a bounded pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pool: Pool<AsyncPgConnection>,
}

/// How the pool is used, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolCounters {
    /// Connections that are open.
    pub open: u32,
    /// Of them, those that nobody uses.
    pub idle: u32,
    /// How often somebody had to wait for one.
    pub waited: u64,
    /// How often somebody waited for too long.
    pub timed_out: u64,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("state", &self.pool.state()).finish_non_exhaustive()
    }
}

impl Database {
    /// Makes the pool. Connects lazily: a database that is down shows in the first call, not here.
    ///
    /// Connections live on the runtime that this is called on, whoever opens them: a thread that serves HTTP has a runtime of
    /// its own, and its end must not break what jobs use.
    ///
    /// # Errors
    /// `Unavailable` when `connections_min` connections cannot be made.
    pub async fn connect(options: &DatabaseOptions) -> Result<Self, StoreError> {
        let mut config = ManagerConfig::default();
        config.recycling_method = RecyclingMethod::Fast;
        let session = session_settings(options.statement_timeout);
        let runtime = Handle::current();
        config.custom_setup =
            Box::new(move |url| TokioContext::new(establish(url.to_owned(), session.clone()), runtime.clone()).boxed());
        let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(options.url.expose_secret(), config);
        let pool = Pool::builder()
            .max_size(options.connections_max)
            .min_idle(options.connections_min)
            .connection_timeout(options.acquire_timeout)
            // A closed connection is seen without asking (`has_broken`); a ping at each checkout would double the
            // round trips of most requests.
            .test_on_check_out(false)
            .build(manager)
            .await
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        Ok(Self { pool })
    }

    /// How the pool is used now.
    #[must_use]
    pub fn counters(&self) -> PoolCounters {
        let state = self.pool.state();
        PoolCounters {
            open: state.connections,
            idle: state.idle_connections,
            waited: state.statistics.get_waited,
            timed_out: state.statistics.get_timed_out,
        }
    }

    /// Takes a connection from the pool.
    pub(crate) async fn connection(&self) -> Result<Connection<'_>, StoreError> {
        self.pool.get().await.map_err(|error: RunError<PoolError>| StoreError::Unavailable(Box::new(error)))
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn ping(&self) -> Result<(), StoreError> {
        use diesel_async::RunQueryDsl;
        let mut connection = self.connection().await?;
        diesel::sql_query("select 1").execute(&mut connection).await.map_err(DbError::from)?;
        Ok(())
    }
}

/// The limits that PostgreSQL itself must keep: a client-side timeout around a transaction would leave it open. And the language
/// that [`is_outage`] knows, where the role may choose it: most may not.
fn session_settings(statement_timeout: Duration) -> String {
    format!(
        "set statement_timeout = {}; set lock_timeout = 5000; set idle_in_transaction_session_timeout = 10000; \
         set timezone = 'UTC'; \
         select set_config('lc_messages', 'C', false) where has_parameter_privilege('lc_messages', 'SET')",
        statement_timeout.as_millis()
    )
}

fn establish(url: String, session: String) -> BoxFuture<'static, ConnectionResult<AsyncPgConnection>> {
    async move {
        let bad = |error: tokio_postgres::Error| ConnectionError::BadConnection(describe(&error));
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.map_err(bad)?;
        let connection = AsyncPgConnection::try_from_client_and_connection(client, connection).await?;
        let mut connection = connection;
        diesel_async::SimpleAsyncConnection::batch_execute(&mut connection, &session)
            .await
            .map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(connection)
    }
    .boxed()
}

/// The error with its causes, but without the URL: tokio-postgres never prints it.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Lets every statement of a transaction see what stood when its first one ran: for reading together what one transaction changes.
/// Comes first; nothing can be written after it.
pub(crate) async fn at_one_moment(connection: &mut AsyncPgConnection) -> Result<(), DbError> {
    Ok(connection.batch_execute("set transaction isolation level repeatable read, read only").await?)
}

/// `tsvector`. Only PostgreSQL reads and writes such columns.
#[derive(Debug, Clone, Copy, diesel::sql_types::SqlType)]
#[diesel(postgres_type(name = "tsvector"))]
pub struct TextSearch;

/// A failure inside a transaction: either a decision of ours, or Diesel's.
#[derive(Debug)]
pub(crate) enum DbError {
    Decided(StoreError),
    Diesel(DieselError),
}

impl From<DieselError> for DbError {
    fn from(error: DieselError) -> Self {
        Self::Diesel(error)
    }
}

impl From<StoreError> for DbError {
    fn from(error: StoreError) -> Self {
        Self::Decided(error)
    }
}

impl From<DbError> for StoreError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Decided(error) => error,
            DbError::Diesel(error) => from_diesel(error),
        }
    }
}

fn from_diesel(error: DieselError) -> StoreError {
    match &error {
        DieselError::NotFound => StoreError::NotFound,
        DieselError::BrokenTransactionManager => StoreError::Unavailable(Box::new(error)),
        DieselError::DatabaseError(kind, info) => match kind {
            DatabaseErrorKind::UniqueViolation => StoreError::Conflict(info.constraint_name().unwrap_or("unique").to_owned()),
            // The row that it refers to went away between check and write, or was never the caller's.
            DatabaseErrorKind::ForeignKeyViolation => StoreError::NotFound,
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::SerializationFailure => {
                StoreError::Unavailable(Box::new(error))
            }
            _ if is_outage(info.message()) => StoreError::Unavailable(Box::new(error)),
            _ => StoreError::Defect(Box::new(error)),
        },
        _ => StoreError::Defect(Box::new(error)),
    }
}

/// PostgreSQL's own words for "not now", in English. Diesel does not pass the SQLSTATE on.
fn is_outage(message: &str) -> bool {
    [
        "terminating connection",
        "the database system is",
        "canceling statement due to",
        "connection closed",
        "error communicating with the server",
        "remaining connection slots",
        "deadlock detected",
        "No space left on device",
    ]
    .iter()
    .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use diesel::sql_types::Text;
    use diesel_async::RunQueryDsl;
    use gristmill_testkit::pg::TestDatabase;

    use super::*;

    #[tokio::test]
    async fn failures_are_told_in_english_whatever_the_server_speaks() {
        #[derive(diesel::QueryableByName)]
        struct Setting {
            #[diesel(sql_type = Text)]
            language: String,
        }
        let test = TestDatabase::create().await.unwrap();
        let other = "do $$ begin execute format('alter database %I set lc_messages = ''POSIX''', current_database()); end $$";
        test.client().await.unwrap().batch_execute(other).await.unwrap();
        let database = Database::connect(&DatabaseOptions::new(test.url().clone())).await.unwrap();
        let mut connection = database.connection().await.unwrap();
        let asked = diesel::sql_query("select current_setting('lc_messages') as language");
        let told: Setting = asked.get_result(&mut connection).await.unwrap();
        assert_eq!(told.language, "C");
    }
}
