//! What handlers share.

use std::sync::Arc;

use bytes::Bytes;
use gristmill_deployment::serving::Serving;
use gristmill_documents::Search;
use gristmill_domain::{Clock, ports::JobStore};
use gristmill_identity::Identity;
use gristmill_jobs::{JobReader, Tasks};
use gristmill_modeling::Engine;
use gristmill_persistence::{
    Database,
    files::LocalFiles,
    repo::{
        datasets::Datasets, deployments::Deployments, documents::Documents, execution_sessions::ExecutionSessions,
        models::Models, notebooks::Notebooks, projects::Projects, settings::UserSettings, tracking::Tracking,
    },
};

use gristmill_runtime::Runtime;

use crate::{
    config::Config,
    datasets::RowReaders,
    file_cleaner::FileCleaner,
    health::HealthBoard,
    live::Hub,
    notebooks::{OutputLinks, RunRegistry},
    sql::SqlService,
};

/// What handlers share: repositories, engines, configuration. One a process.
#[derive(Debug)]
pub struct AppState {
    /// The configuration.
    pub config: Config,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The pool, for probes.
    pub database: Database,
    /// Who is who.
    pub identity: Identity,
    /// Projects.
    pub projects: Projects,
    /// Datasets.
    pub datasets: Datasets,
    /// Documents.
    pub documents: Documents,
    /// Search over documents.
    pub document_search: Search,
    /// Notebooks.
    pub notebooks: Notebooks,
    /// Kernel sessions outside of notebooks.
    pub execution_sessions: ExecutionSessions,
    /// Models.
    pub models: Models,
    /// What programs log.
    pub tracking: Tracking,
    /// Deployed models.
    pub deployments: Deployments,
    /// Answers for deployed models.
    pub serving: Arc<Serving>,
    /// Training, evaluation, comparison.
    pub modeling: Arc<Engine>,
    /// Sandboxes and kernels.
    pub runtime: Runtime,
    /// Names of stored outputs.
    pub output_links: OutputLinks,
    /// Runs of cells in this process.
    pub runs: RunRegistry,
    /// Who watches notebooks in this process.
    pub live: Hub,
    /// Per-user settings.
    pub settings: UserSettings,
    /// The job queue.
    pub jobs: Arc<dyn JobStore>,
    /// Waiting for jobs and following their logs.
    pub job_reader: JobReader,
    /// Where files are.
    pub files: LocalFiles,
    /// Removes files whose rows are gone.
    pub file_cleaner: FileCleaner,
    /// Open Parquet files, for paging.
    pub row_readers: RowReaders,
    /// SQL over datasets.
    pub sql: SqlService,
    /// What the probes found.
    pub health: HealthBoard,
    /// Tasks that outlive a request.
    pub tasks: Tasks,
    /// The OpenAPI document, as text.
    pub openapi: Bytes,
}
