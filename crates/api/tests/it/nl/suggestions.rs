//! Suggested questions while a model makes them, and what becomes of what it makes.

use std::{collections::BTreeSet, ops::RangeInclusive};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    model::{Does, Gate, ModelServer},
    with_compatible,
};
use crate::support::{Client, eventually};

const SCHEMA: &str = "nl_suggestions";
const MADE_UP: &str = "Made up";

fn suggestion(prompt: &str) -> Value {
    json!({
        "prompt": prompt, "label": "A question", "category": MADE_UP, "tables": ["sales"],
        "rationale": "Because it is a test of it"
    })
}

fn good(number: u32) -> String {
    format!("What is asked in question number {number}?")
}

/// Suggestions that break one bound each.
fn bad() -> Vec<Value> {
    let long = |chars: usize| json!("x".repeat(chars));
    let changes = [
        ("prompt", json!("Too short")),
        ("prompt", long(241)),
        ("prompt", long(2000)),
        ("label", json!("short")),
        ("label", long(81)),
        ("category", json!("ab")),
        ("category", long(41)),
        ("rationale", json!("too short")),
        ("rationale", long(181)),
        ("tables", json!([])),
        ("tables", json!(["users"])),
        ("tables", json!(["sales", "nowhere"])),
        ("tables", json!(["sales", "sales", "sales", "sales", "sales"])),
    ];
    let broken = (1..).zip(changes).map(|(number, (field, value))| {
        let mut one = suggestion(&format!("Out of bounds: suggestion number {number}"));
        one[field] = value;
        one
    });
    broken.collect()
}

const EXPLORE: [&str; 3] = ["select * from sales", "select \"Region\" from sales", "select sum(amount) as total from sales"];

/// What the model says: five good suggestions, one of them twice, and bad ones of every kind between them.
fn answer() -> Value {
    let mut suggestions = vec![suggestion(&good(1)), suggestion(&good(1).to_uppercase())];
    suggestions.extend(bad());
    suggestions.extend((2..=5).map(|number| suggestion(&good(number))));
    let mut explore = vec![
        "delete from sales where true".to_owned(),
        "select * from users".to_owned(),
        "select * from pg_catalog.pg_class".to_owned(),
        "select 1".to_owned(),
        format!("select * from sales where \"Region\" = '{}'", "x".repeat(300)),
    ];
    explore.extend(EXPLORE.map(ToOwned::to_owned));
    explore.push(EXPLORE[0].to_owned());
    let texts =
        |what: &str, count: u32| -> Vec<String> { (1..=count).map(|n| format!("{what} the column number {n}")).collect() };
    let mut preprocessing = texts("Clean", 3);
    preprocessing.extend(["Too short".to_owned(), "Clean the column number 1".to_owned(), "y".repeat(400)]);
    json!({
        "suggestions": suggestions,
        "workflowPlaceholders": {
            "preprocessing": preprocessing, "featureEngineering": texts("Derive", 3), "training": texts("Predict", 9),
            "explore": explore,
        },
    })
}

/// A model that makes suggestions once the gate is open.
fn slow_model() -> (ModelServer, Gate) {
    let gate = Gate::default();
    let held = gate.clone();
    let model = ModelServer::start(move |asked| {
        if asked.schema != SCHEMA {
            return Does::Says(json!({}));
        }
        held.wait();
        Does::Says(answer())
    });
    (model, gate)
}

fn path(project: &str) -> String {
    format!("/api/query/nl/suggestions?projectId={project}&limit=12")
}

/// Four visitors at once.
async fn visits(client: &Client, project: &str) -> Vec<Value> {
    let path = path(project);
    join_all((0..4).map(|_| client.get(&path))).await.into_iter().map(|answer| answer.expect(200)).collect()
}

/// The set once the model has made it.
async fn made(client: &Client, project: &str) -> Value {
    eventually("the model's suggestions", async || {
        let set = client.get(&path(project)).await.expect(200);
        (set["cached"] == true).then_some(set)
    })
    .await
}

fn prompts(set: &Value) -> Vec<&str> {
    set["suggestions"].as_array().unwrap().iter().map(|one| one["prompt"].as_str().unwrap()).collect()
}

fn assert_texts(texts: &Value, count: &RangeInclusive<usize>, chars: &RangeInclusive<usize>) {
    let texts: Vec<&str> = texts.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert!(count.contains(&texts.len()), "{texts:?}");
    let distinct: BTreeSet<&&str> = texts.iter().collect();
    assert_eq!(distinct.len(), texts.len(), "{texts:?}");
    assert!(texts.iter().all(|text| chars.contains(&text.chars().count())), "{texts:?}");
}

/// The bounds of contract 2, section 10.
fn assert_within_bounds(set: &Value) {
    let suggestions = set["suggestions"].as_array().unwrap();
    assert!((4..=12).contains(&suggestions.len()), "{set}");
    for one in suggestions {
        for (field, chars) in [("prompt", 20..=240), ("label", 6..=80), ("category", 3..=40), ("rationale", 12..=180)] {
            assert!(chars.contains(&one[field].as_str().unwrap().chars().count()), "{field}: {one}");
        }
        let tables = one["tables"].as_array().unwrap();
        assert!((1..=4).contains(&tables.len()) && tables.iter().all(|table| table == "sales"), "{one}");
    }
    let placeholders = &set["workflowPlaceholders"];
    for phase in ["preprocessing", "featureEngineering", "training"] {
        assert_texts(&placeholders[phase], &(3..=6), &(15..=150));
    }
    assert_texts(&placeholders["explore"], &(3..=12), &(10..=300));
}

#[actix_web::test]
async fn suggestions_by_rules_come_at_once_while_a_model_is_asked_once() {
    let (model, gate) = slow_model();
    let (app, ada, project) = with_compatible(&model.url).await;
    // The model does not answer before the gate is opened, and these do.
    let first = ada.get(&path(&project)).await.expect(200);
    eventually("the model to be asked", async || (!model.asked(SCHEMA).is_empty()).then_some(())).await;
    for again in visits(&ada, &project).await {
        assert_eq!(again, first);
    }
    assert_eq!(first["cached"], false);
    assert_within_bounds(&first);
    assert_eq!(model.asked(SCHEMA).len(), 1, "all of them wait for one answer");

    gate.open();
    let made = made(&ada, &project).await;
    assert_eq!(prompts(&made)[0], good(1));
    assert_eq!(made["schemaFingerprint"], first["schemaFingerprint"]);
    for later in visits(&ada, &project).await {
        assert_eq!(later, made, "it is kept");
    }
    assert_eq!(model.asked(SCHEMA).len(), 1);

    let bare = app.second_server(&[]).await;
    let without_a_model = Client::new(&format!("http://{}", bare.address()), ada.token.as_deref());
    let ruled = without_a_model.get(&path(&project)).await.expect(200);
    assert_eq!(ruled["suggestions"], first["suggestions"], "what came at once is what rules say");
}

#[actix_web::test]
async fn what_the_model_suggests_is_held_to_the_bounds() {
    let (model, gate) = slow_model();
    gate.open();
    let (_app, ada, project) = with_compatible(&model.url).await;
    // Asks for it, if the upload did not.
    ada.get(&path(&project)).await.expect(200);
    let made = made(&ada, &project).await;
    assert_within_bounds(&made);
    let expected: Vec<String> = (1..=5).map(good).collect();
    assert_eq!(prompts(&made)[..5], expected, "in the order in which they came");
    let of_model = made["suggestions"].as_array().unwrap().iter().filter(|one| one["category"] == MADE_UP).count();
    assert_eq!(of_model, 5, "{made}");
    let distinct: BTreeSet<String> = prompts(&made).into_iter().map(str::to_lowercase).collect();
    assert_eq!(distinct.len(), prompts(&made).len(), "no question twice, in whatever case");
    assert!(prompts(&made).iter().all(|prompt| !prompt.contains("Out of bounds")), "{made}");
    let placeholders = &made["workflowPlaceholders"];
    assert_eq!(placeholders["preprocessing"][2], "Clean the column number 3");
    assert_eq!(placeholders["training"].as_array().unwrap().len(), 6);
    assert_eq!(placeholders["explore"], json!(EXPLORE));
    for statement in EXPLORE {
        ada.sql(&project, statement).await.expect(200);
    }
}
