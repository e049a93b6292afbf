//! The tools of agents that make features: what is true of a dataset, a cell and its run is read here; what may happen to a
//! feature when, the domain decides; and one transaction keeps it.

mod keep;
mod propose;
mod record;

use actix_web::web;
use futures_util::future::BoxFuture;
use gristmill_domain::{
    DatasetId, ErrorCode,
    datasets::Dataset,
    feature_runs::{FeatureCommand, FeatureRefusal, FeatureRun, FeatureRunId},
    ports::StoreError,
    workflows::ToolName,
};
use gristmill_persistence::repo::feature_runs::{RunChange, RunPlace};
use gristmill_workflow::tools::{ToolContext, ToolOutput};
use serde_json::{Map, Value};

use crate::{
    agent::{Failure, find_dataset},
    error::ApiError,
    state::AppState,
};

/// Runs one of the 6 tools of feature engineering. What is wrong with the call is in the answer, for the model to read.
///
/// # Cancel safety
/// May be dropped, and repeated under the same key: what it recorded before is found, not recorded again.
pub async fn run_tool(
    state: &web::Data<AppState>,
    context: &ToolContext,
    tool: ToolName,
    args: &Map<String, Value>,
) -> ToolOutput {
    let call = Call { state, context, args };
    let answer: BoxFuture<'_, Result<Value, Failure>> = match tool {
        ToolName::ProposeFeature => Box::pin(propose::propose(&call)),
        ToolName::MaterializeFeatureCode => Box::pin(record::materialize(&call)),
        ToolName::ExecuteFeature => Box::pin(record::execute(&call)),
        ToolName::ValidateFeature => Box::pin(keep::validate(&call)),
        ToolName::RegisterFeature => Box::pin(keep::register(&call)),
        ToolName::CheckpointFeaturePipeline => Box::pin(keep::checkpoint(&call)),
        other => return ToolOutput::failed(format!("{} is no tool of feature engineering", other.as_str())),
    };
    match answer.await {
        Ok(output) => ToolOutput::of(output),
        Err(failure) => failure.into(),
    }
}

/// A call on its way.
struct Call<'a> {
    state: &'a web::Data<AppState>,
    context: &'a ToolContext,
    args: &'a Map<String, Value>,
}

impl Call<'_> {
    /// One of the arguments that the server adds.
    fn added(&self, name: &str) -> Option<&str> {
        self.args.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// The run that is meant. A `runId` of another kind of run names none.
    fn place(&self) -> RunPlace {
        let run = self.added("runId").and_then(|text| text.parse().ok());
        RunPlace { workflow: self.context.run.clone(), run, notebook: self.context.notebook }
    }

    /// The run as it is; one without features when there is none yet.
    async fn run(&self) -> Result<FeatureRun, Failure> {
        let found = self.state.feature_runs.find_in(&self.context.caller, self.context.project, &self.place()).await;
        let new = || FeatureRun::new(self.new_id(), self.context.project, self.context.notebook, self.state.clock.now());
        Ok(found.map_err(failed)?.unwrap_or_else(new))
    }

    /// The run that this call has changed already, when it is repeated.
    async fn earlier(&self) -> Result<Option<FeatureRun>, Failure> {
        let context = self.context;
        self.state.feature_runs.find_change(&context.caller, context.project, &context.key).await.map_err(failed)
    }

    /// Changes the run, once for the call's key.
    async fn change(&self, command: FeatureCommand) -> Result<FeatureRun, Failure> {
        let change = RunChange { place: self.place(), new_id: self.new_id(), key: self.context.key.clone(), command };
        let (context, now) = (self.context, self.state.clock.now());
        let changed = self.state.feature_runs.change(&context.caller, context.project, &change, now).await;
        changed.map_err(failed)?.map_err(refused)
    }

    fn new_id(&self) -> FeatureRunId {
        FeatureRunId(self.context.derived_id("feature run"))
    }

    /// The dataset that is named in the arguments, else the one that is worked on. None: neither is.
    async fn dataset(&self) -> Result<Option<Dataset>, Failure> {
        let named = self.added("datasetId").map(str::to_owned);
        match named.or_else(|| self.context.dataset.map(|id: DatasetId| id.to_string())) {
            Some(text) => find_dataset(self.state, self.context, &text).await.map(Some),
            None => Ok(None),
        }
    }

    /// The dataset, without which a tool cannot do its work.
    async fn known_dataset(&self) -> Result<Dataset, Failure> {
        let missing = || Failure::new("No dataset is chosen. Name one as datasetId, or let the person choose one");
        self.dataset().await?.ok_or_else(missing)
    }
}

fn failed(error: StoreError) -> Failure {
    ApiError::store(ErrorCode::ProjectNotFound)(error).into()
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn refused(refusal: FeatureRefusal) -> Failure {
    Failure::new(refusal.to_string())
}

/// A text of a model, without what could mislead a reader, and no longer than it may be.
fn plain(text: &str, chars: usize) -> String {
    text.chars().filter(|c| *c == '\n' || !c.is_control()).take(chars).collect::<String>().trim().to_owned()
}

/// The same, none when nothing is left of it.
fn plain_or_none(text: Option<&str>, chars: usize) -> Option<String> {
    text.map(|text| plain(text, chars)).filter(|text| !text.is_empty())
}
