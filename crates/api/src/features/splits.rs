//! Which rows target encodings must not learn from: those that models are tested on.

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
};

use gristmill_domain::{
    Caller, DatasetId, ErrorCode, UserId,
    datasets::{ColumnProfile, ColumnType, Dataset, ROW_ID_COLUMN},
    models::{DeclaredSplit, SEED_DEFAULT, Split, SplitKind, TEST_SIZE_DEFAULT},
};
use gristmill_modeling::{ModelingError, held_out_ids};
use gristmill_persistence::files::{DatasetFiles, LocalFiles};
use serde::{Deserialize, Serialize};

use super::request::FeatureItem;
use crate::{
    error::{ApiError, ApiResult},
    state::AppState,
};

/// Fewest rows that are divided by class, and most classes that whole numbers can be.
const STRATIFIED_ROWS_MIN: u64 = 10;
const CLASSES_MAX: u64 = 20;

/// The split of a target that features learn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TargetSplit {
    pub(super) target: String,
    pub(super) split: Split,
}

impl TargetSplit {
    /// As it is declared for the dataset whose features have learned by it.
    pub(super) fn declared(&self, dataset: DatasetId, by: UserId, at: chrono::DateTime<chrono::Utc>) -> DeclaredSplit {
        DeclaredSplit {
            dataset_id: dataset,
            target: self.target.clone(),
            split: self.split.clone(),
            declared_at: at,
            declared_by: Some(by),
            is_learned: true,
        }
    }
}

/// The splits of all targets that features learn from: those that are declared for the dataset, else those that trainings
/// would declare. A target that a feature before makes is most likely made from another one, so that rows which are held out
/// for any target must not be learned from then.
///
/// # Errors
/// 404, 503.
pub(super) async fn target_splits(
    state: &AppState,
    caller: &Caller,
    dataset: &Dataset,
    items: &[FeatureItem],
) -> ApiResult<Vec<TargetSplit>> {
    let targets: BTreeSet<&str> = items.iter().filter_map(FeatureItem::target).collect();
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let declared = state.models.splits(caller, dataset.id).await.map_err(ApiError::store(ErrorCode::DatasetNotFound))?;
    Ok(splits_of(&targets, &declared, dataset))
}

/// The columns to be predicted, which code must not make features from: the one that the request names, else those that its
/// features name, else the one that splits are declared for. Of several of these, each may be a feature for another.
///
/// # Errors
/// 404, 503.
pub(super) async fn withheld_targets(
    state: &AppState,
    caller: &Caller,
    dataset: &Dataset,
    items: &[FeatureItem],
    asked: Option<&str>,
) -> ApiResult<Vec<String>> {
    if items.iter().all(|item| item.code.is_none()) {
        return Ok(Vec::new());
    }
    let mut targets: BTreeSet<String> = items.iter().filter_map(FeatureItem::target).map(str::to_owned).collect();
    targets.extend(asked.map(str::to_owned));
    if targets.is_empty() {
        let declared = state.models.splits(caller, dataset.id).await.map_err(ApiError::store(ErrorCode::DatasetNotFound))?;
        if let [one] = declared.as_slice() {
            targets.insert(one.target.clone());
        }
    }
    Ok(targets.into_iter().collect())
}

fn splits_of(targets: &BTreeSet<&str>, declared: &[DeclaredSplit], dataset: &Dataset) -> Vec<TargetSplit> {
    let column = |target: &str| dataset.columns.iter().find(|column| column.name == target);
    let of = |target: &str| TargetSplit {
        target: target.to_owned(),
        split: declared
            .iter()
            .find(|one| one.target == target)
            .map_or_else(|| usual(column(target), dataset.row_count), |one| one.split.clone()),
    };
    let mut splits: Vec<TargetSplit> = targets.iter().copied().map(of).collect();
    if targets.iter().copied().any(|target| column(target).is_none()) {
        let others = declared.iter().filter(|one| !targets.contains(one.target.as_str()));
        splits.extend(others.map(|one| TargetSplit { target: one.target.clone(), split: one.split.clone() }));
    }
    splits
}

/// The split that a training declares when it is asked for none. None: a column that is yet to be made.
fn usual(target: Option<&ColumnProfile>, rows: u64) -> Split {
    let has_classes = target.is_some_and(|target| match target.dtype {
        ColumnType::String | ColumnType::Boolean | ColumnType::Unknown => true,
        ColumnType::Integer => target.unique_count <= CLASSES_MAX,
        ColumnType::Float | ColumnType::Date => false,
    });
    let kind = if has_classes && rows >= STRATIFIED_ROWS_MIN { SplitKind::Stratified } else { SplitKind::Random };
    Split { kind, column: None, test_size: TEST_SIZE_DEFAULT, seed: SEED_DEFAULT }
}

/// Ids of all rows that one of the splits holds out. Rows that cannot be divided hold out nothing. Blocks.
///
/// # Errors
/// The dataset cannot be read.
pub(super) fn held_out(dataset: &Path, origin: Option<&Path>, splits: &[TargetSplit]) -> Result<HashSet<i64>, ModelingError> {
    let mut all = HashSet::new();
    for TargetSplit { target, split } in splits {
        match held_out_ids(dataset, origin, target, split) {
            Ok(ids) => all.extend(ids),
            // No model can be tested on them either.
            Err(ModelingError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// The dataset whose rows a derived dataset has, as a file beside its columns says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Origin {
    pub(super) dataset_id: DatasetId,
    pub(super) version: u32,
}

impl Origin {
    /// What the file says. `None`: there is none, or nothing that can be read.
    pub(super) fn read(files: &DatasetFiles) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(files.origin()).ok()?).ok()
    }

    pub(super) fn write(self, files: &DatasetFiles) -> std::io::Result<()> {
        std::fs::write(files.origin(), serde_json::to_vec(&self)?)
    }
}

/// Notes of a dataset that kept the row numbers of its source which dataset they are of. Blocks.
pub(crate) fn pass_on_origin(files: &LocalFiles, source: &Dataset, derived: &Dataset) -> std::io::Result<()> {
    let numbers = |dataset: &Dataset| {
        let column = dataset.columns.iter().find(|column| column.name == ROW_ID_COLUMN);
        column.is_some_and(|column| column.dtype == ColumnType::Integer)
    };
    if !numbers(source) || !numbers(derived) {
        return Ok(());
    }
    let of = |dataset: &Dataset| files.dataset(dataset.owner_id, dataset.project_id, dataset.id);
    let origin = Origin::read(&of(source)).unwrap_or(Origin { dataset_id: source.id, version: source.version });
    origin.write(&of(derived))
}

/// The file of the dataset that rows come from first of all, when there is one. Blocks.
pub(crate) fn origin_of(
    files: &LocalFiles,
    owner: UserId,
    project: gristmill_domain::ProjectId,
    dataset: DatasetId,
) -> Option<PathBuf> {
    let origin = Origin::read(&files.dataset(owner, Some(project), dataset))?;
    let files = files.dataset(owner, Some(project), origin.dataset_id);
    let file = files.parquet(origin.version);
    // Where its types were changed meanwhile, a later version has the same rows.
    if file.is_file() { Some(file) } else { Some(newest(&files).unwrap_or(file)) }
}

fn newest(files: &DatasetFiles) -> Option<PathBuf> {
    let version = |entry: std::fs::DirEntry| -> Option<u32> {
        entry.file_name().to_str()?.strip_prefix('v')?.strip_suffix(".parquet")?.parse().ok()
    };
    let versions = std::fs::read_dir(files.directory()).ok()?.flatten().filter_map(version);
    versions.max().map(|version| files.parquet(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(dtype: ColumnType, unique_count: u64) -> ColumnProfile {
        ColumnProfile::of_values("y", dtype, 100, unique_count)
    }

    #[test]
    fn the_usual_split_is_the_one_of_trainings() {
        for (target, rows, kind) in [
            (column(ColumnType::String, 3), 100, SplitKind::Stratified),
            (column(ColumnType::Boolean, 2), 9, SplitKind::Random),
            (column(ColumnType::Integer, 2), 100, SplitKind::Stratified),
            (column(ColumnType::Integer, 90), 100, SplitKind::Random),
            (column(ColumnType::Float, 2), 100, SplitKind::Random),
        ] {
            let split = usual(Some(&target), rows);
            assert_eq!((split.kind, split.test_size, split.seed), (kind, 0.2, 42), "{target:?}");
        }
        assert_eq!(usual(None, 100).kind, SplitKind::Random);
    }
}
