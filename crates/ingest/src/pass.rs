//! One pass over a file: blocks to row groups on several threads, counting everything that types are decided from.

use std::{
    fs::File,
    num::NonZeroUsize,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use gristmill_domain::datasets::{FileType, Reject};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use tempfile::NamedTempFile;

use crate::{
    block::{Block, BlockSource, WIDE_COLUMNS},
    convert::{ColumnTexts, Misfit, misfit_reason},
    error::{ConversionFailure, IngestError},
    infer::ColumnCounts,
    num, ordered,
    plan::Plan,
    record::RecordNotes,
    request::{IngestObserver, IngestRequest},
    source::Mended,
    table::SpanTable,
    value,
    write::{self, DatasetWriter},
};

/// What all parts of a run need.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) request: &'a IngestRequest<'a>,
    pub(crate) observer: &'a dyn IngestObserver,
    /// Size of the source, bytes.
    pub(crate) source_bytes: u64,
}

impl Job<'_> {
    /// Fails when the observer asked to stop.
    pub(crate) fn check_cancelled(&self) -> Result<(), IngestError> {
        if self.observer.is_cancelled() { Err(IngestError::Cancelled) } else { Ok(()) }
    }
}

/// What a pass found.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) rows: u64,
    pub(crate) counts: Vec<ColumnCounts>,
    pub(crate) notes: RecordNotes,
    pub(crate) mended: Mended,
    /// The dataset; absent when the plan was refuted on the way.
    pub(crate) dataset: Option<NamedTempFile>,
}

/// Share of the progress bar that reading takes.
pub(crate) const READING_SHARE: f64 = 0.75;

/// What became of one block.
struct BlockResult {
    rows: u64,
    counts: Vec<ColumnCounts>,
    notes: RecordNotes,
    position: u64,
    group: Option<Vec<ArrowColumnChunk>>,
    /// The first value that did not fit a type that was asked for, with its row in the block.
    failure: Option<ConversionFailure>,
}

/// Reads all blocks and writes them as the plan says. When the plan is refuted, goes on counting without writing.
pub(crate) fn run(job: &Job<'_>, plan: &Plan, file_type: FileType, source: &mut dyn BlockSource) -> Result<Outcome, IngestError> {
    let file = write::temporary(job.request.output)?;
    let (writer, factory) = DatasetWriter::begin(write::handle(&file)?, &plan.columns, file_type)?;
    let is_refuted = AtomicBool::new(false);
    let mut merged = Merged {
        job,
        plan,
        is_refuted: &is_refuted,
        rows: 0,
        counts: vec![ColumnCounts::default(); plan.columns.len()],
        notes: RecordNotes::default(),
        writer: Some(writer),
    };
    let source = Mutex::new(source);
    // Encoders of thousands of columns take much memory, so there is one set of them at a time.
    let is_wide = plan.columns.len() > WIDE_COLUMNS;
    let threads = if is_wide { NonZeroUsize::MIN } else { job.request.limits.threads };
    ordered::run(
        threads,
        || {
            job.check_cancelled()?;
            source.lock().unwrap_or_else(PoisonError::into_inner).next_block()
        },
        |block| {
            let encoder = (!is_refuted.load(Ordering::Acquire)).then_some(&factory);
            BlockWork::new(job, plan).run(block, encoder)
        },
        |result| merged.merge(result),
    )?;
    let Merged { rows, counts, notes, writer, .. } = merged;
    let mended = source.into_inner().unwrap_or_else(PoisonError::into_inner).mended();
    let dataset = match writer {
        Some(writer) => {
            job.observer.progress(READING_SHARE, "writing");
            writer.finish()?;
            Some(file)
        }
        None => None,
    };
    Ok(Outcome { rows, counts, notes, mended, dataset })
}

/// Sums over the blocks so far, in order.
struct Merged<'a> {
    job: &'a Job<'a>,
    plan: &'a Plan,
    is_refuted: &'a AtomicBool,
    rows: u64,
    counts: Vec<ColumnCounts>,
    notes: RecordNotes,
    writer: Option<DatasetWriter<File>>,
}

impl Merged<'_> {
    fn merge(&mut self, block: BlockResult) -> Result<(), IngestError> {
        if let Some(failure) = block.failure {
            return Err(IngestError::Conversion(Box::new(ConversionFailure { row: self.rows + failure.row, ..failure })));
        }
        let limits = &self.job.request.limits;
        self.rows += block.rows;
        for (sum, counts) in self.counts.iter_mut().zip(&block.counts) {
            sum.merge(counts);
        }
        self.notes.merge(block.notes, limits.rejects_listed_max);
        let columns = self.counts.len() + self.notes.new_columns.len();
        if columns > limits.columns_max {
            return Err(IngestError::TooManyColumns { found: columns, max: limits.columns_max });
        }
        if self.rows.saturating_mul(num::count(columns)) > limits.cells_max {
            return Err(IngestError::TooManyCells { max: limits.cells_max });
        }
        if self.writer.is_some() && self.plan.is_refuted(&self.counts, &self.notes) {
            self.is_refuted.store(true, Ordering::Release);
            self.writer = None;
        }
        if let (Some(writer), Some(group)) = (self.writer.as_mut(), block.group) {
            writer.append(group)?;
        }
        let share = num::float(block.position) / num::float(self.job.source_bytes.max(1));
        self.job.observer.progress(share.min(1.0) * READING_SHARE, "reading");
        Ok(())
    }
}

/// The work on one block.
pub(crate) struct BlockWork<'a> {
    job: &'a Job<'a>,
    plan: &'a Plan,
    table: SpanTable,
    counts: Vec<ColumnCounts>,
    notes: RecordNotes,
    misfits: Vec<Misfit>,
    rows: u64,
    failure: Option<ConversionFailure>,
}

impl<'a> BlockWork<'a> {
    pub(crate) fn new(job: &'a Job<'a>, plan: &'a Plan) -> Self {
        Self {
            job,
            plan,
            table: SpanTable::new(plan.columns.len()),
            counts: vec![ColumnCounts::default(); plan.columns.len()],
            notes: RecordNotes::default(),
            misfits: Vec::new(),
            rows: 0,
            failure: None,
        }
    }

    fn run(mut self, mut block: Block, factory: Option<&ArrowRowGroupWriterFactory>) -> Result<BlockResult, IngestError> {
        let mut encoders = match factory {
            Some(factory) => factory.create_column_writers(0).map_err(IngestError::from_parquet_write)?,
            None => Vec::new(),
        };
        let schema = self.plan.schema();
        while self.read_batch(&mut block)? {
            if factory.is_none() {
                self.survey(&block);
                continue;
            }
            for (column, encoder) in encoders.iter_mut().enumerate() {
                self.encode(&block, column, schema.field(column), encoder)?;
            }
            self.report_misfits(&block);
        }
        // Reports of records and of values were gathered batch by batch.
        self.notes.listed.sort_by_key(|reject| reject.line);
        let group = match factory {
            Some(_) if self.rows > 0 => Some(close(encoders)?),
            _ => None,
        };
        Ok(BlockResult {
            rows: self.rows,
            counts: self.counts,
            notes: self.notes,
            position: block.position,
            group,
            failure: self.failure,
        })
    }

    /// Reads the next rows of the block; false at its end.
    fn read_batch(&mut self, block: &mut Block) -> Result<bool, IngestError> {
        self.job.check_cancelled()?;
        let context = self.plan.context(&self.job.request.limits);
        block.fill(&mut self.table, &mut self.notes, &context)?;
        self.rows += num::count(self.table.rows());
        Ok(self.table.rows() > 0)
    }

    /// Counts the values of a batch without making anything of them.
    fn survey(&mut self, block: &Block) {
        for (column, counts) in self.counts.iter_mut().enumerate() {
            ColumnTexts { block: &block.text, table: &self.table, column, is_literal: false }.survey(counts);
        }
    }

    fn encode(
        &mut self,
        block: &Block,
        column: usize,
        field: &arrow::datatypes::Field,
        encoder: &mut ArrowColumnWriter,
    ) -> Result<(), IngestError> {
        let (Some(planned), Some(counts)) = (self.plan.columns.get(column), self.counts.get_mut(column)) else {
            return Err(IngestError::Internal { context: "there are more encoders than columns" });
        };
        let texts = ColumnTexts { block: &block.text, table: &self.table, column, is_literal: planned.is_literal };
        let array = texts.convert(planned.kind, counts, &mut self.misfits)?;
        for leaf in compute_leaves(field, &array).map_err(IngestError::from_parquet_write)? {
            encoder.write(&leaf).map_err(IngestError::from_parquet_write)?;
        }
        Ok(())
    }

    fn report_misfits(&mut self, block: &Block) {
        if self.misfits.is_empty() {
            return;
        }
        self.misfits.sort_by_key(|misfit| (misfit.row, misfit.column));
        let rows_before = self.rows - num::count(self.table.rows());
        for misfit in self.misfits.drain(..) {
            let Some(planned) = self.plan.columns.get(misfit.column) else { continue };
            let text = misfit.span.text(&block.text).unwrap_or_default();
            if planned.is_forced {
                self.failure.get_or_insert_with(|| ConversionFailure {
                    column: planned.name.clone(),
                    row: rows_before + num::count(misfit.row) + 1,
                    value: value::excerpt(text),
                    to: planned.kind,
                    reason: misfit_reason(planned.kind),
                });
                continue;
            }
            let line = self.table.line(misfit.row);
            self.notes.report(self.job.request.limits.rejects_listed_max, || Reject {
                line,
                column: Some(planned.name.clone()),
                value: value::excerpt(text),
                reason: format!("the value {}", misfit_reason(planned.kind)),
            });
        }
    }
}

fn close(encoders: Vec<ArrowColumnWriter>) -> Result<Vec<ArrowColumnChunk>, IngestError> {
    encoders.into_iter().map(|encoder| encoder.close().map_err(IngestError::from_parquet_write)).collect()
}

/// What a part of a file shows.
pub(crate) struct Sample {
    pub(crate) rows: u64,
    pub(crate) text_bytes: usize,
    pub(crate) counts: Vec<ColumnCounts>,
    pub(crate) notes: RecordNotes,
    /// Per column: distinct and all values of the first batch.
    pub(crate) repetition: Vec<(usize, usize)>,
}

impl Sample {
    /// Bytes of a record, on average.
    pub(crate) fn record_bytes(&self) -> usize {
        (self.text_bytes / num::size(self.rows.max(1))).max(1)
    }

    /// Whether a column's values repeat.
    pub(crate) fn is_repetitive(&self, column: usize, is_text: bool) -> bool {
        // Texts gain more from a dictionary than numbers, which are small themselves.
        let gain = if is_text { 2 } else { 5 };
        self.repetition.get(column).is_none_or(|(distinct, all)| distinct * gain <= *all)
    }
}

/// Surveys a block as a sample of the whole.
pub(crate) fn sample(job: &Job<'_>, plan: &Plan, block: &mut Block) -> Result<Sample, IngestError> {
    let text_bytes = block.text.len();
    let mut work = BlockWork::new(job, plan);
    let mut repetition = Vec::new();
    while work.read_batch(block)? {
        work.survey(block);
        if repetition.is_empty() && plan.columns.len() <= WIDE_COLUMNS {
            repetition = (0..plan.columns.len()).map(|column| count_distinct(block, &work.table, column)).collect();
        }
    }
    Ok(Sample { rows: work.rows, text_bytes, counts: work.counts, notes: work.notes, repetition })
}

fn count_distinct(block: &Block, table: &SpanTable, column: usize) -> (usize, usize) {
    let texts = || table.column(column).filter_map(|span| span.text(&block.text)).filter(|text| !text.is_empty());
    let distinct: std::collections::HashSet<&[u8]> = texts().collect();
    (distinct.len(), texts().count())
}
