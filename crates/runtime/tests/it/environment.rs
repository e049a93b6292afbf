//! The Python environment: found, made, refused.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use gristmill_domain::execution::PythonVersion;
use gristmill_runtime::environment::{self, EnvironmentError, PackageSet, ProvisionOptions, provision};

use crate::backend::locked::{cache_dir, python};

#[test]
#[expect(clippy::disallowed_methods, reason = "the interpreter under test is a child process")]
fn the_environment_imports_what_it_promises() {
    let python = python();
    assert_eq!(environment::locate(&cache_dir(), PythonVersion::V3_11).unwrap(), python);
    let code = "import ipykernel, numpy, pandas, pyarrow, polars, openpyxl, scipy, sklearn, lightgbm, xgboost, optuna, \
                shap, joblib, onnx, onnxruntime, skl2onnx, onnxmltools, matplotlib, seaborn, plotly, nbformat, jedi, pip";
    let output = Command::new(python.interpreter()).args(["-I", "-c", code]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Everything it needs is below its binds: a sandbox sees nothing else of it.
    let interpreter = fs::canonicalize(python.interpreter()).unwrap();
    assert!(python.binds.iter().any(|bind| interpreter.starts_with(bind)), "{interpreter:?} {:?}", python.binds);
    assert!(!python.binds.contains(&PathBuf::from("/")));
    for file in ["bin/python", "lib/python3.11/site-packages/pandas/__init__.py"] {
        assert_eq!(fs::metadata(python.root.join(file)).unwrap().permissions().mode() & 0o444, 0o444, "{file}");
    }
}

#[test]
fn says_what_is_missing_and_what_is_broken() {
    let cache = tempfile::tempdir().unwrap();
    let missing = environment::locate(cache.path(), PythonVersion::V3_12).unwrap_err();
    assert!(missing.to_string().contains("Python 3.12 is not provisioned"), "{missing}");
    assert!(missing.to_string().contains("gristmill setup"), "{missing}");

    let root = environment::directory(cache.path(), PythonVersion::V3_11);
    fs::create_dir_all(root.join("bin")).unwrap();
    // Cut off before its marker was written: not there.
    assert!(matches!(environment::locate(cache.path(), PythonVersion::V3_11), Err(EnvironmentError::NotProvisioned { .. })));
    fs::write(root.join("gristmill.json"), r#"{"base":["/opt/gone"]}"#).unwrap();
    let gone = environment::locate(cache.path(), PythonVersion::V3_11).unwrap_err();
    assert!(gone.to_string().contains("the Python that it was made from is gone"), "{gone}");
    fs::write(root.join("gristmill.json"), "{").unwrap();
    assert!(matches!(environment::locate(cache.path(), PythonVersion::V3_11), Err(EnvironmentError::Broken { .. })));
}

/// A Python that makes an environment quickly and fails where it is told to.
fn fake_python(directory: &Path, fails: &str) -> ProvisionOptions {
    let bin = directory.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let install = directory.join("python");
    let python = format!(
        r#"#!/bin/sh
echo "$@" >> {log}
case "$*" in
  *base_prefix*) echo '{{"version":"3.11","executable":"{bin}/python3.11","prefixes":["{install}"]}}' ;;
  *{fails}*) echo "it went wrong: {fails}" >&2; exit 1 ;;
  *"-m venv"*) for last; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python" ;;
  *"pip config"*|*settings*) echo '{{}}' ;;
  *--progress-bar=off*--target*)
    while [ "$1" != --target ]; do shift; done
    mkdir -p "$2/module" && echo x > "$2/module/__init__.py" && chmod 600 "$2/module/__init__.py" ;;
esac
"#,
        bin = bin.display(),
        install = install.display(),
        log = directory.join("log").display(),
    );
    let path = bin.join("python3.11");
    fs::write(&path, python).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    ProvisionOptions { cache_dir: directory.join("cache"), search_path: format!("{}:/usr/bin:/bin", bin.display()) }
}

#[test]
fn a_failed_set_up_leaves_nothing_that_looks_complete_and_the_next_mends_it() {
    let directory = tempfile::tempdir().unwrap();
    let failing = fake_python(directory.path(), "requirements.lock");
    let error = provision(&failing, PythonVersion::V3_11, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("installing the locked packages failed: it went wrong"), "{error}");
    assert!(environment::locate(&failing.cache_dir, PythonVersion::V3_11).is_err());

    let working = fake_python(directory.path(), "never");
    let mut steps = Vec::new();
    let made = provision(&working, PythonVersion::V3_11, &mut |line| steps.push(line.to_owned())).unwrap();
    assert!(steps.iter().any(|step| step.contains("left incomplete")), "{steps:?}");
    assert_eq!(made.binds, [made.root.clone(), directory.path().to_owned(), directory.path().join("python")]);
    assert_eq!(environment::locate(&working.cache_dir, PythonVersion::V3_11).unwrap(), made);
}

#[test]
fn set_ups_at_once_make_one_environment() {
    let directory = tempfile::tempdir().unwrap();
    let options = fake_python(directory.path(), "never");
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| provision(&options, PythonVersion::V3_11, &mut |_| ()).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(made.windows(2).all(|pair| pair[0] == pair[1]));
    let log = fs::read_to_string(directory.path().join("log")).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains("-m venv")).count(), 1, "{log}");
}

#[test]
fn a_package_set_is_installed_once_and_as_a_whole() {
    const SET: PackageSet = PackageSet { name: "some-set", lock: "some==1 --hash=sha256:00\n" };
    let directory = tempfile::tempdir().unwrap();
    let failing = fake_python(directory.path(), "requirements.lock");
    let error = SET.provision(&failing, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("installing locked packages failed: it went wrong"), "{error}");
    assert_eq!(SET.locate(&failing.cache_dir), None);

    let working = fake_python(directory.path(), "never");
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| SET.provision(&working, &mut |_| ()).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(made.iter().all(|one| SET.locate(&working.cache_dir).as_ref() == Some(one)), "{made:?}");
    let module = made[0].join("module/__init__.py");
    assert_eq!(fs::metadata(module).unwrap().permissions().mode() & 0o444, 0o444, "sandboxes read it");
    let log = fs::read_to_string(directory.path().join("log")).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains("--progress-bar=off")).count(), 2, "{log}");
    let other = PackageSet { lock: "some==2 --hash=sha256:00\n", ..SET };
    assert_eq!(other.locate(&working.cache_dir), None, "another lock is another set");
    let left = fs::read_dir(working.cache_dir.join("packages")).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(left.count(), 1, "nothing else is left");
}

#[test]
fn a_machine_without_that_python_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("bin")).unwrap();
    let options = fake_python(directory.path(), "never");
    let mut seen = Vec::new();
    for version in PythonVersion::ALL {
        if environment::installable(&options.search_path).contains(&version) {
            continue;
        }
        let error = provision(&options, version, &mut |_| ()).unwrap_err();
        assert!(matches!(error, EnvironmentError::NoInterpreter { .. }), "{error}");
        seen.push(version);
    }
    assert!(environment::installable(&options.search_path).contains(&PythonVersion::V3_11));
    println!("not installed here: {seen:?}");
}
