//! Plan chats (contract 1, section 13).

use garde::Validate;
use gristmill_domain::{
    PlanChatId, ProjectId, UserId,
    plan_chats::{ANSWERS_MAX, MESSAGES_MAX, PlanChat, PlanChatOutline, PlanChatStatus},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    common::{Instant, RequestBody, not_null},
    projects::no_nul,
};

/// A plan chat without what is said in it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanChatSummary {
    /// Identity.
    pub chat_id: PlanChatId,
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
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
    /// How many messages it has.
    pub message_count: u32,
}

impl From<PlanChatOutline> for PlanChatSummary {
    fn from(outline: PlanChatOutline) -> Self {
        Self {
            chat_id: outline.id,
            project_id: outline.project_id,
            user_id: outline.user_id,
            name: outline.name,
            status: outline.status,
            current_round: outline.current_round,
            completed_plan_id: outline.completed_plan_id,
            created_at: outline.created_at.into(),
            updated_at: outline.updated_at.into(),
            message_count: outline.message_count,
        }
    }
}

/// A plan chat.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanChatView {
    /// Identity.
    pub chat_id: PlanChatId,
    /// The project.
    pub project_id: ProjectId,
    /// Whose it is.
    pub user_id: UserId,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub status: PlanChatStatus,
    /// Messages, as the client stored them.
    pub messages: Vec<Value>,
    /// Answers, as the client stored them.
    pub answer_history: Vec<Value>,
    /// The round of questions that it is in, from 0.
    pub current_round: u32,
    /// The plan that it led to.
    pub completed_plan_id: Option<String>,
    /// When it was made.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

impl From<PlanChat> for PlanChatView {
    fn from(chat: PlanChat) -> Self {
        let outline = chat.outline;
        Self {
            chat_id: outline.id,
            project_id: outline.project_id,
            user_id: outline.user_id,
            name: outline.name,
            status: outline.status,
            messages: chat.messages,
            answer_history: chat.answer_history,
            current_round: outline.current_round,
            completed_plan_id: outline.completed_plan_id,
            created_at: outline.created_at.into(),
            updated_at: outline.updated_at.into(),
        }
    }
}

/// Which plan chats to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PlanChatsQuery {
    /// `in_progress` or `completed`; anything else lists all.
    #[garde(skip)]
    pub status: Option<String>,
}

/// A plan chat to be made.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub struct PlanChatCreate {
    /// Its name, 1 to 200 characters without white space around it.
    #[garde(custom(is_name))]
    pub name: String,
}

impl RequestBody for PlanChatCreate {}

/// Changes to a plan chat: at least one; given fields are replaced whole.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanChatPatch {
    /// All messages, at most 500.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(max = MESSAGES_MAX)))]
    pub messages: Option<Vec<Value>>,
    /// All answers, at most 200.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(max = ANSWERS_MAX)))]
    pub answer_history: Option<Vec<Value>>,
    /// The round of questions, from 0.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(range(max = 1_000_000_000)))]
    pub current_round: Option<u32>,
    /// The name, 1 to 200 characters.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(custom(is_name)))]
    pub name: Option<String>,
}

impl RequestBody for PlanChatPatch {}

impl PlanChatPatch {
    /// Whether nothing is to be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_none() && self.answer_history.is_none() && self.current_round.is_none() && self.name.is_none()
    }
}

/// The end of a plan chat.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanChatCompletion {
    /// The plan that it led to, 1 to 200 characters.
    #[garde(custom(is_name))]
    pub completed_plan_id: String,
    /// Its name, 1 to 200 characters.
    #[garde(custom(is_name))]
    pub name: String,
}

impl RequestBody for PlanChatCompletion {}

fn is_name(text: &str, context: &()) -> garde::Result {
    no_nul(text, context)?;
    let chars = text.trim().chars().count();
    if (1..=200).contains(&chars) { Ok(()) } else { Err(garde::Error::new("must have 1 to 200 characters")) }
}
