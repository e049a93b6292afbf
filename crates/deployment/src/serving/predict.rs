//! From rows to answers: in this process, or by a worker.

use std::sync::Arc;

use gristmill_domain::{
    deployments::ServingRuntime,
    execution::PythonVersion,
    models::{Model, PACKAGES_DIRECTORY},
};
use gristmill_runtime::packages::FrozenLayer;
use serde_json::{Map, Value};

use super::{Entry, Serving, ServingError};
use crate::{
    inference::{InferenceError, NativeModel, Predictions, Rows, Signature},
    worker::{Explanation, Label, PredictedRow, Worker, WorkerSettings, WorkerSpec},
};

/// Elementary operations, about a millisecond, that may be done where other requests wait: more go to a blocking thread.
pub(super) const INLINE_WORK_MAX: u64 = 1 << 20;
/// Rows that are explained at once: each takes milliseconds.
const EXPLAINED_MAX: usize = 100;

/// Whether answers are explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explain {
    /// With SHAP values, by a worker.
    Yes,
    /// Not.
    No,
}

/// The answer for a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// A class's text, or a number.
    pub prediction: Value,
    /// The probability of each class, where there are any.
    pub probabilities: Option<Map<String, Value>>,
    /// Where the true number is to be expected, for regression where the training measured it.
    pub interval: Option<(f64, f64)>,
    /// How much each column moves the answer, where that was asked for and the model can be explained.
    pub contributions: Option<Vec<(String, f64)>>,
}

/// The answers for the rows of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// One for each row.
    pub rows: Vec<Answer>,
    /// Fields that were sent and are none of the model's.
    pub ignored: Vec<String>,
    /// Why there are no explanations, where they were asked for.
    pub unexplained: Option<String>,
    /// The rows as the model saw them, where columns of them were computed.
    pub seen: Option<Vec<Map<String, Value>>>,
}

impl Serving {
    /// Predicts for rows by their column names.
    ///
    /// # Errors
    /// Every [`ServingError`] but `Limited`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    #[tracing::instrument(
        name = "prediction",
        skip_all,
        fields(deployment.id = %entry.served.deployment.id, rows = rows.len(), runtime = entry.served.deployment.runtime.as_str())
    )]
    pub async fn predict(&self, entry: &Entry, rows: &[Map<String, Value>], explain: Explain) -> Result<Answers, ServingError> {
        entry.is_serving()?;
        let signature = match entry.signature().await {
            Ok(signature) => signature,
            Err(error) => {
                self.suspect(entry, &error).await;
                return Err(error);
            }
        };
        let features = match entry.features().await {
            Ok(features) => features,
            Err(error) => {
                self.suspect(entry, &error).await;
                return Err(error);
            }
        };
        let seen = match &features {
            Some(features) => features.complete_rows(&signature, rows).await?,
            None => None,
        };
        let mut accepted = match seen.as_deref().unwrap_or(rows) {
            [row] => Rows::from_object(&signature, row)?,
            rows => Rows::from_objects(&signature, rows)?,
        };
        if let Some(features) = features {
            accepted.ignored.retain(|name| !features.takes(name));
        }
        // Drift is counted against it.
        entry.reference().await;
        let mut answers = match self.answer(entry, &signature, &accepted.rows).await {
            Ok(answers) => answers,
            Err(error) => {
                self.suspect(entry, &error).await;
                return Err(error);
            }
        };
        let unexplained = match explain {
            Explain::Yes => self.explain(entry, &signature, &accepted.rows, &mut answers).await?,
            Explain::No => None,
        };
        Ok(Answers { rows: answers, ignored: accepted.ignored, unexplained, seen })
    }

    /// Answers rows that were checked, whatever state the deployment is in.
    pub(super) async fn answer(&self, entry: &Entry, signature: &Signature, rows: &Rows) -> Result<Vec<Answer>, ServingError> {
        match entry.served.deployment.runtime {
            ServingRuntime::Native => self.native(entry, rows).await,
            ServingRuntime::Container => self.by_worker(entry, signature, rows).await,
        }
    }

    /// The model of a deployment, in this process.
    ///
    /// # Errors
    /// `Model`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn native_model(&self, entry: &Entry) -> Result<Arc<NativeModel>, ServingError> {
        self.cache.get(&entry.directory, &entry.served.model.artifacts).await.map_err(ServingError::Model)
    }

    /// What should run a model: this process where it can, else a worker.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn runtime_for(&self, model: &Model) -> ServingRuntime {
        let directory = self.ports.places.model(model);
        match self.cache.get(&directory, &model.artifacts).await {
            Err(error) if error.wants_worker() => ServingRuntime::Container,
            // One whose files are broken fails when it is started, and says why.
            _ => ServingRuntime::Native,
        }
    }

    async fn native(&self, entry: &Entry, rows: &Rows) -> Result<Vec<Answer>, ServingError> {
        let model = self.native_model(entry).await?;
        let predictions = if model.work(rows.len()) <= INLINE_WORK_MAX {
            model.predict(rows)
        } else {
            let rows = rows.clone();
            let predicting = tokio::task::spawn_blocking(move || model.predict(&rows));
            predicting.await.unwrap_or(Err(InferenceError::LoadingEnded))
        };
        let predictions = predictions.map_err(|error| ServingError::Model(Arc::new(error)))?;
        Ok((0..predictions.len()).map(|row| native_answer(&predictions, row)).collect())
    }

    async fn by_worker(&self, entry: &Entry, signature: &Signature, rows: &Rows) -> Result<Vec<Answer>, ServingError> {
        let worker = self.worker(entry).await?;
        let objects: Vec<_> = (0..rows.len()).map(|row| rows.object(signature, row)).collect();
        let predicted = worker.predict(&objects).await?;
        Ok(predicted.into_iter().map(|row| worker_answer(signature, row)).collect())
    }

    async fn explain(
        &self,
        entry: &Entry,
        signature: &Signature,
        rows: &Rows,
        answers: &mut [Answer],
    ) -> Result<Option<String>, ServingError> {
        if rows.len() > EXPLAINED_MAX {
            return Ok(Some(format!("at most {EXPLAINED_MAX} rows are explained at once; send fewer")));
        }
        let worker = self.worker(entry).await?;
        let objects: Vec<_> = (0..rows.len()).map(|row| rows.object(signature, row)).collect();
        match worker.explain(&objects).await? {
            Explanation::Unavailable(reason) => Ok(Some(reason)),
            Explanation::Available { rows, .. } => {
                for (answer, explained) in answers.iter_mut().zip(rows) {
                    answer.contributions = Some(explained.values);
                }
                Ok(None)
            }
        }
    }

    /// The worker of a deployment, started when there is none, once it answers.
    pub(super) async fn worker(&self, entry: &Entry) -> Result<Worker, ServingError> {
        let id = entry.served.deployment.id;
        let worker = match self.workers.touch(id) {
            Some(worker) => worker,
            None => self.start_worker(entry).await?,
        };
        worker.ready().await?;
        Ok(worker)
    }

    async fn start_worker(&self, entry: &Entry) -> Result<Worker, ServingError> {
        let id = entry.served.deployment.id;
        let backend = self.ports.runtime.backend().await.map_err(|error| ServingError::NoSandbox(error.to_string()))?;
        let package = self.ports.places.package().await.map_err(ServingError::NoSandbox)?;
        let spec = WorkerSpec {
            name: format!("serve-{id}"),
            model: entry.directory.clone(),
            package,
            packages: FrozenLayer::open(entry.directory.join(PACKAGES_DIRECTORY)),
            scratch: self.options.scratch.clone(),
            python: PythonVersion::default(),
            limits: self.options.limits,
            // Beside a native model it does nothing else.
            explains: entry.served.deployment.runtime == ServingRuntime::Native,
            settings: WorkerSettings::default(),
        };
        self.workers.get_or_start(id, || Worker::start(backend, &self.ports.tasks, spec))
    }
}

fn native_answer(predictions: &Predictions, row: usize) -> Answer {
    let label = predictions.label(row).map(|label| Value::from(label.text.as_str()));
    Answer {
        prediction: label.unwrap_or_else(|| predictions.value(row)),
        probabilities: predictions.probabilities(row),
        interval: predictions.interval(row),
        contributions: None,
    }
}

fn worker_answer(signature: &Signature, row: PredictedRow) -> Answer {
    let interval = match &row.prediction {
        Label::Number(number) => signature.interval_around(*number),
        Label::Text(_) => None,
    };
    Answer {
        prediction: match row.prediction {
            Label::Text(text) => Value::from(text),
            Label::Number(number) => Value::from(number),
        },
        probabilities: row.probabilities.map(|chances| chances.into_iter().map(|(name, chance)| (name, chance.into())).collect()),
        interval,
        contributions: None,
    }
}
