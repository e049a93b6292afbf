//! Which of the servers over one data directory started a sandbox, and whether it still runs.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// This server's name among them. While it runs, it holds the lock of a file of this name: the kernel lets go of it
/// however the server ends.
#[derive(Debug)]
pub(crate) struct Instance {
    name: String,
    directory: PathBuf,
    lock: Mutex<Option<File>>,
}

impl Instance {
    /// A new name. Nothing is written yet.
    pub(crate) fn new(state: &Path) -> Self {
        let name = uuid::Uuid::new_v4().simple().to_string();
        Self { name, directory: state.join("instances"), lock: Mutex::default() }
    }

    /// Its name: letters and digits.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Shows others that this server runs. To be called before its first sandbox starts; blocks.
    pub(crate) fn hold(&self) -> io::Result<()> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_none() {
            fs::create_dir_all(&self.directory)?;
            let file = File::create(self.directory.join(&self.name))?;
            file.lock()?;
            *lock = Some(file);
        }
        Ok(())
    }

    /// Whether the server of this name runs: this one, or another whose lock is held. Forgets one that does not; blocks.
    pub(crate) fn is_alive(&self, name: &str) -> bool {
        if name == self.name {
            return true;
        }
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let path = self.directory.join(name);
        let Some(file) = plain.then(|| File::open(&path).ok()).flatten() else { return false };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => true,
            // Nobody takes a name twice, so nobody waits for this file.
            Ok(()) | Err(TryLockError::Error(_)) => {
                drop(fs::remove_file(path));
                false
            }
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if self.lock.get_mut().unwrap_or_else(PoisonError::into_inner).is_some() {
            drop(fs::remove_file(self.directory.join(&self.name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_runs_is_alive_and_one_that_ended_is_not() {
        let state = tempfile::tempdir().unwrap();
        let (own, other) = (Instance::new(state.path()), Instance::new(state.path()));
        assert!(own.is_alive(own.name()) && !own.is_alive(other.name()), "it has started nothing");
        other.hold().unwrap();
        other.hold().unwrap();
        assert!(own.is_alive(other.name()));
        let name = other.name().to_owned();
        drop(other);
        assert!(!own.is_alive(&name));
        assert_eq!(fs::read_dir(state.path().join("instances")).unwrap().count(), 0);
    }

    #[test]
    fn the_file_of_one_that_was_killed_goes() {
        let state = tempfile::tempdir().unwrap();
        let own = Instance::new(state.path());
        own.hold().unwrap();
        let left = state.path().join("instances/0123abc");
        fs::write(&left, "").unwrap();
        assert!(!own.is_alive("0123abc") && !left.exists());
        for strange in ["", "../instances", "a/b", "."] {
            assert!(!own.is_alive(strange), "{strange}");
        }
        assert!(state.path().join("instances").join(own.name()).exists());
    }
}
