//! The command line: each subcommand in a file of its own.

mod admin;
mod backup;
mod doctor;
mod migrate;
mod parse_document;
mod postgres;
mod restore;
mod serve;
mod setup;

use std::{collections::BTreeMap, io::Write, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{config::Config, telemetry::Telemetry};

#[derive(Debug, Parser)]
#[command(name = "gristmill", version, about = "Grinds raw tables into deployed models")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server. Settings come from the environment; docs/OPERATIONS.md lists them.
    Serve,
    /// Provisions what the server needs and is not there: PostgreSQL, what runs in sandboxes. Idempotent.
    Setup,
    /// Brings the database's schema up to date.
    Migrate,
    /// Backs up database and files into a new directory, beside a running server or without one.
    Backup {
        /// The backup's directory, which must not be there yet.
        directory: PathBuf,
    },
    /// Restores a backup into an empty data directory and an empty database, while no server runs.
    Restore {
        /// The backup's directory.
        directory: PathBuf,
    },
    /// Prints the OpenAPI document.
    Openapi,
    /// Tells what is configured, reachable and missing, and how to mend it.
    Doctor,
    /// Reads one document from standard input: for the server itself.
    #[command(hide = true)]
    ParseDocument {
        /// What it may take, as JSON.
        limits: String,
    },
    /// Does what the API never does.
    Admin {
        #[command(subcommand)]
        action: admin::Action,
    },
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        // Needs no configuration: CI calls it on a machine where nothing is set up.
        Command::Openapi => print_openapi(),
        // Has no environment, and needs neither a runtime nor traces.
        Command::ParseDocument { limits } => parse_document::parse_document(&limits),
        command => read_config().and_then(|config| run(command, config)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let telemetry = Telemetry::start(&config, runtime.handle().clone())?;
    let outcome = match command {
        Command::Serve => serve::serve(&runtime, config),
        Command::Setup => setup::setup(&runtime, &config),
        Command::Migrate => runtime.block_on(migrate::migrate(&config)),
        Command::Backup { directory } => runtime.block_on(backup::backup(&config, &directory)),
        Command::Restore { directory } => runtime.block_on(restore::restore(&config, &directory)),
        Command::Doctor => runtime.block_on(doctor::doctor(&config)),
        Command::Admin { action } => runtime.block_on(admin::admin(&config, action)),
        Command::Openapi => print_openapi(),
        Command::ParseDocument { limits } => parse_document::parse_document(&limits),
    };
    telemetry.stop();
    outcome
}

// The one place where the environment is read.
fn read_config() -> anyhow::Result<Config> {
    let variables: BTreeMap<String, String> =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect();
    Ok(Config::read(&variables)?)
}

fn print_openapi() -> anyhow::Result<()> {
    let text = crate::openapi::document().to_pretty_json()?;
    say(&text)
}

/// Prints a line to standard output.
pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{line}")?;
    Ok(())
}

fn print_error(error: &anyhow::Error) {
    // Nothing is left to do when even this cannot be written.
    drop(writeln!(std::io::stderr().lock(), "gristmill: {error:#}"));
}
