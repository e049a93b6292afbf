//! Questions in plain words.

use std::time::Duration;

use gristmill_workflow::nl2sql::{NlOptions, context::ContextLimits};

use super::environment::Environment;

/// Questions in plain words.
#[derive(Debug, Clone)]
pub struct NlConfig {
    /// `NL2SQL_TIMEOUT_MS`, `NL2SQL_MAX_TABLES_CONTEXT`, `NL2SQL_MAX_COLUMNS_PER_TABLE`, `NL2SQL_CONTEXT_TOKENS`,
    /// `NL2SQL_CANDIDATES`, `NL2SQL_WARN_CONFIDENCE_THRESHOLD`. The model is the catalog's small one.
    pub options: NlOptions,
    /// `NL2SQL_CONCURRENCY`: questions that are answered at once.
    pub concurrency: usize,
}

pub(super) fn read(env: &mut Environment<'_>) -> NlConfig {
    let defaults = NlOptions::default();
    let context = ContextLimits {
        tables_max: env.number("NL2SQL_MAX_TABLES_CONTEXT", 1..=100, defaults.context.tables_max),
        columns_max: env.number("NL2SQL_MAX_COLUMNS_PER_TABLE", 1..=1000, defaults.context.columns_max),
        tokens_max: env.number("NL2SQL_CONTEXT_TOKENS", 200..=200_000, defaults.context.tokens_max),
    };
    let options = NlOptions {
        timeout: Duration::from_millis(env.number("NL2SQL_TIMEOUT_MS", 100..=600_000, 25_000)),
        context,
        candidates_max: env.number("NL2SQL_CANDIDATES", 1..=5, defaults.candidates_max),
        warn_below: share(env, defaults.warn_below),
        ..defaults
    };
    NlConfig { options, concurrency: env.number("NL2SQL_CONCURRENCY", 1..=1024, 16) }
}

fn share(env: &mut Environment<'_>, default: f64) -> f64 {
    const NAME: &str = "NL2SQL_WARN_CONFIDENCE_THRESHOLD";
    let Some(text) = env.text(NAME) else { return default };
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&value) => value,
        _ => {
            env.problem(NAME, &format!("must be a number from 0 to 1, not `{text}`"));
            default
        }
    }
}
