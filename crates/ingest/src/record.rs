//! What all formats tell about the records they read.

use std::collections::{HashMap, HashSet};

use gristmill_domain::datasets::Reject;

use crate::infer::ColumnCounts;

/// Reasons of rejects and their counts, from one block or from a whole file.
#[derive(Debug, Default)]
pub(crate) struct RecordNotes {
    /// Records found, rejected ones included.
    pub(crate) records: u64,
    /// Records that are not in the dataset.
    pub(crate) rejected: u64,
    /// Records with more fields than the header.
    pub(crate) too_long: u64,
    /// Records with fewer fields than the header.
    pub(crate) too_short: u64,
    /// Quotes that are never closed.
    pub(crate) unclosed_quotes: u64,
    /// JSON objects that name a key twice.
    pub(crate) duplicate_keys: u64,
    /// Workbook cells that hold an error.
    pub(crate) error_cells: u64,
    /// NUL characters written as escapes, and removed.
    pub(crate) nuls: u64,
    /// Unpaired surrogates written as escapes; each became U+FFFD.
    pub(crate) surrogates: u64,
    /// Everything that belongs into the rejects report, also what is no longer listed.
    pub(crate) reportable: u64,
    /// The first entries of the report.
    pub(crate) listed: Vec<Reject>,
    /// Columns that the plan does not know, in order of appearance.
    pub(crate) new_columns: NewColumns,
    /// Keys in order of first appearance; only where the order is not fixed by a header.
    pub(crate) appearance: Appearance,
}

/// Names in the order in which they were first seen.
#[derive(Debug, Default)]
pub(crate) struct Appearance {
    names: Vec<String>,
    seen: HashSet<String>,
}

impl Appearance {
    pub(crate) fn add(&mut self, name: &str) {
        if !self.seen.contains(name) {
            self.seen.insert(name.to_owned());
            self.names.push(name.to_owned());
        }
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }
}

/// Columns that turned up after the plan was made.
#[derive(Debug, Default)]
pub(crate) struct NewColumns {
    list: Vec<(String, ColumnCounts)>,
    places: HashMap<String, usize>,
}

impl NewColumns {
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds counts to a column, which is added when it is not there yet. Returns its place.
    pub(crate) fn add(&mut self, name: &str, counts: &ColumnCounts) -> usize {
        let place = match self.places.get(name) {
            Some(place) => *place,
            None => {
                self.places.insert(name.to_owned(), self.list.len());
                self.list.push((name.to_owned(), ColumnCounts::default()));
                self.list.len() - 1
            }
        };
        if let Some((_, known)) = self.list.get_mut(place) {
            known.merge(counts);
        }
        place
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(String, ColumnCounts)> {
        self.list.iter()
    }
}

impl RecordNotes {
    /// Adds an entry to the report, or only counts it when the report is full.
    pub(crate) fn report(&mut self, listed_max: usize, reject: impl FnOnce() -> Reject) {
        self.reportable += 1;
        if self.listed.len() < listed_max {
            self.listed.push(reject());
        }
    }

    /// Adds what a later block says.
    pub(crate) fn merge(&mut self, later: Self, listed_max: usize) {
        self.records += later.records;
        self.rejected += later.rejected;
        self.too_long += later.too_long;
        self.too_short += later.too_short;
        self.unclosed_quotes += later.unclosed_quotes;
        self.duplicate_keys += later.duplicate_keys;
        self.error_cells += later.error_cells;
        self.nuls += later.nuls;
        self.surrogates += later.surrogates;
        self.reportable += later.reportable;
        let room = listed_max.saturating_sub(self.listed.len());
        self.listed.extend(later.listed.into_iter().take(room));
        for (name, counts) in later.new_columns.iter() {
            self.new_columns.add(name, counts);
        }
        for name in later.appearance.names() {
            self.appearance.add(name);
        }
    }
}
