//! A loaded model.

use std::{io::Read, path::Path, sync::Arc};

use gristmill_domain::models::{Artifact, TaskType};
use rustix::fs::{Mode, OFlags};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{
    compile::{Inputs, Wanted, compile},
    error::InferenceError,
    predictions::{Outcome, Predictions},
    prepare::Block,
    program::{Data, Program},
    rows::Rows,
    signature::{SIGNATURE_BYTES_MAX, Signature},
};

/// The largest graph that is run in this process, bytes: some four million nodes of trees.
const GRAPH_BYTES_MAX: u64 = 256 << 20;
const PARITY_BYTES_MAX: u64 = 1 << 20;
/// The most elementary operations of a call, about half a minute.
const WORK_MAX: u64 = 1 << 35;
/// The most rows of a call.
const ROWS_MAX: u64 = 1_000_000;

/// A model that predicts in this process. It is immutable: any number of threads may use it at once, without a lock.
#[derive(Debug)]
pub struct NativeModel {
    signature: Arc<Signature>,
    program: Program,
    memory_bytes: usize,
}

/// What `parity.json` says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parity {
    converted: bool,
    #[serde(default)]
    within_tolerance: bool,
    reason: Option<String>,
}

impl NativeModel {
    /// Loads the model of a directory. Each file must be the one whose checksum was stored. Blocks: reads files, and takes
    /// up to seconds for the largest models.
    ///
    /// # Errors
    /// A file is missing, altered, too large or unreadable, or the model is not one that runs here
    /// ([`InferenceError::wants_worker`] tells whether a worker can serve it).
    pub fn load(directory: &Path, artifacts: &[Artifact]) -> Result<Self, InferenceError> {
        let parity = read_artifact(directory, artifacts, "parity.json", PARITY_BYTES_MAX)?;
        let parity: Parity = serde_json::from_slice(&parity)
            .map_err(|error| InferenceError::NotConverted { reason: format!("parity.json is not readable: {error}") })?;
        if !parity.converted || !parity.within_tolerance {
            let reason = parity.reason.unwrap_or_else(|| "its conversion was not found to be equal".to_owned());
            return Err(InferenceError::NotConverted { reason });
        }
        let signature = read_artifact(directory, artifacts, "signature.json", SIGNATURE_BYTES_MAX)?;
        let graph = read_artifact(directory, artifacts, "model.onnx", GRAPH_BYTES_MAX)?;
        Self::from_bytes(&signature, &graph)
    }

    /// Makes a model of the contents of `signature.json` and `model.onnx`.
    ///
    /// # Errors
    /// One of them is broken, or the model is not one that runs here.
    pub fn from_bytes(signature: &[u8], graph: &[u8]) -> Result<Self, InferenceError> {
        let signature = Signature::parse(signature)?;
        let wanted = match signature.task {
            TaskType::Classification => Wanted::Probabilities(signature.labels.len()),
            TaskType::Regression => Wanted::Number,
            TaskType::Clustering => Wanted::Cluster,
        };
        let inputs = Inputs { numeric: signature.numeric.len(), dictionaries: &signature.dictionaries };
        let program = compile(graph, &inputs, wanted)?;
        let memory_bytes = size_of::<Self>() + program.memory_bytes() + signature.memory_bytes();
        Ok(Self { signature: Arc::new(signature), program, memory_bytes })
    }

    /// What the model takes and gives.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// About how much memory the model takes, bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// The most rows that are predicted in one call.
    #[must_use]
    pub fn rows_max(&self) -> usize {
        let rows = WORK_MAX.checked_div(self.program.work).unwrap_or(1).clamp(1, ROWS_MAX);
        usize::try_from(rows).unwrap_or(usize::MAX)
    }

    /// How much work the prediction of some rows is, at most, in elementary operations: a million take about a millisecond.
    /// What is more belongs on a blocking thread.
    #[must_use]
    pub fn work(&self, rows: usize) -> u64 {
        u64::try_from(rows).unwrap_or(u64::MAX).saturating_mul(self.program.work)
    }

    /// Predicts. Takes microseconds a row for usual models ([`work`](Self::work) tells).
    ///
    /// # Errors
    /// The rows are another model's, too many, or the model's answer for one of them is not a finite number.
    pub fn predict(&self, rows: &Rows) -> Result<Predictions, InferenceError> {
        self.admit(rows, 1)?;
        let mut predictions = Predictions::new(Arc::clone(&self.signature), self.no_answers(rows.len()));
        let mut start = 0;
        while start < rows.len() {
            let end = rows.len().min(start + self.program.rows_together);
            predictions.extend(self.run(Block::new(&self.signature, rows, start..end)))?;
            start = end;
        }
        Ok(predictions)
    }

    /// Checks that rows fit and that `times` passes over them are not too much work.
    pub(super) fn admit(&self, rows: &Rows, times: usize) -> Result<(), InferenceError> {
        if !rows.fit(&self.signature) {
            return Err(InferenceError::RowsOfAnotherModel);
        }
        let rows_max = self.rows_max() / times.max(1);
        if rows.len() > rows_max {
            return Err(InferenceError::TooManyRows { rows: rows.len(), rows_max });
        }
        Ok(())
    }

    pub(super) fn rows_together(&self) -> usize {
        self.program.rows_together
    }

    pub(super) fn run(&self, block: Block) -> Data {
        self.program.run(block.rows, block.numeric, block.categorical)
    }

    pub(super) fn shared_signature(&self) -> Arc<Signature> {
        Arc::clone(&self.signature)
    }

    pub(super) fn no_answers(&self, rows: usize) -> Outcome {
        match self.signature.task {
            TaskType::Classification => Outcome::Classes {
                labels: Vec::with_capacity(rows),
                probabilities: Vec::with_capacity(rows * self.signature.labels.len()),
            },
            TaskType::Regression => Outcome::Numbers(Vec::with_capacity(rows)),
            TaskType::Clustering => Outcome::Clusters(Vec::with_capacity(rows)),
        }
    }
}

/// Reads a file that must be the stored one. What is hashed is what is used.
pub(crate) fn read_artifact(
    directory: &Path,
    artifacts: &[Artifact],
    name: &str,
    bytes_max: u64,
) -> Result<Vec<u8>, InferenceError> {
    let file = || name.to_owned();
    let stored = artifacts.iter().find(|artifact| artifact.filename == name);
    let stored = stored.ok_or_else(|| match name {
        "model.onnx" | "parity.json" => InferenceError::NotConverted { reason: format!("the model has no {name}") },
        _ => InferenceError::FileMissing { file: file() },
    })?;
    if stored.size > bytes_max {
        return Err(InferenceError::FileTooLarge { file: file(), bytes_max });
    }
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => InferenceError::FileMissing { file: file() },
        _ => InferenceError::Io { file: file(), source },
    };
    // Without blocking, so that a pipe in the place of a file harms nobody.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = rustix::fs::open(directory.join(name), flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let mut bytes = Vec::with_capacity(usize::try_from(stored.size).unwrap_or(0));
    std::fs::File::from(opened).take(stored.size + 1).read_to_end(&mut bytes).map_err(failed)?;
    let same_size = u64::try_from(bytes.len()) == Ok(stored.size);
    if !same_size || !stored.sha256.eq_ignore_ascii_case(&hex::encode(Sha256::digest(&bytes))) {
        return Err(InferenceError::FileAltered { file: file() });
    }
    Ok(bytes)
}
