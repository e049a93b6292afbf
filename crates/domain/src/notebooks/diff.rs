//! What changed since a savepoint.

use std::collections::HashMap;

use super::{Cell, CellSnapshot};
use crate::CellId;

/// How a cell changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum CellChange {
    /// It is new.
    Added,
    /// Its text is another.
    Modified,
    /// It is gone.
    Deleted,
}

/// A changed cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellDiff {
    /// Which.
    pub cell_id: CellId,
    /// Its heading: today's, or the last one.
    pub title: Option<String>,
    /// How it changed.
    pub change: CellChange,
    /// By how many lines it grew.
    pub lines_added: usize,
    /// By how many lines it shrank.
    pub lines_removed: usize,
}

/// What changed from a savepoint until now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SavepointDiff {
    /// Whether a changed cell was edited last by somebody other than an agent.
    pub has_manual_edits: bool,
    /// The changed cells: today's in their order, then those that are gone.
    pub details: Vec<CellDiff>,
}

impl SavepointDiff {
    /// Compares a savepoint's cells with today's.
    #[must_use]
    pub fn between(then: &[CellSnapshot], now: &[Cell]) -> Self {
        let before: HashMap<CellId, &CellSnapshot> = then.iter().map(|cell| (cell.cell_id, cell)).collect();
        let mut diff = Self::default();
        for cell in now {
            let Some(old) = before.get(&cell.id) else {
                diff.push(cell.id, cell.title.as_ref(), CellChange::Added, 0, line_count(&cell.content));
                continue;
            };
            if old.content != cell.content {
                diff.has_manual_edits |= cell.metadata.get("lastEditedBy").and_then(|by| by.as_str()) != Some("ai");
                let (then, now) = (line_count(&old.content), line_count(&cell.content));
                diff.push(cell.id, cell.title.as_ref(), CellChange::Modified, then, now);
            }
        }
        let present: std::collections::HashSet<CellId> = now.iter().map(|cell| cell.id).collect();
        for old in then.iter().filter(|old| !present.contains(&old.cell_id)) {
            diff.push(old.cell_id, old.title.as_ref(), CellChange::Deleted, line_count(&old.content), 0);
        }
        diff
    }

    /// How many cells changed in one way.
    #[must_use]
    pub fn count(&self, change: CellChange) -> usize {
        self.details.iter().filter(|cell| cell.change == change).count()
    }

    /// Lines by which cells grew and shrank, all together.
    #[must_use]
    pub fn lines(&self) -> (usize, usize) {
        (self.details.iter().map(|cell| cell.lines_added).sum(), self.details.iter().map(|cell| cell.lines_removed).sum())
    }

    fn push(&mut self, cell_id: CellId, title: Option<&String>, change: CellChange, then: usize, now: usize) {
        let (lines_added, lines_removed) = (now.saturating_sub(then), then.saturating_sub(now));
        self.details.push(CellDiff { cell_id, title: title.cloned(), change, lines_added, lines_removed });
    }
}

/// Lines, but for blank ones at the end.
fn line_count(content: &str) -> usize {
    let trimmed = content.trim_end();
    if trimmed.is_empty() { 0 } else { trimmed.lines().count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_at_the_end_do_not_count() {
        for (content, lines) in [("", 0), ("\n\n", 0), ("a", 1), ("a\n\n  \n", 1), ("a\n\nb\n", 3)] {
            assert_eq!(line_count(content), lines, "{content:?}");
        }
    }
}
