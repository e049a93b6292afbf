//! The tools of agents: what there is, what it takes, and where it runs.
//!
//! One [`registry`] for the engine, `GET /llm/tools` and MCP. The tools themselves are the embedder's: [`ToolHost`].

pub mod args;
pub mod output;
pub mod outside;
pub mod registry;
pub(crate) mod schema;

use std::fmt::Debug;

use async_trait::async_trait;
use gristmill_domain::{
    Caller, DatasetId, NotebookId, ProjectId,
    workflows::{Phase, ToolName, WorkflowRunId},
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ports::PortError;

/// The argument by which an approved call learns what the person saw of what it takes away: [`ToolHost::lost_hash`].
pub const CODE_HASH: &str = "codeHash";

/// On whose behalf and where a call runs. Every id in its arguments must be the project's.
#[derive(Debug, Clone)]
pub struct ToolContext {
    /// The caller.
    pub caller: Caller,
    /// The project.
    pub project: ProjectId,
    /// The run, when an agent calls.
    pub run: Option<WorkflowRunId>,
    /// The phase, when an agent calls.
    pub phase: Option<Phase>,
    /// The dataset that is worked on.
    pub dataset: Option<DatasetId>,
    /// The notebook that is worked in.
    pub notebook: Option<NotebookId>,
    /// The key under which the effect happens once, however often the call is repeated after a crash.
    pub key: String,
    /// Whether a person approved of exactly this call.
    pub is_approved: bool,
    /// Fires when the call should stop.
    pub stop: CancellationToken,
}

impl ToolContext {
    /// An id for something that the call makes: the same whenever the call is repeated.
    #[must_use]
    pub fn derived_id(&self, what: &str) -> Uuid {
        derived_id(&self.key, what)
    }
}

/// An id that follows from a key and a purpose (a version 8 UUID of their SHA-256).
#[must_use]
pub fn derived_id(key: &str, what: &str) -> Uuid {
    let digest = Sha256::new().chain_update(key).chain_update([0]).chain_update(what).finalize();
    let mut bytes = [0; 16];
    for (byte, from) in bytes.iter_mut().zip(digest) {
        *byte = from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// What a call gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolOutput {
    /// What it gave; failures may have an output too.
    pub output: Option<Value>,
    /// Why it failed.
    pub error: Option<String>,
}

impl ToolOutput {
    /// A success.
    #[must_use]
    pub fn of(output: Value) -> Self {
        Self { output: Some(output), error: None }
    }

    /// A failure, in words that tell the model what to do next.
    #[must_use]
    pub fn failed(error: impl Into<String>) -> Self {
        Self { output: None, error: Some(error.into()) }
    }
}

/// Runs tools.
#[async_trait]
pub trait ToolHost: Send + Sync + Debug {
    /// Runs a call. Wrong arguments, things that are not the project's and everything else that goes wrong are failures in
    /// the output, for the model to read.
    ///
    /// # Cancel safety
    /// May be dropped, and repeated under the same key: what it did already is found, not done again.
    async fn run(&self, context: &ToolContext, tool: ToolName, args: &Map<String, Value>) -> ToolOutput;

    /// Why a call that a person would be asked about can only fail, in words for the model: what it names is not there. Nobody is
    /// asked then, and the call is not run. `None`: nothing is known against it.
    async fn refusal(&self, _context: &ToolContext, _tool: ToolName, _args: &Map<String, Value>) -> Option<String> {
        None
    }

    /// The hash of what a call would take away for good, as it is now, such as of the text of a cell that it deletes. A person
    /// is asked about the call together with that. Approved of, it is run with the hash as the argument [`CODE_HASH`], and must
    /// do nothing but fail where it has another by then. Of what is not there it is empty. `None`: it takes away nothing that
    /// could change.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn lost_hash(
        &self,
        _context: &ToolContext,
        _tool: ToolName,
        _args: &Map<String, Value>,
    ) -> Result<Option<String>, PortError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_the_same_for_the_same_call_only() {
        let id = derived_id("run/call-1", "cell");
        assert_eq!(id, derived_id("run/call-1", "cell"));
        assert_eq!(id.get_version_num(), 8);
        for other in [derived_id("run/call-2", "cell"), derived_id("run/call-1", "step"), derived_id("run/call-1c", "ell")] {
            assert_ne!(id, other);
        }
    }
}
