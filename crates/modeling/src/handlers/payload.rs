//! What the jobs are given, and the jobs themselves.

use std::time::Duration;

use gristmill_domain::{
    JobId, ModelId, ProjectId, StudyId, UserId,
    jobs::{JobKind, NewJob},
    models::TrainingPlan,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::engine::Budget;

/// How often a job may be started: once, and twice more when its worker died.
const ATTEMPTS_MAX: u32 = 3;

/// What one step of a job may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobBudget {
    /// Longest step, milliseconds.
    pub time_ms: u64,
    /// Most memory, bytes.
    pub memory_bytes: u64,
}

impl From<JobBudget> for Budget {
    fn from(budget: JobBudget) -> Self {
        Self { time: Duration::from_millis(budget.time_ms), memory_bytes: budget.memory_bytes }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrainPayload {
    pub(super) model_id: ModelId,
    pub(super) plan: TrainingPlan,
    pub(super) budget: JobBudget,
    /// There already is a model, which is to be adopted instead of training one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) adopted: Option<Adopted>,
}

/// A model that was made in a notebook. Its file is in [`crate::Engine::staging`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Adopted {
    /// What it is, in the words of whoever made it.
    pub algorithm: String,
    /// Where it comes from; kept with the model.
    pub metadata: Map<String, Value>,
    /// How long its training took, milliseconds.
    pub training_ms: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvaluatePayload {
    pub(super) model_id: ModelId,
    pub(super) budget: JobBudget,
}

/// A model to be adopted.
#[derive(Debug, Clone, PartialEq)]
pub struct AdoptRequest {
    /// The id that it gets.
    pub model_id: ModelId,
    /// What it is for, and the rows that it is scored on.
    pub plan: TrainingPlan,
    /// The model.
    pub adopted: Adopted,
    /// What one step may use.
    pub budget: JobBudget,
}

/// A study to be run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StudyRequest {
    /// Identity.
    pub study_id: StudyId,
    /// The model whose parameters it starts from.
    pub source_model_id: ModelId,
    /// The model that it ends in.
    pub model_id: ModelId,
    /// Display name of that model.
    pub name: String,
    /// What the source was asked for.
    pub plan: TrainingPlan,
    /// Trials.
    pub trials: u32,
    /// What is made better.
    pub metric: String,
    /// Longest search, milliseconds.
    pub timeout_ms: u64,
    /// `tpe` or `random`.
    pub sampler: String,
    /// What one step may use.
    pub budget: JobBudget,
}

/// The job that trains a model. Its result has the `modelId`.
#[must_use]
pub fn train_job(
    owner: UserId,
    project: ProjectId,
    plan: TrainingPlan,
    budget: JobBudget,
    idempotency_key: Option<String>,
) -> NewJob {
    let payload = TrainPayload { model_id: ModelId::random(), plan, budget, adopted: None };
    job(JobKind::ModelTrain, owner, project, serde_json::to_value(payload), idempotency_key)
}

/// The job that adopts a model. Its result has the `modelId`.
#[must_use]
pub fn adopt_job(owner: UserId, project: ProjectId, request: AdoptRequest, idempotency_key: Option<String>) -> NewJob {
    let AdoptRequest { model_id, plan, adopted, budget } = request;
    let payload = TrainPayload { model_id, plan, budget, adopted: Some(adopted) };
    job(JobKind::ModelTrain, owner, project, serde_json::to_value(payload), idempotency_key)
}

/// The job that evaluates a model.
#[must_use]
pub fn evaluate_job(owner: UserId, project: ProjectId, model: ModelId, budget: JobBudget) -> NewJob {
    let payload = EvaluatePayload { model_id: model, budget };
    job(JobKind::ModelEvaluate, owner, project, serde_json::to_value(payload), None)
}

/// The job that runs a study. Its result has the `resultModelId`.
#[must_use]
pub fn tune_job(owner: UserId, project: ProjectId, request: StudyRequest) -> NewJob {
    job(JobKind::ModelTune, owner, project, serde_json::to_value(request), None)
}

fn job(
    kind: JobKind,
    owner_id: UserId,
    project: ProjectId,
    payload: serde_json::Result<Value>,
    idempotency_key: Option<String>,
) -> NewJob {
    NewJob {
        id: JobId::random(),
        kind,
        owner_id,
        project_id: Some(project),
        // Plain data always serializes; a job without payload would fail at its start and say so.
        payload: payload.unwrap_or_default(),
        attempts_max: ATTEMPTS_MAX,
        idempotency_key,
    }
}
