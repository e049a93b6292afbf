//! Documents in a real PostgreSQL, and a model that needs no weights.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use gristmill_documents::{
    ChunkOptions, EmbedError, Embedder, ParseLimits, Payer, Search, SearchOptions, TextKind, Texts, embed_chunks, parse, split,
};
use gristmill_domain::{
    Caller, Clock as _, DocumentId, JobId, ProjectId, SystemClock, UserId,
    documents::DocumentCreate,
    jobs::{JobKind, NewJob},
    ports::{ClaimRequest, JobStore},
};
use gristmill_persistence::{
    Database, DatabaseOptions,
    repo::{documents::Documents, jobs::Jobs},
};
use gristmill_testkit::{job_store_suite::caller_for, pg::TestDatabase};

/// A database with users, projects and documents.
pub(crate) struct Library {
    pub(crate) documents: Documents,
    jobs: Jobs,
    database: TestDatabase,
}

impl Library {
    pub(crate) async fn open() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let pool = Database::connect(&DatabaseOptions::new(database.url().clone())).await.unwrap();
        Self { documents: Documents::new(pool.clone()), jobs: Jobs::new(pool), database }
    }

    pub(crate) async fn user(&self) -> (Caller, ProjectId) {
        let (user, project) = (UserId::random(), ProjectId::random());
        let sql = format!(
            "insert into users (user_id, email, password_hash, name, email_verified) values ('{user}', '{user}@example.org', '', 'A', true);
             insert into projects (project_id, owner_id, name, icon, color, metadata) values ('{project}', '{user}', 'P', 'i', 'c', '{{}}')"
        );
        self.database.client().await.unwrap().batch_execute(&sql).await.unwrap();
        (caller_for(user), project)
    }

    /// Reads and stores a document as the server does.
    pub(crate) async fn add(
        &self,
        (caller, project): (&Caller, ProjectId),
        filename: &str,
        bytes: &[u8],
        embedder: Option<&dyn Embedder>,
    ) -> DocumentId {
        let mut create = read(project, filename, bytes);
        if let Some(embedder) = embedder {
            let payer = Payer { user: caller.user_id, project: Some(project) };
            create.vectors = Some(embed_chunks(embedder, &create.chunks, payer, &|_| {}).await.unwrap());
        }
        self.store(caller, create).await
    }

    /// Stores a document as the job does that has read it.
    pub(crate) async fn store(&self, caller: &Caller, create: DocumentCreate) -> DocumentId {
        let job = NewJob {
            id: JobId::random(),
            kind: JobKind::DocumentIngest,
            owner_id: caller.user_id,
            project_id: create.project_id,
            payload: serde_json::json!({}),
            attempts_max: 1,
            idempotency_key: None,
        };
        self.jobs.submit(job).await.unwrap();
        let lease = std::time::Duration::from_secs(60);
        let request = ClaimRequest { worker: "test", kinds: &[JobKind::DocumentIngest], lease, owner_running_max: None };
        let claimed = self.jobs.claim(request).await.unwrap().expect("the job that was just submitted");
        self.documents.create_from_job(claimed.lease, caller.user_id, create, SystemClock.now()).await.unwrap().id
    }

    /// Lets the time run out of all claims of documents for vectors.
    pub(crate) async fn end_claims(&self) {
        let sql = "update vector_work set claimed_until = now() - interval '1 second' where claim is not null";
        self.database.client().await.unwrap().batch_execute(sql).await.unwrap();
    }

    /// Does something while somebody else is about to claim a document.
    pub(crate) async fn while_claimed<T>(&self, id: DocumentId, work: impl Future<Output = T>) -> T {
        let claims = self.database.client().await.unwrap();
        let sql = format!("begin; select from documents where document_id = '{id}' for no key update");
        claims.batch_execute(&sql).await.unwrap();
        let done = work.await;
        claims.batch_execute("rollback").await.unwrap();
        done
    }

    /// What a document counts for.
    pub(crate) async fn stored_bytes(&self, id: DocumentId) -> i64 {
        let sql = format!("select stored_bytes from documents where document_id = '{id}'");
        self.database.client().await.unwrap().query_one(sql.as_str(), &[]).await.unwrap().get(0)
    }

    pub(crate) fn search(&self, embedder: Option<Arc<dyn Embedder>>) -> Search {
        Search::new(Arc::new(self.documents.clone()), embedder, SearchOptions::default())
    }
}

/// What is to be stored of a document, without vectors.
pub(crate) fn read(project: ProjectId, filename: &str, bytes: &[u8]) -> DocumentCreate {
    let parsed = parse(bytes, filename, &ParseLimits::default());
    let split = split(&parsed.blocks, ChunkOptions::default());
    DocumentCreate {
        id: DocumentId::random(),
        project_id: Some(project),
        filename: filename.to_owned(),
        format: parsed.format,
        media_type: parsed.format.media_type().to_owned(),
        size_bytes: u64::try_from(bytes.len()).unwrap(),
        text_length: split.text_length,
        page_count: parsed.page_count,
        parse_warning: parsed.warning,
        chunks: split.chunks,
        vectors: None,
    }
}

/// Vectors of the three-letter pieces of words, hashed: near when words look alike. No meaning, but no network either.
#[derive(Debug, Default)]
pub(crate) struct Spelling {
    pub(crate) calls: AtomicUsize,
    pub(crate) payers: Mutex<Vec<(TextKind, Payer)>>,
    pub(crate) fails: bool,
    /// After so many calls it fails.
    pub(crate) answers_max: Option<usize>,
    /// Another than it usually has.
    pub(crate) dimension: Option<usize>,
}

/// One for each value of a byte.
const DIMENSION: usize = 256;

#[async_trait]
impl Embedder for Spelling {
    fn model(&self) -> &str {
        "spelling-1"
    }

    async fn embed(&self, texts: Texts<'_>) -> Result<Vec<Vec<f32>>, EmbedError> {
        let earlier = self.calls.fetch_add(1, Ordering::SeqCst);
        self.payers.lock().unwrap().push((texts.kind, texts.payer));
        // Gives way once, as a call over the network would.
        tokio::task::yield_now().await;
        if self.fails || self.answers_max.is_some_and(|answers_max| earlier >= answers_max) {
            return Err(EmbedError::Unavailable("nobody is there".to_owned()));
        }
        Ok(texts.all.iter().map(|text| vector_of(text, self.dimension.unwrap_or(DIMENSION))).collect())
    }
}

/// Zeros for a text without words.
fn vector_of(text: &str, dimension: usize) -> Vec<f32> {
    let mut vector = vec![0.0; dimension];
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2) {
        let padded: Vec<char> = format!("^{word}$").chars().collect();
        for piece in padded.windows(4) {
            let hash = piece
                .iter()
                .fold(14_695_981_039_346_656_037_u64, |hash, c| (hash ^ u64::from(*c)).wrapping_mul(1_099_511_628_211));
            let [place, sign, ..] = hash.to_be_bytes();
            vector[usize::from(place) % dimension] += if sign & 1 == 0 { 1.0 } else { -1.0 };
        }
    }
    vector
}
