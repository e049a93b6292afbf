//! Finding the JSON in what a model wrote.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::OUTPUT_BYTES_MAX;

/// Reads an answer: its whole text, else a fenced block, else from the first `{` to the last `}`. The first of these that
/// is JSON decides, so that a quoted example does not hide what is wrong with the answer.
///
/// # Errors
/// What is wrong with it, in words for the model. An answer over a megabyte is not read.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let value = find_json(text)?;
    serde_json::from_value(value).map_err(|error| format!("the JSON does not have the right shape: {error}"))
}

/// The JSON in an answer, found as [`read`] does.
///
/// # Errors
/// What is wrong with it.
pub fn find_json(text: &str) -> Result<Value, String> {
    if text.len() > OUTPUT_BYTES_MAX {
        return Err(format!("it is larger than {OUTPUT_BYTES_MAX} bytes"));
    }
    let text = text.trim().trim_start_matches('\u{feff}');
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    let whole = serde_json::from_str(text);
    let error = match whole {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let inner = fenced(text).into_iter().chain(braced(text)).find_map(|part| serde_json::from_str(part).ok());
    inner.ok_or_else(|| match braced(text) {
        Some(part) => match serde_json::from_str::<Value>(part) {
            Err(inside) => format!("it is not valid JSON: {inside}"),
            Ok(_) => format!("it is not valid JSON: {error}"),
        },
        None => "there is no JSON object in it".to_owned(),
    })
}

/// What stands between the fences of each block, in order. Fences stand at the beginning of a line: inside of a JSON text
/// none does, as line breaks are escaped there.
fn fenced(text: &str) -> Vec<&str> {
    const FENCE: &str = "```";
    let mut blocks = Vec::new();
    let mut rest = text;
    loop {
        let opened = match rest.strip_prefix(FENCE) {
            Some(after) => Some(after),
            None => rest.split_once("\n```").map(|(_, after)| after),
        };
        let Some(after) = opened else { return blocks };
        let Some((block, following)) = after.split_once("\n```").or_else(|| after.split_once(FENCE)) else { return blocks };
        // The first line may name the language.
        let body = block.split_once('\n').filter(|(first, _)| first.trim().chars().all(|c| c.is_ascii_alphanumeric()));
        blocks.push(body.map_or(block, |(_, body)| body).trim());
        rest = following;
    }
}

fn braced(text: &str) -> Option<&str> {
    let (start, end) = (text.find('{')?, text.rfind('}')?);
    text.get(start..=end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(text: &str, expected: Value) {
        assert_eq!(find_json(text), Ok(expected), "{text}");
    }

    #[test]
    fn json_is_found_in_what_models_write() {
        check(r#"{"a": 1}"#, json!({ "a": 1 }));
        check("\u{feff}  {\"a\": 1}\n", json!({ "a": 1 }));
        check("Sure!\n```json\n{\"a\": 1}\n```\nAnything else?", json!({ "a": 1 }));
        check("```\n{\"a\": 1}\n```", json!({ "a": 1 }));
        check("```{\"a\": 1}```", json!({ "a": 1 }));
        check("Use {braces}:\n```json\n{\"a\": {\"b\": \"}\"}}\n```", json!({ "a": { "b": "}" } }));
        check("The answer is {\"sql\": \"select '```'\"} as asked.", json!({ "sql": "select '```'" }));
        check("```sql\nselect 1\n```\n{\"a\": 2}", json!({ "a": 2 }));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("", "empty"),
            ("I cannot do that.", "no JSON object"),
            ("{\"a\": 1", "no JSON object"),
            ("{\"a\": {\"b\": 1}, \"c\": ", "not valid JSON"),
            ("} {", "no JSON object"),
        ] {
            let problem = find_json(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
        let problem = read::<std::collections::BTreeMap<String, u8>>(r#"{"a": "x"}"#).unwrap_err();
        assert!(problem.contains("right shape") && problem.contains("u8"), "{problem}");
        assert!(find_json(&"x".repeat(OUTPUT_BYTES_MAX + 1)).unwrap_err().contains("larger"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,200}") {
            drop(find_json(&text));
        }

        #[test]
        fn an_object_is_found_between_any_words(before in "[^{}`]{0,40}", after in "[^{}`]{0,40}", value in "[a-z\"{}`\n]{0,20}") {
            let object = json!({ "value": value });
            prop_assert_eq!(find_json(&format!("{before}{object}{after}")), Ok(object));
        }
    }
}
