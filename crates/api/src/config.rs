//! The whole configuration: read once from the environment, checked, typed. docs/OPERATIONS.md lists every variable.

mod embeddings;
mod environment;
mod google;
mod llm;
mod nl;

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use gristmill_domain::{identity::ThrottleRule, limits, settings::Settings};
use gristmill_identity::IdentityPolicy;
use gristmill_runtime::sandbox::choose::BackendSetting;
use secrecy::SecretString;
use url::Url;

pub use embeddings::EmbeddingsSetting;
pub use environment::{ConfigError, Environment, Variable};
pub use google::GoogleConfig;
pub use llm::{LLM_MISSING, LlmConfig, LlmProvider};
pub use nl::NlConfig;

/// The configuration of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub http: HttpConfig,
    /// Where everything is kept: `GRISTMILL_DATA_DIR`.
    pub data_dir: PathBuf,
    /// The database.
    pub database: DatabaseConfig,
    /// Logins and tokens.
    pub identity: IdentityConfig,
    /// Uploads and their reading.
    pub ingest: IngestConfig,
    /// Documents.
    pub documents: DocumentsConfig,
    /// SQL.
    pub sql: SqlConfig,
    /// Running code.
    pub execution: ExecutionConfig,
    /// Notebooks and their sockets.
    pub notebooks: NotebooksConfig,
    /// Models.
    pub modeling: ModelingConfig,
    /// Deployed models.
    pub serving: ServingConfig,
    /// Language models.
    pub llm: LlmConfig,
    /// Questions in plain words.
    pub nl: NlConfig,
    /// Jobs.
    pub jobs: JobsConfig,
    /// Mail, when configured.
    pub mail: Option<MailConfig>,
    /// Sign-in with Google, when configured.
    pub google: Option<GoogleConfig>,
    /// Values of settings for users who did not change them.
    pub settings: Settings,
    /// How to log.
    pub log: LogConfig,
    /// Where traces go, when a collector is configured.
    pub telemetry: Option<TelemetryConfig>,
}

/// Deployed models.
#[derive(Debug, Clone)]
pub struct ServingConfig {
    /// `SERVING_MODELS_MAX_MB`: memory for models that the server runs itself.
    pub models_bytes_max: u64,
    /// `SERVING_WORKERS_MAX`: Python workers at the same time.
    pub workers_max: usize,
    /// `SERVING_WORKER_IDLE_MS`: a worker that nobody asks for this long ends.
    pub worker_idle: Duration,
    /// `SERVING_PROBE_MS`: how often deployments in use are probed.
    pub probe_every: Duration,
    /// `PREDICTION_LOG_DAYS`: how long requests for predictions stay in the log.
    pub log_retention: Duration,
    /// `PREDICTION_STATS_DAYS`: how long their statistics are kept.
    pub hour_retention: Duration,
}

/// HTTP.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// `HOST`; loopback by default.
    pub host: IpAddr,
    /// `PORT`; 0 lets the system choose.
    pub port: u16,
    /// `ALLOWED_ORIGINS`, exact.
    pub allowed_origins: Vec<String>,
    /// `FRONTEND_URL`: the base of links in mails.
    pub frontend_url: Url,
    /// `PUBLIC_URL`: where browsers reach this server.
    pub public_url: Url,
    /// `TRUSTED_PROXIES`: how many proxies of ours stand before us; their `X-Forwarded-For` entries are believed.
    pub trusted_proxies: usize,
    /// `HTTP_WORKERS`: threads that serve requests.
    pub workers: usize,
    /// `SHUTDOWN_TIMEOUT_MS`: how long requests may finish after SIGTERM.
    pub shutdown_timeout: Duration,
    /// `JSON_BODY_MAX_MB`.
    pub json_body_bytes_max: usize,
    /// `GRISTMILL_MCP_FIXTURES`: what the test suite of the Model Context Protocol calls is there too.
    pub mcp_fixtures: bool,
    /// `METRICS_TOKEN`: who sends it may read `/metrics`; absent: programs on this machine may.
    pub metrics_token: Option<SecretString>,
}

/// The database.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`; absent: the embedded cluster.
    pub url: Option<SecretString>,
    /// `PG_POOL_MIN`.
    pub connections_min: u32,
    /// `PG_POOL_MAX`.
    pub connections_max: u32,
    /// Directories from `PATH`, where the embedded cluster's programs are looked for.
    pub search_path: String,
    /// The per-user cache where `gristmill setup` puts what it provisions.
    pub cache_dir: PathBuf,
}

/// Logins and tokens.
#[derive(Debug, Clone)]
pub struct IdentityConfig {
    /// `JWT_SECRET`; absent: made at random and kept in the data directory.
    pub jwt_secret: Option<SecretString>,
    /// `JWT_ACCESS_EXPIRES_IN`.
    pub access_ttl: Duration,
    /// `JWT_REFRESH_EXPIRES_IN`.
    pub refresh_ttl: Duration,
    /// `PASSWORD_HASH_MEMORY_KIB`: memory of one argon2id hash.
    pub hash_memory_kib: u32,
    /// `REGISTRATIONS_PER_MINUTE`: registrations from one address.
    pub registrations_per_minute: u32,
    /// `LOGINS_PER_MINUTE`: logins from one address.
    pub logins_per_minute: u32,
    /// `DEV_BYPASS_EMAIL_VERIFICATION`.
    pub bypass_verification: bool,
}

/// Uploads.
#[derive(Debug, Clone)]
pub struct IngestConfig {
    /// `DATASET_UPLOAD_MAX_MB`.
    pub upload_bytes_max: u64,
    /// `USER_DISK_QUOTA_MB`.
    pub user_disk_bytes_max: u64,
    /// `INGEST_THREADS`: threads that read one file.
    pub threads: usize,
    /// `INGEST_CONCURRENCY`: files that are read at once.
    pub concurrency: usize,
    /// `DISK_RESERVE_MB`: space that uploads leave free.
    pub disk_reserve_bytes: u64,
}

/// Documents.
#[derive(Debug, Clone)]
pub struct DocumentsConfig {
    /// `DOC_UPLOAD_MAX_MB`.
    pub upload_bytes_max: u64,
    /// `DOC_CHUNK_SIZE`: characters of a chunk.
    pub chunk_size: usize,
    /// `DOC_CHUNK_OVERLAP`: characters that a chunk repeats of the one before.
    pub chunk_overlap: usize,
    /// `DOC_PAGES_MAX`: pages that are read of one document.
    pub pages_max: u32,
    /// `DOC_TEXT_MAX_MB`: text that is kept of one document.
    pub text_bytes_max: usize,
    /// `DOC_PARSE_TIMEOUT_MS`: time for reading one document.
    pub parse_timeout: Duration,
    /// `DOC_PARSE_MEMORY_MB`: memory for reading one document.
    pub parse_memory_bytes: u64,
    /// `DOC_PARSER_PROGRAM`: the program that reads documents; this one when absent.
    pub parser_program: PathBuf,
    /// `DOC_VECTORS_MAX_MB`: memory for vectors, and the bound of a search by vectors.
    pub vectors_bytes_max: u64,
    /// `EMBEDDINGS`: which model makes vectors.
    pub embeddings: EmbeddingsSetting,
}

/// SQL.
#[derive(Debug, Clone)]
pub struct SqlConfig {
    /// `SQL_STATEMENT_TIMEOUT_MS`.
    pub timeout: Duration,
    /// `SQL_MEMORY_MB`: memory of all queries together.
    pub memory_bytes: usize,
    /// `SQL_QUERY_MEMORY_MB`: memory of one query.
    pub query_memory_bytes: usize,
    /// `SQL_THREADS`.
    pub threads: usize,
    /// `SQL_CONCURRENCY`: queries that run at once.
    pub concurrency: usize,
    /// `SQL_USER_CONCURRENCY`: queries of one user that run at once.
    pub user_concurrency: usize,
    /// `SQL_RESULT_MAX_MB`.
    pub result_bytes_max: usize,
    /// `QUERY_CACHE_MAX_ENTRIES`.
    pub cache_entries_max: u64,
    /// `QUERY_CACHE_MAX_MB`.
    pub cache_bytes_max: u64,
}

/// Running code.
#[derive(Debug, Clone)]
pub struct ExecutionConfig {
    /// `RUNTIME_BACKEND`: `auto`, `process` or `docker`.
    pub backend: BackendSetting,
    /// `DOCKER_HOST`: where the Docker engine is, `unix://…`.
    pub docker_host: Option<String>,
    /// `DOCKER_RUNTIME`: another container runtime than the engine's default, such as `runsc`.
    pub docker_runtime: Option<String>,
    /// `DOCKER_IMAGE`: a container image of one's own; `{pythonVersion}` in it stands for the version.
    pub docker_image: Option<String>,
    /// `DOCKER_BASE_IMAGE`: what the image is built from; `{pythonVersion}` in it stands for the version.
    pub docker_base_image: Option<String>,
    /// `EXECUTION_AUTO_BUILD_IMAGE`: whether an image that is missing is built.
    pub docker_builds: bool,
    /// `EXECUTION_MAX_CPU_PERCENT`: hundredths of a core for one sandbox.
    pub cpu_percent: u32,
    /// `EXECUTION_TMPFS_MB`: `/tmp` of one sandbox.
    pub tmp_bytes: u64,
    /// `EXECUTION_DISK_MB`: what one sandbox may write.
    pub disk_bytes: u64,
    /// `EXECUTION_OUTPUT_MAX_MB`: output that is kept of one run.
    pub output_bytes_max: usize,
    /// `EXECUTION_SANDBOXES_MAX`: sandboxes at once.
    pub sandboxes_max: usize,
    /// `EXECUTION_USER_SANDBOXES_MAX`: sandboxes of one user at once.
    pub user_sandboxes_max: usize,
    /// `EXECUTION_POOL_SIZE`: kernels that are kept ready for each Python version in use; 0: none.
    pub pool_size: usize,
    /// `EXECUTION_POOL_MEMORY_MB`: memory of all kernels that are kept ready.
    pub pool_memory_bytes_max: u64,
    /// `PACKAGE_LOOKUP`: whether suggestions of packages may ask the index of this machine's pip.
    pub asks_index: bool,
    /// `EXECUTION_IDLE_MS`: after this long without a run a sandbox is ended.
    pub idle_after: Duration,
    /// `KERNEL_STARTUP_TIMEOUT_MS`.
    pub startup_timeout: Duration,
}

/// Notebooks and their sockets.
#[derive(Debug, Clone)]
pub struct NotebooksConfig {
    /// `NOTEBOOK_OUTPUT_MAX_SIZE`: a text or HTML output beyond this many bytes goes to a file, with a preview in the cell.
    pub inline_bytes_max: usize,
    /// `NOTEBOOK_RUN_LEASE_MS`: after this long without a sign of life from its server a run counts as lost.
    pub run_lease: Duration,
    /// `WS_HEARTBEAT_MS`: how often sockets are pinged; one that is silent for twice as long is closed.
    pub heartbeat: Duration,
}

/// Models.
#[derive(Debug, Clone)]
pub struct ModelingConfig {
    /// `MODELING_WORKERS`: trainings, evaluations and studies that this process runs at once, beside other jobs.
    pub workers: usize,
    /// `MODELING_READY`: trainings that find their sandboxes started; 0: none is started before it is needed.
    pub ready_trainings: usize,
    /// `MODELING_READY_IDLE_MS`: after this long without a training, and without a look at the templates, those end.
    pub ready_idle: Duration,
}

/// Jobs.
#[derive(Debug, Clone)]
pub struct JobsConfig {
    /// `JOB_WORKERS`: jobs that this process runs at once.
    pub workers: usize,
    /// `JOB_LEASE_MS`: after this long without a heartbeat a worker counts as dead.
    pub lease: Duration,
    /// `JOB_RETENTION_DAYS`: how long ended jobs and their logs are kept.
    pub retention: Duration,
    /// `GRISTMILL_PROBE_JOBS`: takes part in tests of the queue.
    pub probes: bool,
}

/// Mail.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// `SMTP_HOST`.
    pub host: String,
    /// `SMTP_PORT`.
    pub port: u16,
    /// `SMTP_SECURE`: TLS from the first byte.
    pub implicit_tls: bool,
    /// `SMTP_USER`.
    pub user: String,
    /// `SMTP_PASSWORD`.
    pub password: SecretString,
    /// `SMTP_FROM`.
    pub from: String,
}

/// Logging.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// `LOG_LEVEL`: a `tracing` filter such as `info` or `gristmill_api=debug,info`.
    pub filter: String,
    /// `LOG_FORMAT`: `text` or `json`.
    pub format: LogFormat,
}

/// Traces, for a program that was built with the feature `otel`.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: the collector, without `/v1/traces`.
    pub endpoint: Url,
    /// `OTEL_SERVICE_NAME`.
    pub service_name: String,
}

impl TelemetryConfig {
    /// Where traces are sent to.
    #[must_use]
    pub fn traces_url(&self) -> String {
        format!("{}/v1/traces", self.endpoint.as_str().trim_end_matches('/'))
    }
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

const MB: u64 = 1024 * 1024;

impl IdentityConfig {
    /// The policy of the identity engine.
    #[must_use]
    pub fn policy(&self) -> IdentityPolicy {
        let mut policy = IdentityPolicy::default();
        policy.hashing.cost.memory_kib = self.hash_memory_kib;
        policy.tokens.access_ttl = self.access_ttl;
        policy.tokens.session_ttl.standard = self.refresh_ttl;
        policy.throttles.logins = ThrottleRule::new(self.logins_per_minute, 60);
        policy.throttles.registrations = ThrottleRule::new(self.registrations_per_minute, 60);
        policy
    }
}

impl Config {
    /// Reads the configuration from variables.
    ///
    /// # Errors
    /// [`ConfigError`] with every variable that is wrong, what it was and what is allowed.
    pub fn read(variables: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut env = Environment::new(variables);
        let config = Self::from_environment(&mut env);
        env.finish(config)
    }

    /// The names of all variables, for the test of the documentation.
    #[must_use]
    pub fn variables() -> Vec<Variable> {
        let none = BTreeMap::new();
        let mut env = Environment::new(&none);
        drop(Self::from_environment(&mut env));
        env.read_variables().iter().copied().collect()
    }

    fn from_environment(env: &mut Environment<'_>) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let config = Self {
            http: http(env, cores),
            data_dir: env.text("GRISTMILL_DATA_DIR").unwrap_or_else(|| "./.gristmill".into()).into(),
            database: database(env),
            identity: identity(env),
            ingest: ingest(env, cores),
            documents: documents(env),
            sql: sql(env, cores),
            execution: execution(env),
            notebooks: notebooks(env),
            modeling: modeling(env),
            serving: serving(env),
            llm: llm::read(env),
            nl: nl::read(env),
            jobs: jobs(env, cores),
            mail: mail(env),
            google: google::read(env),
            settings: settings(env),
            log: log(env),
            telemetry: telemetry(env),
        };
        if config.identity.jwt_secret.is_none() && !config.http.host.is_loopback() {
            env.problem("JWT_SECRET", "must be set (32 characters or more) when HOST is not a loopback address");
        }
        if config.documents.embeddings == EmbeddingsSetting::Provider && !config.llm.has_embeddings() {
            env.problem("EMBEDDINGS", "must be another than `provider`: it has none, or LLM_EMBEDDING_MODEL does not name one");
        }
        config
    }
}

fn serving(env: &mut Environment<'_>) -> ServingConfig {
    const MB: u64 = 1024 * 1024;
    let days = |days: u64| Duration::from_secs(days * 24 * 3600);
    ServingConfig {
        models_bytes_max: env.number("SERVING_MODELS_MAX_MB", 1..=1_000_000, 512) * MB,
        workers_max: env.number("SERVING_WORKERS_MAX", 1..=1000, 8),
        worker_idle: Duration::from_millis(env.number("SERVING_WORKER_IDLE_MS", 1000..=86_400_000, 900_000)),
        probe_every: Duration::from_millis(env.number("SERVING_PROBE_MS", 100..=3_600_000, 5000)),
        log_retention: days(env.number("PREDICTION_LOG_DAYS", 1..=3650, 30)),
        hour_retention: days(env.number("PREDICTION_STATS_DAYS", 7..=3650, 90)),
    }
}

fn http(env: &mut Environment<'_>, cores: usize) -> HttpConfig {
    let local = ["localhost", "127.0.0.1"];
    let origins = env.list("ALLOWED_ORIGINS").unwrap_or_else(|| {
        [5173, 5174, 5175, 4173].iter().flat_map(|port| local.map(|host| format!("http://{host}:{port}"))).collect()
    });
    let metrics_token = env.text("METRICS_TOKEN");
    if metrics_token.as_ref().is_some_and(|token| token.len() < 16) {
        env.problem("METRICS_TOKEN", "must have 16 characters or more");
    }
    let port = env.number("PORT", 0..=65_535, 4000);
    HttpConfig {
        metrics_token: metrics_token.map(SecretString::from),
        host: env.parsed("HOST", "an IP address").unwrap_or(IpAddr::from([127, 0, 0, 1])),
        port,
        allowed_origins: origins,
        frontend_url: env.url("FRONTEND_URL", "http://localhost:5173"),
        public_url: public_url(env, port),
        trusted_proxies: env.number("TRUSTED_PROXIES", 0..=10, 0),
        workers: env.number("HTTP_WORKERS", 1..=256, cores),
        shutdown_timeout: Duration::from_millis(env.number("SHUTDOWN_TIMEOUT_MS", 0..=600_000, 15_000)),
        mcp_fixtures: env.flag("GRISTMILL_MCP_FIXTURES"),
        json_body_bytes_max: env.number("JSON_BODY_MAX_MB", 1..=1024, 10_usize) * 1024 * 1024,
    }
}

fn public_url(env: &mut Environment<'_>, port: u16) -> Url {
    let url = env.url("PUBLIC_URL", &format!("http://localhost:{port}"));
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !bare {
        env.problem("PUBLIC_URL", "must be where browsers reach this server, such as https://mill.example.org, and no more");
    }
    url
}

fn database(env: &mut Environment<'_>) -> DatabaseConfig {
    let home = env.text("HOME").unwrap_or_else(|| "/tmp".into());
    let cache = env.text("XDG_CACHE_HOME").unwrap_or_else(|| format!("{home}/.cache"));
    DatabaseConfig {
        url: env.text("DATABASE_URL").map(SecretString::from),
        connections_min: env.number("PG_POOL_MIN", 0..=1000, 0),
        connections_max: env.number("PG_POOL_MAX", 1..=1000, 10),
        search_path: env.text("PATH").unwrap_or_default(),
        cache_dir: PathBuf::from(cache).join("gristmill"),
    }
}

fn identity(env: &mut Environment<'_>) -> IdentityConfig {
    let jwt_secret = env.text("JWT_SECRET");
    if jwt_secret.as_ref().is_some_and(|secret| secret.len() < 32) {
        env.problem("JWT_SECRET", "must have 32 characters or more");
    }
    IdentityConfig {
        jwt_secret: jwt_secret.map(SecretString::from),
        access_ttl: env.duration("JWT_ACCESS_EXPIRES_IN", Duration::from_secs(3600)),
        refresh_ttl: env.duration("JWT_REFRESH_EXPIRES_IN", Duration::from_secs(7 * 86_400)),
        hash_memory_kib: env.number("PASSWORD_HASH_MEMORY_KIB", 8..=1_048_576, 19_456),
        registrations_per_minute: env.number("REGISTRATIONS_PER_MINUTE", 1..=1_000_000, 30),
        logins_per_minute: env.number("LOGINS_PER_MINUTE", 1..=1_000_000, 60),
        bypass_verification: env.flag("DEV_BYPASS_EMAIL_VERIFICATION"),
    }
}

fn ingest(env: &mut Environment<'_>, cores: usize) -> IngestConfig {
    IngestConfig {
        upload_bytes_max: env.number("DATASET_UPLOAD_MAX_MB", 1..=1_000_000, limits::UPLOAD_SIZE_BYTES_MAX / MB) * MB,
        user_disk_bytes_max: env.number("USER_DISK_QUOTA_MB", 1..=1_000_000_000, limits::USER_DISK_BYTES_MAX / MB) * MB,
        threads: env.number("INGEST_THREADS", 1..=64, cores),
        concurrency: env.number("INGEST_CONCURRENCY", 1..=64, 2),
        disk_reserve_bytes: env.number("DISK_RESERVE_MB", 0..=1_000_000, 512) * MB,
    }
}

fn documents(env: &mut Environment<'_>) -> DocumentsConfig {
    let program = env.text("DOC_PARSER_PROGRAM").map(PathBuf::from);
    DocumentsConfig {
        upload_bytes_max: env.number("DOC_UPLOAD_MAX_MB", 1..=1000, limits::DOCUMENT_SIZE_BYTES_MAX / MB) * MB,
        chunk_size: env.number("DOC_CHUNK_SIZE", 50..=8000, limits::CHUNK_CHARS),
        chunk_overlap: env.number("DOC_CHUNK_OVERLAP", 0..=4000, limits::CHUNK_OVERLAP_CHARS),
        pages_max: env.number("DOC_PAGES_MAX", 1..=100_000, 2000),
        text_bytes_max: env.number("DOC_TEXT_MAX_MB", 1..=512, 32_usize) * 1024 * 1024,
        parse_timeout: Duration::from_millis(env.number("DOC_PARSE_TIMEOUT_MS", 100..=3_600_000, 60_000)),
        parse_memory_bytes: env.number("DOC_PARSE_MEMORY_MB", 256..=1_000_000, 1024) * MB,
        parser_program: program.unwrap_or_else(crate::documents::this_program),
        vectors_bytes_max: env.number("DOC_VECTORS_MAX_MB", 1..=1_000_000, 256) * MB,
        embeddings: embeddings::read(env),
    }
}

fn sql(env: &mut Environment<'_>, cores: usize) -> SqlConfig {
    let bytes = |megabytes: usize| megabytes * 1024 * 1024;
    SqlConfig {
        timeout: Duration::from_millis(env.number("SQL_STATEMENT_TIMEOUT_MS", 10..=600_000, limits::SQL_TIMEOUT_MS)),
        memory_bytes: bytes(env.number("SQL_MEMORY_MB", 32..=1_000_000, 1024)),
        query_memory_bytes: bytes(env.number("SQL_QUERY_MEMORY_MB", 16..=1_000_000, 512)),
        threads: env.number("SQL_THREADS", 1..=256, cores),
        concurrency: env.number("SQL_CONCURRENCY", 1..=1024, 8),
        user_concurrency: env.number("SQL_USER_CONCURRENCY", 1..=1024, 4),
        result_bytes_max: bytes(env.number("SQL_RESULT_MAX_MB", 1..=4096, 32)),
        cache_entries_max: env.number("QUERY_CACHE_MAX_ENTRIES", 0..=1_000_000, limits::QUERY_CACHE_ENTRIES_MAX),
        cache_bytes_max: env.number("QUERY_CACHE_MAX_MB", 1..=1_000_000, 64) * MB,
    }
}

fn execution(env: &mut Environment<'_>) -> ExecutionConfig {
    let named = env.text("RUNTIME_BACKEND");
    let backend = named.as_deref().map_or(Some(BackendSetting::Auto), BackendSetting::from_name).unwrap_or_else(|| {
        env.problem("RUNTIME_BACKEND", "must be `auto`, `process` or `docker`");
        BackendSetting::Auto
    });
    let asks_index = match env.text("PACKAGE_LOOKUP").as_deref() {
        None | Some("on") => true,
        Some("off") => false,
        Some(_) => {
            env.problem("PACKAGE_LOOKUP", "must be `on` or `off`");
            false
        }
    };
    ExecutionConfig {
        backend,
        asks_index,
        docker_host: env.text("DOCKER_HOST"),
        docker_runtime: env.text("DOCKER_RUNTIME"),
        docker_image: env.text("DOCKER_IMAGE"),
        docker_base_image: env.text("DOCKER_BASE_IMAGE"),
        docker_builds: env.switch("EXECUTION_AUTO_BUILD_IMAGE").unwrap_or(true),
        cpu_percent: env.number("EXECUTION_MAX_CPU_PERCENT", 10..=100_000, 100),
        tmp_bytes: env.number("EXECUTION_TMPFS_MB", 16..=1_000_000, 1024) * MB,
        disk_bytes: env.number("EXECUTION_DISK_MB", 16..=1_000_000, 4096) * MB,
        output_bytes_max: env.number("EXECUTION_OUTPUT_MAX_MB", 1..=1024, 16_usize) * 1024 * 1024,
        sandboxes_max: env.number("EXECUTION_SANDBOXES_MAX", 1..=10_000, 32),
        user_sandboxes_max: env.number("EXECUTION_USER_SANDBOXES_MAX", 1..=10_000, 8),
        pool_size: env.number("EXECUTION_POOL_SIZE", 0..=64, 2),
        pool_memory_bytes_max: env.number("EXECUTION_POOL_MEMORY_MB", 0..=1_000_000, 512) * MB,
        idle_after: Duration::from_millis(env.number("EXECUTION_IDLE_MS", 1_000..=604_800_000, 1_800_000)),
        startup_timeout: Duration::from_millis(env.number("KERNEL_STARTUP_TIMEOUT_MS", 1_000..=600_000, 30_000)),
    }
}

fn notebooks(env: &mut Environment<'_>) -> NotebooksConfig {
    NotebooksConfig {
        inline_bytes_max: env.number("NOTEBOOK_OUTPUT_MAX_SIZE", 1024..=16_777_216, 262_144),
        run_lease: Duration::from_millis(env.number("NOTEBOOK_RUN_LEASE_MS", 300..=3_600_000, 30_000)),
        heartbeat: Duration::from_millis(env.number("WS_HEARTBEAT_MS", 100..=600_000, 30_000)),
    }
}

fn modeling(env: &mut Environment<'_>) -> ModelingConfig {
    ModelingConfig {
        workers: env.number("MODELING_WORKERS", 1..=256, 2),
        ready_trainings: env.number("MODELING_READY", 0..=64, 1),
        ready_idle: Duration::from_millis(env.number("MODELING_READY_IDLE_MS", 1_000..=43_200_000, 600_000)),
    }
}

fn jobs(env: &mut Environment<'_>, cores: usize) -> JobsConfig {
    JobsConfig {
        workers: env.number("JOB_WORKERS", 1..=256, cores * 2),
        lease: Duration::from_millis(env.number("JOB_LEASE_MS", 300..=3_600_000, 30_000)),
        retention: Duration::from_secs(env.number("JOB_RETENTION_DAYS", 1..=3650, 30) * 86_400),
        probes: env.flag("GRISTMILL_PROBE_JOBS"),
    }
}

fn mail(env: &mut Environment<'_>) -> Option<MailConfig> {
    let (host, user, password) = (env.text("SMTP_HOST"), env.text("SMTP_USER"), env.text("SMTP_PASSWORD"));
    let port = env.number("SMTP_PORT", 1..=65_535, 587);
    let implicit_tls = env.flag("SMTP_SECURE");
    let from = env.text("SMTP_FROM");
    let (Some(host), Some(user), Some(password)) = (host, user, password) else { return None };
    let from = from.unwrap_or_else(|| user.clone());
    Some(MailConfig { host, port, implicit_tls, user, password: password.into(), from })
}

fn settings(env: &mut Environment<'_>) -> Settings {
    let defaults = Settings::default();
    Settings {
        query_cache_ttl_ms: env.number("QUERY_CACHE_TTL_MS", 0..=3_600_000, defaults.query_cache_ttl_ms),
        sql_max_rows: env.number("SQL_MAX_ROWS", 10..=10_000, defaults.sql_max_rows),
        sql_default_limit: env.number("SQL_DEFAULT_LIMIT", 10..=1_000, defaults.sql_default_limit),
        execution_timeout_ms: env.number("EXECUTION_TIMEOUT_MS", 5_000..=600_000, defaults.execution_timeout_ms),
        execution_max_memory_mb: env.number("EXECUTION_MAX_MEMORY_MB", 256..=4_096, defaults.execution_max_memory_mb),
    }
}

fn telemetry(env: &mut Environment<'_>) -> Option<TelemetryConfig> {
    const ENDPOINT: Variable = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let service_name = env.text("OTEL_SERVICE_NAME").unwrap_or_else(|| "gristmill".to_owned());
    env.text(ENDPOINT)?;
    let endpoint = env.url(ENDPOINT, "http://localhost:4318");
    if endpoint.scheme() != "http" {
        env.problem(ENDPOINT, "must begin with http://; a collector beside the server passes traces on over TLS");
    }
    Some(TelemetryConfig { endpoint, service_name })
}

fn log(env: &mut Environment<'_>) -> LogConfig {
    let format = match env.text("LOG_FORMAT").as_deref() {
        None | Some("text") => LogFormat::Text,
        Some("json") => LogFormat::Json,
        Some(_) => {
            env.problem("LOG_FORMAT", "must be `text` or `json`");
            LogFormat::Text
        }
    };
    LogConfig { filter: env.text("LOG_LEVEL").unwrap_or_else(|| "info".into()), format }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn nothing_needs_to_be_set() {
        let config = read(&[]).unwrap();
        assert_eq!((config.http.port, config.http.host.is_loopback()), (4000, true));
        assert!(config.mail.is_none() && config.google.is_none() && config.database.url.is_none());
    }

    #[test]
    fn every_wrong_variable_is_named_with_what_is_allowed() {
        let error =
            read(&[("PORT", "70000"), ("SQL_MAX_ROWS", "many"), ("JWT_ACCESS_EXPIRES_IN", "1x"), ("JWT_SECRET", "short")]);
        let text = error.unwrap_err().to_string();
        for part in
            ["PORT must be a whole number from 0 to 65535, not `70000`", "SQL_MAX_ROWS", "JWT_ACCESS_EXPIRES_IN", "JWT_SECRET"]
        {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
        assert!(!text.contains("short"), "a secret must not be shown: {text}");
    }

    #[test]
    fn a_public_address_needs_a_secret() {
        assert!(read(&[("HOST", "0.0.0.0")]).unwrap_err().to_string().contains("JWT_SECRET"));
        read(&[("HOST", "0.0.0.0"), ("JWT_SECRET", &"x".repeat(32))]).unwrap();
    }
}
