//! Reads from rows what the columns that they lack are made from, and nothing else.

use serde_json::{Map, Value};

use super::{PROBLEMS_MAX, RowFault, RowFeatures, RowProblem, RowsError, cells::Cells};

/// What rows have of a column.
pub(super) struct Given<'a> {
    pub(super) cells: Cells<'a>,
    /// The rows that have it.
    pub(super) rows: Vec<bool>,
}

/// Rows that are being read.
pub(super) struct Reading<'a> {
    features: &'a RowFeatures,
    rows: usize,
    /// Of each column.
    given: Vec<Option<Given<'a>>>,
    /// Of each step, whether a row needs it.
    runs: Vec<bool>,
    problems: Vec<RowProblem>,
    more: usize,
    /// The columns of the row that were looked at, and those that are to be made, each with the column that wants it.
    seen: Vec<bool>,
    stack: Vec<(usize, usize)>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(features: &'a RowFeatures, rows: usize) -> Self {
        let nothing = |kind| Given { cells: Cells::new(kind, rows), rows: vec![false; rows] };
        // All that rows must have is there, whether or not one has it: a step reads whole columns.
        let given = features.columns.iter().map(|column| column.maker.is_none().then(|| nothing(column.kind)));
        Self {
            features,
            rows,
            given: given.collect(),
            runs: vec![false; features.steps.len()],
            problems: Vec::new(),
            more: 0,
            seen: vec![false; features.columns.len()],
            stack: Vec::new(),
        }
    }

    /// Reads what a row has of what the columns come from that it wants.
    pub(super) fn row(&mut self, number: usize, row: &'a Map<String, Value>, wanted: &[usize]) {
        let features = self.features;
        self.seen.fill(false);
        // The first one wanted is taken first: it is named where something is missing that others need too.
        let columns = wanted.iter().rev().filter_map(|place| features.computed.get(*place));
        self.stack.extend(columns.map(|column| (*column, *column)));
        while let Some((place, wanted_by)) = self.stack.pop() {
            let Some(maker) = features.columns.get(place).and_then(|column| column.maker) else { continue };
            if let Some(runs) = self.runs.get_mut(maker) {
                *runs = true;
            }
            for input in features.needs.get(maker).into_iter().flatten() {
                self.input(number, row, *input, wanted_by);
            }
        }
    }

    fn input(&mut self, number: usize, row: &'a Map<String, Value>, input: usize, wanted_by: usize) {
        let features = self.features;
        let Some(column) = features.columns.get(input) else { return };
        if self.seen.get_mut(input).is_none_or(|seen| std::mem::replace(seen, true)) {
            return;
        }
        let Some(value) = row.get(&column.name) else {
            if column.maker.is_some() {
                self.stack.push((input, wanted_by));
            } else {
                let feature = features.columns.get(wanted_by).map(|column| column.name.clone()).unwrap_or_default();
                self.report(number, &column.name, RowFault::Missing { feature }, &Value::Null);
            }
            return;
        };
        let rows = self.rows;
        let Some(given) = self.given.get_mut(input) else { return };
        let given = given.get_or_insert_with(|| Given { cells: Cells::new(column.kind, rows), rows: vec![false; rows] });
        match given.cells.set(number, value, column.is_literal) {
            Ok(()) => {
                if let Some(has) = given.rows.get_mut(number) {
                    *has = true;
                }
            }
            Err(fault) => self.report(number, &column.name, fault, value),
        }
    }

    fn report(&mut self, row: usize, column: &str, fault: RowFault, value: &Value) {
        if self.problems.len() == PROBLEMS_MAX {
            self.more += 1;
            return;
        }
        let input = match value {
            Value::Array(_) => Value::Array(Vec::new()),
            Value::Object(_) => Value::Object(Map::new()),
            plain => plain.clone(),
        };
        self.problems.push(RowProblem { row, column: column.to_owned(), fault, input });
    }

    /// What was read, and which steps are to be taken.
    pub(super) fn finish(self) -> Result<(Vec<Option<Given<'a>>>, Vec<bool>), RowsError> {
        if self.problems.is_empty() {
            return Ok((self.given, self.runs));
        }
        Err(RowsError::Rows { problems: self.problems, more: self.more })
    }
}
