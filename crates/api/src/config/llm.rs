//! Language models: which provider, where, with which key, how much.

use std::{path::PathBuf, time::Duration};

use gristmill_llm::{layers::Limits, wire::addresses};
use secrecy::SecretString;
use url::Url;

use super::environment::{Environment, Variable};

/// Which wire the provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LlmProvider {
    /// OpenAI's Responses API, or what speaks it.
    OpenAi,
    /// Chat completions: Ollama, vLLM, gateways.
    Compatible,
    /// Anthropic's Messages API.
    Anthropic,
    /// A script instead of a model.
    Scripted,
}

/// Language models.
#[derive(Debug, Clone)]
pub struct LlmConfig {
    /// `LLM_PROVIDER`; absent: as the other variables suggest; nothing when there is none.
    pub provider: Option<LlmProvider>,
    /// `LLM_BASE_URL` or `OPENAI_BASE_URL`, else the provider's own.
    pub base_url: Option<Url>,
    /// `LLM_API_KEY` or `OPENAI_API_KEY`.
    pub api_key: Option<SecretString>,
    /// `LLM_MODEL` or `OPENAI_DEFAULT_MODEL`.
    pub model: Option<String>,
    /// `NL2SQL_MODEL` or `OPENAI_NL2SQL_MODEL`: the small model.
    pub small_model: Option<String>,
    /// `LLM_EMBEDDING_MODEL`.
    pub embedding_model: Option<String>,
    /// `LLM_TIMEOUT_MS`: for a whole answer; three times as long for one that thinks.
    pub timeout: Duration,
    /// `LLM_CATALOG_FILE`: the models that can be chosen, instead of the built-in ones.
    pub catalog_file: Option<PathBuf>,
    /// `LLM_SCRIPT_FILE`: the turns of the scripted provider.
    pub script_file: Option<PathBuf>,
    /// `LLM_CONCURRENCY` and its like, `LLM_USER_TOKENS_PER_DAY` and its like.
    pub limits: Limits,
}

impl LlmConfig {
    /// Whether the provider turns texts into vectors.
    #[must_use]
    pub fn has_embeddings(&self) -> bool {
        match self.provider {
            Some(LlmProvider::OpenAi | LlmProvider::Scripted) => true,
            Some(LlmProvider::Compatible) => self.embedding_model.is_some(),
            Some(LlmProvider::Anthropic) | None => false,
        }
    }
}

/// What the server says when something needs a language model and there is none.
pub const LLM_MISSING: &str =
    "No language model is configured: set LLM_API_KEY, or LLM_BASE_URL and LLM_MODEL for a server of your own";

pub(super) fn read(env: &mut Environment<'_>) -> LlmConfig {
    let named = env.text("LLM_PROVIDER");
    let script_file = env.text("LLM_SCRIPT_FILE").map(PathBuf::from);
    let own = Variables::read(env, "LLM_API_KEY", "LLM_BASE_URL", "LLM_MODEL", "NL2SQL_MODEL");
    let openai = Variables::read(env, "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_DEFAULT_MODEL", "OPENAI_NL2SQL_MODEL");
    let provider = match named.as_deref() {
        Some("openai") => Some(LlmProvider::OpenAi),
        Some("openai-compatible" | "ollama") => Some(LlmProvider::Compatible),
        Some("anthropic") => Some(LlmProvider::Anthropic),
        Some("scripted") => Some(LlmProvider::Scripted),
        Some("none") => None,
        Some(_) => {
            env.problem("LLM_PROVIDER", "must be `openai`, `openai-compatible`, `ollama`, `anthropic`, `scripted` or `none`");
            None
        }
        None if openai.key.is_some() || own.key.is_some() => Some(LlmProvider::OpenAi),
        None if own.base_url.is_some() => Some(LlmProvider::Compatible),
        None if script_file.is_some() => Some(LlmProvider::Scripted),
        None => None,
    };
    // The names of OpenAI are its own: its key is for nobody else.
    let mut chosen = if provider == Some(LlmProvider::OpenAi) { openai.or(own) } else { own };
    if named.as_deref() == Some("ollama") && chosen.base_url.is_none() {
        chosen.base_url = Url::parse(addresses::OLLAMA).ok();
    }
    let config = LlmConfig {
        provider,
        base_url: chosen.base_url,
        api_key: chosen.key,
        model: chosen.model,
        small_model: chosen.small_model,
        embedding_model: env.text("LLM_EMBEDDING_MODEL"),
        timeout: Duration::from_millis(env.number("LLM_TIMEOUT_MS", 100..=3_600_000, 60_000)),
        catalog_file: env.text("LLM_CATALOG_FILE").map(PathBuf::from),
        script_file,
        limits: limits(env),
    };
    demand(env, &config);
    config
}

/// What each provider cannot do without.
fn demand(env: &mut Environment<'_>, config: &LlmConfig) {
    let needs_model = config.model.is_none() && config.catalog_file.is_none();
    match config.provider {
        Some(LlmProvider::OpenAi) if config.api_key.is_none() && config.base_url.is_none() => {
            env.problem("LLM_API_KEY", "must be set for the provider `openai`");
        }
        Some(LlmProvider::Anthropic) => {
            if config.api_key.is_none() && config.base_url.is_none() {
                env.problem("LLM_API_KEY", "must be set for the provider `anthropic`");
            }
            if needs_model {
                env.problem("LLM_MODEL", "must name a model of the provider `anthropic`");
            }
        }
        Some(LlmProvider::Compatible) => {
            if config.base_url.is_none() {
                env.problem("LLM_BASE_URL", "must be set for the provider `openai-compatible`");
            }
            if needs_model {
                env.problem("LLM_MODEL", "must name a model of the server at LLM_BASE_URL");
            }
        }
        Some(LlmProvider::Scripted) if config.script_file.is_none() => {
            env.problem("LLM_SCRIPT_FILE", "must be set for the provider `scripted`");
        }
        _ => {}
    }
}

fn limits(env: &mut Environment<'_>) -> Limits {
    const ANY: u64 = u64::MAX / 2;
    let budget = |tokens: u64| (tokens > 0).then_some(tokens);
    Limits {
        concurrency: env.number("LLM_CONCURRENCY", 1..=10_000, 32),
        user_concurrency: env.number("LLM_USER_CONCURRENCY", 1..=10_000, 8),
        project_concurrency: env.number("LLM_PROJECT_CONCURRENCY", 1..=10_000, 8),
        user_tokens_per_day: budget(env.number("LLM_USER_TOKENS_PER_DAY", 0..=ANY, 5_000_000)),
        project_tokens_per_day: budget(env.number("LLM_PROJECT_TOKENS_PER_DAY", 0..=ANY, 10_000_000)),
        ..Limits::default()
    }
}

/// One family of names.
#[derive(Default)]
struct Variables {
    key: Option<SecretString>,
    base_url: Option<Url>,
    model: Option<String>,
    small_model: Option<String>,
}

impl Variables {
    fn read(env: &mut Environment<'_>, key: Variable, base_url: Variable, model: Variable, small: Variable) -> Self {
        Self {
            key: env.text(key).map(SecretString::from),
            base_url: env.http_url(base_url),
            model: env.text(model),
            small_model: env.text(small),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            key: self.key.or(other.key),
            base_url: self.base_url.or(other.base_url),
            model: self.model.or(other.model),
            small_model: self.small_model.or(other.small_model),
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::config::{Config, ConfigError};

    fn read(pairs: &[(&str, &str)]) -> Result<LlmConfig, ConfigError> {
        let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::read(&variables).map(|config| config.llm)
    }

    #[test]
    fn the_provider_follows_from_what_is_set() {
        let check = |pairs: &[(&str, &str)], expected: Option<LlmProvider>| {
            assert_eq!(read(pairs).unwrap().provider, expected, "{pairs:?}");
        };
        check(&[], None);
        check(&[("OPENAI_API_KEY", "k")], Some(LlmProvider::OpenAi));
        check(&[("LLM_API_KEY", "k")], Some(LlmProvider::OpenAi));
        check(&[("LLM_BASE_URL", "http://localhost:1/v1"), ("LLM_MODEL", "m")], Some(LlmProvider::Compatible));
        check(&[("LLM_SCRIPT_FILE", "turns.json")], Some(LlmProvider::Scripted));
        check(&[("LLM_PROVIDER", "none"), ("OPENAI_API_KEY", "k")], None);
        check(&[("LLM_PROVIDER", "anthropic"), ("LLM_API_KEY", "k"), ("LLM_MODEL", "m")], Some(LlmProvider::Anthropic));
        let ollama = read(&[("LLM_PROVIDER", "ollama"), ("LLM_MODEL", "llama3")]).unwrap();
        assert_eq!(ollama.base_url.unwrap().as_str(), "http://127.0.0.1:11434/v1");
    }

    #[test]
    fn the_key_of_openai_goes_to_nobody_else() {
        let both = [("OPENAI_API_KEY", "openai"), ("LLM_API_KEY", "own"), ("LLM_MODEL", "m"), ("OPENAI_DEFAULT_MODEL", "o")];
        let openai = read(&both).unwrap();
        assert_eq!((openai.api_key.unwrap().expose_secret(), openai.model.as_deref()), ("openai", Some("o")));
        let other = read(&[&both[..], &[("LLM_PROVIDER", "anthropic")]].concat()).unwrap();
        assert_eq!((other.api_key.unwrap().expose_secret(), other.model.as_deref()), ("own", Some("m")));
        let ollama = read(&[("OPENAI_API_KEY", "openai"), ("LLM_PROVIDER", "ollama"), ("LLM_MODEL", "m")]).unwrap();
        assert!(ollama.api_key.is_none());
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_and_not_shown() {
        for (pairs, name) in [
            (&[("LLM_PROVIDER", "openai")][..], "LLM_API_KEY"),
            (&[("LLM_PROVIDER", "anthropic"), ("LLM_MODEL", "m")], "LLM_API_KEY"),
            (&[("LLM_PROVIDER", "anthropic"), ("LLM_API_KEY", "k")], "LLM_MODEL"),
            (&[("LLM_PROVIDER", "openai-compatible"), ("LLM_MODEL", "m")], "LLM_BASE_URL"),
            (&[("LLM_BASE_URL", "http://localhost:1/v1")], "LLM_MODEL"),
            (&[("LLM_PROVIDER", "scripted")], "LLM_SCRIPT_FILE"),
            (&[("LLM_PROVIDER", "guess")], "LLM_PROVIDER"),
            (&[("LLM_BASE_URL", "http://user:hunter2@localhost/"), ("LLM_MODEL", "m")], "LLM_BASE_URL"),
            (&[("LLM_BASE_URL", "ftp://localhost/"), ("LLM_MODEL", "m")], "LLM_BASE_URL"),
            (&[("LLM_TIMEOUT_MS", "1")], "LLM_TIMEOUT_MS"),
        ] {
            let error = read(pairs).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("hunter2"), "{pairs:?}: {error}");
        }
        let shown = format!("{:?}", read(&[("LLM_API_KEY", "sk-hunter2")]).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn zero_is_no_budget() {
        let limits = read(&[("LLM_USER_TOKENS_PER_DAY", "0"), ("LLM_PROJECT_TOKENS_PER_DAY", "7")]).unwrap().limits;
        assert_eq!((limits.user_tokens_per_day, limits.project_tokens_per_day), (None, Some(7)));
    }
}
