//! Agents over committed datasets: each of the four phases, and a prediction by the deployed model at the end. What counts is
//! what the server has then, and not what the model says of it.

mod events;
mod judge;
mod measure;
mod phases;
mod report;
mod session;
mod set;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use self::{
    measure::{Measures, Prices},
    report::Row,
    session::{Seen, Session},
    set::{Phase, Set},
};
use crate::client::Client;

/// How long the sandboxes may take to be found.
const SANDBOX_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// Lets an agent work at sets and prints how it fared. Fails when the script does not fare as it must.
pub(crate) async fn run(client: &Client, sets: &[PathBuf], is_scripted: bool) -> Result<()> {
    wait_for_sandboxes(client).await?;
    let prices = if is_scripted { None } else { Prices::of_default_model(client).await? };
    let mut rows = Vec::new();
    for file in sets {
        let set = Set::read(file)?;
        println!("\n{}: {}", set.name, set.description);
        rows.extend(work_at(client, &set, is_scripted, prices.as_ref()).await?);
    }
    report::print(&rows);
    let failed: Vec<String> = rows.iter().filter_map(Row::fault).collect();
    if is_scripted && !failed.is_empty() {
        bail!("the script did not fare as it must\n  {}", failed.join("\n  "));
    }
    Ok(())
}

/// Goes through the phases of a set, up to the first that does not get where it should.
async fn work_at(client: &Client, set: &Set, is_scripted: bool, prices: Option<&Prices>) -> Result<Vec<Row>> {
    let mut session = Session::open(client, set, is_scripted).await?;
    let mut rows = Vec::new();
    for phase in Phase::ALL {
        let mut seen = Seen::of(phase);
        let outcome = Box::pin(phases::run(&mut session, &mut seen)).await.map_err(|error| format!("{error:#}"));
        seen.close(client).await?;
        let measures = Measures::of(&seen, set, prices);
        let faults = if is_scripted { report::unlike_script(&seen, &measures, set) } else { Vec::new() };
        let is_done = outcome.is_ok();
        if !is_done || !faults.is_empty() {
            println!("\n  {} did not go as it should; the last events of it:", phase.as_str());
            events::print_last(&seen);
        }
        rows.push(Row { set: set.name.clone(), phase, outcome, measures, faults });
        if !is_done {
            break;
        }
    }
    Ok(rows)
}

async fn wait_for_sandboxes(client: &Client) -> Result<()> {
    let began = Instant::now();
    loop {
        let health = client.get("/api/execute/health").await?;
        if health["status"] == "healthy" {
            return Ok(());
        }
        if began.elapsed() > SANDBOX_PATIENCE {
            bail!("code cannot be run here: {}; `gristmill doctor` says more", health["reasons"]);
        }
        tokio::time::sleep(POLL).await;
    }
}
