//! Two to five models on the same held out rows: a sandbox that loads no model resamples their predictions.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use gristmill_domain::{
    JobId, ModelId,
    models::{Model, TaskType},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{Budget, Engine, off_thread},
    error::ModelingError,
    results,
    step::{Step, run},
    train::{PREDICTIONS, TEST_LABELS},
    views::{keep_rows, row_ids},
};

/// A model with the directory of its files.
#[derive(Debug)]
pub struct Compared<'a> {
    /// The model.
    pub model: &'a Model,
    /// Where its files are.
    pub files: PathBuf,
}

/// Why models have no common rows, for people; none when they may have.
#[must_use]
pub fn incomparable(models: &[&Model]) -> Option<&'static str> {
    let first = models.first()?;
    let same = |test: fn(&Model, &Model) -> bool| models.iter().all(|model| test(first, model));
    if models.iter().any(|model| model.artifacts.is_empty()) {
        return Some("a model whose training failed has no predictions");
    }
    if models.iter().any(|model| model.is_unscored()) {
        return Some("a model that the server could not score has no predictions");
    }
    if models.iter().any(|model| model.plan.task_type == TaskType::Clustering) {
        return Some("clusters have no labels to be compared on");
    }
    if !same(|one, other| one.plan.task_type == other.plan.task_type && one.plan.target == other.plan.target) {
        return Some("the models predict different things");
    }
    if !same(|one, other| one.plan.dataset_id == other.plan.dataset_id && one.plan.dataset_version == other.plan.dataset_version)
    {
        return Some("the models were trained on different data");
    }
    None
}

impl Engine {
    /// Compares models on the test rows that all of them have, with a paired bootstrap interval of each difference.
    ///
    /// # Errors
    /// `TrainingFailed` when they have no rows in common, and all that a sandbox can fail with.
    ///
    /// # Cancel safety
    /// Dropping the future ends the sandbox; nothing is stored.
    pub async fn compare(&self, models: &[Compared<'_>], budget: Budget) -> Result<Value, ModelingError> {
        let work = self.work_directory(JobId::random(), 0).await?;
        let places: Vec<(ModelId, PathBuf)> = models.iter().map(|one| (one.model.id, one.files.clone())).collect();
        let directory = work.path().to_owned();
        let labels = directory.join("labels.parquet");
        let (target, from) = (labels.clone(), places.clone());
        off_thread("finding common rows", move || common_rows(&from, &target)).await?;
        let plan = models.first().map(|one| &one.model.plan);
        let mut files = vec![(labels, "labels.parquet".to_owned())];
        let mut entries = Vec::new();
        for (number, (id, place)) in places.iter().enumerate() {
            let name = format!("predictions-{number}.parquet");
            files.push((place.join(PREDICTIONS), name.clone()));
            entries.push(json!({ "id": id, "predictions": name }));
        }
        let step = Step {
            command: "compare",
            spec: json!({
                "taskType": plan.map(|plan| plan.task_type), "target": plan.and_then(|plan| plan.target.as_deref()),
                "models": entries, "seed": plan.map(|plan| plan.split.seed),
            }),
            files,
            time: budget.time,
            memory_bytes: budget.memory_bytes,
            on_event: &|_| {},
        };
        let done = run(self, work.path(), step, &CancellationToken::new()).await?;
        let out = done.out();
        off_thread("reading a comparison", move || results::json(&out, "comparison.json")).await
    }
}

/// Writes the labels of the rows that every model was tested on. Blocks.
fn common_rows(models: &[(ModelId, PathBuf)], target: &Path) -> Result<(), ModelingError> {
    let mut common: Option<HashSet<i64>> = None;
    for (_, files) in models {
        let rows: HashSet<i64> = row_ids(&files.join(TEST_LABELS))?.into_iter().collect();
        common = Some(match common {
            Some(common) => common.intersection(&rows).copied().collect(),
            None => rows,
        });
    }
    let (common, first) = (common.unwrap_or_default(), models.first());
    let rows = match first {
        Some((_, files)) if !common.is_empty() => keep_rows(&files.join(TEST_LABELS), target, &common)?,
        _ => 0,
    };
    if rows == 0 {
        return Err(ModelingError::refused("not_comparable", "the models were tested on different rows", Some("modelIds")));
    }
    Ok(())
}
