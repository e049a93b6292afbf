//! MLflow's own client, unmodified, as people's programs use it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use gristmill_domain::execution::PythonVersion;
use gristmill_runtime::environment;

use super::program;
use crate::support::{TestApp, sandbox_settings};

/// The client that the test was written with.
const CLIENT: &str = "mlflow-skinny==3.17.2";
/// Says which Python has the client; `off` leaves the test out. Without it the test makes an environment, once.
const VARIABLE: &str = "GRISTMILL_TEST_MLFLOW";

#[expect(clippy::disallowed_methods, reason = "the test runs another program, and whoever runs the test says which")]
fn run(program: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> std::io::Result<Output> {
    // From elsewhere: Python would import what lies in the directory of the test.
    let mut command = Command::new(program);
    command.args(arguments).envs(variables.iter().copied()).current_dir(std::env::temp_dir());
    command.output()
}

fn check(what: &str, output: std::io::Result<Output>) {
    let hint = format!("set {VARIABLE} to a Python that has {CLIENT}, or to off");
    let output = output.unwrap_or_else(|error| panic!("{what} cannot be run ({error}); {hint}"));
    assert!(output.status.success(), "{what} failed; {hint}:\n{}", String::from_utf8_lossy(&output.stderr));
}

fn cache() -> PathBuf {
    let cache = sandbox_settings().into_iter().find(|(name, _)| name == "XDG_CACHE_HOME").map(|(_, path)| path);
    Path::new(&cache.unwrap()).join("gristmill")
}

/// The Python that notebooks have, with its scikit-learn.
fn locked() -> PathBuf {
    let found = environment::locate(&cache(), PythonVersion::default());
    found.unwrap_or_else(|error| panic!("{error}; run `cargo xtask test` once")).interpreter()
}

/// A Python with the client; none when the test is left out.
#[expect(clippy::disallowed_methods, reason = "whoever runs the test says which Python")]
fn python() -> Option<PathBuf> {
    match std::env::var(VARIABLE).ok().filter(|value| !value.is_empty()) {
        Some(value) if value == "off" => return None,
        Some(value) => return Some(PathBuf::from(value)),
        None => {}
    }
    let home = cache().join("tools").join(CLIENT.replace("==", "-"));
    let python = home.join("bin/python");
    let ready = home.join("ready");
    if !ready.exists() {
        check("python -m venv", run(&locked(), &["-m", "venv", "--clear", &home.to_string_lossy()], &[]));
        check("pip install", run(&python, &["-m", "pip", "install", "--quiet", CLIENT], &[]));
        std::fs::write(ready, "").unwrap();
    }
    Some(python)
}

/// Where the libraries of a Python are.
fn libraries(python: &Path) -> String {
    let output = run(python, &["-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"], &[]).unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[actix_web::test]
async fn an_unmodified_client_logs_and_finds_its_runs() {
    let Some(python) = python() else {
        eprintln!("SKIPPED: {VARIABLE} is off");
        return;
    };
    let app = TestApp::start().await;
    let ada = program(&app, "ada").await;
    let (uri, token) = (format!("{}/api/mlflow", app.url()), ada.client.token.clone().unwrap());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/mlflow/client.py");
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_string_lossy().into_owned();
    let ended = tokio::task::spawn_blocking(move || {
        let libraries = libraries(&locked());
        let variables = [
            ("MLFLOW_TRACKING_URI", uri.as_str()),
            ("MLFLOW_TRACKING_TOKEN", &token),
            ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
            // What is refused is refused at once.
            ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0"),
            ("HOME", &home),
            // Its models are those of the libraries that notebooks have.
            ("PYTHONPATH", &libraries),
        ];
        run(&python, &[script], &variables)
    });
    let output = ended.await.unwrap().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim_end().ends_with("done"), "{said}\n{errors}");
    // And the project shows them.
    let projects = ada.client.get("/api/projects").await.expect(200);
    assert!(projects["projects"].as_array().unwrap().iter().any(|project| project["name"] == "Trees"), "{projects}");
}
