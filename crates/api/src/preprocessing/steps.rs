//! Steps from their proposal to the run of their code.

use gristmill_domain::{
    CellId,
    datasets::Dataset,
    notebooks::CELL_CHARS_MAX,
    preprocessing::{
        self, Material, PrepAnswer, PrepRun, Proposal, ReasonCode, Refusal, Step, StepId, StepInput, execute, propose,
    },
};
use serde_json::{Value, json};

use super::{
    Call,
    answer::step_view,
    code::{self, KernelFile, cell_content, unfenced},
};

impl Call<'_> {
    pub(super) async fn propose(&self) -> Result<PrepAnswer, Refusal> {
        let proposal = Proposal {
            title: self.args.required("title")?.to_owned(),
            intent_type: self.args.required("intentType")?.to_owned(),
            rationale: self.args.text("rationale").map(str::to_owned),
            asks_approval: self.args.flag("requiresApproval") == Some(true),
            tool_call_id: self.tool_call_id(),
        };
        let known = self.args.text("stepId").and_then(StepId::parse);
        let run = self.run().await?;
        let without_cells = self.without_cells(&run).await?;
        self.decide(&run, |run, now| {
            let id = propose(run, known, proposal, &without_cells, now)?;
            told(run, id, json!({}))
        })
        .await
    }

    pub(super) async fn materialize(&self) -> Result<PrepAnswer, Refusal> {
        let id = self.step_id()?;
        self.args.required("code").map_err(|refusal| refusal.of_step(id))?;
        let sent = unfenced(self.args.raw("code").unwrap_or_default());
        let run = self.run().await?;
        let dataset = self.dataset_of_code(&run, run.step(id)?).await?;
        let content = cell_content(sent, &KernelFile::of(&dataset));
        if content.contains('\0') || content.chars().count() > CELL_CHARS_MAX {
            let message = format!("Code has no NUL characters and at most {CELL_CHARS_MAX} characters.");
            return Err(Refusal::new(ReasonCode::MissingRequiredArg, message).of_step(id));
        }
        let material = Material {
            hash: code::hash(&content),
            code: content,
            input: StepInput { dataset_id: dataset.id, dataset_version: dataset.version },
            tool_call_id: self.tool_call_id(),
        };
        self.decide(&run, |run, now| {
            preprocessing::materialize(run, id, material, now)?;
            let step = run.step(id)?;
            let cell = json!({
                "cellId": step.cell_ids.first(),
                "cellType": "code",
                "title": step.title,
                "content": step.code,
                "metadata": { "preprocessing": {
                    "runId": run.id,
                    "stepId": id,
                    "toolCallId": step.tool_call_id,
                    "version": step.version,
                    "codeHash": step.code_hash,
                    "datasetId": dataset.id,
                    "dataframeName": "df",
                }},
            });
            told(run, id, json!({ "datasetId": dataset.id, "cells": [cell] }))
        })
        .await
    }

    pub(super) async fn execute(&self) -> Result<PrepAnswer, Refusal> {
        let id = self.step_id()?;
        let named = self.args.cells().map_err(|refusal| refusal.of_step(id))?;
        let run = self.run().await?;
        let cells = self.cells(&self.cells_to_look_at(&run, run.step(id)?, named).await?).await?;
        self.decide(&run, |run, now| {
            let succeeded = execute(run, id, &cells.now, now)?;
            let status = if succeeded { "success" } else { "failed" };
            let fields = json!({
                "succeeded": succeeded,
                "stdout": cells.stdout,
                "stderr": cells.stderr,
                "cellBindings": bindings(run.step(id)?),
            });
            let mut fields = told(run, id, fields)?;
            if let Value::Object(fields) = &mut fields {
                fields.insert("status".to_owned(), status.into());
            }
            Ok(fields)
        })
        .await
    }

    /// Those that are named, else the step's, else those that are marked as the step's.
    async fn cells_to_look_at(&self, run: &PrepRun, step: &Step, named: Vec<CellId>) -> Result<Vec<CellId>, Refusal> {
        if !named.is_empty() {
            return Ok(named);
        }
        if !step.cell_ids.is_empty() {
            return Ok(step.cell_ids.clone());
        }
        self.marked_cells(run.id, step.id).await
    }

    /// What a step's code works on: the dataset that is worked on, unless that is what the step itself made of another.
    async fn dataset_of_code(&self, run: &PrepRun, step: &Step) -> Result<Dataset, Refusal> {
        let active = self.active(run).await?;
        let made = run.checkpoints.iter().rev().find(|checkpoint| checkpoint.dataset_id == active.id);
        let is_own = made.is_some_and(|checkpoint| checkpoint.step_ids.last() == Some(&step.id));
        match step.input {
            Some(input) if is_own => self.dataset(input.dataset_id).await,
            _ => Ok(active),
        }
    }

    fn tool_call_id(&self) -> Option<String> {
        let id = self.args.text("toolCallId")?;
        Some(id.chars().filter(|c| !c.is_control()).take(200).collect())
    }
}

/// What every answer about a step says, and `more`.
pub(super) fn told(run: &PrepRun, id: StepId, more: Value) -> Result<Value, Refusal> {
    let step = run.step(id)?;
    let mut fields = json!({ "stepId": id, "status": step.status, "step": step_view(step) });
    if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
        fields.extend(more);
    }
    Ok(fields)
}

/// The cells of a step with the hash of its code.
pub(super) fn bindings(step: &Step) -> Vec<Value> {
    step.cell_ids.iter().map(|cell| json!({ "cellId": cell, "codeHash": step.code_hash })).collect()
}
