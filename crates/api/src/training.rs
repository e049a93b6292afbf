//! The tools of trainings by agents. What they decide is in [`gristmill_workflow::training`]; here is what it takes from the
//! outside: the dataset, the recorded outputs of cells, the files of notebooks, and models.

mod cells;
mod register;

use actix_web::web;
use futures_util::future::BoxFuture;
use gristmill_domain::{
    DatasetId, ErrorCode, ModelId, ProjectId,
    datasets::Dataset,
    ports::StoreError,
    workflows::{ToolName, WorkflowRunId},
};
use gristmill_workflow::{
    tools::{ToolContext, ToolOutput, registry},
    training::{
        Change, ExperimentStore, TrainingRun,
        configure::{Setting, configure},
        experiments::Experiment,
        plan::propose,
        results::{CellsFound, Scored, TrainingReport, compare, evaluate, record_training, trainable},
    },
};
use serde_json::{Map, Value};

use crate::{error::ApiError, state::AppState, workflows::StoredExperiments};

/// Runs one of the tools of trainings. Wrong arguments and everything else that goes wrong are failures in the output.
///
/// # Cancel safety
/// May be dropped, and repeated under the same key: what it did already is found, not done again.
pub async fn run_tool(
    state: &web::Data<AppState>,
    context: &ToolContext,
    tool: ToolName,
    args: &Map<String, Value>,
) -> ToolOutput {
    run_tool_over(&StoredExperiments::new(state.workflows.clone()), state, context, tool, args).await
}

/// As [`run_tool`], with the experiments in another place.
///
/// # Cancel safety
/// As [`run_tool`].
pub async fn run_tool_over(
    store: &dyn ExperimentStore,
    state: &web::Data<AppState>,
    context: &ToolContext,
    tool: ToolName,
    args: &Map<String, Value>,
) -> ToolOutput {
    let args = match registry::check(tool, args) {
        Ok(args) => args,
        Err(error) => return ToolOutput::failed(format!("Wrong arguments: {error}")),
    };
    let Some(run) = &context.run else {
        return ToolOutput::failed("Trainings belong to a workflow run; there is none here");
    };
    let call = Call { store, state, context, run };
    let running: BoxFuture<'_, Result<ToolOutput, String>> = match tool {
        ToolName::ConfigureExperiment => Box::pin(call.configure(&args)),
        ToolName::ProposeTrainingPlan => Box::pin(call.propose(&args)),
        ToolName::ExecuteTraining => Box::pin(call.execute(&args)),
        ToolName::EvaluateResults => Box::pin(call.evaluate(&args)),
        ToolName::RegisterModel => Box::pin(call.register(&args)),
        ToolName::CompareModels => Box::pin(call.compare(&args)),
        other => return ToolOutput::failed(format!("{} is no tool of trainings", other.as_str())),
    };
    running.await.unwrap_or_else(ToolOutput::failed)
}

/// A call in a run.
struct Call<'a> {
    store: &'a dyn ExperimentStore,
    state: &'a web::Data<AppState>,
    context: &'a ToolContext,
    run: &'a WorkflowRunId,
}

impl Call<'_> {
    fn project(&self) -> ProjectId {
        self.context.project
    }

    async fn load(&self) -> Result<TrainingRun, String> {
        let loaded = self.store.load(&self.context.caller, self.project(), self.run).await;
        loaded.map_err(|error| store_failure("The run", error))
    }

    async fn update(&self, change: Change<'_>) -> Result<ToolOutput, String> {
        let context = self.context;
        let updated = self.store.update(&context.caller, self.project(), self.run, &context.key, change).await;
        updated.map_err(|error| store_failure("The run", error))
    }

    /// A dataset of the project.
    async fn dataset(&self, id: DatasetId) -> Result<Dataset, String> {
        let found = self.state.datasets.find(&self.context.caller, id).await;
        let dataset = found.map_err(|error| store_failure("The dataset", error))?;
        if dataset.project_id == Some(self.project()) { Ok(dataset) } else { Err("The dataset is not there".to_owned()) }
    }

    async fn configure(&self, args: &Map<String, Value>) -> Result<ToolOutput, String> {
        let Some(dataset) = self.context.dataset else {
            return Err("No dataset is selected; select one, then set the experiment up".to_owned());
        };
        let dataset = self.dataset(dataset).await?;
        let project = self.state.projects.find(&self.context.caller, self.project()).await;
        let project = project.map_err(|error| store_failure("The project", error))?;
        let experiment_id = format!("exp-{}", self.context.derived_id("experiment"));
        let setting = Setting {
            experiment_id: &experiment_id,
            dataset: &dataset,
            has_engineered_features: has_engineered_features(project.metadata.as_map()),
            now: self.state.clock.now(),
        };
        self.update(&|run| configure(run, args, &setting)).await
    }

    async fn propose(&self, args: &Map<String, Value>) -> Result<ToolOutput, String> {
        let now = self.state.clock.now();
        self.update(&|run| propose(run, args, now)).await
    }

    async fn execute(&self, args: &Map<String, Value>) -> Result<ToolOutput, String> {
        let report = TrainingReport::read(args)?;
        let run = self.load().await?;
        let experiment = trainable(&run, &report.experiment_id)?;
        let found = self.executed(&report, experiment).await?;
        let now = self.state.clock.now();
        self.update(&|run| record_training(run, &report, &found, now)).await
    }

    /// What became of the cells, whatever the model says of them.
    async fn executed(&self, report: &TrainingReport, experiment: &Experiment) -> Result<CellsFound, String> {
        if let (false, Some(reason)) = (report.succeeded, &report.error_message) {
            return Ok(CellsFound::Failed { cells: report.cell_ids.clone(), reason: reason.clone() });
        }
        let ids = self.training_cells(&report.cell_ids, experiment).await?;
        if !report.succeeded {
            self.run_cells(&ids).await?;
        }
        self.found(&ids, experiment).await
    }

    async fn evaluate(&self, args: &Map<String, Value>) -> Result<ToolOutput, String> {
        let now = self.state.clock.now();
        self.update(&|run| evaluate(run, args, now)).await
    }

    async fn compare(&self, args: &Map<String, Value>) -> Result<ToolOutput, String> {
        let run = self.load().await?;
        let mut scored = Scored::new();
        for id in run.experiments.all().iter().filter_map(|one| one.persisted_model_id.as_deref()) {
            let Ok(model_id) = id.parse::<ModelId>() else { continue };
            match self.state.models.find(&self.context.caller, model_id).await {
                Ok(model) if model.project_id == self.project() => drop(scored.insert(id.to_owned(), model.metrics.clone())),
                // It was deleted since: what its cells printed is left.
                Ok(_) | Err(StoreError::NotFound) => {}
                Err(error) => return Err(store_failure("A model", error)),
            }
        }
        Ok(compare(&run, args, &scored))
    }
}

/// Whether the project keeps features that are switched on (contract 2, section 3.4).
fn has_engineered_features(metadata: &Map<String, Value>) -> bool {
    let features = metadata.get("features").and_then(Value::as_array);
    features.into_iter().flatten().any(|feature| feature.is_object() && feature.get("enabled") != Some(&Value::Bool(false)))
}

/// The failure of a repository, in words for the model.
fn store_failure(what: &str, error: StoreError) -> String {
    match error {
        StoreError::NotFound => format!("{what} is not there"),
        error => failure(&ApiError::store(ErrorCode::WorkflowNotFound)(error)),
    }
}

/// A failure of the server's services, in words for the model. The cause goes to the log.
fn failure(error: &ApiError) -> String {
    error.log();
    match error.code() {
        ErrorCode::Internal => "The server failed at this; do not repeat it unchanged".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn features_that_are_switched_off_do_not_count() {
        for (metadata, expected) in [
            (json!({}), false),
            (json!({ "features": [] }), false),
            (json!({ "features": [{ "enabled": false }, 1] }), false),
            (json!({ "features": [{ "enabled": false }, { "featureName": "x" }] }), true),
            (json!({ "features": "x" }), false),
        ] {
            assert_eq!(has_engineered_features(metadata.as_object().unwrap()), expected, "{metadata}");
        }
    }
}
