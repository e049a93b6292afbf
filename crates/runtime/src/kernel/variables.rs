//! What a kernel says that it holds. Any code may have said it, so it is checked and cut here.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::intelligence::LiveVariable;

const NAMES_MAX: usize = 200;
const COLUMNS_MAX: usize = 500;
const TEXT_BYTES_MAX: usize = 800;
/// Larger answers are not read at all.
const ANSWER_BYTES_MAX: usize = 1 << 20;

#[derive(Deserialize)]
struct Answer {
    variables: BTreeMap<String, LiveVariable>,
}

/// Reads an answer. What is no name, no type or no column is left out; an answer of another form holds nothing.
pub(super) fn read(content: &[u8]) -> BTreeMap<String, LiveVariable> {
    if content.len() > ANSWER_BYTES_MAX {
        return BTreeMap::new();
    }
    let Ok(Answer { variables }) = serde_json::from_slice(content) else { return BTreeMap::new() };
    variables
        .into_iter()
        .filter(|(name, _)| is_identifier(name))
        .take(NAMES_MAX)
        .map(|(name, told)| (name, checked(told)))
        .collect()
}

fn checked(told: LiveVariable) -> LiveVariable {
    let type_name = if is_type(&told.type_name) { told.type_name } else { "object".to_owned() };
    let columns = told.columns.map(|columns| columns.into_iter().filter(|name| is_column(name)).take(COLUMNS_MAX).collect());
    LiveVariable { type_name, columns }
}

fn is_identifier(text: &str) -> bool {
    let mut letters = text.chars();
    text.len() <= TEXT_BYTES_MAX
        && letters.next().is_some_and(|first| first == '_' || first.is_alphabetic())
        && letters.all(|letter| letter == '_' || letter.is_alphanumeric())
}

/// A dotted name. It is written into source that is parsed: nothing else may get there.
fn is_type(text: &str) -> bool {
    let part = |part: &str| {
        let mut letters = part.bytes();
        letters.next().is_some_and(|first| first == b'_' || first.is_ascii_alphabetic())
            && letters.all(|letter| letter == b'_' || letter.is_ascii_alphanumeric())
    };
    text.len() <= TEXT_BYTES_MAX && text.split('.').all(part)
}

fn is_column(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read_json(value: &serde_json::Value) -> BTreeMap<String, LiveVariable> {
        read(&serde_json::to_vec(value).unwrap())
    }

    #[test]
    fn reads_names_types_and_columns() {
        let found = read_json(&json!({"variables": {
            "df": {"type": "pandas.DataFrame", "columns": ["a", "b c"]},
            "größe": {"type": "builtins.int"},
        }}));
        assert_eq!(found.keys().collect::<Vec<_>>(), ["df", "größe"]);
        assert_eq!(found["df"].columns.as_deref(), Some(["a".to_owned(), "b c".to_owned()].as_slice()));
        assert_eq!(found["größe"].type_name, "builtins.int");
    }

    #[test]
    fn leaves_out_what_code_would_smuggle_in() {
        let found = read_json(&json!({"variables": {
            "x\nimport os": {"type": "int"}, "1x": {"type": "int"}, "": {"type": "int"}, "a.b": {"type": "int"},
            "good": {"type": "os\nimport evil", "columns": ["fine", "line\nbreak", "", "x".repeat(5000)]},
            "local": {"type": "__main__.f.<locals>.C"},
        }}));
        assert_eq!(found.keys().collect::<Vec<_>>(), ["good", "local"]);
        assert_eq!(found["good"].type_name, "object");
        assert_eq!(found["good"].columns.as_deref(), Some(["fine".to_owned()].as_slice()));
        assert_eq!(found["local"].type_name, "object");
        let many: serde_json::Map<_, _> = (0..1000).map(|i| (format!("n{i}"), json!({"type": "int"}))).collect();
        assert_eq!(read_json(&json!({"variables": many})).len(), NAMES_MAX);
        let wide: Vec<_> = (0..5000).map(|i| format!("c{i}")).collect();
        let found = read_json(&json!({"variables": {"w": {"type": "int", "columns": wide}}}));
        assert_eq!(found["w"].columns.as_ref().map(Vec::len), Some(COLUMNS_MAX));
    }

    #[test]
    fn another_form_holds_nothing() {
        for value in
            [json!(null), json!([]), json!({"variables": []}), json!({"variables": {"x": 1}}), json!({"status": "error"})]
        {
            assert!(read_json(&value).is_empty(), "{value}");
        }
        assert!(read(&vec![b' '; ANSWER_BYTES_MAX + 1]).is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_give_names_or_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert!(read(&bytes).keys().all(|name| is_identifier(name)));
        }

        #[test]
        fn any_text_is_a_name_only_when_python_could_take_it(name in ".{0,40}", kind in ".{0,40}", column in ".{0,40}") {
            let found = read_json(&json!({"variables": {name.clone(): {"type": kind, "columns": [column]}}}));
            for (name, told) in found {
                prop_assert!(!name.contains(char::is_whitespace));
                prop_assert!(told.type_name.is_ascii() && !told.type_name.contains(['\n', ' ', '(', ';']));
                prop_assert!(told.columns.unwrap().iter().all(|column| !column.contains(char::is_control)));
            }
        }
    }
}
