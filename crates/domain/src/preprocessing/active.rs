//! Which dataset a run works on.

use chrono::{DateTime, Utc};

use crate::DatasetId;

use super::{Happening, PrepEventKind, PrepRun};

/// Works on this dataset from now on.
pub fn set_active_dataset(run: &mut PrepRun, dataset: DatasetId, now: DateTime<Utc>) {
    if run.active_dataset_id != Some(dataset) {
        run.active_dataset_id = Some(dataset);
        run.record(Happening::of(PrepEventKind::ActiveDatasetSet).dataset(dataset), now);
    }
}

/// Follows a person to another dataset. As long as the person stays with one, the run stays with what it has made of it.
pub fn see_dataset(run: &mut PrepRun, chosen: DatasetId, now: DateTime<Utc>) {
    if run.seen_dataset_id != Some(chosen) {
        run.seen_dataset_id = Some(chosen);
        run.updated_at = now;
        set_active_dataset(run, chosen, now);
    }
}

/// Notes that a dataset comes from this run.
pub fn register_derived(run: &mut PrepRun, dataset: DatasetId, now: DateTime<Utc>) {
    if !run.derived_dataset_ids.contains(&dataset) {
        run.derived_dataset_ids.push(dataset);
        run.updated_at = now;
    }
}
