//! Language models behind one trait, [`Provider`]: what is asked ([`Request`]), what comes back ([`Event`],
//! [`Completion`]), and why nothing does ([`LlmError`]).
//!
//! Providers: [`wire::Responses`], [`wire::ChatCompletions`], [`wire::AnthropicMessages`] over HTTP, and
//! [`scripted::Scripted`], which replays a file of turns. JSON answers are read by [`structured`]. Policies are providers around providers, in [`layers`]; the models that people choose from are a
//! [`catalog::Catalog`].
//!
//! What a prompt says is the caller's business, and so is everything that a model's answer leads to. No HTTP routes, no
//! storage and no environment variables here; keys come in as secrets and never come out, not even in an error.

pub mod catalog;
mod error;
mod event;
mod http;
pub mod layers;
mod provider;
pub mod realtime;
mod request;
pub mod scripted;
mod secret;
pub mod sse;
pub mod structured;
pub mod tls;
pub mod wire;

pub use error::{FailureCode, LlmError, TimeoutStage};
pub use event::{Completion, Event, StopReason, Thought, ToolCall, Usage};
pub use http::{Endpoint, Timeouts};
pub use provider::{EmbedRequest, Embeddings, EventStream, OUTPUT_BYTES_MAX, Provider, ProviderInfo, collect};
pub use request::{Effort, Format, Message, OutputSchema, Request, Spender, Tool, ToolChoice};
