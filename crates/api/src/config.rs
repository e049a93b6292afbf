//! The whole configuration: read once from the environment, checked, typed. docs/OPERATIONS.md lists every variable.

mod data;
mod embeddings;
mod environment;
mod execution;
mod google;
mod http;
mod identity;
mod llm;
mod models;
mod nl;
mod operation;

use std::{collections::BTreeMap, path::PathBuf};

use gristmill_domain::settings::Settings;

pub use data::{DatabaseConfig, DocumentsConfig, IngestConfig, SqlConfig};
pub use embeddings::EmbeddingsSetting;
pub use environment::{ConfigError, Environment, Variable};
pub use execution::{ExecutionConfig, NotebooksConfig};
pub use google::GoogleConfig;
pub use http::HttpConfig;
pub use identity::{IdentityConfig, MailConfig};
pub use llm::{LLM_MISSING, LlmConfig, LlmProvider};
pub use models::{ModelingConfig, ServingConfig};
pub use nl::NlConfig;
pub use operation::{JobsConfig, LogConfig, LogFormat, TelemetryConfig};

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

const MB: u64 = 1024 * 1024;

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
            http: http::http(env, cores),
            data_dir: env.text("GRISTMILL_DATA_DIR").unwrap_or_else(|| "./.gristmill".into()).into(),
            database: data::database(env),
            identity: identity::identity(env),
            ingest: data::ingest(env, cores),
            documents: data::documents(env),
            sql: data::sql(env, cores),
            execution: execution::execution(env),
            notebooks: execution::notebooks(env),
            modeling: models::modeling(env),
            serving: models::serving(env),
            llm: llm::read(env),
            nl: nl::read(env),
            jobs: operation::jobs(env, cores),
            mail: identity::mail(env),
            google: google::read(env),
            settings: settings(env),
            log: operation::log(env),
            telemetry: operation::telemetry(env),
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
