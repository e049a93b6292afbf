//! What a backup says of itself: `manifest.json`, with the checksum of everything else, and its own in `manifest.sha256`.
//!
//! ```text
//! manifest.json  manifest.sha256     what is in it
//! database.dump                      pg_dump's custom format
//! files.ndjson                       one line a directory, file or link, in an order in which they can be made
//! store/  runtime/projects/  jwt-secret
//! ```

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Write},
    path::Path,
};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::private_file;

/// The layout that this program writes, and the newest that it reads.
pub(in crate::cli) const FORMAT: u32 = 1;
pub(in crate::cli) const DUMP: &str = "database.dump";
pub(in crate::cli) const LIST: &str = "files.ndjson";
const MANIFEST: &str = "manifest.json";
const CHECKSUM: &str = "manifest.sha256";
/// A manifest is small: one number a table.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// A backup in one page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Manifest {
    /// Layout of the backup.
    pub(in crate::cli) format: u32,
    /// The version of the program that made it.
    pub(in crate::cli) gristmill: String,
    /// The newest migration of its database.
    pub(in crate::cli) schema: String,
    /// The major version of its PostgreSQL.
    pub(in crate::cli) postgres: u32,
    /// The moment that the database is of.
    pub(in crate::cli) created_at: DateTime<Utc>,
    pub(in crate::cli) database: Checked,
    pub(in crate::cli) list: Checked,
    pub(in crate::cli) files: Totals,
    /// Whether the secret that signs tokens is in it, or was set by the operator.
    pub(in crate::cli) has_secret: bool,
    /// Rows of each table.
    pub(in crate::cli) rows: BTreeMap<String, i64>,
    /// Rows whose file was not there.
    pub(in crate::cli) missing: Missing,
    /// What user code keeps and no backup takes: sockets, devices, files that are mostly holes, too deep directories.
    pub(in crate::cli) skipped: u64,
}

/// What every layout has, later ones too.
#[derive(Deserialize)]
struct Layout {
    format: u32,
    gristmill: String,
}

/// A file with its checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct Checked {
    pub(in crate::cli) bytes: u64,
    pub(in crate::cli) sha256: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct Totals {
    pub(in crate::cli) count: u64,
    pub(in crate::cli) bytes: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct Missing {
    /// How many of each kind.
    pub(in crate::cli) count: BTreeMap<String, u64>,
    /// The first of them, below `store/`.
    pub(in crate::cli) examples: Vec<String>,
}

impl Missing {
    /// In words; `None` when nothing is missing.
    pub(in crate::cli) fn words(&self) -> Option<String> {
        let each: Vec<_> = self.count.iter().map(|(what, count)| format!("{count} of kind `{what}`")).collect();
        let total: u64 = self.count.values().sum();
        (total > 0).then(|| {
            format!(
                "{total} rows name files that are not in the backup: {}; such as {}",
                each.join(", "),
                self.examples.join(", ")
            )
        })
    }
}

impl Checked {
    /// Reads a file to its end.
    pub(in crate::cli) fn of(path: &Path) -> anyhow::Result<Self> {
        let mut file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let mut digest = Sha256::new();
        let mut bytes = 0;
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut buffer).with_context(|| format!("{} cannot be read", path.display()))?;
            let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
            digest.update(part);
            bytes += u64::try_from(read)?;
        }
        Ok(Self { bytes, sha256: hex::encode(digest.finalize()) })
    }

    /// Fails when a file of the backup is not what it was.
    pub(in crate::cli) fn check(&self, path: &Path) -> anyhow::Result<()> {
        ensure!(path.exists(), "the backup is not whole: {} is missing", path.display());
        ensure!(Self::of(path)? == *self, "the backup was cut or altered: {} has another checksum", path.display());
        Ok(())
    }
}

impl Manifest {
    /// Writes it, last of all.
    pub(in crate::cli) fn write(&self, directory: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        private_file(&directory.join(MANIFEST))?.write_all(text.as_bytes())?;
        // In the words of sha256sum, so that it can be checked by hand.
        let line = format!("{}  {MANIFEST}\n", hex::encode(Sha256::digest(text.as_bytes())));
        private_file(&directory.join(CHECKSUM))?.write_all(line.as_bytes())?;
        Ok(())
    }

    /// Reads it, and refuses what this program cannot restore.
    pub(in crate::cli) fn read(directory: &Path) -> anyhow::Result<Self> {
        ensure!(directory.is_dir(), "{} is no directory", directory.display());
        let path = directory.join(MANIFEST);
        ensure!(path.exists(), "{} is not a backup, or not a whole one: it has no {MANIFEST}", directory.display());
        let mut text = Vec::new();
        File::open(&path)?.take(MANIFEST_BYTES_MAX).read_to_end(&mut text)?;
        let expected = std::fs::read_to_string(directory.join(CHECKSUM)).unwrap_or_default();
        let found = hex::encode(Sha256::digest(&text));
        if expected.split_whitespace().next() != Some(found.as_str()) {
            bail!("the backup was cut or altered: {} has another checksum than {CHECKSUM} says", path.display());
        }
        let layout: Layout = serde_json::from_slice(&text).with_context(|| format!("{} is not readable", path.display()))?;
        if layout.format > FORMAT {
            bail!("the backup was made by a newer Gristmill ({}): restore it with that one", layout.gristmill);
        }
        serde_json::from_slice(&text).with_context(|| format!("{} is not readable", path.display()))
    }

    /// Names the backup: the checksum of its manifest.
    pub(in crate::cli) fn identity(directory: &Path) -> anyhow::Result<String> {
        Ok(Checked::of(&directory.join(MANIFEST))?.sha256)
    }
}
