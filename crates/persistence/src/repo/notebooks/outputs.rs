//! Files of outputs: who refers to them, and when they go.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{CellId, NotebookId, ProjectId, ports::StoreError};
use uuid::Uuid;

use super::{Notebooks, rows::NotebookRow};
use crate::{
    database::DbError,
    files,
    repo::file_deletions,
    schema::{cell_outputs, notebooks},
};

/// A file that a run wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOutput {
    /// Its name, which the server made.
    pub file_name: String,
    /// Its media type.
    pub mime_type: String,
    /// Its size.
    pub byte_size: u64,
}

impl Notebooks {
    /// Finds where a file of a cell's outputs is, below the store. No caller is asked for: whoever knows the name was
    /// given it, because it carries the server's signature, which must be checked before.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn find_output(&self, cell: CellId, file_name: &str) -> Result<(String, StoredOutput), StoreError> {
        let mut connection = self.database.connection().await?;
        let (project, notebook, mime_type, size): (Uuid, Uuid, String, i64) = cell_outputs::table
            .inner_join(notebooks::table)
            .filter(cell_outputs::cell_id.eq(cell.0))
            .filter(cell_outputs::file_name.eq(file_name))
            .select((notebooks::project_id, notebooks::notebook_id, cell_outputs::mime_type, cell_outputs::byte_size))
            .first(&mut connection)
            .await
            .map_err(DbError::from)?;
        let path = files::output_file(ProjectId(project), NotebookId(notebook), cell, file_name);
        let byte_size = u64::try_from(size).unwrap_or(0);
        Ok((path, StoredOutput { file_name: file_name.to_owned(), mime_type, byte_size }))
    }
}

/// Records files that a cell refers to.
pub(super) async fn record(
    connection: &mut AsyncPgConnection,
    notebook: Uuid,
    cell: CellId,
    stored: &[StoredOutput],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let rows: Vec<_> = stored
        .iter()
        .map(|output| {
            (
                cell_outputs::output_id.eq(Uuid::new_v4()),
                cell_outputs::notebook_id.eq(notebook),
                cell_outputs::cell_id.eq(cell.0),
                cell_outputs::file_name.eq(&output.file_name),
                cell_outputs::mime_type.eq(&output.mime_type),
                cell_outputs::byte_size.eq(i64::try_from(output.byte_size).unwrap_or(i64::MAX)),
                cell_outputs::created_at.eq(now),
            )
        })
        .collect();
    for chunk in rows.chunks(5_000) {
        diesel::insert_into(cell_outputs::table).values(chunk).on_conflict_do_nothing().execute(connection).await?;
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Forgotten {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    cell_id: Uuid,
    #[diesel(sql_type = diesel::sql_types::Text)]
    file_name: String,
}

/// Forgets the files that neither a cell nor a savepoint of the notebook refers to, and queues them for removal. The
/// transaction holds the notebook's lock.
pub(super) async fn sweep(connection: &mut AsyncPgConnection, notebook: &NotebookRow) -> Result<(), DbError> {
    // Names are random, so a name that stands anywhere in the text is a reference.
    let forgotten: Vec<Forgotten> = diesel::sql_query(
        "delete from cell_outputs o where o.notebook_id = $1
             and not exists (select from cells c where c.notebook_id = $1
                 and position(o.file_name in c.output_refs::text || c.output::text) > 0)
             and not exists (select from savepoints s where s.notebook_id = $1
                 and position(o.file_name in s.cells_snapshot::text) > 0)
         returning o.cell_id, o.file_name",
    )
    .bind::<diesel::sql_types::Uuid, _>(notebook.notebook_id)
    .load(connection)
    .await?;
    let (project, id) = (ProjectId(notebook.project_id), NotebookId(notebook.notebook_id));
    for file in forgotten {
        file_deletions::queue(connection, files::output_file(project, id, CellId(file.cell_id), &file.file_name)).await?;
    }
    Ok(())
}
