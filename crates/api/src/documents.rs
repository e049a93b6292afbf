//! What happens to documents outside a request: reading them in a process of their own, as a job.

mod ingest_job;
mod parser;

use std::{path::PathBuf, sync::Arc};

use gristmill_documents::{Search, SearchOptions};
use gristmill_persistence::repo::documents::Documents;

use crate::config::DocumentsConfig;

pub use ingest_job::{DocumentHandler, ingested, submit_ingest};
pub use parser::Parser;

/// Search over the documents of a database.
#[must_use]
pub fn search(config: &DocumentsConfig, documents: &Documents) -> Search {
    let options = SearchOptions { vectors_bytes_max: config.vectors_bytes_max, ..SearchOptions::default() };
    Search::new(Arc::new(documents.clone()), None, options)
}

/// The program that reads documents: this one, also after its file was replaced by a newer version.
pub(crate) fn this_program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}
