//! The meeting point of all formats: a small table of places inside one block of text.

use crate::num;

/// Where a value stands inside its block, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// No value.
    pub(crate) const ABSENT: Self = Self { start: u32::MAX, end: 0 };

    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start: num::offset(start), end: num::offset(end) }
    }

    /// The text, or `None` when there is no value.
    pub(crate) fn text(self, block: &[u8]) -> Option<&[u8]> {
        block.get(num::index(self.start)..num::index(self.end))
    }
}

/// Cells of one batch of rows. The spans of narrow tables stay in the processor's cache; those of wide ones would not in any
/// case, and each column of a batch has its price.
const CELLS_A_BATCH: usize = 1 << 21;
const ROWS_A_BATCH_MAX: usize = 8192;

/// A batch of rows, row after row.
#[derive(Debug, Default)]
pub(crate) struct SpanTable {
    columns: usize,
    spans: Vec<Span>,
    lines: Vec<u64>,
}

impl SpanTable {
    pub(crate) fn new(columns: usize) -> Self {
        Self { columns, spans: Vec::new(), lines: Vec::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.spans.clear();
        self.lines.clear();
    }

    pub(crate) fn rows(&self) -> usize {
        self.lines.len()
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Whether the batch has as many rows as it should.
    pub(crate) fn is_full(&self) -> bool {
        self.rows() >= ROWS_A_BATCH_MAX || self.spans.len() >= CELLS_A_BATCH
    }

    /// Line on which a row begins.
    pub(crate) fn line(&self, row: usize) -> u64 {
        self.lines.get(row).copied().unwrap_or_default()
    }

    /// Adds a value behind the last one. Call [`Self::end_row`] after the row's last value.
    pub(crate) fn push(&mut self, span: Span) {
        self.spans.push(span);
    }

    /// Ends a row that was filled with [`Self::push`]: cells that are not there are absent.
    pub(crate) fn end_row(&mut self, line: u64) {
        self.lines.push(line);
        self.spans.resize(self.lines.len() * self.columns, Span::ABSENT);
    }

    /// Forgets the values pushed since the last row ended.
    pub(crate) fn abandon_row(&mut self) {
        self.spans.truncate(self.lines.len() * self.columns);
    }

    /// Adds a row of absent cells to be filled with [`Self::set`].
    pub(crate) fn add_row(&mut self, line: u64) {
        self.end_row(line);
    }

    /// Sets a cell of the last row. A column that is not there is ignored.
    pub(crate) fn set(&mut self, column: usize, span: Span) {
        let row = self.lines.len().saturating_sub(1);
        if column < self.columns
            && let Some(cell) = self.spans.get_mut(row * self.columns + column)
        {
            *cell = span;
        }
    }

    /// The cells of one column, from the first row on.
    pub(crate) fn column(&self, column: usize) -> impl Iterator<Item = Span> + '_ {
        self.spans.get(column..).unwrap_or_default().iter().step_by(self.columns.max(1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_rows_are_filled_and_abandoned_rows_vanish() {
        let mut table = SpanTable::new(3);
        table.push(Span::new(0, 1));
        table.end_row(1);
        table.push(Span::new(1, 2));
        table.abandon_row();
        table.add_row(2);
        table.set(2, Span::new(2, 3));
        table.set(9, Span::new(0, 3));
        let block = b"abc";
        let text = |column| table.column(column).map(|span| span.text(block)).collect::<Vec<_>>();
        assert_eq!(table.rows(), 2);
        assert_eq!(text(0), [Some(&b"a"[..]), None]);
        assert_eq!(text(1), [None, None]);
        assert_eq!(text(2), [None, Some(&b"c"[..])]);
    }
}
