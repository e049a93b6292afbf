//! The Model Context Protocol at `/api/mcp`: tools, resources and prompts for programs that bring a model of their own.
//!
//! `rmcp` reads and writes the protocol (ADR 0022); here is what is said in it. Nothing is kept from one request to the next:
//! each brings its bearer token, each call names its project, and every id is looked up as the caller's. Long work is a job,
//! which is a task of the protocol where the client knows tasks.

mod approvals;
mod asker;
mod bridge;
mod calls;
mod completions;
mod endpoint;
mod fixtures;
mod handler;
mod late;
mod outside;
mod prompts;
mod resources;
mod results;
mod tasks;
mod tools;

pub use bridge::{answer, resource_metadata};
pub use endpoint::McpEndpoint;
