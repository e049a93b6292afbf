//! Puts a language model to the test over HTTP: golden questions in plain words, or an agent in four phases. `cargo xtask eval`
//! starts a server and runs this against it.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program for people at a terminal, which stops at the first surprise"
)]

mod agent;
mod client;
mod nl2sql;
mod tpch;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use self::client::Client;

const USAGE: &str = "usage: eval nl2sql|agent --url URL --set FILE [--set FILE …] [--scripted]";

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().context(USAGE)?;
    let (mut url, mut sets, mut is_scripted) = (None, Vec::new(), false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--url" => url = arguments.next(),
            "--set" => sets.push(PathBuf::from(arguments.next().context("--set takes a file")?)),
            "--scripted" => is_scripted = true,
            _ => bail!(USAGE),
        }
    }
    let client = Client::register(&url.context("--url is missing")?).await?;
    match what.as_str() {
        "nl2sql" => nl2sql::run(&client, &sets, is_scripted).await,
        "agent" => agent::run(&client, &sets, is_scripted).await,
        _ => bail!(USAGE),
    }
}
