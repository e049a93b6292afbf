//! Who may depend on whom (DESIGN section 1), read from `cargo metadata` and the manifests.

mod graph;
mod manifests;

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use graph::{Graph, Kind};

use crate::shell::{cargo, output, read};

/// The allow-list: each crate of the workspace with the crates of the workspace that its code may use.
///
/// A new edge needs an ADR, and its line in the diagram of docs/ARCHITECTURE.md.
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("sql-safety", &["domain"]),
    ("ingest", &["domain"]),
    ("documents", &["domain"]),
    ("features", &["domain", "ingest"]),
    ("jobs", &["domain"]),
    ("query", &["domain", "sql-safety"]),
    ("identity", &["domain"]),
    ("llm", &["domain"]),
    ("workflow", &["domain", "jobs", "llm", "sql-safety"]),
    ("runtime", &["domain", "jobs"]),
    ("modeling", &["domain", "jobs", "runtime"]),
    ("deployment", &["domain", "jobs", "runtime"]),
    ("persistence", &["domain"]),
    ("api-types", &["domain"]),
    (
        "api",
        &[
            "api-types",
            "deployment",
            "documents",
            "domain",
            "features",
            "identity",
            "ingest",
            "jobs",
            "llm",
            "modeling",
            "persistence",
            "query",
            "runtime",
            "sql-safety",
            "workflow",
        ],
    ),
    // For tests of others: they may have it as a dev-dependency, and nothing else.
    ("testkit", &["domain", "persistence"]),
    ("xtask", &[]),
];

/// The crate that only dev-dependencies may name.
const TESTS_ONLY: &str = "testkit";

/// A family of crates from outside that only some of ours may see.
struct Owned {
    /// Names, or beginnings of names that end with `*`.
    crates: &'static [&'static str],
    owners: &'static [&'static str],
    reach: Reach,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Nor may others get it through a crate from outside.
    Transitive,
    /// Others may get it through a crate from outside, but not name it.
    Direct,
}

const OWNED: &[Owned] = &[
    Owned { crates: &["actix*"], owners: &["api"], reach: Reach::Transitive },
    Owned { crates: &["diesel*", "tokio-postgres"], owners: &["persistence", "testkit"], reach: Reach::Transitive },
    Owned { crates: &["polars*", "calamine"], owners: &["ingest", "features"], reach: Reach::Transitive },
    Owned { crates: &["datafusion*"], owners: &["query"], reach: Reach::Transitive },
    // Others count and trace through the facades `metrics` and `tracing`.
    Owned {
        crates: &["metrics-exporter-*", "opentelemetry*", "tracing-opentelemetry"],
        owners: &["api"],
        reach: Reach::Transitive,
    },
    // Its parser ends the process on some files: whoever uses it runs it in a process of its own.
    Owned { crates: &["pdf-extract", "lopdf"], owners: &["documents"], reach: Reach::Direct },
    Owned { crates: &["sqlparser"], owners: &["sql-safety"], reach: Reach::Direct },
    // Fast-moving: one module knows it.
    Owned { crates: &["rmcp*"], owners: &["api"], reach: Reach::Transitive },
    Owned { crates: &["oauth2"], owners: &["identity"], reach: Reach::Direct },
];

/// Crates that must work without an async runtime, and what they may not see, however far down.
const RUNTIME_FREE: (&[&str], &str) = (&["domain", "sql-safety"], "tokio");

/// The task: checks, or prints the diagram.
pub(crate) fn command(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => {
            check()?;
            println!("the layering holds");
            Ok(())
        }
        [option] if option == "--diagram" => {
            print!("{}", diagram());
            Ok(())
        }
        _ => bail!("layering takes --diagram or nothing"),
    }
}

/// Fails with every edge and manifest that breaks a rule.
pub(crate) fn check() -> Result<()> {
    let host = output(std::process::Command::new("rustc").arg("-vV"))?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not tell its host")?.to_owned();
    let text = output(cargo().args(["metadata", "--locked", "--format-version", "1", "--filter-platform", &host]))
        .context("when Cargo.lock is behind the manifests, build once and commit it")?;
    let graph = Graph::parse(&serde_json::from_str(&text).context("cargo metadata printed something else than JSON")?)?;
    let mut broken = breaches(&graph, ALLOWED);
    for member in graph.members() {
        broken.extend(manifests::breaches(&member.folder, &read(&member.manifest)?));
    }
    if !broken.is_empty() {
        bail!("the layering is broken\n    {}", broken.join("\n    "));
    }
    Ok(())
}

/// The edges of the allow-list.
fn edges() -> BTreeSet<(String, String)> {
    let edges = ALLOWED.iter().flat_map(|(from, to)| to.iter().map(|to| ((*from).to_owned(), (*to).to_owned())));
    edges.collect()
}

/// The allow-list as a Mermaid diagram, for docs/ARCHITECTURE.md.
fn diagram() -> String {
    let lines = edges().into_iter().map(|(from, to)| format!("    {from} --> {to}\n"));
    format!("```mermaid\ngraph BT\n{}```\n", lines.collect::<String>())
}

/// How the first Mermaid diagram of a document, if it has one, differs from the allow-list.
pub(crate) fn diagram_breaches(markdown: &str) -> Vec<String> {
    let Some((_, rest)) = markdown.split_once("```mermaid\n") else { return Vec::new() };
    let drawn: BTreeSet<(String, String)> = rest
        .lines()
        .take_while(|line| !line.starts_with("```"))
        .filter_map(|line| line.split_once("-->"))
        .map(|(from, to)| (from.trim().to_owned(), to.trim().to_owned()))
        .collect();
    let allowed = edges();
    let missing = allowed.difference(&drawn).map(|(from, to)| format!("its diagram lacks `{from} --> {to}`"));
    let surplus = drawn.difference(&allowed).map(|(from, to)| format!("its diagram has `{from} --> {to}`, which is not allowed"));
    missing.chain(surplus).collect()
}

fn breaches(graph: &Graph, allowed: &[(&str, &[&str])]) -> Vec<String> {
    let mut broken = members_breaches(graph, allowed);
    for member in graph.members() {
        let from = member.folder.as_str();
        let may_use = allowed.iter().find(|(name, _)| *name == from).map_or(&[][..], |(_, to)| to);
        for dependency in &member.dependencies {
            if let Some(to) = graph.member_named(&dependency.name) {
                broken.extend(edge_breach(from, &to.folder, dependency.kind, may_use));
            } else if dependency.kind != Kind::Dev {
                broken.extend(owned_breach(from, &dependency.name));
            }
        }
        broken.extend(hidden_breaches(graph, from, &member.id));
    }
    broken.sort();
    broken.dedup();
    broken
}

fn members_breaches(graph: &Graph, allowed: &[(&str, &[&str])]) -> Vec<String> {
    let mut broken = Vec::new();
    for member in graph.members() {
        let folder = &member.folder;
        if !allowed.iter().any(|(name, _)| name == folder) {
            broken.push(format!("{folder} is not in the allow-list of xtask/src/layering.rs"));
        }
        if member.name != *folder && member.name != format!("gristmill-{folder}") || (member.name == *folder && folder != "xtask")
        {
            broken.push(format!("the package in {folder} is named {}, not gristmill-{folder}", member.name));
        }
    }
    for (name, _) in allowed {
        if !graph.members().any(|member| member.folder == *name) {
            broken.push(format!("{name} is in the allow-list, and no such crate exists"));
        }
    }
    broken
}

fn edge_breach(from: &str, to: &str, kind: Kind, may_use: &[&str]) -> Option<String> {
    if kind == Kind::Dev || may_use.contains(&to) {
        return None;
    }
    if to == TESTS_ONLY {
        return Some(format!("{from} -> {to}: {to} is for dev-dependencies only"));
    }
    Some(format!("{from} -> {to}: not an allowed edge"))
}

fn owned_breach(from: &str, name: &str) -> Option<String> {
    let owned = OWNED.iter().find(|owned| matches(owned.crates, name))?;
    if owned.owners.contains(&from) {
        return None;
    }
    Some(format!("{from} -> {name}: only {} may", owned.owners.join(" and ")))
}

/// What a crate of ours gets through crates from outside.
fn hidden_breaches(graph: &Graph, from: &str, id: &str) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, path) in graph.reachable_outside(id) {
        let owned = OWNED.iter().filter(|owned| owned.reach == Reach::Transitive).find(|owned| matches(owned.crates, &name));
        if let Some(owned) = owned
            && !owned.owners.contains(&from)
            // Named by us: `owned_breach` has said so.
            && path.len() > 1
        {
            broken.push(format!("{from} sees {name} through {}: only {} may", path.join(" -> "), owned.owners.join(" and ")));
        }
    }
    let (crates, runtime) = RUNTIME_FREE;
    if crates.contains(&from)
        && let Some(path) = graph.path_to(id, runtime)
    {
        broken.push(format!("{from} sees {runtime} through {}", path.join(" -> ")));
    }
    broken
}

fn matches(patterns: &[&str], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == *pattern,
    })
}

#[cfg(test)]
mod tests;
