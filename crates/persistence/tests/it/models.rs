//! What is told of a model that is evaluated, and who may say so.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use gristmill_domain::{
    Caller, ErrorCode, JobId, ModelId, ProjectId, UserId,
    jobs::{JobError, JobKind, JobOutcome, Lease, NewJob},
    models::{EvaluationEnd, EvaluationStatus, ModelStore},
    ports::{ClaimRequest, JobStore, StoreError},
};
use gristmill_persistence::{
    Database, DatabaseOptions,
    files::LocalFiles,
    repo::{
        jobs::Jobs,
        models::{EvaluationJob, Models},
    },
};
use gristmill_testkit::{job_store_suite::caller_for, pg::TestDatabase};
use serde_json::json;

use crate::seeds;

/// A model of a user.
struct Lab {
    models: Models,
    jobs: Jobs,
    caller: Caller,
    project: ProjectId,
    model: ModelId,
    _files: tempfile::TempDir,
    // Last: it is dropped when nobody is connected any more.
    test: TestDatabase,
}

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

async fn lab() -> Lab {
    let test = TestDatabase::create().await.unwrap();
    let client = test.client().await.unwrap();
    let (user, project) = seeds::project(&client).await;
    let model = seeds::model(&client, project).await;
    let database = Database::connect(&DatabaseOptions::new(test.url().clone())).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let files = LocalFiles::open(directory.path()).unwrap();
    let (models, jobs) = (Models::new(database.clone(), files), Jobs::new(database));
    Lab { models, jobs, caller: caller_for(user), project, model, _files: directory, test }
}

impl Lab {
    /// Asks for an evaluation.
    async fn evaluation(&self) -> JobId {
        let job = NewJob {
            id: JobId::random(),
            kind: JobKind::ModelEvaluate,
            owner_id: self.caller.user_id,
            project_id: Some(self.project),
            payload: json!({ "modelId": self.model }),
            attempts_max: 3,
            idempotency_key: None,
        };
        self.models.restart_evaluation(&self.caller, self.model, job, NOW).await.unwrap()
    }

    /// Takes the evaluation up, as a worker does.
    async fn claimed(&self) -> Lease {
        let lease = Duration::from_secs(60);
        let request = ClaimRequest { worker: "test", kinds: &[JobKind::ModelEvaluate], lease, owner_running_max: None };
        self.jobs.claim(request).await.unwrap().expect("the evaluation waits").lease
    }

    async fn begun(&self, lease: Lease) -> Result<(), StoreError> {
        self.models.begin_evaluation(lease, self.caller.user_id, self.model, NOW).await.map(drop)
    }

    async fn told(&self) -> (EvaluationStatus, Option<EvaluationJob>) {
        let (model, job) = self.models.find_evaluated(&self.caller, self.model).await.unwrap();
        (model.evaluation_status, job)
    }

    async fn sql(&self, sql: &str) {
        self.test.client().await.unwrap().batch_execute(sql).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_read_with_what_became_of_its_evaluation() {
    let lab = lab().await;
    assert_eq!(lab.told().await, (EvaluationStatus::Pending, None));
    let first = lab.evaluation().await;
    assert_eq!(lab.told().await, (EvaluationStatus::Pending, Some(EvaluationJob::Open)));
    lab.jobs.request_cancel(&lab.caller, first).await.unwrap();
    assert_eq!(lab.told().await, (EvaluationStatus::Pending, Some(EvaluationJob::Ended(None))));
    lab.evaluation().await;
    let lease = lab.claimed().await;
    lab.begun(lease).await.unwrap();
    assert_eq!(lab.told().await, (EvaluationStatus::Computing, Some(EvaluationJob::Open)));
    let error = JobError::new(ErrorCode::JobFailed, "its workers died");
    lab.jobs.finish(lease, JobOutcome::Failed(error.clone()), Duration::ZERO).await.unwrap();
    assert_eq!(lab.told().await, (EvaluationStatus::Computing, Some(EvaluationJob::Ended(Some(error)))));
    lab.sql("delete from jobs").await;
    assert_eq!(lab.told().await, (EvaluationStatus::Computing, Some(EvaluationJob::Gone)));
    let foreign = lab.models.find_evaluated(&caller_for(UserId::random()), lab.model).await;
    assert!(matches!(foreign, Err(StoreError::NotFound)), "{foreign:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lost_its_lease_begins_no_evaluation() {
    let lab = lab().await;
    lab.evaluation().await;
    let late = lab.claimed().await;
    // It is taken for dead, and another worker does its work.
    lab.sql("update jobs set lease_expires_at = now() - interval '1 second'").await;
    let lease = lab.claimed().await;
    lab.begun(lease).await.unwrap();
    let end = EvaluationEnd::Ready { storage: "evaluation-1".to_owned(), metrics: BTreeMap::new() };
    let outcome = JobOutcome::Succeeded(json!({}));
    lab.models.finish_evaluation(lease, lab.caller.user_id, lab.model, end, outcome, NOW).await.unwrap();
    let begun = lab.begun(late).await;
    assert!(matches!(begun, Err(StoreError::LeaseLost)), "{begun:?}");
    assert_eq!(lab.told().await, (EvaluationStatus::Ready, Some(EvaluationJob::Ended(None))));
}
