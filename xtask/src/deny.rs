//! cargo-deny: installed into the per-user cache when the machine has none.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};

use crate::shell::{answers, cache_dir, cargo, output, run};

/// The version whose configuration format deny.toml has.
const VERSION: &str = "0.20.2";

/// Checks bans, licenses, sources and build scripts against deny.toml.
pub(crate) fn check() -> Result<()> {
    let program = provide()?;
    // Advisories are left out: their database is a git repository that has to be fetched.
    let mut command = Command::new(program);
    run(command.args(["--color", "auto", "check", "bans", "licenses", "sources"]).current_dir(crate::shell::root()))
}

fn provide() -> Result<PathBuf> {
    let on_path = PathBuf::from("cargo-deny");
    if answers("cargo-deny", &["--version"]) && output(Command::new(&on_path).arg("--version"))?.contains(VERSION) {
        return Ok(on_path);
    }
    let home = cache_dir()?.join(format!("tools/cargo-deny-{VERSION}"));
    let program = home.join("bin/cargo-deny");
    if program.exists() {
        return Ok(program);
    }
    println!("    installing cargo-deny {VERSION} (about 5 minutes, once)");
    let mut install = cargo();
    install.args(["install", "--locked", "cargo-deny", "--version", VERSION, "--root"]).arg(&home);
    // It runs for a second: what counts is how long it compiles. Its own target directory, because its profile differs.
    install.env_remove("CARGO_TARGET_DIR").env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    install.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    run(&mut install).context("crates.io must be reachable once, or install cargo-deny yourself")?;
    Ok(program)
}
