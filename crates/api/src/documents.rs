//! What happens to documents outside a request: reading them in a process of their own, as a job, and giving them vectors.

mod backfill;
mod embedding;
mod ingest_job;
mod parser;

use std::{path::PathBuf, sync::Arc};

use gristmill_documents::{Search, SearchOptions};
use gristmill_persistence::repo::documents::Documents;
use gristmill_runtime::Runtime;

use crate::{config::Config, llm::LanguageModels};

pub use backfill::Backfill;
pub(crate) use embedding::{PACKAGES, VectorSource};
pub use ingest_job::{DocumentHandler, ingested, submit_ingest};
pub use parser::Parser;

/// Search over the documents of a database, with vectors of the model that the settings choose.
///
/// # Errors
/// The cache has no absolute path.
pub fn search(config: &Config, documents: &Documents, models: &LanguageModels, runtime: &Runtime) -> std::io::Result<Search> {
    let options = SearchOptions { vectors_bytes_max: config.documents.vectors_bytes_max, ..SearchOptions::default() };
    let embedder = VectorSource::choose(config, models).embedder(config, runtime)?;
    Ok(Search::new(Arc::new(documents.clone()), embedder, options))
}

/// The program that reads documents: this one, also after its file was replaced by a newer version.
pub(crate) fn this_program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}
