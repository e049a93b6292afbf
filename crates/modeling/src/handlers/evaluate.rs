//! [`JobKind::ModelEvaluate`].

use async_trait::async_trait;
use gristmill_domain::{
    ModelId, ProjectId,
    jobs::{JobKind, JobOutcome},
    models::{EvaluationEnd, Model, ModelStatus},
};
use gristmill_jobs::{JobContext, JobHandler, JobVerdict};
use serde_json::json;

use super::{
    Workshop, discard, failed, log_failure, not_stored, passing, payload as read_payload, payload::EvaluatePayload, reporting,
    was_cancelled,
};
use crate::{
    error::ModelingError,
    evaluate::{Evaluation, evaluate},
    train::put_in_place,
};

/// Evaluates and explains models.
#[derive(Debug)]
pub struct EvaluateHandler {
    workshop: Workshop,
}

impl EvaluateHandler {
    /// A handler.
    #[must_use]
    pub fn new(workshop: Workshop) -> Self {
        Self { workshop }
    }

    async fn judge(
        &self,
        context: &JobContext,
        payload: &EvaluatePayload,
        model: &Model,
    ) -> Result<EvaluationEnd, ModelingError> {
        if model.status == ModelStatus::Failed {
            return Err(ModelingError::refused("no_model", "the training failed, so there is nothing to evaluate", None));
        }
        if let Some(reason) = model.unscored_reason() {
            return Err(ModelingError::refused("unscored", reason, None));
        }
        let workshop = &self.workshop;
        let job = context.job();
        let epoch = context.lease().epoch;
        let work = workshop.engine.work_directory(job.id, epoch).await?;
        let place = workshop.places.model(model.project_id, model.id);
        let plan = &model.plan;
        let evaluation = Evaluation {
            model,
            files: place.join(&model.storage),
            dataset: workshop.places.dataset(job.owner_id, model.project_id, plan.dataset_id, plan.dataset_version),
            origin: workshop.places.origin(job.owner_id, model.project_id, plan.dataset_id, plan.dataset_version),
            budget: payload.budget.into(),
        };
        let (reporter, write) = reporting(context);
        let evaluating = async {
            let done = evaluate(&workshop.engine, &work, &evaluation, context.stop_token(), reporter.as_ref()).await;
            drop(reporter);
            done
        };
        let (done, ()) = tokio::join!(evaluating, write);
        let done = done?;
        let storage = format!("evaluation-{}-{epoch}", job.id);
        put_in_place(done.files, place.join(&storage)).await?;
        Ok(EvaluationEnd::Ready { storage, metrics: done.metrics })
    }

    async fn finish(
        &self,
        context: &JobContext,
        model: (ProjectId, ModelId),
        end: EvaluationEnd,
        outcome: JobOutcome,
    ) -> JobVerdict {
        if context.events().flush().await.is_err() {
            return JobVerdict::Stopped;
        }
        let (project, id) = model;
        let mine = match &end {
            EvaluationEnd::Ready { storage, .. } => Some(self.workshop.places.model(project, id).join(storage)),
            EvaluationEnd::Failed(_) => None,
        };
        let owner = context.job().owner_id;
        let now = self.workshop.clock.now();
        match self.workshop.store.finish_evaluation(context.lease(), owner, id, end, outcome, now).await {
            Ok(()) => JobVerdict::Recorded,
            Err(error) => {
                if let Some(mine) = mine {
                    discard(mine).await;
                }
                not_stored(context, &error)
            }
        }
    }
}

#[async_trait]
impl JobHandler for EvaluateHandler {
    fn kind(&self) -> JobKind {
        JobKind::ModelEvaluate
    }

    async fn run(&self, context: JobContext) -> JobVerdict {
        let payload: EvaluatePayload = match read_payload(&context) {
            Ok(payload) => payload,
            Err(verdict) => return verdict,
        };
        let (lease, owner, now) = (context.lease(), context.job().owner_id, self.workshop.clock.now());
        let model = match self.workshop.store.begin_evaluation(lease, owner, payload.model_id, now).await {
            Ok(model) => model,
            Err(error) => return not_stored(&context, &error),
        };
        let about = (model.project_id, model.id);
        let error = match Box::pin(self.judge(&context, &payload, &model)).await {
            Ok(end) => {
                let outcome = JobOutcome::Succeeded(json!({ "modelId": payload.model_id }));
                return self.finish(&context, about, end, outcome).await;
            }
            Err(error) => error,
        };
        if was_cancelled(&context) {
            let end = EvaluationEnd::Failed("The evaluation was cancelled; start it again when you need it".to_owned());
            return self.finish(&context, about, end, JobOutcome::Cancelled).await;
        }
        if let Some(verdict) = passing(&context, &error) {
            return verdict;
        }
        log_failure(&context, &error);
        let end = EvaluationEnd::Failed(error.public_message());
        match self.finish(&context, about, end, JobOutcome::Failed(error.job_error())).await {
            JobVerdict::Finished(_) => failed(error.job_error()),
            verdict => verdict,
        }
    }
}
