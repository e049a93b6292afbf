//! `gristmill serve`.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::{postgres, say};
use crate::{config::Config, server::RunningServer};

/// Serves until SIGTERM or SIGINT, then stops in order: requests, jobs, database.
pub(super) fn serve(runtime: &tokio::runtime::Runtime, config: Config) -> anyhow::Result<()> {
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("{} cannot be made; set GRISTMILL_DATA_DIR", config.data_dir.display()))?;
    super::restore::check_none_has_begun(&config.data_dir)?;
    let postgres = match postgres::open(&config) {
        Ok(postgres) => postgres,
        Err(missing) if config.database.url.is_none() && postgres::binaries(&config).is_err() => {
            tracing::info!(%missing, "provisioning PostgreSQL first");
            super::setup::postgresql(&config)?;
            postgres::open(&config)?
        }
        Err(error) => return Err(error),
    };
    let outcome = runtime.block_on(async {
        // Listening for signals before the first request can come.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let server = RunningServer::start(config, postgres.url.clone()).await?;
        say(&format!("Gristmill listens on http://{}", server.address()))?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests may finish, jobs are given back");
        server.stop().await;
        anyhow::Ok(())
    });
    if let Some(cluster) = postgres.cluster {
        cluster.stop();
    }
    outcome
}
