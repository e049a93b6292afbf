//! Deployed models: their states, what is stored of them, their keys, their logs.

mod store;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::store::{DeploymentStore, HourRow, LoggedPrediction, RateGrant, Served};
use crate::{ApiKeyId, DeploymentId, JobId, ModelId, PredictionId, ProjectId, named::named};

/// Deployments of one project that may be neither stopped nor failed.
pub const ACTIVE_MAX: u32 = 5;
/// Requests that a deployment answers in any 60 seconds when nothing else is set.
pub const RATE_PER_MINUTE_DEFAULT: u32 = 60;
/// The most that can be set.
pub const RATE_PER_MINUTE_MAX: u32 = 1_000_000_000;
/// Longest name of a deployment or key, characters.
pub const NAME_CHARS_MAX: usize = 200;
/// Characters at the beginning of a key that tell keys apart and give nothing away.
pub const KEY_PREFIX_CHARS: usize = 11;

named! {
    /// Where a deployment stands.
    DeploymentStatus {
        /// Its start waits for a worker.
        Creating = "creating",
        /// Its model is being loaded and tried.
        Starting = "starting",
        /// It answers.
        Healthy = "healthy",
        /// It failed its probes; it may recover by itself.
        Unhealthy = "unhealthy",
        /// It is being stopped.
        Stopping = "stopping",
        /// It was stopped.
        Stopped = "stopped",
        /// It could not be started; the deployment's error says why.
        Failed = "failed",
    }
}

named! {
    /// What runs a deployed model.
    ServingRuntime {
        /// The server itself, on the model's ONNX form.
        Native = "native",
        /// Python in a sandbox, on the model as it was trained.
        Container = "container",
    }
}

named! {
    /// What people think of a prediction.
    Feedback {
        /// It was right.
        Positive = "positive",
        /// It was wrong.
        Negative = "negative",
    }
}

named! {
    /// How a request for predictions ended.
    Outcome {
        /// With predictions.
        Success = "success",
        /// Without.
        Error = "error",
    }
}

/// What happens to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Somebody asks for it to run.
    Start,
    /// A worker begins to bring it up.
    Launch,
    /// Its model answered.
    Ready,
    /// It could not be brought up.
    Fail,
    /// Probes failed too often in a row.
    Degrade,
    /// A probe succeeded again.
    Recover,
    /// Somebody asks for it to stop.
    Stop,
    /// What ran is gone.
    End,
}

/// Says that something cannot happen to a deployment where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a deployment that is {} cannot {}", status.as_str(), event.verb())]
pub struct Impossible {
    /// Where it stands.
    pub status: DeploymentStatus,
    /// What cannot happen.
    pub event: Event,
}

impl Event {
    fn verb(self) -> &'static str {
        match self {
            Self::Start => "be started",
            Self::Launch => "be launched",
            Self::Ready => "become ready",
            Self::Fail => "fail to start",
            Self::Degrade => "become unhealthy",
            Self::Recover => "recover",
            Self::Stop => "be stopped",
            Self::End => "come to its end",
        }
    }

    /// The states that it can happen in.
    #[must_use]
    pub fn from(self) -> Vec<DeploymentStatus> {
        DeploymentStatus::ALL.iter().copied().filter(|status| status.after(self).is_ok()).collect()
    }
}

impl DeploymentStatus {
    /// Whether it counts against a project's limit: it serves, or may serve soon.
    #[must_use]
    pub fn is_active(self) -> bool {
        !matches!(self, Self::Stopped | Self::Failed)
    }

    /// Where a deployment stands after an event.
    ///
    /// # Errors
    /// It cannot happen in this state.
    pub fn after(self, event: Event) -> Result<Self, Impossible> {
        match (self, event) {
            (Self::Stopped | Self::Failed, Event::Start) => Ok(Self::Creating),
            // A worker that takes over from one that died begins again.
            (Self::Creating | Self::Starting, Event::Launch) => Ok(Self::Starting),
            (Self::Starting, Event::Ready) | (Self::Unhealthy, Event::Recover) => Ok(Self::Healthy),
            (Self::Creating | Self::Starting, Event::Fail) => Ok(Self::Failed),
            (Self::Healthy, Event::Degrade) => Ok(Self::Unhealthy),
            (Self::Creating | Self::Starting | Self::Healthy | Self::Unhealthy, Event::Stop) => Ok(Self::Stopping),
            (Self::Stopping, Event::End) => Ok(Self::Stopped),
            (status, event) => Err(Impossible { status, event }),
        }
    }
}

/// What the owner can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentConfig {
    /// Requests that are answered in any 60 seconds, 1 to [`RATE_PER_MINUTE_MAX`].
    pub rate_limit_per_minute: u32,
}

impl Default for DeploymentConfig {
    fn default() -> Self {
        Self { rate_limit_per_minute: RATE_PER_MINUTE_DEFAULT }
    }
}

/// A deployed model.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// Identity.
    pub id: DeploymentId,
    /// The project that it belongs to.
    pub project_id: ProjectId,
    /// The model that it serves.
    pub model_id: ModelId,
    /// What people call it.
    pub name: String,
    /// Where it stands.
    pub status: DeploymentStatus,
    /// What runs it.
    pub runtime: ServingRuntime,
    /// What its owner set.
    pub config: DeploymentConfig,
    /// Why it is failed or unhealthy.
    pub error: Option<String>,
    /// The job that starts it, or did last.
    pub job_id: JobId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was last stopped.
    pub stopped_at: Option<DateTime<Utc>>,
}

/// A deployment to be recorded; it begins as `creating`.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDeployment {
    /// Identity.
    pub id: DeploymentId,
    /// The project that it belongs to.
    pub project_id: ProjectId,
    /// The model that it serves, of the same project.
    pub model_id: ModelId,
    /// What people call it.
    pub name: String,
    /// What runs it.
    pub runtime: ServingRuntime,
    /// What its owner set.
    pub config: DeploymentConfig,
}

/// A key of a deployment, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Identity.
    pub id: ApiKeyId,
    /// The only deployment that it opens.
    pub deployment_id: DeploymentId,
    /// What people call it.
    pub name: String,
    /// Its beginning, to tell keys apart.
    pub prefix: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used; up to some seconds late.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// The SHA-256 of a key: what is stored in its place. Never sent, never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHash(pub [u8; 32]);

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// A request for predictions, as it is logged.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionLog {
    /// Number; later ones are higher.
    pub id: i64,
    /// The deployment.
    pub deployment_id: DeploymentId,
    /// Its model.
    pub model_id: ModelId,
    /// Its project.
    pub project_id: ProjectId,
    /// What the answer called it.
    pub prediction_id: PredictionId,
    /// When it came.
    pub created_at: DateTime<Utc>,
    /// How long the answer took, microseconds.
    pub latency_us: Option<u64>,
    /// What was sent.
    pub input_features: Value,
    /// What was answered.
    pub prediction: Value,
    /// How it ended.
    pub outcome: Outcome,
    /// Why there is no prediction.
    pub error: Option<String>,
    /// What people thought of it.
    pub feedback: Option<Feedback>,
    /// When they said so.
    pub feedback_at: Option<DateTime<Utc>>,
    /// What really happened.
    pub actual: Option<Value>,
    /// Status code, who asked, what else is known.
    pub metadata: Map<String, Value>,
}

/// Which logged requests are listed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogFilter {
    /// Only those that ended so.
    pub outcome: Option<Outcome>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Not after.
    pub until: Option<DateTime<Utc>>,
    /// At most so many.
    pub limit: u32,
    /// How many are passed over.
    pub offset: u64,
}

/// Predictions with what really happened: what was predicted, and what was true.
pub type Judged = Vec<(Value, Value)>;

/// What is stored of one hour for each column: named sketches as JSON, whose meaning is the `deployment` crate's.
pub type Sketches = BTreeMap<String, Value>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_life_of_a_deployment() {
        let mut status = DeploymentStatus::Creating;
        for (event, expected) in [
            (Event::Launch, "starting"),
            (Event::Launch, "starting"),
            (Event::Ready, "healthy"),
            (Event::Degrade, "unhealthy"),
            (Event::Recover, "healthy"),
            (Event::Stop, "stopping"),
            (Event::End, "stopped"),
            (Event::Start, "creating"),
            (Event::Fail, "failed"),
            (Event::Start, "creating"),
        ] {
            status = status.after(event).unwrap();
            assert_eq!(status.as_str(), expected, "{event:?}");
        }
    }

    #[test]
    fn what_is_impossible_is_refused_with_its_name() {
        let refused = DeploymentStatus::Stopped.after(Event::Stop).unwrap_err();
        assert_eq!(refused.to_string(), "a deployment that is stopped cannot be stopped");
        assert!(DeploymentStatus::Healthy.after(Event::Start).is_err());
        // A worker that was slow does not bring back what was stopped meanwhile.
        assert!(DeploymentStatus::Stopped.after(Event::Ready).is_err());
        assert!(DeploymentStatus::Stopping.after(Event::Ready).is_err());
    }

    #[test]
    fn every_state_can_be_left_and_only_two_are_inactive() {
        let events =
            [Event::Start, Event::Launch, Event::Ready, Event::Fail, Event::Degrade, Event::Recover, Event::Stop, Event::End];
        for status in DeploymentStatus::ALL {
            assert!(events.iter().any(|event| status.after(*event).is_ok_and(|next| next != *status)), "{status:?}");
        }
        assert_eq!(DeploymentStatus::ALL.iter().filter(|status| !status.is_active()).count(), 2);
        assert_eq!(Event::Stop.from().len(), 4);
    }

    #[test]
    fn a_hash_is_not_printed() {
        assert_eq!(format!("{:?}", KeyHash([7; 32])), "KeyHash(…)");
    }
}
