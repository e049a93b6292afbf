//! What the engine needs from outside, besides models and tools.

use std::fmt::Debug;

use async_trait::async_trait;
use gristmill_domain::{
    Caller,
    workflows::{RunRecord, WorkflowEvent, WorkflowRun},
};
use serde_json::Value;

use super::turn::{Facts, TurnRequest};
use crate::ports::PortError;

/// Keeps the run that a turn belongs to. One store is of one turn, and writes only while that turn may.
#[async_trait]
pub trait TurnStore: Send + Sync + Debug {
    /// Reads the run and its events, up to the end of this turn; of the turns before it, those of the types that are
    /// [remembered](super::machine::REMEMBERED) suffice, and the oldest of these may be [left out](super::machine::left_out),
    /// the same ones whenever it is read. When another turn has begun since, the run does not run.
    ///
    /// # Errors
    /// The run is gone, or the storage fails.
    async fn load(&self) -> Result<(WorkflowRun, Vec<WorkflowEvent>), PortError>;

    /// Writes what happened, in one commit.
    ///
    /// # Errors
    /// `Conflict`: the turn may not write any more, because it was interrupted or another server has it. Else the storage
    /// fails.
    ///
    /// # Cancel safety
    /// Dropping the wait may or may not write; nothing is written twice.
    async fn record(&self, record: RunRecord) -> Result<(WorkflowRun, i64), PortError>;
}

/// An event for the client.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientEvent {
    /// Its type.
    pub name: &'static str,
    /// Its fields, an object.
    pub data: Value,
    /// Position in the run's log of what it tells; 0 for what is not in it.
    pub sequence: i64,
}

/// What the client was told of a turn before this server took it up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Position in the run's log of the last call that was told; 0 for none.
    pub sequence: i64,
    /// How many of the events that end the turn, of which the saved state is the first.
    pub ending: usize,
}

/// Takes what the client is to see, in order.
#[async_trait]
pub trait TurnSink: Send + Sync + Debug {
    /// Takes the next event. Waits while too much is on its way.
    ///
    /// # Errors
    /// When nothing can be told any more.
    async fn emit(&self, event: ClientEvent) -> Result<(), PortError>;

    /// What was told before this server took the turn up.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn told(&self) -> Result<Told, PortError>;
}

/// A block of text for the model that came from outside: data, documents, plans. Hostile text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Material {
    /// What it is, for the block's head: `dataset`, `document`, ….
    pub kind: &'static str,
    /// The text.
    pub text: String,
}

/// What is known of a project when a turn begins.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Knowledge {
    /// What phases look at.
    pub facts: Facts,
    /// What the model is shown.
    pub material: Vec<Material>,
}

/// Knows projects.
#[async_trait]
pub trait KnowledgeSource: Send + Sync + Debug {
    /// Gathers what a turn of one of the caller's runs needs.
    ///
    /// # Errors
    /// A failure of the storage. What is not there is not an error: the facts say so.
    ///
    /// # Cancel safety
    /// Changes nothing; dropped when the turn is told to stop.
    async fn gather(&self, caller: &Caller, run: &WorkflowRun, request: &TurnRequest) -> Result<Knowledge, PortError>;
}
