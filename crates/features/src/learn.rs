//! Learns features from tables, in as few walks as their chains need.

mod gather;
mod likelihood;
mod minimum;
mod moments;
mod quantile;
mod store;
mod target;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::Path,
};

use arrow::array::{BooleanArray, RecordBatch};
use gristmill_domain::{
    datasets::{ColumnType, ROW_ID_COLUMN},
    limits::COLUMNS_MAX,
};
use gristmill_ingest::{IngestObserver, ordered};

use self::{
    gather::{Gathering, Part},
    target::Classes,
};
use crate::{
    error::{FeatureError, Unlearnable},
    learned::Learned,
    make::{Frame, Mode, Step},
    num,
    operation::Operation,
    options::FitOptions,
    plan::{Input, Plan, PlannedFeature},
    table::{TableReader, fold, row_ids},
};

/// Everything that was learned.
#[derive(Debug)]
pub(crate) struct Learning {
    /// One a feature, in order.
    pub(crate) steps: Vec<Step>,
    /// Remarks for people, of each feature.
    pub(crate) notes: Vec<Vec<String>>,
    /// How many rows were learned from.
    pub(crate) rows: u64,
}

/// What all parts of learning need.
pub(crate) struct Learner<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) table: &'a dyn TableReader,
    pub(crate) options: &'a FitOptions,
    pub(crate) observer: &'a dyn IngestObserver,
    /// Where the progress bar stands at the end.
    pub(crate) progress_end: f64,
}

/// One walk over the rows.
struct Walk<'a> {
    /// Features that learn from it.
    learning: Vec<usize>,
    /// Features that are made on the way, in order.
    steps: Vec<&'a Step>,
    /// Places of the columns that are read.
    columns: Vec<usize>,
    classes: &'a Classes,
}

impl Learner<'_> {
    pub(crate) fn learn(&self) -> Result<Learning, FeatureError> {
        check_columns(self.plan, self.table)?;
        let features = &self.plan.features;
        let reference = self.options.reference.timestamp_micros();
        let classes = target::classes(self)?;
        let mut notes = vec![Vec::new(); features.len()];
        let mut steps: Vec<Option<Step>> = features
            .iter()
            .map(|feature| (!feature.learns()).then(|| Step::new(feature.clone(), Learned::Nothing, None, reference)))
            .collect();
        let (mut rows, mut memory) = (self.table.row_count(), 0_usize);
        for level in 0..self.plan.passes() {
            check_made(features, &steps)?;
            let walk = self.walk(level, &steps, &classes);
            let (gathered, walked) = self.gather(&walk, level, memory)?;
            rows = walked;
            memory = gathered.iter().map(Gathering::memory).fold(memory, usize::saturating_add);
            let mut learned = Vec::with_capacity(gathered.len());
            for (at, gathering) in walk.learning.iter().zip(gathered) {
                let Some(feature) = features.get(*at) else { continue };
                learned.push((*at, feature, gathering.finish(feature, &self.options.limits, &classes)?));
            }
            for (at, feature, result) in learned {
                let step = Step::new(feature.clone(), result.learned, result.out_of_fold, reference);
                if let (Some(slot), Some(note)) = (steps.get_mut(at), notes.get_mut(at)) {
                    *slot = Some(step);
                    *note = result.notes;
                }
            }
            check_names(self.plan, &steps)?;
        }
        check_made(features, &steps)?;
        check_names(self.plan, &steps)?;
        let steps: Option<Vec<Step>> = steps.into_iter().collect();
        Ok(Learning { steps: steps.ok_or(FeatureError::internal("a feature was not learned"))?, notes, rows })
    }

    /// What the features of a level need.
    fn walk<'a>(&'a self, level: usize, steps: &'a [Option<Step>], classes: &'a Classes) -> Walk<'a> {
        let features = &self.plan.features;
        let at_level = features.iter().enumerate().filter(|(_, feature)| feature.learns() && feature.level == level);
        let learning: Vec<usize> = at_level.map(|(at, _)| at).collect();
        let mut made: BTreeSet<usize> = BTreeSet::new();
        let mut names: HashSet<&str> = HashSet::from([ROW_ID_COLUMN]);
        // Those that learn now need their target too; those that are made on the way do not.
        let mut open: Vec<&Input> =
            learning.iter().filter_map(|at| features.get(*at)).flat_map(PlannedFeature::all_inputs).collect();
        while let Some(input) = open.pop() {
            match input.made_by {
                Some(at) if made.insert(at) => open.extend(features.get(at).into_iter().flat_map(PlannedFeature::inputs)),
                Some(_) => {}
                None => {
                    names.insert(&input.name);
                }
            }
        }
        let columns = self.table.columns().iter().enumerate().filter(|(_, (name, _))| names.contains(name.as_str()));
        Walk {
            learning,
            steps: made.iter().filter_map(|at| steps.get(*at)?.as_ref()).collect(),
            columns: columns.map(|(at, _)| at).collect(),
            classes,
        }
    }

    /// Walks over the rows, when the categories of features before take so much memory. Returns what the features gathered, and
    /// how many rows they learned from.
    fn gather(&self, walk: &Walk<'_>, level: usize, memory: usize) -> Result<(Vec<Gathering<'_>>, u64), FeatureError> {
        let features: Vec<&PlannedFeature> = walk.learning.iter().filter_map(|at| self.plan.features.get(*at)).collect();
        let directory: &Path = &self.options.temporary_directory;
        let mut gathered = gather::begin(&features, &self.options.limits, self.options.folds(), directory);
        let made: usize = walk.steps.iter().map(|step| step.outputs.len()).sum();
        let mut batches = Numbered::new(self.table.batches(&walk.columns)?, made);
        let (mut rows, mut walked) = (0_u64, 0_u64);
        let passes = num::float(num::count(self.plan.passes()));
        ordered::run(
            self.options.limits.threads,
            || {
                self.check_cancelled()?;
                batches.next().transpose()
            },
            |(first_row, batch)| self.parts(walk, &features, &batch, first_row),
            |(batch_rows, learned_rows, parts): (u64, u64, Vec<Part>)| {
                let mut memory = memory;
                for ((gathering, part), feature) in gathered.iter_mut().zip(parts).zip(&features) {
                    gathering.merge(part, feature, &self.options.limits)?;
                    memory = memory.saturating_add(gathering.memory());
                    gather::check_memory(memory, self.options.limits.category_memory_max, feature)?;
                }
                walked += batch_rows;
                rows += learned_rows;
                let share = num::float(walked) / num::float(self.table.row_count().max(1));
                let done = (num::float(num::count(level)) + share.min(1.0)) / passes;
                self.observer.progress(done * self.progress_end, "learning");
                Ok(())
            },
        )?;
        Ok((gathered, rows))
    }

    /// What the features gather from one batch, behind its number of rows and of those that are learned from.
    fn parts(
        &self,
        walk: &Walk<'_>,
        features: &[&PlannedFeature],
        batch: &RecordBatch,
        first_row: u64,
    ) -> Result<(u64, u64, Vec<Part>), FeatureError> {
        let folds = self.folds(batch, first_row)?;
        let mut frame = frame(self.table.columns(), &walk.columns, batch)?;
        for step in &walk.steps {
            step.run(&mut frame, Mode::Training(&folds))?;
        }
        let all = num::count(batch.num_rows());
        let kept: Vec<u32> = folds.iter().copied().flatten().collect();
        if kept.len() < folds.len() {
            let mask = BooleanArray::from(folds.iter().map(Option::is_some).collect::<Vec<bool>>());
            for column in frame.columns.values_mut() {
                *column = column.keep(&mask)?;
            }
        }
        let (mut parts, mut memory) = (Vec::with_capacity(features.len()), 0_usize);
        for feature in features {
            let part = gather::part(feature, &frame, &kept, self.options.folds(), walk.classes)?;
            memory = memory.saturating_add(part.memory());
            gather::check_memory(memory, self.options.limits.category_memory_max / 2, feature)?;
            parts.push(part);
        }
        Ok((all, num::count(kept.len()), parts))
    }

    /// The fold of each row; none for those that are held out.
    pub(crate) fn folds(&self, batch: &RecordBatch, first_row: u64) -> Result<Vec<Option<u32>>, FeatureError> {
        let (seed, folds) = (self.options.seed, self.options.folds());
        let held_out = self.options.held_out.as_deref();
        let is_kept = |id: i64| held_out.is_none_or(|held_out| !held_out.contains(&id));
        let ids = row_ids(batch, first_row)?;
        Ok(ids.into_iter().map(|id| is_kept(id).then(|| fold(seed, id, folds))).collect())
    }

    pub(crate) fn check_cancelled(&self) -> Result<(), FeatureError> {
        if self.observer.is_cancelled() { Err(FeatureError::Cancelled) } else { Ok(()) }
    }
}

/// Bytes of the columns that are made of a batch, at most: with hundreds of them, batches have fewer rows.
const MADE_BYTES_MAX: usize = 256 << 20;

/// Batches with the number of the first row of each.
pub(crate) struct Numbered<I> {
    batches: I,
    rows: u64,
    rows_max: usize,
    /// What is left of the batch that was read last.
    rest: Option<RecordBatch>,
}

impl<I> Numbered<I> {
    /// Batches of which so many columns are made.
    pub(crate) fn new(batches: I, made: usize) -> Self {
        let rows_max = (MADE_BYTES_MAX / (made.max(1) * size_of::<f64>())).max(1);
        Self { batches, rows: 0, rows_max, rest: None }
    }
}

impl<I: Iterator<Item = Result<RecordBatch, FeatureError>>> Iterator for Numbered<I> {
    type Item = Result<(u64, RecordBatch), FeatureError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => match self.batches.next()? {
                Ok(batch) => batch,
                Err(error) => return Some(Err(error)),
            },
        };
        let rows = batch.num_rows().min(self.rows_max);
        self.rest = (rows < batch.num_rows()).then(|| batch.slice(rows, batch.num_rows() - rows));
        let first = self.rows;
        self.rows += num::count(rows);
        Some(Ok((first, batch.slice(0, rows))))
    }
}

/// The columns of a batch that was read from some places of a table.
pub(crate) fn frame(columns: &[(String, ColumnType)], places: &[usize], batch: &RecordBatch) -> Result<Frame, FeatureError> {
    let named = places.iter().zip(batch.columns()).filter_map(|(place, array)| Some((columns.get(*place)?, array)));
    Frame::read(named.map(|((name, kind), array)| (name.as_str(), *kind, array)))
}

/// The table must have the columns that were planned for.
fn check_columns(plan: &Plan, table: &dyn TableReader) -> Result<(), FeatureError> {
    let known: HashMap<&str, ColumnType> = table.columns().iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    for (name, kind) in &plan.columns {
        let found = known.get(name.as_str());
        if found != Some(kind) {
            let reason = match found {
                Some(found) => format!("holds {} now, and held {} when the features were planned", found.as_str(), kind.as_str()),
                None => "was there when the features were planned, and is not now".to_owned(),
            };
            return Err(FeatureError::Column { column: name.clone(), reason });
        }
    }
    match table.columns().iter().find(|column| !plan.columns.contains(column)) {
        Some((name, _)) => {
            Err(FeatureError::Column { column: name.clone(), reason: "was not there when the features were planned".to_owned() })
        }
        None => Ok(()),
    }
}

/// Columns that were expected of features that have learned by now must be there.
fn check_made(features: &[PlannedFeature], steps: &[Option<Step>]) -> Result<(), FeatureError> {
    for feature in features {
        for input in feature.all_inputs() {
            let Some(step) = input.made_by.and_then(|at| steps.get(at)?.as_ref()) else { continue };
            if !step.outputs.iter().any(|output| output.name == input.name) {
                let reason = Unlearnable::NoColumn { column: input.name.clone(), by: step.feature.name.clone() };
                return Err(FeatureError::unlearnable(&feature.name, reason));
            }
        }
    }
    Ok(())
}

/// Names of columns that only the data decide about must be free, and there may not be too many.
fn check_names(plan: &Plan, steps: &[Option<Step>]) -> Result<(), FeatureError> {
    let mut names: HashSet<&str> = plan.columns.iter().map(|(name, _)| name.as_str()).collect();
    for step in steps.iter().flatten() {
        for output in &step.outputs {
            if !names.insert(&output.name) || output.name == ROW_ID_COLUMN {
                let reason = Unlearnable::ColumnExists { column: output.name.clone() };
                return Err(FeatureError::unlearnable(&step.feature.name, reason));
            }
        }
        if names.len() > COLUMNS_MAX {
            return Err(FeatureError::unlearnable(&step.feature.name, Unlearnable::TableTooWide { max: COLUMNS_MAX }));
        }
        if step.outputs.is_empty() {
            let found = step.learned.categories().map_or(0, |categories| categories.len());
            let reason = Unlearnable::NoColumns { column: step.feature.source.name.clone(), found };
            debug_assert!(matches!(step.feature.operation, Operation::OneHotEncode { .. }));
            return Err(FeatureError::unlearnable(&step.feature.name, reason));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    #[test]
    fn batches_of_which_much_is_made_have_fewer_rows() {
        let batch = |rows: std::ops::Range<i64>| {
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(rows));
            Ok::<_, FeatureError>(RecordBatch::try_from_iter([("n", numbers)]).unwrap())
        };
        let made = MADE_BYTES_MAX / size_of::<f64>() / 4;
        let pieces: Vec<(u64, usize)> = Numbered::new([batch(0..10), batch(10..13)].into_iter(), made)
            .map(|piece| piece.map(|(first, piece)| (first, piece.num_rows())).unwrap())
            .collect();
        assert_eq!(pieces, [(0, 4), (4, 4), (8, 2), (10, 3)]);
    }
}
