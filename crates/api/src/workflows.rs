//! Agent workflows: the engine's ports, the jobs that work on turns, and their stream.

mod jobs;
mod knowledge;
mod ports;
mod stream;

use gristmill_api_types::workflows::TurnCreate;
use gristmill_domain::{
    Caller, ErrorCode, JobId,
    jobs::{JobKind, NewJob},
    ports::StoreError,
    workflows::{Phase, WorkflowRun, WorkflowRunId},
};
use gristmill_persistence::repo::workflows::{NewTurn, OTHER_PHASE, TurnBegun};
use gristmill_workflow::training::{
    approval::{Approval, approval, names_one},
    experiments::Experiments,
};
use serde_json::{Map, Value, json};

pub use self::{jobs::TurnHandler, ports::StoredExperiments, stream::turn_stream};
use crate::{
    error::{ApiError, ApiResult},
    extract::IdempotencyKey,
    state::AppState,
    telemetry::traced,
};

/// How often a turn is taken up again when its server dies.
const ATTEMPTS_MAX: u32 = 5;

/// Begins a turn, or finds the one that the same request began under the same key.
///
/// # Errors
/// 404 for a project or a run that is not the caller's, 400 for a run of another phase, 409 for a key of another request, 503
/// without a language model.
pub async fn begin_turn(state: &AppState, caller: &Caller, key: IdempotencyKey, body: TurnCreate) -> ApiResult<TurnBegun> {
    state.projects.find(caller, body.project_id).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    state.llm.provider()?;
    let run = run_of(state, caller, &body).await?;
    let job = NewJob {
        id: JobId::random(),
        kind: JobKind::AgentTurn,
        owner_id: caller.user_id,
        project_id: Some(body.project_id),
        payload: json!({}),
        attempts_max: ATTEMPTS_MAX,
        idempotency_key: None,
    };
    let turn = NewTurn {
        project: body.project_id,
        phase: body.phase,
        run,
        thread_id: body.thread_id.clone(),
        dataset: body.dataset_id,
        notebook: body.notebook_id,
        idempotency: key.bind(format!("{body:?}").as_bytes()),
        started: started(state, body),
        job: traced(job),
    };
    state.workflows.begin_turn(caller, turn, state.clock.now()).await.map_err(|error| match error {
        StoreError::Conflict(what) if what == OTHER_PHASE => {
            ApiError::field(gristmill_api_types::common::ErrorShape::BodyDetails, "runId", "is a run of another phase")
        }
        other => ApiError::store(ErrorCode::WorkflowNotFound)(other),
    })
}

/// The run that a turn goes on with; none: one is made.
///
/// The client forgets the run of a training's turn that has ended, with an answer or a failure, and still shows what was proposed
/// in it. A yes that names no run belongs to the last run that has an experiment of the name that it names: there its question
/// is, with all that was shown. One that has its model is not trained again, whatever older ones of that name there are.
async fn run_of(state: &AppState, caller: &Caller, body: &TurnCreate) -> ApiResult<Option<WorkflowRunId>> {
    if let Some(named) = body.run_id.as_deref() {
        return Ok(WorkflowRunId::parse(named));
    }
    let prompt = body.prompt.as_deref().unwrap_or_default();
    if body.phase != Phase::Training || approval(prompt, &Experiments::default()) == Approval::None {
        return Ok(None);
    }
    let runs = state.workflows.last_runs(caller, body.project_id, body.phase).await;
    let runs = runs.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    // What was proposed in another notebook is trained there.
    let is_here = |run: &WorkflowRun| match (body.notebook_id, run.active_notebook_id) {
        (Some(asked), Some(own)) => asked == own,
        _ => true,
    };
    for run in runs.into_iter().filter(is_here) {
        let experiments = Experiments::read(&run.metadata);
        if names_one(prompt, &experiments) {
            let is_open = matches!(approval(prompt, &experiments), Approval::Of(_));
            return Ok(is_open.then_some(run.id));
        }
    }
    Ok(None)
}

/// The fields of the turn's first event.
fn started(state: &AppState, body: TurnCreate) -> Value {
    let mut fields = Map::new();
    let mut add = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(key.to_owned(), value);
        }
    };
    add("prompt", Some(body.prompt.unwrap_or_default().into()));
    add("phase", Some(json!(body.phase)));
    add("targetColumn", body.target_column.map(Value::from));
    add("featureSummary", body.feature_summary.map(Value::from));
    add("reasoningEffort", body.reasoning_effort.map(Value::from));
    // An unknown model is the default one.
    add("model", body.model.map(|model| state.llm.catalog().resolve(Some(&model)).id.clone().into()));
    add("userIntent", body.user_intent.map(Value::from));
    let answers: Vec<Value> = body
        .question_answers
        .into_iter()
        .map(|answer| json!({ "questionId": answer.question_id, "answer": answer.answer }))
        .collect();
    add("questionAnswers", (!answers.is_empty()).then(|| answers.into()));
    add("round", Some(body.round.into()));
    Value::Object(fields)
}
