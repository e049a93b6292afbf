//! Running a cell. The run belongs to a task of the server: it goes on when the client goes away.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::web;
use chrono::{DateTime, Utc};
use gristmill_api_types::cells::CellRunView;
use gristmill_domain::{
    Caller, CellId, ErrorCode, ProjectId,
    execution::{ExecutionResult, ExecutionStatus, OutputKind, RichOutput},
    notebooks::{Cell, CellStatus, NotebookKind},
    ports::StoreError,
    settings::Settings,
};
use gristmill_persistence::repo::notebooks::{CELL_IS_TEXT, CELL_LOCKED, FinishedRun, RunStart, RunTerms};
use gristmill_runtime::{ExecuteRequest, KernelPlace, RuntimeError};
use tokio::sync::{mpsc, oneshot};

use super::{
    exports,
    log::{Broken, OutputLog},
    registry::RegisteredRun,
};
use crate::{
    error::{ApiError, ApiResult, chain},
    state::AppState,
};

/// Live outputs that may wait; the runtime joins text when it cannot go on.
const SINK: usize = 256;
/// How soon a run learns of an interrupt that another server took.
const HEARTBEAT_MAX: Duration = Duration::from_secs(1);
/// How often the end of a run is tried to be stored, and the wait after the first failure, doubled each time.
const STORE_ATTEMPTS: u32 = 6;
const STORE_RETRY: Duration = Duration::from_millis(250);

/// What a run says whose server failed at it.
const SERVER_FAILED: &str = "The server could not run the code; try again, then report it";

/// Names that the kernel's start-up code provides. Code that finds them missing gets a new kernel, once.
const HELPERS: [&str; 5] =
    ["resolve_dataset_path", "load_preprocessing_dataset", "save_preprocessing_dataset", "save_to_project", "_display_df"];

/// Runs one of the caller's cells and waits for its end.
///
/// # Errors
/// 404 for a cell that is not the caller's or not in the project, 409 while it is held, 400 for text.
///
/// # Cancel safety
/// The run goes on.
pub async fn run_cell(state: &web::Data<AppState>, caller: &Caller, id: CellId, project: ProjectId) -> ApiResult<CellRunView> {
    run_for(state, caller, id, project, None).await
}

/// As [`run_cell`], for the call of an agent that `key` names: [`gristmill_persistence::repo::notebooks::Notebooks`] can tell
/// afterwards whether a cell's last run is the one of a call.
///
/// # Errors
/// As [`run_cell`].
///
/// # Cancel safety
/// The run goes on.
pub(crate) async fn run_cell_keyed(
    state: &web::Data<AppState>,
    caller: &Caller,
    id: CellId,
    project: ProjectId,
    key: &str,
) -> ApiResult<CellRunView> {
    run_for(state, caller, id, project, Some(key)).await
}

async fn run_for(
    state: &web::Data<AppState>,
    caller: &Caller,
    id: CellId,
    project: ProjectId,
    key: Option<&str>,
) -> ApiResult<CellRunView> {
    let settings = state.settings.overrides(caller).await.map_err(ApiError::store(ErrorCode::UserNotFound))?;
    let settings = settings.over(state.config.settings);
    let terms = RunTerms { lease: state.config.notebooks.run_lease, key };
    let started = state.notebooks.start_run(caller, id, Some(project), terms, state.clock.now()).await.map_err(run_error)?;
    let (done, end) = oneshot::channel();
    let run = CellRun { state: state.clone(), caller: caller.clone(), started, settings, environment_error: OnceLock::new() };
    state.tasks.spawn("cell run", async move {
        // Nobody may be waiting any more.
        drop(done.send(run.drive().await));
    });
    match end.await {
        Ok(answer) => answer,
        Err(_) => {
            Err(ApiError::new(ErrorCode::ShuttingDown, "The server is stopping; look at the cell again shortly").retry_after(2))
        }
    }
}

/// Interrupts the run of one of the caller's cells, on whichever server it is. Nothing happens when it does not run.
///
/// # Errors
/// 404 for a cell that is not the caller's or not in the project.
pub async fn interrupt_cell(state: &AppState, caller: &Caller, id: CellId, project: ProjectId) -> ApiResult<()> {
    let runs = state.notebooks.request_interrupt(caller, id, Some(project)).await.map_err(run_error)?;
    if runs {
        // A run on another server sees the request with its next heartbeat.
        state.runs.stop(id);
    }
    Ok(())
}

/// The place of the notebooks of a project.
pub(crate) fn place_of(caller: &Caller, project: ProjectId) -> KernelPlace {
    KernelPlace::notebook(project).owned_by(caller.user_id)
}

/// The failure of a runtime call.
pub(crate) fn runtime_error(error: RuntimeError) -> ApiError {
    let failure = ApiError::new(error.code(), capitalized(&error.to_string()));
    match &error {
        RuntimeError::TooMany { retry_after, .. } => failure.retry_after(retry_after.as_secs().max(1)),
        RuntimeError::ShuttingDown => failure.retry_after(2),
        RuntimeError::ProjectData(_) | RuntimeError::Io { .. } => ApiError::internal(error),
        _ => failure.caused_by(error),
    }
}

fn run_error(error: StoreError) -> ApiError {
    match &error {
        StoreError::Conflict(what) if what == CELL_LOCKED => {
            ApiError::new(ErrorCode::CellLocked, "The cell is running or being edited; wait until it is free")
        }
        StoreError::Conflict(what) if what == CELL_IS_TEXT => {
            ApiError::new(ErrorCode::InvalidRequest, "Markdown cells do not run")
        }
        _ => ApiError::store(ErrorCode::CellNotFound)(error),
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// A run in progress.
pub(super) struct CellRun {
    pub(super) state: web::Data<AppState>,
    caller: Caller,
    pub(super) started: RunStart,
    settings: Settings,
    /// Why no code could be run.
    environment_error: OnceLock<ErrorCode>,
}

impl CellRun {
    async fn drive(self) -> ApiResult<CellRunView> {
        let began = Instant::now();
        let place = place_of(&self.caller, self.started.notebook.project_id);
        let registered = self.state.runs.register(place.project, self.started.cell.id);
        let mut log = OutputLog::new(&self);
        let mut result = self.attempt(&place, &registered, &mut log).await;
        if matches!(&result, Ok(result) if self.lacks_helpers(result)) && self.state.runtime.restart(&place).await.is_ok() {
            result = self.attempt(&place, &registered, &mut log).await;
        }
        match result {
            Ok(result) => self.finish(&place, log, result, began.elapsed()).await,
            Err(Broken::Lost) => {
                tracing::warn!(cell.id = %self.started.cell.id, "a run lost its cell and is interrupted");
                drop(self.state.runtime.interrupt(&place).await);
                Err(ApiError::new(ErrorCode::Conflict, "The cell was removed or taken over during its run"))
            }
            Err(Broken::Stopping) => {
                log.flush().await.ok();
                if let Err(error) = self.state.notebooks.abandon_run(&self.started.lease, self.state.clock.now()).await {
                    tracing::warn!(error.cause = chain(&error), "a run could not be given up; its lease will run out");
                }
                Err(ApiError::new(ErrorCode::ShuttingDown, "The server stopped during the run").retry_after(2))
            }
        }
    }

    /// Executes the cell once, when it is its turn; a runtime that cannot is a result too.
    async fn attempt(&self, place: &KernelPlace, run: &RegisteredRun, log: &mut OutputLog) -> Result<ExecutionResult, Broken> {
        let (sink, mut outputs) = mpsc::channel(SINK);
        let has_turn = AtomicBool::new(false);
        let request = self.request();
        let mut execution = std::pin::pin!(async {
            let _turn = run.turn.lock().await;
            has_turn.store(true, Ordering::Relaxed);
            self.state.runtime.execute(place, request, sink).await
        });
        let mut heartbeat = tokio::time::interval((self.state.config.notebooks.run_lease / 3).min(HEARTBEAT_MAX));
        let (mut interrupted, mut open) = (false, true);
        let result = loop {
            tokio::select! {
                biased;
                result = &mut execution => break result,
                () = self.state.tasks.stopping().cancelled() => return Err(Broken::Stopping),
                () = run.stop.notified() => (log.interrupt, interrupted) = (true, false),
                received = outputs.recv(), if open => match received {
                    Some(output) => log.push(output).await?,
                    None => open = false,
                },
                () = log.due() => log.flush().await?,
                _ = heartbeat.tick() => log.beat().await?,
            }
            if log.interrupt && !interrupted {
                if !has_turn.load(Ordering::Relaxed) {
                    return Ok(refused("KeyboardInterrupt: interrupted before it began"));
                }
                interrupted = self.interrupt(place).await;
            }
        };
        while let Ok(output) = outputs.try_recv() {
            log.gather(output).await;
        }
        Ok(result.unwrap_or_else(|error| {
            // The first one stays: there is one attempt after it at most, and none after a failure.
            self.environment_error.get_or_init(|| error.code());
            failed(&error)
        }))
    }

    fn request(&self) -> ExecuteRequest {
        ExecuteRequest {
            code: self.started.cell.content.clone(),
            timeout: timeout_of(&self.settings),
            memory_bytes: memory_of(&self.settings),
        }
    }

    /// Whether the kernel took the interrupt; one that is still starting does not.
    async fn interrupt(&self, place: &KernelPlace) -> bool {
        self.state.runtime.interrupt(place).await.unwrap_or_else(|error| {
            tracing::warn!(error.cause = chain(&error), "a kernel could not be interrupted");
            false
        })
    }

    async fn finish(
        &self,
        place: &KernelPlace,
        mut log: OutputLog,
        mut result: ExecutionResult,
        took: Duration,
    ) -> ApiResult<CellRunView> {
        // However long it takes to store it: what the cell wrote is told from older files by when it ran.
        let ended = self.state.clock.now();
        let is_error = |output: &RichOutput| output.kind == OutputKind::Error;
        if result.status != ExecutionStatus::Success && !result.outputs.iter().any(is_error) {
            let text = result.error.clone().unwrap_or_else(|| "The run failed".into());
            result.outputs.push(RichOutput::new(OutputKind::Error, text));
        }
        let kept = log.keeper.keep_all(std::mem::take(&mut result.outputs)).await;
        result.execution_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let run = FinishedRun {
            status: if result.status == ExecutionStatus::Success { CellStatus::Success } else { CellStatus::Error },
            outputs: kept.outputs.clone(),
            refs: kept.refs,
            files: kept.files,
            duration_ms: result.execution_ms,
            content: self.started.cell.content.clone(),
            unsent: std::mem::take(&mut log.pending),
        };
        let cell = self.store(run, ended).await?;
        self.state.file_cleaner.wake();
        result.outputs = kept.outputs;
        result.execution_order = cell.execution_order.map(i64::from);
        let exported_datasets = match self.started.notebook.kind {
            NotebookKind::Standalone => exports::take_over(&self.state, &self.caller, place).await,
            NotebookKind::Phase => Vec::new(),
        };
        Ok(CellRunView { result, exported_datasets, environment_error: self.environment_error.get().copied() })
    }

    /// Stores the end, through a short outage too.
    async fn store(&self, run: FinishedRun, ended: DateTime<Utc>) -> ApiResult<Cell> {
        let mut wait = STORE_RETRY;
        for _ in 1..STORE_ATTEMPTS {
            match self.state.notebooks.finish_run(&self.started.lease, run.clone(), ended).await {
                Err(StoreError::Unavailable(error)) => {
                    tracing::warn!(%error, "the end of a run could not be stored yet");
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
                Err(StoreError::LeaseLost) => {
                    return Err(ApiError::new(ErrorCode::Conflict, "The cell was removed or taken over during its run"));
                }
                other => return other.map_err(run_error),
            }
        }
        let last = self.state.notebooks.finish_run(&self.started.lease, run, ended).await;
        last.map_err(run_error)
    }

    fn lacks_helpers(&self, result: &ExecutionResult) -> bool {
        let missing = result.error.as_deref().and_then(|error| error.strip_prefix("NameError: name '")?.split('\'').next());
        missing.is_some_and(|name| HELPERS.contains(&name) && self.started.cell.content.contains(name))
    }
}

/// The longest time of a run, by the user's settings.
pub(crate) fn timeout_of(settings: &Settings) -> Duration {
    Duration::from_millis(u64::try_from(settings.execution_timeout_ms).unwrap_or(600_000))
}

/// The most memory of a run, by the user's settings.
pub(crate) fn memory_of(settings: &Settings) -> u64 {
    u64::try_from(settings.execution_max_memory_mb).unwrap_or(2048).saturating_mul(1024 * 1024)
}

/// What a runtime that cannot run code answers instead of a result.
pub(crate) fn failed(error: &RuntimeError) -> ExecutionResult {
    if error.code() == ErrorCode::Internal {
        tracing::error!(error.cause = chain(error), "code could not be run");
        refused(SERVER_FAILED)
    } else {
        tracing::warn!(error.cause = chain(error), "code could not be run");
        refused(&capitalized(&error.to_string()))
    }
}

/// Why no code could be run, when what is kept of a run is what [`failed`] says and nothing else. Code that prints the same
/// fools whoever wrote it.
pub(crate) fn environment_error(outputs: &[RichOutput]) -> Option<ErrorCode> {
    const BEGINNINGS: [(&str, ErrorCode); 5] = [
        ("Code cannot be run here: ", ErrorCode::RuntimeUnavailable),
        ("The sandbox could not be started: ", ErrorCode::SandboxFailed),
        ("The Python kernel did not start: ", ErrorCode::SandboxFailed),
        ("The kernel was closed while the request waited", ErrorCode::Conflict),
        (SERVER_FAILED, ErrorCode::Internal),
    ];
    let [only] = outputs else { return None };
    let text = only.content.as_str();
    if only.kind != OutputKind::Error {
        return None;
    }
    let is_full = text.contains("; try again in ") && text.ends_with(" seconds") && !text.contains('\n');
    let known = BEGINNINGS.iter().find(|(beginning, _)| text.starts_with(beginning)).map(|(_, code)| *code);
    known.or(is_full.then_some(ErrorCode::TooManyRequests))
}

fn refused(text: &str) -> ExecutionResult {
    ExecutionResult {
        status: ExecutionStatus::Error,
        stdout: String::new(),
        stderr: text.to_owned(),
        outputs: vec![RichOutput::new(OutputKind::Error, text)],
        execution_ms: 0,
        error: Some(text.to_owned()),
        execution_order: None,
        truncated_bytes: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_run_says_whether_any_code_ran() {
        for error in [
            RuntimeError::Unavailable { reason: "no Python; run setup".to_owned() },
            RuntimeError::Sandbox { reason: "no room".to_owned(), source: None },
            RuntimeError::Kernel { reason: "it ended".to_owned() },
            RuntimeError::TooMany { reason: "as many sandboxes run as may", retry_after: Duration::from_secs(5) },
            RuntimeError::Closed,
            RuntimeError::Io { doing: "making a directory", source: std::io::ErrorKind::StorageFull.into() },
        ] {
            assert_eq!(environment_error(&failed(&error).outputs), Some(error.code()), "{error}");
        }
        let printed = RichOutput::new(OutputKind::Text, "Code cannot be run here: no");
        let raised = RichOutput::new(OutputKind::Error, "Traceback\nValueError: Code cannot be run here: no");
        for outputs in [vec![], vec![printed.clone()], vec![raised.clone()], vec![printed, raised]] {
            assert_eq!(environment_error(&outputs), None, "{outputs:?}");
        }
    }
}
