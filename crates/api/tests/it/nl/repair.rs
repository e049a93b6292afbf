//! Statements with errors, and what the model learns of them before it writes another.

use serde_json::{Value, json};

use super::{
    content, lines,
    model::{Does, ModelServer, block},
    question, with_compatible,
};

/// `form` instead of `from`, at the start of the second line.
const BAD_SYNTAX: &str = "select \"Region\", sum(amount) as total\nform sales group by 1";
/// A column that is not there. Only the engine knows.
const BAD_NAME: &str = "select \"Region\", sum(amuont) as total from sales group by 1";

/// A model whose first statement is this one.
fn model(first: &'static str) -> ModelServer {
    ModelServer::start(move |asked| {
        let mut said = content(&asked.schema);
        if asked.schema == "nl_sql" {
            said["sql"] = json!(first);
        }
        Does::Says(said)
    })
}

/// The prompt of the only question with this schema.
fn prompt(model: &ModelServer, schema: &str) -> String {
    let asked = model.asked(schema);
    assert_eq!(asked.len(), 1, "{schema}");
    asked[0].prompt().to_owned()
}

fn has_note(nl: &Value, words: &str) -> bool {
    let notes = nl["explanation"]["validationNotes"].as_array().unwrap();
    notes.iter().any(|note| note.as_str().unwrap().contains(words))
}

fn assert_is_right(nl: &Value) {
    assert_eq!(nl["query"]["rows"], json!([{ "Region": "north", "total": 12.5 }, { "Region": "south", "total": 5 }]), "{nl}");
    assert_eq!(nl["queryExecutionError"], Value::Null);
}

#[actix_web::test]
async fn a_statement_that_cannot_be_parsed_is_written_anew_from_its_error_and_place() {
    let model = model(BAD_SYNTAX);
    let (_app, ada, project) = with_compatible(&model.url).await;
    let nl = ada.post("/api/query/nl", &question(&project)).await.expect(200)["nl"].clone();
    let prompt = prompt(&model, "nl_sql_compact");
    let (_, problem) = block(&prompt, "problem").unwrap();
    assert!(problem.contains("syntax error at or near \"form\"") && problem.contains("(line 2, column 1)"), "{problem}");
    assert_is_right(&nl);
    assert!(has_note(&nl, "second, simpler try"), "{nl}");
    assert_eq!(nl["explanation"]["confidenceMode"], "model");
}

#[actix_web::test]
async fn a_statement_that_the_engine_refuses_is_mended_from_its_words() {
    let model = model(BAD_NAME);
    let (_app, ada, project) = with_compatible(&model.url).await;
    let lines = lines(&ada, &project).await;
    let prompt = prompt(&model, "nl_repair");
    let (_, error) = block(&prompt, "error").unwrap();
    assert!(error.contains("column \"amuont\" does not exist") && error.contains("Perhaps you meant \"amount\""), "{error}");
    let (_, statement) = block(&prompt, "statement").unwrap();
    assert!(statement.contains("sum(amuont)"), "{statement}");
    let result = lines.iter().find(|line| line["type"] == "result").unwrap();
    let nl = &result["nl"];
    assert_is_right(nl);
    assert!(has_note(nl, "this one was mended"), "{nl}");
    assert_eq!((&nl["explanation"]["confidenceMode"], &nl["explanation"]["outcome"]), (&json!("repair"), &json!("rows")));
    assert!(nl["explanation"]["confidence"].as_f64().unwrap() <= 0.6, "{nl}");
    let repaired = lines.iter().filter(|line| line["phaseId"] == "repair" && line["type"] == "phase_completed").count();
    assert_eq!(repaired, 1);
}

#[actix_web::test]
async fn the_model_is_told_where_the_engine_found_the_error() {
    let model = model(BAD_NAME);
    let (_app, ada, project) = with_compatible(&model.url).await;
    ada.post("/api/query/nl", &question(&project)).await.expect(200);
    let prompt = prompt(&model, "nl_repair");
    let (_, error) = block(&prompt, "error").unwrap();
    let (_, statement) = block(&prompt, "statement").unwrap();
    let place = error.split_once("(line 1, column ").and_then(|(_, rest)| rest.split_once(')'));
    let (column, _) = place.unwrap_or_else(|| panic!("no place in: {error}"));
    let column: usize = column.parse().unwrap();
    let there: String = statement.chars().skip(column - 1).take(6).collect();
    assert_eq!(there, "amuont", "column {column} of {statement}");
}
