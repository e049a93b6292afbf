//! Golden questions of projects.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, GoldenQuestionId, ProjectId,
    golden_questions::{GOLDEN_QUESTIONS_MAX, GoldenAsked, GoldenQuestion, GoldenVerdict},
    ports::StoreError,
};
use uuid::Uuid;

use super::ownership::{lock_project, own_project};
use crate::{Database, database::DbError, schema::golden_questions};

/// Why nothing more is stored.
pub const GOLDEN_QUESTIONS_FULL: &str = "golden questions";

/// The golden questions of a caller.
#[derive(Debug, Clone)]
pub struct GoldenQuestions {
    database: Database,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = golden_questions, check_for_backend(diesel::pg::Pg))]
struct GoldenRow {
    golden_question_id: Uuid,
    project_id: Uuid,
    question: String,
    expected_sql: String,
    verdict: Option<String>,
    generated_sql: Option<String>,
    reason: Option<String>,
    confidence: Option<f64>,
    asked_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<GoldenRow> for GoldenQuestion {
    fn from(row: GoldenRow) -> Self {
        let verdict = row.verdict.as_deref().and_then(GoldenVerdict::from_name);
        let asked = verdict.zip(row.asked_at).map(|(verdict, at)| GoldenAsked {
            verdict,
            generated_sql: row.generated_sql,
            reason: row.reason,
            confidence: row.confidence,
            at,
        });
        Self {
            id: GoldenQuestionId(row.golden_question_id),
            project_id: ProjectId(row.project_id),
            question: row.question,
            expected_sql: row.expected_sql,
            asked,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Changes to a golden question; `None` keeps what is stored. What came of asking it before is forgotten.
#[derive(Debug, Clone, Default)]
pub struct GoldenPatch {
    /// The question.
    pub question: Option<String>,
    /// A statement that answers it.
    pub expected_sql: Option<String>,
}

impl GoldenQuestions {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Lists the golden questions of one of the caller's projects, oldest first.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn list(&self, caller: &Caller, project: ProjectId) -> Result<Vec<GoldenQuestion>, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows = connection
            .transaction(async |connection| {
                own_project(connection, caller.user_id, project).await?;
                let rows = golden_questions::table
                    .filter(golden_questions::project_id.eq(project.0))
                    .order((golden_questions::created_at, golden_questions::golden_question_id))
                    .select(GoldenRow::as_select())
                    .load(connection)
                    .await?;
                Ok::<Vec<GoldenRow>, DbError>(rows)
            })
            .await?;
        Ok(rows.into_iter().map(GoldenQuestion::from).collect())
    }

    /// Makes a golden question in one of the caller's projects.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Conflict` ([`GOLDEN_QUESTIONS_FULL`]) when it has as many as it
    /// may; `Unavailable`, `Defect`.
    pub async fn create(
        &self,
        caller: &Caller,
        project: ProjectId,
        question: String,
        expected_sql: String,
        now: DateTime<Utc>,
    ) -> Result<GoldenQuestion, StoreError> {
        let row = GoldenRow {
            golden_question_id: GoldenQuestionId::random().0,
            project_id: project.0,
            question,
            expected_sql,
            verdict: None,
            generated_sql: None,
            reason: None,
            confidence: None,
            asked_at: None,
            created_at: now,
            updated_at: now,
        };
        let mut connection = self.database.connection().await?;
        let row: GoldenRow = connection
            .transaction(async |connection| {
                lock_project(connection, caller.user_id, project).await?;
                let count: i64 = golden_questions::table
                    .filter(golden_questions::project_id.eq(project.0))
                    .count()
                    .get_result(connection)
                    .await?;
                if usize::try_from(count).unwrap_or(usize::MAX) >= GOLDEN_QUESTIONS_MAX {
                    return Err(DbError::from(StoreError::Conflict(GOLDEN_QUESTIONS_FULL.into())));
                }
                let row = diesel::insert_into(golden_questions::table)
                    .values(&row)
                    .returning(GoldenRow::as_returning())
                    .get_result(connection)
                    .await?;
                Ok::<GoldenRow, DbError>(row)
            })
            .await?;
        Ok(row.into())
    }

    /// Changes a golden question of one of the caller's projects.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn update(
        &self,
        caller: &Caller,
        project: ProjectId,
        id: GoldenQuestionId,
        patch: GoldenPatch,
        now: DateTime<Utc>,
    ) -> Result<GoldenQuestion, StoreError> {
        #[derive(AsChangeset)]
        #[diesel(table_name = golden_questions)]
        struct Changes {
            question: Option<String>,
            expected_sql: Option<String>,
            verdict: Option<Option<String>>,
            asked_at: Option<Option<DateTime<Utc>>>,
            updated_at: DateTime<Utc>,
        }
        let GoldenPatch { question, expected_sql } = patch;
        let changes = Changes { question, expected_sql, verdict: Some(None), asked_at: Some(None), updated_at: now };
        let mut connection = self.database.connection().await?;
        let row: GoldenRow = connection
            .transaction(async |connection| {
                own_project(connection, caller.user_id, project).await?;
                let row = diesel::update(golden_questions::table.find(id.0).filter(golden_questions::project_id.eq(project.0)))
                    .set(changes)
                    .returning(GoldenRow::as_returning())
                    .get_result(connection)
                    .await?;
                Ok::<GoldenRow, DbError>(row)
            })
            .await?;
        Ok(row.into())
    }

    /// Keeps what came of asking a golden question, and tells whether it did: of one that was changed or deleted meanwhile,
    /// it says nothing.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn keep_asked(&self, caller: &Caller, question: &GoldenQuestion, asked: &GoldenAsked) -> Result<bool, StoreError> {
        let mut connection = self.database.connection().await?;
        let kept = connection
            .transaction(async |connection| {
                own_project(connection, caller.user_id, question.project_id).await?;
                let as_it_was = golden_questions::table
                    .find(question.id.0)
                    .filter(golden_questions::project_id.eq(question.project_id.0))
                    .filter(golden_questions::question.eq(&question.question))
                    .filter(golden_questions::expected_sql.eq(&question.expected_sql));
                let kept = diesel::update(as_it_was)
                    .set((
                        golden_questions::verdict.eq(asked.verdict.as_str()),
                        golden_questions::generated_sql.eq(&asked.generated_sql),
                        golden_questions::reason.eq(&asked.reason),
                        golden_questions::confidence.eq(asked.confidence),
                        golden_questions::asked_at.eq(asked.at),
                    ))
                    .execute(connection)
                    .await?;
                Ok::<usize, DbError>(kept)
            })
            .await?;
        Ok(kept > 0)
    }

    /// Deletes a golden question of one of the caller's projects.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn delete(&self, caller: &Caller, project: ProjectId, id: GoldenQuestionId) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let deleted = connection
            .transaction(async |connection| {
                own_project(connection, caller.user_id, project).await?;
                let deleted =
                    diesel::delete(golden_questions::table.find(id.0).filter(golden_questions::project_id.eq(project.0)))
                        .execute(connection)
                        .await?;
                Ok::<usize, DbError>(deleted)
            })
            .await?;
        if deleted == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }
}
