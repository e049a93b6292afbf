//! What jobs store while that which it belongs to is deleted. One waits for the other, never both.

use std::time::Duration;

use chrono::{DateTime, Utc};
use gristmill_domain::{
    Caller, DatasetId, DocumentId, JobId, ModelId, ProjectId,
    datasets::{FileType, IngestReport},
    documents::{DocumentChunk, DocumentCreate, DocumentFormat, TextSpan},
    identity::AccountStore,
    jobs::{JobKind, JobOutcome, Lease, NewJob},
    models::{ModelStore, NewModel, TrainingEnd},
    ports::{ClaimRequest, JobStore, StoreError},
};
use gristmill_persistence::{
    Database, DatabaseOptions,
    files::LocalFiles,
    repo::{
        datasets::{DatasetContent, DatasetCreate, Datasets},
        documents::Documents,
        identity::Identity,
        jobs::Jobs,
        models::Models,
        projects::Projects,
    },
};
use gristmill_testkit::{job_store_suite::caller_for, pg::TestDatabase};
use serde_json::{Map, json};
use tokio::task::JoinSet;

use crate::{
    seeds,
    waits::{until_one_waits_behind_another, until_waiting},
};

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// What a job stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Dataset,
    Document,
    Model,
}

/// What it belongs to.
#[derive(Debug, Clone, Copy)]
enum Deleted {
    Project,
    Owner,
}

const CASES: [(Made, Deleted); 6] = [
    (Made::Dataset, Deleted::Project),
    (Made::Dataset, Deleted::Owner),
    (Made::Document, Deleted::Project),
    (Made::Document, Deleted::Owner),
    (Made::Model, Deleted::Project),
    (Made::Model, Deleted::Owner),
];

impl Made {
    /// Where whoever stores it is stopped, once the first locks are taken.
    fn stops_at(self) -> &'static str {
        match self {
            // They end their job before they store.
            Self::Dataset | Self::Model => "job_events",
            Self::Document => "document_chunks",
        }
    }
}

/// A project whose jobs store something.
struct Shop {
    caller: Caller,
    project: ProjectId,
    database: Database,
    models: Models,
    /// A model to be stored.
    model: NewModel,
    _files: tempfile::TempDir,
    // Last: it is dropped when nobody is connected any more.
    test: TestDatabase,
}

async fn shop() -> Shop {
    let test = TestDatabase::create().await.unwrap();
    let client = test.client().await.unwrap();
    let (user, project) = seeds::project(&client).await;
    let model = seeds::model(&client, project).await;
    let database = Database::connect(&DatabaseOptions::new(test.url().clone())).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let models = Models::new(database.clone(), LocalFiles::open(directory.path()).unwrap());
    let caller = caller_for(user);
    let model = NewModel { id: ModelId::random(), ..models.find(&caller, model).await.unwrap().made };
    Shop { caller, project, database, models, model, _files: directory, test }
}

impl Shop {
    /// A job that a worker has begun.
    async fn job(&self) -> Lease {
        let jobs = Jobs::new(self.database.clone());
        let job = NewJob {
            id: JobId::random(),
            kind: JobKind::Probe,
            owner_id: self.caller.user_id,
            project_id: Some(self.project),
            payload: json!({}),
            attempts_max: 1,
            idempotency_key: None,
        };
        jobs.submit(job).await.unwrap();
        let lease = Duration::from_secs(60);
        let request = ClaimRequest { worker: "test", kinds: &[JobKind::Probe], lease, owner_running_max: None };
        jobs.claim(request).await.unwrap().unwrap().lease
    }

    /// Stores what the job made, as its worker does.
    fn store(&self, made: Made, lease: Lease) -> JoinSet<Result<(), StoreError>> {
        let (database, owner, project) = (self.database.clone(), self.caller.user_id, self.project);
        let mut storing = JoinSet::new();
        match made {
            Made::Dataset => {
                let datasets = Datasets::new(database);
                storing.spawn(async move { datasets.create_from_job(lease, owner, dataset(project), NOW).await.map(drop) });
            }
            Made::Document => {
                let documents = Documents::new(database);
                storing.spawn(async move { documents.create_from_job(lease, owner, document(project), NOW).await.map(drop) });
            }
            Made::Model => {
                let (models, model) = (self.models.clone(), self.model.clone());
                let outcome = JobOutcome::Succeeded(json!({}));
                let end = TrainingEnd { model, study: None, evaluation: None, outcome };
                storing.spawn(async move { models.create_from_job(lease, owner, end, NOW).await.map(drop) });
            }
        }
        storing
    }

    fn delete(&self, deleted: Deleted) -> JoinSet<Result<(), StoreError>> {
        let (database, caller, project) = (self.database.clone(), self.caller.clone(), self.project);
        let mut deletion = JoinSet::new();
        match deleted {
            Deleted::Project => deletion.spawn(async move { Projects::new(database).delete(&caller, project).await }),
            Deleted::Owner => deletion.spawn(async move { Identity::new(database).delete_account(caller.user_id).await }),
        };
        deletion
    }

    async fn client(&self) -> tokio_postgres::Client {
        self.test.client().await.unwrap()
    }
}

fn dataset(project: ProjectId) -> DatasetCreate {
    let content = DatasetContent {
        row_count: 0,
        columns: Vec::new(),
        key_sketches: Vec::new(),
        sample: Vec::new(),
        ingest: IngestReport::default(),
        eda: None,
        derived_bytes: 1,
    };
    DatasetCreate {
        id: DatasetId::random(),
        project_id: Some(project),
        filename: "a.csv".to_owned(),
        file_type: FileType::Csv,
        size_bytes: 1,
        metadata: Map::new(),
        content,
    }
}

fn document(project: ProjectId) -> DocumentCreate {
    let span = TextSpan { start: 0, end: 5 };
    DocumentCreate {
        id: DocumentId::random(),
        project_id: Some(project),
        filename: "a.txt".to_owned(),
        format: DocumentFormat::Text,
        media_type: "text/plain".to_owned(),
        size_bytes: 5,
        text_length: 5,
        page_count: None,
        parse_warning: None,
        chunks: vec![DocumentChunk { page: None, heading: String::new(), span, text: "words".to_owned() }],
        vectors: None,
    }
}

async fn ended(mut call: JoinSet<Result<(), StoreError>>) -> Result<(), StoreError> {
    call.join_next().await.unwrap().unwrap()
}

/// Fails unless both succeeded, and nothing is left.
async fn assert_both_done(
    case: (Made, Deleted),
    observer: &tokio_postgres::Client,
    storing: JoinSet<Result<(), StoreError>>,
    deletion: JoinSet<Result<(), StoreError>>,
) {
    let (stored, deleted) = (ended(storing).await, ended(deletion).await);
    assert!(stored.is_ok() && deleted.is_ok(), "{case:?}: {stored:?}, {deleted:?}");
    for table in ["projects", "jobs", "datasets", "documents", "models"] {
        let left: i64 = observer.query_one(&format!("select count(*) from {table}"), &[]).await.unwrap().get(0);
        assert_eq!(left, 0, "{case:?}: {table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_waits_for_a_job_that_stores_its_result() {
    for (made, deleted) in CASES {
        let shop = shop().await;
        let (gate, observer) = (shop.client().await, shop.client().await);
        let lease = shop.job().await;
        gate.batch_execute(&format!("begin; lock table {} in exclusive mode", made.stops_at())).await.unwrap();
        let storing = shop.store(made, lease);
        until_waiting(&observer, 1).await;
        let deletion = shop.delete(deleted);
        until_waiting(&observer, 2).await;
        // The job of a document comes last: if the deletion had it locked, this would close the circle.
        gate.batch_execute("commit").await.unwrap();
        assert_both_done((made, deleted), &observer, storing, deletion).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_waits_for_a_job_that_was_submitted_while_it_waited_for_others() {
    for (made, deleted) in CASES {
        let shop = shop().await;
        let (holder, gate, observer) = (shop.client().await, shop.client().await, shop.client().await);
        let held = match deleted {
            Deleted::Project => "projects",
            Deleted::Owner => "users",
        };
        holder.batch_execute(&format!("begin; select from {held} for key share")).await.unwrap();
        let deletion = shop.delete(deleted);
        until_waiting(&observer, 1).await;
        let lease = shop.job().await;
        gate.batch_execute(&format!("begin; lock table {} in exclusive mode", made.stops_at())).await.unwrap();
        let storing = shop.store(made, lease);
        until_waiting(&observer, 2).await;
        holder.batch_execute("commit").await.unwrap();
        until_one_waits_behind_another(&observer).await;
        // Had the job locked only itself by now, the deletion would hold what it needs next.
        gate.batch_execute("commit").await.unwrap();
        assert_both_done((made, deleted), &observer, storing, deletion).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_comes_behind_the_deletion_of_its_project_stores_nothing() {
    for made in [Made::Dataset, Made::Model] {
        let shop = shop().await;
        let (holder, observer) = (shop.client().await, shop.client().await);
        holder.batch_execute("begin; select from projects for no key update").await.unwrap();
        let deletion = shop.delete(Deleted::Project);
        until_waiting(&observer, 1).await;
        let lease = shop.job().await;
        let storing = shop.store(made, lease);
        until_waiting(&observer, 2).await;
        holder.batch_execute("commit").await.unwrap();
        ended(deletion).await.unwrap();
        let refused = ended(storing).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{made:?}: {refused:?}");
    }
}
