//! Filters of models in plain words: by the language model when there is one, by the grammar of `modeling` otherwise.

use std::{collections::BTreeMap, time::Duration};

use gristmill_domain::{Caller, ProjectId};
use gristmill_llm::{LlmError, Message, OutputSchema, Provider, Request, Spender, structured::ask};
use gristmill_modeling::nl_filter::{Known, Operand, Operator, Predicate, parse};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::LanguageModels;

const PROMPT: &str = include_str!("prompts/model_filter.md");
/// How long somebody waits for a filter.
const TIMEOUT: Duration = Duration::from_secs(25);
/// Contract 3, section 13.7.
const OUTPUT_TOKENS_MAX: u32 = 300;
const PREDICATES_MAX: usize = 20;
/// Fields whose values are texts.
const TEXT_FIELDS: [&str; 4] = ["algorithm", "name", "taskType", "status"];

#[derive(Debug, Deserialize)]
struct Answer {
    predicates: Vec<Wanted>,
}

#[derive(Debug, Deserialize)]
struct Wanted {
    field: String,
    operator: String,
    value: Value,
}

/// The conditions that a filter means. Never fails: without a language model, and when it fails, the grammar reads it.
pub async fn model_predicates(
    models: &LanguageModels,
    caller: &Caller,
    project: ProjectId,
    query: &str,
    known: &Known,
) -> Vec<Predicate> {
    let Some(provider) = models.find_provider() else { return parse(query, known) };
    let request = Request::new(vec![Message::system(PROMPT), Message::user(question(query, known).to_string())])
        .with_model(&models.catalog().small_model().id)
        .with_output_tokens_max(OUTPUT_TOKENS_MAX)
        .with_deadline(Instant::now() + TIMEOUT)
        .with_spender(Spender { user: caller.user_id, project: Some(project) });
    match predicates(&*provider, request, known).await {
        Ok(predicates) => predicates,
        Err(error) => {
            tracing::warn!(error.cause = crate::error::chain(&error), "the grammar reads the filter: the language model failed");
            parse(query, known)
        }
    }
}

async fn predicates(provider: &dyn Provider, request: Request, known: &Known) -> Result<Vec<Predicate>, LlmError> {
    let condition = json!({
        "type": "object", "additionalProperties": false, "required": ["field", "operator", "value"],
        "properties": {
            "field": { "type": "string" },
            "operator": { "type": "string", "enum": ["gt", "lt", "eq", "gte", "lte", "contains"] },
            "value": { "anyOf": [{ "type": "string" }, { "type": "number" }] },
        },
    });
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["predicates"],
        "properties": { "predicates": { "type": "array", "items": condition } },
    });
    let answer = ask::<Answer>(provider, request, &OutputSchema::new("model_filter", schema), &mut |_| ()).await?;
    Ok(answer.value.predicates.into_iter().filter_map(|wanted| accepted(wanted, known)).take(PREDICATES_MAX).collect())
}

/// What a model made up is left out: a condition on a field that nothing has would hide every model.
fn accepted(wanted: Wanted, known: &Known) -> Option<Predicate> {
    let operator = match wanted.operator.as_str() {
        "gt" => Operator::Gt,
        "lt" => Operator::Lt,
        "gte" => Operator::Gte,
        "lte" => Operator::Lte,
        "eq" => Operator::Eq,
        "contains" => Operator::Contains,
        _ => return None,
    };
    let value = if TEXT_FIELDS.contains(&wanted.field.as_str()) {
        let text = wanted.value.as_str().map(str::trim).filter(|text| !text.is_empty() && text.len() <= 200)?;
        matches!(operator, Operator::Eq | Operator::Contains).then(|| Operand::Text(text.to_owned()))?
    } else {
        known.metrics.get(&wanted.field)?;
        let number = wanted.value.as_f64().or_else(|| wanted.value.as_str()?.trim().parse().ok());
        let number = number.filter(|number: &f64| number.is_finite() && operator != Operator::Contains)?;
        Operand::Number(number)
    };
    Some(Predicate { field: wanted.field, operator, value })
}

fn question(query: &str, known: &Known) -> Value {
    let metrics: BTreeMap<&String, Value> = known
        .metrics
        .iter()
        .filter_map(|(name, values)| {
            let mut values = values.clone();
            values.sort_by(f64::total_cmp);
            let at = |quarter: usize| values.get(values.len().checked_sub(1)? * quarter / 4).copied();
            Some((name, json!({ "min": at(0)?, "p25": at(1)?, "p50": at(2)?, "p75": at(3)?, "max": at(4)? })))
        })
        .collect();
    json!({
        "metrics": metrics, "algorithms": known.algorithms,
        "taskTypes": ["classification", "regression", "clustering"], "filter": query,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_makes_up_is_left_out() {
        let known = Known { metrics: BTreeMap::from([("accuracy".to_owned(), vec![0.5, 0.9])]), algorithms: vec![] };
        let check = |field: &str, operator: &str, value: Value, expected: Option<Operand>| {
            let wanted = Wanted { field: field.into(), operator: operator.into(), value: value.clone() };
            assert_eq!(accepted(wanted, &known).map(|predicate| predicate.value), expected, "{field} {operator} {value}");
        };
        check("accuracy", "gte", json!(0.5), Some(Operand::Number(0.5)));
        check("accuracy", "gte", json!("0.5"), Some(Operand::Number(0.5)));
        check("name", "contains", json!("churn"), Some(Operand::Text("churn".into())));
        for (field, operator, value) in [
            ("secret", "eq", json!(1)),
            ("accuracy", "contains", json!(1)),
            ("accuracy", "eq", json!("inf")),
            ("accuracy", "between", json!(1)),
            ("name", "gt", json!("a")),
            ("name", "eq", json!(" ")),
            ("status", "eq", json!(1)),
        ] {
            check(field, operator, value, None);
        }
    }

    #[test]
    fn the_question_has_the_quantiles() {
        let known = Known {
            metrics: BTreeMap::from([("f1".to_owned(), vec![0.9, 0.1, 0.5]), ("empty".to_owned(), vec![])]),
            algorithms: vec![],
        };
        let metrics = question("high f1", &known)["metrics"].clone();
        assert_eq!(metrics, json!({ "f1": { "min": 0.1, "p25": 0.1, "p50": 0.5, "p75": 0.5, "max": 0.9 } }));
    }
}
