//! What becomes of the runs of a dataset that is about to be deleted.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, DatasetId, JobId, ProjectId,
    ports::StoreError,
    workflows::{NewWorkflowEvent, RunRecord, RunStanding, WorkflowRun, WorkflowStatus, event_types},
};
use serde_json::json;
use uuid::Uuid;

use super::{rows::RunRow, settle, write::write_in};
use crate::{
    database::DbError,
    repo::jobs,
    schema::{notebooks, workflow_runs},
};

/// The code of a run that ended because what it worked in is gone.
const STALE_NOTEBOOK: &str = "STALE_NOTEBOOK_REFERENCE";
/// Why such a run ended.
const NOTEBOOK_GONE: &str = "The notebook that the run worked in is gone, and its dataset was deleted";

/// Locks the jobs of the turns that run in a project, which this transaction has locked. Until it ends, they record nothing, and
/// take up no dataset.
pub(in crate::repo) async fn lock_turns(connection: &mut AsyncPgConnection, project: ProjectId) -> Result<(), DbError> {
    let running: Vec<Option<Uuid>> = workflow_runs::table
        .filter(workflow_runs::project_id.eq(project.0))
        .filter(workflow_runs::status.eq(WorkflowStatus::Running.as_str()))
        .select(workflow_runs::turn_job_id)
        .load(connection)
        .await?;
    jobs::lock_all(connection, running.into_iter().flatten().collect()).await
}

/// Ends the runs that work on a dataset of the project in a notebook that is gone. Returns those that work on it otherwise,
/// the last changed first; when there is one, none is ended.
///
/// The transaction has locked the project, so that no turn begins and no notebook goes meanwhile; the turns that run
/// ([`lock_turns`]), which so write nothing; and the dataset, so that nobody else takes it up.
pub(in crate::repo) async fn release_dataset(
    connection: &mut AsyncPgConnection,
    caller: &Caller,
    project: ProjectId,
    dataset: DatasetId,
    now: DateTime<Utc>,
) -> Result<Vec<WorkflowRun>, DbError> {
    settle(connection, project, now).await?;
    let rows: Vec<RunRow> = workflow_runs::table
        .filter(workflow_runs::project_id.eq(project.0))
        .filter(workflow_runs::active_dataset_id.eq(dataset.0))
        .filter(workflow_runs::status.eq_any(open_statuses()))
        .order((workflow_runs::updated_at.desc(), workflow_runs::run_id))
        .select(RunRow::as_select())
        .load(connection)
        .await?;
    let named: Vec<Uuid> = rows.iter().filter_map(|row| row.active_notebook_id).collect();
    // A notebook of another project is none of this one's.
    let there: Vec<Uuid> = notebooks::table
        .filter(notebooks::project_id.eq(project.0))
        .filter(notebooks::notebook_id.eq_any(named))
        .select(notebooks::notebook_id)
        .load(connection)
        .await?;
    let is_stale = |row: &RunRow| row.active_notebook_id.is_some_and(|notebook| !there.contains(&notebook));
    let (stale, open): (Vec<RunRow>, Vec<RunRow>) = rows.into_iter().partition(is_stale);
    if !open.is_empty() {
        return Ok(open.into_iter().map(WorkflowRun::try_from).collect::<Result<Vec<_>, StoreError>>()?);
    }
    for row in &stale {
        end_stale(connection, caller, dataset, row, now).await?;
    }
    Ok(Vec::new())
}

/// Interrupts a run, and asks the job of its turn to stop.
async fn end_stale(
    connection: &mut AsyncPgConnection,
    caller: &Caller,
    dataset: DatasetId,
    found: &RunRow,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let job = found.turn_job_id.filter(|_| found.is_running()).map(JobId);
    let row: Option<RunRow> = workflow_runs::table
        .find(&found.run_id)
        .filter(workflow_runs::active_dataset_id.eq(dataset.0))
        .filter(workflow_runs::status.eq_any(open_statuses()))
        .select(RunRow::as_select())
        .for_update()
        .first(connection)
        .await
        .optional()?;
    // A person has decided beside it meanwhile, and it works on what came of that.
    let Some(row) = row else { return Ok(()) };
    if let Some(job) = job.filter(|_| row.is_running()) {
        jobs::request_cancel_in(connection, caller, job).await?;
    }
    let event = NewWorkflowEvent::new(event_types::INTERRUPTED, json!({ "reason": NOTEBOOK_GONE, "code": STALE_NOTEBOOK }));
    let standing = RunStanding {
        status: WorkflowStatus::Interrupted,
        current_node: "interrupted".to_owned(),
        pending_input: None,
        pause_reason: None,
        failure_code: Some(STALE_NOTEBOOK.to_owned()),
        failure_message: Some(NOTEBOOK_GONE.to_owned()),
    };
    let record = RunRecord { events: vec![event], standing: Some(standing), ..RunRecord::default() };
    write_in(connection, row, record, now).await?;
    Ok(())
}

/// Where runs stand that need their dataset.
fn open_statuses() -> [&'static str; 2] {
    [WorkflowStatus::Running.as_str(), WorkflowStatus::Paused.as_str()]
}
