//! `check`: what CI checks beside tests.

use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{
    deny, docs, layering, openapi, python,
    shell::{cargo, run, seconds, step},
    typescript,
};

/// A step of the check.
struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
}

/// In the order of their price, so that a cheap failure is seen early.
const STEPS: &[Step] = &[
    Step { name: "fmt", run: fmt },
    Step { name: "layering", run: layering::check },
    Step { name: "docs", run: docs::check },
    Step { name: "clippy", run: clippy },
    Step { name: "rustdoc", run: rustdoc },
    Step { name: "openapi", run: openapi::check },
    Step { name: "readme", run: docs::check_commands },
    Step { name: "python", run: python::check },
    Step { name: "ts", run: typescript::check },
    Step { name: "deny", run: deny::check },
];

/// The names of the steps.
pub(crate) fn step_names() -> Vec<&'static str> {
    STEPS.iter().map(|step| step.name).collect()
}

/// Runs all steps, or those that are named, and lists the failures at the end.
pub(crate) fn check(arguments: &[String]) -> Result<()> {
    if let Some(unknown) = arguments.iter().find(|name| !step_names().contains(&name.as_str())) {
        bail!("check has no step `{unknown}`; it has {}", step_names().join(", "));
    }
    let start = Instant::now();
    let mut failures = Vec::new();
    for Step { name, run } in STEPS {
        if !arguments.is_empty() && !arguments.iter().any(|argument| argument == name) {
            continue;
        }
        if let Err(error) = step(name, run) {
            println!("    {error:#}");
            failures.push(format!("{name}: {}", format!("{error:#}").lines().next().unwrap_or_default()));
        }
    }
    if !failures.is_empty() {
        bail!("{} of the checks failed (after {})\n  {}", failures.len(), seconds(start.elapsed()), failures.join("\n  "));
    }
    println!("\nAll checks passed in {}.", seconds(start.elapsed()));
    Ok(())
}

fn fmt() -> Result<()> {
    run(cargo().args(["fmt", "--all", "--check", "--", "-l"])).context("these files want `cargo fmt --all`")
}

fn clippy() -> Result<()> {
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn rustdoc() -> Result<()> {
    // With an example for the reason that `server::build` gives: the features are then those that clippy checked.
    let mut command = cargo();
    command.args(["doc", "--workspace", "--no-deps", "--lib", "--bins", "--example", "demo"]);
    run(command.env("RUSTDOCFLAGS", "-D warnings"))
}
