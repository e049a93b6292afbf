//! The bins over which two distributions are compared.
//!
//! The reference is kept in many fine cells, and few requests would leave most of them empty by chance: the PSI of `n`
//! rows over `b` bins is about `(b - 1) / n` when nothing has changed at all, so that fifty rows over the twenty bins of
//! a histogram would always be red. Adjacent cells are therefore joined to bins of about equal mass, as many as the rows
//! can bear: two at first, one more for each further twenty rows, twenty at most, and none in which fewer than five rows
//! are expected. Where every cell stays alone, the values are those of `evidently` for the raw data.
//!
//! Rows outside the reference (below or above its range, an unseen category, no value) have bins of their own from five
//! rows on. Fewer of them join the nearest bin; missing values have none, and are left out.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{
    VALUES_MIN,
    cells::Cells,
    number::{float, share, size},
    reference::{CategoricalReference, Kind, NumericReference},
    window::Counts,
};

const BINS_MIN: usize = 2;
const BINS_MAX: usize = 20;
/// Rows that allow one bin more.
const ROWS_PER_BIN: f64 = 20.0;
/// Names of categories that the name of a bin spells out.
const NAMES_MAX: usize = 3;

/// One bin: what it holds, and the rows of both sides in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// For people: an interval, categories, `missing`, `unseen`.
    pub name: String,
    /// Rows of the reference.
    pub reference: f64,
    /// Rows of the window.
    pub current: f64,
}

/// The bins of a column. With `values_only`, without the one of missing values.
pub(super) fn bins(kind: &Kind, counts: &Counts, values_only: bool) -> Vec<Bin> {
    let (mut bins, missing_before, missing_now) = match (kind, counts) {
        (Kind::Numeric(reference), Counts::Numeric { cells, below, above, missing }) => {
            (numeric(reference, cells, *below, *above), reference.missing, *missing)
        }
        (Kind::Categorical(reference), Counts::Categorical { known, other, missing }) => {
            (categorical(reference, known, *other), reference.missing, *missing)
        }
        // A window is checked against its reference when it is made or read.
        _ => return Vec::new(),
    };
    if values_only {
        return bins;
    }
    let (before, now): (f64, f64) = sums(&bins);
    let expected = share(float(missing_before), before + float(missing_before)) * (now + float(missing_now));
    if missing_now >= VALUES_MIN || expected >= float(VALUES_MIN) {
        bins.push(Bin { name: "missing".to_owned(), reference: float(missing_before), current: float(missing_now) });
    }
    bins
}

/// The rows of both sides.
pub(super) fn sums(bins: &[Bin]) -> (f64, f64) {
    bins.iter().fold((0.0, 0.0), |(reference, current), bin| (reference + bin.reference, current + bin.current))
}

/// The counts of both sides.
pub(super) fn sides(bins: &[Bin]) -> (Vec<f64>, Vec<f64>) {
    bins.iter().map(|bin| (bin.reference, bin.current)).unzip()
}

fn numeric(reference: &NumericReference, cells: &[u64], below: u64, above: u64) -> Vec<Bin> {
    let now: f64 = cells.iter().copied().map(float).sum();
    let name = |range: &Range<usize>| interval(&reference.cells, range);
    let current: Vec<f64> = cells.iter().copied().map(float).collect();
    let mut bins = joined(&reference.cells.counts, &current, now + float(below + above), name);
    let edges = reference.cells.edges();
    let outer = |word: &str, edge: Option<&f64>, rows| Bin {
        name: format!("{word} {}", edge.copied().map(short).unwrap_or_default()),
        reference: 0.0,
        current: float(rows),
    };
    if above >= VALUES_MIN {
        bins.push(outer("above", edges.last(), above));
    } else if let Some(last) = bins.last_mut() {
        last.current += float(above);
    }
    if below >= VALUES_MIN {
        bins.insert(0, outer("below", edges.first(), below));
    } else if let Some(first) = bins.first_mut() {
        first.current += float(below);
    }
    bins
}

fn categorical(reference: &CategoricalReference, known: &[u64], other: u64) -> Vec<Bin> {
    let mut before: Vec<f64> = reference.counts.iter().copied().map(float).collect();
    let mut now: Vec<f64> = known.iter().copied().map(float).collect();
    let others_are_known = reference.other > 0;
    if others_are_known {
        before.push(float(reference.other));
        now.push(float(other));
    }
    let name = |range: &Range<usize>| categories(&reference.names, range);
    let rows = known.iter().copied().map(float).sum::<f64>() + float(other);
    let mut bins = joined(&before, &now, rows, name);
    if !others_are_known {
        if other >= VALUES_MIN {
            bins.push(Bin { name: "unseen".to_owned(), reference: 0.0, current: float(other) });
        } else if let Some(last) = bins.last_mut() {
            last.current += float(other);
        }
    }
    bins
}

/// Cells joined to bins, for this many rows of the window.
fn joined(before: &[f64], now: &[f64], rows: f64, name: impl Fn(&Range<usize>) -> String) -> Vec<Bin> {
    let sum = |side: &[f64], range: &Range<usize>| side.get(range.clone()).unwrap_or_default().iter().sum();
    let groups = groups(before, rows).into_iter();
    groups.map(|range| Bin { name: name(&range), reference: sum(before, &range), current: sum(now, &range) }).collect()
}

/// Ranges of adjacent cells of about equal mass, together all of them.
fn groups(masses: &[f64], rows: f64) -> Vec<Range<usize>> {
    let whole: f64 = masses.iter().sum();
    if whole <= 0.0 {
        return Vec::new();
    }
    let wanted = bins_wanted(whole, rows);
    let enough = |mass: f64| mass / whole * rows >= float(VALUES_MIN);
    let mut groups: Vec<Range<usize>> = Vec::new();
    let (mut start, mut mass, mut passed) = (0, 0.0, 0.0);
    for (place, cell) in masses.iter().enumerate() {
        mass += cell;
        passed += cell;
        // With a hair of patience: shares that should be equal differ in their last digits.
        let due = passed / whole * size(wanted) + 1e-9 >= size(groups.len() + 1);
        // Where every cell can have a bin, none is joined for being small beside the others.
        if (due || masses.len() <= wanted) && enough(mass) {
            groups.push(start..place + 1);
            (start, mass) = (place + 1, 0.0);
        }
    }
    if start < masses.len() {
        match groups.last_mut() {
            Some(last) if !enough(mass) => last.end = masses.len(),
            _ => groups.push(start..masses.len()),
        }
    }
    groups
}

/// How many bins so many rows can bear; those of the smaller side count most.
fn bins_wanted(before: f64, now: f64) -> usize {
    let rows = if now > 0.0 { 1.0 / (1.0 / before + 1.0 / now) } else { 0.0 };
    let more = (1..BINS_MAX).take_while(|bins| size(*bins) * ROWS_PER_BIN <= rows).count();
    (1 + more).clamp(BINS_MIN, BINS_MAX)
}

fn interval(cells: &Cells, range: &Range<usize>) -> String {
    let low = cells.bounds(range.start).map(|(low, _)| short(low));
    let high = cells.bounds(range.end.saturating_sub(1)).map(|(_, high)| short(high));
    format!("{} to {}", low.unwrap_or_default(), high.unwrap_or_default())
}

fn categories(names: &[String], range: &Range<usize>) -> String {
    let own = names.get(range.start..range.end.min(names.len())).unwrap_or_default();
    let mut shown: Vec<&str> = own.iter().take(NAMES_MAX).map(String::as_str).collect();
    let rest = own.len().saturating_sub(NAMES_MAX);
    let more = format!("{rest} more");
    if rest > 0 {
        shown.push(&more);
    }
    if range.end > names.len() {
        shown.push("others");
    }
    shown.join(", ")
}

/// A number with at most four digits after the point.
fn short(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e9).contains(&value.abs()) {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_grow_with_the_rows() {
        let masses = [50.0; 20];
        let sizes = [10.0, 40.0, 60.0, 100.0, 1e6].map(|rows| groups(&masses, rows).len());
        assert_eq!(sizes, [2, 2, 3, 5, 20]);
        assert_eq!(groups(&masses, 0.0).len(), 1);
    }

    #[test]
    fn groups_hold_every_cell_once() {
        let masses = [0.0, 920.0, 10.0, 0.0, 30.0, 40.0, 0.0];
        for rows in [0.0, 12.0, 60.0, 500.0, 1e5] {
            let groups = groups(&masses, rows);
            let cells: Vec<usize> = groups.iter().flat_map(Clone::clone).collect();
            assert_eq!(cells, (0..7).collect::<Vec<_>>(), "{rows}");
            for group in &groups {
                let mass: f64 = masses[group.clone()].iter().sum();
                assert!(groups.len() == 1 || mass / 1000.0 * rows >= 5.0, "{rows} {group:?}");
            }
        }
    }

    #[test]
    fn few_categories_stay_alone() {
        let groups = groups(&[900.0, 80.0, 20.0], 400.0);
        assert_eq!(groups, [0..1, 1..2, 2..3]);
    }

    #[test]
    fn names_are_short() {
        assert_eq!([0.0, 1.5, -2.123_456, 1e-7, 3e12].map(short), ["0", "1.5", "-2.1235", "1.000e-7", "3.000e12"]);
        let names: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
        assert_eq!(categories(&names, &(0..6)), "a, b, c, 2 more, others");
    }
}
