//! Suggestions by a language model: asked for with a schema, held to the contract's bounds, filled up by rules.

use std::time::Duration;

use gristmill_domain::{
    Caller,
    nl::{NlSuggestion, WorkflowPlaceholders},
};
use gristmill_llm::{LlmError, Message, OutputSchema, Provider, Request, Spender, structured};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{bounded, numbered, placeholders, runnable};
use crate::{
    error::NlError,
    nl2sql::context::{ContextLimits, select},
    ports::{ProjectSchema, SuggestionKey, SuggestionSet},
    prompts::{self, Marks, fill, line},
};

const OUTPUT_TOKENS_MAX: u32 = 6000;
const SUGGESTIONS_MIN: usize = 4;
const LIMITS: ContextLimits = ContextLimits { tables_max: 24, columns_max: 18, tokens_max: 6000 };

/// Who asks whom.
pub(super) struct Asked<'a> {
    pub(super) provider: &'a dyn Provider,
    pub(super) model: Option<&'a str>,
    pub(super) timeout: Duration,
    pub(super) caller: &'a Caller,
    pub(super) key: &'a SuggestionKey,
    pub(super) cancel: &'a CancellationToken,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    suggestions: Vec<Suggestion>,
    #[serde(default, alias = "workflow_placeholders")]
    workflow_placeholders: Placeholders,
}

#[derive(Deserialize)]
struct Suggestion {
    prompt: String,
    label: String,
    category: String,
    tables: Vec<String>,
    rationale: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Placeholders {
    preprocessing: Vec<String>,
    #[serde(alias = "feature_engineering")]
    feature_engineering: Vec<String>,
    training: Vec<String>,
    explore: Vec<String>,
}

pub(super) async fn suggest(asked: &Asked<'_>, schema: &ProjectSchema, ruled: &SuggestionSet) -> Result<SuggestionSet, NlError> {
    let marks = Marks::random();
    let shown = schema.clone();
    let chosen = tokio::task::spawn_blocking(move || select("", None, &shown, &[], &LIMITS)).await;
    let context = chosen.map_err(|error| NlError::Internal(error.to_string()))?;
    let tables = marks.block("tables", &context.text);
    let prompt =
        fill(prompts::SUGGESTIONS, &[("mark", marks.mark()), ("tables", &tables), ("dialect", &prompts::dialect_notes())]);
    let mut request = Request::new(vec![Message::user(prompt)])
        .with_output_tokens_max(OUTPUT_TOKENS_MAX)
        .with_cancel(asked.cancel.child_token())
        .with_deadline(Instant::now() + asked.timeout)
        .with_spender(Spender { user: asked.caller.user_id, project: Some(asked.key.project) });
    if let Some(model) = asked.model {
        request = request.with_model(model);
    }
    let answer = structured::ask::<Answer>(asked.provider, request, &output_schema(), &mut |_| ()).await?.value;
    assemble(answer, schema, ruled)
}

fn assemble(answer: Answer, schema: &ProjectSchema, ruled: &SuggestionSet) -> Result<SuggestionSet, NlError> {
    let good: Vec<NlSuggestion> = answer.suggestions.into_iter().filter_map(|one| bounded(read(one), schema)).collect();
    if good.len() < SUGGESTIONS_MIN {
        let detail = format!("only {} of the suggestions keep to the bounds", good.len());
        return Err(NlError::Model(LlmError::InvalidOutput { detail, excerpt: String::new() }));
    }
    let suggestions = numbered(good.into_iter().chain(ruled.suggestions.iter().cloned()).collect());
    let rules = ruled.placeholders.clone();
    let filled = |mut texts: Vec<String>, of_rules: Option<Vec<String>>| {
        texts.iter_mut().for_each(|text| *text = line(text, 150));
        let texts = placeholders(texts);
        // Fewer than three are not worth showing.
        if texts.len() < 3 { placeholders(texts.into_iter().chain(of_rules.unwrap_or_default()).collect()) } else { texts }
    };
    let mine = answer.workflow_placeholders;
    let explore = runnable(mine.explore, schema);
    let explore = if explore.len() < 3 {
        let of_rules = rules.as_ref().map(|rules| rules.explore.clone()).unwrap_or_default();
        runnable(explore.into_iter().chain(of_rules).collect(), schema)
    } else {
        explore
    };
    let placeholders = WorkflowPlaceholders {
        preprocessing: filled(mine.preprocessing, rules.as_ref().map(|rules| rules.preprocessing.clone())),
        feature_engineering: filled(mine.feature_engineering, rules.as_ref().map(|rules| rules.feature_engineering.clone())),
        training: filled(mine.training, rules.as_ref().map(|rules| rules.training.clone())),
        explore,
    };
    Ok(SuggestionSet { suggestions, placeholders: Some(placeholders) })
}

fn read(suggestion: Suggestion) -> NlSuggestion {
    NlSuggestion {
        id: String::new(),
        prompt: line(&suggestion.prompt, 241),
        label: line(&suggestion.label, 81),
        category: line(&suggestion.category, 41),
        tables: suggestion.tables.into_iter().take(5).collect(),
        rationale: line(&suggestion.rationale, 181),
    }
}

fn output_schema() -> OutputSchema {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    let suggestion = json!({
        "type": "object", "additionalProperties": false, "required": ["prompt", "label", "category", "tables", "rationale"],
        "properties": { "prompt": text, "label": text, "category": text, "tables": texts, "rationale": text },
    });
    OutputSchema::new(
        "nl_suggestions",
        json!({
            "type": "object", "additionalProperties": false, "required": ["suggestions", "workflowPlaceholders"],
            "properties": {
                "suggestions": { "type": "array", "items": suggestion },
                "workflowPlaceholders": {
                    "type": "object", "additionalProperties": false,
                    "required": ["preprocessing", "featureEngineering", "training", "explore"],
                    "properties": { "preprocessing": texts, "featureEngineering": texts, "training": texts, "explore": texts },
                },
            },
        }),
    )
}
