//! The worker's program: kept in the binary, written to the cache for sandboxes to mount.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::python_package::PythonPackage;

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../python/gristmill_assist/src/gristmill_assist/", $name)))),+]
    };
}

/// Every file of the package.
const FILES: [(&str, &str); 13] = files![
    "__init__.py",
    "__main__.py",
    "cells.py",
    "context.py",
    "engine.py",
    "frames.py",
    "inference.py",
    "magics.py",
    "prelude.py",
    "py.typed",
    "scanning.py",
    "server.py",
    "syntax.py",
];

const PACKAGE: PythonPackage = PythonPackage { name: "gristmill_assist", files: &FILES };

/// Names this version of the program.
pub(super) fn version() -> String {
    PACKAGE.version()
}

/// Writes the program below `cache`, once for each of its versions, and tells the directory to mount. Blocks.
pub(super) fn install(cache: &Path) -> io::Result<PathBuf> {
    let target = cache.join("assist").join(version()).join("program");
    PACKAGE.install(&target)?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn brings_every_file_of_the_package() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/gristmill_assist/src/gristmill_assist");
        let entries = fs::read_dir(source).unwrap().map(|entry| entry.unwrap());
        let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
        let mut there: Vec<String> = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
        there.sort();
        assert_eq!(FILES.map(|(name, _)| name.to_owned()).to_vec(), there);
    }

    #[test]
    fn writes_the_program_once() {
        let cache = tempfile::tempdir().unwrap();
        let target = install(cache.path()).unwrap();
        let file = target.join("gristmill_assist/engine.py");
        let before = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(target.join("gristmill_assist/cells.py"), "damaged").unwrap();
        assert_eq!(install(cache.path()).unwrap(), target);
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), before);
        assert_ne!(fs::read_to_string(target.join("gristmill_assist/cells.py")).unwrap(), "damaged");
    }
}
