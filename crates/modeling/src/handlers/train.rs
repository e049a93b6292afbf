//! [`JobKind::ModelTrain`].

use std::{collections::BTreeMap, path::Path, sync::Arc};

use async_trait::async_trait;
use gristmill_domain::{
    ErrorCode, ModelId, ProjectId, UserId,
    jobs::{JobKind, JobOutcome},
    models::{EvaluationStatus, FEATURES_FILE, Model, ModelStatus, NewModel, StudyEnd, TrainingEnd, TrainingPlan},
    ports::StoreError,
};
use gristmill_jobs::{JobContext, JobHandler, JobVerdict};
use serde_json::{Map, json};

use super::{
    Workshop, discard, failed, log_failure, not_stored, passing, payload as read_payload,
    payload::{Adopted, JobBudget, TrainPayload, evaluate_job},
    reporting, was_cancelled,
};
use crate::{
    adopt::{Adoption, adopt},
    engine::off_thread,
    error::ModelingError,
    results,
    templates::Catalogue,
    train::{Trained, Training, put_in_place, train},
};

/// Trains models.
#[derive(Debug)]
pub struct TrainHandler {
    workshop: Workshop,
}

impl TrainHandler {
    /// A handler.
    #[must_use]
    pub fn new(workshop: Workshop) -> Self {
        Self { workshop }
    }

    /// Takes up a model that a notebook made. One that cannot be taken up leaves nothing behind.
    async fn adopt(
        &self,
        context: &JobContext,
        payload: &TrainPayload,
        adopted: &Adopted,
        project: ProjectId,
    ) -> Result<JobVerdict, ModelingError> {
        let workshop = &self.workshop;
        let job = context.job();
        let work = workshop.engine.work_directory(job.id, context.lease().epoch).await?;
        let plan = &payload.plan;
        let dataset = workshop.places.dataset(job.owner_id, project, plan.dataset_id, plan.dataset_version);
        let origin = workshop.places.origin(job.owner_id, project, plan.dataset_id, plan.dataset_version);
        let staging = workshop.engine.staging(payload.model_id).await?;
        let budget = payload.budget.into();
        let training = Training { id: payload.model_id, project, plan, dataset, origin, budget };
        let adoption = Adoption { training, adopted, staging };
        let (reporter, write) = reporting(context);
        let adopting = async {
            let done = adopt(&workshop.engine, &work, &adoption, context.stop_token(), reporter.as_ref()).await;
            drop(reporter);
            done
        };
        let (trained, ()) = tokio::join!(adopting, write);
        let result = json!({ "modelId": payload.model_id });
        let end = Storing { trained: trained?, study: None, budget: payload.budget, outcome: JobOutcome::Succeeded(result) };
        store(workshop, context, end).await
    }

    async fn run_adoption(
        &self,
        context: &JobContext,
        payload: &TrainPayload,
        adopted: &Adopted,
        project: ProjectId,
    ) -> JobVerdict {
        let verdict = match Box::pin(self.adopt(context, payload, adopted, project)).await {
            Ok(verdict) => verdict,
            Err(error) => match passing(context, &error) {
                Some(verdict) => verdict,
                None => {
                    log_failure(context, &error);
                    failed(error.job_error())
                }
            },
        };
        let is_over = match &verdict {
            JobVerdict::Recorded => true,
            // What is tried again begins with the same file.
            JobVerdict::Finished(outcome) => !matches!(outcome, JobOutcome::Retry(_)),
            JobVerdict::Stopped => was_cancelled(context),
        };
        if is_over && let Ok(staging) = self.workshop.engine.staging(payload.model_id).await {
            discard(staging).await;
        }
        verdict
    }

    async fn make(&self, context: &JobContext, payload: &TrainPayload, project: ProjectId) -> Result<JobVerdict, ModelingError> {
        let workshop = &self.workshop;
        let job = context.job();
        let work = workshop.engine.work_directory(job.id, context.lease().epoch).await?;
        let dataset = workshop.places.dataset(job.owner_id, project, payload.plan.dataset_id, payload.plan.dataset_version);
        let origin = workshop.places.origin(job.owner_id, project, payload.plan.dataset_id, payload.plan.dataset_version);
        let budget = payload.budget.into();
        let training = Training { id: payload.model_id, project, plan: &payload.plan, dataset, origin, budget };
        let (reporter, write) = reporting(context);
        let training = async {
            let trained = train(&workshop.engine, &work, &training, context.stop_token(), reporter.as_ref()).await;
            drop(reporter);
            trained
        };
        let (trained, ()) = tokio::join!(training, write);
        let trained = trained?;
        let result = json!({ "modelId": payload.model_id });
        let end = Storing { trained, study: None, budget: payload.budget, outcome: JobOutcome::Succeeded(result) };
        store(workshop, context, end).await
    }
}

#[async_trait]
impl JobHandler for TrainHandler {
    fn kind(&self) -> JobKind {
        JobKind::ModelTrain
    }

    async fn run(&self, context: JobContext) -> JobVerdict {
        let payload: TrainPayload = match read_payload(&context) {
            Ok(payload) => payload,
            Err(verdict) => return verdict,
        };
        let Some(project) = context.job().project_id else { return failed(ModelingError::DatasetGone.job_error()) };
        if let Some(adopted) = &payload.adopted {
            return self.run_adoption(&context, &payload, adopted, project).await;
        }
        match Box::pin(self.make(&context, &payload, project)).await {
            Ok(verdict) => verdict,
            Err(error) => match passing(&context, &error) {
                Some(verdict) => verdict,
                None => record_failure(&self.workshop, &context, project, &payload, &error).await,
            },
        }
    }
}

/// What is to be stored, and how the job ends.
pub(super) struct Storing {
    pub(super) trained: Trained,
    pub(super) study: Option<StudyEnd>,
    pub(super) budget: JobBudget,
    pub(super) outcome: JobOutcome,
}

/// Puts a model's files in place, stores it, and submits its evaluation.
pub(super) async fn store(workshop: &Workshop, context: &JobContext, storing: Storing) -> Result<JobVerdict, ModelingError> {
    let Storing { trained, study, budget, outcome } = storing;
    let Trained { mut model, files, evaluation } = trained;
    let job = context.job();
    let epoch = context.lease().epoch;
    keep_features(workshop, job.owner_id, &mut model, &files).await?;
    let place = workshop.places.model(model.project_id, model.id);
    model.storage = format!("files-{epoch}");
    put_in_place(files, place.join(&model.storage)).await?;
    let next = match evaluation {
        Some(directory) => {
            let name = format!("evaluation-{}-{epoch}", job.id);
            put_in_place(directory, place.join(&name)).await?;
            model.evaluation_storage = Some(name);
            None
        }
        None if model.is_unscored() => None,
        None => Some(evaluate_job(job.owner_id, model.project_id, model.id, budget).following(job)),
    };
    if context.events().flush().await.is_err() {
        return Ok(JobVerdict::Stopped);
    }
    let mine = place.join(&model.storage);
    let end = TrainingEnd { model, study, evaluation: next, outcome };
    match workshop.store.create_from_job(context.lease(), job.owner_id, end, workshop.clock.now()).await {
        Ok(_) => Ok(JobVerdict::Recorded),
        Err(error) => {
            // Whoever has the lease now works with files of its own.
            discard(mine).await;
            Ok(not_stored(context, &error))
        }
    }
}

/// Keeps with a model what makes its columns, so that it can be served without its dataset.
async fn keep_features(workshop: &Workshop, owner: UserId, model: &mut NewModel, files: &Path) -> Result<(), ModelingError> {
    let places = Arc::clone(&workshop.places);
    let (project, dataset, version) = (model.project_id, model.plan.dataset_id, model.plan.dataset_version);
    let (columns, target) = (model.feature_columns.clone(), files.join(FEATURES_FILE));
    let keeping = off_thread("keeping a model's features", move || {
        let text = places.features(owner, project, dataset, version, &columns);
        let text = text.map_err(ModelingError::io("reading the features of a dataset"))?;
        text.map(|text| results::write(&target, &text)).transpose()
    });
    model.artifacts.extend(keeping.await?);
    Ok(())
}

/// Stores the record of a training that cannot succeed, and ends its job.
async fn record_failure(
    workshop: &Workshop,
    context: &JobContext,
    project: ProjectId,
    payload: &TrainPayload,
    error: &ModelingError,
) -> JobVerdict {
    log_failure(context, error);
    let says_something = !matches!(error.code(), ErrorCode::Internal | ErrorCode::RuntimeUnavailable | ErrorCode::DiskFull);
    if !says_something {
        return failed(error.job_error());
    }
    if context.events().flush().await.is_err() {
        return JobVerdict::Stopped;
    }
    let model = failed_model(payload.model_id, project, payload.plan.clone(), error);
    let mut outcome = error.job_error();
    // The route that waits finds the record by it.
    outcome.detail = outcome.detail.or_else(|| Some(payload.plan.template_id.clone()));
    let end = TrainingEnd { model, study: None, evaluation: None, outcome: JobOutcome::Failed(outcome) };
    let job = context.job();
    let stored: Result<Model, StoreError> =
        workshop.store.create_from_job(context.lease(), job.owner_id, end, workshop.clock.now()).await;
    match stored {
        Ok(_) => JobVerdict::Recorded,
        Err(error) => not_stored(context, &error),
    }
}

fn failed_model(id: ModelId, project: ProjectId, plan: TrainingPlan, error: &ModelingError) -> NewModel {
    let template = Catalogue::shared().find(&plan.template_id);
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let message = error.public_message();
    let mut metadata = Map::new();
    metadata.insert(
        "dataset".to_owned(),
        json!({ "datasetId": plan.dataset_id, "version": plan.dataset_version, "filename": plan.dataset_name }),
    );
    if let ModelingError::Refused { code, field, .. } = error {
        metadata.insert("failure".to_owned(), json!({ "code": code, "field": field }));
    }
    NewModel {
        id,
        project_id: project,
        library: text(template.map(|one| one.library.as_str())),
        algorithm: text(template.map(|one| one.model_class.as_str())),
        parameters: plan.parameters.clone(),
        plan,
        metrics: BTreeMap::new(),
        status: ModelStatus::Failed,
        training_ms: None,
        feature_columns: Vec::new(),
        sample_count: None,
        artifacts: Vec::new(),
        storage: String::new(),
        error: Some(message.clone()),
        metadata,
        feature_types: BTreeMap::new(),
        sample_request: Map::new(),
        evaluation_status: EvaluationStatus::Failed,
        evaluation_storage: None,
        evaluation_error: Some(message),
    }
}
