//! `register_model`: the file that a training's cells saved is taken out of the workspace, scored where no test label and no
//! server is, and stored as a model.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use gristmill_domain::{
    ModelId,
    jobs::{Job, JobState},
    models::{MODEL_FILE, Model, PACKAGES_DIRECTORY},
    ports::StoreError,
};
use gristmill_runtime::{TakenFile, WorkspaceFile, packages::FrozenLayer};
use gristmill_workflow::{
    tools::ToolOutput,
    training::{
        TrainingRun,
        experiments::Experiment,
        packages::packages_for,
        results::{Registered, Registration, already_registered, provenance, record_registration, registrable},
    },
};
use serde_json::{Map, Value};

use super::{Call, failure, store_failure};
use crate::{
    error::ApiError,
    models::{NotebookModel, submit_adoption},
    notebooks::{place_of, runtime_error},
};

impl Call<'_> {
    pub(super) async fn register(&self, args: &Map<String, Value>) -> Result<ToolOutput, String> {
        let sent = Registration::read(args)?;
        let run = self.load().await?;
        let id = ModelId(self.context.derived_id("model"));
        let model = match self.existing(id).await? {
            Some(model) => model,
            None => match candidate(&run, &sent, id)? {
                Ok(experiment) => Box::pin(self.adopt(&sent, experiment, id)).await?,
                Err(answer) => return Ok(answer),
            },
        };
        let made = registered(&model);
        let now = self.state.clock.now();
        self.update(&|run| record_registration(run, &sent, &made, now)).await
    }

    /// The model that this call made before it was repeated.
    async fn existing(&self, id: ModelId) -> Result<Option<Model>, String> {
        match self.state.models.find(&self.context.caller, id).await {
            Ok(model) if model.project_id == self.project() => Ok(Some(model)),
            Ok(_) | Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(store_failure("The model", error)),
        }
    }

    /// Takes the file, and waits until it is scored and stored.
    async fn adopt(&self, sent: &Registration, experiment: &Experiment, id: ModelId) -> Result<Model, String> {
        let (Some(target), Some(task)) = (&experiment.target_column, experiment.task_type) else {
            return Err("The experiment has no target; set another one up, with a targetColumn".to_owned());
        };
        let dataset = self.dataset(experiment.dataset_id).await?;
        let size_bytes = self.stage(sent, experiment, id).await?;
        let dependencies: Vec<String> = packages_for(&experiment.model_type).iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = experiment.hyperparameters.clone();
        parameters.extend(sent.hyperparameters.clone());
        let model = NotebookModel {
            id,
            name: sent.model_name.clone(),
            model_type: experiment.model_type.clone(),
            task,
            target: target.clone(),
            features: experiment.feature_columns.clone(),
            parameters,
            train_share: experiment.split_ratio,
            seed: experiment.random_seed,
            training_ms: experiment.training_duration_ms,
            metadata: provenance(Some(self.run.as_str()), experiment, sent, &dependencies),
            size_bytes,
        };
        let key = format!("adopt:{id}");
        let submitting = submit_adoption(self.state, &self.context.caller, self.project(), &dataset, model, key);
        let job = Box::pin(submitting).await.map_err(|error| failure(&error))?;
        let job = self.ended(job).await?;
        match job.state {
            JobState::Succeeded => match self.existing(id).await? {
                Some(model) => Ok(model),
                None => Err("The model was deleted meanwhile".to_owned()),
            },
            JobState::Cancelled => Err("The registration was cancelled".to_owned()),
            _ => {
                let why = job.error.map(|error| error.message).unwrap_or_default();
                Err(format!("The model was not registered: {why}"))
            }
        }
    }

    /// Waits for a job. It is cancelled when the call is to stop, unless the server stops: then the call is made again, and
    /// finds the job under its key.
    async fn ended(&self, job: Job) -> Result<Job, String> {
        let caller = &self.context.caller;
        tokio::select! {
            biased;
            () = self.context.stop.cancelled() => {
                if !self.state.live.is_closed()
                    && let Err(error) = self.state.jobs.request_cancel(caller, job.id).await
                {
                    tracing::warn!(%error, job.id = %job.id, "a registration that was stopped goes on");
                }
                Err("The call was stopped".to_owned())
            }
            ended = self.state.job_reader.wait(caller, job.id, self.state.tasks.stopping()) => {
                ended.map_err(|error| failure(&ApiError::job(error)))
            }
        }
    }

    /// Puts the model's file where it is adopted from, unless it is there already, with the packages that the project has
    /// installed now: the model may need them. Returns the size of all that.
    async fn stage(&self, sent: &Registration, experiment: &Experiment, id: ModelId) -> Result<u64, String> {
        let staging = self.state.modeling.staging(id).await.map_err(|error| error.public_message())?;
        let internal = |error: std::io::Error| failure(&ApiError::internal(error));
        if let Some(known) = staged_bytes(staging.clone()).await.map_err(internal)? {
            return Ok(known);
        }
        let place = place_of(&self.context.caller, self.project());
        let path = &sent.artifact_path;
        let file = match self.state.runtime.take_file(&place, path).await {
            Ok(WorkspaceFile::Taken(file)) => file,
            Ok(WorkspaceFile::Missing) => {
                return Err(format!("There is no file {path} in the workspace; save the model there with joblib.dump"));
            }
            Ok(WorkspaceFile::Refused(why)) => return Err(format!("The file {path} cannot be taken: it {why}")),
            Err(error) => return Err(failure(&runtime_error(error))),
        };
        self.check_age(&file, experiment, path).await?;
        let packages = self.state.runtime.freeze_packages(self.project(), staging.join(PACKAGES_DIRECTORY)).await;
        packages.map_err(|error| failure(&runtime_error(error)))?;
        // Last: when it is there, all is.
        move_to(file.path.clone(), staging.join(MODEL_FILE)).await.map_err(internal)?;
        Ok(staged_bytes(staging).await.map_err(internal)?.unwrap_or_default())
    }

    /// The file must come from this training: one that was there before is some other model.
    async fn check_age(&self, file: &TakenFile, experiment: &Experiment, path: &str) -> Result<(), String> {
        let written = DateTime::<Utc>::from(file.modified_at);
        let windows = self.windows(&experiment.training_cell_ids).await?;
        if windows.iter().any(|window| window.has(written)) {
            return Ok(());
        }
        Err(format!(
            "The file {path} was not written by the cells of \"{}\", so it holds another model; save the model in one of them, \
             run it, and call execute_training again",
            experiment.experiment_name
        ))
    }
}

/// The experiment whose model is to be registered, or the answer that another model of it is.
fn candidate<'run>(
    run: &'run TrainingRun,
    sent: &Registration,
    id: ModelId,
) -> Result<Result<&'run Experiment, ToolOutput>, String> {
    let experiment = run.experiments.resolve(&sent.experiment_id)?;
    if experiment.persisted_model_id.as_ref().is_some_and(|other| *other != id.to_string()) {
        return Ok(Err(already_registered(experiment)));
    }
    registrable(run, sent).map(Ok)
}

fn registered(model: &Model) -> Registered {
    let unscored = model.unscored_reason().map(str::to_owned);
    let dependencies = model.metadata.get("runtimeDependencies").and_then(Value::as_array);
    Registered {
        model_id: model.id.to_string(),
        task_type: model.plan.task_type.as_str(),
        artifact_size: model.artifact(MODEL_FILE).map_or(0, |file| file.size),
        metrics: unscored.is_none().then(|| model.metrics.clone()),
        unscored,
        runtime_dependencies: dependencies.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
    }
}

/// The size of a staged model with its packages; none when it is not staged yet.
async fn staged_bytes(staging: PathBuf) -> std::io::Result<Option<u64>> {
    let counted = tokio::task::spawn_blocking(move || {
        let model = match std::fs::metadata(staging.join(MODEL_FILE)) {
            Ok(model) => model.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let packages = FrozenLayer::open(staging.join(PACKAGES_DIRECTORY)).map(|packages| packages.bytes()).transpose()?;
        Ok(Some(model.saturating_add(packages.unwrap_or_default())))
    });
    counted.await.map_err(std::io::Error::other)?
}

/// Moves a file whole: to a name of its own first, should it have to be copied.
async fn move_to(from: PathBuf, to: PathBuf) -> std::io::Result<()> {
    let moved = tokio::task::spawn_blocking(move || {
        if std::fs::rename(&from, &to).is_ok() {
            return Ok(());
        }
        let partial = with_suffix(&to);
        std::fs::copy(&from, &partial)?;
        std::fs::rename(&partial, &to)
    });
    moved.await.map_err(std::io::Error::other)?
}

fn with_suffix(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", uuid::Uuid::new_v4().simple()));
    path.with_file_name(name)
}
