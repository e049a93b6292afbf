//! Agents over the server's own services.

mod tools;

pub(crate) use tools::{Failure, find_cell, find_dataset, find_notebook};
pub use tools::{ServerTools, run_general};
