//! What a step wrote: the file out of its workspace, and the table in it.

use std::{
    collections::BTreeMap,
    io::Read,
    path::Path,
    time::{Duration, SystemTime},
};

use gristmill_domain::{
    ErrorCode,
    datasets::{ColumnType, Dataset},
    preprocessing::{Basis, CellsNow, Measured, Measurement, ReasonCode, Refusal, TableNow},
};
use gristmill_ingest::{IngestError, IngestObserver, IngestRequest, ingest_typed};
use gristmill_runtime::{TakenFile, WorkspaceFile};
use serde::Deserialize;
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
/// Most that is read of what is told of a file, bytes.
const TOLD_BYTES_MAX: u64 = 8 << 20;

/// What a step wrote.
pub(super) struct Saved {
    /// The file.
    pub(super) file: TakenFile,
    /// The types of its columns, where the kernel tells them.
    pub(super) types: BTreeMap<String, ColumnType>,
    /// SHA-256 of both.
    pub(super) hash: String,
}

/// What the kernel's helper says of a file that it wrote.
#[derive(Debug, Default, Deserialize)]
struct Told {
    /// Of the file.
    sha256: String,
    types: BTreeMap<String, ColumnType>,
}

/// What there is of a step's output.
pub(super) enum Output {
    /// A file.
    File(Saved),
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
        let told = self.state.runtime.take_file(&place, &KernelFile::of(source).types()).await;
        let told = match told.map_err(|error| internal(&error))? {
            WorkspaceFile::Taken(told) => Some(told),
            WorkspaceFile::Missing | WorkspaceFile::Refused(_) => None,
        };
        let saved = tokio::task::spawn_blocking(move || saved(file, told.as_ref())).await;
        Ok(Output::File(saved.map_err(|error| internal(&error))?.map_err(|error| internal(&error))?))
    }

    /// Measures what a step wrote, beside the dataset that it read.
    pub(super) async fn measure(&self, source: &Dataset, cells: &CellsNow, output: Output) -> Result<Measured, Refusal> {
        let Saved { file, types, hash: output_hash } = match output {
            Output::File(saved) => saved,
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
            Ok::<_, std::io::Error>(ingest_typed(&request, &types, &watch))
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
        ErrorCode::UnsupportedFormat
        | ErrorCode::UnreadableFile
        | ErrorCode::TooManyColumns
        | ErrorCode::ConversionFailed
        | ErrorCode::ColumnNotFound => Ok(Measured::Unusable(format!("The saved file is no table: {}", error.public_message()))),
        ErrorCode::Internal => Err(internal(error)),
        _ => Err(Refusal::new(ReasonCode::InternalError, error.public_message())),
    }
}

fn is_older(file: &TakenFile, cells: &CellsNow) -> bool {
    let began = cells.began_at().map(SystemTime::from);
    began.is_some_and(|began| file.modified_at + CLOCK_SLACK < began)
}

/// The file with what was told of it. What was told of another file, or is none of the helper's words, counts for nothing: the
/// types are inferred then.
fn saved(file: TakenFile, told: Option<&TakenFile>) -> std::io::Result<Saved> {
    let hash = digest(&file.path)?;
    let told = told.map(|told| read_told(&told.path)).transpose()?.unwrap_or_default();
    if told.sha256 != hash || told.types.is_empty() {
        return Ok(Saved { file, types: BTreeMap::new(), hash });
    }
    let types = serde_json::to_string(&told.types)?;
    let hash = hex::encode(Sha256::new().chain_update(&hash).chain_update(types).finalize());
    Ok(Saved { file, types: told.types, hash })
}

fn read_told(path: &Path) -> std::io::Result<Told> {
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(TOLD_BYTES_MAX).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text).unwrap_or_default())
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
