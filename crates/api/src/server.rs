//! A running server: everything started in order, everything stopped in order.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle, middleware::from_fn, web};
use anyhow::Context;
use gristmill_deployment::serving::{ServingPorts, StartHandler};
use gristmill_domain::{Clock, SystemClock, identity::IdentityChange, jobs::JobKind, ports::JobStore};
use gristmill_identity::{Identity, Ports, ServerSecret};
use gristmill_jobs::{JobHandler, JobReader, Signals, Tasks, WorkerOptions, WorkerPool, probe::ProbeHandler};
use gristmill_llm::tls;
use gristmill_modeling::{Engine, EvaluateHandler, ModelingOptions, TrainHandler, TuneHandler, Workshop};
use gristmill_persistence::{
    Database, DatabaseOptions,
    files::LocalFiles,
    migrations,
    notifications::{Channel, Notifications, Signal},
    repo::{
        datasets::Datasets, deployments::Deployments, documents::Documents, execution_sessions::ExecutionSessions,
        feature_runs::FeatureRuns, file_deletions::FileDeletions, golden_questions::GoldenQuestions,
        identity::Identity as IdentityStore, jobs::Jobs, llm_usage::LlmUsage, models::Models, nl_suggestions::NlSuggestions,
        notebooks::Notebooks, plan_chats::PlanChats, projects::Projects, settings::UserSettings, tracking::Tracking,
        workflows::Workflows,
    },
};
use gristmill_runtime::{Runtime, RuntimeOptions};
use secrecy::SecretString;
use tokio::sync::{Semaphore, broadcast::error::RecvError};
use utoipa_actix_web::AppExt;

use crate::{
    config::Config,
    datasets::{IngestHandler, RetypeHandler, RowReaders},
    deployments::{self, StoredPlaces},
    documents::{self, Backfill, DocumentHandler},
    envelope::envelope,
    features::FeatureHandler,
    file_cleaner::FileCleaner,
    google::GoogleSignIn,
    health::HealthBoard,
    leaving::{Requests, run_to_the_end},
    live::{self, Hub},
    llm::{InsightCache, LanguageModels, StoredUsage},
    mail,
    mcp::McpEndpoint,
    models::StoredModels,
    nl::{self, GoldenRunHandler, NlQueryHandler, ParkedResults, StoredSchema, StoredSuggestions},
    notebooks::{self, OutputLinks, RunRegistry, StoredData},
    openapi,
    preprocessing::Preprocessing,
    routes,
    sql::SqlService,
    state::AppState,
    telemetry,
    workflows::TurnHandler,
};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// How long background tasks may take to end.
const TASKS_DEADLINE: Duration = Duration::from_secs(5);
/// Deployments that are brought up at the same time.
const DEPLOYMENT_STARTS: usize = 2;
/// Turns of agents that are worked on at the same time: they mostly wait for models.
const TURNS: usize = 64;
/// How often ended jobs, expired tokens and forgotten spool files are looked for.
const JANITOR_INTERVAL: Duration = Duration::from_secs(600);
/// How long the files of a failed upload are looked for again: a worker that was taken for dead may still write some.
const SWEEP_MARGIN: Duration = Duration::from_hours(1);

/// A server that listens. Stop it with [`RunningServer::stop`]; dropping it stops it at once.
#[derive(Debug)]
pub struct RunningServer {
    address: SocketAddr,
    handle: ServerHandle,
    requests: Requests,
    state: web::Data<AppState>,
    workers: Vec<WorkerPool>,
    shutdown_timeout: Duration,
}

impl RunningServer {
    /// Migrates the database, starts the background work and listens.
    ///
    /// # Errors
    /// When the database cannot be reached or migrated, the data directory not be used, or the port not be bound.
    pub async fn start(config: Config, database_url: SecretString) -> anyhow::Result<Self> {
        // Before any client of HTTP is built, wherever that is.
        tls::install_provider();
        migrations::migrate(&database_url).await.context("the database schema could not be brought up to date")?;
        crate::metrics::record();
        let tasks = Tasks::new();
        let signals = Signals::default();
        let state = web::Data::new(build_state(config, database_url.clone(), tasks, &signals).await?);
        state.health.probe(&state.database).await;
        spawn_background(&state, database_url, &signals);
        let workers = start_workers(&state, &signals);
        let requests = Requests::default();
        let (address, handle) = listen(&state, &requests)?;
        let shutdown_timeout = state.config.http.shutdown_timeout;
        Ok(Self { address, handle, requests, state, workers, shutdown_timeout })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its handlers share.
    #[must_use]
    pub fn state(&self) -> &web::Data<AppState> {
        &self.state
    }

    /// Stops in order: no new connections, requests finish, jobs are given back, tasks end.
    pub async fn stop(self) {
        // Sockets never end by themselves.
        self.state.live.close();
        let deadline = self.shutdown_timeout;
        self.requests.finish(&self.handle, deadline).await;
        futures_util::future::join_all(self.workers.iter().map(|pool| pool.shutdown(deadline))).await;
        self.state.tasks.shutdown(TASKS_DEADLINE).await;
        self.state.llm_usage.flush().await;
        self.state.runtime.shutdown().await;
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        // The command is sent at once; nobody waits for its end.
        drop(self.handle.stop(false));
        self.state.live.close();
        self.state.tasks.stopping().cancel();
    }
}

async fn build_state(config: Config, url: SecretString, tasks: Tasks, signals: &Signals) -> anyhow::Result<AppState> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut options = DatabaseOptions::new(url);
    options.connections_max = config.database.connections_max;
    options.connections_min = config.database.connections_min;
    let database = Database::connect(&options).await?;
    let files = LocalFiles::open(&config.data_dir).with_context(|| format!("{} cannot be used", config.data_dir.display()))?;
    let jobs: Arc<dyn JobStore> = Arc::new(Jobs::new(database.clone()));
    let secret = server_secret(&config)?;
    let data = StoredData { datasets: Datasets::new(database.clone()), files: files.clone() };
    let options = runtime_options(&config)?;
    let modeling = ModelingOptions {
        ready_trainings: config.modeling.ready_trainings,
        ready_idle: config.modeling.ready_idle,
        ..ModelingOptions::new(options.data_dir.join("runtime/modeling"), options.cache_dir.clone(), options.limits)
    };
    let (scratch, limits) = (options.data_dir.join("runtime/serving"), options.limits);
    let runtime = Runtime::start(options, Arc::new(data), &tasks).await;
    let modeling = Arc::new(Engine::new(runtime.clone(), modeling, &tasks));
    let deployments = Deployments::new(database.clone());
    let llm_usage = Arc::new(StoredUsage::new(LlmUsage::new(database.clone())));
    let documents = Documents::new(database.clone());
    let llm = LanguageModels::new(&config.llm, llm_usage.clone(), Arc::clone(&clock))?;
    let document_search = documents::search(&config, &documents, &llm, &runtime)?;
    let (datasets, settings) = (Datasets::new(database.clone()), UserSettings::new(database.clone()));
    let nl_schema = StoredSchema::new(datasets.clone(), settings.clone(), config.settings);
    let suggestions = StoredSuggestions::new(NlSuggestions::new(database.clone()), Arc::clone(&clock));
    let ports = ServingPorts {
        store: Arc::new(deployments.clone()),
        places: Arc::new(StoredPlaces { files: files.clone(), modeling: Arc::clone(&modeling) }),
        runtime: runtime.clone(),
        clock: Arc::clone(&clock),
        tasks: tasks.clone(),
    };
    Ok(AppState {
        serving: Arc::new(deployments::serving(&config, ports, scratch, limits)),
        deployments,
        identity: identity(&config, &secret, &database, &clock)?,
        google: GoogleSignIn::new(&config, &secret)?,
        models: Models::new(database.clone(), files.clone()),
        tracking: Tracking::new(database.clone()),
        modeling,
        notebooks: Notebooks::new(database.clone()),
        execution_sessions: ExecutionSessions::new(database.clone()),
        output_links: OutputLinks::new(&secret),
        mcp: McpEndpoint::new(&config.http, &secret, tasks.stopping()),
        runs: RunRegistry::default(),
        live: Hub::default(),
        runtime,
        projects: Projects::new(database.clone()),
        document_search,
        backfill: Backfill::default(),
        documents,
        plan_chats: PlanChats::new(database.clone()),
        preprocessing: Preprocessing::new(database.clone(), config.ingest.concurrency),
        workflows: Workflows::new(database.clone()),
        feature_runs: FeatureRuns::new(database.clone()),
        feature_measurements: Semaphore::new(config.ingest.concurrency.max(1)),
        datasets,
        settings,
        job_reader: JobReader::new(Arc::clone(&jobs), signals.clone()),
        jobs,
        files,
        file_cleaner: FileCleaner::default(),
        row_readers: RowReaders::new(),
        sql: SqlService::new(&config)?,
        suggester: nl::suggester(&llm, &config.nl, nl_schema.clone(), suggestions),
        nl_schema,
        parked_results: ParkedResults::new(),
        golden_questions: GoldenQuestions::new(database.clone()),
        llm,
        llm_usage,
        insights: InsightCache::new(),
        health: HealthBoard::default(),
        openapi: openapi::document().to_json()?.into(),
        tasks,
        clock,
        database,
        config,
    })
}

fn server_secret(config: &Config) -> anyhow::Result<ServerSecret> {
    Ok(match &config.identity.jwt_secret {
        Some(secret) => ServerSecret::new(secret.clone())?,
        None => ServerSecret::new(kept_secret(&config.data_dir)?)?,
    })
}

/// The settings of running code.
pub(crate) fn runtime_options(config: &Config) -> anyhow::Result<RuntimeOptions> {
    let execution = &config.execution;
    let absolute = |path: &std::path::Path| std::path::absolute(path).context("a directory has no absolute path");
    let mut options = RuntimeOptions::new(absolute(&config.data_dir)?, absolute(&config.database.cache_dir)?);
    options.backend = execution.backend;
    if let Some(host) = &execution.docker_host {
        options.docker_host.clone_from(host);
    }
    options.docker_runtime.clone_from(&execution.docker_runtime);
    options.docker_image.clone_from(&execution.docker_image);
    options.docker_base_image.clone_from(&execution.docker_base_image);
    options.docker_builds = execution.docker_builds;
    // Without a PATH nothing is provisioned.
    options.search_path = Some(config.database.search_path.clone()).filter(|path| !path.is_empty());
    options.limits.cpu_percent = execution.cpu_percent;
    options.limits.tmp_bytes = execution.tmp_bytes;
    options.limits.disk_bytes = execution.disk_bytes;
    options.limits.memory_bytes = u64::try_from(config.settings.execution_max_memory_mb)?.saturating_mul(1024 * 1024);
    options.sandboxes_max = execution.sandboxes_max;
    options.sandboxes_per_owner_max = execution.user_sandboxes_max;
    options.pool_size = execution.pool_size;
    options.pool_memory_bytes_max = execution.pool_memory_bytes_max;
    options.asks_index = execution.asks_index;
    options.idle_after = execution.idle_after;
    options.startup_timeout = execution.startup_timeout;
    options.output_bytes_max = execution.output_bytes_max;
    options.export_bytes_max = config.ingest.upload_bytes_max;
    Ok(options)
}

fn identity(config: &Config, secret: &ServerSecret, database: &Database, clock: &Arc<dyn Clock>) -> anyhow::Result<Identity> {
    let store = Arc::new(IdentityStore::new(database.clone()));
    let ports = Ports::of(store, mail::mailer(config)?, Arc::clone(clock));
    let identity = Identity::new(secret, &config.identity.policy(), ports)?;
    Ok(if config.identity.bypass_verification { identity.waive_verification() } else { identity })
}

/// The secret in the data directory, made at the first start.
fn kept_secret(data_dir: &std::path::Path) -> anyhow::Result<SecretString> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let path = data_dir.join("jwt-secret");
    if !path.exists() {
        let mut temporary = tempfile::Builder::new().prefix(".jwt-").tempfile_in(data_dir)?;
        temporary.write_all(ServerSecret::generate().expose().as_bytes())?;
        temporary.as_file().sync_all()?;
        // Of two servers that start together, one file wins and both read it.
        drop(temporary.persist_noclobber(&path));
    }
    let mut text = String::new();
    let mut file = std::fs::File::options().read(true).mode(0o600).open(&path)?;
    std::io::Read::read_to_string(&mut file, &mut text)?;
    Ok(text.trim().into())
}

fn spawn_background(state: &web::Data<AppState>, url: SecretString, signals: &Signals) {
    let notifications = Notifications::default();
    let heard = notifications.subscribe();
    spawn_until_stop(state, "notifications", async move { notifications.listen(url).await });
    spawn_until_stop(state, "signals", forward_signals(state.clone(), signals.clone(), heard));
    let shared = state.clone();
    spawn_until_stop(state, "health", async move { shared.health.keep_probing(&shared.database).await });
    let shared = state.clone();
    spawn_until_stop(state, "language model's usage", async move { shared.llm_usage.keep_flushing().await });
    let shared = state.clone();
    spawn_until_stop(state, "language model", async move { shared.llm.keep_probing().await });
    let shared = state.clone();
    spawn_until_stop(state, "file cleaner", async move {
        let queue = FileDeletions::new(shared.database.clone());
        shared.file_cleaner.run(&queue, &shared.files).await;
    });
    let shared = state.clone();
    spawn_until_stop(state, "vectors of documents", async move {
        if let Some(embedder) = shared.document_search.embedder() {
            shared.backfill.run(&shared.documents, embedder).await;
        }
    });
    spawn_until_stop(state, "janitor", janitor(state.clone()));
    spawn_until_stop(state, "metrics", crate::metrics::keep_up());
    state.tasks.spawn("serving", Arc::clone(&state.serving).run());
    state.tasks.spawn("notebook janitor", notebooks::sweep(state.clone()));
    state.tasks.spawn("kernel events", notebooks::log_kernel_events(state.clone()));
}

/// A task without an end of its own: it is dropped when the tasks are told to stop.
fn spawn_until_stop(state: &AppState, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    let stopping = state.tasks.stopping().clone();
    state.tasks.spawn(name, async move {
        stopping.run_until_cancelled(task).await;
    });
}

async fn forward_signals(state: web::Data<AppState>, signals: Signals, mut heard: tokio::sync::broadcast::Receiver<Signal>) {
    loop {
        match heard.recv().await {
            Ok(Signal::Notified { channel: Channel::JobQueued, payload }) => {
                if let Some(kind) = JobKind::from_name(&payload) {
                    signals.job_queued(kind);
                }
            }
            Ok(Signal::Notified { channel: Channel::JobChanged, payload }) => {
                if let Ok(id) = payload.parse() {
                    signals.job_changed(id);
                }
            }
            Ok(Signal::Notified { channel: Channel::IdentityChanged, payload }) => match payload.parse::<IdentityChange>() {
                Ok(change) => state.identity.apply(change),
                Err(_) => state.identity.forget_callers(),
            },
            Ok(Signal::Notified { channel: Channel::NotebookChanged, payload }) => {
                if let Ok(id) = payload.parse() {
                    state.live.changed(id);
                }
            }
            Ok(Signal::Notified { channel: Channel::ProjectDeleted, payload }) => {
                if let Ok(id) = payload.parse() {
                    let shared = state.clone();
                    // It may take a while to end; other signals do not wait for it.
                    state.tasks.spawn("end a project", async move { shared.runtime.discard_project(id).await });
                }
            }
            Ok(Signal::Notified { channel: Channel::DeploymentChanged, payload }) => {
                if let Ok(id) = payload.parse() {
                    let shared = state.clone();
                    state.serving.forget(id);
                    state.live.deployment_changed(id);
                    // A worker may take a while to end.
                    state.tasks.spawn("deployment changed", async move { shared.serving.changed(id).await });
                }
            }
            Ok(Signal::Lost) => {
                signals.lost();
                state.live.lost();
                state.serving.lost();
                state.identity.forget_callers();
            }
            Ok(Signal::Resynchronize) | Err(RecvError::Lagged(_)) => {
                signals.resynchronize();
                state.live.resynchronize();
                state.serving.resynchronize();
                state.identity.forget_callers();
                state.tasks.spawn("end deleted projects", notebooks::end_deleted_projects(state.clone()));
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Removes what no one needs any more, every few minutes.
async fn janitor(state: web::Data<AppState>) {
    let mut ticks = tokio::time::interval(JANITOR_INTERVAL);
    let jobs = Jobs::new(state.database.clone());
    let mut swept_until = state.clock.now() - state.config.jobs.retention;
    loop {
        ticks.tick().await;
        if let Err(error) = state.identity.accounts.prune().await {
            tracing::warn!(error.cause = crate::error::chain(&error), "expired tokens could not be removed");
        }
        let now = state.clock.now();
        // Before the jobs that name them are gone.
        match crate::datasets::sweep_uploads(&state, swept_until).await {
            Ok(()) => swept_until = now - SWEEP_MARGIN,
            Err(error) => {
                tracing::warn!(error.cause = crate::error::chain(&error), "files of failed uploads could not be looked for");
            }
        }
        let horizon = now - state.config.jobs.retention;
        if let Err(error) = jobs.prune(horizon).await {
            tracing::warn!(error.cause = crate::error::chain(&error), "old jobs could not be removed");
        }
        crate::datasets::sweep_spool(&state).await;
    }
}

fn start_workers(state: &web::Data<AppState>, signals: &Signals) -> Vec<WorkerPool> {
    let places = Arc::new(Semaphore::new(state.config.ingest.concurrency));
    let mut handlers: Vec<Arc<dyn JobHandler>> = vec![
        Arc::new(IngestHandler::new(state.clone(), Arc::clone(&places))),
        Arc::new(RetypeHandler::new(state.clone(), Arc::clone(&places))),
        Arc::new(DocumentHandler::new(state.clone(), Arc::clone(&places))),
    ];
    if state.config.jobs.probes {
        handlers.push(Arc::new(ProbeHandler));
    }
    let workshop = Workshop {
        engine: Arc::clone(&state.modeling),
        store: Arc::new(state.models.clone()),
        places: Arc::new(StoredModels { files: state.files.clone() }),
        clock: Arc::clone(&state.clock),
    };
    let modeling: Vec<Arc<dyn JobHandler>> = vec![
        Arc::new(TrainHandler::new(workshop.clone())),
        Arc::new(EvaluateHandler::new(workshop.clone())),
        Arc::new(TuneHandler::new(workshop)),
    ];
    let serving: Vec<Arc<dyn JobHandler>> = vec![Arc::new(StartHandler::new(Arc::clone(&state.serving)))];
    let questions: Vec<Arc<dyn JobHandler>> =
        vec![Arc::new(NlQueryHandler::new(state.clone())), Arc::new(GoldenRunHandler::new(state.clone()))];
    // Pools of their own: trainings and code that makes features take minutes, and neither uploads nor deployments nor
    // questions wait for them.
    let turns: Arc<dyn JobHandler> = Arc::new(TurnHandler::new(state.clone()));
    let features: Arc<dyn JobHandler> = Arc::new(FeatureHandler::new(state.clone(), places));
    let pools = [
        (handlers, state.config.jobs.workers),
        (modeling, state.config.modeling.workers),
        (serving, DEPLOYMENT_STARTS),
        (questions, state.config.nl.concurrency),
        (vec![turns], TURNS),
        (vec![features], state.config.ingest.concurrency),
    ];
    let start = |(handlers, concurrency): (Vec<Arc<dyn JobHandler>>, usize)| {
        // A run of golden questions takes long, and somebody waits for each question.
        let concurrency_by_kind = BTreeMap::from([(JobKind::GoldenRun, (concurrency / 4).max(1))]);
        let options =
            WorkerOptions { concurrency, concurrency_by_kind, lease: state.config.jobs.lease, ..WorkerOptions::default() };
        let handlers = handlers.into_iter().map(telemetry::linked).collect();
        WorkerPool::start(&state.tasks, Arc::clone(&state.jobs), signals.clone(), handlers, options)
    };
    pools.into_iter().map(start).collect()
}

fn listen(state: &web::Data<AppState>, requests: &Requests) -> anyhow::Result<(SocketAddr, ServerHandle)> {
    let http = &state.config.http;
    let listener = TcpListener::bind((http.host, http.port))
        .with_context(|| format!("{}:{} cannot be listened on; set HOST and PORT", http.host, http.port))?;
    let address = listener.local_addr()?;
    let (shared, requests) = (state.clone(), requests.clone());
    let factory = move || {
        App::new()
            .into_utoipa_app()
            .app_data(shared.clone())
            .configure(routes::configure)
            .into_app()
            .app_data(requests.clone())
            // Not HTTP beyond its handshake, so not in the OpenAPI document.
            .service(live::notebook_socket)
            .service(live::deployment_socket)
            // For operators.
            .service(crate::metrics::show_metrics)
            .wrap(from_fn(envelope))
            .wrap(from_fn(run_to_the_end))
    };
    let server = HttpServer::new(factory)
        .workers(http.workers)
        .backlog(BACKLOG)
        // Or a client that leaves before its answer would be noticed when something is written to it, which may be never.
        .h1_allow_half_closed(false)
        // Or what a stream sends after its headers waits until the client's system acknowledges those, which takes it 40 ms.
        .tcp_nodelay(true)
        .disable_signals()
        .shutdown_timeout(http.shutdown_timeout.as_secs())
        .listen(listener)?
        .run();
    let handle = server.handle();
    state.tasks.spawn("http", async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the HTTP server ended with an error");
        }
    });
    Ok((address, handle))
}
