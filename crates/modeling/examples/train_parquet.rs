//! Trains a model in sandboxes, without the server: `cargo run -p gristmill-modeling --example train_parquet`, or with the
//! path of a Parquet file and the name of the column to predict. Needs what `gristmill setup` provisions.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arrow::{
    array::{ArrayRef, Float64Array, Int64Array, StringArray},
    record_batch::RecordBatch,
};
use gristmill_domain::{
    DatasetId, ProjectId,
    models::{Split, SplitKind, TaskType, TrainingPlan},
};
use gristmill_jobs::Tasks;
use gristmill_modeling::{Budget, Engine, ModelingOptions};
use gristmill_runtime::{ProjectData, ProjectFiles, Runtime, RuntimeOptions};
use parquet::arrow::ArrowWriter;

/// No kernels here, so no datasets for them.
#[derive(Debug)]
struct NoProjects;

#[async_trait::async_trait]
impl ProjectData for NoProjects {
    async fn datasets(&self, _: ProjectId) -> Result<ProjectFiles, Box<dyn std::error::Error + Send + Sync>> {
        Err("this program has no projects".into())
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let directory = tempfile::tempdir()?;
    let (dataset, target) = match (arguments.next(), arguments.next()) {
        (Some(path), Some(target)) => (PathBuf::from(path), target),
        _ => (made_up(directory.path())?, "kind".to_owned()),
    };
    let home = std::env::home_dir().ok_or_else(|| anyhow::anyhow!("there is no home directory"))?;
    let options = RuntimeOptions::new(directory.path().to_owned(), home.join(".cache/gristmill"));
    let modeling = ModelingOptions::new(directory.path().join("work"), options.cache_dir.clone(), options.limits);
    let tasks = Tasks::new();
    let runtime = Runtime::start(options, Arc::new(NoProjects), &tasks).await;
    let engine = Engine::new(runtime, modeling, &tasks);
    let plan = TrainingPlan {
        dataset_id: DatasetId::random(),
        dataset_version: 1,
        dataset_name: dataset.display().to_string(),
        name: "An example".to_owned(),
        template_id: "random_forest_classifier".to_owned(),
        task_type: TaskType::Classification,
        target: Some(target),
        features: None,
        columns: BTreeMap::new(),
        parameters: serde_json::Map::new(),
        split: Split { kind: SplitKind::Stratified, column: None, test_size: 0.2, seed: 42 },
    };
    let budget = Budget { time: Duration::from_mins(5), memory_bytes: 2 << 30 };
    let files = directory.path().join("model");
    let stop = tokio_util::sync::CancellationToken::new();
    let model = engine.train_file(&plan, &dataset, &files, budget, &stop).await?;
    println!("{} of {} rows", model.algorithm, model.sample_count.unwrap_or(0));
    for (name, value) in &model.metrics {
        println!("  {name:20} {value:.4}");
    }
    for artifact in &model.artifacts {
        println!("  {:20} {} bytes", artifact.filename, artifact.size);
    }
    tasks.shutdown(Duration::from_secs(10)).await;
    Ok(())
}

/// A table with something to learn in it.
fn made_up(directory: &Path) -> anyhow::Result<PathBuf> {
    let rows = 0..500_i32;
    let length: ArrayRef = Arc::new(Float64Array::from_iter_values(rows.clone().map(|row| f64::from(row * 37 % 100) / 10.0)));
    let count: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| i64::from(row * 13 % 7))));
    let kind = |row: i32| if row * 37 % 100 + row * 13 % 7 * 5 > 65 { "large" } else { "small" };
    let kinds: ArrayRef = Arc::new(StringArray::from_iter_values(rows.map(kind)));
    let batch = RecordBatch::try_from_iter([("length", length), ("count", count), ("kind", kinds)])?;
    let path = directory.join("made-up.parquet");
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&path)?, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(path)
}
