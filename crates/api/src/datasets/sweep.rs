//! Removes files of uploads that nobody will read any more.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};
use gristmill_domain::{
    JobId,
    jobs::{Job, JobKind, JobState},
    ports::StoreError,
};
use gristmill_persistence::repo::spool::SpoolOwners;

use crate::state::AppState;

/// Younger directories may belong to uploads that are still being received, by this or another process.
const AGE_MIN: Duration = Duration::from_secs(6 * 3600);

/// Removes the spool directories of ended jobs, and those of uploads that never became a job.
pub async fn sweep_spool(state: &AppState) {
    let owners = SpoolOwners::new(state.database.clone());
    let spool = state.files.spool();
    let Ok(entries) = tokio::task::spawn_blocking(move || old_entries(spool)).await else { return };
    for (id, path) in entries {
        // When the database does not answer, nothing is removed.
        if matches!(owners.is_needed(id).await, Ok(false)) {
            tracing::info!(job.id = %id, "removing a spool directory that was left behind");
            drop(tokio::task::spawn_blocking(move || std::fs::remove_dir_all(path)).await);
        }
    }
}

/// Removes the files of datasets and documents that never came to be, because their jobs' last worker died or could not store
/// them; of jobs that ended at `since` or later.
///
/// # Errors
/// `Unavailable`, `Defect`: nothing was removed.
pub async fn sweep_uploads(state: &AppState, since: DateTime<Utc>) -> Result<(), StoreError> {
    let prefixes = SpoolOwners::new(state.database.clone()).abandoned(since).await?;
    let files = state.files.clone();
    let removed = tokio::task::spawn_blocking(move || {
        for prefix in prefixes.into_iter().filter(|prefix| files.path(prefix).exists()) {
            match files.remove(&prefix) {
                Ok(()) => tracing::info!(prefix, "removed files of an upload that came to nothing"),
                Err(error) => tracing::warn!(%error, prefix, "files of an upload that came to nothing could not be removed"),
            }
        }
    });
    // What could not be removed now, or was not because of a panic, is left for an operator: the log tells.
    drop(removed.await);
    Ok(())
}

/// Removes the spooled file of an upload that was cancelled before a worker took it: nobody else will. For a job that
/// ran, its worker has done so, and nothing is there.
pub async fn discard_cancelled(state: &AppState, job: &Job) {
    if !matches!(job.kind, JobKind::DatasetIngest | JobKind::DocumentIngest) || job.state != JobState::Cancelled {
        return;
    }
    let spool = state.files.spool_directory(job.id);
    // What cannot be removed now, the sweep removes.
    drop(tokio::task::spawn_blocking(move || std::fs::remove_dir_all(spool)).await);
}

fn old_entries(spool: PathBuf) -> Vec<(JobId, PathBuf)> {
    let entries = std::fs::read_dir(spool).into_iter().flatten().flatten();
    let old = entries.filter(|entry| {
        let changed = entry.metadata().and_then(|metadata| metadata.modified()).unwrap_or_else(|_| SystemTime::now());
        changed.elapsed().is_ok_and(|age| age > AGE_MIN)
    });
    old.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path()))).collect()
}
