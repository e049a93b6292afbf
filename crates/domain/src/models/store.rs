//! The port through which trainings and evaluations store what they made. One method is one transaction.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{Artifact, EvaluationStatus, Model, ModelStatus, TrainingPlan};
use crate::{
    ModelId, ProjectId, StudyId, UserId,
    jobs::{JobOutcome, Lease, NewJob},
    ports::StoreError,
};

/// What a training made, to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewModel {
    /// Identity; files are stored under it already.
    pub id: ModelId,
    /// The project that it belongs to.
    pub project_id: ProjectId,
    /// What it was asked for.
    pub plan: TrainingPlan,
    /// The library that it comes from.
    pub library: String,
    /// The class of its estimator.
    pub algorithm: String,
    /// All parameters as they were used.
    pub parameters: Map<String, Value>,
    /// Scores on the held out rows (of clustering: on all rows).
    pub metrics: BTreeMap<String, f64>,
    /// How the training ended.
    pub status: ModelStatus,
    /// How long the training took, milliseconds.
    pub training_ms: Option<u64>,
    /// The columns that it predicts from.
    pub feature_columns: Vec<String>,
    /// Rows that it was made from, test rows included.
    pub sample_count: Option<u64>,
    /// Its files.
    pub artifacts: Vec<Artifact>,
    /// Name of the directory that holds them, below the model's own.
    pub storage: String,
    /// Why the training failed.
    pub error: Option<String>,
    /// Where it comes from: seed, versions, split, column decisions, costs.
    pub metadata: Map<String, Value>,
    /// `int`, `float` or `str` of each feature.
    pub feature_types: BTreeMap<String, String>,
    /// A row as a client would send it.
    pub sample_request: Map<String, Value>,
    /// Where its evaluation stands.
    pub evaluation_status: EvaluationStatus,
    /// Name of the directory that holds its evaluation, below the model's own, once there is one.
    pub evaluation_storage: Option<String>,
    /// Why there is no evaluation.
    pub evaluation_error: Option<String>,
}

/// How an evaluation ended.
#[derive(Debug, Clone, PartialEq)]
pub enum EvaluationEnd {
    /// It is in this directory, below the model's own, and the scores are these.
    Ready {
        /// Name of the directory.
        storage: String,
        /// Scores on the held out rows.
        metrics: BTreeMap<String, f64>,
    },
    /// It gave up.
    Failed(String),
}

/// A study to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct NewStudy {
    /// Identity.
    pub id: StudyId,
    /// The model whose parameters it starts from.
    pub source: ModelId,
    /// Trials that were asked for.
    pub trials: u32,
    /// What is made better.
    pub metric: String,
}

/// How a study ended.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyEnd {
    /// Identity.
    pub id: StudyId,
    /// Number of the best trial.
    pub best_trial: Option<u32>,
    /// Its value.
    pub best_value: Option<f64>,
    /// Its parameters.
    pub best_parameters: Option<Map<String, Value>>,
    /// Why it made no model.
    pub error: Option<String>,
}

/// How a training ended, to be written in one commit.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingEnd {
    /// The model, or the record of its failure.
    pub model: NewModel,
    /// The study that it belongs to.
    pub study: Option<StudyEnd>,
    /// The job that evaluates it.
    pub evaluation: Option<NewJob>,
    /// How the training's own job ends.
    pub outcome: JobOutcome,
}

/// Models, for the jobs that make and evaluate them.
#[async_trait]
pub trait ModelStore: Send + Sync + std::fmt::Debug {
    /// Stores what a training made, submits the job that evaluates it, ends the study that it belongs to, and ends the
    /// training's own job, in one commit and only while the lease holds. The version is chosen here.
    ///
    /// # Errors
    /// `LeaseLost`; `NotFound` when the project went away meanwhile; `Unavailable`, `Defect`.
    async fn create_from_job(
        &self,
        lease: Lease,
        owner: UserId,
        end: TrainingEnd,
        now: DateTime<Utc>,
    ) -> Result<Model, StoreError>;

    /// Reads a model on behalf of the owner of a job.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    async fn find_for_job(&self, owner: UserId, id: ModelId) -> Result<Model, StoreError>;

    /// Notes that the evaluation runs, only while the lease holds.
    ///
    /// # Errors
    /// `LeaseLost`; `NotFound` when the model is gone; `Unavailable`, `Defect`.
    async fn begin_evaluation(&self, lease: Lease, owner: UserId, id: ModelId, now: DateTime<Utc>) -> Result<Model, StoreError>;

    /// Stores how an evaluation ended and ends its job, in one commit. The files of the evaluation before are queued for
    /// removal.
    ///
    /// # Errors
    /// `LeaseLost`; `NotFound` when the model went away meanwhile; `Unavailable`, `Defect`.
    async fn finish_evaluation(
        &self,
        lease: Lease,
        owner: UserId,
        id: ModelId,
        end: EvaluationEnd,
        outcome: JobOutcome,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// Notes that a study runs.
    ///
    /// # Errors
    /// `NotFound` when the study is gone; `Unavailable`, `Defect`.
    async fn begin_study(&self, id: StudyId) -> Result<(), StoreError>;

    /// Ends a study that made no model, with its job.
    ///
    /// # Errors
    /// `LeaseLost`, `Unavailable`, `Defect`.
    async fn fail_study(&self, lease: Lease, end: StudyEnd, outcome: JobOutcome, now: DateTime<Utc>) -> Result<(), StoreError>;
}
