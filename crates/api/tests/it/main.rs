//! The server through its front door: HTTP against real PostgreSQL, real files and the real engines.

mod auth;
mod crash;
mod datasets;
mod jobs;
mod openapi;
mod outage;
mod projects;
mod settings;
mod sql;
mod support;
mod tenancy;
mod transport;
