//! `gristmill migrate`.

use gristmill_persistence::migrations;

use super::{postgres, say};
use crate::config::Config;

/// Applies what is missing.
pub(super) async fn migrate(config: &Config) -> anyhow::Result<()> {
    let database = tokio::task::block_in_place(|| postgres::open(config))?;
    let applied = migrations::migrate(&database.url).await?;
    for name in &applied {
        say(&format!("applied {name}"))?;
    }
    say(&format!("the schema is up to date ({} applied now)", applied.len()))?;
    drop(database.cluster);
    Ok(())
}
