//! Rows of notebooks and cells, and their way to the domain.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use gristmill_domain::{
    CellId, NotebookId, ProjectId, SavepointId,
    notebooks::{Cell, CellLock, CellSnapshot, CellStatus, CellType, LockOwner, Notebook, NotebookKind, Savepoint},
    ports::StoreError,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::schema::{cells, notebooks, savepoints};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = notebooks, check_for_backend(diesel::pg::Pg))]
pub(super) struct NotebookRow {
    pub(super) notebook_id: Uuid,
    pub(super) project_id: Uuid,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) metadata: Value,
    pub(super) execution_order: i32,
    pub(super) event_seq: i64,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

impl TryFrom<NotebookRow> for Notebook {
    type Error = StoreError;

    fn try_from(row: NotebookRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: NotebookId(row.notebook_id),
            project_id: ProjectId(row.project_id),
            name: row.name,
            kind: NotebookKind::from_name(&row.kind).ok_or_else(|| defect("unknown kind of notebook"))?,
            metadata: object(row.metadata),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = cells, check_for_backend(diesel::pg::Pg))]
pub(super) struct CellRow {
    pub(super) cell_id: Uuid,
    pub(super) notebook_id: Uuid,
    pub(super) cell_type: String,
    pub(super) title: Option<String>,
    pub(super) content: String,
    pub(super) position: i32,
    pub(super) metadata: Value,
    pub(super) execution_count: i32,
    pub(super) execution_order: Option<i32>,
    pub(super) execution_status: String,
    pub(super) execution_duration_ms: Option<i64>,
    pub(super) executed_at: Option<DateTime<Utc>>,
    pub(super) is_dirty: bool,
    pub(super) output: Value,
    pub(super) output_refs: Value,
    pub(super) locked_by: Option<String>,
    pub(super) locked_at: Option<DateTime<Utc>>,
    pub(super) lock_token: Option<Uuid>,
    pub(super) lock_expires_at: Option<DateTime<Utc>>,
    pub(super) interrupt_requested: bool,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

impl CellRow {
    /// Who holds it, unless the hold has run out.
    pub(super) fn lock(&self, now: DateTime<Utc>) -> Option<CellLock> {
        let owner = LockOwner::from_name(self.locked_by.as_deref()?)?;
        let since = self.locked_at?;
        (self.lock_expires_at? > now).then_some(CellLock { owner, since })
    }

    /// Whether its run can no longer end by itself.
    pub(super) fn is_lost_run(&self, now: DateTime<Utc>) -> bool {
        self.execution_status == CellStatus::Running.as_str() && self.lock(now).is_none()
    }

    pub(super) fn into_cell(self, now: DateTime<Utc>) -> Result<Cell, StoreError> {
        let lock = self.lock(now);
        Ok(Cell {
            id: CellId(self.cell_id),
            notebook_id: NotebookId(self.notebook_id),
            cell_type: CellType::from_name(&self.cell_type).ok_or_else(|| defect("unknown type of cell"))?,
            title: self.title,
            content: self.content,
            position: unsigned(self.position),
            metadata: object(self.metadata),
            execution_count: unsigned(self.execution_count),
            execution_order: self.execution_order.map(unsigned),
            status: CellStatus::from_name(&self.execution_status).ok_or_else(|| defect("unknown status of a cell"))?,
            duration_ms: self.execution_duration_ms.and_then(|ms| u64::try_from(ms).ok()),
            executed_at: self.executed_at,
            is_dirty: self.is_dirty,
            output: from_json(self.output)?,
            output_refs: from_json(self.output_refs)?,
            lock,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }

    /// A cell that never ran.
    pub(super) fn fresh(id: CellId, notebook: Uuid, cell_type: CellType, content: String, now: DateTime<Utc>) -> Self {
        Self {
            cell_id: id.0,
            notebook_id: notebook,
            cell_type: cell_type.as_str().to_owned(),
            title: None,
            content,
            position: 0,
            metadata: Value::Object(Map::new()),
            execution_count: 0,
            execution_order: None,
            execution_status: CellStatus::Idle.as_str().to_owned(),
            execution_duration_ms: None,
            executed_at: None,
            is_dirty: false,
            output: Value::Array(Vec::new()),
            output_refs: Value::Array(Vec::new()),
            locked_by: None,
            locked_at: None,
            lock_token: None,
            lock_expires_at: None,
            interrupt_requested: false,
            created_at: now,
            updated_at: now,
        }
    }

    /// A cell as a savepoint kept it.
    pub(super) fn restored(
        snapshot: CellSnapshot,
        notebook: Uuid,
        position: i32,
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        let mut row = Self::fresh(snapshot.cell_id, notebook, snapshot.cell_type, snapshot.content, now);
        row.title = snapshot.title;
        row.position = position;
        row.metadata = Value::Object(snapshot.metadata);
        row.execution_count = signed(snapshot.execution_count);
        row.execution_order = snapshot.execution_order.map(signed);
        row.execution_status = snapshot.status.as_str().to_owned();
        row.execution_duration_ms = snapshot.duration_ms.and_then(|ms| i64::try_from(ms).ok());
        row.executed_at = snapshot.executed_at;
        row.is_dirty = snapshot.is_dirty;
        row.output = to_json(&snapshot.output)?;
        row.output_refs = to_json(&snapshot.output_refs)?;
        Ok(row)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = savepoints, check_for_backend(diesel::pg::Pg))]
pub(super) struct SavepointRow {
    savepoint_id: Uuid,
    notebook_id: Uuid,
    turn_index: i32,
    turn_message_id: String,
    created_at: DateTime<Utc>,
}

impl From<SavepointRow> for Savepoint {
    fn from(row: SavepointRow) -> Self {
        Self {
            id: SavepointId(row.savepoint_id),
            notebook_id: NotebookId(row.notebook_id),
            turn_index: unsigned(row.turn_index),
            turn_message_id: row.turn_message_id,
            created_at: row.created_at,
        }
    }
}

pub(super) fn defect(text: &'static str) -> StoreError {
    StoreError::Defect(text.into())
}

pub(super) fn unsigned(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

pub(super) fn signed(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

pub(super) fn to_json(value: &impl Serialize) -> Result<Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Defect(Box::new(error)))
}

pub(super) fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, StoreError> {
    serde_json::from_value(value).map_err(|error| StoreError::Defect(Box::new(error)))
}
