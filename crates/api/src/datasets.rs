//! What happens to datasets outside a request: reading files, changing types, paging, downloads, sweeping.

mod download;
mod ingest_job;
mod retype_job;
mod rows;
mod sweep;
mod work;

pub use download::download;
pub(crate) use ingest_job::limits as ingest_limits;
pub use ingest_job::{IngestHandler, ingested, submit_ingest};
pub(crate) use retype_job::CHOSEN_TYPES;
pub use retype_job::{RetypeHandler, retype};
pub use rows::RowReaders;
pub use sweep::{discard_cancelled, sweep_spool, sweep_uploads};
pub(crate) use work::{
    Stop, content_of, failed, job_failure, not_stored, room as free_room, run_low, runs_again, stop_of_io, sync_directory,
};
