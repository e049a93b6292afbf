//! The rules against small made-up workspaces.

use serde_json::{Value, json};

use super::*;

const LIST: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("query", &["domain"]),
    ("persistence", &["domain"]),
    ("api", &["domain", "query"]),
    ("testkit", &["domain"]),
];

/// A made-up workspace: crates of the list, and edges as `(from, to, kind)`, where `kind` is as in the metadata.
fn breaches_of(edges: &[(&str, &str, Option<&str>)]) -> Vec<String> {
    breaches(&workspace(&["domain", "query", "persistence", "api", "testkit"], edges), LIST)
}

fn workspace(members: &[&str], edges: &[(&str, &str, Option<&str>)]) -> Graph {
    let full_name = |name: &str| if members.contains(&name) { format!("gristmill-{name}") } else { name.to_owned() };
    let mut names: Vec<&str> = members.to_vec();
    names.extend(edges.iter().flat_map(|(from, to, _)| [*from, *to]));
    names.sort_unstable();
    names.dedup();
    let from = |name: &str| edges.iter().filter(|(from, ..)| *from == name).collect::<Vec<_>>();
    let packages: Vec<Value> = names
        .iter()
        .map(|name| {
            let dependencies: Vec<Value> =
                from(name).iter().map(|(_, to, kind)| json!({"name": full_name(to), "kind": kind})).collect();
            json!({
                "id": name, "name": full_name(name), "manifest_path": format!("/src/crates/{name}/Cargo.toml"),
                "dependencies": dependencies,
            })
        })
        .collect();
    let nodes: Vec<Value> = names
        .iter()
        .map(|name| {
            let deps: Vec<Value> =
                from(name).iter().map(|(_, to, kind)| json!({"pkg": to, "dep_kinds": [{"kind": kind}]})).collect();
            json!({"id": name, "deps": deps})
        })
        .collect();
    Graph::parse(&json!({"packages": packages, "workspace_members": members, "resolve": {"nodes": nodes}})).unwrap()
}

#[track_caller]
fn check(edges: &[(&str, &str, Option<&str>)], expected: &[&str]) {
    assert_eq!(breaches_of(edges), expected);
}

#[test]
fn allowed_edges_pass() {
    check(&[("query", "domain", None), ("api", "query", None), ("api", "domain", None), ("api", "actix-web", None)], &[]);
}

#[test]
fn an_engine_never_sees_persistence() {
    check(&[("query", "persistence", None)], &["query -> persistence: not an allowed edge"]);
    check(&[("query", "persistence", Some("build"))], &["query -> persistence: not an allowed edge"]);
    check(&[("query", "persistence", Some("dev"))], &[]);
}

#[test]
fn testkit_is_for_tests() {
    check(&[("api", "testkit", None)], &["api -> testkit: testkit is for dev-dependencies only"]);
    check(&[("api", "testkit", Some("dev"))], &[]);
}

#[test]
fn crates_from_outside_have_owners() {
    check(&[("query", "actix-rt", None)], &["query -> actix-rt: only api may"]);
    check(&[("api", "diesel", None)], &["api -> diesel: only persistence and testkit may"]);
    check(&[("api", "diesel_migrations", None)], &["api -> diesel_migrations: only persistence and testkit may"]);
    check(&[("persistence", "diesel-async", None), ("query", "datafusion", None)], &[]);
    check(&[("query", "tokio-postgres", Some("dev"))], &[]);
    check(&[("api", "sqlparser", None)], &["api -> sqlparser: only sql-safety may"]);
}

#[test]
fn owned_crates_do_not_hide_behind_others() {
    let hidden = [("domain", "helper", None), ("helper", "deeper", None), ("deeper", "polars-core", None)];
    check(&hidden, &["domain sees polars-core through helper -> deeper -> polars-core: only ingest and features may"]);
    // What a crate of ours owns stays its own business.
    check(&[("api", "query", None), ("query", "datafusion", None), ("datafusion", "sqlparser", None)], &[]);
    // What only the tests of a crate from outside use is not built.
    check(&[("domain", "helper", None), ("helper", "actix-rt", Some("dev"))], &[]);
}

#[test]
fn domain_sees_no_runtime_however_far_down() {
    check(&[("domain", "helper", None), ("helper", "tokio", None)], &["domain sees tokio through helper -> tokio"]);
    check(&[("domain", "tokio", Some("dev"))], &[]);
    check(&[("query", "tokio", None)], &[]);
}

#[test]
fn list_and_workspace_name_the_same_crates() {
    let graph = workspace(&["domain", "query", "persistence", "api", "testkit", "llm"], &[]);
    assert_eq!(breaches(&graph, LIST), ["llm is not in the allow-list of xtask/src/layering.rs"]);
    let graph = workspace(&["domain", "query", "persistence", "api"], &[]);
    assert_eq!(breaches(&graph, LIST), ["testkit is in the allow-list, and no such crate exists"]);
}

#[test]
fn packages_are_named_after_their_folders() {
    let mut metadata = json!({"packages": [], "workspace_members": ["a"], "resolve": {"nodes": [{"id": "a", "deps": []}]}});
    for (folder, name, right) in [
        ("query", "gristmill-query", true),
        ("query", "query", false),
        ("query", "gristmill-sql", false),
        ("xtask", "xtask", true),
    ] {
        metadata["packages"] =
            json!([{"id": "a", "name": name, "manifest_path": format!("/src/{folder}/Cargo.toml"), "dependencies": []}]);
        let broken = breaches(&Graph::parse(&metadata).unwrap(), &[(folder, &[])]);
        assert_eq!(broken.is_empty(), right, "{folder}: {name}: {broken:?}");
    }
}

#[test]
fn metadata_that_lacks_a_part_is_an_error() {
    for metadata in
        [json!({}), json!({"packages": []}), json!({"packages": [{}], "workspace_members": [], "resolve": {"nodes": []}})]
    {
        assert!(Graph::parse(&metadata).is_err(), "{metadata}");
    }
}

#[test]
fn the_diagram_of_a_document_is_compared_with_the_list() {
    assert!(diagram_breaches(&format!("# Title\n\n{}\nMore.\n", diagram())).is_empty());
    assert!(diagram_breaches("# Title without a diagram\n").is_empty());
    let without = diagram().replace("    query --> sql-safety\n", "");
    assert_eq!(diagram_breaches(&without), ["its diagram lacks `query --> sql-safety`"]);
    let with = diagram().replace("```\n", "    query --> persistence\n```\n");
    assert_eq!(diagram_breaches(&with), ["its diagram has `query --> persistence`, which is not allowed"]);
}
