//! The rows of one block of cells.

use crate::{
    block::RecordContext,
    error::IngestError,
    infer::ColumnCounts,
    record::RecordNotes,
    table::{Span, SpanTable},
    value,
};

/// Cells of a few thousand rows, in the order of the sheet.
#[derive(Debug, Default)]
pub(crate) struct CellRecords {
    /// Column of the sheet, and place of the text in the block.
    cells: Vec<(u32, Span)>,
    /// Row of the sheet from 1, and where its cells end.
    rows: Vec<(u64, usize)>,
    next_row: usize,
    /// Mended or counted by the reader, told once.
    pub(super) nuls: u64,
    pub(super) error_cells: u64,
}

impl CellRecords {
    pub(super) fn push_cell(&mut self, column: u32, span: Span) {
        self.cells.push((column, span));
    }

    pub(super) fn end_row(&mut self, line: u64) {
        self.rows.push((line, self.cells.len()));
    }

    /// Forgets the cells since the last row ended.
    pub(super) fn abandon_row(&mut self) {
        self.cells.truncate(self.row_start());
    }

    /// The cells since the last row ended.
    pub(super) fn open_cells(&self) -> &[(u32, Span)] {
        self.cells.get(self.row_start()..).unwrap_or_default()
    }

    fn row_start(&self) -> usize {
        self.rows.last().map_or(0, |(_, end)| *end)
    }

    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn cells(&self) -> usize {
        self.cells.len()
    }

    /// Starts again with the first row.
    pub(crate) fn rewind(&mut self) {
        self.next_row = 0;
    }

    pub(crate) fn fill(
        &mut self,
        text: &[u8],
        table: &mut SpanTable,
        notes: &mut RecordNotes,
        context: &RecordContext<'_>,
    ) -> Result<(), IngestError> {
        if self.next_row == 0 {
            notes.nuls += self.nuls;
            notes.error_cells += self.error_cells;
        }
        while !table.is_full() {
            let Some(&(line, end)) = self.rows.get(self.next_row) else { break };
            let start = match self.next_row.checked_sub(1) {
                Some(before) => self.rows.get(before).map_or(0, |(_, end)| *end),
                None => 0,
            };
            self.next_row += 1;
            notes.records += 1;
            table.add_row(line);
            for (column, span) in self.cells.get(start..end).unwrap_or_default() {
                let position = crate::num::index(*column);
                match position.checked_sub(context.first_column) {
                    Some(place) if place < table.columns() => table.set(place, *span),
                    _ => add_unknown(position, span.text(text), table, notes, context)?,
                }
            }
        }
        Ok(())
    }
}

/// Counts a cell outside the columns that the plan knows. Its position stands for a name until the plan is made anew.
fn add_unknown(
    position: usize,
    value: Option<&[u8]>,
    table: &SpanTable,
    notes: &mut RecordNotes,
    context: &RecordContext<'_>,
) -> Result<(), IngestError> {
    let mut counts = ColumnCounts::default();
    counts.add(&value::classify(value::trim(value.unwrap_or_default())));
    notes.new_columns.add(&position.to_string(), &counts);
    let found = (position + 1).saturating_sub(context.first_column).max(table.columns());
    if found > context.columns_max {
        return Err(IngestError::TooManyColumns { found, max: context.columns_max });
    }
    Ok(())
}
