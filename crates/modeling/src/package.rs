//! The Python package `gristmill_ml`: kept in the binary, written to the cache for sandboxes to mount.

use std::{
    io,
    path::{Path, PathBuf},
};

use gristmill_runtime::PythonPackage;

/// Where sandboxes see it; `PYTHONPATH` names it.
pub(crate) const GUEST_PACKAGE: &str = "/opt/gristmill/ml";

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../python/gristmill_ml/src/gristmill_ml/", $name)))),+]
    };
}

/// Every file of the package.
const FILES: [(&str, &str); 39] = files![
    "__init__.py",
    "__main__.py",
    "adopt.py",
    "auto.py",
    "baseline.py",
    "card.py",
    "columns.py",
    "compare.py",
    "crossval.py",
    "error_analysis.py",
    "errors.py",
    "evaluation.py",
    "explain.py",
    "folds.py",
    "foreign.py",
    "frames.py",
    "interval.py",
    "labels.py",
    "metrics.py",
    "onnx_export.py",
    "onnx_patches.py",
    "package.py",
    "pipeline.py",
    "predict.py",
    "prepare.py",
    "progress.py",
    "provenance.py",
    "py.typed",
    "pyfunc.py",
    "ready.py",
    "score.py",
    "serve.py",
    "signature.py",
    "spec.py",
    "target.py",
    "templates.json",
    "templates.py",
    "train.py",
    "tune.py",
];

const PACKAGE: PythonPackage = PythonPackage { name: "gristmill_ml", files: &FILES };

/// Writes the package to the cache, once for each of its versions, and tells the directory to mount. Blocks.
///
/// # Errors
/// It cannot be written.
pub(crate) fn install(cache_dir: &Path) -> io::Result<PathBuf> {
    let target = cache_dir.join("ml").join(PACKAGE.version());
    PACKAGE.install(&target)?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn brings_every_file_of_the_package() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/gristmill_ml/src/gristmill_ml");
        let mut there: Vec<String> = fs::read_dir(source)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().unwrap().is_file())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        there.sort();
        let mut brought: Vec<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        brought.sort();
        assert_eq!(brought, there);
    }

    #[test]
    fn mends_files_that_were_changed() {
        let cache = tempfile::tempdir().unwrap();
        let target = install(cache.path()).unwrap();
        let file = target.join("gristmill_ml/train.py");
        fs::write(&file, "broken").unwrap();
        assert_eq!(install(cache.path()).unwrap(), target);
        assert!(fs::read_to_string(&file).unwrap().contains("def run("));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
    }
}
