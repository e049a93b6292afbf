//! The server through its front door: HTTP against real PostgreSQL, real files and the real engines.

mod auth;
mod cells;
mod crash;
mod datasets;
mod execute;
mod jobs;
mod kernels;
mod live;
mod notebooks;
mod openapi;
mod outage;
mod projects;
mod savepoints;
mod settings;
mod sql;
mod support;
mod tenancy;
mod transport;
