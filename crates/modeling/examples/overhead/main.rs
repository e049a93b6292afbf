//! What a training costs over the same estimator called directly: `cargo run -p gristmill-modeling --example overhead`, with
//! numbers of rows and template ids behind `--`. Medians of five runs, all in one go. Needs what `gristmill setup` provisions.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use gristmill_domain::{
    DatasetId, ProjectId,
    execution::PythonVersion,
    models::{NewModel, Split, SplitKind, TaskType, TrainingPlan},
};
use gristmill_jobs::Tasks;
use gristmill_modeling::{Budget, Catalogue, Engine, ModelingOptions};
use gristmill_runtime::{ProjectData, ProjectFiles, Runtime, RuntimeOptions, environment};

const RUNS: usize = 5;
const TEMPLATES: [&str; 8] = [
    "logistic_regression",
    "random_forest_classifier",
    "hist_gradient_boosting_classifier",
    "lightgbm_classifier",
    "xgboost_classifier",
    "ridge_regression",
    "lightgbm_regressor",
    "random_forest_regressor",
];

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
async fn main() -> Result<()> {
    let (rows, templates): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .filter(|word| word != "--stages")
        .partition(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    let rows = if rows.is_empty() { vec!["10000".to_owned()] } else { rows };
    let templates = if templates.is_empty() { TEMPLATES.map(str::to_owned).to_vec() } else { templates };
    let directory = tempfile::tempdir()?;
    let cache = std::env::home_dir().context("a home directory")?.join(".cache/gristmill");
    let python = environment::locate(&cache, PythonVersion::default())?.interpreter();
    println!(
        "| template | rows | directly | first | ready | limit | holds | score directly / here |\n|---|---|---|---|---|---|---|---|"
    );
    for rows in rows {
        let dataset = directory.path().join(format!("{rows}.parquet"));
        script(&python, &["make", &dataset.to_string_lossy(), &rows])?;
        for template in &templates {
            let told = script(&python, &["time", &dataset.to_string_lossy(), template])?;
            let mut parts = told.trim().split('\t').skip(1);
            let direct: f64 = parts.next().context("a time")?.parse()?;
            let score: f64 = parts.next().context("a score")?.parse()?;
            let (first, mut times, own) = train(directory.path(), &cache, &dataset, template).await?;
            times.sort_by(f64::total_cmp);
            let ready = times.get(times.len() / 2).copied().context("a run")?;
            let limit = direct * 1.15 + 0.3;
            println!(
                "| {template} | {rows} | {direct:.3} s | {first:.2} s | {ready:.3} s | {limit:.3} s | {} | {score:.4} / {own:.4} |",
                if ready <= limit { "yes" } else { "**no**" },
            );
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "it is compared with a program that runs without a sandbox")]
fn script(python: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(python);
    command.env("OMP_NUM_THREADS", "1").env("OPENBLAS_NUM_THREADS", "1").args(["-c", include_str!("direct.py")]);
    let output = command.args(arguments).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The time of a first training, those of further ones that find their sandboxes ready, and the score.
async fn train(directory: &Path, cache: &Path, dataset: &Path, template: &str) -> Result<(f64, Vec<f64>, f64)> {
    let data = directory.join("data");
    let options = RuntimeOptions::new(data.clone(), cache.to_owned());
    let modeling = ModelingOptions::new(data.join("work"), options.cache_dir.clone(), options.limits);
    let tasks = Tasks::new();
    let runtime = Runtime::start(options, Arc::new(NoProjects), &tasks).await;
    while !runtime.status().ready {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let engine = Engine::new(runtime, modeling, &tasks);
    let plan = plan(template)?;
    let budget = Budget { time: Duration::from_mins(10), memory_bytes: 2 << 30 };
    let stop = tokio_util::sync::CancellationToken::new();
    let mut times = Vec::new();
    let mut model: Option<NewModel> = None;
    for number in 0..=RUNS {
        // The first finds nothing ready; for those after it, the wait is what a person takes to press a button again.
        let wanted = if number == 0 { 0 } else { 3 + usize::from(plan.task_type == TaskType::Regression) };
        while engine.ready() < wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_secs(if number == 0 { 0 } else { 8 })).await;
        let files = directory.join(format!("files-{}", uuid::Uuid::new_v4().simple()));
        let began = Instant::now();
        model = Some(engine.train_file(&plan, dataset, &files, budget, &stop).await?);
        times.push(began.elapsed().as_secs_f64());
        if std::env::args().any(|word| word == "--stages") {
            stages(&files)?;
        }
    }
    tasks.shutdown(Duration::from_secs(10)).await;
    let model = model.context("a model")?;
    let score = model.metrics.get(if plan.task_type == TaskType::Regression { "r2" } else { "accuracy" });
    Ok((times.remove(0), times, score.copied().context("a score")?))
}

#[expect(clippy::print_stderr, reason = "an example shows what it does")]
fn stages(files: &Path) -> Result<()> {
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(files.join("report.json"))?)?;
    eprintln!("{}", report.get("timing").context("a timing")?);
    Ok(())
}

fn plan(template: &str) -> Result<TrainingPlan> {
    let template = Catalogue::shared().find(template).context("no such template")?;
    let classifies = template.task_type == TaskType::Classification;
    let features = ["a", "b", "c", "d", "e", "f", "g", "h", "region", "kind"];
    Ok(TrainingPlan {
        dataset_id: DatasetId::random(),
        dataset_version: 1,
        dataset_name: "overhead".to_owned(),
        name: template.name.clone(),
        template_id: template.id.clone(),
        task_type: template.task_type,
        target: Some(if classifies { "label" } else { "score" }.to_owned()),
        features: Some(features.map(str::to_owned).to_vec()),
        columns: BTreeMap::new(),
        parameters: serde_json::Map::new(),
        split: Split {
            kind: if classifies { SplitKind::Stratified } else { SplitKind::Random },
            column: None,
            test_size: 0.2,
            seed: 42,
        },
    })
}
