//! The tools of preprocessing: what is measured outside of a run is gathered here, the run itself decides in the domain, and
//! one transaction keeps what it decided.

mod answer;
mod args;
mod cells;
mod checkpoints;
mod code;
mod commit;
mod datasets;
mod divergence;
mod measure;
mod runs;
mod steps;

use std::sync::{Arc, OnceLock};

use actix_web::web;
use chrono::{DateTime, Utc};
use gristmill_domain::{
    Caller, DatasetId, ProjectId,
    preprocessing::{PrepAnswer, PrepRun, PrepRunId, ReasonCode, Refusal, StepId, see_dataset},
    workflows::{NewApproval, ToolCall, ToolName},
};
use gristmill_persistence::{
    Database,
    repo::{
        preprocessing::{PrepCall, PreprocessingRuns},
        workflows::DecidedStep,
    },
};
use gristmill_workflow::{
    agent::turn::ApprovalSubject,
    tools::{ToolContext, ToolOutput},
};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::{
    answer::{done, refused, refused_in, step_view, store_refusal},
    args::Args,
};
use crate::state::AppState;

/// The runs, and places for measuring what steps did.
#[derive(Debug)]
pub struct Preprocessing {
    /// The runs.
    pub runs: PreprocessingRuns,
    places: Arc<Semaphore>,
}

impl Preprocessing {
    /// Over `database`; measures as many files at once as `measurements_max`.
    #[must_use]
    pub fn new(database: Database, measurements_max: usize) -> Self {
        Self { runs: PreprocessingRuns::new(database), places: Arc::new(Semaphore::new(measurements_max.max(1))) }
    }
}

/// Runs one of the 14 tools of preprocessing. What is wrong with the call is in the answer, for the model to read.
///
/// # Cancel safety
/// May be dropped, and repeated under the same key: what it decided before is found, not decided again.
pub async fn run_tool(
    state: &web::Data<AppState>,
    context: &ToolContext,
    tool: ToolName,
    args: &Map<String, Value>,
) -> ToolOutput {
    answer_call(Call { state, context, args: Args(args), run: OnceLock::new(), decision: None }, tool).await
}

/// Answers a call, unless it is stopped before.
async fn answer_call(call: Call<'_>, tool: ToolName) -> ToolOutput {
    let stopped = async {
        call.context.stop.cancelled().await;
        Err::<PrepAnswer, Refusal>(Refusal::new(ReasonCode::InternalError, "The call was stopped."))
    };
    let answer = tokio::select! {
        biased;
        answer = stopped => answer,
        answer = Box::pin(call.answer(tool)) => answer,
    };
    let PrepAnswer { output, error, .. } = answer.unwrap_or_else(|refusal| match call.run.get() {
        Some(run) => refused_in(run, &refusal),
        None => refused(None, &refusal),
    });
    ToolOutput { output: Some(output), error }
}

/// A person's yes or no to a step, as `commit_transformation_step` answers it, with the id of the call. It is about the step as
/// it is now: one that changes before it is carried out is not decided about. The same decision on the same state of a step,
/// sent twice, is one. It is recorded with who and when.
pub async fn decide_step(
    state: &web::Data<AppState>,
    caller: &Caller,
    project: ProjectId,
    mut args: Map<String, Value>,
) -> (String, ToolOutput) {
    let tool = ToolName::CommitTransformationStep;
    let text = |name: &str| args.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_approved = args.get("approved").and_then(Value::as_bool) == Some(true);
    let verb = if is_approved { "approve" } else { "reject" };
    let found = match (PrepRunId::parse(text("runId")), StepId::parse(text("stepId"))) {
        (Some(run), Some(step)) => {
            let run = state.preprocessing.runs.peek(caller, run).await.ok();
            run.and_then(|run| Some((run.id, run.step(step).ok()?.clone())))
        }
        _ => None,
    };
    let Some((run, step)) = found else {
        // One that is not there is told by the tool.
        let context = person(caller, project, format!("decision/{}", Uuid::new_v4()), is_approved);
        let id = format!("{verb}-{}-{}", text("stepId"), Uuid::new_v4());
        return (id, run_tool(state, &context, tool, &args).await);
    };
    // A fork has the same step in a run of its own.
    let key = format!("decision/{run}/{}/{}/{is_approved}", step.id, step.updated_at.timestamp_micros());
    let context = person(caller, project, key, is_approved);
    let id = format!("{verb}-{}-{}", step.id, context.derived_id("decision"));
    let shown = step_view(&step);
    let field = |name: &str| shown.get(name).unwrap_or(&Value::Null);
    for seen in ["version", "updatedAt"] {
        args.insert(seen.to_owned(), field(seen).clone());
    }
    let subject = ApprovalSubject::of_step(field("stepId").as_str(), &shown, field("datasetId"));
    let decided = DecidedStep {
        call: ToolCall { id: id.clone(), tool, args: args.clone(), rationale: None },
        question: NewApproval {
            id: Uuid::new_v4(),
            approval_type: subject.tool,
            subject_hash: subject.hash,
            payload: subject.payload,
        },
        is_approved,
        by: caller.user_id,
    };
    let call = Call { state, context: &context, args: Args(&args), run: OnceLock::new(), decision: Some(&decided) };
    let output = answer_call(call, tool).await;
    (id, output)
}

/// Compares the steps up to a checkpoint with a dataset, as `restore_checkpoint` answers it.
pub async fn check_compatibility(
    state: &web::Data<AppState>,
    caller: &Caller,
    project: ProjectId,
    mut args: Map<String, Value>,
) -> ToolOutput {
    args.insert("operation".to_owned(), "compatibility_check".into());
    let context = person(caller, project, format!("check/{}", Uuid::new_v4()), false);
    run_tool(state, &context, ToolName::RestoreCheckpoint, &args).await
}

/// A call that a person makes.
fn person(caller: &Caller, project: ProjectId, key: String, is_approved: bool) -> ToolContext {
    ToolContext {
        caller: caller.clone(),
        project,
        run: None,
        phase: None,
        dataset: None,
        notebook: None,
        key,
        is_approved,
        stop: CancellationToken::new(),
    }
}

/// A call on its way.
struct Call<'a> {
    state: &'a web::Data<AppState>,
    context: &'a ToolContext,
    args: Args<'a>,
    /// The run that it is about as it was found, once that is known.
    run: OnceLock<PrepRun>,
    /// What a person decided, when it carries that out beside a turn.
    decision: Option<&'a DecidedStep>,
}

impl Call<'_> {
    async fn answer(&self, tool: ToolName) -> Result<PrepAnswer, Refusal> {
        match tool {
            ToolName::ListProjectDatasets => self.list_datasets().await,
            ToolName::SetActiveDataset => self.set_active().await,
            ToolName::ProfileActiveDataset => self.profile_active().await,
            ToolName::CheckpointDataset => self.checkpoint_dataset().await,
            ToolName::RegisterDerivedDataset => self.register_derived().await,
            ToolName::ListCheckpoints => self.list_checkpoints().await,
            ToolName::RestoreCheckpoint => self.restore_checkpoint().await,
            ToolName::ProposeTransformationStep => self.propose().await,
            ToolName::MaterializeStepCode => self.materialize().await,
            ToolName::ExecuteTransformationStep => self.execute().await,
            ToolName::ValidateStepResult => Box::pin(self.validate()).await,
            ToolName::CommitTransformationStep => Box::pin(self.commit()).await,
            ToolName::DetectStepDivergence => self.detect().await,
            ToolName::ReconcileDivergedStep => self.reconcile().await,
            other => {
                let message = format!("{} is no tool of preprocessing.", other.as_str());
                Err(Refusal::new(ReasonCode::InvalidOperation, message))
            }
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.state.clock.now()
    }

    /// Lets `work` change the run and tell what the answer says of it, in one transaction and once for the call's key.
    async fn decide(
        &self,
        run: &PrepRun,
        work: impl FnOnce(&mut PrepRun, DateTime<Utc>) -> Result<Value, Refusal> + Send,
    ) -> Result<PrepAnswer, Refusal> {
        let (now, chosen) = (self.now(), self.chosen(run).await?);
        let call = PrepCall { project: self.context.project, run: run.id, key: &self.context.key, decision: self.decision };
        let decide = |run: &mut PrepRun| {
            if let Some(chosen) = chosen {
                see_dataset(run, chosen, now);
            }
            match work(run, now) {
                Ok(fields) => done(Some(run.id), fields),
                Err(refusal) => refused_in(run, &refusal),
            }
        };
        let decided = self.state.preprocessing.runs.decide(&self.context.caller, call, now, decide).await;
        decided.map_err(|error| store_refusal(&format!("Run {}", run.id), ReasonCode::RunNotFound, &error))
    }

    /// What the call has answered before, when it changed the run then.
    async fn answered(&self, run: PrepRunId) -> Result<Option<PrepAnswer>, Refusal> {
        let call = PrepCall { project: self.context.project, run, key: &self.context.key, decision: None };
        let found = self.state.preprocessing.runs.answered(&self.context.caller, call).await;
        found.map_err(|error| store_refusal(&format!("Run {run}"), ReasonCode::RunNotFound, &error))
    }

    /// The dataset that the person has chosen since the run was last asked.
    async fn chosen(&self, run: &PrepRun) -> Result<Option<DatasetId>, Refusal> {
        match self.context.dataset {
            Some(id) if run.seen_dataset_id != Some(id) => Ok(Some(self.dataset(id).await?.id)),
            _ => Ok(None),
        }
    }

    /// The step that the call names.
    fn step_id(&self) -> Result<StepId, Refusal> {
        let text = self.args.required("stepId")?;
        StepId::parse(text).ok_or_else(|| Refusal::no_step(&short(text)))
    }
}

/// What a model sent, short enough to be said back.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// The number of entries of a run's log, as answers tell it.
fn replay(run: &PrepRun) -> Value {
    json!({ "eventCount": run.event_sequence, "lastEventSequence": run.event_sequence })
}
