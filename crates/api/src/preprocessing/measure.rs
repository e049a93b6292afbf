//! What a step wrote: the file out of its workspace, and the table in it.

use std::{
    io::Read,
    path::Path,
    time::{Duration, SystemTime},
};

use gristmill_domain::{
    ErrorCode,
    datasets::Dataset,
    preprocessing::{Basis, CellsNow, Measured, Measurement, ReasonCode, Refusal, TableNow},
};
use gristmill_ingest::{IngestError, IngestObserver, IngestRequest, ingest};
use gristmill_runtime::{TakenFile, WorkspaceFile};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{Call, answer::internal, code::KernelFile};
use crate::{
    datasets::{ingest_limits, run_low},
    notebooks::place_of,
};

/// How much earlier than its run a file may seem to be: clocks of file systems are coarse.
const CLOCK_SLACK: Duration = Duration::from_secs(2);

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// What there is of a step's output.
pub(super) enum Output {
    /// A file with its SHA-256.
    File(TakenFile, String),
    /// None of this run: what to do.
    Missing(String),
    /// Something that is not taken: why.
    Unusable(String),
}

/// Stops reading when the call is stopped.
struct Watch(CancellationToken);

impl IngestObserver for Watch {
    fn progress(&self, _fraction: f64, _stage: &str) {}

    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl Call<'_> {
    /// Takes what a step wrote out of the workspace.
    pub(super) async fn output(&self, source: &Dataset, cells: &CellsNow) -> Result<Output, Refusal> {
        let place = place_of(&self.context.caller, self.context.project);
        let path = KernelFile::of(source).processed();
        let found = self.state.runtime.take_file(&place, &path).await.map_err(|error| internal(&error))?;
        let file = match found {
            WorkspaceFile::Taken(file) => file,
            WorkspaceFile::Missing => {
                let message = "The code saved nothing. Its cell must end with the call of save_preprocessing_dataset that \
                               materialize_step_code puts there; run it again.";
                return Ok(Output::Missing(message.to_owned()));
            }
            WorkspaceFile::Refused(why) => return Ok(Output::Unusable(format!("The saved file cannot be used: it {why}."))),
        };
        if is_older(&file, cells) {
            let message =
                "The saved file is of an earlier run. Let the cell end with save_preprocessing_dataset and run it again.";
            return Ok(Output::Missing(message.to_owned()));
        }
        let hashed = tokio::task::spawn_blocking(move || digest(&file.path).map(|hash| (file, hash))).await;
        let (file, hash) = hashed.map_err(|error| internal(&error))?.map_err(|error| internal(&error))?;
        Ok(Output::File(file, hash))
    }

    /// Measures what a step wrote, beside the dataset that it read.
    pub(super) async fn measure(&self, source: &Dataset, cells: &CellsNow, output: Output) -> Result<Measured, Refusal> {
        let (file, output_hash) = match output {
            Output::File(file, hash) => (file, hash),
            Output::Missing(why) => return Ok(Measured::Missing(why)),
            Output::Unusable(why) => return Ok(Measured::Unusable(why)),
        };
        let filename = format!("processed{}", KernelFile::of(source).extension());
        let (watch, limits) = (Watch(self.context.stop.clone()), ingest_limits(self.state));
        let work = move || {
            let directory = tempfile::tempdir_in(file.path.parent().unwrap_or_else(|| Path::new("/tmp")))?;
            let request = IngestRequest {
                source: &file.path,
                filename: &filename,
                media_type: None,
                output: &directory.path().join("measured.parquet"),
                rejects: &directory.path().join("rejects.ndjson"),
                limits,
            };
            Ok::<_, std::io::Error>(ingest(&request, &watch))
        };
        let done = run_low(&self.state.preprocessing.places, work).await;
        let done = done.map_err(|error| Refusal::new(ReasonCode::InternalError, error.message))?;
        let table = match done.map_err(|error| internal(&error))? {
            Ok(table) => table,
            Err(error) => return not_read(&error),
        };
        let after = TableNow::of(table.row_count, &table.columns);
        if after.row_count == 0 && source.row_count > 0 {
            return Ok(Measured::Unusable("No rows are left: the code took all of them away.".to_owned()));
        }
        let basis = Basis { code_hash: cells.hash.clone(), dataset_id: source.id, dataset_version: source.version, output_hash };
        let before = TableNow::of(source.row_count, &source.columns);
        Ok(Measured::Table(Box::new(Measurement { before, after, basis })))
    }
}

/// A file that is no table is what the code did; anything else is not its fault.
fn not_read(error: &IngestError) -> Result<Measured, Refusal> {
    match error.code() {
        ErrorCode::UnsupportedFormat | ErrorCode::UnreadableFile | ErrorCode::TooManyColumns => {
            Ok(Measured::Unusable(format!("The saved file is no table: {}", error.public_message())))
        }
        ErrorCode::Internal => Err(internal(error)),
        _ => Err(Refusal::new(ReasonCode::InternalError, error.public_message())),
    }
}

fn is_older(file: &TakenFile, cells: &CellsNow) -> bool {
    let began = cells.began_at().map(SystemTime::from);
    began.is_some_and(|began| file.modified_at + CLOCK_SLACK < began)
}

fn digest(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = file.read(&mut buffer)?;
        match buffer.get(..read) {
            Some(part) if read > 0 => hash.update(part),
            _ => return Ok(hex::encode(hash.finalize())),
        }
    }
}
