//! `test`: every test there is, in one command.

use anyhow::{Result, bail};

use crate::{
    demo,
    docker::{self, Engine, Wish},
    eval, mcp, python,
    server::{self, Profile, Programs},
    shell::{answers, cargo, output, run, run_keeping, step},
    typescript,
};

/// The name of the second run.
const DOCKER_HALF: &str = "Rust, on docker";
/// What is in it, as `.config/nextest.toml` says, for those without nextest.
const DOCKER_TESTS: [&str; 20] = [
    "sandbox::docker::",
    "sandbox::engine::",
    "kernel::",
    "runtime::",
    "pool::",
    "packages::",
    "intelligence::",
    "resident::",
    "kernels::",
    "execute::",
    "cells::",
    "live::",
    "models::",
    "training::",
    "experiments::",
    "deployments::",
    "mlflow::trainings",
    "sealed_tests::",
    "crash::a_killed_server_s",
    "crash::the_doctor",
];

/// Sets up what the tests need and runs them: all, or the Rust tests that the arguments pick.
pub(crate) fn test(arguments: &[String]) -> Result<()> {
    let selection = Selection::new(arguments)?;
    let mut report = Report::default();
    step("build the tests", || run(cargo().args(["test", "--no-run"]).args(&selection.packages)))?;
    if selection.packages != Selection::everything() {
        report.skip(DOCKER_HALF, "packages were picked");
        report.add("Rust", || rust(&selection));
        return report.close();
    }
    let programs = step("build the server", || server::build(Profile::Dev, "demo"))?;
    let on_this_machine = [("RUNTIME_BACKEND", "process".to_owned())];
    step("set up what is missing", || server::set_up(&programs.server, &on_this_machine))?;
    step("install the programs of others that tests use", || python::set_up_peers(&programs.server))?;
    report.add("Rust", || rust(&selection));
    if selection.filters.is_empty() {
        report.add("Demo", || demo::rehearse(&programs, &on_this_machine));
    }
    on_docker(&programs, &selection, &mut report)?;
    if selection.filters.is_empty() {
        report.add("Rust documentation", || run_keeping(cargo().args(["test", "--workspace", "--doc"]), is_rust_summary));
        for (name, evaluation) in [("Questions in plain words", &eval::NL2SQL), ("Agents in four phases", &eval::AGENT)] {
            report.add(name, || {
                let programs = server::build(Profile::Dev, "eval")?;
                eval::evaluate(&programs, evaluation, &on_this_machine, false)
            });
        }
        report.add("TypeScript", || typescript::test(&programs.server));
        report.add("Python", || python::test(&programs.server));
        report.add("Model Context Protocol", || mcp::test(&programs.server));
    }
    report.close()
}

/// Runs what runs code once more, on the docker backend, where an engine answers.
fn on_docker(programs: &Programs, selection: &Selection, report: &mut Report) -> Result<()> {
    let wish = docker::wish()?;
    if wish == Wish::Off {
        report.skip(DOCKER_HALF, "GRISTMILL_TEST_DOCKER is off");
        return Ok(());
    }
    let prepared = Engine::find().and_then(|engine| {
        let settings = engine.settings();
        step("set up the docker backend", || server::set_up(&programs.server, &settings))?;
        Ok(settings)
    });
    match prepared {
        Ok(settings) => {
            report.add(DOCKER_HALF, || rust_on_docker(selection, &settings));
            if selection.filters.is_empty() {
                report.add("Demo, on docker", || demo::rehearse(programs, &settings));
            }
        }
        Err(error) if wish == Wish::Required => report.failures.push(format!("{DOCKER_HALF}: {error:#}")),
        Err(error) => report.skip(DOCKER_HALF, &format!("{error:#}")),
    }
    Ok(())
}

fn rust_on_docker(selection: &Selection, settings: &[(&str, String)]) -> Result<(Vec<String>, Result<()>)> {
    let mut command = cargo();
    docker::with(&mut command, settings).env("GRISTMILL_TEST_BACKEND", "docker");
    if answers("cargo", &["nextest", "--version"]) {
        // A filter that picks tests of the other half only is fine.
        command.args(["nextest", "run", "--profile", "docker", "--no-tests", "pass"]);
        command.args(&selection.packages).args(&selection.filters);
    } else {
        command.args(["test", "--no-fail-fast", "--tests"]).args(&selection.packages).arg("--");
        match selection.filters.as_slice() {
            [] => command.args(DOCKER_TESTS),
            filters => command.args(filters),
        };
    }
    run_keeping(&mut command, is_rust_summary)
}

/// Which Rust tests to run.
#[derive(Debug, PartialEq, Eq)]
struct Selection {
    /// Cargo's options.
    packages: Vec<String>,
    /// Parts of test names.
    filters: Vec<String>,
}

impl Selection {
    fn new(arguments: &[String]) -> Result<Self> {
        let (mut packages, mut filters) = (Vec::new(), Vec::new());
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "-p" | "--package" => {
                    let Some(package) = arguments.next() else { bail!("{argument} needs the name of a package") };
                    packages.extend(["--package".to_owned(), package.clone()]);
                }
                option if option.starts_with('-') => {
                    bail!(
                        "test knows `-p PACKAGE` and parts of test names; for {option} call `cargo nextest run` or `cargo test`"
                    )
                }
                _ => filters.push(argument.clone()),
            }
        }
        if packages.is_empty() {
            packages = Self::everything();
        }
        Ok(Self { packages, filters })
    }

    fn everything() -> Vec<String> {
        vec!["--workspace".to_owned()]
    }
}

fn rust(selection: &Selection) -> Result<(Vec<String>, Result<()>)> {
    if answers("cargo", &["nextest", "--version"]) {
        // It fails by itself when a filter picks nothing.
        let mut command = cargo();
        command.args(["nextest", "run"]).args(&selection.packages).args(&selection.filters);
        return run_keeping(&mut command, is_rust_summary);
    }
    println!(
        "    cargo-nextest is not installed: `cargo test` runs the same tests, one binary at a time and without time limits"
    );
    let tests = || {
        let mut command = cargo();
        command.args(["test", "--no-fail-fast", "--lib", "--bins", "--tests"]).args(&selection.packages).arg("--");
        command.args(&selection.filters);
        command
    };
    if !output(tests().arg("--list"))?.lines().any(|line| line.ends_with(": test")) {
        bail!("no test has a name with {}", selection.filters.join(" or "));
    }
    run_keeping(&mut tests(), is_rust_summary)
}

/// Whether a line closes a run of cargo test or nextest that ran something.
fn is_rust_summary(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("Summary [") || (line.starts_with("test result:") && !line.contains(" 0 passed; 0 failed"))
}

/// How each runner closed.
#[derive(Debug, Default)]
struct Report {
    closings: Vec<String>,
    failures: Vec<String>,
    skipped: Vec<String>,
}

impl Report {
    /// Runs one runner. A failure does not keep the next from running.
    fn add(&mut self, name: &str, runner: impl FnOnce() -> Result<(Vec<String>, Result<()>)>) {
        let mut lines = Vec::new();
        let result = step(name, || {
            let (kept, outcome) = runner()?;
            lines = kept;
            outcome
        });
        self.closings.extend(lines.into_iter().map(|line| format!("{name}: {line}")));
        if let Err(error) = result {
            self.failures.push(format!("{name}: {error:#}"));
        }
    }

    /// Notes what is not run, and why: it is told at the end, where it is seen.
    fn skip(&mut self, name: &str, reason: &str) {
        self.skipped.push(format!("{name}: SKIPPED: {reason}"));
    }

    fn close(self) -> Result<()> {
        println!();
        for line in self.closings.iter().chain(&self.skipped) {
            println!("{line}");
        }
        if !self.failures.is_empty() {
            bail!("tests failed\n  {}", self.failures.join("\n  "));
        }
        if self.closings.is_empty() {
            bail!("no runner said that it ran a test");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(arguments: &[&str]) -> Result<Selection> {
        Selection::new(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn words_are_filters_and_the_whole_workspace_is_the_default() {
        let picked = selection(&["upload", "sniffer"]).unwrap();
        assert_eq!(picked.packages, ["--workspace"]);
        assert_eq!(picked.filters, ["upload", "sniffer"]);
        assert_eq!(selection(&[]).unwrap().packages, Selection::everything());
    }

    #[test]
    fn packages_replace_the_workspace() {
        let picked = selection(&["-p", "gristmill-ingest", "csv", "--package", "gristmill-query"]).unwrap();
        assert_eq!(picked.packages, ["--package", "gristmill-ingest", "--package", "gristmill-query"]);
        assert_eq!(picked.filters, ["csv"]);
    }

    #[test]
    fn an_option_that_is_not_known_is_refused_rather_than_dropped() {
        assert!(selection(&["--release"]).unwrap_err().to_string().contains("--release"));
        assert!(selection(&["-p"]).unwrap_err().to_string().contains("needs the name"));
    }

    #[test]
    fn closing_lines_are_recognised() {
        assert!(is_rust_summary("     Summary [   0.010s] 3 tests run: 3 passed, 0 skipped"));
        assert!(is_rust_summary("test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out"));
        assert!(is_rust_summary("test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out"));
        assert!(!is_rust_summary("test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 5 filtered out"));
        assert!(!is_rust_summary("test summary ... ok"));
    }

    #[test]
    fn a_failure_in_one_runner_is_told_after_the_others_ran() {
        let mut report = Report::default();
        report.add("first", || Ok((vec!["0 passed, 1 failed".into()], Err(anyhow::anyhow!("boom")))));
        report.add("second", || Ok((vec!["2 passed".into()], Ok(()))));
        assert_eq!(report.closings, ["first: 0 passed, 1 failed", "second: 2 passed"]);
        assert!(report.close().unwrap_err().to_string().contains("first: boom"));
        assert!(Report::default().close().is_err());
    }
}
