//! Learns features from a dataset, and writes it anew with them.

use std::path::Path;

use arrow::array::{ArrayRef, RecordBatch};
use gristmill_ingest::{
    IngestObserver,
    derive::{DatasetFile, Derivation, DerivedColumn, write_derived},
};

use crate::{
    error::FeatureError,
    fitted::Fitted,
    learn::{Learner, Learning, Numbered},
    make::{Frame, Mode},
    num,
    options::FitOptions,
    plan::Plan,
    report::{FeatureReport, Tally},
    table::TableReader,
};

/// Where the progress bar stands when everything is learned.
const LEARNED_SHARE: f64 = 0.4;

/// A dataset with features.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// What was learned, for rows that come later.
    pub fitted: Fitted,
    /// What became of the values.
    pub report: FeatureReport,
    /// Size of the new file, bytes.
    pub parquet_bytes: u64,
}

/// Learns features from a table.
///
/// # Errors
/// [`FeatureError::Unlearnable`] when its values do not allow a feature, [`FeatureError::Column`] when its columns are not
/// those of the plan, [`FeatureError::Cancelled`], and errors of reading and of temporary files.
pub fn fit(
    plan: &Plan,
    table: &dyn TableReader,
    options: &FitOptions,
    observer: &dyn IngestObserver,
) -> Result<Fitted, FeatureError> {
    let learning = Learner { plan, table, options, observer, progress_end: 1.0 }.learn()?;
    observer.progress(1.0, "learning");
    Ok(Fitted::new(&learning, options))
}

/// Learns features from a dataset's Parquet file, and writes another one that has them behind its columns. All columns and
/// rows stay as they are and where they are.
///
/// Rows that a target encoding was learned from get the encoding of the rows of all other folds; see the crate's head. The
/// new file appears only when it is complete; its directory must exist. Memory is bounded whatever the number of rows.
///
/// # Errors
/// As [`fit`], and errors of writing. Nothing is left behind then.
pub fn apply(
    plan: &Plan,
    source: &Path,
    output: &Path,
    options: &FitOptions,
    observer: &dyn IngestObserver,
) -> Result<Applied, FeatureError> {
    let file = DatasetFile::open(source)?;
    let learner = Learner { plan, table: &file, options, observer, progress_end: LEARNED_SHARE };
    let learning = learner.learn()?;
    let mut columns = file.derived_columns();
    columns.extend(learning.steps.iter().flat_map(|step| step.outputs.iter().cloned()));
    let writer = Writer { learner: &learner, learning: &learning };
    let (parquet_bytes, tallies) = writer.write(&file, output, &columns)?;
    observer.progress(1.0, "writing");
    Ok(Applied {
        fitted: Fitted::new(&learning, options),
        report: FeatureReport::new(&learning, file.row_count(), tallies),
        parquet_bytes,
    })
}

/// Rows of a batch, and what became of its values in each feature.
type Counts = (u64, Vec<Tally>);

struct Writer<'a> {
    learner: &'a Learner<'a>,
    learning: &'a Learning,
}

impl Writer<'_> {
    fn write(&self, file: &DatasetFile, output: &Path, columns: &[DerivedColumn]) -> Result<(u64, Vec<Tally>), FeatureError> {
        let places: Vec<usize> = (0..file.columns().len()).collect();
        let made: usize = self.learning.steps.iter().map(|step| step.outputs.len()).sum();
        let mut batches = Numbered::new(TableReader::batches(file, &places)?, made);
        let mut tallies = vec![Tally::default(); self.learning.steps.len()];
        let mut rows = 0;
        let derivation =
            Derivation { output, columns, file_type: file.file_type(), threads: self.learner.options.limits.threads };
        let bytes = write_derived(
            &derivation,
            || {
                self.learner.check_cancelled()?;
                batches.next().transpose()
            },
            |(first_row, batch)| self.make(&batch, first_row),
            |(batch_rows, more): Counts| {
                for (tally, more) in tallies.iter_mut().zip(more) {
                    tally.add(more);
                }
                rows += batch_rows;
                let share = num::float(rows) / num::float(file.row_count().max(1));
                self.learner.observer.progress(LEARNED_SHARE + (1.0 - LEARNED_SHARE) * share.min(1.0), "writing");
                Ok(())
            },
        )?;
        Ok((bytes, tallies))
    }

    /// All columns of a batch, and what became of its values.
    fn make(&self, batch: &RecordBatch, first_row: u64) -> Result<(Vec<ArrayRef>, Counts), FeatureError> {
        let folds = self.learner.folds(batch, first_row)?;
        let mut frame = self.frame(batch)?;
        let mut arrays = batch.columns().to_vec();
        let mut tallies = Vec::with_capacity(self.learning.steps.len());
        for step in &self.learning.steps {
            let nulls_in = frame.nulls_in(&step.feature)?;
            let lost = step.run(&mut frame, Mode::Training(&folds))?;
            let mut nulls_out = Vec::with_capacity(step.outputs.len());
            for output in &step.outputs {
                let column = frame.column(&output.name)?;
                nulls_out.push(column.null_count());
                arrays.push(column.to_array());
            }
            tallies.push(Tally { nulls_in, lost, nulls_out });
        }
        Ok((arrays, (num::count(batch.num_rows()), tallies)))
    }

    /// The columns that features are made from.
    fn frame(&self, batch: &RecordBatch) -> Result<Frame, FeatureError> {
        let inputs = self.learning.steps.iter().flat_map(|step| step.feature.inputs());
        let from_dataset = inputs.filter(|input| input.made_by.is_none());
        let arrays = from_dataset.filter_map(|input| Some((input.name.as_str(), input.kind, batch.column_by_name(&input.name)?)));
        Frame::read(arrays)
    }
}
