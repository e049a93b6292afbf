//! `gristmill admin`: what the API never does.

use clap::Subcommand;
use gristmill_domain::users::{Email, UserRole};
use gristmill_persistence::{Database, DatabaseOptions, migrations, repo::admin::Admin};

use super::{postgres, say};
use crate::config::Config;

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Gives a user the role `admin`.
    Promote {
        /// The user's address.
        email: String,
    },
    /// Gives a user the role `user`.
    Demote {
        /// The user's address.
        email: String,
    },
}

/// Does it. Against the embedded database only while no server uses it.
pub(super) async fn admin(config: &Config, action: Action) -> anyhow::Result<()> {
    let database = tokio::task::block_in_place(|| postgres::open(config))?;
    migrations::migrate(&database.url).await?;
    let admin = Admin::new(Database::connect(&DatabaseOptions::new(database.url.clone())).await?);
    let (email, role) = match action {
        Action::Promote { email } => (email, UserRole::Admin),
        Action::Demote { email } => (email, UserRole::User),
    };
    let email = Email::parse(&email)?;
    admin.set_role(&email, role).await?;
    say(&format!("{} has the role `{}` now", email.as_str(), role.as_str()))?;
    drop(admin);
    drop(database.cluster);
    Ok(())
}
