//! Pearson correlation and least squares of pairs of columns, in one walk over the rows.

use std::ops::ControlFlow;

use arrow::array::ArrayRef;
use gristmill_domain::{datasets::ColumnType, eda::RegressionLine};

use crate::{
    error::IngestError,
    num, ordered,
    profile::{
        Analysis, ColumnAnalysis,
        columns::ColumnSet,
        keys,
        numbers::{NumberStats, finite},
        paired_columns,
    },
};

/// Rows in which both columns must have a value.
const ROWS_MIN: f64 = 3.0;
/// Rows that are worked on at a time: small enough for the cache.
const ROWS_A_STEP: usize = 1024;

/// How two columns go together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pair {
    /// Places of the columns in the table.
    pub(crate) x: usize,
    pub(crate) y: usize,
    /// −1..1.
    pub(crate) coefficient: f64,
    pub(crate) line: Option<RegressionLine>,
}

/// Sums over the rows in which both columns have a value.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.n += other.n;
        self.x += other.x;
        self.y += other.y;
        self.xx += other.xx;
        self.yy += other.yy;
        self.xy += other.xy;
    }
}

/// Correlates the first numeric columns with one another, strongest first; equally strong ones in column order.
pub(super) fn pairs(set: &dyn ColumnSet, columns: &[ColumnAnalysis], analysis: &Analysis<'_>) -> Result<Vec<Pair>, IngestError> {
    // A column whose values are all equal correlates with nothing.
    let varied: Vec<Varied<'_>> = paired_columns(set)
        .into_iter()
        .filter_map(|place| {
            let column = columns.get(place)?;
            let stats = column.numbers.as_ref().filter(|stats| stats.std_dev > 0.0)?;
            Some(Varied { place, kind: column.kind, stats })
        })
        .collect();
    if varied.len() < 2 {
        return Ok(Vec::new());
    }
    let sums = sum_pairs(set, &varied, analysis)?;
    let mut pairs: Vec<Pair> = pair_places(varied.len())
        .zip(&sums)
        .filter_map(|((a, b), sums)| evaluate(varied.get(a)?, varied.get(b)?, sums))
        .collect();
    pairs.sort_by(|a, b| b.coefficient.abs().total_cmp(&a.coefficient.abs()));
    Ok(pairs)
}

struct Varied<'a> {
    place: usize,
    kind: ColumnType,
    stats: &'a NumberStats,
}

fn pair_places(columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..columns).flat_map(move |a| (a + 1..columns).map(move |b| (a, b)))
}

/// Sums up all pairs, part by part; parts are added in order, so the number of threads changes nothing.
fn sum_pairs(set: &dyn ColumnSet, varied: &[Varied<'_>], analysis: &Analysis<'_>) -> Result<Vec<Sums>, IngestError> {
    let places: Vec<usize> = varied.iter().map(|column| column.place).collect();
    let mut totals = vec![Sums::default(); pair_places(varied.len()).count()];
    let mut parts = 0..set.parts();
    ordered::run(
        analysis.threads,
        || Ok(parts.next()),
        |part| {
            let mut sums = vec![Sums::default(); pair_places(varied.len()).count()];
            let mut columns: Vec<Standardized> = Vec::with_capacity(varied.len());
            let _ = set.visit_part(part, &places, &mut |arrays| {
                if analysis.observer.is_cancelled() {
                    return Err(IngestError::Cancelled);
                }
                columns.clear();
                columns.extend(varied.iter().zip(arrays).map(|(column, array)| Standardized::new(column, array)));
                add_batch(&columns, &mut sums);
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(sums)
        },
        |sums: Vec<Sums>| {
            for (total, sums) in totals.iter_mut().zip(&sums) {
                total.add(sums);
            }
            Ok(())
        },
    )?;
    Ok(totals)
}

/// A batch of a column as standard scores, which neither overflow nor cancel; 0 where there is no value.
struct Standardized {
    scores: Vec<f64>,
    /// 1 where there is a value, 0 elsewhere; empty when there is one everywhere.
    presence: Vec<f64>,
}

impl Standardized {
    fn new(column: &Varied<'_>, array: &ArrayRef) -> Self {
        let (mean, deviation) = (column.stats.mean, column.stats.std_dev);
        let mut scores = Vec::with_capacity(array.len());
        let mut presence = Vec::new();
        let _ = keys::for_each(column.kind, array, |row, key| {
            match key {
                Some(key) => {
                    scores.push(score(keys::number(column.kind, key), mean, deviation));
                    if !presence.is_empty() {
                        presence.push(1.0);
                    }
                }
                None => {
                    if presence.is_empty() {
                        presence = vec![1.0; row];
                    }
                    presence.push(0.0);
                    scores.push(0.0);
                }
            }
            Ok(ControlFlow::Continue(()))
        });
        Self { scores, presence }
    }

    fn steps(&self) -> impl Iterator<Item = (&[f64], &[f64])> {
        let mut presence = self.presence.chunks(ROWS_A_STEP);
        self.scores.chunks(ROWS_A_STEP).map(move |scores| (scores, presence.next().unwrap_or_default()))
    }
}

/// How many deviations a value is away from the mean; also where the difference itself overflows.
fn score(value: f64, mean: f64, deviation: f64) -> f64 {
    let score = (value - mean) / deviation;
    if score.is_finite() { score } else { finite(value / deviation - mean / deviation) }
}

fn add_batch(columns: &[Standardized], sums: &mut [Sums]) {
    let steps: Vec<Vec<(&[f64], &[f64])>> = columns.iter().map(|column| column.steps().collect()).collect();
    let count = steps.first().map_or(0, Vec::len);
    for step in 0..count {
        let parts: Vec<(&[f64], &[f64])> = steps.iter().filter_map(|column| column.get(step).copied()).collect();
        for ((a, b), sums) in pair_places(parts.len()).zip(sums.iter_mut()) {
            if let (Some((x, with_x)), Some((y, with_y))) = (parts.get(a), parts.get(b)) {
                sums.add(&sum_step(x, with_x, y, with_y));
            }
        }
    }
}

fn sum_step(x: &[f64], with_x: &[f64], y: &[f64], with_y: &[f64]) -> Sums {
    // Scores are 0 where there is no value, so a product with the other column's presence leaves such rows out.
    let sum = |values: &[f64], presence: &[f64]| if presence.is_empty() { dot1(values) } else { dot(values, presence) };
    let squares =
        |values: &[f64], presence: &[f64]| if presence.is_empty() { dot(values, values) } else { dot3(values, values, presence) };
    let n = match (with_x.is_empty(), with_y.is_empty()) {
        (true, true) => num::float(num::count(x.len())),
        (false, true) => dot1(with_x),
        (true, false) => dot1(with_y),
        (false, false) => dot(with_x, with_y),
    };
    Sums { n, x: sum(x, with_y), y: sum(y, with_x), xx: squares(x, with_y), yy: squares(y, with_x), xy: dot(x, y) }
}

/// Sums in several lanes, which the compiler turns into vector instructions.
const LANES: usize = 8;

fn dot1(a: &[f64]) -> f64 {
    let (chunks, rest) = a.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for a in chunks {
        for (lane, a) in lanes.iter_mut().zip(a) {
            *lane += a;
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().sum::<f64>()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f64>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f64>()
}

fn dot3(a: &[f64], b: &[f64], c: &[f64]) -> f64 {
    let ((a, rest_a), (b, rest_b), (c, rest_c)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>(), c.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for ((a, b), c) in a.iter().zip(b).zip(c) {
        for (((lane, a), b), c) in lanes.iter_mut().zip(a).zip(b).zip(c) {
            *lane += a * b * c;
        }
    }
    lanes.iter().sum::<f64>() + rest_a.iter().zip(rest_b).zip(rest_c).map(|((a, b), c)| a * b * c).sum::<f64>()
}

/// The coefficient and the line of one pair, or `None` when there is no correlation to speak of.
fn evaluate(x: &Varied<'_>, y: &Varied<'_>, sums: &Sums) -> Option<Pair> {
    if sums.n < ROWS_MIN {
        return None;
    }
    let xx = sums.xx - sums.x * sums.x / sums.n;
    let yy = sums.yy - sums.y * sums.y / sums.n;
    let xy = sums.xy - sums.x * sums.y / sums.n;
    // What remains of equal values after rounding is no variation.
    let varies = |square: f64| square > sums.n * 1e-12;
    if !varies(xx) || !varies(yy) {
        return None;
    }
    let coefficient = (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0);
    if !coefficient.is_finite() {
        return None;
    }
    Some(Pair { x: x.place, y: y.place, coefficient, line: line(x.stats, y.stats, sums, xy / xx, coefficient) })
}

/// The least-squares line, brought back from standard scores.
fn line(x: &NumberStats, y: &NumberStats, sums: &Sums, score_slope: f64, coefficient: f64) -> Option<RegressionLine> {
    let slope = score_slope * (y.std_dev / x.std_dev);
    let mean_x = x.mean + x.std_dev * (sums.x / sums.n);
    let mean_y = y.mean + y.std_dev * (sums.y / sums.n);
    let intercept = mean_y - slope * mean_x;
    let r2 = coefficient * coefficient;
    (slope.is_finite() && intercept.is_finite()).then_some(RegressionLine { slope, intercept, r2 })
}
