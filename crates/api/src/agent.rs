//! Agents over the server's own services.

mod tools;

pub use tools::{ServerTools, run_general};
