//! What may happen to a run when: pure decisions.

use chrono::{DateTime, Utc};

use super::{
    CODE_CHARS_MAX, CODE_CHARS_MIN, FEATURES_MAX, FeatureCode, FeatureCommand, FeatureProposal, FeatureRun, FeatureRunId,
    FeatureStatus, FeatureStep, LeakageRisk, NAME_CHARS_MAX, OUTPUT_COLUMNS_MAX,
    code::{is_placeholder, uses_frame},
};
use crate::{DatasetId, NotebookId, ProjectId};

/// Why a command is refused, and what to do next: for a model to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeatureRefusal {
    /// There is no such feature.
    #[error("Feature {0} not found in this run. Call propose_feature first, or name one of: {1}.")]
    NotFound(String, String),
    /// The run is full.
    #[error("This run has {max} features, the most that it may. Start another notebook.", max = FEATURES_MAX)]
    Full,
    /// A feature with code cannot be proposed again.
    #[error("Feature {0} is {1} already. Choose another featureId for another feature.")]
    ThereAlready(String, &'static str),
    /// The code is too short or too long.
    #[error("The code has {0} characters; it must have {min} to {max}.", min = CODE_CHARS_MIN, max = CODE_CHARS_MAX)]
    CodeLength(usize),
    /// The code makes nothing.
    #[error(
        "The code has no statement that uses `df`. Write final code that adds the output columns to the existing frame `df`."
    )]
    IdleCode,
    /// Columns must be named.
    #[error("Name 1 to {max} output columns, as the code makes them.", max = OUTPUT_COLUMNS_MAX)]
    NoOutputs,
    /// A column's name stands for another.
    #[error("\"{0}\" is a placeholder, not a column. Name the columns that the code makes.")]
    Placeholder(String),
    /// It is kept, so it stays as it is.
    #[error("Feature {0} is registered and stays as it is. Propose another feature instead.")]
    Registered(String),
    /// There is no code.
    #[error("Feature {0} has no code. Call materialize_feature_code first.")]
    NoCode(String),
    /// It must have run.
    #[error("Feature {0} is {1}. Its code must run without an error first: run its cell, then call execute_feature.")]
    NotExecuted(String, &'static str),
    /// It got other code while it was looked at.
    #[error("Feature {0} got other code meanwhile. Run that, then call execute_feature.")]
    Changed(String),
    /// It must have been measured.
    #[error("Feature {0} is {1}. Call validate_feature first.")]
    NotValidated(String, &'static str),
    /// It is made from what is to be predicted.
    #[error(
        "Feature {0} tells the target: a model that learns from it is worth nothing. Call register_feature with approved false, \
         or make it from other columns; for means of the target there is the method target_encode, which is learned without \
         leaking it."
    )]
    TellsTarget(String),
}

impl FeatureRun {
    /// A run without features.
    #[must_use]
    pub fn new(id: FeatureRunId, project_id: ProjectId, notebook: Option<NotebookId>, now: DateTime<Utc>) -> Self {
        Self {
            id,
            project_id,
            scope_notebook_id: notebook,
            features: Vec::new(),
            last_checkpoint: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// One of its features.
    ///
    /// # Errors
    /// [`FeatureRefusal::NotFound`].
    pub fn feature(&self, id: &str) -> Result<&FeatureStep, FeatureRefusal> {
        self.features.iter().find(|step| step.feature_id == id).ok_or_else(|| self.not_found(id))
    }

    /// One of its features, when it is the time to measure it.
    ///
    /// # Errors
    /// Why it is not.
    pub fn measurable(&self, id: &str) -> Result<&FeatureStep, FeatureRefusal> {
        let step = self.feature(id)?;
        match step.status {
            FeatureStatus::Registered => Err(FeatureRefusal::Registered(id.to_owned())),
            _ if step.code.is_none() => Err(FeatureRefusal::NoCode(id.to_owned())),
            FeatureStatus::Executed | FeatureStatus::Validated => Ok(step),
            status => Err(FeatureRefusal::NotExecuted(id.to_owned(), status.as_str())),
        }
    }

    /// Ids of the features that are kept.
    #[must_use]
    pub fn registered(&self) -> Vec<&str> {
        let kept = self.features.iter().filter(|step| step.status == FeatureStatus::Registered);
        kept.map(|step| step.feature_id.as_str()).collect()
    }

    /// Does what a command says, or nothing.
    ///
    /// # Errors
    /// Why it is not the time for it.
    pub fn apply(&mut self, command: FeatureCommand, now: DateTime<Utc>) -> Result<(), FeatureRefusal> {
        match command {
            FeatureCommand::Propose(proposal) => self.propose(*proposal, now)?,
            FeatureCommand::Materialize { feature_id, code, output_columns } => {
                self.materialize(&feature_id, code, output_columns, now)?;
            }
            FeatureCommand::RecordExecution { feature_id, code_hash, code, result } => {
                let step = self.with_code(&feature_id, &code_hash)?;
                if let Some(code) = code {
                    (step.code, step.code_hash) = (Some(code.text), Some(code.hash));
                }
                step.status = if result.succeeded { FeatureStatus::Executed } else { FeatureStatus::Failed };
                (step.execution_result, step.validation) = (Some(result), None);
                step.updated_at = now;
            }
            FeatureCommand::RecordValidation { feature_id, code_hash, validation } => {
                self.measurable(&feature_id)?;
                let step = self.with_code(&feature_id, &code_hash)?;
                (step.validation, step.status) = (Some(validation), FeatureStatus::Validated);
                step.updated_at = now;
            }
            FeatureCommand::Decide { feature_id, rejection: Some(reason), .. } => {
                self.reject(&feature_id, reason, now)?;
            }
            FeatureCommand::Decide { feature_id, dataset_id, rejection: None, is_approved } => {
                if !is_approved && self.feature(&feature_id)?.tells_target() {
                    return Err(FeatureRefusal::TellsTarget(feature_id));
                }
                self.register(&feature_id, dataset_id, now)?;
            }
            FeatureCommand::Checkpoint(checkpoint) => self.last_checkpoint = Some(checkpoint),
        }
        self.updated_at = now;
        Ok(())
    }

    fn propose(&mut self, proposal: FeatureProposal, now: DateTime<Utc>) -> Result<(), FeatureRefusal> {
        let FeatureProposal { feature_id, name, method, rationale, source_columns, params, impact } = proposal;
        let is_open = |status| matches!(status, FeatureStatus::Proposed | FeatureStatus::Rejected);
        let step = FeatureStep {
            feature_id,
            name,
            method,
            rationale,
            source_columns,
            params,
            impact,
            code: None,
            code_hash: None,
            output_columns: Vec::new(),
            status: FeatureStatus::Proposed,
            execution_result: None,
            validation: None,
            registered_at: None,
            rejection_reason: None,
            dataset_id: None,
            created_at: now,
            updated_at: now,
        };
        let is_full = self.features.len() >= FEATURES_MAX;
        match self.features.iter_mut().find(|known| known.feature_id == step.feature_id) {
            Some(known) if is_open(known.status) => *known = FeatureStep { created_at: known.created_at, ..step },
            Some(known) => return Err(FeatureRefusal::ThereAlready(step.feature_id, known.status.as_str())),
            None if is_full => return Err(FeatureRefusal::Full),
            None => self.features.push(step),
        }
        Ok(())
    }

    fn materialize(
        &mut self,
        feature_id: &str,
        code: FeatureCode,
        output_columns: Vec<String>,
        now: DateTime<Utc>,
    ) -> Result<(), FeatureRefusal> {
        let step = self.open_step(feature_id)?;
        check_code(&code.text)?;
        check_outputs(&output_columns)?;
        (step.code, step.code_hash) = (Some(code.text), Some(code.hash));
        step.output_columns = output_columns;
        (step.execution_result, step.validation, step.rejection_reason) = (None, None, None);
        (step.status, step.updated_at) = (FeatureStatus::CodeReady, now);
        Ok(())
    }

    /// What is not wanted needs no measurement.
    fn reject(&mut self, feature_id: &str, reason: String, now: DateTime<Utc>) -> Result<(), FeatureRefusal> {
        let step = self.step_mut(feature_id)?;
        (step.status, step.rejection_reason, step.registered_at) = (FeatureStatus::Rejected, Some(reason), None);
        step.updated_at = now;
        Ok(())
    }

    fn register(&mut self, feature_id: &str, dataset_id: Option<DatasetId>, now: DateTime<Utc>) -> Result<(), FeatureRefusal> {
        let step = self.step_mut(feature_id)?;
        if !matches!(step.status, FeatureStatus::Validated | FeatureStatus::Registered) {
            return Err(FeatureRefusal::NotValidated(feature_id.to_owned(), step.status.as_str()));
        }
        step.registered_at = step.registered_at.or(Some(now));
        (step.status, step.rejection_reason) = (FeatureStatus::Registered, None);
        step.dataset_id = dataset_id.or(step.dataset_id);
        step.updated_at = now;
        Ok(())
    }

    fn step_mut(&mut self, id: &str) -> Result<&mut FeatureStep, FeatureRefusal> {
        let missing = self.not_found(id);
        self.features.iter_mut().find(|step| step.feature_id == id).ok_or(missing)
    }

    /// A feature that may still change.
    fn open_step(&mut self, id: &str) -> Result<&mut FeatureStep, FeatureRefusal> {
        let step = self.step_mut(id)?;
        if step.status == FeatureStatus::Registered { Err(FeatureRefusal::Registered(id.to_owned())) } else { Ok(step) }
    }

    /// A feature that may still change and has the code that a fact is about.
    fn with_code(&mut self, id: &str, code_hash: &str) -> Result<&mut FeatureStep, FeatureRefusal> {
        let step = self.open_step(id)?;
        let Some(hash) = &step.code_hash else { return Err(FeatureRefusal::NoCode(id.to_owned())) };
        if hash != code_hash {
            return Err(FeatureRefusal::Changed(id.to_owned()));
        }
        Ok(step)
    }

    fn not_found(&self, id: &str) -> FeatureRefusal {
        let known: Vec<&str> = self.features.iter().map(|step| step.feature_id.as_str()).take(20).collect();
        let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
        FeatureRefusal::NotFound(shown(id), known)
    }
}

impl FeatureStep {
    /// Whether it was measured that it is made from what is to be predicted.
    #[must_use]
    pub fn tells_target(&self) -> bool {
        self.validation.as_ref().is_some_and(|validation| validation.leakage_risk == LeakageRisk::High)
    }
}

/// Whether code can be that of a feature.
///
/// # Errors
/// Why not.
pub fn check_code(code: &str) -> Result<(), FeatureRefusal> {
    let chars = code.trim().chars().count();
    if !(CODE_CHARS_MIN..=CODE_CHARS_MAX).contains(&chars) {
        return Err(FeatureRefusal::CodeLength(chars));
    }
    if uses_frame(code) { Ok(()) } else { Err(FeatureRefusal::IdleCode) }
}

fn check_outputs(columns: &[String]) -> Result<(), FeatureRefusal> {
    if columns.is_empty() || columns.len() > OUTPUT_COLUMNS_MAX {
        return Err(FeatureRefusal::NoOutputs);
    }
    if let Some(name) = columns.iter().find(|name| is_placeholder(name) || name.chars().count() > NAME_CHARS_MAX) {
        return Err(FeatureRefusal::Placeholder(shown(name)));
    }
    Ok(())
}

/// A text of a model, short enough for a message.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests;
