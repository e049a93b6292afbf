//! Replacing lines of a cell.

/// What replacing lines gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineEdit {
    /// The whole text afterwards.
    pub content: String,
    /// The lines that went.
    pub removed: Vec<String>,
    /// The lines that came.
    pub added: Vec<String>,
}

/// Why lines cannot be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineEditError {
    /// The first line is not there.
    #[error("the cell has {lines} lines, so line {first} is not there; lines count from 1")]
    Beyond {
        /// The line that was asked for.
        first: usize,
        /// How many there are.
        lines: usize,
    },
    /// The last line comes before the first.
    #[error("the last line, {last}, comes before the first, {first}")]
    Reversed {
        /// The first line that was asked for.
        first: usize,
        /// The last one.
        last: usize,
    },
}

/// Replaces the lines `first` to `last`, from 1, both included. A `last` behind the end means the end. An empty
/// replacement takes the lines away.
///
/// # Errors
/// [`LineEditError`].
pub fn edit_lines(content: &str, first: usize, last: usize, replacement: &str) -> Result<LineEdit, LineEditError> {
    let lines: Vec<&str> = content.split('\n').collect();
    let Some(before) = first.checked_sub(1).filter(|before| *before < lines.len()) else {
        return Err(LineEditError::Beyond { first, lines: lines.len() });
    };
    if last < first {
        return Err(LineEditError::Reversed { first, last });
    }
    let owned = |lines: Vec<&str>| lines.into_iter().map(str::to_owned).collect::<Vec<String>>();
    let added: Vec<&str> = match replacement {
        "" => Vec::new(),
        // The break that ends the last line is the cell's own.
        text => text.strip_suffix('\n').unwrap_or(text).split('\n').collect(),
    };
    let removed: Vec<&str> = lines.iter().skip(before).take(last - before).copied().collect();
    let kept = lines.iter().take(before).chain(&added).chain(lines.iter().skip(last));
    let content = kept.copied().collect::<Vec<&str>>().join("\n");
    Ok(LineEdit { content, removed: owned(removed), added: owned(added) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_replaced() {
        for (content, first, last, replacement, expected) in [
            ("a\nb\nc", 2, 2, "x", "a\nx\nc"),
            ("a\nb\nc", 1, 3, "x", "x"),
            ("a\nb\nc", 1, 1, "x\ny", "x\ny\nb\nc"),
            ("a\nb\nc", 2, 2, "x\n", "a\nx\nc"),
            ("a\nb\nc", 2, 2, "x\n\n", "a\nx\n\nc"),
            ("a\nb\nc", 2, 3, "", "a"),
            ("a\nb\nc", 3, 99, "x", "a\nb\nx"),
            ("", 1, 1, "x", "x"),
            ("a\n", 2, 2, "b", "a\nb"),
            ("ä\n😀", 2, 2, "é", "ä\né"),
        ] {
            assert_eq!(edit_lines(content, first, last, replacement).unwrap().content, expected, "{content:?} {first}-{last}");
        }
    }

    #[test]
    fn the_difference_is_told() {
        let edit = edit_lines("a\nb\nc", 2, 3, "x\ny\nz").unwrap();
        assert_eq!(edit.removed, ["b", "c"]);
        assert_eq!(edit.added, ["x", "y", "z"]);
    }

    #[test]
    fn lines_that_are_not_there_are_refused() {
        assert_eq!(edit_lines("a\nb", 0, 1, "x"), Err(LineEditError::Beyond { first: 0, lines: 2 }));
        assert_eq!(edit_lines("a\nb", 3, 3, "x"), Err(LineEditError::Beyond { first: 3, lines: 2 }));
        assert_eq!(edit_lines("a\nb", 2, 1, "x"), Err(LineEditError::Reversed { first: 2, last: 1 }));
    }
}
