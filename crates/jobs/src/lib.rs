//! Durable job queue, leases with fencing, event logs with replay, tracked tasks. Storage by port.
//!
//! A job is recorded before it starts and survives the process that runs it. What is here: the [`worker`] pool that
//! claims jobs and runs their handlers, the [`events`] writer that handlers report through, the [`reader`] that waits
//! for jobs and follows their logs, the wake-ups between them ([`signals`]), and the owner of all spawned [`tasks`].
//!
//! What is not here: storage. Everything goes through [`gristmill_domain::ports::JobStore`]; the server brings
//! PostgreSQL, tests and small programs may use [`memory::MemoryJobStore`]. Nor HTTP: who forwards the database's
//! notifications calls [`signals::Signals`].
//!
//! `examples/queue.rs` embeds the queue without the server.

pub mod backoff;
mod error;
pub mod events;
pub mod handler;
pub mod memory;
pub mod probe;
pub mod reader;
pub mod signals;
pub mod tasks;
pub mod worker;

pub use error::JobsError;
pub use events::EventWriter;
pub use handler::{JobContext, JobHandler, JobVerdict, StopReason};
pub use reader::JobReader;
pub use signals::Signals;
pub use tasks::Tasks;
pub use worker::{WorkerOptions, WorkerPool};
