//! Messages of the WebSocket `/ws/notebook` (contract 3, section 8). They are listed in the OpenAPI document as
//! components, for the generated client.

use gristmill_domain::{
    CellId, DeploymentId, NotebookId, deployments::DeploymentStatus, execution::RichOutput, notebooks::LockOwner,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{cells::CellView, common::Instant, deployments::DeploymentView};

/// What a client says. Unknown types are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum NotebookSocketRequest {
    /// Begins to watch a notebook.
    Subscribe {
        /// Which.
        notebook_id: NotebookId,
        /// The `seq` of the last event that the client has: what came after it is sent first.
        #[serde(default)]
        after: Option<i64>,
    },
    /// Watches it no more.
    Unsubscribe {
        /// Which.
        notebook_id: NotebookId,
    },
    /// Asks for a sign of life.
    Ping,
}

/// What the server says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum NotebookSocketMessage {
    /// The client watches a notebook now.
    #[serde(rename = "subscribed")]
    Subscribed {
        /// Which.
        notebook_id: NotebookId,
        /// Number of the last event that it does not get.
        seq: i64,
    },
    /// The client watches it no more.
    #[serde(rename = "unsubscribed")]
    Unsubscribed {
        /// Which.
        notebook_id: NotebookId,
    },
    /// A sign of life.
    #[serde(rename = "pong")]
    Pong,
    /// The last message of the client was refused.
    #[serde(rename = "error")]
    Error {
        /// Why.
        message: String,
    },
    /// A cell was made.
    #[serde(rename = "cell:created")]
    CellCreated {
        /// The cell.
        cell: Box<CellView>,
        /// When it happened, and its number.
        #[serde(flatten)]
        stamp: EventStamp,
    },
    /// A cell's text, heading, metadata or place changed.
    #[serde(rename = "cell:updated")]
    CellUpdated {
        /// The cell.
        cell: Box<CellView>,
        /// When it happened, and its number.
        #[serde(flatten)]
        stamp: EventStamp,
    },
    /// A run ended.
    #[serde(rename = "cell:executed")]
    CellExecuted {
        /// The cell.
        cell: Box<CellView>,
        /// When it happened, and its number.
        #[serde(flatten)]
        stamp: EventStamp,
    },
    /// A cell was removed.
    #[serde(rename = "cell:deleted")]
    CellDeleted {
        /// Which.
        cell_id: CellId,
        /// When it happened, and its number.
        #[serde(flatten)]
        stamp: EventStamp,
    },
    /// A run began.
    #[serde(rename = "cell:executing")]
    CellExecuting {
        /// Which.
        cell_id: CellId,
        /// When it happened, and its number.
        #[serde(flatten)]
        stamp: EventStamp,
    },
    /// A cell is free again.
    #[serde(rename = "cell:unlocked")]
    CellUnlocked {
        /// Which.
        cell_id: CellId,
        /// When it happened, and its number.
        #[serde(flatten)]
        stamp: EventStamp,
    },
    /// Somebody took hold of a cell.
    #[serde(rename = "cell:locked")]
    CellLocked {
        /// Which.
        cell_id: CellId,
        /// Who.
        locked_by: LockOwner,
        /// When it happened, and its number.
        #[serde(flatten)]
        stamp: EventStamp,
    },
    /// A run put something out.
    #[serde(rename = "cell:output")]
    CellOutput {
        /// Which.
        cell_id: CellId,
        /// What.
        output: RichOutput,
        /// When it happened, and its number.
        #[serde(flatten)]
        stamp: EventStamp,
    },
    /// Forget what you know of the notebook: these are its cells.
    #[serde(rename = "notebook:cells_reset")]
    CellsReset {
        /// Which.
        notebook_id: NotebookId,
        /// All of its cells.
        cells: Vec<CellView>,
        /// When it happened, and its number.
        #[serde(flatten)]
        stamp: EventStamp,
    },
    /// The project's kernel was ended because nobody used it, or died. Variables are gone, files are not.
    #[serde(rename = "kernel:stopped")]
    KernelStopped {
        /// The notebook that is watched.
        notebook_id: NotebookId,
        /// When it happened, and its number.
        #[serde(flatten)]
        stamp: EventStamp,
    },
}

/// When something happened.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct EventStamp {
    /// When.
    pub timestamp: Instant,
    /// Its number in the notebook: a reconnecting client sends the last one it has as `after`.
    pub seq: i64,
}

/// What a client of `/ws/deployment` says. Unknown types are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum DeploymentSocketRequest {
    /// Begins to watch a deployment.
    Subscribe {
        /// Which.
        deployment_id: DeploymentId,
    },
    /// Watches it no more.
    Unsubscribe {
        /// Which.
        deployment_id: DeploymentId,
    },
    /// Asks for a sign of life.
    Ping,
}

/// What the server says on `/ws/deployment`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum DeploymentSocketMessage {
    /// A sign of life.
    Pong,
    /// The last message of the client was refused.
    Error {
        /// Why.
        message: String,
    },
    /// The deployment as it is when the client begins to watch it.
    DeploymentSnapshot {
        /// The deployment.
        deployment: Box<DeploymentView>,
    },
    /// The deployment stands elsewhere now.
    StatusChange {
        /// Which.
        deployment_id: DeploymentId,
        /// Where.
        status: DeploymentStatus,
        /// Why it is failed or unhealthy.
        #[serde(skip_serializing_if = "Option::is_none")]
        error_message: Option<String>,
    },
}
