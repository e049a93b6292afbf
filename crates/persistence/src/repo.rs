//! One repository a resource; the file stem is the resource's at every layer.

pub mod admin;
pub mod datasets;
pub mod deployments;
pub mod documents;
pub mod execution_sessions;
pub mod feature_runs;
pub mod file_deletions;
pub mod golden_questions;
mod idempotency;
pub mod identity;
pub mod jobs;
pub mod llm_usage;
pub mod models;
pub mod nl_suggestions;
pub mod notebooks;
mod ownership;
pub mod plan_chats;
pub mod preprocessing;
pub mod projects;
pub mod quota;
pub mod resources;
pub mod settings;
pub mod spool;
mod statement;
pub mod tracking;
pub mod workflows;

pub use idempotency::{IDEMPOTENCY_MISMATCH, Idempotency};
