//! Storage: the embedded PostgreSQL cluster, the connection pool, migrations, notifications and one repository a
//! resource. The only crate that knows Diesel and the shape of the tables.
//!
//! A repository method is one transaction and takes the [`gristmill_domain::Caller`]: what is not the caller's is
//! `NotFound`, always. Nothing here talks to the network besides PostgreSQL, and user SQL never comes here.

pub mod backup;
pub mod cluster;
pub mod database;
pub mod files;
pub mod migrations;
pub mod notifications;
pub mod repo;
mod schema;

pub use database::{Database, DatabaseOptions, PoolCounters};
