//! Workbooks: columns are the positions of the sheet, and a row may be wider than the header.

use gristmill_domain::datasets::{ColumnType, FileType};

use super::{Input, Next, csv::guess};
use crate::{
    block::Records,
    csv::header::column_names,
    error::IngestError,
    infer::ColumnCounts,
    pass::{self, Job, Outcome},
    plan::{ForcedTypes, Plan, PlannedColumn},
    xlsx::{SheetHeader, XlsxSource, with_sheet},
};

/// A workbook.
#[derive(Default)]
pub(crate) struct XlsxInput {
    header: SheetHeader,
    header_notes: Vec<String>,
}

impl XlsxInput {
    /// Columns from one position of the sheet to another, named by the header.
    fn columns(&mut self, first: usize, end: usize) -> Vec<PlannedColumn> {
        let names: Vec<String> = (first..end)
            .map(|position| {
                let place = position.checked_sub(self.header.first_column);
                place.and_then(|place| self.header.names.get(place)).cloned().unwrap_or_default()
            })
            .collect();
        let (names, notes) = column_names(&names, first + 1);
        self.header_notes = notes;
        names
            .into_iter()
            .zip(first..end)
            .map(|(name, position)| PlannedColumn { key: position.to_string(), ..PlannedColumn::new(name, ColumnType::Unknown) })
            .collect()
    }

    /// Columns from the header, and types from the first rows.
    fn first_plan(&mut self, job: &Job<'_>, source: &mut XlsxSource<'_>) -> Result<Plan, IngestError> {
        let first = self.header.first_column;
        let mut plan = Plan::positional(self.columns(first, first + self.header.names.len()), 1);
        plan.first_column = first;
        let Some(block) = source.peek()? else { return Ok(plan) };
        let sample = pass::sample(job, &plan, block)?;
        if let Records::Cells(records) = &mut block.records {
            records.rewind();
        }
        let mut guessed = guess(&plan, &sample);
        guessed.first_column = first;
        match self.widened(&guessed, &sample.counts, &sample.notes) {
            Some(wider) => Ok(wider),
            None => Ok(guessed),
        }
    }

    /// The plan with columns for the cells outside of it, or `None` when there are none.
    fn widened(&mut self, plan: &Plan, counts: &[ColumnCounts], notes: &crate::record::RecordNotes) -> Option<Plan> {
        let outside: Vec<(usize, &ColumnCounts)> =
            notes.new_columns.iter().filter_map(|(key, counts)| Some((key.parse().ok()?, counts))).collect();
        let lowest = outside.iter().map(|(position, _)| *position).min()?;
        let highest = outside.iter().map(|(position, _)| *position).max()?;
        let first = plan.first_column.min(lowest);
        let end = (plan.first_column + plan.columns.len()).max(highest + 1);
        let mut columns = self.columns(first, end);
        for (position, column) in (first..end).zip(&mut columns) {
            let known =
                position.checked_sub(plan.first_column).and_then(|place| Some((plan.columns.get(place)?, counts.get(place)?)));
            let new = outside.iter().find(|(outside, _)| *outside == position).map(|(_, counts)| *counts);
            match (known, new) {
                (Some((known, counts)), _) => {
                    *column = PlannedColumn { name: column.name.clone(), ..known.decided(counts) };
                }
                (None, Some(counts)) => *column = column.decided(counts),
                (None, None) => {}
            }
        }
        let mut wider = Plan::positional(columns, plan.record_bytes);
        wider.first_column = first;
        Some(wider)
    }
}

impl Input for XlsxInput {
    fn attempt(&mut self, job: &Job<'_>, plan: Option<Plan>, forced: &ForcedTypes) -> Result<(Plan, Outcome), IngestError> {
        let request = job.request;
        with_sheet(request.source, &request.limits, job.observer, |header, mut source| {
            self.header = header;
            let mut plan = match plan {
                Some(plan) => plan,
                None => self.first_plan(job, &mut source)?,
            };
            plan.force(forced);
            let outcome = pass::run(job, &plan, FileType::Xlsx, &mut source)?;
            Ok((plan, outcome))
        })
    }

    fn next(&mut self, _job: &Job<'_>, plan: &Plan, outcome: &Outcome) -> Result<Next, IngestError> {
        if let Some(wider) = self.widened(plan, &outcome.counts, &outcome.notes) {
            return Ok(Next::Again(wider));
        }
        Ok(match plan.corrected(&outcome.counts) {
            Some(columns) => {
                let mut corrected = Plan::positional(columns, plan.record_bytes);
                corrected.first_column = plan.first_column;
                Next::Again(corrected)
            }
            None => Next::Done,
        })
    }

    fn encoding(&self) -> &'static str {
        "UTF-8"
    }

    fn notes(&self) -> Vec<String> {
        [self.header.notes.clone(), self.header_notes.clone()].concat()
    }
}
