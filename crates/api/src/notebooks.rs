//! What happens to notebooks outside a request: runs, their outputs and exports, and what the runtime asks.

mod exports;
pub(crate) mod files;
mod janitor;
mod links;
mod log;
mod outputs;
mod project_data;
mod registry;
mod run;

pub use janitor::{end_deleted_projects, log_kernel_events, sweep};
pub use links::OutputLinks;
pub use project_data::StoredData;
pub use registry::RunRegistry;
pub(crate) use run::{environment_error, failed, memory_of, place_of, run_cell_keyed, runtime_error, timeout_of};
pub use run::{interrupt_cell, run_cell};
