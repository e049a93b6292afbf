//! The command line: each subcommand in a file of its own.

mod admin;
mod doctor;
mod migrate;
mod parse_document;
mod postgres;
mod serve;
mod setup;

use std::{collections::BTreeMap, io::Write, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::config::{Config, LogConfig, LogFormat};

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
        // Has no environment.
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
    init_logging(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match command {
        Command::Serve => serve::serve(&runtime, config),
        Command::Setup => setup::setup(&runtime, &config),
        Command::Migrate => runtime.block_on(migrate::migrate(&config)),
        Command::Doctor => runtime.block_on(doctor::doctor(&config)),
        Command::Admin { action } => runtime.block_on(admin::admin(&config, action)),
        Command::Openapi => print_openapi(),
        Command::ParseDocument { limits } => parse_document::parse_document(&limits),
    }
}

// The one place where the environment is read.
fn read_config() -> anyhow::Result<Config> {
    let variables: BTreeMap<String, String> =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect();
    Ok(Config::read(&variables)?)
}

fn init_logging(log: &LogConfig) -> anyhow::Result<()> {
    use tracing_subscriber::{EnvFilter, fmt, prelude::*};
    let filter = EnvFilter::try_new(&log.filter).map_err(|error| anyhow::anyhow!("LOG_LEVEL is not a filter: {error}"))?;
    // To standard error: standard output belongs to what a command prints.
    let registry = tracing_subscriber::registry().with(filter);
    match log.format {
        LogFormat::Text => registry.with(fmt::layer().with_writer(std::io::stderr)).try_init()?,
        LogFormat::Json => registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init()?,
    }
    Ok(())
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
