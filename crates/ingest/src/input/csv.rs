//! Separated values: columns are fixed by the header, types are guessed from samples all over the file.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
};

use gristmill_domain::datasets::{ColumnType, FileType};

use super::{EncodingGuess, HEAD_SAMPLE_BYTES, Input, Next, SAMPLE_BYTES, sample_offsets};
use crate::{
    block::{Block, BlockSize, BlockSource, ROWS_A_GROUP},
    csv::{CsvSource, header::column_names},
    error::IngestError,
    infer::ColumnCounts,
    num,
    pass::{self, Job, Outcome, Sample},
    plan::{ForcedTypes, Plan, PlannedColumn},
    source::{TextEncoding, TextSource},
};

/// A CSV file.
pub(crate) struct CsvInput {
    encoding: EncodingGuess,
    delimiter: u8,
    header_notes: Vec<String>,
}

impl CsvInput {
    pub(crate) fn new(job: &Job<'_>, encoding: TextEncoding, delimiter: u8, head: &[u8]) -> Result<Self, IngestError> {
        Ok(Self { encoding: EncodingGuess::new(job, encoding, head)?, delimiter, header_notes: Vec::new() })
    }

    fn open(&self, job: &Job<'_>) -> Result<(CsvSource, Vec<String>), IngestError> {
        let request = job.request;
        let (source, header) = CsvSource::open(request.source, self.encoding.encoding, self.delimiter, &request.limits)?;
        Ok((source, header.fields))
    }

    fn first_plan(&mut self, job: &Job<'_>) -> Result<Plan, IngestError> {
        let (mut source, fields) = self.open(job)?;
        let (names, notes) = column_names(&fields, 1);
        self.header_notes = notes;
        let columns = names.into_iter().map(|name| PlannedColumn::new(name, ColumnType::Unknown)).collect();
        let plan = Plan::positional(columns, 1);
        source.set_block_size(BlockSize { bytes: HEAD_SAMPLE_BYTES, rows: ROWS_A_GROUP });
        let Some(mut block) = source.next_block()? else { return Ok(plan) };
        let mut sample = pass::sample(job, &plan, &mut block)?;
        for offset in sample_offsets(job.source_bytes) {
            if let Some(mut block) = self.block_at(job, offset)? {
                add_counts(&mut sample, &pass::sample(job, &plan, &mut block)?.counts);
            }
        }
        Ok(guess(&plan, &sample))
    }

    /// Some records from the middle of the file. They may begin inside a quoted field: good enough for a guess.
    fn block_at(&self, job: &Job<'_>, offset: u64) -> Result<Option<Block>, IngestError> {
        if !self.encoding.is_seekable() {
            return Ok(None);
        }
        let part = read_part(job, offset)?;
        let source = TextSource::new(Box::new(std::io::Cursor::new(part)), self.encoding.encoding);
        CsvSource::without_header(source, self.delimiter, &job.request.limits).next_block()
    }
}

/// Whole lines from somewhere in the file.
pub(super) fn read_part(job: &Job<'_>, offset: u64) -> Result<Vec<u8>, IngestError> {
    let read = || {
        let mut file = File::open(job.request.source)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut reader = BufReader::new(file.take(num::count(SAMPLE_BYTES)));
        // The first line is most likely cut, and so is the last.
        reader.skip_until(b'\n')?;
        let mut part = Vec::with_capacity(SAMPLE_BYTES);
        reader.read_to_end(&mut part)?;
        part.truncate(memchr::memrchr(b'\n', &part).map_or(0, |end| end + 1));
        Ok(part)
    };
    read().map_err(IngestError::from_read)
}

pub(super) fn add_counts(sample: &mut Sample, more: &[ColumnCounts]) {
    for (sum, counts) in sample.counts.iter_mut().zip(more) {
        sum.merge(counts);
    }
}

/// A plan with the types that a sample suggests.
pub(super) fn guess(plan: &Plan, sample: &Sample) -> Plan {
    let columns = plan
        .columns
        .iter()
        .zip(&sample.counts)
        .enumerate()
        .map(|(at, (column, counts))| {
            let decided = column.decided(counts);
            let is_text = decided.kind == ColumnType::String;
            PlannedColumn { is_repetitive: sample.is_repetitive(at, is_text), ..decided }
        })
        .collect();
    Plan::positional(columns, sample.record_bytes())
}

impl Input for CsvInput {
    fn attempt(&mut self, job: &Job<'_>, plan: Option<Plan>, forced: &ForcedTypes) -> Result<(Plan, Outcome), IngestError> {
        let mut plan = match plan {
            Some(plan) => plan,
            None => self.first_plan(job)?,
        };
        plan.force(forced);
        let (mut source, _) = self.open(job)?;
        source.set_block_size(BlockSize::suited(plan.columns.len(), plan.record_bytes));
        let outcome = pass::run(job, &plan, FileType::Csv, &mut source)?;
        Ok((plan, outcome))
    }

    fn next(&mut self, job: &Job<'_>, plan: &Plan, outcome: &Outcome) -> Result<Next, IngestError> {
        if self.encoding.was_wrong(job, outcome)? {
            return Ok(Next::Afresh);
        }
        Ok(match plan.corrected(&outcome.counts) {
            Some(columns) => Next::Again(Plan::positional(columns, plan.record_bytes)),
            None => Next::Done,
        })
    }

    fn encoding(&self) -> &'static str {
        self.encoding.encoding.as_str()
    }

    fn notes(&self) -> Vec<String> {
        [self.encoding.notes(), self.header_notes.clone()].concat()
    }
}
