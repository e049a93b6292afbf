//! `eval`: how many golden questions the language model gets right.

use std::{env, fs, process::Command};

use anyhow::{Result, bail};

use crate::{
    demo::throwaway_dir,
    server::{self, Profile, Running},
    shell::{root, run, step},
};

/// Variables that choose a language model; when none is set, the committed script answers.
const MODEL_VARIABLES: [&str; 5] = ["LLM_PROVIDER", "LLM_API_KEY", "LLM_BASE_URL", "OPENAI_API_KEY", "LLM_SCRIPT_FILE"];

/// Starts a server on a throwaway data directory, asks it the golden questions and prints a table.
pub(crate) fn eval(arguments: &[String]) -> Result<()> {
    if arguments != ["nl2sql"] {
        bail!("eval takes the name of a set: nl2sql");
    }
    let sets = root().join("data/eval");
    let is_configured = MODEL_VARIABLES.iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
    let settings = if is_configured { Vec::new() } else { vec![("LLM_SCRIPT_FILE", sets.join("nl2sql-script.json"))] };
    let programs = step("build", || server::build(Profile::Dev, "eval"))?;
    step("set up what is missing", || server::set_up(&programs.server, &[]))?;
    let data_dir = throwaway_dir()?;
    let mut running = Running::start_with(&programs.server, &data_dir, server::free_port()?, &settings)?;
    running.wait_until_ready()?;
    let asked = step("ask", || {
        run(Command::new(&programs.example).args(["--url", &running.url(), "--set"]).arg(sets.join("nl2sql.json")))
    });
    running.stop()?;
    asked?;
    Ok(fs::remove_dir_all(&data_dir)?)
}
