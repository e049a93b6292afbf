//! What models send as arguments, read into types.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Reads arguments. What is null is absent, which is how models leave something out.
///
/// # Errors
/// What is wrong with them, in words for the model.
pub(super) fn read<T: DeserializeOwned>(args: &Map<String, Value>) -> Result<T, String> {
    let sent: Map<String, Value> =
        args.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())).collect();
    serde_json::from_value(Value::Object(sent)).map_err(|error| format!("Wrong arguments: {error}"))
}

/// A text on one line, without what cannot be seen, cut.
pub(super) fn line(text: &str, chars_max: usize) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).take(chars_max).collect()
}

/// A text, cut.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    text.trim().chars().take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::{super::fixtures::args, *};

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Sent {
        a_name: String,
        #[serde(default)]
        many: Vec<u32>,
    }

    #[test]
    fn null_is_absent_and_what_is_wrong_is_told() {
        let sent: Sent = read(&args(&json!({ "aName": "x", "many": null, "more": 1 }))).unwrap();
        assert_eq!(sent, Sent { a_name: "x".to_owned(), many: Vec::new() });
        for wrong in [json!({}), json!({ "aName": null }), json!({ "aName": "x", "many": "y" })] {
            assert!(read::<Sent>(&args(&wrong)).unwrap_err().starts_with("Wrong arguments: "), "{wrong}");
        }
    }

    #[test]
    fn a_line_is_one() {
        assert_eq!(line(" a\n\tb\u{7}  c ", 4), "a b ");
    }
}
