//! What a turn leaves, without what differs each time: two turns that did the same have the same picture.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::snapshot;
use crate::support::Client;

/// Hexadecimal digits in a row that are a hash.
const HASH_DIGITS: usize = 24;
/// Characters of an id.
const ID_CHARS: usize = 36;
const CELL: [&str; 13] = [
    "notebookId",
    "cellId",
    "cellType",
    "title",
    "content",
    "position",
    "metadata",
    "output",
    "executionStatus",
    "executionCount",
    "executionOrder",
    "isDirty",
    "lockedBy",
];

/// All that is left of a run in a project where nothing else happened.
pub(super) async fn picture(client: &Client, project: &str, run: &str) -> Value {
    let snapshot = snapshot(client, run).await;
    let events = snapshot["events"].as_array().unwrap().iter();
    let events: Vec<Value> = events.map(|event| json!([event["sequence"], event["eventType"], event["payload"]])).collect();
    let state = ["status", "currentNode", "pendingInputKind", "pauseReason", "lastFailureCode", "activeDatasetId"];
    plain(json!({
        "run": only(&snapshot["run"], &state),
        "events": events,
        "artifacts": snapshot["artifacts"],
        "approvals": snapshot["approvals"],
        "cells": cells(client, project).await,
        "datasets": datasets(client, project).await,
        "preprocessing": steps(client, project).await,
    }))
}

/// The cells of a project's notebooks.
pub(super) async fn cells(client: &Client, project: &str) -> Vec<Value> {
    let mut cells = Vec::new();
    let notebooks = client.get(&format!("/api/projects/{project}/notebooks")).await.expect(200);
    for notebook in notebooks.as_array().unwrap() {
        let listed = client.get(&format!("/api/notebooks/{}/cells", text(&notebook["notebookId"]))).await.expect(200);
        for cell in listed.as_array().unwrap() {
            let cell = client.get(&format!("/api/cells/{}", text(&cell["cellId"]))).await.expect(200);
            cells.push(only(&cell, &CELL));
        }
    }
    cells
}

/// The datasets of a project with their rows.
pub(super) async fn datasets(client: &Client, project: &str) -> Vec<Value> {
    let listed = client.get(&format!("/api/datasets?projectId={project}")).await.expect(200);
    let mut datasets = Vec::new();
    for dataset in listed["datasets"].as_array().unwrap() {
        let rows = client.get(&format!("/api/datasets/{}/rows", text(&dataset["datasetId"]))).await.expect(200);
        let about = only(dataset, &["datasetId", "filename", "nRows", "nCols", "columns", "metadata"]);
        datasets.push(json!([about, rows["rows"]]));
    }
    datasets
}

/// The runs of preprocessing of a project with their steps, checkpoints and events.
async fn steps(client: &Client, project: &str) -> Vec<Value> {
    let listed = client.get(&format!("/api/preprocessing/runs?projectId={project}")).await.expect(200);
    let mut runs = Vec::new();
    for run in listed["runs"].as_array().unwrap() {
        let run = client.get(&format!("/api/preprocessing/runs/{}", text(&run["runId"]))).await.expect(200);
        runs.push(run["run"].clone());
    }
    runs
}

/// Compares two pictures, and says where they differ.
pub(super) fn assert_alike(found: &Value, expected: &Value, place: &str) {
    let mut differences = Vec::new();
    compare(found, expected, "", &mut differences);
    assert!(differences.is_empty(), "{place}:\n{}", differences.join("\n"));
}

fn compare(found: &Value, expected: &Value, path: &str, differences: &mut Vec<String>) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let names: std::collections::BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
            for name in names {
                let of = |map: &Map<String, Value>| map.get(name).cloned().unwrap_or(json!("(absent)"));
                compare(&of(found), &of(expected), &format!("{path}/{name}"), differences);
            }
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
                compare(found, expected, &format!("{path}/{index}"), differences);
            }
        }
        _ if found == expected => {}
        _ => differences.push(format!("{path}: {found}\n    is not {expected}")),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn only(value: &Value, names: &[&str]) -> Value {
    Value::Object(names.iter().map(|name| ((*name).to_owned(), value[*name].clone())).collect::<Map<String, Value>>())
}

/// A value with ids as numbers in the order in which they come, and without times, hashes and durations.
pub(super) fn plain(value: Value) -> Value {
    plain_value(value, &mut Vec::new())
}

fn plain_value(value: Value, ids: &mut Vec<String>) -> Value {
    match value {
        Value::String(text) => Value::String(plain_text(&text, ids)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| plain_value(item, ids)).collect()),
        Value::Object(fields) => {
            let mut kept = Map::new();
            for (name, field) in fields.into_iter().filter(|(name, _)| !differs(name)) {
                let name = plain_text(&name, ids);
                kept.insert(name, plain_value(field, ids));
            }
            Value::Object(kept)
        }
        other => other,
    }
}

/// Durations, names made of ids, and what a model was sent, which is longer or shorter by the marks in it.
fn differs(name: &str) -> bool {
    name.ends_with("Ms") || ["tokens", "tableName", "physicalTableName"].contains(&name)
}

fn plain_text(text: &str, ids: &mut Vec<String>) -> String {
    if chrono::DateTime::parse_from_rfc3339(text).is_ok() {
        return "[time]".to_owned();
    }
    let mut plain = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_id = |part: &&str| part.contains('-') && Uuid::try_parse(part).is_ok();
        let digits = rest.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
        let taken = if let Some(id) = rest.get(..ID_CHARS).filter(is_id) {
            let known = ids.iter().position(|known| known == id).unwrap_or(ids.len());
            if known == ids.len() {
                ids.push(id.to_owned());
            }
            plain.push_str(&format!("[id {known}]"));
            ID_CHARS
        } else if digits >= HASH_DIGITS {
            plain.push_str("[hash]");
            digits
        } else {
            plain.push(first);
            first.len_utf8()
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    plain
}

#[test]
fn what_differs_each_time_is_no_part_of_a_picture() {
    let [one, two] = [Uuid::from_u128(1), Uuid::from_u128(2)];
    let told = json!({
        "a": format!("step-{one}"), "b": [two, one], "c": "2026-11-27T10:00:00.123Z", "executionMs": 7,
        "hash": "0123456789abcdef01234567", "d": "Köln 1,2",
    });
    let expected = json!({ "a": "step-[id 0]", "b": ["[id 1]", "[id 0]"], "c": "[time]", "hash": "[hash]", "d": "Köln 1,2" });
    assert_eq!(plain(told), expected);
}
