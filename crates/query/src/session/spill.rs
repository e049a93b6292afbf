//! Where queries of one engine spill.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

const PREFIX: &str = "engine-";
const LOCK: &str = "lock";

/// A directory of the engine's own, gone with it. Those that killed processes left are removed at the next start.
#[derive(Debug)]
pub(crate) struct SpillDirectory {
    path: PathBuf,
    /// Held as long as the directory is in use.
    _lock: File,
}

impl SpillDirectory {
    pub(crate) fn create(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        sweep(parent)?;
        let path = parent.join(format!("{PREFIX}{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path)?;
        let lock = File::create(path.join(LOCK))?;
        lock.try_lock().map_err(io::Error::from)?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SpillDirectory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, "a spill directory could not be removed; the next start does");
        }
    }
}

fn sweep(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let abandoned = File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if abandoned && let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!(%error, "an abandoned spill directory could not be removed");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_what_a_killed_engine_left_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let abandoned = parent.path().join("engine-killed");
        let foreign = parent.path().join("keep");
        fs::create_dir(&abandoned).unwrap();
        fs::create_dir(&foreign).unwrap();
        fs::write(abandoned.join(LOCK), "").unwrap();
        let alive = SpillDirectory::create(parent.path()).unwrap();
        assert!(!abandoned.exists());
        let other = SpillDirectory::create(parent.path()).unwrap();
        assert!(alive.path().exists() && other.path().exists() && foreign.exists());
        let path = alive.path().to_owned();
        drop(alive);
        assert!(!path.exists());
    }
}
