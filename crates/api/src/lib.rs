//! The HTTP server: configuration, wiring, extractors, routes, streams, OpenAPI. Thin: a handler makes one call
//! into a repository or an engine and converts the answer.

pub mod agent;
pub mod cli;
pub mod config;
pub mod datasets;
pub mod deployments;
pub mod documents;
pub mod envelope;
pub mod error;
pub mod extract;
pub mod features;
pub mod file_cleaner;
pub mod google;
pub mod health;
pub mod leaving;
pub mod live;
pub mod llm;
mod mail;
pub mod mcp;
pub mod metrics;
pub mod models;
pub mod nl;
pub mod notebooks;
pub mod openapi;
pub mod preprocessing;
pub mod quota;
pub mod request_id;
pub mod respond;
pub mod routes;
pub mod server;
pub mod sql;
pub mod state;
pub mod streams;
pub mod telemetry;
pub mod training;
pub mod uploads;
pub mod workflows;
