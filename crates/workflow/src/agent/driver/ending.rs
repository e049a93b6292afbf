//! The end of a turn: the run as it stands, what it made, and the client's last events.

use gristmill_domain::workflows::{
    ArtifactKind, NewApproval, NewWorkflowEvent, PendingInput, RunRecord, RunStanding, ToolResult, WorkflowStatus,
};
use gristmill_llm::FailureCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{TurnError, Work};
use crate::{
    agent::{
        phases::{asked_call, subject_of},
        turn::{ApprovalSubject, End, PlannedCall, TurnEvent},
        wire,
    },
    prompts::printable,
    tools::{derived_id, output},
};

impl Work<'_> {
    /// Saves the end, unless it was saved before, and tells the client what it was not told of it yet.
    pub(super) async fn end(&mut self, mut end: End) -> Result<(), TurnError> {
        let artifact = derived_id(self.run.id.as_str(), &format!("artifact {}", self.state.turn.number));
        if self.is_recorded {
            // Since then the run may have been interrupted, or gone on: this turn's client is told how this turn ended.
            let standing = self.standing(&end);
            self.run.status = standing.status;
            self.run.current_node = standing.current_node;
            self.run.pending_input = standing.pending_input;
            self.run.pause_reason = standing.pause_reason;
            self.run.failure_code = standing.failure_code;
            self.run.failure_message = standing.failure_message;
        } else {
            self.seal(&mut end).await?;
            let artifacts = artifact_of(&end, artifact);
            let mut events: Vec<NewWorkflowEvent> = artifacts
                .iter()
                .map(|(id, kind, ..)| {
                    NewWorkflowEvent::new("artifact_updated", json!({ "artifactId": id, "artifactType": kind }))
                })
                .collect();
            events.push(TurnEvent::Ended(Box::new(end.clone())).stored());
            let record = RunRecord {
                standing: Some(self.standing(&end)),
                artifacts,
                approvals: self.approval_of(&end),
                decisions: self.state.rejected().map(|decision| self.decided(&decision)).into_iter().collect(),
                metadata: Some(self.metadata()),
                ends_turn: true,
                ..RunRecord::default()
            };
            self.record(events, record).await?;
        }
        let target = self.state.turn.request.target_column.as_deref();
        let events = wire::ending(&self.run, target, Some(&end), self.was_streamed, &artifact.to_string());
        for event in events.into_iter().skip(self.told.ending) {
            self.engine.sink.emit(event).await?;
        }
        Ok(())
    }

    /// Refuses the call that a question is about when it can only fail: the model is told why, and nobody is asked. `None`: the
    /// turn ends.
    pub(super) async fn refuse(&mut self, end: &End) -> Result<Option<TurnEvent>, TurnError> {
        let End::AwaitsApproval { subject, .. } = end else { return Ok(None) };
        let Some(call) = asked_call(subject).filter(|_| !self.is_recorded) else { return Ok(None) };
        let Some(why) = self.engine.tools.refusal(&self.context(&call, None), call.tool, &call.args).await else {
            return Ok(None);
        };
        let result = ToolResult { id: call.id.clone(), tool: call.tool, output: None, error: Some(output::cap_error(&why)) };
        let started = TurnEvent::Started(Box::new(PlannedCall { call: call.clone(), decision: None }));
        let executed = TurnEvent::Executed(Box::new((call.clone(), result.clone())));
        let sequence = self.record(vec![started.stored(), executed.stored()], RunRecord::default()).await?;
        self.engine.sink.emit(wire::tool_started(&call, sequence - 1)).await?;
        self.happened(started);
        self.engine.sink.emit(wire::tool_executed(&call, &result, sequence)).await?;
        Ok(Some(executed))
    }

    /// Puts into a question about a model's call what the call takes away, as it is when the person is asked. It is a fact from
    /// then on: the question is recorded with it.
    async fn seal(&self, end: &mut End) -> Result<(), TurnError> {
        let End::AwaitsApproval { subject, .. } = end else { return Ok(()) };
        if let Some(call) = asked_call(subject) {
            let lost = self.engine.tools.lost_hash(&self.context(&call, None), call.tool, &call.args).await?;
            *subject = subject_of(&call, lost.as_deref());
        }
        Ok(())
    }

    fn standing(&self, end: &End) -> RunStanding {
        let mut standing = RunStanding {
            status: WorkflowStatus::Completed,
            current_node: self.state.node.to_owned(),
            pending_input: None,
            pause_reason: None,
            failure_code: None,
            failure_message: None,
        };
        let mut pause = |kind: Option<PendingInput>, reason: &str| {
            standing.status = WorkflowStatus::Paused;
            standing.pending_input = kind;
            standing.pause_reason = Some(reason.to_owned());
        };
        match end {
            End::Completed { .. } => {}
            End::Asked { .. } => pause(Some(PendingInput::Clarification), "user_input_required"),
            End::AwaitsApproval { .. } => pause(Some(PendingInput::Approval), "awaiting_approval"),
            End::PlanReady { .. } => pause(None, "plan_ready"),
            End::Failed { code, message } => {
                let is_retryable = FailureCode::from_name(code).is_none_or(FailureCode::is_retryable);
                standing.status = if is_retryable { WorkflowStatus::FailedRetryable } else { WorkflowStatus::FailedTerminal };
                standing.failure_code = Some(code.clone());
                // It may quote code, which may have characters that PostgreSQL's texts do not.
                standing.failure_message = Some(printable(message));
            }
        }
        standing
    }

    /// What the client's header shows, beside what the run keeps.
    fn metadata(&self) -> serde_json::Map<String, Value> {
        let mut metadata = self.run.metadata.clone();
        metadata.insert("lastTurnToolCalls".to_owned(), json!(self.state.iterations));
        metadata
    }

    fn approval_of(&self, end: &End) -> Vec<NewApproval> {
        let End::AwaitsApproval { subject, others, .. } = end else { return Vec::new() };
        let asked = |subject: &ApprovalSubject| NewApproval {
            id: derived_id(self.run.id.as_str(), &format!("approval {} {}", self.state.turn.number, subject.hash)),
            approval_type: subject.tool.clone(),
            subject_hash: subject.hash.clone(),
            payload: subject.payload.clone(),
        };
        std::iter::once(subject).chain(others).map(asked).collect()
    }
}

/// What a turn leaves to look at.
fn artifact_of(end: &End, id: Uuid) -> Vec<(Uuid, ArtifactKind, Option<String>, Value)> {
    match end {
        End::Completed { ui: Some(ui), .. } => {
            vec![(id, ArtifactKind::Ui, ui["title"].as_str().map(printable), ui.clone())]
        }
        End::Completed { message: Some(message), .. } => {
            vec![(id, ArtifactKind::Summary, Some("Summary".to_owned()), json!({ "message": message }))]
        }
        End::PlanReady { plan_name, plan_markdown } => {
            let payload = json!({ "planName": plan_name, "planMarkdown": plan_markdown });
            vec![(id, ArtifactKind::Plan, Some(plan_name.clone()), payload)]
        }
        _ => Vec::new(),
    }
}
