//! The wire formats against servers that speak them. The shapes are those of the providers' public API documentation.

mod anthropic;
mod chat;
mod responses;
mod trouble;

/// What an error must be like.
pub(crate) type Check = fn(&gristmill_llm::LlmError) -> bool;
