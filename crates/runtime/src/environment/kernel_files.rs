//! The Python that the server brings along: kept in the binary, written to the cache for sandboxes to mount.

use std::path::{Path, PathBuf};

use super::EnvironmentError;
use crate::python_package::PythonPackage;

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../python/gristmill_kernel/src/gristmill_kernel/", $name)))),+]
    };
}

/// Every file of the package.
const FILES: [(&str, &str); 12] = files![
    "__init__.py",
    "__main__.py",
    "datasets.py",
    "formats.py",
    "installer.py",
    "live.py",
    "lookup.py",
    "pip_settings.py",
    "places.py",
    "py.typed",
    "requests.py",
    "startup.py",
];

const PACKAGE: PythonPackage = PythonPackage { name: "gristmill_kernel", files: &FILES };

/// What asks the machine's pip for its settings; run with any Python.
pub(crate) const PIP_SETTINGS: &str = include_str!("../../python/gristmill_kernel/src/gristmill_kernel/pip_settings.py");

/// Writes the package `gristmill_kernel` to the cache, once for each of its versions, and tells the directory to mount
/// at `/opt/gristmill/kernel` and to name in `PYTHONPATH`. Blocks.
///
/// # Errors
/// `Cache` when it cannot be written.
pub fn install_kernel_files(cache_dir: &Path) -> Result<PathBuf, EnvironmentError> {
    let target = cache_dir.join("kernel").join(PACKAGE.version());
    PACKAGE.install(&target).map_err(|source| EnvironmentError::Cache { doing: "writing the kernel's files", source })?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

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
        let mut brought: Vec<String> = FILES.iter().map(|(name, _)| format!("gristmill_kernel/{name}")).collect();
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
