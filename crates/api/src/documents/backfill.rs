//! Vectors that documents could not get when they were uploaded: they were too large to wait for, the model did not answer,
//! or there was none, or another. One document after the other, in the background, in the name of whose it is.

use std::time::Duration;

use gristmill_documents::{EmbedError, Embedder, Payer, embed_chunks};
use gristmill_domain::{DocumentId, UserId, documents::UnembeddedDocument, ports::StoreError};
use gristmill_persistence::repo::documents::Documents;
use tokio::sync::Notify;

/// How often documents without vectors are looked for, beside when one is stored.
const INTERVAL: Duration = Duration::from_mins(10);
/// Between two documents, so that what people wait for comes first.
const PAUSE: Duration = Duration::from_millis(50);
/// Documents whose vectors the model refuses are not tried again by this process; more are not remembered.
const REFUSED_MAX: usize = 1000;
/// Users in a row for whom the model does not answer: then it answers nobody.
const SILENCES_MAX: usize = 3;

/// Gives documents vectors that have none.
#[derive(Debug, Default)]
pub struct Backfill {
    wanted: Notify,
}

/// Whom to leave out.
#[derive(Debug, Default)]
struct Skipped {
    /// For ever: the model refuses them.
    documents: Vec<DocumentId>,
    /// For this round: the model does not answer, or not for them.
    owners: Vec<UserId>,
}

impl Backfill {
    /// A document was stored that can get its vectors now.
    pub fn wake(&self) {
        self.wanted.notify_one();
    }

    /// Gives vectors for ever. Run it in a task that is dropped at shutdown: what is not stored then is done again.
    pub async fn run(&self, documents: &Documents, embedder: &dyn Embedder) {
        let mut skipped = Skipped::default();
        loop {
            skipped.owners.clear();
            match round(documents, embedder, &mut skipped).await {
                Ok(0) => {}
                Ok(done) => tracing::info!(documents = done, model = embedder.model(), "documents have got vectors"),
                Err(error) => {
                    tracing::warn!(
                        error.cause = crate::error::chain(&error),
                        "documents without vectors could not be looked for"
                    );
                }
            }
            // Whoever could not be served now is served later, and no sooner: each try may cost something.
            let patience = tokio::time::sleep(INTERVAL);
            tokio::select! {
                () = patience => {}
                () = self.wanted.notified() => {}
            }
        }
    }
}

/// Every document that wants vectors and can get them, and how many those were.
async fn round(documents: &Documents, embedder: &dyn Embedder, skipped: &mut Skipped) -> Result<u64, StoreError> {
    let (mut done, mut silences) = (0, 0);
    while silences < SILENCES_MAX && skipped.documents.len() < REFUSED_MAX {
        let found = documents.find_unembedded(embedder.model(), &skipped.documents, &skipped.owners).await?;
        let Some(document) = found else { break };
        match embed(documents, embedder, document).await? {
            Ok(()) => {
                done += 1;
                silences = 0;
            }
            Err(error @ (EmbedError::Unavailable(_) | EmbedError::Malformed(_) | EmbedError::Unaffordable(_))) => {
                tracing::warn!(error.cause = %error, document.id = %document.id, "a document has no vectors yet");
                skipped.owners.push(document.owner_id);
                // One who may not ask more says nothing of the model.
                silences += usize::from(!matches!(error, EmbedError::Unaffordable(_)));
            }
            Err(error @ EmbedError::Refused(_)) => {
                tracing::warn!(error.cause = %error, document.id = %document.id, "a document gets no vectors");
                skipped.documents.push(document.id);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(done)
}

async fn embed(
    documents: &Documents,
    embedder: &dyn Embedder,
    document: UnembeddedDocument,
) -> Result<Result<(), EmbedError>, StoreError> {
    let chunks = documents.list_chunks(document.id).await?;
    if chunks.is_empty() {
        return Ok(Err(EmbedError::Refused("it was deleted meanwhile".to_owned())));
    }
    let payer = Payer { user: document.owner_id, project: document.project_id };
    let vectors = match embed_chunks(embedder, &chunks, payer, &|_| {}).await {
        Ok(vectors) => vectors,
        Err(error) => return Ok(Err(error)),
    };
    documents.set_vectors(document.id, vectors).await?;
    Ok(Ok(()))
}
