//! From request to dataset: sniff, plan, passes until a plan holds, profile, summary, publication.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use gristmill_domain::{
    datasets::{FileType, IngestReport, Reject},
    eda::{EdaScope, EdaSource},
    limits,
};
use tempfile::NamedTempFile;

use crate::{
    eda,
    error::IngestError,
    input::{CsvInput, Input, JsonInput, Next, XlsxInput},
    num,
    pass::{Job, Outcome, READING_SHARE},
    plan::{ForcedTypes, Plan, check_forced},
    profile::{
        self, Analysis,
        columns::{ColumnSet, ParquetColumns},
        runs::RunLimits,
    },
    request::{IngestObserver, IngestRequest, IngestedDataset},
    sniff::{self, FileFormat},
    write,
};

/// Passes after which something is wrong: one for the guess, one for another encoding, one for the types that the counts
/// call for, and one more.
const PASSES_MAX: usize = 4;

/// Most cells of the sample that is kept with a dataset: a wide table shows fewer than twenty rows.
const SAMPLE_CELLS_MAX: usize = 100_000;

/// Where the progress bar stands after profiling.
pub(crate) const PROFILED_SHARE: f64 = 0.92;

/// Reads a file into a dataset. Types in `forced` are not inferred, and a value that does not fit one is an error.
pub(crate) fn run(
    request: &IngestRequest<'_>,
    forced: &ForcedTypes,
    observer: &dyn IngestObserver,
) -> Result<IngestedDataset, IngestError> {
    let head = read_head(request.source)?;
    let format = sniff::sniff(request.filename, request.media_type, &head)?;
    let source_bytes = std::fs::metadata(request.source).map_err(IngestError::from_read)?.len();
    let job = Job { request, observer, source_bytes };
    observer.progress(0.0, "reading");
    let mut input: Box<dyn Input> = match format {
        FileFormat::Delimited { delimiter, encoding } => Box::new(CsvInput::new(&job, encoding, delimiter, &head)?),
        FileFormat::Json { kind, encoding } => Box::new(JsonInput::new(&job, encoding, kind, &head)?),
        FileFormat::Xlsx => Box::new(XlsxInput::default()),
    };
    drop(head);
    let (plan, outcome) = passes(&job, input.as_mut(), forced)?;
    check_content(&plan, &outcome)?;
    check_forced(&plan.columns, forced)?;
    let mut notes = Vec::new();
    notes.extend(mismatch_note(request, format.file_type()));
    notes.extend(input.notes());
    notes.extend(outcome_notes(&outcome));
    let report = report(&plan, &outcome, input.encoding(), notes);
    let Outcome { dataset, notes: record_notes, .. } = outcome;
    let dataset = dataset.ok_or(IngestError::Internal { context: "a plan that held has written no file" })?;
    finish(&job, format.file_type(), dataset, report, Some(&record_notes.listed))
}

fn passes(job: &Job<'_>, input: &mut dyn Input, forced: &ForcedTypes) -> Result<(Plan, Outcome), IngestError> {
    let mut plan = None;
    for _ in 0..PASSES_MAX {
        let (used, outcome) = input.attempt(job, plan.take(), forced)?;
        match input.next(job, &used, &outcome)? {
            Next::Done => return Ok((used, outcome)),
            Next::Again(better) => plan = Some(better),
            Next::Afresh => {}
        }
    }
    Err(IngestError::Internal { context: "types did not settle" })
}

fn read_head(path: &Path) -> Result<Vec<u8>, IngestError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        File::open(path)?.take(num::count(sniff::HEAD_BYTES)).read_to_end(&mut head)?;
        Ok(head)
    };
    read().map_err(IngestError::from_read)
}

/// Refuses what has no rows or no columns.
fn check_content(plan: &Plan, outcome: &Outcome) -> Result<(), IngestError> {
    if outcome.rows > 0 && !plan.columns.is_empty() {
        return Ok(());
    }
    if outcome.rows > 0 {
        return Err(IngestError::unreadable("The JSON objects have no keys, so there are no columns."));
    }
    if let Some(first) = outcome.notes.listed.first()
        && outcome.notes.rejected > 0
    {
        let count = outcome.notes.rejected;
        return Err(IngestError::unreadable_at(
            first.line,
            format!("None of the {count} records could be read. The first one is {}.", first.reason),
        ));
    }
    Err(IngestError::unreadable("The file has no rows: nothing follows the header. Upload a file with a header and rows."))
}

/// Says so when a file is not what its name promises.
fn mismatch_note(request: &IngestRequest<'_>, file_type: FileType) -> Option<String> {
    let declared = sniff::declared_format(request.filename, request.media_type);
    if declared.and_then(sniff::Declared::file_type) == Some(file_type) {
        return None;
    }
    Some(format!("The content is {}, not what the file's name says; it was read as that.", file_type.as_str().to_uppercase()))
}

/// Remarks on what was mended while reading.
fn outcome_notes(outcome: &Outcome) -> Vec<String> {
    let (mended, notes) = (outcome.mended, &outcome.notes);
    [
        (mended.nuls + notes.nuls, "NUL characters were removed"),
        (mended.malformed + notes.surrogates, "damaged characters were replaced by \u{fffd}"),
        (notes.unclosed_quotes, "quotes are not closed and were read as ordinary text; see the rejects"),
        (notes.duplicate_keys, "objects name a key twice; the last value was kept"),
        (notes.error_cells, "cells hold an error such as #DIV/0! and were read as that text"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}."))
    .collect()
}

fn report(plan: &Plan, outcome: &Outcome, encoding: &str, notes: Vec<String>) -> IngestReport {
    let records = &outcome.notes;
    IngestReport {
        rows_read: records.records,
        rows_rejected: records.rejected,
        rows_too_long: records.too_long,
        rows_too_short: records.too_short,
        coercions: plan.coercions(&outcome.counts),
        encoding: encoding.to_owned(),
        notes,
        rejects_complete: records.reportable == num::count(records.listed.len()),
        rejects_listed: num::count(records.listed.len()),
    }
}

/// Profiles a finished file and puts it in place, with its rejects report where there is one.
pub(crate) fn finish(
    job: &Job<'_>,
    file_type: FileType,
    dataset: NamedTempFile,
    report: IngestReport,
    rejects: Option<&[Reject]>,
) -> Result<IngestedDataset, IngestError> {
    let request = job.request;
    let set = ParquetColumns::open(dataset.path())?;
    let analysis = Analysis {
        threads: request.limits.threads,
        observer: job.observer,
        directory: write::directory_of(request.output),
        limits: RunLimits::default(),
        progress: (READING_SHARE, PROFILED_SHARE),
    };
    let described = describe(&set, &analysis)?;
    job.check_cancelled()?;
    let parquet_bytes = match rejects {
        Some(rejects) => write::publish_with_rejects(dataset, request.output, rejects, request.rejects)?,
        None => write::publish(dataset, request.output)?,
    };
    job.observer.progress(1.0, "summarising");
    Ok(IngestedDataset { file_type, report, parquet_bytes, ..described })
}

/// Profiles a file. What only its maker knows (the original's format, the report, the size) is for the caller to fill in.
pub(crate) fn describe(set: &ParquetColumns, analysis: &Analysis<'_>) -> Result<IngestedDataset, IngestError> {
    let columns = analysis.run(set)?;
    analysis.observer.progress(analysis.progress.1, "summarising");
    let scope = EdaScope { source: EdaSource::DatasetProfile, rows_analyzed: set.rows(), total_rows: set.rows() };
    let eda = eda::summarize_set(set, &columns, scope, analysis)?;
    let sample_rows = limits::SAMPLE_ROWS_MAX.min((SAMPLE_CELLS_MAX / columns.len().max(1)).max(1));
    let sample = set.row_reader().rows(0, u32::try_from(sample_rows).unwrap_or(u32::MAX))?;
    Ok(IngestedDataset {
        file_type: FileType::Csv,
        columns: columns.iter().map(profile::profile).collect(),
        key_sketches: profile::key_sketches(&columns),
        row_count: set.rows(),
        sample,
        report: IngestReport::default(),
        eda,
        parquet_bytes: 0,
    })
}
