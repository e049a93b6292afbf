//! The Python that the server brings along: kept in the binary, written to the cache for sandboxes to mount.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{EnvironmentError, provision::write_atomically};

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../python/gristmill_kernel/src/", $name)))),+]
    };
}

/// Every file of the package.
const FILES: [(&str, &str); 12] = files![
    "gristmill_kernel/__init__.py",
    "gristmill_kernel/__main__.py",
    "gristmill_kernel/datasets.py",
    "gristmill_kernel/formats.py",
    "gristmill_kernel/installer.py",
    "gristmill_kernel/live.py",
    "gristmill_kernel/lookup.py",
    "gristmill_kernel/pip_settings.py",
    "gristmill_kernel/places.py",
    "gristmill_kernel/py.typed",
    "gristmill_kernel/requests.py",
    "gristmill_kernel/startup.py",
];

/// What asks the machine's pip for its settings; run with any Python.
pub(crate) const PIP_SETTINGS: &str = include_str!("../../python/gristmill_kernel/src/gristmill_kernel/pip_settings.py");

/// Writes the package `gristmill_kernel` to the cache, once for each of its versions, and tells the directory to mount
/// at `/opt/gristmill/kernel` and to name in `PYTHONPATH`. Blocks.
///
/// # Errors
/// `Cache` when it cannot be written.
pub fn install_kernel_files(cache_dir: &Path) -> Result<PathBuf, EnvironmentError> {
    let mut hash = Sha256::new();
    for (name, text) in FILES {
        hash.update(name);
        hash.update([0]);
        hash.update(text);
        hash.update([0]);
    }
    let name: String = hex::encode(hash.finalize()).chars().take(12).collect();
    let target = cache_dir.join("kernel").join(name);
    write(&target).map_err(|source| EnvironmentError::Cache { doing: "writing the kernel's files", source })?;
    Ok(target)
}

fn write(target: &Path) -> io::Result<()> {
    for (name, text) in FILES {
        let path = target.join(name);
        // A file that is there and whole stays: a kernel may be importing it.
        if fs::read(&path).is_ok_and(|written| written == text.as_bytes()) {
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
            for directory in [target, parent] {
                fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
            }
        }
        write_atomically(&path, text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brings_every_file_of_the_package() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/gristmill_kernel/src/gristmill_kernel");
        let mut there: Vec<String> = fs::read_dir(source)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().unwrap().is_file())
            .map(|entry| format!("gristmill_kernel/{}", entry.file_name().into_string().unwrap()))
            .collect();
        there.sort();
        let mut brought: Vec<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        brought.sort();
        assert_eq!(brought, there);
    }

    #[test]
    fn mends_files_that_were_changed() {
        let cache = tempfile::tempdir().unwrap();
        let target = install_kernel_files(cache.path()).unwrap();
        let file = target.join("gristmill_kernel/places.py");
        let text = fs::read(&file).unwrap();
        fs::write(&file, "broken").unwrap();
        assert_eq!(install_kernel_files(cache.path()).unwrap(), target);
        assert_eq!(fs::read(&file).unwrap(), text);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
    }
}
