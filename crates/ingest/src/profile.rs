//! Exact statistics of columns over every row, a column at a time and in bounded memory.

pub(crate) mod columns;
pub(crate) mod keys;
pub(crate) mod numbers;
pub(crate) mod runs;
mod top;

use std::{num::NonZeroUsize, ops::ControlFlow, path::Path};

use arrow::array::ArrayRef;
use chrono::DateTime;
use gristmill_domain::{
    datasets::{ColumnProfile, ColumnType, TopValue},
    key_sketches::{KEY_SKETCHES_MAX, KeySketch, SmallestHashes, names_a_key, spread},
    limits::TOP_VALUES_MAX,
};

use self::{
    columns::ColumnSet,
    numbers::{FirstWalk, NumberStats},
    runs::{RunBuilder, RunLimits, SortedRuns},
    top::{Ranking, TopCounts},
};
use crate::{error::IngestError, num, ordered, request::IngestObserver};

/// Frequent values that are found per column: the summary shows ten, the profile five.
pub(crate) const TOP_VALUES: usize = 10;
/// Rows whose presence of values is noted.
pub(crate) const PRESENCE_ROWS: u64 = 100;
/// Rows from which scatter plots choose their points.
pub(crate) const POINT_ROWS: u64 = 4096;
/// Numeric columns that correlations and scatter plots look at, the first ones. 32 columns make 496 pairs.
pub(crate) const PAIRED_COLUMNS_MAX: usize = 32;

/// Values that are held in memory at a time while columns are read.
const VALUES_AT_A_TIME: u64 = 2 << 20;
const COLUMNS_AT_A_TIME_MAX: usize = 1024;

/// Everything about one column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnAnalysis {
    pub(crate) name: String,
    pub(crate) kind: ColumnType,
    /// Rows with a value.
    pub(crate) values: u64,
    /// Rows without one.
    pub(crate) missing: u64,
    pub(crate) distinct: u64,
    /// The smallest hashes of the distinct values; of key-like columns.
    pub(crate) key_hashes: Option<Vec<u64>>,
    /// Most frequent first; equally frequent ones in the order in which they first appear.
    pub(crate) top: Vec<(String, u64)>,
    /// Numbers only, and only when there are any.
    pub(crate) numbers: Option<NumberStats>,
    /// Dates only: earliest and latest, microseconds.
    pub(crate) range: Option<(i64, i64)>,
    /// Whether there is a value, on evenly spaced rows.
    pub(crate) presence: Vec<bool>,
    /// Values on evenly spaced rows; for the first numeric columns.
    pub(crate) points: Vec<Option<f64>>,
}

/// How an analysis may work.
pub(crate) struct Analysis<'a> {
    pub(crate) threads: NonZeroUsize,
    pub(crate) observer: &'a dyn IngestObserver,
    /// Where temporary files go.
    pub(crate) directory: &'a Path,
    pub(crate) limits: RunLimits,
    /// Where the progress bar stands before and after.
    pub(crate) progress: (f64, f64),
}

impl Analysis<'_> {
    /// Analyses every column.
    pub(crate) fn run(&self, set: &dyn ColumnSet) -> Result<Vec<ColumnAnalysis>, IngestError> {
        let all: Vec<usize> = (0..set.columns().len()).collect();
        let paired = paired_columns(set);
        let at_a_time = num::size(VALUES_AT_A_TIME / set.rows().max(1)).clamp(1, COLUMNS_AT_A_TIME_MAX);
        let mut groups = all.chunks(at_a_time);
        let mut analyses = Vec::with_capacity(all.len());
        ordered::run(
            self.threads,
            || Ok(groups.next()),
            |group| self.analyze_group(set, group, &paired),
            |group: Vec<ColumnAnalysis>| {
                analyses.extend(group);
                let share = num::float(num::count(analyses.len())) / num::float(num::count(all.len().max(1)));
                let (from, to) = self.progress;
                self.observer.progress(from + (to - from) * share, "profiling");
                Ok(())
            },
        )?;
        Ok(analyses)
    }

    fn check_cancelled(&self) -> Result<(), IngestError> {
        if self.observer.is_cancelled() { Err(IngestError::Cancelled) } else { Ok(()) }
    }

    fn analyze_group(&self, set: &dyn ColumnSet, group: &[usize], paired: &[usize]) -> Result<Vec<ColumnAnalysis>, IngestError> {
        let mut gathered: Vec<Gathered<'_>> = Vec::with_capacity(group.len());
        for at in group {
            let Some((name, kind)) = set.columns().get(*at) else { continue };
            let builder = RunBuilder::new(self.limits, self.directory);
            gathered.push(Gathered {
                name,
                kind: *kind,
                values: 0,
                bounds: (u64::MAX, 0),
                builder,
                presence: RowSample::new(set.rows(), PRESENCE_ROWS),
                points: paired.contains(at).then(|| RowSample::new(set.rows(), POINT_ROWS)),
            });
        }
        set.visit(group, &mut |arrays| {
            self.check_cancelled()?;
            for (column, array) in gathered.iter_mut().zip(arrays) {
                column.add(array)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut ranked = Vec::with_capacity(gathered.len());
        for column in gathered {
            self.check_cancelled()?;
            ranked.push(column.rank(set.rows())?);
        }
        top::resolve(set, group, &mut ranked, &|| self.check_cancelled())?;
        Ok(ranked.into_iter().map(|(analysis, ranking)| ColumnAnalysis { top: ranking.into_top(), ..analysis }).collect())
    }
}

/// The first numeric columns.
pub(crate) fn paired_columns(set: &dyn ColumnSet) -> Vec<usize> {
    let numeric = set.columns().iter().enumerate().filter(|(_, (_, kind))| is_numeric(*kind));
    numeric.map(|(at, _)| at).take(PAIRED_COLUMNS_MAX).collect()
}

pub(crate) fn is_numeric(kind: ColumnType) -> bool {
    matches!(kind, ColumnType::Integer | ColumnType::Float)
}

/// Evenly spaced rows, and what was found on them.
#[derive(Debug)]
struct RowSample<T> {
    rows: u64,
    wanted: u64,
    passed: u64,
    found: Vec<T>,
}

impl<T> RowSample<T> {
    fn new(rows: u64, most: u64) -> Self {
        Self { rows, wanted: rows.min(most), passed: 0, found: Vec::new() }
    }

    /// Passes over the rows of a batch and takes what stands on the wanted ones.
    fn pass(&mut self, length: usize, mut value: impl FnMut(usize) -> T) {
        let end = self.passed + num::count(length);
        while num::count(self.found.len()) < self.wanted {
            let place = u128::from(self.rows) * u128::from(num::count(self.found.len())) / u128::from(self.wanted);
            let row = u64::try_from(place).unwrap_or(u64::MAX);
            if row >= end {
                break;
            }
            self.found.push(value(num::size(row - self.passed)));
        }
        self.passed = end;
    }
}

/// One column while it is read.
struct Gathered<'a> {
    name: &'a str,
    kind: ColumnType,
    values: u64,
    /// Smallest and largest key.
    bounds: (u64, u64),
    builder: RunBuilder<'a>,
    presence: RowSample<bool>,
    points: Option<RowSample<Option<f64>>>,
}

impl Gathered<'_> {
    fn add(&mut self, array: &ArrayRef) -> Result<(), IngestError> {
        let kind = self.kind;
        let (mut lowest, mut highest) = self.bounds;
        let _ = keys::for_each(kind, array, |_, key| {
            if let Some(key) = key {
                self.builder.push(key)?;
                self.values += 1;
                lowest = lowest.min(key);
                highest = highest.max(key);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        self.bounds = (lowest, highest);
        self.presence.pass(array.len(), |row| keys::is_present(kind, array, row));
        if let Some(points) = &mut self.points {
            points.pass(array.len(), |row| keys::number_at(kind, array, row));
        }
        Ok(())
    }

    /// Everything but the texts of the frequent values.
    fn rank(self, rows: u64) -> Result<(ColumnAnalysis, Ranking), IngestError> {
        let mut runs = self.builder.finish();
        let mut counts = TopCounts::new(TOP_VALUES);
        let has_numbers = is_numeric(self.kind) && self.values > 0;
        let (lowest, highest) = self.bounds;
        let extreme = keys::number(self.kind, lowest).abs().max(keys::number(self.kind, highest).abs());
        let mut first = has_numbers.then(|| FirstWalk::new(self.values, extreme));
        let mut smallest = names_a_key(self.name, self.kind).then(SmallestHashes::default);
        runs.visit(|key, count| {
            counts.add(count);
            if let Some(smallest) = &mut smallest {
                smallest.add(spread(key));
            }
            if let Some(first) = &mut first {
                first.add(keys::number(self.kind, key), count);
            }
            ControlFlow::Continue(())
        })?;
        let distinct = counts.distinct();
        let (ranking, numbers) = second_walk(self.kind, &mut runs, counts, first.map(|first| first.finish()))?;
        let range = (self.kind == ColumnType::Date && self.values > 0).then_some((lowest, highest));
        let analysis = ColumnAnalysis {
            name: self.name.to_owned(),
            kind: self.kind,
            values: self.values,
            missing: rows.saturating_sub(self.values),
            distinct,
            key_hashes: smallest.map(SmallestHashes::finish),
            top: Vec::new(),
            numbers,
            range: range.map(|(low, high)| (num::signed_from_ordered(low), num::signed_from_ordered(high))),
            presence: self.presence.found,
            points: self.points.map(|points| points.found).unwrap_or_default(),
        };
        Ok((analysis, ranking))
    }
}

fn second_walk(
    kind: ColumnType,
    runs: &mut SortedRuns,
    counts: TopCounts,
    mut second: Option<numbers::SecondWalk>,
) -> Result<(Ranking, Option<NumberStats>), IngestError> {
    let mut ranking = counts.finish();
    runs.visit(|key, count| {
        ranking.add(key, count);
        if let Some(second) = &mut second {
            second.add(keys::number(kind, key), count);
        }
        ControlFlow::Continue(())
    })?;
    Ok((ranking, second.map(numbers::SecondWalk::finish)))
}

/// The profile that is stored with a dataset.
pub(crate) fn profile(analysis: &ColumnAnalysis) -> ColumnProfile {
    let numbers = analysis.numbers.as_ref();
    let rounded = |value: fn(&NumberStats) -> f64| numbers.map(|numbers| rounded(value(numbers), 1e4));
    let instant = |micros: i64| DateTime::from_timestamp_micros(micros);
    ColumnProfile {
        name: analysis.name.clone(),
        dtype: analysis.kind,
        null_count: analysis.missing,
        sample_count: analysis.values,
        unique_count: analysis.distinct,
        top_values: analysis
            .top
            .iter()
            .take(TOP_VALUES_MAX)
            .map(|(value, count)| TopValue {
                value: value.clone(),
                count: *count,
                percentage: self::rounded(percentage(*count, analysis.values), 100.0),
            })
            .collect(),
        min: numbers.map(|numbers| numbers.min),
        max: numbers.map(|numbers| numbers.max),
        mean: rounded(|numbers| numbers.mean),
        median: rounded(|numbers| numbers.median),
        std_dev: rounded(|numbers| numbers.std_dev),
        skewness: rounded(|numbers| numbers.skewness),
        q1: rounded(|numbers| numbers.q1),
        q3: rounded(|numbers| numbers.q3),
        min_date: analysis.range.and_then(|(low, _)| instant(low)),
        max_date: analysis.range.and_then(|(_, high)| instant(high)),
    }
}

/// The sketches that are stored with a dataset.
pub(crate) fn key_sketches(columns: &[ColumnAnalysis]) -> Vec<KeySketch> {
    let sketch = |column: &ColumnAnalysis| {
        let hashes = column.key_hashes.clone()?;
        Some(KeySketch { column: column.name.clone(), distinct: column.distinct, hashes })
    };
    columns.iter().filter_map(sketch).take(KEY_SKETCHES_MAX).collect()
}

/// A share in percent; 0 of nothing is 0.
pub(crate) fn percentage(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { num::float(part) / num::float(all) * 100.0 }
}

/// A number with few decimals. Numbers that have none left are as they are.
fn rounded(value: f64, factor: f64) -> f64 {
    if value.abs() < 1e11 { (value * factor).round() / factor } else { value }
}
