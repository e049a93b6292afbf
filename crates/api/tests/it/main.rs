//! The server through its front door: HTTP against real PostgreSQL, real files and the real engines.

#[cfg(test)]
mod agent_survival;
#[cfg(test)]
mod agent_tools;
#[cfg(test)]
mod agent_training;
#[cfg(test)]
mod auth;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod cells;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod dataset_in_use;
#[cfg(test)]
mod datasets;
#[cfg(test)]
mod deployments;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod execute;
#[cfg(test)]
mod experiments;
#[cfg(test)]
mod feature_engineering;
#[cfg(test)]
mod four_phases;
#[cfg(test)]
mod google;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod kernels;
#[cfg(test)]
mod leaving;
#[cfg(test)]
mod live;
#[cfg(test)]
mod llm;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod mcp;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod mlflow;
#[cfg(test)]
mod models;
#[cfg(test)]
mod nl;
#[cfg(test)]
mod notebooks;
#[cfg(test)]
mod oip;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod plan_chats;
#[cfg(test)]
mod preprocessing;
#[cfg(test)]
mod projects;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod savepoints;
#[cfg(test)]
mod scoring;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod sql;
#[cfg(test)]
mod support;
#[cfg(test)]
#[cfg(feature = "otel")]
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod tenancy;
#[cfg(test)]
mod training;
#[cfg(test)]
mod transport;
#[cfg(test)]
mod uploads;
#[cfg(test)]
mod workflows;
