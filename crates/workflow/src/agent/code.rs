//! Code that models write.

/// The code in an answer: the content of its fences, or all of it when there are none and it does not read like prose.
pub(super) fn code_of(text: &str) -> Option<String> {
    let fenced = fenced(text);
    let code = if fenced.is_empty() { text.trim().to_owned() } else { fenced.join("\n\n") };
    let is_code = code.lines().any(|line| line.contains('=') || line.contains('(') || line.trim_start().starts_with("import "));
    (!code.is_empty() && is_code).then_some(code)
}

fn fenced(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<Vec<&str>> = None;
    for line in text.lines() {
        match (&mut open, line.trim_start().starts_with("```")) {
            (None, true) => open = Some(Vec::new()),
            (Some(lines), true) => {
                blocks.push(lines.join("\n"));
                open = None;
            }
            (Some(lines), false) => lines.push(line),
            (None, false) => {}
        }
    }
    // A fence that is not closed: the answer was cut, or the model forgot.
    blocks.extend(open.map(|lines| lines.join("\n")));
    blocks.retain(|block| !block.trim().is_empty());
    blocks
}

/// A piece of code with the title that its marker gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) title: Option<String>,
    pub(super) code: String,
}

/// Splits code at its cell markers: `# Cell 2: title` and `# %% title`.
pub(super) fn segments(code: &str) -> Vec<Segment> {
    let mut parts: Vec<Segment> = Vec::new();
    let mut lines: Vec<&str> = Vec::new();
    let mut title = None;
    for line in code.lines() {
        match marker(line) {
            Some(next) => {
                push(&mut parts, title.take(), &lines);
                lines.clear();
                title = next;
            }
            None => lines.push(line),
        }
    }
    push(&mut parts, title, &lines);
    parts
}

fn push(parts: &mut Vec<Segment>, title: Option<String>, lines: &[&str]) {
    let code = lines.join("\n").trim_matches('\n').to_owned();
    if !code.trim().is_empty() {
        parts.push(Segment { title, code });
    }
}

/// The title of a cell marker, if the line is one.
#[expect(clippy::option_option, reason = "a line that is no marker, a marker without a title, and one with a title")]
fn marker(line: &str) -> Option<Option<String>> {
    let comment = line.trim().strip_prefix('#')?.trim_start();
    let rest = match comment.strip_prefix("%%") {
        Some(rest) => rest,
        None => {
            let number = comment.strip_prefix("Cell ").or_else(|| comment.strip_prefix("cell "))?;
            let rest = number.trim_start_matches(|c: char| c.is_ascii_digit());
            if rest.len() == number.len() {
                return None;
            }
            rest
        }
    };
    let title = rest.trim_start_matches([':', '-', ' ']).trim();
    Some((!title.is_empty()).then(|| title.chars().take(120).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_code_out_of_fences() {
        assert_eq!(code_of("Here:\n```python\na = 1\n```\nand\n```\nb = 2\n```\n").as_deref(), Some("a = 1\n\nb = 2"));
        assert_eq!(code_of("df = df.dropna()").as_deref(), Some("df = df.dropna()"));
        assert_eq!(code_of("```python\na = 1").as_deref(), Some("a = 1"));
        for prose in ["", "   ", "I am sorry, I cannot do that.", "```\n\n```"] {
            assert_eq!(code_of(prose), None, "{prose:?}");
        }
    }

    #[test]
    fn splits_at_markers() {
        let parts = segments("# Cell 1: load\na = 1\n\n# %% clean\nb = 2\n# Celllular\nc = 3\n# Cell two\nd");
        let titles: Vec<_> = parts.iter().map(|part| part.title.as_deref()).collect();
        assert_eq!(titles, [Some("load"), Some("clean")]);
        assert_eq!(parts[1].code, "b = 2\n# Celllular\nc = 3\n# Cell two\nd");
        assert_eq!(segments("a = 1").len(), 1);
        assert!(segments("# %%\n\n# %%").is_empty());
    }
}
