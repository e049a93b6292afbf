//! Automation. `cargo xtask` lists the commands; DESIGN section 3 fixes their names.
//!
//! A thin dispatcher: it shells out to cargo, npm and the server, and owns only the checks that no tool has
//! (layering, documents). It depends on no crate of the workspace, so that it builds in seconds and works while they
//! do not compile.
#![expect(clippy::print_stdout, reason = "it talks to the person who runs it")]
#![expect(clippy::disallowed_methods, reason = "it starts programs, and has no configuration but the environment")]

mod bench;
mod check;
mod demo;
mod deny;
mod docker;
mod docs;
mod eval;
mod layering;
mod mcp;
mod openapi;
mod python;
mod server;
mod shell;
mod suite;
mod testdb;
mod typescript;

use std::process::ExitCode;

use anyhow::{Result, bail};

/// A command of `cargo xtask`.
struct Task {
    name: &'static str,
    arguments: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const TASKS: &[Task] = &[
    Task {
        name: "demo",
        arguments: "",
        help: "build, start on a throwaway data directory, and drive the main job on real data",
        run: demo::demo,
    },
    Task { name: "start", arguments: "", help: "build, set up, and serve on ./.gristmill", run: demo::start },
    Task {
        name: "test",
        arguments: "[FILTER…]",
        help: "run every test; a filter runs only the Rust tests whose name contains it",
        run: suite::test,
    },
    Task {
        name: "check",
        arguments: "[STEP…]",
        help: "what CI checks beside tests, or only these steps of it",
        run: check::check,
    },
    Task {
        name: "layering",
        arguments: "[--diagram]",
        help: "check who may depend on whom, or print it as a diagram",
        run: layering::command,
    },
    Task { name: "openapi", arguments: "", help: "regenerate openapi/gristmill.v1.json", run: openapi::regenerate },
    Task { name: "ts", arguments: "", help: "regenerate the types of the TypeScript client", run: typescript::regenerate },
    Task {
        name: "bench",
        arguments: "[NAME]",
        help: "run the benchmarks and print a table with their targets",
        run: bench::bench,
    },
    Task {
        name: "eval",
        arguments: "nl2sql|agent",
        help: "put the configured language model, or a script when there is none, to the test with the sets of data/eval",
        run: eval::eval,
    },
    Task { name: "testdb", arguments: "", help: "start PostgreSQL for a test run (called by nextest)", run: testdb::start },
    Task {
        name: "peers",
        arguments: "PYTHON",
        help: "install the programs of others that tests use, and print where (called by tests)",
        run: python::peers,
    },
    Task {
        name: "announce",
        arguments: "ADDRESS PID",
        help: "say when a server is ready (called by start)",
        run: demo::announce,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let Some((name, rest)) = arguments.split_first() else {
        print_usage();
        bail!("name a command");
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print_usage();
        return Ok(());
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        print_usage();
        bail!("there is no command `{name}`");
    };
    (task.run)(rest)
}

fn print_usage() {
    println!("cargo xtask COMMAND\n");
    for task in TASKS {
        println!("  {:<22}{}", format!("{} {}", task.name, task.arguments), task.help);
    }
    println!("\nsteps of check: {}", check::step_names().join(" "));
}

/// Whether `cargo xtask NAME` exists; the check of the README asks.
fn is_command(name: &str) -> bool {
    TASKS.iter().any(|task| task.name == name)
}
