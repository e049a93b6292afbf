//! Language models behind one trait, [`Provider`]: what is asked ([`Request`]), what comes back ([`Event`],
//! [`Completion`]), and why nothing does ([`LlmError`]).
//!
//! [`scripted::Scripted`] replays a file of turns. JSON answers are read by [`structured`].
//!
//! What a prompt says is the caller's business, and so is everything that a model's answer leads to. No HTTP routes, no
//! storage and no environment variables here; keys come in as secrets and never come out, not even in an error.

mod error;
mod event;
#[expect(dead_code, unused_imports, reason = "the wire formats that use it come next")]
mod http;
mod provider;
mod request;
pub mod scripted;
mod secret;
pub mod sse;
pub mod structured;
pub mod tls;

pub use error::{FailureCode, LlmError, TimeoutStage};
pub use event::{Completion, Event, StopReason, Thought, ToolCall, Usage};
pub use http::{Endpoint, Timeouts};
pub use provider::{EmbedRequest, Embeddings, EventStream, OUTPUT_BYTES_MAX, Provider, ProviderInfo, collect};
pub use request::{Effort, Format, Message, OutputSchema, Request, Spender, Tool, ToolChoice};
