//! The locked Python environment with `evidently` beside it, for comparisons.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::locked;

/// The directory with `evidently`; it is installed when it is missing. A machine that cannot do so fails the test.
fn packages(python: &Path) -> PathBuf {
    let cargo = env!("CARGO");
    let told = run(command(Path::new(cargo)).args(["--quiet", "xtask", "peers"]).arg(python), "");
    PathBuf::from(told.lines().last().unwrap_or_default())
}

/// Asks the script for a table with its baseline.
pub(crate) fn make(order: &Value) -> Value {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../modeling/python/gristmill_ml/src");
    ask(command(&locked::python().interpreter()).env("PYTHONPATH", package).arg(script()).arg("make"), order)
}

/// Asks `evidently`.
pub(crate) fn judge<T: DeserializeOwned>(questions: &Value) -> T {
    let python = locked::python().interpreter();
    let packages = packages(&python);
    ask(command(&python).env("PYTHONPATH", &packages).arg(script()).arg("judge").arg(&packages), questions)
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drift/evidently_values.py")
}

fn ask<T: DeserializeOwned>(command: &mut Command, input: &Value) -> T {
    serde_json::from_str(&run(command, &input.to_string())).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the comparison runs in Python")]
fn command(python: &Path) -> Command {
    let mut command = Command::new(python);
    // One thread each: other tests run beside this one.
    command.envs([("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1"), ("PYTHONDONTWRITEBYTECODE", "1")]);
    for name in ["VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER"] {
        command.env_remove(name);
    }
    command
}

fn run(command: &mut Command, input: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut standard_input = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || standard_input.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    drop(writer.join().unwrap());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed; without it nothing can be compared:\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}
