//! The Open Inference Protocol v2, as far as it is not tensors.

use gristmill_domain::DeploymentId;
use serde::Serialize;
use utoipa::ToSchema;

/// `GET /v2`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServerMetadataView {
    /// `gristmill`.
    pub name: String,
    /// Of the server.
    pub version: String,
    /// What it can beyond the protocol.
    pub extensions: Vec<String>,
}

/// `GET /v2/health/live`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServerLiveView {
    /// Always true: it answered.
    pub live: bool,
}

/// `GET /v2/health/ready`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServerReadyView {
    /// True; else the answer is an error.
    pub ready: bool,
}

/// `GET /v2/models/{deploymentId}/ready`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelReadyView {
    /// The deployment.
    pub name: DeploymentId,
    /// True; else the answer is an error.
    pub ready: bool,
}
