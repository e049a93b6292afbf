//! Plan chats: conversations in which a client works out a project's plan. What is said in them is the client's own.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{PlanChatId, ProjectId, UserId};

/// Most messages of a chat.
pub const MESSAGES_MAX: usize = 500;
/// Most entries of a chat's history of answers.
pub const ANSWERS_MAX: usize = 200;

/// Where a plan chat stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum PlanChatStatus {
    /// It goes on.
    InProgress,
    /// It has led to a plan.
    Completed,
}

impl PlanChatStatus {
    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
        }
    }

    /// Reads a stored or sent name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::InProgress, Self::Completed].into_iter().find(|status| status.as_str() == name)
    }
}

/// A plan chat without what is said in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanChatOutline {
    /// Identity.
    pub id: PlanChatId,
    /// The project.
    pub project_id: ProjectId,
    /// Whose it is.
    pub user_id: UserId,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub status: PlanChatStatus,
    /// The round of questions that it is in, from 0.
    pub current_round: u32,
    /// The plan that it led to.
    pub completed_plan_id: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// How many messages it has.
    pub message_count: u32,
}

/// A plan chat.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanChat {
    /// All but what is said in it.
    pub outline: PlanChatOutline,
    /// Messages, as the client stored them.
    pub messages: Vec<Value>,
    /// Answers, as the client stored them.
    pub answer_history: Vec<Value>,
}
