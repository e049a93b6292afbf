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
mod models;
mod notebook;
mod steps;

use std::{path::PathBuf, time::Instant};

use anyhow::Context;
use client::Client;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let option = |name: &str| std::env::args().skip_while(|argument| argument != name).nth(1);
    let url = option("--url").context("usage: demo --url URL [--out DIRECTORY]")?;
    let out = option("--out").map(PathBuf::from);
    let began = Instant::now();
    let mut client = Client::new(&url)?;
    let kept = steps::run(&mut client, out.as_deref()).await?;
    println!();
    println!("Everything worked, in {:.1} s.", began.elapsed().as_secs_f64());
    for line in kept {
        println!("  {line}");
    }
    Ok(())
}
