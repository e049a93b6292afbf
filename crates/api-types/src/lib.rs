//! The wire: every body, query and event that HTTP clients see, and the conversions from the domain.
//!
//! Names are camelCase, but for the contract's exceptions, which [`SNAKE_CASE_SCHEMAS`] lists. Input types ignore
//! unknown fields, because the frontend sends some. Nothing here performs IO or knows the web framework.

pub mod auth;
pub mod cells;
pub mod common;
pub mod datasets;
pub mod deployments;
pub mod documents;
pub mod errors;
pub mod execute;
pub mod experiments;
pub mod feature_engineering;
pub mod golden_questions;
pub mod health;
pub mod jobs;
pub mod live;
pub mod llm;
pub mod models;
pub mod notebooks;
pub mod oip;
pub mod paths;
pub mod plan_chats;
pub mod preprocessing;
pub mod projects;
pub mod python;
pub mod query;
pub mod recovery;
pub mod savepoints;
pub mod settings;
pub mod workflows;

/// Schemas whose fields are `snake_case`, wholly or in part, because the contract has them so. The lint of the
/// OpenAPI document reads this list; it may only shrink.
pub const SNAKE_CASE_SCHEMAS: [&str; 3] = ["UserView", "LoginSessionView", "UploadedDatasetView"];
