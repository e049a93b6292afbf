//! Which model makes vectors of documents.

use super::environment::Environment;

/// `EMBEDDINGS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmbeddingsSetting {
    /// The language model's provider when it has such models, else the model on this machine when it is installed, else none.
    #[default]
    Auto,
    /// The language model's provider.
    Provider,
    /// The model on this machine.
    Local,
    /// None: documents are found by words.
    Off,
}

pub(super) fn read(env: &mut Environment<'_>) -> EmbeddingsSetting {
    match env.text("EMBEDDINGS").as_deref() {
        None | Some("auto") => EmbeddingsSetting::Auto,
        Some("provider") => EmbeddingsSetting::Provider,
        Some("local") => EmbeddingsSetting::Local,
        Some("none") => EmbeddingsSetting::Off,
        Some(_) => {
            env.problem("EMBEDDINGS", "must be `auto`, `provider`, `local` or `none`");
            EmbeddingsSetting::Auto
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_provider_without_such_models_is_refused() {
        let read = |pairs: &[(&str, &str)]| {
            let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Config::read(&variables).map(|config| config.documents.embeddings)
        };
        assert_eq!(read(&[]).unwrap(), EmbeddingsSetting::Auto);
        assert_eq!(read(&[("EMBEDDINGS", "local")]).unwrap(), EmbeddingsSetting::Local);
        assert_eq!(read(&[("EMBEDDINGS", "none")]).unwrap(), EmbeddingsSetting::Off);
        let server = [("LLM_BASE_URL", "http://localhost:1/v1"), ("LLM_MODEL", "m"), ("EMBEDDINGS", "provider")];
        let with_model = [&server[..], &[("LLM_EMBEDDING_MODEL", "e")]].concat();
        assert_eq!(read(&with_model).unwrap(), EmbeddingsSetting::Provider);
        assert_eq!(read(&[("OPENAI_API_KEY", "k"), ("EMBEDDINGS", "provider")]).unwrap(), EmbeddingsSetting::Provider);
        let anthropic = [("LLM_PROVIDER", "anthropic"), ("LLM_API_KEY", "k"), ("LLM_MODEL", "m"), ("EMBEDDINGS", "provider")];
        for pairs in [&server[..], &anthropic, &[("EMBEDDINGS", "provider")], &[("EMBEDDINGS", "yes")]] {
            let error = read(pairs).unwrap_err().to_string();
            assert!(error.contains("EMBEDDINGS must be"), "{error}");
        }
    }
}
