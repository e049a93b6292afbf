//! Getting a database: the one that is configured, or the embedded cluster.

use std::path::PathBuf;

use anyhow::Context;
use gristmill_persistence::cluster::{Cluster, ClusterOptions, Durability, PgBinaries, find_binaries};
use secrecy::SecretString;

use crate::config::Config;

/// A database to use, and the cluster behind it when it is ours.
pub(super) struct Postgres {
    pub(super) url: SecretString,
    pub(super) cluster: Option<Cluster>,
}

/// Starts the embedded cluster unless `DATABASE_URL` is set. Blocks.
pub(super) fn open(config: &Config) -> anyhow::Result<Postgres> {
    if let Some(url) = &config.database.url {
        return Ok(Postgres { url: url.clone(), cluster: None });
    }
    let cluster = Cluster::start(&ClusterOptions {
        directory: config.data_dir.join("postgres"),
        binaries: binaries(config)?,
        durability: Durability::Durable,
    })
    .with_context(|| format!("the embedded database in {} could not be started", config.data_dir.display()))?;
    Ok(Postgres { url: cluster.url().clone(), cluster: Some(cluster) })
}

/// The PostgreSQL programs that are installed, or that `gristmill setup` provisioned.
pub(super) fn binaries(config: &Config) -> anyhow::Result<PgBinaries> {
    Ok(find_binaries(&[], &config.database.search_path)
        .or_else(|missing| PgBinaries::in_directory(&provisioned(config)).ok_or(missing))?)
}

/// Where `gristmill setup` puts PostgreSQL.
pub(super) fn provisioned(config: &Config) -> PathBuf {
    config.database.cache_dir.join("postgresql").join(super::setup::POSTGRES_WHEEL).join("bin")
}
