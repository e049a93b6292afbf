//! Measures a release build of the server through HTTP, beside bare polars and bare DataFusion on the same file, and
//! prints tables with the targets. `cargo xtask bench [name]` builds and runs it.
//!
//! Names: `startup`, `requests`, `sessions`, `cells`, `completions`, `crowd`, `upload`, `sql`, `paging`, `models`,
//! `tracking`, `predict`, `documents`, `language`, `agents`, `features`; all when none is given. `soak` predicts for an
//! hour, or `BENCH_SOAK_MINUTES`, and runs only when it is named.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::as_conversions,
    clippy::needless_pass_by_value,
    clippy::indexing_slicing,
    reason = "a program for people at a terminal, which stops at the first surprise"
)]

mod agents;
mod documents;
mod features;
mod language;
mod load;
mod models;
mod peers;
mod runtime;
mod server;
mod serving;
mod table;
mod tracking;
mod work;

use anyhow::Result;
use table::Table;

const NAMES: [&str; 17] = [
    "startup",
    "requests",
    "sessions",
    "cells",
    "completions",
    "crowd",
    "upload",
    "sql",
    "paging",
    "models",
    "tracking",
    "predict",
    "documents",
    "language",
    "agents",
    "features",
    "soak",
];

#[tokio::main]
async fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|one| !NAMES.contains(&one.as_str())) {
        anyhow::bail!("there is no benchmark `{unknown}`; there are {}", NAMES.join(", "));
    }
    let on = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    let mut table = Table::default();
    if on("startup") {
        work::startup(&mut table).await?;
    }
    if on("requests") {
        work::requests(&mut table).await?;
    }
    if on("sessions") {
        runtime::sessions(&mut table).await?;
    }
    if on("cells") {
        runtime::cells(&mut table).await?;
    }
    if on("completions") {
        runtime::completions(&mut table).await?;
    }
    if on("crowd") {
        runtime::crowd(&mut table).await?;
    }
    if on("upload") || on("sql") || on("paging") {
        let file = work::big_file()?;
        let server = server::Server::start(None)?;
        let user = work::user(&server).await?;
        work::upload(&mut table, &server, &user, &file).await?;
        if on("sql") {
            work::sql(&mut table, &user).await?;
            let parquet = server.parquet()?;
            peers::datafusion(&mut table, &parquet)?;
            peers::polars(&mut table, &file, &parquet)?;
        }
        if on("paging") {
            work::paging(&mut table, &user).await?;
        }
    }
    if on("models") {
        models::models(&mut table).await?;
    }
    if on("tracking") {
        tracking::tracking(&mut table).await?;
    }
    if on("predict") {
        serving::predict(&mut table).await?;
    }
    if on("documents") {
        documents::documents(&mut table).await?;
    }
    if on("language") {
        language::language(&mut table).await?;
    }
    if on("agents") {
        agents::agents(&mut table).await?;
    }
    if on("features") {
        features::features(&mut table)?;
    }
    if wanted.iter().any(|one| one == "soak") {
        serving::soak(&mut table).await?;
    }
    table.print();
    Ok(())
}
