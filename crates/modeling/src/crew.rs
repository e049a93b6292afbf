//! The sandboxes of a training. They start together, each waits for its files, and what is known later is given later: the
//! model and the test rows without labels when it is fitted, the test labels and the predictions when those are made.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use gristmill_domain::models::{Artifact, MODEL_FILE, TaskType, TrainingPlan};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{Engine, WorkDirectory, off_thread},
    error::ModelingError,
    results,
    step::{Step, run_in},
    train::{
        OnStage, PREDICTIONS, TEST_FEATURES, TEST_LABELS, Training, fraction_of, is_auto, metrics_of, stage_of, training_spec,
    },
    views::ViewPlaces,
    worker::Worker,
};

/// Sandboxes of every training that has a target.
pub(crate) const COMMANDS: [&str; 3] = ["train", "predict", "score"];
const SIGNATURE: &str = "signature.json";
/// How sure a prediction interval is.
const INTERVAL_LEVEL: f64 = 0.9;

/// The sandboxes of a training.
pub(crate) struct Crew {
    train: Worker,
    /// Measures how far numbers are off, beside the training. `auto` measures it by itself.
    calibrate: Option<Worker>,
    /// Predict and score; clusters need neither.
    judges: Option<(Worker, Worker)>,
}

/// What the crew works on.
pub(crate) struct Work<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) training: &'a Training<'a>,
    pub(crate) views: &'a ViewPlaces,
    /// Where the model's files go.
    pub(crate) files: &'a Path,
    pub(crate) stop: &'a CancellationToken,
    pub(crate) on_stage: OnStage<'a>,
}

/// What came out, beside the files that the training sandbox wrote.
pub(crate) struct Worked {
    /// The model's file, as far as it was taken over.
    pub(crate) model: Option<Artifact>,
    pub(crate) metrics: BTreeMap<String, f64>,
    /// `output.interval` of the signature, or why there is none.
    pub(crate) interval: Result<Option<Value>, String>,
    /// Where the training sandbox's files are; they go with the crew.
    pub(crate) out: PathBuf,
}

impl Crew {
    /// What a training starts.
    pub(crate) fn commands(plan: &TrainingPlan) -> Vec<&'static str> {
        match plan.task_type {
            TaskType::Clustering => vec!["train"],
            TaskType::Regression if !is_auto(plan) => [&COMMANDS[..], &["calibrate"]].concat(),
            TaskType::Regression | TaskType::Classification => COMMANDS.to_vec(),
        }
    }

    /// Takes those that are ready, and starts the others.
    pub(crate) async fn gather(engine: &Engine, work: &WorkDirectory, training: &Training<'_>) -> Result<Self, ModelingError> {
        let memory_bytes = training.budget.memory_bytes;
        let commands = Self::commands(training.plan);
        let worker = |command: &'static str| {
            let needed = commands.contains(&command);
            async move {
                if !needed {
                    return Ok(None);
                }
                engine.worker(command, memory_bytes, work.path()).await.map(Some)
            }
        };
        let train = engine.worker("train", memory_bytes, work.path());
        let (train, predict, score, calibrate) =
            tokio::try_join!(train, worker("predict"), worker("score"), worker("calibrate"))?;
        Ok(Self { train, calibrate, judges: predict.zip(score) })
    }

    /// Trains, and judges the model while its other files are being made.
    pub(crate) async fn work(&self, work: &Work<'_>) -> Result<Worked, ModelingError> {
        let (fitted, is_fitted) = oneshot::channel();
        let furthest = Mutex::new(0.0);
        // Those that work beside each other would else seem to go back.
        let on_stage = |stage: &str, fraction: f64, event: &Value| {
            let mut furthest = furthest.lock().unwrap_or_else(PoisonError::into_inner);
            *furthest = fraction.max(*furthest);
            (work.on_stage)(stage, *furthest, event);
        };
        let on_stage: OnStage<'_> = &on_stage;
        let ((), judged, interval) =
            tokio::try_join!(self.train(work, on_stage, fitted), self.judge(work, on_stage, is_fitted), self.calibrate(work),)?;
        let (model, metrics) = judged.map_or((None, BTreeMap::new()), |(model, metrics)| (Some(model), metrics));
        Ok(Worked { model, metrics, interval, out: self.train.places.output() })
    }

    /// Waits until nothing of its sandboxes runs.
    pub(crate) async fn dismiss(&self) {
        let judges = self.judges.iter().flat_map(|(predict, score)| [predict, score]);
        let all = [&self.train].into_iter().chain(&self.calibrate).chain(judges);
        futures_util::future::join_all(all.map(Worker::ended)).await;
    }

    async fn train(&self, work: &Work<'_>, on_stage: OnStage<'_>, fitted: oneshot::Sender<()>) -> Result<(), ModelingError> {
        let training = work.training;
        let fitted = Mutex::new(Some(fitted));
        let tell = || {
            if let Some(fitted) = fitted.lock().unwrap_or_else(PoisonError::into_inner).take() {
                let _nobody_waits = fitted.send(());
            }
        };
        let interval = if is_auto(training.plan) { json!({ "level": INTERVAL_LEVEL }) } else { Value::Null };
        let step = Step {
            command: "train",
            spec: training_spec(training.plan, Some(json!({ "interval": interval }))),
            files: vec![(work.views.train.clone(), "train.parquet".to_owned())],
            time: training.budget.time,
            memory_bytes: training.budget.memory_bytes,
            on_event: &|event| {
                if event["type"] == "fitted" {
                    tell();
                }
                on_stage(&stage_of(event), 0.05 + 0.65 * fraction_of(event), event);
            },
        };
        run_in(work.engine, &self.train, step, work.stop).await?;
        // Were the event lost, the model would be there all the same.
        tell();
        Ok(())
    }

    /// Predicts the held out rows without labels, then scores the predictions without a model.
    async fn judge(
        &self,
        work: &Work<'_>,
        on_stage: OnStage<'_>,
        fitted: oneshot::Receiver<()>,
    ) -> Result<Option<(Artifact, BTreeMap<String, f64>)>, ModelingError> {
        let Some((predict, score)) = &self.judges else { return Ok(None) };
        keep_held_out(work.views, work.files).await?;
        if fitted.await.is_err() {
            // The training failed, and says why.
            return Ok(None);
        }
        let (training, files) = (work.training, work.files);
        let artifact = take_model(self.train.places.output(), files).await?;
        on_stage("predicting", 0.75, &Value::Null);
        let step = |command, spec, files| Step {
            command,
            spec,
            files,
            time: training.budget.time,
            memory_bytes: training.budget.memory_bytes,
            on_event: &|_| {},
        };
        let named = |name: &str, inside: &str| (files.join(name), inside.to_owned());
        let given = vec![named(MODEL_FILE, MODEL_FILE), named(SIGNATURE, SIGNATURE), named(TEST_FEATURES, "features.parquet")];
        let task = training.plan.task_type;
        run_in(work.engine, predict, step("predict", json!({ "taskType": task }), given), work.stop).await?;
        let (out, target) = (predict.places.output(), files.join(PREDICTIONS));
        off_thread("keeping predictions", move || results::take_required(&out, PREDICTIONS, &target)).await?;
        on_stage("scoring", 0.87, &Value::Null);
        let given = vec![named(PREDICTIONS, PREDICTIONS), named(TEST_LABELS, "labels.parquet")];
        let spec =
            json!({ "taskType": task, "target": training.plan.target, "seed": training.plan.split.seed, "metricsOnly": true });
        let scored = run_in(work.engine, score, step("score", spec, given), work.stop).await?;
        Ok(Some((artifact, metrics_of(&scored))))
    }

    /// Measures how far predictions are off, from training rows alone. A model without it is a model still.
    async fn calibrate(&self, work: &Work<'_>) -> Result<Result<Option<Value>, String>, ModelingError> {
        let Some(calibrate) = &self.calibrate else { return Ok(Ok(None)) };
        let training = work.training;
        let step = Step {
            command: "calibrate",
            spec: training_spec(training.plan, Some(json!({ "interval": { "level": INTERVAL_LEVEL } }))),
            files: vec![(work.views.train.clone(), "train.parquet".to_owned())],
            time: training.budget.time,
            memory_bytes: training.budget.memory_bytes,
            on_event: &|_| {},
        };
        let out = calibrate.places.output();
        let found = match run_in(work.engine, calibrate, step, work.stop).await {
            Ok(_) => off_thread("reading an interval", move || results::json(&out, "interval.json")).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => Ok(checked_interval(&found).map(Some)),
            Err(ModelingError::Stopped) => Err(ModelingError::Stopped),
            Err(error) => Ok(Err(error.public_message())),
        }
    }
}

/// The interval that a sandbox told, when it is one.
fn checked_interval(found: &Value) -> Result<Value, String> {
    let interval = &found["interval"];
    let number = |key: &str| interval[key].as_f64().filter(|number| number.is_finite() && *number >= 0.0);
    match (number("level"), number("halfWidth"), interval["rows"].as_u64()) {
        (Some(level), Some(width), Some(rows)) => {
            Ok(json!({ "method": "split_conformal", "level": level, "halfWidth": width, "rows": rows }))
        }
        _ => Err(found["reason"].as_str().unwrap_or("nothing was measured").chars().take(300).collect()),
    }
}

/// Moves the rows that are held out to a model's files.
pub(crate) async fn keep_held_out(views: &ViewPlaces, files: &Path) -> Result<(), ModelingError> {
    let pairs = [(views.features.clone(), files.join(TEST_FEATURES)), (views.labels.clone(), files.join(TEST_LABELS))];
    off_thread("keeping the held out rows", move || {
        for (from, to) in pairs {
            fs::rename(from, to).map_err(ModelingError::io("keeping the held out rows"))?;
        }
        Ok(())
    })
    .await
}

async fn take_model(out: PathBuf, files: &Path) -> Result<Artifact, ModelingError> {
    let files = files.to_owned();
    off_thread("keeping a model's files", move || {
        results::take_required(&out, SIGNATURE, &files.join(SIGNATURE))?;
        results::take_required(&out, MODEL_FILE, &files.join(MODEL_FILE))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_numbers_and_nothing_else() {
        let told = json!({ "interval": { "level": 0.9, "halfWidth": 2.5, "rows": 66, "more": "x" } });
        let kept = json!({ "method": "split_conformal", "level": 0.9, "halfWidth": 2.5, "rows": 66 });
        assert_eq!(checked_interval(&told), Ok(kept));
        assert_eq!(checked_interval(&json!({ "interval": null, "reason": "too few" })), Err("too few".to_owned()));
        for width in [json!("2"), json!(-1), json!(null)] {
            assert!(checked_interval(&json!({ "interval": { "level": 0.9, "halfWidth": width, "rows": 66 } })).is_err());
        }
    }
}
