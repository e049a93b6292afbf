//! `eval`: how many golden questions the language model gets right.

use std::{env, fs, process::Command};

use anyhow::{Result, bail};

use crate::{
    demo::throwaway_dir,
    server::{self, Profile, Programs, Running},
    shell::{root, run, step},
};

/// Variables that choose a language model; when none is set, the committed script answers.
const MODEL_VARIABLES: [&str; 5] = ["LLM_PROVIDER", "LLM_API_KEY", "LLM_BASE_URL", "OPENAI_API_KEY", "LLM_SCRIPT_FILE"];

/// The committed sets.
const SETS: [&str; 2] = ["nl2sql-penguins.json", "nl2sql-tpch.json"];

/// Starts a server on a throwaway data directory, asks it the golden questions and prints a table.
pub(crate) fn eval(arguments: &[String]) -> Result<()> {
    if arguments != ["nl2sql"] {
        bail!("eval takes what is evaluated: nl2sql");
    }
    let is_configured = MODEL_VARIABLES.iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
    let programs = step("build", || server::build(Profile::Dev, "eval"))?;
    step("set up what is missing", || server::set_up(&programs.server, &[]))?;
    nl2sql(&programs, is_configured)
}

/// Asks the sets of questions, with the committed script instead of a model unless one is configured. Fails when the script
/// does not fare as it must.
pub(crate) fn nl2sql(programs: &Programs, is_configured: bool) -> Result<()> {
    let sets = root().join("data/eval");
    let script = sets.join("nl2sql-script.json").display().to_string();
    let settings = if is_configured { Vec::new() } else { vec![("LLM_SCRIPT_FILE", script)] };
    let data_dir = throwaway_dir()?;
    let mut running = Running::start(&programs.server, &data_dir, server::free_port()?, &settings)?;
    running.wait_until_ready()?;
    let mut command = Command::new(&programs.example);
    command.args(["--url", &running.url()]);
    for set in SETS {
        command.arg("--set").arg(sets.join(set));
    }
    if !is_configured {
        command.arg("--scripted");
    }
    let asked = step("ask", || run(&mut command));
    running.stop()?;
    asked?;
    Ok(fs::remove_dir_all(&data_dir)?)
}
