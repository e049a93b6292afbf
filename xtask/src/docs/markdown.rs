//! As much Markdown as our documents use.

/// Beginnings of paths of this repository.
const PATH_ROOTS: [&str; 8] = ["crates/", "xtask/", "migrations/", "openapi/", "docs/", ".ci/", ".config/", "python/"];

/// The lines outside of code blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        (!is_fence && !in_code).then_some((index + 1, line))
    })
}

/// Targets of the links `[text](target)`, with their lines.
pub(super) fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        // Code spans may show the syntax of a link without being one.
        let line: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        links.extend(targets.map(|(target, _)| (number, target.split(' ').next().unwrap_or_default().to_owned())));
    }
    links
}

/// Paths of this repository in code spans, with their lines; cut before the first part that is a pattern.
pub(super) fn code_paths(text: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    for (number, line) in prose(text) {
        for span in line.split('`').skip(1).step_by(2) {
            if !PATH_ROOTS.iter().any(|root| span.starts_with(root)) || span.contains(' ') {
                continue;
            }
            // `crates/x/src/lib.rs:12` and `crates/x/src/lib.rs::name` point into a file.
            let span = span.split(':').next().unwrap_or_default();
            let is_pattern = |part: &&str| part.contains(['*', '<', '{', '…', '$']) || part.contains("NNNN");
            let parts: Vec<&str> = span.split('/').take_while(|part| !is_pattern(part)).collect();
            paths.push((number, parts.join("/")));
        }
    }
    paths
}

/// The lines of shell code blocks that are commands, with their lines; without prompt and comment.
pub(super) fn commands(text: &str) -> Vec<(usize, String)> {
    let mut commands = Vec::new();
    let (mut in_code, mut in_shell) = (false, false);
    for (index, line) in text.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            in_shell = !in_code && matches!(language.trim(), "sh" | "bash" | "shell" | "console");
            in_code = !in_code;
            continue;
        }
        let line = line.trim().trim_start_matches("$ ");
        let command = line.split(" #").next().unwrap_or_default().trim();
        if in_shell && !command.is_empty() && !command.starts_with('#') {
            commands.push((index + 1, command.to_owned()));
        }
    }
    commands
}

/// The anchors of a document's headings, as code hosts make them.
pub(super) fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).filter(|(_, line)| line.starts_with('#'));
    headings.map(|(_, line)| anchor(line.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|character| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_'));
    kept.map(|character| if character == ' ' { '-' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# A `code` title, 2\n\
        See [one](docs/a.md) and [two](b.md#x \"title\"), not `[three](c.md)`.\n\
        The files `crates/api/src/main.rs:12`, `migrations/<timestamp>_<name>/up.sql` and `crates/*/Cargo.toml`; `cargo x`.\n\
        ```sh\n\
        # a note\n\
        $ cargo xtask demo   # comment\n\
        gristmill serve\n\
        ```\n\
        ```rust\n\
        [four](d.md)\n\
        ```\n";

    #[test]
    fn links_outside_of_code_are_found() {
        assert_eq!(links(TEXT), [(2, "docs/a.md".to_owned()), (2, "b.md#x".to_owned())]);
    }

    #[test]
    fn paths_are_cut_before_patterns() {
        let paths: Vec<String> = code_paths(TEXT).into_iter().map(|(_, path)| path).collect();
        assert_eq!(paths, ["crates/api/src/main.rs", "migrations", "crates"]);
    }

    #[test]
    fn commands_are_lines_of_shell_blocks() {
        assert_eq!(commands(TEXT), [(6, "cargo xtask demo".to_owned()), (7, "gristmill serve".to_owned())]);
    }

    #[test]
    fn anchors_are_made_as_code_hosts_do() {
        assert_eq!(anchors(TEXT), ["a-code-title-2"]);
    }
}
