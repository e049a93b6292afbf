//! The disk quota of users: asked before something is stored that they keep.

use gristmill_domain::{Caller, ErrorCode, ProjectId, ports::StoreError};
use gristmill_persistence::repo::quota::QUOTA;

use crate::{
    error::{ApiError, ApiResult},
    state::AppState,
};

/// Checks that a project is the caller's, if one is named, and that `more_bytes` fit into the caller's quota.
///
/// # Errors
/// 404 for a project that is not the caller's, 413 over the quota.
pub async fn check_room(state: &AppState, caller: &Caller, project: Option<ProjectId>, more_bytes: u64) -> ApiResult<()> {
    let quota = state.config.ingest.user_disk_bytes_max;
    let checked = state.datasets.check_room(caller, project, more_bytes, quota).await;
    checked.map_err(|error| match error {
        StoreError::Conflict(what) if what == QUOTA => quota_used_up(state),
        other => ApiError::store(ErrorCode::ProjectNotFound)(other),
    })
}

/// The refusal of what does not fit.
#[must_use]
pub fn quota_used_up(state: &AppState) -> ApiError {
    let quota = state.config.ingest.user_disk_bytes_max / 1024 / 1024;
    let text = format!("Your disk quota of {quota} MB is used up; delete datasets, models or files of runs that you do not need");
    ApiError::new(ErrorCode::QuotaExceeded, text)
}
