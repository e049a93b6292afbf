//! From what people choose to what providers know.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Completion, EmbedRequest, Embeddings, EventStream, LlmError, Provider, ProviderInfo, Request, catalog::Catalog};

/// Reads the model and the effort of a request by the catalog: an alias, `auto` and an unknown model become a model of the
/// catalog, and an effort that the model does not have becomes the model's own.
#[derive(Debug, Clone)]
pub struct Catalogued {
    inner: Arc<dyn Provider>,
    catalog: Arc<Catalog>,
}

impl Catalogued {
    /// Reads requests by a catalog.
    #[must_use]
    pub fn new(inner: Arc<dyn Provider>, catalog: Arc<Catalog>) -> Self {
        Self { inner, catalog }
    }

    fn resolved(&self, request: &Request) -> Result<Request, LlmError> {
        let mut request = request.clone();
        let model = self.catalog.resolve(request.model.as_deref());
        request.effort = request.effort.and_then(|effort| model.effort(effort));
        let needed = request.input_tokens_estimate().saturating_add(u64::from(request.output_tokens_max));
        if let Some(window) = model.context_window
            // The estimate may be twice too high; what is plainly too much is not sent.
            && needed / 2 > window
        {
            let detail = format!("about {needed} tokens do not fit into the {window} of `{}`", model.id);
            return Err(LlmError::Refused { status: 413, detail });
        }
        request.model = Some(model.provider_name().to_owned());
        Ok(request)
    }
}

#[async_trait]
impl Provider for Catalogued {
    fn info(&self) -> ProviderInfo {
        ProviderInfo { model: self.catalog.default_model().id.clone(), ..self.inner.info() }
    }

    async fn stream(&self, request: &Request) -> Result<EventStream, LlmError> {
        self.inner.stream(&self.resolved(request)?).await
    }

    async fn complete(&self, request: &Request) -> Result<Completion, LlmError> {
        self.inner.complete(&self.resolved(request)?).await
    }

    async fn embed(&self, request: &EmbedRequest) -> Result<Embeddings, LlmError> {
        self.inner.embed(request).await
    }

    async fn probe(&self) -> Result<String, LlmError> {
        self.inner.probe().await
    }
}
