//! The log of a notebook: appended by every change, read by whoever watches.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, NotebookId, ProjectId,
    notebooks::{LoggedEvent, NotebookEvent},
    ports::StoreError,
};
use serde_json::Value;
use uuid::Uuid;

use super::{Notebooks, owned, rows};
use crate::{
    database::DbError,
    notifications::Channel,
    repo::ownership::hold_any_project,
    schema::{notebook_events, notebooks},
};

/// A stretch of a log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventStretch {
    /// Number of the log's last entry.
    pub head: i64,
    /// Entries in order. Those that follow the asked number may be pruned: compare the first one's.
    pub events: Vec<LoggedEvent>,
}

impl Notebooks {
    /// Reads the log of one of the caller's notebooks after `after`, at most `limit` entries.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn events(&self, caller: &Caller, id: NotebookId, after: i64, limit: u32) -> Result<EventStretch, StoreError> {
        let mut connection = self.database.connection().await?;
        let notebook = owned(caller, id).first(&mut connection).await.map_err(DbError::from)?;
        if notebook.event_seq <= after {
            return Ok(EventStretch { head: notebook.event_seq, events: Vec::new() });
        }
        let rows: Vec<(i64, DateTime<Utc>, Value)> = notebook_events::table
            .filter(notebook_events::notebook_id.eq(id.0))
            .filter(notebook_events::seq.gt(after))
            // What was appended since is for the next stretch: `head` and `events` belong together.
            .filter(notebook_events::seq.le(notebook.event_seq))
            .order(notebook_events::seq)
            .limit(limit.into())
            .select((notebook_events::seq, notebook_events::created_at, notebook_events::payload))
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        let events = rows.into_iter().map(|(seq, at, payload)| Ok(LoggedEvent { seq, at, event: rows::from_json(payload)? }));
        Ok(EventStretch { head: notebook.event_seq, events: events.collect::<Result<_, StoreError>>()? })
    }

    /// Logs an event in every notebook of a project. For what concerns their common kernel; no caller asked for it.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn log_in_project(&self, project: ProjectId, event: &NotebookEvent, now: DateTime<Utc>) -> Result<(), StoreError> {
        use diesel_async::AsyncConnection;
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                // Its deletion takes the notebooks in any order.
                if !hold_any_project(connection, project).await? {
                    return Ok(());
                }
                let ids: Vec<Uuid> = notebooks::table
                    .filter(notebooks::project_id.eq(project.0))
                    .order(notebooks::notebook_id)
                    .select(notebooks::notebook_id)
                    .for_update()
                    .load(connection)
                    .await?;
                for id in ids {
                    log(connection, id, std::slice::from_ref(event), now).await?;
                }
                Ok::<(), DbError>(())
            })
            .await?;
        Ok(())
    }

    /// Removes log entries older than `horizon`.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn prune_events(&self, horizon: DateTime<Utc>) -> Result<usize, StoreError> {
        let mut connection = self.database.connection().await?;
        let old = notebook_events::table.filter(notebook_events::created_at.lt(horizon));
        Ok(diesel::delete(old).execute(&mut connection).await.map_err(DbError::from)?)
    }
}

/// Appends to the log of a notebook whose row this transaction has locked, and wakes whoever watches at its commit.
pub(super) async fn log(
    connection: &mut AsyncPgConnection,
    notebook: Uuid,
    events: &[NotebookEvent],
    now: DateTime<Utc>,
) -> Result<i64, DbError> {
    let count = i64::try_from(events.len()).unwrap_or(0);
    let last: i64 = diesel::update(notebooks::table.find(notebook))
        .set(notebooks::event_seq.eq(notebooks::event_seq + count))
        .returning(notebooks::event_seq)
        .get_result(connection)
        .await?;
    let mut rows = Vec::with_capacity(events.len());
    for (seq, event) in (last - count + 1..).zip(events) {
        rows.push((
            notebook_events::notebook_id.eq(notebook),
            notebook_events::seq.eq(seq),
            notebook_events::payload.eq(rows::to_json(event)?),
            notebook_events::created_at.eq(now),
        ));
    }
    // PostgreSQL takes 65,535 values a statement.
    for chunk in rows.chunks(10_000) {
        diesel::insert_into(notebook_events::table).values(chunk).execute(connection).await?;
    }
    diesel::sql_query("select pg_notify($1, $2)")
        .bind::<diesel::sql_types::Text, _>(Channel::NotebookChanged.as_str())
        .bind::<diesel::sql_types::Text, _>(notebook.to_string())
        .execute(connection)
        .await?;
    Ok(last)
}
