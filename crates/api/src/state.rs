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
        feature_runs::FeatureRuns, golden_questions::GoldenQuestions, models::Models, notebooks::Notebooks,
        plan_chats::PlanChats, projects::Projects, settings::UserSettings, tracking::Tracking, workflows::Workflows,
    },
};

use gristmill_runtime::Runtime;
use gristmill_workflow::suggestions::Suggester;
use tokio::sync::Semaphore;

use crate::{
    config::Config,
    datasets::RowReaders,
    documents::Backfill,
    file_cleaner::FileCleaner,
    google::GoogleSignIn,
    health::HealthBoard,
    live::Hub,
    llm::{InsightCache, LanguageModels, StoredUsage},
    mcp::McpEndpoint,
    nl::{ParkedResults, StoredSchema},
    notebooks::{OutputLinks, RunRegistry},
    preprocessing::Preprocessing,
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
    /// Sign-in with Google, when configured.
    pub google: Option<GoogleSignIn>,
    /// Projects.
    pub projects: Projects,
    /// Plan chats.
    pub plan_chats: PlanChats,
    /// Preprocessing runs.
    pub preprocessing: Preprocessing,
    /// Runs of agent workflows.
    pub workflows: Workflows,
    /// Datasets.
    pub datasets: Datasets,
    /// Runs of feature engineering.
    pub feature_runs: FeatureRuns,
    /// Places for measuring features of agents, each of which takes a sandbox.
    pub feature_measurements: Semaphore,
    /// Documents.
    pub documents: Documents,
    /// Search over documents.
    pub document_search: Search,
    /// Vectors of documents that have none.
    pub backfill: Backfill,
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
    /// The Model Context Protocol.
    pub mcp: McpEndpoint,
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
    /// The language model.
    pub llm: LanguageModels,
    /// What was asked of it.
    pub llm_usage: Arc<StoredUsage>,
    /// Texts about models that a language model wrote.
    pub insights: InsightCache,
    /// Datasets as tables that can be asked about.
    pub nl_schema: StoredSchema,
    /// Results of questions that are too large for a log.
    pub parked_results: ParkedResults,
    /// Suggested questions.
    pub suggester: Suggester,
    /// Questions with known answers.
    pub golden_questions: GoldenQuestions,
    /// What the probes found.
    pub health: HealthBoard,
    /// Tasks that outlive a request.
    pub tasks: Tasks,
    /// The OpenAPI document, as text.
    pub openapi: Bytes,
}
