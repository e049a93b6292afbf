//! Cells of the project's phase notebooks.

use std::time::Duration;

use actix_web::web;
use gristmill_api_types::cells::{CellSummary, CellView};
use gristmill_domain::{
    Caller, CellId, ErrorCode, NotebookId, Scope,
    execution::{OutputKind, RichOutput},
    notebooks::{Cell, CellStatus, METADATA_BYTES_MAX, edit_lines},
    ports::StoreError,
};
use gristmill_persistence::repo::notebooks::{
    AgentCell, AgentLines, AgentWrite, CELL_CHANGED, CELL_LOCKED, NOTEBOOK_FULL, SERVER_STOPPED,
};
use gristmill_workflow::tools::{
    CODE_HASH, ToolContext,
    args::cells::{
        DeleteCellArgs, EditCellArgs, InsertCellArgs, ListCellsArgs, ReadCellArgs, ReorderCellsArgs, RunCellArgs, WriteCellArgs,
    },
    output::ENVIRONMENT_ERROR,
    registry::{self, ArgsError},
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{Failure, find_cell, find_notebook, known_notebook, store};
use crate::{
    notebooks::{environment_error, interrupt_cell, run_cell_keyed, timeout_of},
    state::AppState,
};

/// How often a run is looked at that this call began before its server was lost.
const RUN_POLL: Duration = Duration::from_millis(250);
/// How much longer than its time limit such a run may seem to go on: a kernel must start, a lease run out.
const RUN_GRACE: Duration = Duration::from_mins(3);
/// How long an interrupted run may take to end before the call ends without it.
const STOP_PATIENCE: Duration = Duration::from_millis(1500);

pub(super) async fn list_cells(
    state: &web::Data<AppState>,
    context: &ToolContext,
    args: &Map<String, Value>,
) -> Result<Value, Failure> {
    let args: ListCellsArgs = registry::parse(args)?;
    let found = if context.caller.allows(Scope::Write) {
        Some(find_notebook(state, context, args.notebook_id).await?)
    } else {
        // Who may only read makes none.
        known_notebook(state, context, args.notebook_id).await?
    };
    let Some(notebook) = found.map(|notebook| notebook.id) else {
        return Ok(json!({ "cells": [], "notice": "The project has no notebook yet" }));
    };
    let cells = state.notebooks.list_cells(&context.caller, notebook, state.clock.now()).await;
    let cells = cells.map_err(store("Notebook", notebook, ErrorCode::NotebookNotFound))?;
    let cells: Vec<CellSummary> = cells.into_iter().map(CellSummary::from).collect();
    Ok(json!({ "notebookId": notebook, "cells": cells }))
}

pub(super) async fn read_cell(
    state: &web::Data<AppState>,
    context: &ToolContext,
    args: &Map<String, Value>,
) -> Result<Value, Failure> {
    let args: ReadCellArgs = registry::parse(args)?;
    Ok(json!(CellView::from(find_cell(state, context, args.cell_id).await?)))
}

pub(super) async fn write_cell(
    state: &web::Data<AppState>,
    context: &ToolContext,
    raw: &Map<String, Value>,
) -> Result<Value, Failure> {
    let args: WriteCellArgs = registry::parse(raw)?;
    let cell = AgentCell {
        content: args.content,
        cell_type: args.cell_type.map(Into::into),
        title: args.title,
        metadata: metadata(args.metadata)?,
    };
    let Some(id) = args.cell_id else {
        return insert(state, context, notebook_named(raw)?, None, cell).await;
    };
    find_cell(state, context, id).await?;
    let written = state.notebooks.replace_agent_cell(write(state, context), id, cell).await;
    Ok(json!(CellView::from(written.map_err(|error| cell_failure(id, error))?)))
}

pub(super) async fn insert_cell(
    state: &web::Data<AppState>,
    context: &ToolContext,
    raw: &Map<String, Value>,
) -> Result<Value, Failure> {
    let args: InsertCellArgs = registry::parse(raw)?;
    let cell =
        AgentCell { content: args.content, cell_type: args.cell_type.map(Into::into), title: args.title, metadata: Map::new() };
    insert(state, context, notebook_named(raw)?, Some(args.position), cell).await
}

pub(super) async fn edit_cell(
    state: &web::Data<AppState>,
    context: &ToolContext,
    args: &Map<String, Value>,
) -> Result<Value, Failure> {
    let args: EditCellArgs = registry::parse(args)?;
    let line = |line: u32| usize::try_from(line).unwrap_or(usize::MAX);
    let (first, last) = (line(args.start_line), line(args.end_line));
    find_cell(state, context, args.cell_id).await?;
    let lines = AgentLines { first, last, content: args.new_content.clone(), metadata: metadata(args.metadata)? };
    let edited = state.notebooks.edit_agent_cell(write(state, context), args.cell_id, lines).await;
    let edited = edited.map_err(|error| cell_failure(args.cell_id, error))?;
    let edited = edited.map_err(|error| Failure::new(format!("Wrong arguments: {error}")))?;
    // The same lines of the same text: told again as it was told, when the call is repeated.
    let change = edit_lines(&edited.before, first, last, &args.new_content);
    let change = change.map_err(|error| Failure::new(format!("Wrong arguments: {error}")))?;
    Ok(json!({
        "cell": CellView::from(edited.cell),
        "oldContent": edited.before,
        "newContent": change.content,
        "diff": { "linesRemoved": change.removed, "linesAdded": change.added },
    }))
}

pub(super) async fn delete_cell(
    state: &web::Data<AppState>,
    context: &ToolContext,
    args: &Map<String, Value>,
) -> Result<Value, Failure> {
    let (id, seen) = deletion(args)?;
    let is_as_seen = |text: &str| seen.as_ref().is_none_or(|seen| seen.as_str() == Some(text_hash(text).as_str()));
    let deleted = state.notebooks.delete_agent_cell(write(state, context), id, is_as_seen).await;
    deleted.map_err(|error| cell_failure(id, error))?;
    state.file_cleaner.wake();
    Ok(json!({ "success": true, "cellId": id }))
}

/// Why a deletion can only fail: there is no such cell. Whether the database answers is seen by what reads next.
pub(super) async fn undeletable(state: &AppState, context: &ToolContext, args: &Map<String, Value>) -> Option<String> {
    let id = match deletion(args) {
        Ok((id, _)) => id,
        Err(error) => return Some(Failure::from(error).error),
    };
    find_cell(state, context, id).await.err().filter(|failure| failure.is_missing).map(|failure| failure.error)
}

/// The hash of the text that a deletion takes away, as it is now. Where there is no such cell it is empty, which that of no text
/// is: the person has seen none.
pub(super) async fn deleted_hash(state: &AppState, caller: &Caller, args: &Map<String, Value>) -> Result<String, StoreError> {
    let Ok((id, _)) = deletion(args) else { return Ok(String::new()) };
    match state.notebooks.find_cell(caller, id, state.clock.now()).await {
        Ok(cell) => Ok(text_hash(&cell.content)),
        Err(StoreError::NotFound) => Ok(String::new()),
        Err(error) => Err(error),
    }
}

pub(super) async fn reorder_cells(
    state: &web::Data<AppState>,
    context: &ToolContext,
    raw: &Map<String, Value>,
) -> Result<Value, Failure> {
    let args: ReorderCellsArgs = registry::parse(raw)?;
    let notebook = find_notebook(state, context, notebook_named(raw)?).await?.id;
    let ordered = state.notebooks.reorder_agent_cells(write(state, context), notebook, &args.cell_ids).await;
    ordered.map_err(|error| match error {
        StoreError::NotFound => {
            Failure::new("One of the cells was not found in the notebook, or is named twice; list the cells and try again")
        }
        StoreError::Conflict(what) if what == CELL_LOCKED => {
            Failure::new("A cell of the notebook runs or is being edited; try again when it is free")
        }
        error => store("Notebook", notebook, ErrorCode::NotebookNotFound)(error),
    })?;
    Ok(json!({ "success": true }))
}

pub(super) async fn run_cell(
    state: &web::Data<AppState>,
    context: &ToolContext,
    args: &Map<String, Value>,
) -> Result<Value, Failure> {
    let args: RunCellArgs = registry::parse(args)?;
    let id = args.cell_id;
    find_cell(state, context, id).await?;
    let before = state.notebooks.find_agent_run(&context.caller, id, &context.key, state.clock.now()).await;
    if let Some(cell) = before.map_err(|error| cell_failure(id, error))? {
        return ended_run(state, context, cell).await;
    }
    if let Some(more) = args.metadata.filter(|more| !more.is_empty()) {
        let noted = state.notebooks.annotate_agent_cell(write(state, context), id, metadata(Some(more))?).await;
        noted.map_err(|error| cell_failure(id, error))?;
    }
    if context.stop.is_cancelled() {
        return Err(Failure::new("Stopped before the cell ran"));
    }
    let mut running = std::pin::pin!(run_cell_keyed(state, &context.caller, id, context.project, &context.key));
    let ended = tokio::select! {
        ended = &mut running => ended,
        () = context.stop.cancelled() => {
            interrupt_cell(state, &context.caller, id, context.project).await?;
            match tokio::time::timeout(STOP_PATIENCE, running).await {
                Ok(ended) => ended,
                Err(_) => return Err(Failure::new("Stopped; the cell is being interrupted")),
            }
        }
    };
    let ended = ended?;
    let mut result = json!(ended);
    if let Some(fields) = result.as_object_mut() {
        // As told by whoever finds the run ended: what is kept does not tell printed texts from shown ones.
        fields.insert("stdout".to_owned(), printed(&ended.result.outputs, OutputKind::Text).into());
        fields.insert("stderr".to_owned(), printed(&ended.result.outputs, OutputKind::Warning).into());
        if let Some(code) = ended.environment_error {
            fields.insert(ENVIRONMENT_ERROR.to_owned(), code.as_str().into());
        }
    }
    Ok(result)
}

/// The result of a run that this call began earlier, when it has ended.
async fn ended_run(state: &web::Data<AppState>, context: &ToolContext, mut cell: Cell) -> Result<Value, Failure> {
    let id = cell.id;
    let settings = state.settings.overrides(&context.caller).await;
    let settings = settings.map_err(|error| cell_failure(id, error))?.over(state.config.settings);
    let deadline = Instant::now() + timeout_of(&settings) + RUN_GRACE;
    while cell.status == CellStatus::Running {
        if Instant::now() > deadline {
            return Err(Failure::new("The cell still runs; look at it later"));
        }
        tokio::select! {
            () = context.stop.cancelled() => {
                interrupt_cell(state, &context.caller, id, context.project).await?;
                return Err(Failure::new("Stopped; the cell is being interrupted"));
            }
            () = tokio::time::sleep(RUN_POLL) => {}
        }
        let run = state.notebooks.find_agent_run(&context.caller, id, &context.key, state.clock.now()).await;
        // What another run of the cell gives is not the result of this call.
        cell = run
            .map_err(|error| cell_failure(id, error))?
            .ok_or_else(|| Failure::new("The cell was run again since; read it for what that gave"))?;
    }
    let mut result = result_of(&cell);
    if let (true, Some(fields)) = (was_cut_short(&cell), result.as_object_mut()) {
        // Nobody has seen how the call ended, so it did with its server: the code is not at fault.
        fields.insert("lost".into(), true.into());
    }
    Ok(result)
}

/// Whether a run was ended by its server, which died or stopped.
fn was_cut_short(cell: &Cell) -> bool {
    let error = last_error(&cell.output);
    cell.status == CellStatus::Error && (error == SERVER_STOPPED || error.starts_with("KeyboardInterrupt"))
}

/// What the run of a cell gave, from what is kept of it.
fn result_of(cell: &Cell) -> Value {
    let is_success = cell.status == CellStatus::Success;
    let mut result = json!({
        "status": if is_success { "success" } else { "error" },
        "stdout": printed(&cell.output, OutputKind::Text),
        "stderr": printed(&cell.output, OutputKind::Warning),
        "outputs": cell.output,
        "executionMs": cell.duration_ms.unwrap_or(0),
    });
    if let Some(fields) = result.as_object_mut() {
        if !is_success {
            fields.insert("error".into(), last_error(&cell.output).into());
            if let Some(code) = environment_error(&cell.output) {
                fields.insert(ENVIRONMENT_ERROR.into(), code.as_str().into());
            }
        }
        fields.insert("executionOrder".into(), json!(cell.execution_order));
    }
    result
}

/// All text of a kind.
fn printed(outputs: &[RichOutput], kind: OutputKind) -> String {
    let of_kind = outputs.iter().filter(|output| output.kind == kind && output.data.is_none());
    of_kind.map(|output| output.content.as_str()).collect()
}

/// The last line of the last error: `Ename: value`.
fn last_error(outputs: &[RichOutput]) -> String {
    let last = outputs.iter().rev().find(|output| output.kind == OutputKind::Error);
    let text = last.map_or("The run failed", |output| output.content.trim_end());
    text.lines().next_back().unwrap_or(text).trim().to_owned()
}

/// The cell that a call deletes, and the hash of its text as the person saw it who said yes to that.
fn deletion(args: &Map<String, Value>) -> Result<(CellId, Option<Value>), ArgsError> {
    let mut args = args.clone();
    let seen = args.remove(CODE_HASH).filter(|seen| !seen.is_null());
    Ok((registry::parse::<DeleteCellArgs>(&args)?.cell_id, seen))
}

fn text_hash(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

async fn insert(
    state: &web::Data<AppState>,
    context: &ToolContext,
    notebook: Option<NotebookId>,
    position: Option<u32>,
    cell: AgentCell,
) -> Result<Value, Failure> {
    let notebook = find_notebook(state, context, notebook).await?.id;
    let id = CellId(context.derived_id("cell"));
    let made = state.notebooks.insert_agent_cell(write(state, context), notebook, id, position, cell).await;
    let made = made.map_err(|error| match error {
        StoreError::Conflict(what) if what == NOTEBOOK_FULL => {
            Failure::new("The notebook has as many cells as it may; delete some, or use another notebook")
        }
        error => store("Notebook", notebook, ErrorCode::NotebookNotFound)(error),
    })?;
    Ok(json!(CellView::from(made)))
}

fn write<'a>(state: &AppState, context: &'a ToolContext) -> AgentWrite<'a> {
    AgentWrite { caller: &context.caller, project: context.project, key: &context.key, now: state.clock.now() }
}

/// The notebook that the server or a caller from outside names beside the arguments of a tool.
fn notebook_named(raw: &Map<String, Value>) -> Result<Option<NotebookId>, Failure> {
    match raw.get("notebookId") {
        None | Some(Value::Null) => Ok(None),
        Some(named) => {
            let name = named.as_str().unwrap_or_default();
            name.parse().map(Some).map_err(|_error| Failure::missing("Notebook", name))
        }
    }
}

fn metadata(given: Option<Map<String, Value>>) -> Result<Map<String, Value>, Failure> {
    let given = given.unwrap_or_default();
    if Value::Object(given.clone()).to_string().len() > METADATA_BYTES_MAX {
        return Err(Failure::new(format!("Wrong arguments: `metadata` must have at most {METADATA_BYTES_MAX} bytes")));
    }
    Ok(given)
}

fn cell_failure(id: CellId, error: StoreError) -> Failure {
    match error {
        StoreError::Conflict(what) if what == CELL_LOCKED => {
            Failure::new("The cell runs or is being edited by a person; try again when it is free")
        }
        StoreError::Conflict(what) if what == CELL_CHANGED => Failure::new(
            "The cell was changed after the person was asked, and is still there; read it, and ask again if it should go as it is",
        ),
        error => store("Cell", id, ErrorCode::CellNotFound)(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_an_error_is_told() {
        for (content, told) in [
            ("Traceback (most recent call last)\n  File\nValueError: no\n", "ValueError: no"),
            ("KeyboardInterrupt", "KeyboardInterrupt"),
            ("", ""),
        ] {
            let outputs = [RichOutput::new(OutputKind::Text, "x"), RichOutput::new(OutputKind::Error, content)];
            assert_eq!(last_error(&outputs), told);
        }
        assert_eq!(last_error(&[]), "The run failed");
        let stopped = [RichOutput::new(OutputKind::Error, SERVER_STOPPED)];
        assert_eq!(last_error(&stopped), SERVER_STOPPED, "it is found by that");
    }

    #[test]
    fn metadata_that_cannot_be_kept_are_refused() {
        let with = |text: String| [("a".to_owned(), Value::from(text))].into_iter().collect::<Map<String, Value>>();
        assert!(metadata(None).unwrap().is_empty());
        assert!(metadata(Some(with("x".into()))).is_ok());
        assert!(metadata(Some(with("x".repeat(METADATA_BYTES_MAX)))).is_err());
    }
}
