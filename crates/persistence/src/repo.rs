//! One repository a resource; the file stem is the resource's at every layer.

pub mod admin;
pub mod datasets;
pub mod deployments;
pub mod documents;
pub mod execution_sessions;
pub mod file_deletions;
mod idempotency;
pub mod identity;
pub mod jobs;
pub mod models;
pub mod notebooks;
mod ownership;
pub mod projects;
pub mod quota;
pub mod settings;
pub mod spool;
pub mod tracking;

pub use idempotency::{IDEMPOTENCY_MISMATCH, Idempotency};
