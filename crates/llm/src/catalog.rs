//! Which models there are: what people choose from, what providers call it, what it costs.
//!
//! The built-in catalog is the contract's table (2, section 5.2). A file in the same form replaces it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Effort, Usage};

/// A catalog file is refused beyond this.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Models beyond this are refused.
const MODELS_MAX: usize = 500;

/// A catalog that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file cannot be read.
    #[error("the catalog {path} cannot be read")]
    Unreadable {
        /// Where it should be.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no catalog.
    #[error("the catalog is wrong: {0}")]
    Wrong(String),
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// The best at most things.
    Base,
    /// For code.
    Codex,
    /// Smaller: quick and cheap.
    Mini,
    /// The smallest.
    Nano,
}

/// US dollars for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Price {
    /// Sent.
    pub input: f64,
    /// Sent, and read from the provider's cache; absent: as `input`.
    #[serde(default)]
    pub cached_input: Option<f64>,
    /// Written, thinking included.
    pub output: f64,
}

/// A model that can be chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelEntry {
    /// What clients send.
    pub id: String,
    /// What the provider calls it; absent: as `id`.
    #[serde(default)]
    pub provider_model: Option<String>,
    /// Its name for people.
    pub label: String,
    /// What it is for.
    pub kind: ModelKind,
    /// A sentence about it.
    #[serde(default)]
    pub description: String,
    /// A hint for who chooses.
    #[serde(default)]
    pub tip: Option<String>,
    /// The efforts that it has; none: it takes no such parameter.
    #[serde(default)]
    pub reasoning_efforts: Vec<Effort>,
    /// The effort that is chosen for people who do not.
    #[serde(default)]
    pub default_reasoning_effort: Option<Effort>,
    /// Tokens that fit into one conversation.
    #[serde(default)]
    pub context_window: Option<u64>,
    /// What it costs.
    #[serde(default)]
    pub price: Option<Price>,
    /// Other ids that clients may send for it.
    #[serde(default)]
    pub aliases: Vec<String>,
}

impl ModelEntry {
    /// A model of which nothing but its name is known.
    #[must_use]
    pub fn named(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            provider_model: None,
            label: id.to_owned(),
            kind: ModelKind::Base,
            description: String::new(),
            tip: None,
            reasoning_efforts: Vec::new(),
            default_reasoning_effort: None,
            context_window: None,
            price: None,
            aliases: Vec::new(),
        }
    }

    /// What the provider calls it.
    #[must_use]
    pub fn provider_name(&self) -> &str {
        self.provider_model.as_deref().unwrap_or(&self.id)
    }

    /// The effort to send for one that was asked for: itself when the model has it, else the model's own; nothing when the
    /// model has none.
    #[must_use]
    pub fn effort(&self, wanted: Effort) -> Option<Effort> {
        if self.reasoning_efforts.contains(&wanted) {
            return Some(wanted);
        }
        self.default_reasoning_effort.or_else(|| self.reasoning_efforts.first().copied())
    }

    fn answers_to(&self, id: &str) -> bool {
        self.id == id || self.aliases.iter().any(|alias| alias == id)
    }
}

/// The models that there are.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalog {
    default: ModelEntry,
    small: ModelEntry,
    models: Vec<ModelEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(default)]
    default_model: Option<String>,
    /// For short texts and quick answers.
    #[serde(default)]
    small_model: Option<String>,
    models: Vec<ModelEntry>,
}

impl Catalog {
    /// The contract's four models.
    #[must_use]
    pub fn built_in() -> Self {
        let efforts = vec![Effort::Low, Effort::Medium, Effort::High, Effort::Xhigh];
        let model = |id: &str, label: &str, kind, description: &str, effort, alias: &[&str]| ModelEntry {
            label: label.to_owned(),
            kind,
            description: description.to_owned(),
            reasoning_efforts: efforts.clone(),
            default_reasoning_effort: Some(effort),
            aliases: alias.iter().map(|alias| (*alias).to_owned()).collect(),
            ..ModelEntry::named(id)
        };
        let base = model("gpt-5.4", "GPT-5.4", ModelKind::Base, "The best at most things.", Effort::High, &[]);
        let codex = model("gpt-5.3-codex", "GPT-5.3 Codex", ModelKind::Codex, "For long work on code.", Effort::High, &[]);
        let mini = "Quicker and cheaper, for everyday work.";
        let mini = model("gpt-5.4-mini", "GPT-5.4 mini", ModelKind::Mini, mini, Effort::Medium, &["gpt-5-mini"]);
        let nano = "The quickest and cheapest, for small things.";
        let nano = model("gpt-5.4-nano", "GPT-5.4 nano", ModelKind::Nano, nano, Effort::Low, &["gpt-5-nano"]);
        Self { default: base.clone(), small: mini.clone(), models: vec![base, codex, mini, nano] }
    }

    /// Of one model, for servers that have one.
    #[must_use]
    pub fn of(model: ModelEntry) -> Self {
        Self { default: model.clone(), small: model.clone(), models: vec![model] }
    }

    /// Reads a catalog.
    ///
    /// # Errors
    /// `Wrong` with what is wrong: no models, an id twice, a default that is not there, a price below zero.
    pub fn from_json(json: &str) -> Result<Self, CatalogError> {
        let wrong = |text: String| Err(CatalogError::Wrong(text));
        let file: File = serde_json::from_str(json).map_err(|error| CatalogError::Wrong(error.to_string()))?;
        let models = file.models;
        if models.len() > MODELS_MAX {
            return wrong(format!("it has more than {MODELS_MAX} models"));
        }
        let mut ids = std::collections::HashSet::new();
        for model in &models {
            for id in std::iter::once(&model.id).chain(&model.aliases) {
                if id.is_empty() || id == "auto" || !ids.insert(id.clone()) {
                    return wrong(format!("the id or alias `{id}` is empty, reserved or there twice"));
                }
            }
            let prices = model.price.iter().flat_map(|price| [Some(price.input), price.cached_input, Some(price.output)]);
            if prices.flatten().any(|price| !price.is_finite() || !(0.0..=1e6).contains(&price)) {
                return wrong(format!("the price of `{}` must be from 0 to 1000000", model.id));
            }
            if model.default_reasoning_effort.is_some_and(|effort| !model.reasoning_efforts.contains(&effort)) {
                return wrong(format!("the default effort of `{}` is none of its efforts", model.id));
            }
        }
        let Some(first) = models.first() else { return wrong("it has no models".into()) };
        let find = |id: &Option<String>| match id {
            None => Ok(None),
            Some(id) => match models.iter().find(|model| model.answers_to(id)) {
                Some(model) => Ok(Some(model.clone())),
                None => Err(CatalogError::Wrong(format!("there is no model `{id}`"))),
            },
        };
        let default = find(&file.default_model)?.unwrap_or_else(|| first.clone());
        let mini = models.iter().find(|model| model.kind == ModelKind::Mini);
        let small = find(&file.small_model)?.unwrap_or_else(|| mini.unwrap_or(&default).clone());
        Ok(Self { default, small, models })
    }

    /// Reads the catalog in a file.
    ///
    /// # Errors
    /// `Unreadable`, or `Wrong` with what is wrong.
    pub fn from_file(path: &Path) -> Result<Self, CatalogError> {
        let unreadable = |source| CatalogError::Unreadable { path: path.display().to_string(), source };
        if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MAX {
            return Err(CatalogError::Wrong(format!("it is larger than {FILE_BYTES_MAX} bytes")));
        }
        Self::from_json(&std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// It with another default. A model that is not in it is put in front.
    #[must_use]
    pub fn with_default(mut self, id: &str) -> Self {
        self.default = self.found_or_added(id);
        self
    }

    /// It with another model for short texts. A model that is not in it is put in front.
    #[must_use]
    pub fn with_small(mut self, id: &str) -> Self {
        self.small = self.found_or_added(id);
        self
    }

    fn found_or_added(&mut self, id: &str) -> ModelEntry {
        if let Some(model) = self.models.iter().find(|model| model.answers_to(id)) {
            return model.clone();
        }
        let model = ModelEntry::named(id);
        self.models.insert(0, model.clone());
        model
    }

    /// All of them, in the order in which they are shown.
    #[must_use]
    pub fn models(&self) -> &[ModelEntry] {
        &self.models
    }

    /// The model for who does not choose.
    #[must_use]
    pub fn default_model(&self) -> &ModelEntry {
        &self.default
    }

    /// The model for short texts and quick answers.
    #[must_use]
    pub fn small_model(&self) -> &ModelEntry {
        &self.small
    }

    /// The model that a client means: by id or alias; the default for nothing, `auto` and ids that there are not.
    #[must_use]
    pub fn resolve(&self, id: Option<&str>) -> &ModelEntry {
        id.and_then(|id| self.models.iter().find(|model| model.answers_to(id))).unwrap_or(&self.default)
    }

    /// What tokens cost, in millionths of a US dollar; nothing when there is no price. `model` may be the provider's name.
    #[must_use]
    pub fn cost_micros(&self, model: &str, usage: &Usage) -> Option<u64> {
        let entry = self.models.iter().find(|entry| entry.answers_to(model) || entry.provider_name() == model)?;
        let price = entry.price?;
        let cached = usage.cached_tokens().min(usage.input_tokens);
        // Dollars for a million tokens are millionths of a dollar for one.
        let parts = [
            (usage.input_tokens - cached, price.input),
            (cached, price.cached_input.unwrap_or(price.input)),
            (usage.output_tokens, price.output),
        ];
        let micros: f64 = parts.iter().map(|(tokens, price)| approximate(*tokens) * price).sum();
        Some(whole(micros))
    }
}

#[expect(clippy::as_conversions, reason = "counts of tokens are far below 2^53, where this is exact")]
fn approximate(tokens: u64) -> f64 {
    tokens as f64
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates: prices are checked to be finite and not below zero"
)]
fn whole(micros: f64) -> u64 {
    micros.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_catalog_is_the_contracts_table() {
        let catalog = Catalog::built_in();
        let table: Vec<(&str, ModelKind, Option<Effort>)> =
            catalog.models().iter().map(|model| (model.id.as_str(), model.kind, model.default_reasoning_effort)).collect();
        let expected = [
            ("gpt-5.4", ModelKind::Base, Some(Effort::High)),
            ("gpt-5.3-codex", ModelKind::Codex, Some(Effort::High)),
            ("gpt-5.4-mini", ModelKind::Mini, Some(Effort::Medium)),
            ("gpt-5.4-nano", ModelKind::Nano, Some(Effort::Low)),
        ];
        assert_eq!(table, expected);
        for (sent, meant) in [
            (None, "gpt-5.4"),
            (Some("auto"), "gpt-5.4"),
            (Some("who knows"), "gpt-5.4"),
            (Some("gpt-5-mini"), "gpt-5.4-mini"),
            (Some("gpt-5.4-nano"), "gpt-5.4-nano"),
        ] {
            assert_eq!(catalog.resolve(sent).id, meant, "{sent:?}");
        }
        assert_eq!(catalog.small_model().id, "gpt-5.4-mini");
        assert_eq!(catalog.default_model().effort(Effort::Minimal), Some(Effort::High), "minimal is always replaced");
        assert_eq!(catalog.default_model().effort(Effort::Xhigh), Some(Effort::Xhigh));
        assert_eq!(ModelEntry::named("x").effort(Effort::High), None);
    }

    #[test]
    fn an_operator_may_name_any_model() {
        let catalog = Catalog::built_in().with_default("o9").with_small("gpt-5-nano");
        assert_eq!((catalog.default_model().id.as_str(), catalog.models().len()), ("o9", 5));
        assert_eq!(catalog.small_model().id, "gpt-5.4-nano");
    }

    #[test]
    fn a_file_replaces_it() {
        let catalog = Catalog::from_json(
            r#"{"defaultModel": "fast", "models": [
                {"id": "big", "label": "Big", "kind": "base", "contextWindow": 8192, "price": {"input": 2.5, "cachedInput": 0.25, "output": 10}},
                {"id": "small", "providerModel": "llama3:8b", "label": "Small", "kind": "mini", "aliases": ["fast"],
                 "reasoningEfforts": ["low"], "defaultReasoningEffort": "low"}]}"#,
        )
        .unwrap();
        assert_eq!((catalog.default_model().id.as_str(), catalog.small_model().provider_name()), ("small", "llama3:8b"));
        assert_eq!(catalog.cost_micros("big", &Usage::new(1_000_000, 100_000).with_cached(400_000)), Some(2_600_000));
        assert_eq!(catalog.cost_micros("llama3:8b", &Usage::new(5, 5)), None);
        for (json, part) in [
            (r#"{"models": []}"#, "no models"),
            (r#"{"models": [{"id": "a", "label": "A", "kind": "huge"}]}"#, "huge"),
            (r#"{"models": [{"id": "a", "label": "A", "kind": "base", "contextWindow": "x"}]}"#, "x"),
            (
                r#"{"models": [{"id": "a", "label": "A", "kind": "base"}, {"id": "b", "label": "B", "kind": "base", "aliases": ["a"]}]}"#,
                "twice",
            ),
            (r#"{"models": [{"id": "auto", "label": "A", "kind": "base"}]}"#, "reserved"),
            (r#"{"defaultModel": "b", "models": [{"id": "a", "label": "A", "kind": "base"}]}"#, "no model `b`"),
            (r#"{"models": [{"id": "a", "label": "A", "kind": "base", "price": {"input": -1, "output": 1}}]}"#, "price"),
            (r#"{"models": [{"id": "a", "label": "A", "kind": "base", "defaultReasoningEffort": "low"}]}"#, "effort"),
        ] {
            let error = Catalog::from_json(json).unwrap_err().to_string();
            assert!(error.contains(part), "{json}: {error}");
        }
        assert!(matches!(Catalog::from_file(Path::new("/nonexistent")), Err(CatalogError::Unreadable { .. })));
    }
}
