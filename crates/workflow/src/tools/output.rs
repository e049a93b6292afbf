//! Outputs of tools that are too long for a model: cut, with what matters kept.

use std::io;

use gristmill_domain::workflows::{TOOL_OUTPUT_CHARS_MAX, ToolName};
use serde_json::{Map, Value, json};

/// Where the output of a run of a cell names the error code of an environment that runs no code at all.
pub const ENVIRONMENT_ERROR: &str = "environmentError";
/// Bytes kept of an output while it is written: it is complete whenever it has no more characters than it may.
const KEPT_BYTES: usize = 4 * TOOL_OUTPUT_CHARS_MAX;
/// Characters of a long output's JSON that are shown. In a JSON text again, each of them becomes two at most.
const SHOWN_CHARS: usize = 20_000;
/// Characters of the JSON of a run's texts that are shown, of the beginning and of the end: what counts is often last.
const STDOUT_CHARS: (usize, usize) = (8_000, 14_000);
const STDERR_CHARS: (usize, usize) = (4_000, 10_000);
const ERROR_CHARS: (usize, usize) = (2_000, 2_000);
const STATUS_CHARS: (usize, usize) = (100, 100);

/// An output as the model, the log and the client get it.
#[derive(Debug, Clone, PartialEq)]
pub struct Capped {
    /// The output, or the summary that stands for it.
    pub output: Value,
    /// The same as JSON text, so that nobody needs to write it again.
    pub json: String,
    /// Characters of the JSON of the whole output.
    pub original_chars: usize,
    /// Whether it was cut.
    pub is_cut: bool,
}

/// Cuts an output to [`TOOL_OUTPUT_CHARS_MAX`] characters of JSON. It is written once, and of a long one only the beginning
/// is kept meanwhile.
#[must_use]
pub fn cap(tool: ToolName, args: &Map<String, Value>, output: Value) -> Capped {
    let mut head = Head::default();
    // Values have only texts as keys, and the head takes every byte: nothing can fail.
    if serde_json::to_writer(&mut head, &output).is_ok() && head.chars <= TOOL_OUTPUT_CHARS_MAX {
        let original_chars = head.chars;
        return Capped { output, json: head.into_text(), original_chars, is_cut: false };
    }
    let original_chars = head.chars;
    let summary = match (tool, &output) {
        (ToolName::RunCell, Value::Object(run)) => run_summary(args, run, original_chars),
        _ => {
            let data: String = head.into_text().chars().take(SHOWN_CHARS).collect();
            json!({
                "_truncated": true,
                "_originalSize": original_chars,
                "notice": format!(
                    "The output has {original_chars} characters; these are the first {SHOWN_CHARS} of its JSON. Ask for less: \
                     a narrower question, fewer rows or columns."
                ),
                "data": data,
            })
        }
    };
    Capped { json: summary.to_string(), output: summary, original_chars, is_cut: true }
}

/// Cuts the words of a failure.
#[must_use]
pub fn cap_error(error: &str) -> String {
    cut(error, (4_000, 4_000))
}

fn run_summary(args: &Map<String, Value>, run: &Map<String, Value>, original_chars: usize) -> Value {
    let text = |key: &str, chars: (usize, usize)| run.get(key).and_then(Value::as_str).map(|text| cut(text, chars));
    let mut summary = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            summary.insert(key.to_owned(), value);
        }
    };
    put("_truncated", Some(Value::Bool(true)));
    put("_originalSize", Some(original_chars.into()));
    put("status", text("status", STATUS_CHARS).map(Value::from));
    put("error", text("error", ERROR_CHARS).map(Value::from));
    put(ENVIRONMENT_ERROR, text(ENVIRONMENT_ERROR, STATUS_CHARS).map(Value::from));
    put("executionMs", run.get("executionMs").filter(|ms| ms.is_number()).cloned());
    let cell = run.get("cellId").or_else(|| args.get("cellId")).and_then(Value::as_str);
    put("cellId", cell.map(|cell| Value::from(cut(cell, STATUS_CHARS))));
    put("stdout", text("stdout", STDOUT_CHARS).map(Value::from));
    put("stderr", text("stderr", STDERR_CHARS).map(Value::from));
    Value::Object(summary)
}

/// The beginning and the end of a text whose JSON has more than so many characters, else all of it.
fn cut(text: &str, (first, last): (usize, usize)) -> String {
    let whole: usize = text.chars().map(json_chars).sum();
    if whole <= first + last {
        return text.to_owned();
    }
    let head = fitting(text.chars(), first);
    let tail: Vec<char> = fitting(text.chars().rev(), last);
    let left_out = text.chars().count().saturating_sub(head.len() + tail.len());
    let mut shown: String = head.into_iter().collect();
    shown.push_str(&format!("\n… {left_out} characters left out …\n"));
    shown.extend(tail.into_iter().rev());
    shown
}

fn fitting(chars: impl Iterator<Item = char>, most: usize) -> Vec<char> {
    let mut room = most;
    chars
        .take_while(|c| {
            let fits = json_chars(*c) <= room;
            room = room.saturating_sub(json_chars(*c));
            fits
        })
        .collect()
}

/// Characters that a character becomes in a JSON text.
fn json_chars(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if c < ' ' => 6,
        _ => 1,
    }
}

/// Counts the characters of what is written, and keeps the beginning.
#[derive(Debug, Default)]
struct Head {
    bytes: Vec<u8>,
    chars: usize,
}

impl Head {
    fn into_text(self) -> String {
        // Only what was cut can end within a character.
        String::from_utf8(self.bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

impl io::Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chars += bytes.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count();
        let room = KEPT_BYTES.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tools::schema::anything;

    fn text(length: usize) -> Value {
        // Two characters are the quotes.
        Value::String("ä".repeat(length - 2))
    }

    #[test]
    fn what_fits_stays_and_is_written_once() {
        for output in [Value::Null, json!({ "a": ["ä", 1] }), text(TOOL_OUTPUT_CHARS_MAX)] {
            let capped = cap(ToolName::ReadCell, &Map::new(), output.clone());
            assert_eq!((&capped.output, capped.is_cut), (&output, false));
            assert_eq!(capped.json, output.to_string());
            assert_eq!(capped.original_chars, output.to_string().chars().count());
        }
    }

    #[test]
    fn what_is_too_long_becomes_a_summary() {
        let rows: Vec<Value> = (0..20_000).map(|row| json!({ "row": row, "quoted": "\"" })).collect();
        let capped = cap(ToolName::GetDatasetSample, &Map::new(), Value::Array(rows.clone()));
        assert!(capped.is_cut && capped.json.chars().count() <= TOOL_OUTPUT_CHARS_MAX);
        assert_eq!(capped.json, capped.output.to_string());
        assert_eq!(capped.output["_truncated"], true);
        assert_eq!(capped.output["_originalSize"], Value::Array(rows).to_string().chars().count());
        let data = capped.output["data"].as_str().unwrap();
        assert!(data.starts_with("[{\"row\":0,") && data.chars().count() == SHOWN_CHARS);
        assert!(capped.output["notice"].as_str().unwrap().contains("Ask for less"));
        assert!(cap(ToolName::ReadCell, &Map::new(), text(TOOL_OUTPUT_CHARS_MAX + 1)).is_cut, "one too many");
    }

    #[test]
    fn a_long_run_keeps_how_it_ended() {
        let args = json!({ "cellId": "c-1" });
        let printed = format!("first\n{}\nlast", "\u{1}".repeat(100_000));
        let run = json!({
            "status": "error", "error": "ValueError: no", "executionMs": 7, "stdout": printed, "stderr": "warned",
            "outputs": [{ "type": "text", "content": printed }], "executionOrder": 3
        });
        let capped = cap(ToolName::RunCell, args.as_object().unwrap(), run);
        assert!(capped.is_cut && capped.json.chars().count() <= TOOL_OUTPUT_CHARS_MAX);
        let keys: Vec<&str> = capped.output.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["_truncated", "_originalSize", "status", "error", "executionMs", "cellId", "stdout", "stderr"]);
        assert_eq!((&capped.output["error"], &capped.output["cellId"]), (&json!("ValueError: no"), &json!("c-1")));
        let stdout = capped.output["stdout"].as_str().unwrap();
        assert!(stdout.starts_with("first\n") && stdout.ends_with("\nlast") && stdout.contains("characters left out"));
        assert_eq!(capped.output["stderr"], "warned");
    }

    #[test]
    fn errors_are_cut() {
        assert_eq!(cap_error("short"), "short");
        assert!(cap_error(&"x".repeat(100_000)).len() < 10_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn nothing_comes_out_longer_than_it_may(
            value in anything::json(), fill in prop::sample::select(vec!["\"", "\\", "ä", "\u{0}", "😀", "x\n"]),
            times in 0_usize..30_000, run in any::<bool>(),
        ) {
            let tool = if run { ToolName::RunCell } else { ToolName::SearchDocuments };
            let long = fill.repeat(times);
            let output = json!({ "status": long, "stdout": long, "stderr": long, "error": long, "value": value });
            let capped = cap(tool, &Map::new(), output.clone());
            prop_assert!(capped.json.chars().count() <= TOOL_OUTPUT_CHARS_MAX);
            prop_assert_eq!(&capped.json, &capped.output.to_string());
            prop_assert_eq!(capped.is_cut, output.to_string().chars().count() > TOOL_OUTPUT_CHARS_MAX);
        }
    }
}
