//! Answers of a known shape: found in whatever was written around them, asked for twice at most.

use gristmill_llm::{
    Event, Format, LlmError, Message, OUTPUT_BYTES_MAX, OutputSchema, Request,
    scripted::Scripted,
    structured::{Structured, ask},
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize, PartialEq)]
struct Answer {
    #[serde(alias = "query")]
    sql: String,
    confidence: f64,
}

async fn asked(turns: Value) -> (Result<Structured<Answer>, LlmError>, Scripted) {
    let model = Scripted::from_value(&json!({ "order": "sequence", "turns": turns })).unwrap();
    let schema = OutputSchema::new("answer", json!({ "type": "object", "required": ["sql", "confidence"] }));
    let request = Request::new(vec![Message::user("Answer as JSON.")]);
    let answer = ask(&model, request, &schema, &mut |_| ()).await;
    (answer, model)
}

fn text(text: &str) -> Value {
    json!({ "reply": { "text": text, "usage": { "input_tokens": 10, "output_tokens": 5, "total_tokens": 15 } } })
}

const GOOD: &str = r#"{"sql": "select 1", "confidence": 0.9}"#;

#[tokio::test]
async fn a_good_answer_needs_one_attempt() {
    for wrapped in [GOOD.to_owned(), format!("Sure:\n```json\n{GOOD}\n```\nDone."), format!("It is {GOOD}, I think.")] {
        let (answer, model) = asked(json!([text(&wrapped)])).await;
        let answer = answer.unwrap();
        assert_eq!((answer.attempts, answer.value.sql.as_str(), answer.usage.total_tokens), (1, "select 1", 15));
        let sent = &model.requests()[0];
        assert!(matches!(&sent.format, Format::Schema(schema) if schema.name == "answer"));
    }
    let (answer, _) = asked(json!([text(r#"{"query": "select 2", "confidence": 1}"#)])).await;
    assert_eq!(answer.unwrap().value.sql, "select 2", "aliases are serde's");
}

#[tokio::test]
async fn a_bad_answer_is_shown_to_the_model_once() {
    for (bad, problem) in [
        ("I cannot say.", "no JSON object"),
        (r#"{"sql": "select 1"}"#, "confidence"),
        (r#"{"sql": 1, "confidence": 1}"#, "right shape"),
        (r#"{"sql": "select 1", "confidence": }"#, "not valid JSON"),
        ("", "empty"),
    ] {
        let (answer, model) = asked(json!([text(bad), text(GOOD)])).await;
        let answer = answer.unwrap();
        assert_eq!((answer.attempts, answer.usage.total_tokens), (2, 30), "{bad}");
        let requests = model.requests();
        let [.., shown, correction] = requests[1].messages.as_slice() else { panic!() };
        assert_eq!(shown.text(), if bad.is_empty() { "(nothing)" } else { bad });
        assert!(correction.text().contains(problem) && correction.text().contains("required"), "{}", correction.text());
    }
    let (answer, _) = asked(json!([text("no"), text("still no")])).await;
    let Err(LlmError::InvalidOutput { detail, excerpt }) = answer else { panic!("{answer:?}") };
    assert_eq!((detail.as_str(), excerpt.as_str()), ("there is no JSON object in it", "still no"));
}

#[tokio::test]
async fn failures_and_cut_off_answers_are_not_repeated() {
    let cut = json!({ "reply": { "text": "{\"sql\": \"select", "stop": "length" } });
    assert!(matches!(asked(json!([cut, text(GOOD)])).await.0, Err(LlmError::CutOff)));
    let refused = json!({ "reply": { "text": "I will not.", "stop": "refused" } });
    assert!(matches!(asked(json!([refused, text(GOOD)])).await.0, Err(LlmError::InvalidOutput { .. })));
    let failed = json!({ "reply": { "text": "{", "error": { "kind": "unavailable" } } });
    assert!(matches!(asked(json!([failed, text(GOOD)])).await.0, Err(LlmError::Unavailable { .. })));
    // An answer that is whole by chance is taken.
    let whole = json!({ "reply": { "text": GOOD, "stop": "length" } });
    assert_eq!(asked(json!([whole])).await.0.unwrap().attempts, 1);
}

#[tokio::test]
async fn a_megabyte_is_refused() {
    let (answer, _) = asked(json!([text(&"x".repeat(OUTPUT_BYTES_MAX + 1)), text(GOOD)])).await;
    assert!(matches!(answer, Err(LlmError::TooLarge { .. })), "{answer:?}");
    let half = "y".repeat(OUTPUT_BYTES_MAX / 2 + 1);
    let (answer, _) = asked(json!([{ "reply": { "text": [half.clone(), half] } }])).await;
    assert!(matches!(answer, Err(LlmError::TooLarge { .. })), "{answer:?}");
}

#[tokio::test]
async fn whoever_asks_sees_the_thinking() {
    let turns = json!([{ "reply": { "thinking": ["a", "b"], "text": "no" } }, { "reply": { "thinking": "c", "text": GOOD } }]);
    let model = Scripted::from_value(&json!({ "turns": turns })).unwrap();
    let schema = OutputSchema::new("answer", json!({}));
    let mut thinking = String::new();
    let mut observe = |event: &Event| {
        if let Event::Thinking(text) = event {
            thinking.push_str(text);
        }
    };
    ask::<Answer>(&model, Request::new(vec![Message::user("x")]), &schema, &mut observe).await.unwrap();
    assert_eq!(thinking, "abc");
}
