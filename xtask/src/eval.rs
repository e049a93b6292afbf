//! `eval`: how a language model fares at golden questions, and as an agent in four phases.

use std::{env, fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::{
    demo::throwaway_dir,
    server::{self, Profile, Programs, Running},
    shell::{root, run_keeping, step},
};

/// Variables that choose a language model; when none is set, a committed script answers.
const MODEL_VARIABLES: [&str; 5] = ["LLM_PROVIDER", "LLM_API_KEY", "LLM_BASE_URL", "OPENAI_API_KEY", "LLM_SCRIPT_FILE"];

/// Something that is evaluated: by its name in the command, with files of `data/eval`.
#[derive(Debug)]
pub(crate) struct Evaluation {
    name: &'static str,
    script: &'static str,
    sets: &'static [&'static str],
}

/// Questions in plain words.
pub(crate) const NL2SQL: Evaluation =
    Evaluation { name: "nl2sql", script: "nl2sql-script.json", sets: &["nl2sql-penguins.json", "nl2sql-tpch.json"] };

/// Agents, from a file to a deployed model.
pub(crate) const AGENT: Evaluation = Evaluation {
    name: "agent",
    script: "agent-script.json",
    sets: &["agent-penguins.json", "agent-wine.json", "agent-cars.json"],
};

/// Starts a server on a throwaway data directory, puts a language model to the test and prints a table.
pub(crate) fn eval(arguments: &[String]) -> Result<()> {
    let evaluation = match arguments {
        [name] => [&NL2SQL, &AGENT].into_iter().find(|one| one.name == name),
        _ => None,
    };
    let Some(evaluation) = evaluation else { bail!("eval takes what is evaluated: nl2sql or agent") };
    let is_configured = MODEL_VARIABLES.iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
    let programs = step("build", || server::build(Profile::Dev, "eval"))?;
    step("set up what is missing", || server::set_up(&programs.server, &[]))?;
    evaluate(&programs, evaluation, &[], is_configured)?.1
}

/// Asks the sets of an evaluation, of the committed script unless a model is configured. What the program closed with, and how
/// it went: it fails when the script does not fare as it must.
pub(crate) fn evaluate(
    programs: &Programs,
    evaluation: &Evaluation,
    settings: &[(&str, String)],
    is_configured: bool,
) -> Result<(Vec<String>, Result<()>)> {
    let sets = root().join("data/eval");
    let mut settings = settings.to_vec();
    if !is_configured {
        settings.push(("LLM_SCRIPT_FILE", sets.join(evaluation.script).display().to_string()));
    }
    let data_dir = throwaway_dir(evaluation.name)?;
    let mut running = Running::start(&programs.server, &data_dir, server::free_port()?, &settings)?;
    running.wait_until_ready()?;
    let mut closing = Vec::new();
    let asked = step("ask", || {
        let mut command = Command::new(&programs.example);
        command.args([evaluation.name, "--url", &running.url()]);
        for set in evaluation.sets {
            command.arg("--set").arg(sets.join(set));
        }
        if !is_configured {
            command.arg("--scripted");
        }
        let (lines, asked) = run_keeping(&mut command, is_closing)?;
        closing = lines;
        asked.with_context(|| format!("the end of the server's log:\n{}\n", running.log_tail()))
    });
    let stopped = running.stop();
    let ended = asked.and(stopped);
    clear(&data_dir, ended.is_ok())?;
    Ok((closing, ended))
}

/// Whether a line sums up.
fn is_closing(line: &str) -> bool {
    line.starts_with("In all: ")
}

fn clear(data_dir: &Path, went_well: bool) -> Result<()> {
    if went_well {
        fs::remove_dir_all(data_dir)?;
    } else {
        println!("\nThe data and the server's log were kept in {}", data_dir.display());
    }
    Ok(())
}
