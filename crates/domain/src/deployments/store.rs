//! The port through which deployments are served: what a server process reads and writes of them. One method is one
//! transaction.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{ApiKey, Deployment, Event, KeyHash, Outcome, Sketches};
use crate::{
    ApiKeyId, DeploymentId, PredictionId, UserId,
    jobs::{JobOutcome, Lease},
    models::Model,
    ports::StoreError,
};

/// All that is needed to answer requests of a deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Served {
    /// The deployment.
    pub deployment: Deployment,
    /// Who owns it.
    pub owner: UserId,
    /// Its model.
    pub model: Model,
    /// Its keys that are not revoked, with what they are compared with.
    pub keys: Vec<(ApiKey, KeyHash)>,
}

/// A request for predictions, to be logged.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedPrediction {
    /// The deployment.
    pub deployment_id: DeploymentId,
    /// What the answer called it. One that is logged already is not logged again.
    pub prediction_id: PredictionId,
    /// When it came.
    pub at: DateTime<Utc>,
    /// How long the answer took, microseconds.
    pub latency_us: u64,
    /// What was sent.
    pub input_features: Value,
    /// What was answered.
    pub prediction: Value,
    /// How it ended.
    pub outcome: Outcome,
    /// Why there is no prediction.
    pub error: Option<String>,
    /// Status code, who asked, what else is known.
    pub metadata: Map<String, Value>,
}

/// What one server process saw of a deployment in one hour.
#[derive(Debug, Clone, PartialEq)]
pub struct HourRow {
    /// The deployment.
    pub deployment_id: DeploymentId,
    /// The beginning of the hour.
    pub hour: DateTime<Utc>,
    /// Who counted: a row of the same hour and writer is written over.
    pub writer: uuid::Uuid,
    /// Counts and latencies.
    pub statistics: Value,
    /// Sketches of inputs and predictions.
    pub sketches: Sketches,
}

/// What a reservation of requests got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateGrant {
    /// How many may pass now: as many as were asked for, fewer, or none.
    pub granted: u32,
    /// How many more may pass in this minute.
    pub remaining: u32,
    /// Whole seconds until at least one passes again; 0 when one does now.
    pub retry_after: u32,
}

/// Deployments, for those who serve them.
#[async_trait]
pub trait DeploymentStore: Send + Sync + std::fmt::Debug {
    /// Reads what is needed to serve a deployment. The caller has still to be checked.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    async fn served(&self, id: DeploymentId) -> Result<Served, StoreError>;

    /// Lets something happen to a deployment, if it can where it stands: with why, for `Fail` and `Degrade`.
    ///
    /// # Errors
    /// `Conflict` when it cannot happen; `NotFound`, `Unavailable`, `Defect`.
    async fn happen(
        &self,
        id: DeploymentId,
        event: Event,
        reason: Option<String>,
        now: DateTime<Utc>,
    ) -> Result<Deployment, StoreError>;

    /// As [`Self::happen`] for the end of a start, with the end of its job: one commit, only while the lease holds. What
    /// cannot happen any more, because the deployment was stopped meanwhile, ends the job all the same.
    ///
    /// # Errors
    /// `LeaseLost`, `NotFound`, `Unavailable`, `Defect`.
    async fn conclude_start(
        &self,
        lease: Lease,
        id: DeploymentId,
        event: Event,
        reason: Option<String>,
        outcome: JobOutcome,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// Ends deployments that began to stop before this time, since whoever stopped them is gone; and fails those whose
    /// start has ended without telling, since every worker that tried it died. Returns how many.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn end_forgotten(&self, before: DateTime<Utc>, now: DateTime<Utc>) -> Result<usize, StoreError>;

    /// Notes when keys were last used.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn touch_keys(&self, used: &[(ApiKeyId, DateTime<Utc>)]) -> Result<(), StoreError>;

    /// Logs requests. Those of deployments that are gone are passed over. Returns how many were new.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn log(&self, predictions: &[LoggedPrediction]) -> Result<usize, StoreError>;

    /// Writes what this process saw, over what it wrote before of the same hours.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn write_hours(&self, hours: &[HourRow], now: DateTime<Utc>) -> Result<(), StoreError>;

    /// Reserves requests within a deployment's limit for any 60 seconds, over all server processes.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    async fn reserve(&self, id: DeploymentId, wanted: u32, limit: u32) -> Result<RateGrant, StoreError>;

    /// Removes logged requests and hours before these times. Returns how many requests.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    async fn prune(&self, logs_before: DateTime<Utc>, hours_before: DateTime<Utc>) -> Result<usize, StoreError>;
}
