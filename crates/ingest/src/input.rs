//! The formats, as the pipeline sees them: each makes a plan from a part of the file, runs a pass over all of it, and
//! says from what the pass found whether another one is needed.

mod csv;
mod json;
mod xlsx;

pub(crate) use self::{csv::CsvInput, json::JsonInput, xlsx::XlsxInput};
use crate::{
    error::IngestError,
    pass::{Job, Outcome},
    plan::{ForcedTypes, Plan},
    source::{TextEncoding, survey_utf8},
};

/// What comes after a pass.
pub(crate) enum Next {
    /// The plan held.
    Done,
    /// Another pass with a better plan.
    Again(Plan),
    /// Another pass from the beginning: the file itself was read wrongly.
    Afresh,
}

/// A file in one of the formats.
pub(crate) trait Input {
    /// Runs a pass with a plan, which is made from a part of the file when there is none.
    fn attempt(&mut self, job: &Job<'_>, plan: Option<Plan>, forced: &ForcedTypes) -> Result<(Plan, Outcome), IngestError>;

    /// Judges what a pass found.
    fn next(&mut self, job: &Job<'_>, plan: &Plan, outcome: &Outcome) -> Result<Next, IngestError>;

    /// Name of the encoding, for the report.
    fn encoding(&self) -> &'static str;

    /// Remarks on the file.
    fn notes(&self) -> Vec<String>;
}

/// The encoding of a text file, which may turn out to be another one at any byte.
#[derive(Debug, Clone, Copy)]
struct EncodingGuess {
    encoding: TextEncoding,
    is_settled: bool,
}

impl EncodingGuess {
    /// Starts with what the head suggests; when the head shows damage already, asks the whole file.
    fn new(job: &Job<'_>, encoding: TextEncoding, head: &[u8]) -> Result<Self, IngestError> {
        let damaged = std::str::from_utf8(head).is_err_and(|error| error.error_len().is_some());
        let mut guess = Self { encoding, is_settled: encoding != TextEncoding::Utf8 };
        if damaged && !guess.is_settled {
            guess.settle(job)?;
        }
        Ok(guess)
    }

    fn settle(&mut self, job: &Job<'_>) -> Result<(), IngestError> {
        self.encoding = survey_utf8(job.request.source)?;
        self.is_settled = true;
        Ok(())
    }

    /// Looks at a finished pass; true when it read in the wrong encoding.
    fn was_wrong(&mut self, job: &Job<'_>, outcome: &Outcome) -> Result<bool, IngestError> {
        if self.is_settled || outcome.mended.malformed == 0 {
            return Ok(false);
        }
        let before = self.encoding;
        self.settle(job)?;
        Ok(self.encoding != before)
    }

    /// Whether reading may begin anywhere: every line end is one byte.
    fn is_seekable(self) -> bool {
        matches!(self.encoding, TextEncoding::Utf8 | TextEncoding::Windows1252)
    }

    fn notes(self) -> Vec<String> {
        if self.encoding == TextEncoding::Windows1252 {
            vec!["The file is not UTF-8; it was read as Windows-1252 (Latin-1).".to_owned()]
        } else {
            Vec::new()
        }
    }
}

/// Places in a large file from which samples are taken besides its head.
fn sample_offsets(file_bytes: u64) -> impl Iterator<Item = u64> {
    const SAMPLES: u64 = 8;
    let from = crate::num::count(HEAD_SAMPLE_BYTES);
    let is_large = file_bytes > from * 4;
    (1..=SAMPLES).filter(move |_| is_large).map(move |at| from + (file_bytes - from) / (SAMPLES + 1) * at)
}

/// Bytes of the head from which the first plan is made.
const HEAD_SAMPLE_BYTES: usize = 1 << 20;
/// Bytes of each further sample.
const SAMPLE_BYTES: usize = 64 * 1024;
