//! The live outputs of a run on their way to the log of its notebook.

use std::time::Duration;

use actix_web::web;
use gristmill_domain::{execution::RichOutput, notebooks::push_output, ports::StoreError};
use gristmill_persistence::repo::notebooks::RunLease;

use super::{outputs::OutputKeeper, run::CellRun};
use crate::{error::chain, state::AppState};

/// Outputs are gathered for this long, or until there are this many bytes of them.
const GATHER: Duration = Duration::from_millis(50);
const GATHER_BYTES: usize = 16 * 1024;
/// More than this is not gathered for a database that does not answer: watchers get the whole cell at the end.
const GATHER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Why a run ends without a result.
pub(super) enum Broken {
    /// The lock went to somebody else, or the cell is gone.
    Lost,
    /// The server is stopping.
    Stopping,
}

/// The live outputs of a run on their way to the notebook's log.
pub(super) struct OutputLog {
    state: web::Data<AppState>,
    lease: RunLease,
    pub(super) keeper: OutputKeeper,
    /// What is not logged yet.
    pub(super) pending: Vec<RichOutput>,
    pending_bytes: usize,
    flush_at: Option<tokio::time::Instant>,
    /// Somebody asked to interrupt the run.
    pub(super) interrupt: bool,
}

impl OutputLog {
    pub(super) fn new(run: &CellRun) -> Self {
        let state = &run.state;
        let keeper = OutputKeeper::new(
            state.output_links.clone(),
            state.files.clone(),
            run.started.notebook.project_id,
            run.started.lease,
            state.config.notebooks.inline_bytes_max,
        );
        Self {
            state: state.clone(),
            lease: run.started.lease,
            keeper,
            pending: Vec::new(),
            pending_bytes: 0,
            flush_at: None,
            interrupt: false,
        }
    }

    pub(super) async fn push(&mut self, output: RichOutput) -> Result<(), Broken> {
        self.gather(output).await;
        if self.pending_bytes >= GATHER_BYTES { self.flush().await } else { Ok(()) }
    }

    pub(super) async fn gather(&mut self, output: RichOutput) {
        let output = self.keeper.show(output).await;
        self.pending_bytes += output.content.len() + output.data.as_ref().map_or(0, |data| data.to_string().len());
        push_output(&mut self.pending, output);
        self.flush_at.get_or_insert_with(|| tokio::time::Instant::now() + GATHER);
    }

    /// Logs what was gathered.
    pub(super) async fn flush(&mut self) -> Result<(), Broken> {
        self.flush_at = None;
        self.pending_bytes = 0;
        let outputs = std::mem::take(&mut self.pending);
        self.append(outputs).await
    }

    /// Returns when it is time to log what was gathered; never while there is nothing.
    pub(super) async fn due(&self) {
        match self.flush_at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// A sign of life.
    pub(super) async fn beat(&mut self) -> Result<(), Broken> {
        self.append(Vec::new()).await
    }

    async fn append(&mut self, outputs: Vec<RichOutput>) -> Result<(), Broken> {
        let lease = self.state.config.notebooks.run_lease;
        let again = outputs.clone();
        match self.state.notebooks.append_outputs(&self.lease, outputs, lease, self.state.clock.now()).await {
            Ok(interrupt) => {
                self.interrupt |= interrupt;
                Ok(())
            }
            Err(StoreError::LeaseLost) => Err(Broken::Lost),
            Err(error) => {
                tracing::warn!(error.cause = chain(&error), "outputs of a run could not be logged yet");
                let bytes: usize = again.iter().map(|output| output.content.len()).sum();
                if !again.is_empty() && bytes <= GATHER_BYTES_MAX {
                    self.pending = again;
                    self.pending_bytes = bytes;
                    self.flush_at = Some(tokio::time::Instant::now() + Duration::from_secs(1));
                }
                Ok(())
            }
        }
    }
}
