//! The most frequent values: first how often they are there, then which they are.

use std::{cmp::Reverse, collections::BinaryHeap, ops::ControlFlow};

use arrow::array::ArrayRef;
use gristmill_domain::datasets::ColumnType;

use super::{ColumnAnalysis, columns::ColumnSet, keys};
use crate::{error::IngestError, num};

/// Equally frequent values among which the first to appear are chosen; beyond that, among those with the smallest keys.
const TIES_MAX: usize = 1 << 20;

/// Finds how frequent a value must be to be among the first.
pub(super) struct TopCounts {
    most: usize,
    distinct: u64,
    largest: BinaryHeap<Reverse<u64>>,
}

impl TopCounts {
    pub(super) fn new(most: usize) -> Self {
        Self { most, distinct: 0, largest: BinaryHeap::new() }
    }

    pub(super) fn add(&mut self, count: u64) {
        self.distinct += 1;
        if self.largest.len() < self.most {
            self.largest.push(Reverse(count));
        } else if let Some(mut smallest) = self.largest.peek_mut()
            && smallest.0 < count
        {
            smallest.0 = count;
        }
    }

    pub(super) fn distinct(&self) -> u64 {
        self.distinct
    }

    pub(super) fn finish(self) -> Ranking {
        let threshold = self.largest.peek().map_or(0, |smallest| smallest.0);
        // With few values all of them are chosen, so none has to stand back.
        let threshold = if self.distinct <= num::count(self.most) { 0 } else { threshold };
        let above = self.largest.iter().filter(|count| count.0 > threshold).count();
        let places = if threshold == 0 { 0 } else { self.most - above };
        Ranking { threshold, places, chosen: Vec::new(), ties: Vec::new(), found: 0 }
    }
}

#[derive(Debug)]
struct Chosen {
    key: u64,
    count: u64,
    /// Place in the order of first appearance, and the text.
    seen: Option<(usize, String)>,
}

/// The frequent values of a column while their texts are looked for.
#[derive(Debug)]
pub(super) struct Ranking {
    threshold: u64,
    /// How many of the equally frequent ones are still to be chosen.
    places: usize,
    chosen: Vec<Chosen>,
    /// Keys with exactly the threshold's count, ascending.
    ties: Vec<u64>,
    found: usize,
}

impl Ranking {
    /// Takes the next distinct value in ascending order of keys.
    pub(super) fn add(&mut self, key: u64, count: u64) {
        if count > self.threshold {
            self.chosen.push(Chosen { key, count, seen: None });
        } else if count == self.threshold && self.ties.len() < TIES_MAX {
            self.ties.push(key);
        }
    }

    fn is_complete(&self) -> bool {
        self.places == 0 && self.found == self.chosen.len()
    }

    /// Looks at a row's value.
    fn look(&mut self, key: u64, text: impl FnOnce() -> String) {
        if let Some(chosen) = self.chosen.iter_mut().find(|chosen| chosen.key == key) {
            if chosen.seen.is_none() {
                chosen.seen = Some((self.found, text()));
                self.found += 1;
            }
        } else if self.places > 0 && self.ties.binary_search(&key).is_ok() {
            self.places -= 1;
            self.chosen.push(Chosen { key, count: self.threshold, seen: Some((self.found, text())) });
            self.found += 1;
        }
    }

    fn look_all(&mut self, kind: ColumnType, array: &ArrayRef) -> Result<(), IngestError> {
        if self.is_complete() {
            return Ok(());
        }
        let _ = keys::for_each(kind, array, |row, key| {
            if let Some(key) = key {
                self.look(key, || keys::shown(kind, array, row, key));
            }
            Ok(if self.is_complete() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(())
    }

    pub(super) fn into_top(mut self) -> Vec<(String, u64)> {
        self.chosen.sort_by_key(|chosen| (Reverse(chosen.count), chosen.seen.as_ref().map(|(order, _)| *order)));
        self.chosen.into_iter().filter_map(|chosen| Some((chosen.seen?.1, chosen.count))).collect()
    }
}

/// Reads the columns of a group again, as far as necessary, to find the texts of their frequent values.
pub(super) fn resolve(
    set: &dyn ColumnSet,
    group: &[usize],
    ranked: &mut [(ColumnAnalysis, Ranking)],
    check_cancelled: &dyn Fn() -> Result<(), IngestError>,
) -> Result<(), IngestError> {
    if ranked.iter().all(|(_, ranking)| ranking.is_complete()) {
        return Ok(());
    }
    set.visit(group, &mut |arrays| {
        check_cancelled()?;
        for ((analysis, ranking), array) in ranked.iter_mut().zip(arrays) {
            ranking.look_all(analysis.kind, array)?;
        }
        let is_complete = ranked.iter().all(|(_, ranking)| ranking.is_complete());
        Ok(if is_complete { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
}
