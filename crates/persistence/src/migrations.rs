//! Runs the embedded migrations of `migrations/`, each once, in order, in a transaction of its own.

use diesel::{migration::MigrationSource, pg::Pg};
use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use gristmill_domain::ports::StoreError;
use secrecy::{ExposeSecret, SecretString};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");
/// Key of the advisory lock that lets one server at a time migrate. Any constant of our own.
const LOCK_KEY: i64 = 0x6772_6973_746d_696c;

/// Applies what is missing and returns the names of the migrations that were applied. Servers that start together
/// wait for each other.
///
/// # Errors
/// `Unavailable` when the database cannot be reached, `Defect` when a migration fails (it is rolled back).
pub async fn migrate(url: &SecretString) -> Result<Vec<String>, StoreError> {
    run(url, |harness| {
        let applied = harness.run_pending_migrations(MIGRATIONS)?;
        Ok(applied.iter().map(ToString::to_string).collect())
    })
    .await
}

/// Reverts every migration: the schema is empty afterwards. For tests of the down scripts.
///
/// # Errors
/// As [`migrate`].
pub async fn revert_all(url: &SecretString) -> Result<Vec<String>, StoreError> {
    run(url, |harness| {
        let reverted = harness.revert_all_migrations(MIGRATIONS)?;
        Ok(reverted.iter().map(ToString::to_string).collect())
    })
    .await
}

/// The names of the migrations that are not applied yet.
///
/// # Errors
/// As [`migrate`].
pub async fn pending(url: &SecretString) -> Result<Vec<String>, StoreError> {
    run(url, |harness| {
        let pending = harness.pending_migrations(MIGRATIONS)?;
        Ok(pending.iter().map(|migration| migration.name().to_string()).collect())
    })
    .await
}

/// The version of the newest migration that this program knows, such as `20261126000900`.
///
/// # Errors
/// `Defect` when the embedded migrations cannot be read.
pub fn newest_known() -> Result<String, StoreError> {
    let migrations = MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(StoreError::Defect)?;
    let newest = migrations.iter().map(|migration| migration.name().version().to_string()).max();
    newest.ok_or_else(|| StoreError::Defect("there are no migrations".into()))
}

type Harness = AsyncMigrationHarness<AsyncPgConnection>;
type Outcome = Result<Vec<String>, Box<dyn std::error::Error + Send + Sync>>;

async fn run(url: &SecretString, work: fn(&mut Harness) -> Outcome) -> Result<Vec<String>, StoreError> {
    let mut connection =
        AsyncPgConnection::establish(url.expose_secret()).await.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
    // A session lock: it goes with the connection, however this ends.
    diesel::sql_query(format!("select pg_advisory_lock({LOCK_KEY})"))
        .execute(&mut connection)
        .await
        .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
    let task = tokio::task::spawn_blocking(move || {
        let mut harness = AsyncMigrationHarness::new(connection);
        work(&mut harness).map_err(StoreError::Defect)
    });
    task.await.map_err(|error| StoreError::Defect(Box::new(error)))?
}
