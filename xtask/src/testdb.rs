//! The set-up script of nextest: one throwaway PostgreSQL for a whole run of tests.

use std::{os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, run, target_dir};

/// Starts `testdb`, which tells nextest its URL and ends with nextest.
pub(crate) fn start(arguments: &[String]) -> Result<()> {
    if let Some(argument) = arguments.first() {
        bail!("testdb takes no arguments, and got `{argument}`");
    }
    if std::env::var_os("TEST_DATABASE_URL").is_some() {
        println!("the tests use the PostgreSQL of TEST_DATABASE_URL");
        return Ok(());
    }
    let program = target_dir()?.join("debug/testdb");
    if !program.exists() {
        // `cargo test --workspace` makes it; this is for a run of one package in a clean target directory.
        run(cargo().args(["build", "--quiet", "--package", "gristmill-testkit", "--bin", "testdb"]))?;
    }
    // Both cargo and this program give way to the next one by exec, so our parent is nextest.
    let runner = std::os::unix::process::parent_id();
    // When nextest was killed meanwhile, somebody who lives for ever is our parent now.
    let name = std::fs::read_to_string(format!("/proc/{runner}/comm")).unwrap_or_default();
    if name.trim() != "cargo-nextest" {
        bail!("only nextest calls this, and {} did; `testdb` alone starts a cluster by hand", name.trim());
    }
    let error = Command::new(&program).args(["start", "--until-exit-of", &runner.to_string()]).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
