//! `gristmill restore DIRECTORY`: a backup into an empty data directory and an empty database.
//!
//! A marker in the data directory says that a restore has begun: until it is gone no server starts over it, and the same
//! restore can be called again.

use std::{
    fs,
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, bail, ensure};
use gristmill_persistence::{backup, migrations};
use secrecy::SecretString;
use tokio::task::block_in_place;

use super::{
    backup::{
        DIRECTORIES, Progress, SECRET, check_room, client_programs,
        manifest::{self, Manifest},
        private_directory, private_file, size, tree,
    },
    postgres, say,
};
use crate::config::Config;

/// Its content names the backup.
const MARKER: &str = "restore-has-begun";

/// Restores a backup: all of it, or nothing that a server would use.
pub(super) async fn restore(config: &Config, directory: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    let manifest = block_in_place(|| check_backup(directory))?;
    say(&format!(
        "restore of {}: of {}, Gristmill {}, schema {}",
        directory.display(),
        manifest.created_at.format("%Y-%m-%d %H:%M:%S UTC"),
        manifest.gristmill,
        manifest.schema
    ))?;
    let place = block_in_place(|| Place::claim(&config.data_dir, directory))?;
    let database = block_in_place(|| postgres::open(config))?;
    let is_restored = check_database(&database.url, &place, &manifest).await.inspect_err(|_| place.leave_unless_begun())?;
    block_in_place(|| put_files_back(config, directory, &manifest, &place))?;
    if !is_restored {
        let programs = client_programs(config, backup::server_major(&database.url).await?)?;
        let restored = block_in_place(|| programs.restore(&database.url, &directory.join(manifest::DUMP)));
        // In one transaction: the database is as empty as before, and so is the directory again.
        restored.inspect_err(|_| place.abandon()).context("the database was not restored, and nothing else was")?;
    }
    let rows = backup::rows(&database.url).await.context("the restored database cannot be read")?;
    ensure!(rows == manifest.rows, "the restored database has other numbers of rows than the backup");
    let users = rows.get("users").copied().unwrap_or_default();
    say(&format!("  database: {} tables, {users} users", rows.len()))?;
    let applied = migrations::migrate(&database.url).await.context("the schema could not be brought up to date")?;
    if !applied.is_empty() {
        say(&format!("  schema: {} migrations applied", applied.len()))?;
    }
    drop(database.cluster);
    block_in_place(|| place.complete())?;
    if let Some(words) = manifest.missing.words() {
        say(&format!("warning: {words}"))?;
    }
    if !manifest.has_secret {
        say("note: JWT_SECRET is not in the backup: set the one of before, or everybody signs in anew")?;
    }
    say(&format!("restored in {} s: start the server with `gristmill serve`", started.elapsed().as_secs()))
}

/// Refuses what is not whole, or not of this program, before anything is written. Files are read once, when they are copied.
fn check_backup(directory: &Path) -> anyhow::Result<Manifest> {
    let manifest = Manifest::read(directory)?;
    let newest = migrations::newest_known()?;
    if manifest.schema > newest {
        bail!(
            "the backup was made by a newer Gristmill ({}, schema {}; this program knows {newest}): restore it with that one",
            manifest.gristmill,
            manifest.schema
        );
    }
    let list = directory.join(manifest::LIST);
    manifest.list.check(&list)?;
    manifest.database.check(&directory.join(manifest::DUMP))?;
    tree::check_sizes(directory, &list)?;
    Ok(manifest)
}

/// Whether the database has been restored before the last try of the same restore was interrupted.
async fn check_database(url: &SecretString, place: &Place, manifest: &Manifest) -> anyhow::Result<bool> {
    let tables = backup::tables(url).await.context("the database cannot be reached")?;
    if tables.is_empty() {
        return Ok(false);
    }
    // The dump is restored in one transaction, so the numbers are all right or there are no tables.
    if place.is_again && backup::rows(url).await? == manifest.rows {
        return Ok(true);
    }
    bail!(
        "the database is not empty (it has {}, …): restore into an empty one, such as a new one made with `createdb`",
        tables.join(", ")
    );
}

fn put_files_back(config: &Config, directory: &Path, manifest: &Manifest, place: &Place) -> anyhow::Result<()> {
    check_room(&place.data_dir, manifest.files.bytes)?;
    let mut progress = Progress::new(manifest.files);
    let totals = tree::put_back(directory, &directory.join(manifest::LIST), &place.data_dir, &mut progress);
    let totals = match totals {
        Ok(totals) => totals,
        Err(error) => {
            place.abandon();
            return Err(error);
        }
    };
    ensure!(totals == manifest.files, "the backup was cut or altered: its list has {} files", totals.count);
    rustix::fs::syncfs(fs::File::open(&config.data_dir)?)?;
    say(&format!("  files: {} with {}", totals.count, size(totals.bytes)))
}

/// The data directory that is restored into.
struct Place {
    data_dir: PathBuf,
    /// Whether an earlier try of this restore was interrupted.
    is_again: bool,
}

impl Place {
    fn claim(data_dir: &Path, backup: &Path) -> anyhow::Result<Self> {
        private_directory(data_dir)?;
        let data_dir = data_dir.canonicalize()?;
        let path = data_dir.display();
        let owner = fs::metadata(&data_dir)?.uid();
        let me = rustix::process::geteuid().as_raw();
        ensure!(owner == me, "{path} belongs to the user {owner}: restore as that one, as the server runs");
        let marker = data_dir.join(MARKER);
        let identity = Manifest::identity(backup)?;
        let place = Self { is_again: marker.exists(), data_dir: data_dir.clone() };
        if place.is_again {
            let other = fs::read_to_string(&marker)?;
            ensure!(
                other == identity,
                "a restore of another backup into {path} was interrupted: end that one, or empty {path} and the database"
            );
            say("an earlier try was interrupted: it is begun again")?;
            place.remove_files()?;
            return Ok(place);
        }
        for name in DIRECTORIES.iter().chain(&[SECRET]) {
            let found = data_dir.join(name);
            let is_empty = !found.exists() || fs::read_dir(&found).is_ok_and(|mut entries| entries.next().is_none());
            ensure!(is_empty, "{path} is not empty ({name} is there): restore into an empty directory, by GRISTMILL_DATA_DIR");
        }
        private_file(&marker)?.write_all(identity.as_bytes())?;
        Ok(place)
    }

    /// Nothing was written: the next try may be of another backup.
    fn leave_unless_begun(&self) {
        if !self.is_again {
            // What cannot be removed says so at the next start.
            drop(fs::remove_file(self.data_dir.join(MARKER)));
        }
    }

    /// The next try, of another backup too, finds it as it was.
    fn abandon(&self) {
        match self.remove_files() {
            Ok(()) => drop(fs::remove_file(self.data_dir.join(MARKER))),
            // The marker stays, so that no server starts over what is left.
            Err(error) => tracing::warn!(error = %error, "what was restored could not be removed"),
        }
    }

    /// Removes what an interrupted restore has put here: nothing else was here when it began.
    fn remove_files(&self) -> anyhow::Result<()> {
        for name in DIRECTORIES {
            let path = self.data_dir.join(name);
            if path.exists() {
                fs::remove_dir_all(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
            }
        }
        // Where nothing else is in it.
        drop(fs::remove_dir(self.data_dir.join("runtime")));
        let secret = self.data_dir.join(SECRET);
        if secret.exists() {
            fs::remove_file(secret)?;
        }
        Ok(())
    }

    fn complete(&self) -> anyhow::Result<()> {
        fs::remove_file(self.data_dir.join(MARKER))?;
        fs::File::open(&self.data_dir)?.sync_all()?;
        Ok(())
    }
}

/// Refuses a data directory that is half restored.
pub(super) fn check_none_has_begun(data_dir: &Path) -> anyhow::Result<()> {
    let path = data_dir.display();
    ensure!(!data_dir.join(MARKER).exists(), "a restore into {path} has begun and not ended: call `gristmill restore` again");
    Ok(())
}
