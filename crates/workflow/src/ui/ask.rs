//! Reading the questions that a model asks a person.

use serde_json::{Map, Value};

use super::{AskUser, Question, QuestionKind, QuestionOption};
use crate::plan::unfenced;

/// Most questions that are asked at once, and options of one.
const QUESTIONS_MAX: usize = 20;
const OPTIONS_MAX: usize = 50;
/// Longest id that a model may give: answers come back with it, where 200 bytes are taken, and a number may be added.
const ID_BYTES_MAX: usize = 180;
/// Characters of a header that is made from its question.
const HEADER_CHARS: usize = 40;

/// Why there is nothing to ask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// No question is given.
    #[error("`questions` must be a list of at least one question")]
    Nothing,
    /// More than a person should answer at once.
    #[error("`questions` must have at most {QUESTIONS_MAX} entries")]
    TooMany,
    /// One of them asks nothing.
    #[error("`questions[{index}]` needs a `question`, an `id`, a `header` and a `type`; a selection needs `options`")]
    Unclear {
        /// Its place, from 0.
        index: usize,
    },
}

impl AskUser {
    /// Reads the arguments of `ask_user`. What can be filled in without doubt is: an id, a header, the way of answering.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn read(args: &Value) -> Result<Self, AskError> {
        let given = match args {
            Value::Object(fields) => match ["questions", "payload"].iter().find_map(|key| fields.get(*key)) {
                Some(given) => questions(given),
                // The question itself, unwrapped.
                None if words(fields, &["question"]).is_some() => vec![args.clone()],
                None => Vec::new(),
            },
            other => questions(other),
        };
        if given.is_empty() {
            return Err(AskError::Nothing);
        }
        if given.len() > QUESTIONS_MAX {
            return Err(AskError::TooMany);
        }
        let mut read: Vec<Question> = Vec::with_capacity(given.len());
        for (index, value) in given.iter().enumerate() {
            let mut question = question(value, index).ok_or(AskError::Unclear { index })?;
            let named = question.id.clone();
            let mut number = index + 1;
            while read.iter().any(|before| before.id == question.id) {
                question.id = format!("{named}-{number}");
                number += 1;
            }
            read.push(question);
        }
        Ok(Self { questions: read })
    }
}

fn questions(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(questions) => questions.clone(),
        Value::Object(fields) => match fields.get("questions") {
            Some(Value::Array(questions)) => questions.clone(),
            _ => vec![value.clone()],
        },
        Value::String(text) => match serde_json::from_str::<Value>(unfenced(text)) {
            Ok(Value::Array(questions)) => questions,
            Ok(Value::Object(fields)) => match fields.get("questions") {
                Some(Value::Array(questions)) => questions.clone(),
                _ => vec![Value::Object(fields)],
            },
            // A question in plain words.
            _ => vec![value.clone()],
        },
        _ => Vec::new(),
    }
}

fn question(value: &Value, index: usize) -> Option<Question> {
    let empty = Map::new();
    let (fields, asked) = match value {
        Value::String(text) => (&empty, text.trim().to_owned()),
        Value::Object(fields) => (fields, words(fields, &["question", "text", "prompt"])?),
        _ => return None,
    };
    if asked.is_empty() {
        return None;
    }
    let options = options(fields.get("options"));
    let named = words(fields, &["type"]);
    let kind = match (named.as_deref(), options.is_empty()) {
        // Without options, there is nothing to select.
        (_, true) => QuestionKind::FreeText { options: None },
        (Some("multi_select"), false) => QuestionKind::MultiSelect { options },
        (Some("free_text"), false) => QuestionKind::FreeText { options: Some(options) },
        (_, false) => QuestionKind::SingleSelect { options },
    };
    Some(Question {
        id: words(fields, &["id"]).filter(|id| id.len() <= ID_BYTES_MAX).unwrap_or_else(|| format!("q{}", index + 1)),
        header: words(fields, &["header", "title"]).unwrap_or_else(|| beginning(&asked)),
        question: asked,
        allow_custom: fields.get("allowCustom").and_then(Value::as_bool),
        kind,
    })
}

fn beginning(asked: &str) -> String {
    asked.chars().take(HEADER_CHARS).collect::<String>().trim_end().to_owned()
}

fn options(value: Option<&Value>) -> Vec<QuestionOption> {
    let option = |value: &Value| match value {
        Value::String(label) if !label.trim().is_empty() => {
            Some(QuestionOption { label: label.trim().to_owned(), description: String::new() })
        }
        Value::Number(number) => Some(QuestionOption { label: number.to_string(), description: String::new() }),
        Value::Object(fields) => Some(QuestionOption {
            label: words(fields, &["label", "value", "text"])?,
            description: words(fields, &["description"]).unwrap_or_default(),
        }),
        _ => None,
    };
    let given = value.and_then(Value::as_array).into_iter().flatten();
    given.filter_map(option).take(OPTIONS_MAX).collect()
}

/// The first of the fields that says something.
fn words(fields: &Map<String, Value>, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| {
        let text = fields.get(*key)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::tools::schema::anything;

    fn read(args: &Value) -> Result<Value, AskError> {
        let asked = AskUser::read(args)?;
        Ok(serde_json::to_value(asked).unwrap())
    }

    #[test]
    fn what_is_right_stays_as_it_is() {
        let questions = json!({ "questions": [
            { "id": "a", "question": "Which?", "header": "Target", "allowCustom": true, "type": "single_select",
              "options": [{ "label": "x", "description": "d" }] },
            { "id": "b", "question": "Which ones?", "header": "Columns", "type": "multi_select",
              "options": [{ "label": "x", "description": "" }] },
            { "id": "c", "question": "Why?", "header": "Aim", "type": "free_text" }
        ] });
        assert_eq!(read(&questions), Ok(questions.clone()));
        let text = json!({ "questions": questions["questions"].to_string() });
        assert_eq!(read(&text), Ok(questions.clone()));
        for args in [json!({ "payload": questions }), Value::String(questions.to_string()), json!(questions["questions"])] {
            assert_eq!(read(&args), Ok(questions.clone()), "{args}");
        }
        assert_eq!(read(&json!({ "id": "c", "question": "Why?", "header": "Aim" })).unwrap()["questions"][0]["id"], "c");
    }

    #[test]
    fn what_is_missing_is_filled_in() {
        for (given, expected) in [
            (json!("Why?"), json!({ "id": "q1", "question": "Why?", "header": "Why?", "type": "free_text" })),
            (
                json!({ "question": "Which?", "options": ["a", 2, { "value": "c" }, "", null], "type": "choice" }),
                json!({ "id": "q1", "question": "Which?", "header": "Which?", "type": "single_select", "options": [
                    { "label": "a", "description": "" }, { "label": "2", "description": "" }, { "label": "c", "description": "" }
                ] }),
            ),
            (
                json!({ "question": "Which?", "header": null, "options": [], "type": "single_select" }),
                json!({ "id": "q1", "question": "Which?", "header": "Which?", "type": "free_text" }),
            ),
        ] {
            assert_eq!(read(&json!({ "questions": [given] })), Ok(json!({ "questions": [expected] })), "{given}");
            assert_eq!(read(&json!({ "questions": given })), Ok(json!({ "questions": [expected] })), "{given}");
        }
        let twice = read(&json!({ "questions": [{ "id": "a", "question": "1" }, { "id": "a", "question": "2" }] })).unwrap();
        assert_eq!((&twice["questions"][0]["id"], &twice["questions"][1]["id"]), (&json!("a"), &json!("a-2")));
        let long = read(&json!({ "questions": [{ "id": "x".repeat(201), "question": "Why?" }] })).unwrap();
        assert_eq!(long["questions"][0]["id"], "q1", "answers to a longer id would be refused");
    }

    #[test]
    fn what_asks_nothing_is_refused() {
        for (given, error) in [
            (json!({}), AskError::Nothing),
            (json!({ "questions": [] }), AskError::Nothing),
            (json!({ "questions": 7 }), AskError::Nothing),
            (json!({ "questions": [{ "question": "a" }, { "id": "b" }] }), AskError::Unclear { index: 1 }),
            (json!({ "questions": [" "] }), AskError::Unclear { index: 0 }),
            (json!({ "questions": vec!["?"; 21] }), AskError::TooMany),
        ] {
            assert_eq!(read(&given), Err(error), "{given}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_and_what_comes_out_reads_the_same(value in anything::json(), options in anything::json()) {
            for args in [
                json!({ "questions": value }),
                json!({ "questions": [value] }),
                json!({ "questions": [{ "question": value, "type": "multi_select", "options": options }] }),
            ] {
                if let Ok(asked) = read(&args) {
                    prop_assert_eq!(read(&asked), Ok(asked.clone()));
                    prop_assert!(serde_json::from_value::<AskUser>(asked).is_ok());
                }
            }
        }
    }
}
