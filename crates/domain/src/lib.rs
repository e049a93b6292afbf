//! The vocabulary of Gristmill: ids, entities, pure state machines, error codes, limits and ports.
//!
//! Everything here is a value or a pure function. No IO, no async runtime, no HTTP, no SQL: every other crate may
//! depend on this one, and this one on none of them.

pub mod caller;
pub mod clock;
pub mod datasets;
pub mod deployments;
pub mod documents;
pub mod eda;
pub mod error_code;
pub mod execution;
pub mod feature_runs;
pub mod features;
pub mod golden_questions;
pub mod identifiers;
pub mod identity;
pub mod ids;
pub mod jobs;
pub mod key_sketches;
pub mod limits;
pub mod markdown;
pub mod models;
mod named;
pub mod nl;
pub mod notebooks;
pub mod plan_chats;
pub mod ports;
pub mod preprocessing;
pub mod projects;
pub mod settings;
pub mod sql_names;
pub mod tracking;
pub mod users;
pub mod words;
pub mod workflows;

pub use caller::{Caller, Scope};
pub use clock::{Clock, SystemClock};
pub use error_code::ErrorCode;
pub use ids::*;
