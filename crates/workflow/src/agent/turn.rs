//! What a turn is asked, what is known when it begins, and what is recorded while it goes on.

use chrono::{DateTime, Utc};
use gristmill_domain::{
    DatasetId, NotebookId, UserId,
    workflows::{
        NewWorkflowEvent, Phase, ToolCall, ToolName, ToolResult, WorkflowEvent, WorkflowRunId, WorkflowStatus, event_types,
    },
};
use gristmill_llm::{FailureCode, Thought};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// An answer to a question that a run asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuestionAnswer {
    /// The question.
    pub question_id: String,
    /// A text, or several.
    pub answer: Value,
}

/// What a client asks of a turn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TurnRequest {
    /// What the person wrote, and what the client appended to it.
    pub prompt: String,
    /// The column to predict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_column: Option<String>,
    /// What the client says of the features.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_summary: Option<String>,
    /// How much the model should think.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<gristmill_llm::Effort>,
    /// The model, by its id in the catalog; absent: the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the project is for (onboarding).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_intent: Option<String>,
    /// All answers so far (onboarding).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub question_answers: Vec<QuestionAnswer>,
    /// The round of questions (onboarding).
    pub round: u32,
}

/// A turn that has begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The run.
    pub run: WorkflowRunId,
    /// What is worked at.
    pub phase: Phase,
    /// Position of its first event: with the run's id, what its calls are named after.
    pub number: i64,
    /// Where the run stood before; absent: it is new.
    pub status_before: Option<WorkflowStatus>,
    /// Who asked.
    pub by: UserId,
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// What is asked.
    pub request: TurnRequest,
}

/// A column, as far as phases look at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnFacts {
    /// Its name: hostile text.
    pub name: String,
    /// Its type.
    pub dtype: String,
}

/// The dataset that a turn works on, as far as phases look at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatasetFacts {
    /// Identity.
    pub id: DatasetId,
    /// Which version of it; 0 in records of turns that did not say so.
    #[serde(default)]
    pub version: u32,
    /// The file's name: hostile text.
    pub filename: String,
    /// The family of format that the data came in.
    pub file_type: String,
    /// Its columns.
    pub columns: Vec<ColumnFacts>,
}

/// What a turn found when it began.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    /// The dataset to work on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetFacts>,
    /// Whether a dataset was named that is not there.
    pub is_dataset_missing: bool,
    /// The notebook to work in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notebook: Option<NotebookId>,
    /// File names of the project's other datasets: hostile text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_datasets: Vec<String>,
    /// The experiments of the run, as its metadata has them.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub experiments: Map<String, Value>,
}

/// A call as the model made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelCall {
    /// Unique in the run.
    pub id: String,
    /// What it called. There may be no such tool.
    pub name: String,
    /// What it gave: an object when it kept to the rules.
    pub args: Value,
    /// What the provider wants back with the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// What a model answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Answer {
    /// The node that it was asked at.
    pub node: String,
    /// Its text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Its calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ModelCall>,
    /// Its thinking, as its provider wants it back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub thoughts: Vec<Thought>,
    /// Tokens that it took, sent and written, as its provider counts them.
    pub tokens: u64,
}

/// A person's decision, with what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Hash of exactly what is decided about.
    pub subject_hash: String,
    /// Yes or no.
    pub is_approved: bool,
}

/// A call that is about to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedCall {
    /// The call.
    pub call: ToolCall,
    /// The decision that it carries out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// What a person is asked to approve of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalSubject {
    /// The tool whose call is approved.
    pub tool: String,
    /// Hash of tool, arguments, code and the dataset's version.
    pub hash: String,
    /// What is shown of it.
    pub payload: Value,
}

impl ApprovalSubject {
    /// Whether a step of preprocessing may be kept as it is now: `step` as tools show it, with the dataset that it works on.
    #[must_use]
    pub fn of_step(id: Option<&str>, step: &Value, dataset: &Value) -> Self {
        let subject = json!({
            "tool": ToolName::CommitTransformationStep,
            "stepId": id,
            "codeHash": step["codeHash"],
            "version": step["version"],
            "datasetId": dataset,
            // When it was measured, and so of which version of the dataset.
            "updatedAt": step["updatedAt"],
        });
        let hash: String = Sha256::digest(subject.to_string()).iter().map(|byte| format!("{byte:02x}")).collect();
        let payload = json!({ "subject": subject, "title": step["title"], "validation": step["validation"] });
        Self { tool: ToolName::CommitTransformationStep.as_str().to_owned(), hash, payload }
    }
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum End {
    /// The turn is done.
    Completed {
        /// The last words, unless they were streamed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// Something to look at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ui: Option<Value>,
    },
    /// The person is asked something.
    Asked {
        /// The questions, as the client takes them.
        questions: Value,
        /// What was said with them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// A person must approve.
    AwaitsApproval {
        /// Of what.
        subject: ApprovalSubject,
        /// Of what else: any of these may be approved of in its place.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<ApprovalSubject>,
        /// What was said with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// A plan is there to be looked at.
    PlanReady {
        /// The plan's file name.
        plan_name: String,
        /// The plan.
        plan_markdown: String,
    },
    /// It failed.
    Failed {
        /// Why, from the contract's closed set.
        code: String,
        /// What happened and what to do.
        message: String,
    },
}

impl End {
    /// A failure with a code's own words.
    #[must_use]
    pub fn failed(code: FailureCode) -> Self {
        Self::Failed { code: code.as_str().to_owned(), message: code.advice().to_owned() }
    }

    /// A failure with words of its own.
    #[must_use]
    pub fn failed_with(code: FailureCode, message: impl Into<String>) -> Self {
        Self::Failed { code: code.as_str().to_owned(), message: message.into() }
    }

    /// Completed with last words.
    #[must_use]
    pub fn said(message: impl Into<String>) -> Self {
        Self::Completed { message: Some(message.into()), ui: None }
    }
}

/// What happens in a turn.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnEvent {
    /// What is known was gathered.
    Prepared(Box<Facts>),
    /// The model answered.
    Answered(Box<Answer>),
    /// The model did not answer.
    Unanswered {
        /// Why, from the contract's closed set.
        code: String,
        /// What happened and what to do.
        message: String,
    },
    /// A call is about to be made.
    Started(Box<PlannedCall>),
    /// A call was made.
    Executed(Box<(ToolCall, ToolResult)>),
    /// The turn ended.
    Ended(Box<End>),
}

impl TurnEvent {
    /// Its stored form.
    #[must_use]
    pub fn stored(&self) -> NewWorkflowEvent {
        match self {
            Self::Prepared(facts) => NewWorkflowEvent::new("turn_prepared", json!(facts)),
            Self::Answered(answer) => NewWorkflowEvent::new("model_answered", json!(answer)),
            Self::Unanswered { code, message } => {
                NewWorkflowEvent::new("model_failed", json!({ "code": code, "message": message }))
            }
            Self::Started(planned) => NewWorkflowEvent::new("tool_started", json!(planned)),
            Self::Executed(done) => {
                NewWorkflowEvent::new(event_types::TOOL_EXECUTED, json!({ "call": done.0, "result": done.1 }))
            }
            Self::Ended(end) => NewWorkflowEvent::new(
                match **end {
                    End::Completed { .. } => event_types::COMPLETED,
                    End::Asked { .. } | End::AwaitsApproval { .. } | End::PlanReady { .. } => event_types::PAUSED,
                    End::Failed { .. } => event_types::FAILED,
                },
                end_payload(end),
            ),
        }
    }

    /// Reads a stored event. `None`: it changes nothing in a turn.
    #[must_use]
    pub fn read(event: &WorkflowEvent) -> Option<Self> {
        let payload = || event.payload.clone();
        Some(match event.event_type.as_str() {
            "turn_prepared" => Self::Prepared(Box::new(serde_json::from_value(payload()).ok()?)),
            "model_answered" => Self::Answered(Box::new(serde_json::from_value(payload()).ok()?)),
            "model_failed" => Self::Unanswered {
                code: event.payload.get("code")?.as_str()?.to_owned(),
                message: event.payload.get("message")?.as_str()?.to_owned(),
            },
            "tool_started" => Self::Started(Box::new(serde_json::from_value(payload()).ok()?)),
            event_types::TOOL_EXECUTED => {
                let call = serde_json::from_value(event.payload.get("call")?.clone()).ok()?;
                let result = serde_json::from_value(event.payload.get("result")?.clone()).ok()?;
                Self::Executed(Box::new((call, result)))
            }
            event_types::COMPLETED | event_types::PAUSED | event_types::FAILED => {
                Self::Ended(Box::new(serde_json::from_value(payload()).ok()?))
            }
            _ => return None,
        })
    }
}

/// The end with what the contract names in its event.
fn end_payload(end: &End) -> Value {
    let mut fields = match json!(end) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let kind = match end {
        End::Asked { .. } => Some("clarification"),
        End::AwaitsApproval { .. } => Some("approval"),
        End::PlanReady { .. } => Some("plan_ready"),
        End::Completed { .. } | End::Failed { .. } => None,
    };
    if let Some(kind) = kind {
        fields.insert("kind".to_owned(), kind.into());
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(event: &TurnEvent) {
        let stored = event.stored();
        let stored =
            WorkflowEvent { sequence: 1, event_type: stored.event_type, payload: stored.payload, created_at: Default::default() };
        assert_eq!(TurnEvent::read(&stored).as_ref(), Some(event));
    }

    #[test]
    fn events_are_read_as_they_were_stored() {
        let answer = Answer { node: "n".into(), text: "t".into(), ..Answer::default() };
        there_and_back(&TurnEvent::Answered(Box::new(answer)));
        there_and_back(&TurnEvent::Prepared(Box::default()));
        there_and_back(&TurnEvent::Unanswered { code: "UPSTREAM_TIMEOUT".into(), message: "m".into() });
        for end in [
            End::said("done"),
            End::Asked { questions: json!([]), message: None },
            End::PlanReady { plan_name: "p".into(), plan_markdown: "# P".into() },
            End::failed(FailureCode::DatasetRequired),
        ] {
            there_and_back(&TurnEvent::Ended(Box::new(end)));
        }
    }
}
