//! JSON: columns are the keys in the order in which they appear, and any record may bring a new one.

use gristmill_domain::datasets::FileType;

use super::{
    EncodingGuess, HEAD_SAMPLE_BYTES, Input, Next,
    csv::{add_counts, guess, read_part},
    sample_offsets,
};
use crate::{
    block::{BlockSize, BlockSource, ROWS_A_GROUP},
    error::IngestError,
    json::JsonSource,
    pass::{self, Job, Outcome},
    plan::{self, ForcedTypes, Plan},
    sniff::JsonKind,
    source::{TextEncoding, TextSource},
};

/// A JSON file.
pub(crate) struct JsonInput {
    encoding: EncodingGuess,
    kind: JsonKind,
}

impl JsonInput {
    pub(crate) fn new(job: &Job<'_>, encoding: TextEncoding, kind: JsonKind, head: &[u8]) -> Result<Self, IngestError> {
        Ok(Self { encoding: EncodingGuess::new(job, encoding, head)?, kind })
    }

    fn open(&self, job: &Job<'_>, size: BlockSize) -> Result<JsonSource, IngestError> {
        let request = job.request;
        let mut source = JsonSource::open(request.source, self.encoding.encoding, self.kind, &request.limits)?;
        source.set_block_size(size);
        Ok(source)
    }

    /// The keys of the file's head, with types from there and from samples further on.
    fn first_plan(&self, job: &Job<'_>) -> Result<Plan, IngestError> {
        let head = BlockSize { bytes: HEAD_SAMPLE_BYTES, rows: ROWS_A_GROUP };
        let nothing = Plan::keyed(Vec::new(), 1);
        let Some(mut block) = self.open(job, head)?.next_block()? else { return Ok(nothing) };
        let found = pass::sample(job, &nothing, &mut block)?;
        let keyed = Plan::keyed(plan::keyed_columns(&nothing, &[], &found.notes), found.record_bytes());
        // Once more with the keys known, for the values.
        let Some(mut block) = self.open(job, head)?.next_block()? else { return Ok(keyed) };
        let mut sample = pass::sample(job, &keyed, &mut block)?;
        if self.kind == JsonKind::Lines && self.encoding.is_seekable() {
            self.add_samples(job, &keyed, &mut sample)?;
        }
        let guessed = guess(&keyed, &sample);
        Ok(Plan::keyed(guessed.columns, guessed.record_bytes))
    }

    fn add_samples(&self, job: &Job<'_>, plan: &Plan, sample: &mut pass::Sample) -> Result<(), IngestError> {
        for offset in sample_offsets(job.source_bytes) {
            let part = read_part(job, offset)?;
            let text = TextSource::new(Box::new(std::io::Cursor::new(part)), self.encoding.encoding);
            if let Some(mut block) = JsonSource::new(text, self.kind, &job.request.limits).next_block()? {
                add_counts(sample, &pass::sample(job, plan, &mut block)?.counts);
            }
        }
        Ok(())
    }
}

impl Input for JsonInput {
    fn attempt(&mut self, job: &Job<'_>, plan: Option<Plan>, forced: &ForcedTypes) -> Result<(Plan, Outcome), IngestError> {
        let mut plan = match plan {
            Some(plan) => plan,
            None => self.first_plan(job)?,
        };
        plan.force(forced);
        let mut source = self.open(job, BlockSize::suited(plan.columns.len(), plan.record_bytes))?;
        let outcome = pass::run(job, &plan, FileType::Json, &mut source)?;
        Ok((plan, outcome))
    }

    fn next(&mut self, job: &Job<'_>, plan: &Plan, outcome: &Outcome) -> Result<Next, IngestError> {
        if self.encoding.was_wrong(job, outcome)? {
            return Ok(Next::Afresh);
        }
        let columns = plan::keyed_columns(plan, &outcome.counts, &outcome.notes);
        Ok(if columns == plan.columns { Next::Done } else { Next::Again(Plan::keyed(columns, plan.record_bytes)) })
    }

    fn encoding(&self) -> &'static str {
        self.encoding.encoding.as_str()
    }

    fn notes(&self) -> Vec<String> {
        self.encoding.notes()
    }
}
