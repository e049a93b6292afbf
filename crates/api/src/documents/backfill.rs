//! Vectors that documents could not get when they were uploaded: they were too large to wait for, the model did not answer,
//! or there was none, or another. One document after the other, in the background, in the name of whose it is; each block of
//! vectors is stored when it comes, so that nothing is paid for twice.

use std::{future::Future, time::Duration};

use gristmill_documents::{BLOCK_CHUNKS, EmbedError, EmbeddedBlock, Embedder, Payer, embed_block};
use gristmill_domain::{UserId, ports::StoreError};
use gristmill_persistence::repo::documents::{Documents, VectorClaim, VectorsKept};
use tokio::{sync::Notify, time::MissedTickBehavior};

/// How often documents without vectors are looked for, beside when one is stored.
const INTERVAL: Duration = Duration::from_mins(10);
/// Between two blocks, so that what people wait for comes first.
const PAUSE: Duration = Duration::from_millis(50);
/// How often a claim is renewed while the model takes its time: a few times before it runs out.
const RENEWAL: Duration = Duration::from_secs(30);
/// How long a document is left alone that the model refused once; twice as long after each further time.
const RETRY_FIRST: Duration = Duration::from_mins(15);
const RETRY_MAX: Duration = Duration::from_hours(24);
/// Users in a row for whom the model does not answer: then it answers nobody.
const SILENCES_MAX: usize = 3;
/// How often a model may change the length of its vectors while it makes those of one document.
const RESTARTS_MAX: usize = 1;

/// Gives documents vectors that have none.
#[derive(Debug, Default)]
pub struct Backfill {
    wanted: Notify,
}

impl Backfill {
    /// A document was stored that can get its vectors now.
    pub fn wake(&self) {
        self.wanted.notify_one();
    }

    /// Gives vectors for ever. Run it in a task that is dropped at shutdown: what is not stored then is done by whoever
    /// claims the document next.
    pub async fn run(&self, documents: &Documents, embedder: &dyn Embedder) {
        loop {
            match round(documents, embedder).await {
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
async fn round(documents: &Documents, embedder: &dyn Embedder) -> Result<u64, StoreError> {
    let (mut done, mut silences) = (0, 0);
    // For this round: the model does not answer, or not for them.
    let mut left_out: Vec<UserId> = Vec::new();
    while silences < SILENCES_MAX {
        let Some(mut claim) = documents.claim_unembedded(embedder.model(), &left_out).await? else { break };
        match embed(documents, embedder, &mut claim).await {
            Ok(Ok(())) => {
                done += 1;
                silences = 0;
            }
            Ok(Err(error)) => {
                tracing::warn!(error.cause = %error, document.id = %claim.id, "a document has no vectors yet");
                documents.release_vector_claim(&claim, left_alone(&error, claim.failures)).await?;
                if !matches!(error, EmbedError::Refused(_)) {
                    left_out.push(claim.owner_id);
                    // One who may not ask more says nothing of the model.
                    silences += usize::from(!matches!(error, EmbedError::Unaffordable(_)));
                }
            }
            // It was deleted, or another server has it.
            Err(StoreError::NotFound | StoreError::LeaseLost) => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(done)
}

/// Gives a document the vectors that it does not have yet, block by block.
async fn embed(
    documents: &Documents,
    embedder: &dyn Embedder,
    claim: &mut VectorClaim,
) -> Result<Result<(), EmbedError>, StoreError> {
    let payer = Payer { user: claim.owner_id, project: claim.project_id };
    let mut restarts = 0;
    loop {
        let chunks = documents.list_chunks(claim.id, claim.chunks_done, BLOCK_CHUNKS).await?;
        if chunks.is_empty() {
            return Err(StoreError::NotFound);
        }
        let block = match held(documents, claim, embed_block(embedder, &chunks, payer)).await {
            Ok(block) => block,
            Err(error) => return Ok(Err(error)),
        };
        let EmbeddedBlock { bytes, dimension } = block;
        match documents.keep_vectors(claim, bytes, dimension).await? {
            VectorsKept::Complete => return Ok(Ok(())),
            VectorsKept::More => {}
            VectorsKept::StartsAnew if restarts < RESTARTS_MAX => restarts += 1,
            VectorsKept::StartsAnew => {
                return Ok(Err(EmbedError::Malformed("vectors of a different length each time".to_owned())));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Keeps a claim while a model works.
async fn held<T>(documents: &Documents, claim: &VectorClaim, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut renewals = tokio::time::interval(RENEWAL);
    renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once, and the claim is fresh.
    renewals.tick().await;
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = renewals.tick() => {
                // Whether it is still held shows when the vectors are stored.
                if let Err(error) = documents.renew_vector_claim(claim).await {
                    tracing::warn!(error.cause = crate::error::chain(&error), "a claim of a document was not renewed");
                }
            }
        }
    }
}

/// How long a document is left alone: not when the model was only away, or had no room for its owner.
fn left_alone(error: &EmbedError, failures: u32) -> Option<Duration> {
    match error {
        EmbedError::Unavailable(_) | EmbedError::Unaffordable(_) => None,
        EmbedError::Refused(_) | EmbedError::Malformed(_) => {
            Some(RETRY_FIRST.saturating_mul(2_u32.saturating_pow(failures)).min(RETRY_MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_documents_are_tried_again_later_and_later() {
        let refused = EmbedError::Refused("no".to_owned());
        let minutes = |failures| left_alone(&refused, failures).map(|pause| pause.as_secs() / 60);
        assert_eq!([0, 1, 2, 6, 7, 40, u32::MAX].map(minutes), [15, 30, 60, 960, 1440, 1440, 1440].map(Some));
        for passing in [EmbedError::Unavailable(String::new()), EmbedError::Unaffordable(String::new())] {
            assert_eq!(left_alone(&passing, 9), None);
        }
    }
}
