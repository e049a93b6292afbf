//! The cluster of a test run lives as long as the runner, and no longer.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use gristmill_testkit::pg::connect;
use secrecy::SecretString;

#[expect(clippy::disallowed_methods, reason = "the program under test is a process")]
fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).env_remove("NEXTEST_ENV");
    command
}

fn start_until_exit_of(runner: &str, environment_file: Option<&Path>) -> Output {
    let mut command = program(env!("CARGO_BIN_EXE_testdb"));
    command.args(["start", "--until-exit-of", runner]);
    if let Some(path) = environment_file {
        command.env("NEXTEST_ENV", path);
    }
    command.output().unwrap()
}

/// A process that stands for the runner.
fn runner() -> Child {
    program("sleep").arg("600").spawn().unwrap()
}

fn end(mut runner: Child) {
    runner.kill().unwrap();
    runner.wait().unwrap();
}

/// The directory of a cluster, from its URL.
fn directory(url: &str) -> PathBuf {
    let host = url.split('@').nth(1).unwrap().split('/').next().unwrap().replace("%2F", "/");
    Path::new(&host).parent().unwrap().to_owned()
}

#[track_caller]
fn wait_until_gone(directory: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while directory.exists() {
        assert!(Instant::now() < deadline, "{} is still there", directory.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn the_cluster_lives_as_long_as_the_runner() {
    let environment = tempfile::NamedTempFile::new().unwrap();
    let runner = runner();
    let output = start_until_exit_of(&runner.id().to_string(), Some(environment.path()));
    assert!(output.status.success(), "{output:?}");

    let text = std::fs::read_to_string(environment.path()).unwrap();
    let url = text.strip_prefix("TEST_DATABASE_URL=").unwrap().trim();
    let client = connect(&SecretString::from(url)).await.unwrap();
    assert_eq!(client.query_one("select 1 + 1", &[]).await.unwrap().get::<_, i32>(0), 2);
    let directory = directory(url);
    assert!(directory.join("pgdata").is_dir());

    end(runner);
    wait_until_gone(&directory);
    assert!(client.query_one("select 1", &[]).await.is_err());
}

#[test]
fn the_url_is_printed_where_nextest_does_not_ask() {
    let runner = runner();
    let output = start_until_exit_of(&runner.id().to_string(), None);
    let text = String::from_utf8(output.stdout).unwrap();
    let url = text.trim().strip_prefix("TEST_DATABASE_URL=postgres://").unwrap();
    let directory = directory(url);
    end(runner);
    wait_until_gone(&directory);
}

#[test]
fn refuses_a_runner_that_is_gone() {
    let runner = runner();
    let id = runner.id().to_string();
    end(runner);
    let output = start_until_exit_of(&id, None);
    assert!(!output.status.success());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("the process to wait for is gone"), "{errors}");
}

#[test]
fn refuses_what_is_no_process_id() {
    for id in ["0", "-1", "nobody", ""] {
        let output = start_until_exit_of(id, None);
        assert!(!output.status.success(), "{id}");
    }
}
