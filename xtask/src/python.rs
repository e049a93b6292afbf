//! The Python packages: their checks and tests.
//!
//! The tools are locked with hashes in xtask/python and installed into the per-user cache, once for each version of the
//! lock: modules in one directory, programs in its `bin`. The packages run on the environment that sandboxes run on.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    server,
    shell::{answers, cache_dir, read, root, run, run_keeping, step},
};

/// The packages, each with its pyproject.toml and its tests.
const PACKAGES: &[&str] = &[
    "crates/runtime/python/gristmill_kernel",
    "crates/runtime/python/gristmill_assist",
    "crates/modeling/python/gristmill_ml",
    "crates/documents/python/gristmill_embed",
];

/// What the packages run on: `gristmill setup` provides it.
struct Environment {
    /// The interpreter of the environment that sandboxes run on.
    interpreter: PathBuf,
    /// The embedding model, with what it needs beside that environment.
    model: PathBuf,
}

/// Lints, formats and types of all packages.
pub(crate) fn check() -> Result<()> {
    let tools = tools()?;
    let Environment { interpreter, model } = environment(&server::build(server::Profile::Dev, "demo")?.server)?;
    let mut broken = Vec::new();
    for package in PACKAGES {
        let directory = root().join(package);
        let tool = |name: &str| {
            let mut command = Command::new(tools.join("bin").join(name));
            command.current_dir(&directory);
            command
        };
        // Types are looked up where the package runs; pytest is known by its own directory.
        let checks = [
            ("ruff", run(tool("ruff").args(["check", "--no-cache", "--quiet"]))),
            ("ruff format", run(tool("ruff").args(["format", "--no-cache", "--check", "--quiet"]))),
            (
                "ty",
                run(tool("ty")
                    .args(["check", "--quiet", "--extra-search-path"])
                    .arg(&tools)
                    .arg("--extra-search-path")
                    .arg(&model)
                    .arg("--python")
                    .arg(&interpreter)),
            ),
        ];
        broken.extend(checks.into_iter().filter(|(_, outcome)| outcome.is_err()).map(|(name, _)| format!("{package}: {name}")));
    }
    if !broken.is_empty() {
        bail!("{}", broken.join(", "));
    }
    Ok(())
}

/// Runs the tests of all packages, and returns the runners' closing lines.
pub(crate) fn test(server: &Path) -> Result<(Vec<String>, Result<()>)> {
    let tools = tools()?;
    let Environment { interpreter, model } = environment(server)?;
    let modules = std::env::join_paths([&tools, &model]).context("a path with a colon")?;
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    for package in PACKAGES {
        let mut command = Command::new(&interpreter);
        command.args(["-m", "pytest", "-p", "no:cacheprovider", "--numprocesses", "auto"]).current_dir(root().join(package));
        command.env("PYTHONPATH", &modules).env("PYTHONDONTWRITEBYTECODE", "1");
        let (kept, outcome) = step(package, || run_keeping(&mut command, is_summary))?;
        let name = package.rsplit('/').next().unwrap_or(package);
        lines.extend(kept.into_iter().map(|line| format!("{name}: {line}")));
        if outcome.is_err() {
            failed.push(name);
        }
    }
    let outcome = if failed.is_empty() { Ok(()) } else { Err(anyhow::anyhow!("tests of {} failed", failed.join(", "))) };
    Ok((lines, outcome))
}

/// Installs what `xtask/python/tools.lock` lists, unless it is there, and tells where.
fn tools() -> Result<PathBuf> {
    installed("tools", Path::new(python()?), &[])
}

/// The task: installs the programs of others that tests bring to our servers, `xtask/python/peers.lock`, unless they are
/// there, for the interpreter that is named, and prints where. Tests call it.
pub(crate) fn peers(arguments: &[String]) -> Result<()> {
    let [interpreter] = arguments else { bail!("peers takes the path of a Python interpreter") };
    println!("{}", peers_for(Path::new(interpreter))?.display());
    Ok(())
}

fn peers_for(interpreter: &Path) -> Result<PathBuf> {
    // What the interpreter has is not installed again: see peers.without.
    installed("peers", interpreter, &["--no-deps"])
}

/// Installs those programs for the environment that sandboxes run on, so that no test has to.
pub(crate) fn set_up_peers(server: &Path) -> Result<()> {
    peers_for(&environment(server)?.interpreter).map(drop)
}

/// Installs a lock of xtask/python into a directory of its own, unless it is there, and tells where. Two at once do no harm:
/// one wins, and they are the same.
fn installed(name: &str, interpreter: &Path, options: &[&str]) -> Result<PathBuf> {
    let lock = root().join(format!("xtask/python/{name}.lock"));
    let mut hasher = DefaultHasher::new();
    read(&lock)?.hash(&mut hasher);
    let place = cache_dir()?.join("tools");
    let home = place.join(format!("python-{name}-{:016x}", hasher.finish()));
    if home.join(".complete").exists() {
        return Ok(home);
    }
    println!("    installing xtask/python/{name}.lock from PyPI (once)");
    fs::create_dir_all(&place)?;
    let staged = place.join(format!("fetch-{name}-{}", std::process::id()));
    let mut install = Command::new(interpreter);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--require-hashes"]);
    install.args(options).arg("--target").arg(&staged).arg("--requirement").arg(&lock);
    for variable in ["VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER"] {
        install.env_remove(variable);
    }
    let outcome = run(&mut install).context("PyPI must be reachable once").and_then(|()| {
        fs::write(staged.join(".complete"), "")?;
        // What a run left behind that was cut short.
        if home.exists() && !home.join(".complete").exists() {
            fs::remove_dir_all(&home)?;
        }
        match fs::rename(&staged, &home) {
            Err(_) if home.join(".complete").exists() => Ok(()),
            renamed => Ok(renamed?),
        }
    });
    if staged.exists() {
        fs::remove_dir_all(&staged)?;
    }
    outcome.map(|()| home)
}

/// A Python of this machine.
fn python() -> Result<&'static str> {
    ["python3.11", "python3", "python"]
        .into_iter()
        .find(|name| answers(name, &["-m", "pip", "--version"]))
        .context("install Python 3.10 or newer with pip")
}

/// Provisions what is missing of the environment, and tells where it is.
fn environment(server: &Path) -> Result<Environment> {
    let mut setup = Command::new(server);
    setup.arg("setup").env("RUNTIME_BACKEND", "process").env("EMBEDDINGS", "local");
    let (lines, outcome) = run_keeping(&mut setup, |line| line.contains(" is ready: "))?;
    outcome?;
    let ready = |what: &str| {
        let line = lines.iter().find(|line| line.starts_with(what)).and_then(|line| line.split_once(" is ready: "));
        line.map(|(_, place)| PathBuf::from(place)).with_context(|| format!("`gristmill setup` did not say `{what}… is ready`"))
    };
    Ok(Environment { interpreter: ready("Python ")?.join("bin/python"), model: ready("the embedding model")? })
}

/// Whether a line closes a run of pytest.
fn is_summary(line: &str) -> bool {
    let line = line.trim_matches(['=', ' ']);
    line.contains(" passed") && line.contains(" in ") || line.contains(" failed") && line.contains(" in ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_pytest_are_recognised() {
        assert!(is_summary("63 passed in 4.10s"));
        assert!(is_summary("==== 1 failed, 62 passed, 1 skipped in 4.10s (0:01:02) ===="));
        assert!(!is_summary("tests/test_train.py ........ [ 42%]"));
        assert!(!is_summary("FAILED tests/test_train.py::test_a - assert 1 == 2"));
    }

    #[test]
    fn every_package_of_the_repository_is_listed() {
        let mut found = Vec::new();
        for owner in fs::read_dir(root().join("crates")).unwrap() {
            let Ok(packages) = fs::read_dir(owner.unwrap().path().join("python")) else { continue };
            for package in packages {
                let path = package.unwrap().path();
                if path.join("tests").is_dir() {
                    found.push(path.strip_prefix(root()).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        found.sort();
        let mut listed: Vec<String> = PACKAGES.iter().map(|&package| package.to_owned()).collect();
        listed.sort();
        assert_eq!(listed, found);
    }
}
