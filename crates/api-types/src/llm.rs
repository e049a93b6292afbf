//! Language models (contract 2, sections 5 and 12).

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The models that can be chosen.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelCatalogView {
    /// The model for who does not choose.
    pub default_model: String,
    /// Its effort.
    pub default_reasoning_effort: String,
    /// The models, in the order in which they are shown.
    pub featured_models: Vec<ModelChoiceView>,
    /// The same.
    pub models: Vec<ModelChoiceView>,
}

/// A model that can be chosen.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelChoiceView {
    /// What to send.
    pub id: String,
    /// Its name.
    pub label: String,
    /// `base`, `codex`, `mini` or `nano`.
    pub kind: String,
    /// A sentence about it.
    pub description: String,
    /// A hint for who chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tip: Option<String>,
    /// The efforts that it has, of `low`, `medium`, `high`, `xhigh`.
    pub reasoning_efforts: Vec<String>,
    /// The effort for who does not choose.
    pub default_reasoning_effort: String,
    /// Always true.
    pub featured: bool,
    /// Its place in the list, from 0.
    pub featured_order: u32,
    /// Tokens that fit into one conversation, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// US dollars for a million tokens, if the operator has set them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<ModelPriceView>,
}

/// What a model costs, in US dollars for a million tokens.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelPriceView {
    /// Sent.
    pub input: f64,
    /// Sent, and read from the provider's cache.
    pub cached_input: f64,
    /// Written.
    pub output: f64,
}

/// `{tools}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolList {
    /// The tools, by what they are for.
    pub tools: Vec<ToolView>,
}

/// Something that a language model may call.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolView {
    /// Its name.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// JSON Schema of its arguments (draft 7), an object.
    #[schema(value_type = Object)]
    pub parameters: Value,
}

/// What a browser opens a transcription with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RealtimeSessionView {
    /// The secret, for one session.
    pub client_secret: String,
    /// Until when it may be used, in seconds since 1970; 0 when that is not known.
    pub expires_at: u64,
}
