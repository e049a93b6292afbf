//! The documents: links and paths lead somewhere, every operation is listed, commands exist.

mod markdown;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    is_command, layering, openapi,
    server::{self, Profile},
    shell::{output, read, root},
};

/// What the README's reader types first.
const FIRST_COMMANDS: [&str; 2] = ["cargo xtask demo", "cargo xtask test"];

/// Documents that must exist.
const REQUIRED: [&str; 7] =
    ["ARCHITECTURE.md", "API-DESIGN.md", "ADDING-AN-ENDPOINT.md", "ERRORS.md", "TESTING.md", "OPERATIONS.md", "COVERAGE.md"];

/// Checks links, paths, the diagram of the crates and the table of operations.
pub(crate) fn check() -> Result<()> {
    let root = root();
    let mut broken = Vec::new();
    for name in REQUIRED {
        if !root.join("docs").join(name).is_file() {
            broken.push(format!("docs/{name} is missing"));
        }
    }
    for path in documents(&root)? {
        let text = read(&path)?;
        let name = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
        for (line, target) in markdown::links(&text) {
            if let Err(reason) = resolve_link(&path, &text, &target) {
                broken.push(format!("{name}:{line}: the link to {target} leads nowhere: {reason}"));
            }
        }
        for (line, code_path) in markdown::code_paths(&text) {
            if !root.join(&code_path).exists() {
                broken.push(format!("{name}:{line}: there is no {code_path}"));
            }
        }
        if name == "docs/ARCHITECTURE.md" {
            broken.extend(layering::diagram_breaches(&text).into_iter().map(|breach| format!("{name}: {breach}")));
        }
    }
    broken.extend(uncovered(&root)?);
    fail_with(&broken)
}

/// Checks that the commands in the documents' code blocks exist, and that the README begins with its two.
pub(crate) fn check_commands() -> Result<()> {
    let root = root();
    let mut broken = Vec::new();
    let readme = read(&root.join("README.md"))?;
    let mut first: Vec<String> = markdown::commands(&readme).into_iter().map(|(_, command)| command).collect();
    first.retain(|command| command.starts_with("cargo xtask"));
    first.truncate(FIRST_COMMANDS.len());
    if first != FIRST_COMMANDS {
        broken.push(format!("README.md must begin with the commands {}", FIRST_COMMANDS.join(" and ")));
    }
    let recipes = recipes(&read(&root.join("justfile"))?);
    let mut server = None;
    for path in documents(&root)? {
        let name = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
        for (line, command) in markdown::commands(&read(&path)?) {
            let words: Vec<&str> = command.split_whitespace().collect();
            let exists = match words.as_slice() {
                ["cargo", "xtask", task, ..] => is_command(task),
                ["just", recipe, ..] => recipes.iter().any(|known| known == recipe),
                ["gristmill", command, ..] => {
                    let program = match server.take() {
                        Some(program) => program,
                        None => server::build(Profile::Dev, "demo")?.server,
                    };
                    let exists = output(Command::new(&program).args([command, "--help"])).is_ok();
                    server = Some(program);
                    exists
                }
                _ => true,
            };
            if !exists {
                broken.push(format!("{name}:{line}: there is no command `{command}`"));
            }
        }
    }
    fail_with(&broken)
}

fn fail_with(broken: &[String]) -> Result<()> {
    if broken.is_empty() {
        return Ok(());
    }
    bail!("the documents are not true\n    {}", broken.join("\n    "))
}

/// The README and everything in docs.
fn documents(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![root.join("README.md")];
    let mut directories = vec![root.join("docs")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Follows a link of a document, unless it leaves the repository.
fn resolve_link(document: &Path, text: &str, target: &str) -> Result<()> {
    if target.contains("://") || target.starts_with("mailto:") {
        return Ok(());
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = document.parent().map_or_else(|| PathBuf::from(file), |parent| parent.join(file));
    let other;
    let text = if file.is_empty() {
        text
    } else if path.extension().is_some_and(|extension| extension == "md") && anchor.is_some() {
        other = read(&path)?;
        &other
    } else if path.exists() {
        return Ok(());
    } else {
        bail!("no such file");
    };
    match anchor {
        Some(anchor) if !markdown::anchors(text).iter().any(|known| known == anchor) => bail!("no such heading"),
        _ => Ok(()),
    }
}

/// Operations of the OpenAPI document that docs/COVERAGE.md does not list, or lists as not there.
fn uncovered(root: &Path) -> Result<Vec<String>> {
    let path = root.join("docs/COVERAGE.md");
    if !path.exists() || !openapi::document_path().exists() {
        // The missing file has been, or will be, told.
        return Ok(Vec::new());
    }
    let table = read(&path)?;
    let operations = openapi::operations()?;
    Ok(operations.iter().filter_map(|operation| coverage_breach(&table, operation)).collect())
}

fn coverage_breach(table: &str, operation: &str) -> Option<String> {
    match table.lines().find(|line| mentions(line, operation)) {
        None => Some(format!("docs/COVERAGE.md has no row for {operation}")),
        Some(row) if row.contains("not yet") => Some(format!("docs/COVERAGE.md says `not yet` of {operation}, which is served")),
        Some(_) => None,
    }
}

/// Whether a text has the operation itself, and not only a longer path that begins like it.
fn mentions(text: &str, operation: &str) -> bool {
    text.match_indices(operation).any(|(start, _)| {
        let next = text.get(start + operation.len()..).and_then(|rest| rest.chars().next());
        next.is_none_or(|next| !next.is_alphanumeric() && !matches!(next, '/' | '{' | '-' | '_' | ':'))
    })
}

/// The recipes of a justfile.
fn recipes(justfile: &str) -> Vec<String> {
    let heads = justfile.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_alphabetic()));
    let names = heads.filter_map(|line| line.split_once(':')).filter(|(_, rest)| !rest.starts_with('='));
    names.filter_map(|(head, _)| head.split_whitespace().next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_not_covered_by_a_longer_one() {
        let table = "| GET /api/projects/{id} | yes |\n| `POST /api/projects` | yes |\n";
        assert!(coverage_breach(table, "GET /api/projects").is_some());
        assert!(coverage_breach(table, "GET /api/projects/{id}").is_none());
        assert!(coverage_breach(table, "POST /api/projects").is_none());
        assert!(coverage_breach(table, "DELETE /api/projects/{id}").is_some());
    }

    #[test]
    fn an_operation_that_is_served_is_not_listed_as_missing() {
        let table = "| `GET /api/jobs` | new | not yet | not yet |\n";
        assert!(coverage_breach(table, "GET /api/jobs").is_some_and(|breach| breach.contains("`not yet`")));
    }

    #[test]
    fn links_are_followed_to_files_and_headings() {
        let here = root().join("docs/x.md");
        let text = "# The first\n\n## Why so?\n";
        for target in ["#the-first", "#why-so", "../Cargo.toml", "https://example.org/x", "../xtask/src"] {
            assert!(resolve_link(&here, text, target).is_ok(), "{target}");
        }
        for target in ["#second", "../no-such-file.toml", "no-such.md#x"] {
            assert!(resolve_link(&here, text, target).is_err(), "{target}");
        }
    }

    #[test]
    fn recipes_are_heads_and_not_settings() {
        assert_eq!(
            recipes("set shell := [\"sh\"]\nx := \"1\"\n# note: no\ntest *args:\n    cargo xtask test\ncheck:\n"),
            ["test", "check"]
        );
    }
}
