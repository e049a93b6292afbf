//! Suggested questions, kept for each state of a project's tables.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, ProjectId,
    nl::{NlSuggestion, WorkflowPlaceholders},
    ports::StoreError,
};
use serde_json::Value;
use uuid::Uuid;

use super::ownership::{hold_project, own_project};
use crate::{Database, database::DbError, schema::nl_placeholder_suggestions as sets};

/// The suggestions of a caller.
#[derive(Debug, Clone)]
pub struct NlSuggestions {
    database: Database,
}

/// What a set was made from and by.
#[derive(Debug, Clone, Copy)]
pub struct NlSuggestionKey<'a> {
    /// The project.
    pub project: ProjectId,
    /// Hash of its tables and columns.
    pub schema_fingerprint: &'a str,
    /// The model, or the name of the rules.
    pub model: &'a str,
    /// Version of prompt and rules.
    pub prompt_version: i32,
}

/// A set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NlSuggestionSet {
    /// The questions.
    pub suggestions: Vec<NlSuggestion>,
    /// What the composers show.
    pub placeholders: Option<WorkflowPlaceholders>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sets, check_for_backend(diesel::pg::Pg))]
struct SetRow {
    suggestions: Value,
    workflow_placeholders: Option<Value>,
}

impl TryFrom<SetRow> for NlSuggestionSet {
    type Error = StoreError;

    fn try_from(row: SetRow) -> Result<Self, StoreError> {
        let defect = |error: serde_json::Error| StoreError::Defect(error.into());
        Ok(Self {
            suggestions: serde_json::from_value(row.suggestions).map_err(defect)?,
            placeholders: row.workflow_placeholders.map(serde_json::from_value).transpose().map_err(defect)?,
        })
    }
}

impl NlSuggestions {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Reads a set of one of the caller's projects.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn find(&self, caller: &Caller, key: NlSuggestionKey<'_>) -> Result<Option<NlSuggestionSet>, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                own_project(connection, caller.user_id, key.project).await?;
                let row = by_key(key).select(SetRow::as_select()).first(connection).await.optional()?;
                Ok::<Option<SetRow>, DbError>(row)
            })
            .await?;
        row.map(NlSuggestionSet::try_from).transpose()
    }

    /// Keeps a set. When another was kept under the key meanwhile, that one stays and is returned. Sets of earlier states
    /// of the tables go.
    ///
    /// # Errors
    /// `NotFound` when the project is not the caller's; `Unavailable`, `Defect`.
    pub async fn keep(
        &self,
        caller: &Caller,
        key: NlSuggestionKey<'_>,
        set: &NlSuggestionSet,
        now: DateTime<Utc>,
    ) -> Result<NlSuggestionSet, StoreError> {
        let defect = |error: serde_json::Error| StoreError::Defect(error.into());
        let suggestions = serde_json::to_value(&set.suggestions).map_err(defect)?;
        let placeholders = set.placeholders.as_ref().map(serde_json::to_value).transpose().map_err(defect)?;
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                // The new set refers to the project, whose deletion waits for the earlier ones.
                hold_project(connection, caller.user_id, key.project).await?;
                diesel::delete(
                    sets::table
                        .filter(sets::project_id.eq(key.project.0))
                        .filter(sets::schema_fingerprint.ne(key.schema_fingerprint)),
                )
                .execute(connection)
                .await?;
                diesel::insert_into(sets::table)
                    .values((
                        sets::suggestion_set_id.eq(Uuid::new_v4()),
                        sets::project_id.eq(key.project.0),
                        sets::schema_fingerprint.eq(key.schema_fingerprint),
                        sets::model_id.eq(key.model),
                        sets::prompt_version.eq(key.prompt_version),
                        sets::suggestions.eq(&suggestions),
                        sets::workflow_placeholders.eq(&placeholders),
                        sets::created_at.eq(now),
                    ))
                    .on_conflict_do_nothing()
                    .execute(connection)
                    .await?;
                Ok::<SetRow, DbError>(by_key(key).select(SetRow::as_select()).first(connection).await?)
            })
            .await?;
        row.try_into()
    }
}

#[diesel::dsl::auto_type(no_type_alias)]
fn by_key<'a>(key: NlSuggestionKey<'a>) -> _ {
    let project: Uuid = key.project.0;
    let fingerprint: &'a str = key.schema_fingerprint;
    let model: &'a str = key.model;
    let version: i32 = key.prompt_version;
    sets::table
        .filter(sets::project_id.eq(project))
        .filter(sets::schema_fingerprint.eq(fingerprint))
        .filter(sets::model_id.eq(model))
        .filter(sets::prompt_version.eq(version))
}
