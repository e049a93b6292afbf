//! `gristmill backup DIRECTORY`: the database as it is at one moment, then the files that its rows name, beside a running
//! server or without one.
//!
//! While it runs, no server removes files of deleted rows, so that none is missing that the database's copy names.

pub(super) mod manifest;
pub(super) mod tree;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use gristmill_domain::{Clock, SystemClock};
use gristmill_persistence::{
    backup::{BackupSource, Snapshot, server_major},
    cluster::{ClientPrograms, Cluster, ClusterError},
    migrations,
};
use rustix::fs::{FlockOperation, flock};
use secrecy::SecretString;
use tokio::task::block_in_place;

use self::{
    manifest::{Checked, FORMAT, Manifest, Missing, Totals},
    tree::{Collector, measure},
};
use super::{
    postgres::{self, Postgres},
    say,
};
use crate::config::Config;

/// What a backup takes of a data directory, beside the database.
pub(super) const DIRECTORIES: [&str; 2] = ["store", "runtime/projects"];
pub(super) const SECRET: &str = "jwt-secret";
const LOCK: &str = "lock";
const NAMED: &str = "named-files";
const PROGRESS_EVERY: Duration = Duration::from_secs(2);
const EXAMPLES_MAX: usize = 20;

/// Makes a backup, which has its name only when it is whole.
pub(super) async fn backup(config: &Config, directory: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    let target = block_in_place(|| Target::prepare(directory, &config.data_dir))?;
    let place = &target.partial;
    say(&format!("backup of {} to {}", config.data_dir.display(), directory.display()))?;
    let database = block_in_place(|| open_beside(config))?;
    let source = BackupSource::open(&database.url).await.context("the database cannot be reached")?;
    let mut source = source.context("another backup of this database is running; wait until it has ended")?;
    let (snapshot, postgres) = dump(config, &database.url, &mut source, place).await?;
    let schema = snapshot.schema.clone().context("the database is empty: there is nothing to back up")?;
    let checked = block_in_place(|| Checked::of(&place.join(manifest::DUMP)))?;
    let users = snapshot.rows.get("users").copied().unwrap_or_default();
    say(&format!("  database: {} in {} tables, {users} users, schema {schema}", size(checked.bytes), snapshot.rows.len()))?;

    let (totals, skipped) = block_in_place(|| copy_files(&config.data_dir, place))?;
    let missing = block_in_place(|| missing_files(place))?;
    let manifest = Manifest {
        format: FORMAT,
        gristmill: env!("CARGO_PKG_VERSION").to_owned(),
        schema,
        postgres,
        created_at: target.created_at,
        database: checked,
        list: block_in_place(|| Checked::of(&place.join(manifest::LIST)))?,
        files: totals,
        has_secret: place.join(SECRET).exists(),
        rows: snapshot.rows,
        missing,
        skipped,
    };
    block_in_place(|| target.complete(&manifest))?;
    // Until here no server removed what the backup names.
    drop(source);
    drop(database.cluster);
    if skipped > 0 {
        say(&format!("note: {skipped} sockets, devices, unreadable, sparse or too deep files of user code were left out"))?;
    }
    if let Some(words) = manifest.missing.words() {
        say(&format!("warning: {words}"))?;
    }
    if !manifest.has_secret {
        say("note: JWT_SECRET is not in the backup, because it is set in the environment: keep it elsewhere")?;
    }
    let whole = size(manifest.database.bytes + manifest.files.bytes);
    say(&format!("the backup {} is whole: {whole} in {} s", directory.display(), started.elapsed().as_secs()))
}

/// The database of a server that runs, or, when none does, the embedded cluster, started for the backup. Blocks.
fn open_beside(config: &Config) -> anyhow::Result<Postgres> {
    let directory = config.data_dir.join("postgres");
    if config.database.url.is_none() {
        let path = config.data_dir.display();
        ensure!(
            directory.join("pgdata").exists() || directory.join("MOVED").exists(),
            "there is no database in {path}; set GRISTMILL_DATA_DIR or DATABASE_URL"
        );
    }
    match postgres::open(config) {
        Err(error) if matches!(error.downcast_ref(), Some(ClusterError::InUse(_))) => {
            let url = Cluster::url_of_running(&directory).context("the database of the running server is not ready")?;
            Ok(Postgres { url, cluster: None })
        }
        opened => opened,
    }
}

/// Dumps the database, and writes down which files its rows name.
async fn dump(config: &Config, url: &SecretString, source: &mut BackupSource, place: &Path) -> anyhow::Result<(Snapshot, u32)> {
    let postgres = server_major(url).await.context("the database cannot be reached")?;
    let programs = client_programs(config, postgres)?;
    let snapshot = source.freeze().await.context("the database cannot be read")?;
    let newest = migrations::newest_known()?;
    if let Some(schema) = snapshot.schema.as_deref().filter(|schema| *schema > newest.as_str()) {
        bail!("the database is of a newer Gristmill (schema {schema}, this program knows {newest}): back it up with that one");
    }
    let dump = place.join(manifest::DUMP);
    // Made by us, so that it is private from its first byte.
    private_file(&dump)?;
    block_in_place(|| programs.dump(url, &snapshot.id, &dump)).context("the database was not dumped")?;
    let mut named = BufWriter::new(private_file(&place.join(NAMED))?);
    source.named_files(|file| writeln!(named, "{}\t{}", file.what, file.path)).await?;
    named.flush()?;
    source.thaw().await?;
    Ok((snapshot, postgres))
}

/// The programs that can read a server of this version.
pub(super) fn client_programs(config: &Config, server: u32) -> anyhow::Result<ClientPrograms> {
    let provisioned = postgres::provisioned(config);
    Ok(ClientPrograms::find(&[provisioned], &config.database.search_path, server)?)
}

fn copy_files(data_dir: &Path, place: &Path) -> anyhow::Result<(Totals, u64)> {
    let mut expected = Totals::default();
    for name in DIRECTORIES {
        let found = measure(&data_dir.join(name));
        expected.count += found.count;
        expected.bytes += found.bytes;
    }
    check_room(place, expected.bytes)?;
    let mut collector = Collector {
        target: place,
        list: BufWriter::new(private_file(&place.join(manifest::LIST))?),
        totals: Totals::default(),
        skipped: 0,
        progress: Progress::new(expected),
    };
    for name in DIRECTORIES {
        collector.collect(&data_dir.join(name), name)?;
    }
    if data_dir.join(SECRET).exists() {
        collector.collect_file(&data_dir.join(SECRET), SECRET)?;
    }
    collector.list.flush().context("the list of files cannot be written")?;
    let Totals { count, bytes } = collector.totals;
    say(&format!("  files: {count} with {}", size(bytes)))?;
    Ok((collector.totals, collector.skipped))
}

/// Fails before anything is copied where it cannot fit.
pub(super) fn check_room(place: &Path, bytes: u64) -> anyhow::Result<()> {
    let space = rustix::fs::statvfs(place)?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    ensure!(free > bytes, "{} has {} free, and {} are needed", place.display(), size(free), size(bytes));
    Ok(())
}

/// Looks for each file that a row of the dump names.
fn missing_files(place: &Path) -> anyhow::Result<Missing> {
    let named = place.join(NAMED);
    let mut missing = Missing::default();
    for line in BufReader::new(File::open(&named)?).lines() {
        let line = line?;
        let Some((what, path)) = line.split_once('\t') else { continue };
        if place.join("store").join(path).exists() {
            continue;
        }
        *missing.count.entry(what.to_owned()).or_default() += 1;
        if missing.examples.len() < EXAMPLES_MAX {
            missing.examples.push(path.to_owned());
        }
    }
    fs::remove_file(named)?;
    Ok(missing)
}

/// Where a backup is made before it has its name.
struct Target {
    directory: PathBuf,
    partial: PathBuf,
    created_at: chrono::DateTime<chrono::Utc>,
    _lock: File,
}

impl Target {
    fn prepare(directory: &Path, data_dir: &Path) -> anyhow::Result<Self> {
        let directory = std::path::absolute(directory)?;
        let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
            bail!("{} cannot be the name of a backup", directory.display());
        };
        let is_free = !directory.exists() || fs::read_dir(&directory).is_ok_and(|mut entries| entries.next().is_none());
        let path = directory.display();
        ensure!(is_free, "{path} is there already: give each backup a name of its own, such as {path}-2");
        private_directory(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
        let parent = parent.canonicalize()?;
        if let Ok(data_dir) = data_dir.canonicalize() {
            let inside = parent.starts_with(&data_dir);
            ensure!(!inside, "a backup inside {} would be lost with it: choose another place", data_dir.display());
        }
        let partial = parent.join(format!(".{}.partial", name.to_string_lossy()));
        private_directory(&partial).with_context(|| format!("{} cannot be made", partial.display()))?;
        let lock = File::options().create(true).truncate(false).write(true).mode(0o600).open(partial.join(LOCK))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!("another backup to {path} is running");
        }
        // What a backup left that was killed.
        for entry in fs::read_dir(&partial)? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => fs::remove_dir_all(entry.path())?,
                _ if entry.file_name() == LOCK => {}
                _ => fs::remove_file(entry.path())?,
            }
        }
        Ok(Self { directory: parent.join(name), partial, created_at: SystemClock.now(), _lock: lock })
    }

    /// Everything is on the disk before the name is.
    fn complete(&self, manifest: &Manifest) -> anyhow::Result<()> {
        manifest.write(&self.partial)?;
        fs::remove_file(self.partial.join(LOCK))?;
        rustix::fs::syncfs(File::open(&self.partial)?)?;
        fs::rename(&self.partial, &self.directory)
            .with_context(|| format!("{} cannot get its name", self.directory.display()))?;
        if let Some(parent) = self.directory.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // After a failure; one that is complete has another name.
        drop(fs::remove_dir_all(&self.partial));
    }
}

/// A line now and then on how far it is.
pub(super) struct Progress {
    expected: Totals,
    told: Instant,
}

impl Progress {
    pub(super) fn new(expected: Totals) -> Self {
        Self { expected, told: Instant::now() }
    }

    fn tell(&mut self, done: Totals) -> anyhow::Result<()> {
        if self.told.elapsed() < PROGRESS_EVERY {
            return Ok(());
        }
        self.told = Instant::now();
        let Totals { count, bytes } = self.expected;
        say(&format!("  files: {} of about {count}, {} of {}", done.count, size(done.bytes), size(bytes)))
    }
}

/// A directory for its owner only, made with its parents when it is not there.
pub(super) fn private_directory(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| format!("{} cannot be made", path.display()))
}

/// A new file for its owner only.
pub(super) fn private_file(path: &Path) -> anyhow::Result<File> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    file.with_context(|| format!("{} cannot be made", path.display()))
}

/// Bytes, for people.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        1_000_000..10_000_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        _ => format!("{} GB", bytes.div_ceil(1_000_000_000)),
    }
}
