//! Removes files whose rows are gone, in the background, until none is left.

use std::{sync::Arc, time::Duration};

use gristmill_persistence::{files::LocalFiles, repo::file_deletions::FileDeletions};
use tokio::sync::Notify;

/// How long a failed removal, or one that another process queued, may wait.
const INTERVAL: Duration = Duration::from_secs(30);
/// Entries read at once.
const BATCH: u32 = 100;

/// Wakes the cleaner. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct FileCleaner {
    wake: Arc<Notify>,
}

impl FileCleaner {
    /// Tells the cleaner that something was deleted. Forgetting to is harmless: it looks by itself.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Cleans for ever. Run it in a task that is aborted at shutdown: an interrupted removal is repeated.
    pub async fn run(&self, queue: &FileDeletions, files: &LocalFiles) {
        loop {
            if let Err(error) = clean(queue, files).await {
                tracing::warn!(error.cause = crate::error::chain(&error), "files could not be removed; trying again later");
            }
            // Either way it looks again.
            drop(tokio::time::timeout(INTERVAL, self.wake.notified()).await);
        }
    }
}

async fn clean(queue: &FileDeletions, files: &LocalFiles) -> Result<(), gristmill_domain::ports::StoreError> {
    loop {
        let entries = queue.oldest(BATCH).await?;
        let mut removed = 0;
        for entry in &entries {
            let (files, prefix) = (files.clone(), entry.prefix.clone());
            let outcome = tokio::task::spawn_blocking(move || files.remove(&prefix)).await;
            match outcome {
                Ok(Ok(())) => {
                    queue.done(entry.id).await?;
                    removed += 1;
                }
                Ok(Err(error)) => tracing::warn!(%error, prefix = entry.prefix, "files could not be removed"),
                Err(error) => tracing::error!(%error, "the removal of files panicked"),
            }
        }
        // What could not be removed stays at the head of the queue: do not turn on it without a pause.
        if removed == 0 || entries.len() < usize::try_from(BATCH).unwrap_or(usize::MAX) {
            return Ok(());
        }
    }
}
