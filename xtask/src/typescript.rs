//! The TypeScript client: packages, generation, drift and tests. npm does the work.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::shell::{output, read, root, run, run_keeping};

/// Oldest major version of Node.js that runs the client.
const NODE_MAJOR_MIN: u32 = 20;

fn directory() -> PathBuf {
    root().join("openapi/typescript")
}

fn npm() -> Command {
    let mut command = Command::new("npm");
    command.current_dir(directory());
    command
}

/// Writes the types that the committed OpenAPI document gives.
pub(crate) fn regenerate(arguments: &[String]) -> Result<()> {
    if let Some(argument) = arguments.first() {
        bail!("ts takes no arguments, and got `{argument}`");
    }
    install()?;
    run(npm().args(["run", "--silent", "generate"]))
}

/// Fails when the committed types are not what the committed OpenAPI document gives.
pub(crate) fn check() -> Result<()> {
    install()?;
    run(npm().args(["run", "--silent", "check"])).context("run `cargo xtask ts` and commit the result")
}

/// Runs the client's tests against a server, and returns the runner's closing lines.
pub(crate) fn test(server: &Path) -> Result<(Vec<String>, Result<()>)> {
    install()?;
    run_keeping(npm().args(["test", "--silent"]).env("GRISTMILL_BIN", server), is_summary)
}

/// Whether a line belongs to the summary of node's test runner.
fn is_summary(line: &str) -> bool {
    let words = line.trim_start_matches(['\u{2139}', '#', ' ']);
    let mut words = words.split(' ');
    matches!(words.next(), Some("tests" | "pass" | "fail" | "skipped"))
        && words.next().is_some_and(|count| count.parse::<u32>().is_ok())
        && words.next().is_none()
}

fn install() -> Result<()> {
    install_into(&directory())
}

/// Installs exactly the packages of a directory's lock file, unless they are there.
pub(crate) fn install_into(directory: &Path) -> Result<()> {
    require_node()?;
    let lock = read(&directory.join("package-lock.json"))?;
    // npm has no cheap way to ask; the copy says which lock file the installed packages are from.
    let stamp = directory.join("node_modules/.installed-lock.json");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(directory);
    run(&mut npm).context("the npm registry must be reachable once")?;
    fs::write(&stamp, lock).with_context(|| format!("cannot write {}", stamp.display()))
}

fn require_node() -> Result<()> {
    let how =
        format!("install Node.js {NODE_MAJOR_MIN} or newer with npm (Debian: `apt install nodejs npm`), or run `bash .ci/run`");
    let version = output(Command::new("node").arg("--version")).with_context(|| how.clone())?;
    match major(&version) {
        Some(major) if major >= NODE_MAJOR_MIN => Ok(()),
        _ => bail!("Node.js {} is too old; {how}", version.trim()),
    }
}

fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("v8.1.0"), Some(8));
        assert_eq!(major("20"), None);
    }

    #[test]
    fn only_summary_lines_are_kept() {
        for line in ["ℹ tests 12", "# pass 12", "ℹ fail 0"] {
            assert!(is_summary(line), "{line}");
        }
        for line in ["ℹ duration_ms 12.5", "tests are fun", "✔ pass 1 thing", "ℹ tests 12 of 13", "ℹ suites 1"] {
            assert!(!is_summary(line), "{line}");
        }
    }
}
