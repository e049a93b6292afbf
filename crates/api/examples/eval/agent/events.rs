//! The events that the server recorded of a phase.

use serde_json::Value;

use super::session::Seen;

/// How many of the last events are shown.
const SHOWN: usize = 16;
/// Longest detail of one, characters.
const CHARS: usize = 900;

/// All events of the phase's runs, oldest first.
fn all(seen: &Seen) -> impl Iterator<Item = &Value> {
    seen.snapshots.iter().flat_map(|run| run["events"].as_array().into_iter().flatten())
}

/// The calls that were made, each with its result.
pub(crate) fn executed(seen: &Seen) -> impl Iterator<Item = &Value> {
    all(seen).filter(|event| event["eventType"] == "tool_executed").map(|event| &event["payload"])
}

/// Shows how the phase went on in the end.
pub(crate) fn print_last(seen: &Seen) {
    let events: Vec<&Value> = all(seen).collect();
    let first = events.len().saturating_sub(SHOWN);
    for event in events.into_iter().skip(first) {
        let kind = event["eventType"].as_str().unwrap_or_default();
        println!("  {:>4} {kind:<22} {}", event["sequence"].to_string(), cut(&detail(kind, &event["payload"])));
    }
}

fn detail(kind: &str, payload: &Value) -> String {
    let call = &payload["call"];
    match kind {
        "tool_started" => format!("{} {}", call["tool"], call["args"]),
        "tool_executed" => match payload["result"]["error"].as_str() {
            Some(error) => format!("{} failed: {error}", call["tool"]),
            None => format!("{} gave {}", call["tool"], payload["result"]["output"]),
        },
        "model_answered" => {
            let calls = payload["calls"].as_array().into_iter().flatten();
            let names: Vec<&str> = calls.filter_map(|call| call["name"].as_str()).collect();
            format!("at {}: {} {}", payload["node"], names.join(", "), payload["text"])
        }
        // What is known at the beginning is long, and the same for all.
        "turn_prepared" => String::new(),
        _ => payload.to_string(),
    }
}

fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
