//! [`JobKind::ModelTune`]: a study, and the training of what it found.

use std::time::Duration;

use async_trait::async_trait;
use gristmill_domain::{
    ErrorCode, ProjectId,
    jobs::{JobError, JobKind, JobOutcome},
    models::StudyEnd,
};
use gristmill_jobs::{JobContext, JobHandler, JobVerdict};
use serde_json::json;

use super::{
    Workshop, failed, log_failure, not_stored, passing, payload as read_payload,
    payload::StudyRequest,
    reporting,
    train::{Storing, store},
    was_cancelled,
};
use crate::{
    error::ModelingError,
    train::{Training, train},
    tune::{Found, Study, tune, tuned_plan},
};

/// Runs studies.
#[derive(Debug)]
pub struct TuneHandler {
    workshop: Workshop,
}

impl TuneHandler {
    /// A handler.
    #[must_use]
    pub fn new(workshop: Workshop) -> Self {
        Self { workshop }
    }

    async fn search(
        &self,
        context: &JobContext,
        request: &StudyRequest,
        project: ProjectId,
    ) -> Result<JobVerdict, ModelingError> {
        let workshop = &self.workshop;
        let job = context.job();
        let work = workshop.engine.work_directory(job.id, context.lease().epoch).await?;
        let plan = &request.plan;
        let dataset = workshop.places.dataset(job.owner_id, project, plan.dataset_id, plan.dataset_version);
        let origin = workshop.places.origin(job.owner_id, project, plan.dataset_id, plan.dataset_version);
        let of = |plan| Training {
            id: request.model_id,
            project,
            plan,
            dataset: dataset.clone(),
            origin: origin.clone(),
            budget: request.budget.into(),
        };
        let study = Study {
            training: of(plan),
            trials: request.trials,
            metric: &request.metric,
            timeout: Duration::from_millis(request.timeout_ms),
            sampler: &request.sampler,
            journal: workshop
                .places
                .model(project, request.source_model_id)
                .join("studies")
                .join(format!("{}.journal", request.study_id)),
        };
        let (reporter, write) = reporting(context);
        let searching = async {
            let found = tune(&workshop.engine, &work, &study, context.stop_token(), reporter.as_ref()).await;
            drop(reporter);
            found
        };
        let (found, ()) = tokio::join!(searching, write);
        let found = found?;
        if found.status == "cancelled" || context.stop_token().is_cancelled() {
            return Err(ModelingError::Stopped);
        }
        let tuned = tuned_plan(plan, request.name.clone(), &found.best_parameters);
        let (reporter, write) = reporting(context);
        let model = of(&tuned);
        let training = async {
            let later = |stage: &str, fraction: f64, event: &serde_json::Value| reporter(stage, 0.8 + 0.2 * fraction, event);
            let trained = train(&workshop.engine, &work, &model, context.stop_token(), &later).await;
            drop(reporter);
            trained
        };
        let (trained, ()) = tokio::join!(training, write);
        let mut trained = trained?;
        trained.model.metadata.insert("tuning".to_owned(), tuning_of(request, &found));
        let result = json!({
            "resultModelId": request.model_id, "best_value": found.best_value, "best_params": found.best_parameters,
            "optimization_history": found.history,
        });
        let storing = Storing {
            trained,
            study: Some(StudyEnd {
                id: request.study_id,
                best_trial: found.best_trial,
                best_value: found.best_value,
                best_parameters: Some(found.best_parameters),
                error: None,
            }),
            budget: request.budget,
            outcome: JobOutcome::Succeeded(result),
        };
        store(workshop, context, storing).await
    }

    async fn fail(&self, context: &JobContext, request: &StudyRequest, reason: String, outcome: JobOutcome) -> JobVerdict {
        if context.events().flush().await.is_err() {
            return JobVerdict::Stopped;
        }
        let end =
            StudyEnd { id: request.study_id, best_trial: None, best_value: None, best_parameters: None, error: Some(reason) };
        match self.workshop.store.fail_study(context.lease(), end, outcome, self.workshop.clock.now()).await {
            Ok(()) => JobVerdict::Recorded,
            Err(error) => not_stored(context, &error),
        }
    }
}

fn tuning_of(request: &StudyRequest, found: &Found) -> serde_json::Value {
    json!({
        "studyId": request.study_id, "sourceModelId": request.source_model_id, "nTrials": found.trials, "metric": request.metric,
        "bestTrialNumber": found.best_trial, "bestValue": found.best_value, "optimizationHistory": found.history,
        "paramImportances": found.importances, "status": found.status,
    })
}

#[async_trait]
impl JobHandler for TuneHandler {
    fn kind(&self) -> JobKind {
        JobKind::ModelTune
    }

    async fn run(&self, context: JobContext) -> JobVerdict {
        let request: StudyRequest = match read_payload(&context) {
            Ok(request) => request,
            Err(verdict) => return verdict,
        };
        let Some(project) = context.job().project_id else { return failed(ModelingError::DatasetGone.job_error()) };
        if let Err(error) = self.workshop.store.begin_study(request.study_id).await {
            return match error {
                gristmill_domain::ports::StoreError::NotFound => {
                    failed(JobError::new(ErrorCode::ModelNotFound, "The model was deleted meanwhile"))
                }
                error => not_stored(&context, &error),
            };
        }
        let error = match Box::pin(self.search(&context, &request, project)).await {
            Ok(verdict) => return verdict,
            Err(error) => error,
        };
        if was_cancelled(&context) {
            return self.fail(&context, &request, "cancelled".to_owned(), JobOutcome::Cancelled).await;
        }
        if let Some(verdict) = passing(&context, &error) {
            return verdict;
        }
        log_failure(&context, &error);
        self.fail(&context, &request, error.public_message(), JobOutcome::Failed(error.job_error())).await
    }
}
