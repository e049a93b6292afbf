//! Plan chats. What is said in them is stored as sent.

use chrono::{DateTime, Utc};
use diesel::{dsl::sql, prelude::*, sql_types};
use diesel_async::{AsyncConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, PlanChatId, ProjectId, UserId,
    plan_chats::{PlanChat, PlanChatOutline, PlanChatStatus},
    ports::StoreError,
};
use serde_json::Value;
use uuid::Uuid;

use super::ownership::{hold_project, own_project};
use crate::{Database, database::DbError, schema::plan_chats};

/// The plan chats of a caller.
#[derive(Debug, Clone)]
pub struct PlanChats {
    database: Database,
}

/// Changes to a plan chat; `None` keeps what is stored.
#[derive(Debug, Clone, Default)]
pub struct PlanChatPatch {
    /// All messages.
    pub messages: Option<Vec<Value>>,
    /// All answers.
    pub answer_history: Option<Vec<Value>>,
    /// The round of questions.
    pub current_round: Option<u32>,
    /// The name, not empty.
    pub name: Option<String>,
    /// The plan that it led to: sets the status, too.
    pub completed_plan_id: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = plan_chats, check_for_backend(diesel::pg::Pg))]
struct PlanChatRow {
    chat_id: Uuid,
    project_id: Uuid,
    user_id: Uuid,
    name: String,
    status: String,
    messages: Value,
    answer_history: Value,
    current_round: i32,
    completed_plan_id: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<PlanChatRow> for PlanChat {
    type Error = StoreError;

    fn try_from(row: PlanChatRow) -> Result<Self, StoreError> {
        let (messages, answer_history) = (list(row.messages)?, list(row.answer_history)?);
        let outline = PlanChatOutline {
            id: PlanChatId(row.chat_id),
            project_id: ProjectId(row.project_id),
            user_id: UserId(row.user_id),
            name: row.name,
            status: status(&row.status)?,
            current_round: u32::try_from(row.current_round).unwrap_or(0),
            completed_plan_id: row.completed_plan_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
            message_count: u32::try_from(messages.len()).unwrap_or(u32::MAX),
        };
        Ok(Self { outline, messages, answer_history })
    }
}

fn list(stored: Value) -> Result<Vec<Value>, StoreError> {
    match stored {
        Value::Array(items) => Ok(items),
        _ => Err(StoreError::Defect("a plan chat without a list".into())),
    }
}

fn status(name: &str) -> Result<PlanChatStatus, StoreError> {
    PlanChatStatus::from_name(name).ok_or_else(|| StoreError::Defect("unknown status of a plan chat".into()))
}

/// What a list shows; the messages stay in the database and are only counted.
type OutlineRow = (Uuid, Uuid, Uuid, String, String, i32, Option<String>, DateTime<Utc>, DateTime<Utc>, i32);

impl PlanChats {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Lists the chats of one of the caller's projects, the last changed first.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn list(
        &self,
        caller: &Caller,
        project: ProjectId,
        only: Option<PlanChatStatus>,
    ) -> Result<Vec<PlanChatOutline>, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows = connection
            .transaction(async |connection| {
                own_project(connection, caller.user_id, project).await?;
                let mut query = plan_chats::table
                    .filter(plan_chats::project_id.eq(project.0))
                    .filter(plan_chats::user_id.eq(caller.user_id.0))
                    .order((plan_chats::updated_at.desc(), plan_chats::chat_id.desc()))
                    .select((
                        plan_chats::chat_id,
                        plan_chats::project_id,
                        plan_chats::user_id,
                        plan_chats::name,
                        plan_chats::status,
                        plan_chats::current_round,
                        plan_chats::completed_plan_id,
                        plan_chats::created_at,
                        plan_chats::updated_at,
                        sql::<sql_types::Integer>("json_array_length(messages)"),
                    ))
                    .into_boxed();
                if let Some(only) = only {
                    query = query.filter(plan_chats::status.eq(only.as_str()));
                }
                Ok::<Vec<OutlineRow>, DbError>(query.load(connection).await?)
            })
            .await?;
        rows.into_iter().map(outline).collect()
    }

    /// Makes a chat in one of the caller's projects.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn create(
        &self,
        caller: &Caller,
        project: ProjectId,
        name: String,
        now: DateTime<Utc>,
    ) -> Result<PlanChat, StoreError> {
        let row = PlanChatRow {
            chat_id: PlanChatId::random().0,
            project_id: project.0,
            user_id: caller.user_id.0,
            name,
            status: PlanChatStatus::InProgress.as_str().to_owned(),
            messages: Value::Array(Vec::new()),
            answer_history: Value::Array(Vec::new()),
            current_round: 0,
            completed_plan_id: None,
            created_at: now,
            updated_at: now,
        };
        let mut connection = self.database.connection().await?;
        let row: PlanChatRow = connection
            .transaction(async |connection| {
                // Its row refers to the project before it refers to the user.
                hold_project(connection, caller.user_id, project).await?;
                let row = diesel::insert_into(plan_chats::table)
                    .values(&row)
                    .returning(PlanChatRow::as_returning())
                    .get_result(connection)
                    .await?;
                Ok::<PlanChatRow, DbError>(row)
            })
            .await?;
        row.try_into()
    }

    /// Reads one of the caller's chats.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find(&self, caller: &Caller, project: ProjectId, id: PlanChatId) -> Result<PlanChat, StoreError> {
        let mut connection = self.database.connection().await?;
        let row: PlanChatRow = plan_chats::table
            .find(id.0)
            .filter(plan_chats::project_id.eq(project.0))
            .filter(plan_chats::user_id.eq(caller.user_id.0))
            .select(PlanChatRow::as_select())
            .first(&mut connection)
            .await
            .map_err(DbError::from)?;
        row.try_into()
    }

    /// Changes one of the caller's chats: given fields are replaced whole.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn update(
        &self,
        caller: &Caller,
        project: ProjectId,
        id: PlanChatId,
        patch: PlanChatPatch,
        now: DateTime<Utc>,
    ) -> Result<PlanChat, StoreError> {
        #[derive(AsChangeset)]
        #[diesel(table_name = plan_chats)]
        struct Changes {
            messages: Option<Value>,
            answer_history: Option<Value>,
            current_round: Option<i32>,
            name: Option<String>,
            status: Option<&'static str>,
            completed_plan_id: Option<String>,
            updated_at: DateTime<Utc>,
        }
        let changes = Changes {
            messages: patch.messages.map(Value::Array),
            answer_history: patch.answer_history.map(Value::Array),
            current_round: patch.current_round.map(|round| i32::try_from(round).unwrap_or(i32::MAX)),
            name: patch.name,
            status: patch.completed_plan_id.as_ref().map(|_| PlanChatStatus::Completed.as_str()),
            completed_plan_id: patch.completed_plan_id,
            updated_at: now,
        };
        let mut connection = self.database.connection().await?;
        let row: PlanChatRow = diesel::update(
            plan_chats::table
                .find(id.0)
                .filter(plan_chats::project_id.eq(project.0))
                .filter(plan_chats::user_id.eq(caller.user_id.0)),
        )
        .set(changes)
        .returning(PlanChatRow::as_returning())
        .get_result(&mut connection)
        .await
        .map_err(DbError::from)?;
        row.try_into()
    }

    /// Deletes one of the caller's chats.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn delete(&self, caller: &Caller, project: ProjectId, id: PlanChatId) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let deleted = diesel::delete(
            plan_chats::table
                .find(id.0)
                .filter(plan_chats::project_id.eq(project.0))
                .filter(plan_chats::user_id.eq(caller.user_id.0)),
        )
        .execute(&mut connection)
        .await
        .map_err(DbError::from)?;
        if deleted == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }
}

fn outline(row: OutlineRow) -> Result<PlanChatOutline, StoreError> {
    let (id, project, user, name, stored, round, completed_plan_id, created_at, updated_at, messages) = row;
    Ok(PlanChatOutline {
        id: PlanChatId(id),
        project_id: ProjectId(project),
        user_id: UserId(user),
        name,
        status: status(&stored)?,
        current_round: u32::try_from(round).unwrap_or(0),
        completed_plan_id,
        created_at,
        updated_at,
        message_count: u32::try_from(messages).unwrap_or(0),
    })
}
