//! What the model is asked to answer, and the tolerant reading of it.

use gristmill_domain::nl::NlJoinType;
use gristmill_llm::OutputSchema;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, json};

use crate::prompts::line;

/// Longest text of a model that is shown or kept, characters.
const TEXT_CHARS_MAX: usize = 600;
/// Most entries of a list of a model that are kept.
const LIST_MAX: usize = 20;

/// A plan.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Plan {
    #[serde(default, alias = "intent", alias = "intent_summary", alias = "summary", deserialize_with = "text")]
    pub(crate) intent_summary: String,
    #[serde(default = "yes", alias = "isAnswerable", alias = "is_answerable")]
    pub(crate) answerable: bool,
    #[serde(default, alias = "missingData", alias = "missing_data", deserialize_with = "texts")]
    pub(crate) missing: Vec<String>,
    #[serde(alias = "tables", alias = "selected_tables", deserialize_with = "texts")]
    pub(crate) selected_tables: Vec<String>,
    #[serde(default, alias = "joins", alias = "join_plan", deserialize_with = "joins")]
    pub(crate) join_plan: Vec<PlannedJoin>,
    #[serde(default, deserialize_with = "texts")]
    pub(crate) filters: Vec<String>,
    #[serde(default, deserialize_with = "texts")]
    pub(crate) aggregations: Vec<String>,
    #[serde(default, deserialize_with = "texts")]
    pub(crate) assumptions: Vec<String>,
    #[serde(default, deserialize_with = "share")]
    pub(crate) confidence: Option<f64>,
}

fn yes() -> bool {
    true
}

/// A join of a plan.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlannedJoin {
    #[serde(alias = "left_table")]
    pub(crate) left_table: String,
    #[serde(alias = "left_column")]
    pub(crate) left_column: String,
    #[serde(alias = "right_table")]
    pub(crate) right_table: String,
    #[serde(alias = "right_column")]
    pub(crate) right_column: String,
    #[serde(default = "inner", alias = "join_type", alias = "type", deserialize_with = "join_type")]
    pub(crate) join_type: NlJoinType,
    #[serde(default, deserialize_with = "share")]
    pub(crate) confidence: Option<f64>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) reason: String,
}

fn inner() -> NlJoinType {
    NlJoinType::Inner
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct SqlAnswer {
    #[serde(alias = "query", alias = "statement", alias = "SQL", deserialize_with = "statement")]
    pub(crate) sql: String,
    #[serde(default, alias = "reasoning", alias = "explanation", deserialize_with = "text")]
    pub(crate) rationale: String,
    #[serde(default, deserialize_with = "texts")]
    pub(crate) assumptions: Vec<String>,
    #[serde(default, deserialize_with = "share")]
    pub(crate) confidence: Option<f64>,
}

/// The schema of a plan.
pub(crate) fn plan_schema() -> OutputSchema {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    let join = object(&[
        ("leftTable", text.clone()),
        ("leftColumn", text.clone()),
        ("rightTable", text.clone()),
        ("rightColumn", text.clone()),
        ("joinType", json!({ "type": "string", "enum": ["inner", "left", "right", "full"] })),
        ("confidence", json!({ "type": "number" })),
        ("reason", text.clone()),
    ]);
    OutputSchema::new(
        "nl_plan",
        object(&[
            ("intentSummary", text),
            ("answerable", json!({ "type": "boolean" })),
            ("missing", texts.clone()),
            ("selectedTables", texts.clone()),
            ("joinPlan", json!({ "type": "array", "items": join })),
            ("filters", texts.clone()),
            ("aggregations", texts.clone()),
            ("assumptions", texts),
            ("confidence", json!({ "type": "number" })),
        ]),
    )
}

/// The schema of a statement, under the name of the step that asks for it.
pub(crate) fn sql_schema(name: &str) -> OutputSchema {
    OutputSchema::new(
        name,
        object(&[
            ("sql", json!({ "type": "string" })),
            ("rationale", json!({ "type": "string" })),
            ("assumptions", json!({ "type": "array", "items": { "type": "string" } })),
            ("confidence", json!({ "type": "number" })),
        ]),
    )
}

fn object(fields: &[(&str, Value)]) -> Value {
    let properties: serde_json::Map<String, Value> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => line(&text, TEXT_CHARS_MAX),
        Value::Null => String::new(),
        other => line(&other.to_string(), TEXT_CHARS_MAX),
    })
}

/// A list of texts; one text is a list of one, and anything else in it is shown as JSON.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let items = match Value::deserialize(deserializer)? {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        text @ Value::String(_) => vec![text],
        other => return Err(de::Error::custom(format!("expected a list of texts, found {}", line(&other.to_string(), 60)))),
    };
    let shown = |item: Value| match item {
        Value::String(text) => line(&text, TEXT_CHARS_MAX),
        other => line(&other.to_string(), TEXT_CHARS_MAX),
    };
    Ok(items.into_iter().take(LIST_MAX).map(shown).filter(|text| !text.is_empty()).collect())
}

/// Joins; those of another shape are left out, as the statement is what counts.
fn joins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PlannedJoin>, D::Error> {
    let Value::Array(items) = Value::deserialize(deserializer)? else { return Ok(Vec::new()) };
    Ok(items.into_iter().take(LIST_MAX).filter_map(|item| serde_json::from_value(item).ok()).collect())
}

fn join_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NlJoinType, D::Error> {
    let name = String::deserialize(deserializer)?.to_lowercase();
    Ok(match name.split_whitespace().next() {
        Some("left") => NlJoinType::Left,
        Some("right") => NlJoinType::Right,
        Some("full") => NlJoinType::Full,
        _ => NlJoinType::Inner,
    })
}

/// A share from 0 to 1, also written as per cent (`85`, `"85%"`).
fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let number = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().trim_end_matches('%').trim().parse().ok(),
        _ => None,
    };
    Ok(number
        .filter(|number| number.is_finite())
        .map(|number| if number > 1.0 { number / 100.0 } else { number }.clamp(0.0, 1.0)))
}

/// A statement without the fence that some models put around it. What is in it is for the gate to judge.
fn statement<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let mut sql = text.trim();
    if let Some(inner) = sql.strip_prefix("```").and_then(|rest| rest.trim_end().strip_suffix("```")) {
        // The first line may name the language.
        let first_word = inner.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        sql = if first_word.starts_with(['\n', '\r']) { first_word } else { inner }.trim();
    }
    if sql.is_empty() {
        return Err(de::Error::custom("sql is empty"));
    }
    Ok(sql.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(value: Value) -> Plan {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn other_names_and_shapes_are_understood() {
        let read = plan(json!({
            "intent": "count\n orders", "tables": "orders", "joins": [{"nonsense": 1}, {
                "left_table": "orders", "left_column": "customer_id", "right_table": "customers", "right_column": "id", "type": "LEFT OUTER"
            }],
            "filters": [{"column": "region"}], "confidence": "85%",
        }));
        assert_eq!(
            (read.intent_summary.as_str(), read.selected_tables, read.confidence),
            ("count orders", vec!["orders".into()], Some(0.85))
        );
        assert_eq!((read.join_plan.len(), read.join_plan[0].join_type), (1, NlJoinType::Left));
        assert_eq!(read.filters, [r#"{"column":"region"}"#]);
        for (confidence, expected) in
            [(json!(72), Some(0.72)), (json!(1), Some(1.0)), (json!(-3), Some(0.0)), (json!("high"), None), (json!(null), None)]
        {
            assert_eq!(plan(json!({"tables": [], "confidence": confidence})).confidence, expected);
        }
    }

    #[test]
    fn statements_lose_their_fence() {
        let read = |sql: &str| serde_json::from_value::<SqlAnswer>(json!({ "query": sql })).map(|answer| answer.sql);
        assert_eq!(read("```sql\nselect 1\n```").unwrap(), "select 1");
        assert_eq!(read("```\nselect 1```").unwrap(), "select 1");
        assert_eq!(read("```select 1```").unwrap(), "select 1");
        assert_eq!(read(" select '```' ").unwrap(), "select '```'");
        assert!(read("  ").is_err());
    }

    #[test]
    fn other_things_are_refused() {
        for wrong in [json!({}), json!({"tables": 3}), json!([]), json!("orders")] {
            assert!(serde_json::from_value::<Plan>(wrong.clone()).is_err(), "{wrong}");
        }
        for wrong in [json!({}), json!({"sql": 1}), json!({"sql": ["select 1"]}), json!({"answer": "select 1"})] {
            assert!(serde_json::from_value::<SqlAnswer>(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn long_texts_and_lists_are_cut() {
        let long = "x".repeat(10_000);
        let read = plan(json!({"tables": vec![long.as_str(); 100], "intent": long}));
        assert_eq!((read.selected_tables.len(), read.selected_tables[0].chars().count()), (LIST_MAX, TEXT_CHARS_MAX));
        assert_eq!(read.intent_summary.chars().count(), TEXT_CHARS_MAX);
    }
}
