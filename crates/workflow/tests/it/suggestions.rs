//! Suggestions, by rules and by a model.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use gristmill_domain::{Caller, ProjectId, datasets::ColumnType};
use gristmill_llm::scripted::Scripted;
use gristmill_sql_safety::validate;
use gristmill_workflow::{
    NlError,
    ports::{PortError, ProjectSchema, SuggestionKey, SuggestionSet, SuggestionStore},
    suggestions::{RULES_MODEL, Suggested, Suggester, fingerprint},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{FakeSchema, caller, column, schema, shop, table};

#[derive(Debug, Default)]
struct Memory(Mutex<HashMap<SuggestionKey, SuggestionSet>>);

#[async_trait]
impl SuggestionStore for Memory {
    async fn find(&self, _: &Caller, key: &SuggestionKey) -> Result<Option<SuggestionSet>, PortError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    async fn keep(&self, _: &Caller, key: &SuggestionKey, set: SuggestionSet) -> Result<SuggestionSet, PortError> {
        Ok(self.0.lock().unwrap().entry(key.clone()).or_insert(set).clone())
    }
}

fn suggester(schema: &ProjectSchema, model: Option<&Scripted>) -> (Suggester, Arc<Memory>) {
    let store = Arc::new(Memory::default());
    let suggester = Suggester::new(Arc::new(FakeSchema { schema: schema.clone(), sketches: Vec::new() }), store.clone());
    match model {
        Some(model) => (suggester.with_model(Arc::new(model.clone()), None, Duration::from_secs(20)), store),
        None => (suggester, store),
    }
}

async fn suggested(schema: &ProjectSchema, model: Option<&Scripted>) -> Result<Suggested, NlError> {
    suggester(schema, model).0.suggest(&caller(), ProjectId::random(), &CancellationToken::new()).await
}

fn assert_within_bounds(suggested: &Suggested, schema: &ProjectSchema) {
    let within = |text: &str, min: usize, max: usize| assert!((min..=max).contains(&text.chars().count()), "{text}");
    let suggestions = &suggested.set.suggestions;
    assert!((4..=12).contains(&suggestions.len()), "{suggestions:?}");
    for (suggestion, position) in suggestions.iter().zip(1..) {
        within(&suggestion.prompt, 20, 240);
        within(&suggestion.label, 6, 80);
        within(&suggestion.category, 3, 40);
        within(&suggestion.rationale, 12, 180);
        assert!((1..=4).contains(&suggestion.tables.len()));
        assert!(suggestion.tables.iter().all(|name| schema.table(name).is_some()));
        assert!(suggestion.id.ends_with(&format!("-{position}")) && suggestion.id.len() <= 52, "{}", suggestion.id);
    }
    let placeholders = suggested.set.placeholders.as_ref().unwrap();
    for texts in [&placeholders.preprocessing, &placeholders.feature_engineering, &placeholders.training] {
        assert!((3..=6).contains(&texts.len()), "{texts:?}");
        texts.iter().for_each(|text| within(text, 15, 150));
    }
    assert!(placeholders.explore.len() <= 12);
    for sql in &placeholders.explore {
        within(sql, 10, 300);
        validate(sql, &schema.policy()).unwrap();
    }
}

#[tokio::test]
async fn rules_suggest_from_the_profiles() {
    let shop = shop();
    let suggested = suggested(&shop, None).await.unwrap();
    assert_within_bounds(&suggested, &shop);
    let prompts: Vec<&str> = suggested.set.suggestions.iter().map(|suggestion| suggestion.prompt.as_str()).collect();
    assert!(prompts.contains(&"What is the average amount for each Region in sales?"), "{prompts:?}");
    assert!(prompts.contains(&"What is the total amount of sales for each city of customers?"), "{prompts:?}");
    assert_eq!(suggested.set.suggestions.len(), 12);
    assert!(suggested.set.placeholders.unwrap().explore.len() >= 3);
}

#[tokio::test]
async fn the_smallest_table_gets_suggestions_too() {
    let one = schema(vec![table("t", vec![column("x", ColumnType::Unknown)])]);
    let suggested = suggested(&one, None).await.unwrap();
    assert_within_bounds(&suggested, &one);
    assert!(suggested.set.placeholders.unwrap().explore.len() >= 3);
}

#[tokio::test]
async fn no_tables_no_suggestions() {
    let suggested = suggested(&schema(vec![]), None).await.unwrap();
    assert_eq!((suggested.set.suggestions.len(), suggested.cached, suggested.schema_fingerprint.as_str()), (0, false, ""));
    assert!(suggested.set.placeholders.is_none());
}

fn suggestion(at: usize, table: &str) -> Value {
    json!({
        "prompt": format!("What is the question number {at} about?"), "label": format!("Question {at}"), "category": "Made up",
        "tables": [table], "rationale": "Because it is a test of it"
    })
}

fn answer(suggestions: Vec<Value>, explore: Value) -> Value {
    let texts = |what: &str| {
        json!([format!("{what} the first column"), format!("{what} the second column"), format!("{what} the third column")])
    };
    json!({
        "suggestions": suggestions,
        "workflowPlaceholders": {
            "preprocessing": texts("Clean"), "featureEngineering": texts("Derive"), "training": texts("Predict"), "explore": explore
        },
    })
}

fn model(reply: Value) -> Scripted {
    Scripted::from_value(&json!({ "turns": [{ "always": true, "when": { "format": "nl_suggestions" }, "reply": reply }] }))
        .unwrap()
}

#[tokio::test]
async fn the_model_suggests_and_is_held_to_the_bounds() {
    let mut many: Vec<Value> = (1..=5).map(|at| suggestion(at, "sales")).collect();
    many.push(suggestion(1, "sales"));
    many.push(suggestion(6, "somebody_elses"));
    many.push(json!({ "prompt": "short", "label": "Question", "category": "Made up", "tables": ["sales"], "rationale": "Because of it" }));
    let explore = json!([
        "select * from sales",
        "delete from sales where true",
        "select * from somebody_elses",
        "select city from customers"
    ]);
    let model = model(json!({ "json": answer(many, explore) }));
    let shop = shop();
    let suggested = suggested(&shop, Some(&model)).await.unwrap();
    assert_within_bounds(&suggested, &shop);
    let made_up = suggested.set.suggestions.iter().filter(|suggestion| suggestion.category == "Made up").count();
    assert_eq!((made_up, suggested.set.suggestions.len()), (5, 12), "rules fill up");
    let placeholders = suggested.set.placeholders.unwrap();
    assert_eq!(placeholders.preprocessing[0], "Clean the first column");
    assert_eq!(placeholders.explore[..2], ["select * from sales", "select city from customers"]);
    assert!(placeholders.explore.len() >= 3);
}

#[tokio::test]
async fn rules_stand_in_for_a_model_that_fails_and_are_not_kept_as_its_own() {
    for reply in [
        json!({ "text": "no" }),
        json!({ "error": { "kind": "unavailable" } }),
        json!({ "json": answer(vec![suggestion(1, "nowhere")], json!([])) }),
    ] {
        let (shop, model) = (shop(), model(reply));
        let (suggester, store) = suggester(&shop, Some(&model));
        let suggested = suggester.suggest(&caller(), ProjectId::random(), &CancellationToken::new()).await.unwrap();
        assert_within_bounds(&suggested, &shop);
        assert!(!suggested.cached && store.0.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_model_that_fails_is_not_asked_again_and_again() {
    let (shop, model) = (shop(), model(json!({ "delayMs": 20, "error": { "kind": "unavailable" } })));
    let (suggester, _) = suggester(&shop, Some(&model));
    let (project, cancel) = (ProjectId::random(), CancellationToken::new());
    let visit = async || {
        let at_once = suggester.suggest_at_once(&caller(), project).await.unwrap();
        assert!(!at_once.cached && !at_once.set.suggestions.is_empty(), "rules answer");
        suggester.prepare(&caller(), project, &cancel).await.unwrap();
    };
    tokio::join!(visit(), visit(), visit(), visit());
    visit().await;
    let asked = model.requests().len();
    suggester.prepare(&caller(), ProjectId::random(), &cancel).await.unwrap();
    assert_eq!(model.requests().len(), 2 * asked, "another project asks as often as all of these");
}

#[tokio::test]
async fn one_generation_serves_everybody() {
    let reply = json!({ "delayMs": 20, "json": answer((1..=12).map(|at| suggestion(at, "sales")).collect(), json!([])) });
    let (shop, model) = (shop(), model(reply));
    let (suggester, store) = suggester(&shop, Some(&model));
    let (caller, project, cancel) = (caller(), ProjectId::random(), CancellationToken::new());
    let (a, b, c) = tokio::join!(
        suggester.suggest(&caller, project, &cancel),
        suggester.suggest(&caller, project, &cancel),
        suggester.suggest(&caller, project, &cancel),
    );
    let all = [a.unwrap(), b.unwrap(), c.unwrap()];
    assert_eq!(model.requests().len(), 1);
    assert_eq!(all.iter().filter(|suggested| !suggested.cached).count(), 1);
    assert!(all.iter().all(|suggested| suggested.set == all[0].set));
    let later = suggester.suggest(&caller, project, &cancel).await.unwrap();
    assert!(later.cached && model.requests().len() == 1);
    let keys: Vec<SuggestionKey> = store.0.lock().unwrap().keys().cloned().collect();
    assert_eq!((keys.len(), keys[0].model.as_str()), (1, "scripted"));
    assert_ne!(keys[0].model, RULES_MODEL);
}

#[test]
fn the_fingerprint_is_of_names_and_types_only() {
    let base = fingerprint(&shop());
    assert_eq!(base.len(), 64);
    assert_eq!(base, fingerprint(&shop()), "ids and values do not count");
    let mut turned = shop();
    turned.tables.reverse();
    turned.tables[0].columns.reverse();
    assert_eq!(base, fingerprint(&turned), "nor does the order");
    let mut retyped = shop();
    retyped.tables[0].columns[4].dtype = ColumnType::Integer;
    assert_ne!(base, fingerprint(&retyped));
    let mut renamed = shop();
    renamed.tables[0].name = "sale".into();
    assert_ne!(base, fingerprint(&renamed));
}

proptest! {
    #[test]
    fn rules_keep_to_the_bounds_whatever_columns_are_called(names in proptest::collection::vec("(?s).{0,90}", 1..8)) {
        let types = [ColumnType::Float, ColumnType::String, ColumnType::Date, ColumnType::Integer, ColumnType::Boolean];
        let mut columns: Vec<_> = names.iter().zip(types.iter().cycle()).map(|(name, dtype)| column(name, *dtype)).collect();
        columns.iter_mut().for_each(|column| column.unique_count = 12);
        let odd = schema(vec![table("t", columns)]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let suggested = runtime.block_on(suggested(&odd, None)).unwrap();
        for sql in &suggested.set.placeholders.as_ref().unwrap().explore {
            prop_assert!(validate(sql, &odd.policy()).is_ok());
        }
        prop_assert!(suggested.set.suggestions.len() >= 2);
    }
}
