//! Python packages that the binary brings along: written to the cache for sandboxes to mount.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use sha2::{Digest, Sha256};

/// A package as it was when the binary was built.
#[derive(Debug, Clone, Copy)]
pub struct PythonPackage {
    /// What Python imports.
    pub name: &'static str,
    /// Its files: their names, and their text.
    pub files: &'static [(&'static str, &'static str)],
}

impl PythonPackage {
    /// Names this version of the package: 12 hexadecimal digits of its content.
    #[must_use]
    pub fn version(&self) -> String {
        let mut hash = Sha256::new();
        for (name, text) in self.files {
            hash.update(name);
            hash.update([0]);
            hash.update(text);
            hash.update([0]);
        }
        hex::encode(hash.finalize()).chars().take(12).collect()
    }

    /// Writes the package below `target`, which sandboxes mount and name in `PYTHONPATH`. A file that is there and whole
    /// stays: a sandbox may be importing it. Blocks.
    ///
    /// # Errors
    /// The file system's.
    pub fn install(&self, target: &Path) -> io::Result<()> {
        let package = target.join(self.name);
        fs::create_dir_all(&package)?;
        for directory in [target, &package] {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
        }
        for (name, text) in self.files {
            let path = package.join(name);
            if fs::read(&path).is_ok_and(|written| written == text.as_bytes()) {
                continue;
            }
            let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&package)?;
            file.write_all(text.as_bytes())?;
            file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
            file.persist(&path)?;
        }
        Ok(())
    }
}
