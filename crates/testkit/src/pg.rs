//! A throwaway PostgreSQL for tests: one cluster a test run, one migrated template, one database a test.
//!
//! The cluster comes from `TEST_DATABASE_URL` when that is set (`cargo xtask test` and the nextest set-up script do
//! so); otherwise each test process starts its own, which ends with the process.

use std::{
    path::PathBuf,
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use gristmill_domain::ports::StoreError;
use gristmill_persistence::{
    cluster::{Cluster, ClusterOptions, Durability, find_binaries},
    migrations,
};
use secrecy::{ExposeSecret, SecretString};

/// Environment variable with the superuser URL of a cluster that tests may fill with databases.
pub const URL_VARIABLE: &str = "TEST_DATABASE_URL";
/// Name of the migrated template database.
const TEMPLATE: &str = "gristmill_template";
/// Prefix of test databases; leftovers older than an hour are dropped at the start of a run.
const PREFIX: &str = "gristmill_test_";
/// Advisory lock under which the template is made, so that test processes do not make it twice.
const TEMPLATE_LOCK: i64 = 0x6772_6973_7465_7374;

/// Starts a throwaway cluster in a temporary directory, and removes the directories of clusters that were killed.
/// Stops and is removed when dropped.
///
/// # Errors
/// When PostgreSQL is not installed or does not start.
pub fn start_cluster() -> Result<ThrowawayCluster> {
    let directory = tempfile::Builder::new().prefix("gm-pg-").tempdir()?;
    #[expect(clippy::disallowed_methods, reason = "test helper: the search path is not configuration")]
    let search_path = std::env::var("PATH").unwrap_or_default();
    let cluster = Cluster::start(&ClusterOptions {
        directory: directory.path().to_owned(),
        binaries: find_binaries(&cached_binaries(), &search_path)?,
        durability: Durability::Throwaway,
    })?;
    sweep_directories(directory.path());
    Ok(ThrowawayCluster { cluster, directory })
}

/// Where `gristmill setup` puts PostgreSQL when the machine has none.
fn cached_binaries() -> Vec<PathBuf> {
    Vec::new()
}

/// A running throwaway cluster.
#[derive(Debug)]
pub struct ThrowawayCluster {
    cluster: Cluster,
    directory: tempfile::TempDir,
}

impl ThrowawayCluster {
    /// The superuser's URL.
    #[must_use]
    pub fn url(&self) -> &SecretString {
        self.cluster.url()
    }

    /// The directory that the cluster lives in.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }
}

/// A database of a test's own, migrated. Dropped at the end, but kept when the test fails: its name is printed.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: SecretString,
    admin_url: SecretString,
}

impl TestDatabase {
    /// Makes a migrated database.
    ///
    /// # Errors
    /// When there is no PostgreSQL, or the migrations fail.
    pub async fn create() -> Result<Self> {
        let admin_url = admin_url()?;
        ensure_template(&admin_url).await?;
        Self::create_from(admin_url, TEMPLATE).await
    }

    /// Makes an empty database, for tests of the migrations themselves.
    ///
    /// # Errors
    /// When there is no PostgreSQL.
    pub async fn create_empty() -> Result<Self> {
        Self::create_from(admin_url()?, "template0").await
    }

    async fn create_from(admin_url: SecretString, template: &str) -> Result<Self> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let name = format!("{PREFIX}{seconds}_{:08x}", rand::random::<u32>());
        let client = connect(&admin_url).await?;
        client.batch_execute(&format!("create database {name} template {template}")).await?;
        let url = SecretString::from(admin_url.expose_secret().replacen("/postgres", &format!("/{name}"), 1));
        Ok(Self { name, url, admin_url })
    }

    /// The URL of this database.
    #[must_use]
    pub fn url(&self) -> &SecretString {
        &self.url
    }

    /// A plain client on this database, for what no repository offers.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn client(&self) -> Result<tokio_postgres::Client> {
        connect(&self.url).await
    }

    /// Ends every other connection to this database, as a restart of PostgreSQL would, and refuses new ones until
    /// [`Self::allow_connections`].
    ///
    /// # Errors
    /// When the administrator's connection fails.
    pub async fn refuse_connections(&self) -> Result<()> {
        let client = connect(&self.admin_url).await?;
        client.batch_execute(&format!("alter database {} allow_connections false", self.name)).await?;
        client.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", &[&self.name]).await?;
        Ok(())
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// When the administrator's connection fails.
    pub async fn allow_connections(&self) -> Result<()> {
        let client = connect(&self.admin_url).await?;
        client.batch_execute(&format!("alter database {} allow_connections true", self.name)).await?;
        Ok(())
    }
}

impl Drop for TestDatabase {
    #[expect(clippy::print_stderr, reason = "the name is for the person who reads the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the database of the failed test was kept: {}", self.name);
            return;
        }
        let (admin_url, name) = (self.admin_url.clone(), self.name.clone());
        // A thread with a runtime of its own: the test's may be gone already, and drop cannot wait on it.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                connect(&admin_url).await?.batch_execute(&format!("drop database if exists {name} with (force)")).await?;
                anyhow::Ok(())
            })
        });
        if !matches!(dropping.join(), Ok(Ok(()))) {
            eprintln!("the database {} could not be dropped; the next run sweeps it", self.name);
        }
    }
}

fn admin_url() -> Result<SecretString> {
    static OWN: OnceLock<Result<ThrowawayCluster, String>> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "test helper: set by the test runner")]
    if let Ok(url) = std::env::var(URL_VARIABLE) {
        return Ok(SecretString::from(url));
    }
    // Statics are not dropped: the kernel stops PostgreSQL with this process, and the next start's sweep removes the
    // directory.
    let own = OWN.get_or_init(|| start_cluster().map_err(|error| format!("{error:#}")));
    match own {
        Ok(cluster) => Ok(cluster.url().clone()),
        Err(error) => anyhow::bail!("no throwaway PostgreSQL: {error}"),
    }
}

/// Removes directories that earlier test processes left: those whose lock nobody holds.
fn sweep_directories(own: &std::path::Path) {
    let Some(parent) = own.parent() else { return };
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        if path == own || !entry.file_name().to_string_lossy().starts_with("gm-pg-") {
            continue;
        }
        let Ok(lock) = std::fs::File::open(path.join("lock")) else { continue };
        if lock.try_lock().is_ok() {
            drop(std::fs::remove_dir_all(&path));
        }
    }
}

async fn ensure_template(admin_url: &SecretString) -> Result<()> {
    static DONE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    DONE.get_or_try_init(|| async {
        let client = connect(admin_url).await?;
        client.execute("select pg_advisory_lock($1)", &[&TEMPLATE_LOCK]).await?;
        sweep_databases(&client).await?;
        let url = SecretString::from(admin_url.expose_secret().replacen("/postgres", &format!("/{TEMPLATE}"), 1));
        let exists = client.query_opt("select 1 from pg_database where datname = $1", &[&TEMPLATE]).await?.is_some();
        if !exists {
            client.batch_execute(&format!("create database {TEMPLATE} template template0")).await?;
        }
        if !migrations::pending(&url).await?.is_empty() {
            migrations::migrate(&url).await.map_err(|error: StoreError| anyhow::anyhow!("{error:?}"))?;
        }
        client.execute("select pg_advisory_unlock($1)", &[&TEMPLATE_LOCK]).await?;
        anyhow::Ok(())
    })
    .await?;
    Ok(())
}

async fn sweep_databases(client: &tokio_postgres::Client) -> Result<()> {
    let hour_ago = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() - 3600;
    for row in client.query("select datname from pg_database where datname like 'gristmill_test_%'", &[]).await? {
        let name: String = row.get(0);
        let made: Option<u64> =
            name.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next()).and_then(|text| text.parse().ok());
        if made.is_some_and(|made| made < hour_ago) {
            client.batch_execute(&format!("drop database if exists {name} with (force)")).await?;
        }
    }
    Ok(())
}

/// Connects a plain client and drives its connection in the background.
///
/// # Errors
/// When the connection fails.
#[expect(clippy::disallowed_methods, reason = "the task ends with the client, and tests have no task tracker")]
pub async fn connect(url: &SecretString) -> Result<tokio_postgres::Client> {
    let (client, connection) =
        tokio::time::timeout(Duration::from_secs(10), tokio_postgres::connect(url.expose_secret(), tokio_postgres::NoTls))
            .await
            .context("PostgreSQL did not answer")??;
    tokio::spawn(async move {
        // Its end shows in the client's calls.
        drop(connection.await);
    });
    Ok(client)
}
