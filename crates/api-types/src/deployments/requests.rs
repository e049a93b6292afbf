//! What clients send about deployed models.

use garde::Validate;
use gristmill_domain::{
    ModelId, PredictionId, ProjectId,
    deployments::{Feedback, NAME_CHARS_MAX, Outcome, RATE_PER_MINUTE_MAX, ServingRuntime},
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::common::{ErrorShape, RequestBody};

/// What people think of one request may be told for at most so many at once.
const ACTUALS_MAX: usize = 10_000;

/// Deploys a model.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentCreate {
    /// The model.
    #[garde(skip)]
    pub model_id: ModelId,
    /// The project that it belongs to.
    #[garde(skip)]
    pub project_id: ProjectId,
    /// What people call it.
    #[garde(custom(not_blank), length(chars, max = NAME_CHARS_MAX))]
    pub name: String,
    /// What runs it. Without it: the server itself where it can, else Python in a sandbox.
    #[garde(skip)]
    #[serde(default)]
    pub runtime: Option<ServingRuntime>,
    /// What can be set.
    #[garde(dive)]
    #[serde(default)]
    pub config: Option<ConfigPatch>,
}

impl RequestBody for DeploymentCreate {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// What the owner can set.
#[derive(Debug, Clone, Copy, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigPatch {
    /// Requests that are answered in any 60 seconds.
    #[garde(inner(range(min = 1, max = RATE_PER_MINUTE_MAX)))]
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub rate_limit_per_minute: Option<u32>,
}

/// What can be done to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeploymentAction {
    /// Brings it up.
    Start,
    /// Takes it down.
    Stop,
}

/// Changes a deployment: starts or stops it, or sets something.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[garde(allow_unvalidated)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentPatch {
    /// What to do.
    #[serde(default)]
    pub action: Option<DeploymentAction>,
    /// What to set.
    #[garde(dive)]
    #[serde(default)]
    pub config: Option<ConfigPatch>,
}

impl RequestBody for DeploymentPatch {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// Makes a key.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyCreate {
    /// What people call it.
    #[garde(custom(not_blank), length(chars, max = NAME_CHARS_MAX))]
    pub name: String,
    /// When it ends by itself.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<chrono::DateTime<chrono::Utc>>,
}

impl RequestBody for ApiKeyCreate {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// What somebody thinks of a prediction.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[garde(allow_unvalidated)]
pub struct FeedbackCreate {
    /// Right or wrong.
    pub feedback: Feedback,
}

impl RequestBody for FeedbackCreate {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// What really happened.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub struct ActualsCreate {
    /// One for each prediction.
    #[garde(length(min = 1, max = ACTUALS_MAX))]
    pub actuals: Vec<ActualCreate>,
}

impl RequestBody for ActualsCreate {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// What really happened where something was predicted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActualCreate {
    /// What the answer called the prediction.
    pub prediction_id: PredictionId,
    /// The label or number.
    #[schema(value_type = Object)]
    pub actual: Value,
}

/// Asks how predictions depend on a feature.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub struct DependenceCreate {
    /// The feature.
    #[garde(custom(not_blank))]
    pub feature: String,
}

impl RequestBody for DependenceCreate {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

fn not_blank(text: &str, (): &()) -> garde::Result {
    if text.contains('\0') {
        return Err(garde::Error::new("must not contain NUL characters"));
    }
    if text.trim().is_empty() { Err(garde::Error::new("must not be blank")) } else { Ok(()) }
}

/// Whose deployments are listed.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[garde(allow_unvalidated)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct DeploymentListQuery {
    /// The project.
    pub project_id: ProjectId,
}

/// Which logged requests are listed.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// Only those that ended so.
    #[garde(skip)]
    pub status: Option<Outcome>,
    /// Not before.
    #[garde(skip)]
    #[param(value_type = Option<String>, format = DateTime)]
    pub start_time: Option<chrono::DateTime<chrono::Utc>>,
    /// Not after.
    #[garde(skip)]
    #[param(value_type = Option<String>, format = DateTime)]
    pub end_time: Option<chrono::DateTime<chrono::Utc>>,
    /// At most so many; 50 when absent.
    #[garde(inner(range(min = 1, max = 500)))]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// How many are passed over.
    #[garde(inner(range(max = 1_000_000)))]
    pub offset: Option<u64>,
}

/// How far back statistics go.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[garde(allow_unvalidated)]
#[into_params(parameter_in = Query)]
pub struct StatsQuery {
    /// `1h`, `6h`, `24h` (when absent) or `7d`.
    pub range: Option<String>,
}

/// Whether answers are explained.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[garde(allow_unvalidated)]
#[into_params(parameter_in = Query)]
pub struct PredictQuery {
    /// With SHAP values.
    #[serde(default)]
    pub explain: Option<bool>,
}
