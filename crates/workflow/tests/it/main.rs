//! The engines through the public door of the crate, with a scripted model and a fake engine.

mod candidates;
mod context;
mod failures;
mod golden;
mod injection;
mod pipeline;
mod repair;
mod suggestions;
mod support;
