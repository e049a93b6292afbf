//! Drives the main job through HTTP, as a program of a user's would, and shows each step with its time.
//! `cargo xtask demo` starts a server and runs this against it.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a program for people at a terminal, which stops at the first surprise"
)]

mod client;
mod generate;
mod steps;

use std::time::Instant;

use anyhow::Context;
use client::Client;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().skip_while(|argument| argument != "--url").nth(1).context("usage: demo --url URL")?;
    let began = Instant::now();
    let mut client = Client::new(&url)?;
    let summary = steps::run(&mut client).await?;
    println!();
    println!("Everything worked, in {:.1} s. Go on from here:", began.elapsed().as_secs_f64());
    for line in summary {
        println!("  {line}");
    }
    Ok(())
}
