//! Trainings by agents: what an experiment is, what its tools decide, and what generated code must be.
//!
//! All of it is pure: what was configured, run or registered goes in, what to keep and to answer comes out. The embedder
//! runs cells and models, and keeps experiments through [`ExperimentStore`]. What a model says of its own training is a
//! claim: scores come from what cells printed, as the server recorded it.

pub mod approval;
mod arguments;
pub mod checks;
pub mod code;
pub mod configure;
pub mod experiments;
pub mod family;
pub mod finalise;
#[cfg(test)]
mod fixtures;
pub mod markers;
pub mod packages;
pub mod plan;
mod python;
pub mod results;
pub mod selection;

use std::fmt::Debug;

use async_trait::async_trait;
use gristmill_domain::{Caller, ProjectId, ports::StoreError, workflows::WorkflowRunId};
use serde_json::Value;

use self::experiments::Experiments;
use crate::tools::ToolOutput;

/// A run, as far as trainings look at it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrainingRun {
    /// Which turn of the run goes on: a number that no other turn of it has.
    pub turn: i64,
    /// The column to predict that the turn was asked with.
    pub target: Option<String>,
    /// Its experiments.
    pub experiments: Experiments,
}

/// What a tool decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The experiments from now on; none: as they were.
    pub experiments: Option<Experiments>,
    /// What the tool answers.
    pub output: ToolOutput,
}

impl Changed {
    /// Nothing changes, for this reason.
    #[must_use]
    pub fn refused(reason: impl Into<String>) -> Self {
        Self { experiments: None, output: ToolOutput::failed(reason) }
    }

    /// Nothing changes, and this is the answer.
    #[must_use]
    pub fn nothing(output: Value) -> Self {
        Self { experiments: None, output: ToolOutput::of(output) }
    }

    /// These are the experiments from now on, and this is the answer.
    #[must_use]
    pub fn to(experiments: Experiments, output: Value) -> Self {
        Self { experiments: Some(experiments), output: ToolOutput::of(output) }
    }
}

/// Decides from a run what to keep and what to answer. Pure: the same for the same run, so that it may be repeated.
pub type Change<'a> = &'a (dyn Fn(&TrainingRun) -> Changed + Send + Sync);

/// Keeps the experiments of runs, in `metadata.experiments`. One method is one transaction.
#[async_trait]
pub trait ExperimentStore: Send + Sync + Debug {
    /// Reads one of the caller's runs.
    ///
    /// # Errors
    /// `NotFound` when the run is not the caller's or not the project's; `Unavailable`, `Defect`.
    async fn load(&self, caller: &Caller, project: ProjectId, run: &WorkflowRunId) -> Result<TrainingRun, StoreError>;

    /// Reads one of the caller's runs, keeps what `change` decides, and returns its answer. `key` is that of the call; a
    /// change that was made already decides the same again and may be made again.
    ///
    /// # Errors
    /// As [`Self::load`]; `Conflict` when the run may not be written to any more.
    async fn update(
        &self,
        caller: &Caller,
        project: ProjectId,
        run: &WorkflowRunId,
        key: &str,
        change: Change<'_>,
    ) -> Result<ToolOutput, StoreError>;
}
