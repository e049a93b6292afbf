//! Which model makes vectors of documents: one of the language model's provider, or a small one on this machine.

mod local;
mod provider;

use std::sync::Arc;

use gristmill_documents::Embedder;
use gristmill_llm::Provider;
use gristmill_runtime::Runtime;

use self::{local::LocalEmbedder, provider::ProviderEmbedder};
use crate::{
    config::{Config, EmbeddingsSetting, LlmProvider},
    llm::LanguageModels,
};

pub(crate) use local::PACKAGES;

/// What makes vectors of documents.
#[derive(Debug, Clone)]
pub(crate) enum VectorSource {
    /// A model of the language model's provider.
    Provider {
        /// The provider.
        provider: Arc<dyn Provider>,
        /// Its model for this.
        model: String,
    },
    /// The model on this machine, installed or not.
    Local,
    /// Nothing: documents are found by words.
    Nothing,
}

impl VectorSource {
    /// What the settings and this machine say.
    pub(crate) fn choose(config: &Config, models: &LanguageModels) -> Self {
        let provider = || {
            let provider = models.find_provider()?;
            let model = provider.info().embedding_model?;
            Some(Self::Provider { provider, model })
        };
        let installed = || PACKAGES.locate(&config.database.cache_dir).map(|_directory| Self::Local);
        let chosen = match config.documents.embeddings {
            EmbeddingsSetting::Off => None,
            EmbeddingsSetting::Local => Some(Self::Local),
            EmbeddingsSetting::Provider => provider(),
            // A script knows how words are spelt, and nothing of what they mean.
            EmbeddingsSetting::Auto if config.llm.provider == Some(LlmProvider::Scripted) => installed(),
            EmbeddingsSetting::Auto => provider().or_else(installed),
        };
        chosen.unwrap_or(Self::Nothing)
    }

    /// The model behind the port. Nothing is started or asked yet.
    ///
    /// # Errors
    /// The cache has no absolute path.
    pub(crate) fn embedder(self, config: &Config, runtime: &Runtime) -> std::io::Result<Option<Arc<dyn Embedder>>> {
        Ok(match self {
            Self::Provider { provider, model } => Some(Arc::new(ProviderEmbedder::new(provider, model, config.llm.timeout))),
            Self::Local => Some(Arc::new(LocalEmbedder::new(config, runtime)?)),
            Self::Nothing => None,
        })
    }
}
