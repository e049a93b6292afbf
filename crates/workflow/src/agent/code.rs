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
}
