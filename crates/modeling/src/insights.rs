//! Texts about models from templates, for servers without a language model. Every number in them is one that was measured.
//! They are Markdown, in which names of models, projects and columns are no markup.

use std::fmt::Write as _;

use gristmill_domain::{
    markdown::plain,
    models::{Model, ModelStatus},
};
use serde_json::Value;

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsightKind {
    /// A sentence above the list.
    Banner,
    /// What one model's numbers mean.
    Explain,
    /// How some models differ.
    Compare,
    /// Where a model is wrong.
    ErrorNarrative,
    /// All of a project, in six sections.
    Report,
}

impl InsightKind {
    /// Reads a sent name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "banner" => Self::Banner,
            "explain" => Self::Explain,
            "compare" => Self::Compare,
            "error_narrative" => Self::ErrorNarrative,
            "report" => Self::Report,
            _ => return None,
        })
    }
}

/// Tells something about a project's models. `context` is what the client showed when it asked.
#[must_use]
pub fn tell(kind: InsightKind, project: &str, models: &[Model], context: &Value) -> String {
    match kind {
        InsightKind::Banner => banner(models),
        InsightKind::Explain => about_context(context, "This model"),
        InsightKind::Compare => format!("{}\n\n{}", banner(models), about_context(context, "The compared models")),
        InsightKind::ErrorNarrative => error_narrative(context),
        InsightKind::Report => report(project, models),
    }
}

/// The metric that ranks a model, and whether more is better.
fn primary(model: &Model) -> Option<(&'static str, f64)> {
    ["accuracy", "r2", "silhouette"].into_iter().find_map(|name| Some((name, *model.metrics.get(name)?)))
}

fn ranked(models: &[Model]) -> Vec<(&Model, &'static str, f64)> {
    let mut all: Vec<_> = models
        .iter()
        .filter(|model| model.status == ModelStatus::Completed)
        .filter_map(|model| primary(model).map(|(name, value)| (model, name, value)))
        .collect();
    all.sort_by(|one, other| one.1.cmp(other.1).then(other.2.total_cmp(&one.2)));
    all
}

fn banner(models: &[Model]) -> String {
    let failed = models.iter().filter(|model| model.status == ModelStatus::Failed).count();
    let ranked = ranked(models);
    let Some((best, name, value)) = ranked.first() else {
        return match failed {
            0 => "There is no trained model yet. Train one to see how it does.".to_owned(),
            _ => format!("None of {failed} trainings succeeded yet; each says why it failed."),
        };
    };
    let mut text = format!("{} leads with {name} {value:.3}, measured on rows that it never saw.", name_of(best));
    if let Some((second, _, other)) = ranked.get(1).filter(|(_, other, _)| other == name) {
        let _ = write!(text, " {} follows with {other:.3}, {:.3} less.", name_of(second), value - other);
    }
    if failed > 0 {
        let _ = write!(text, " {failed} of {} trainings failed.", models.len());
    }
    text
}

/// The numbers of a context, in words.
fn about_context(context: &Value, subject: &str) -> String {
    let mut numbers = Vec::new();
    collect("", context, &mut numbers);
    if numbers.is_empty() {
        return format!("{subject} has no measured numbers yet; they come with the evaluation.");
    }
    let shown: Vec<String> = numbers.iter().take(12).map(|(name, value)| format!("{} {value:.3}", plain(name))).collect();
    let mut text = format!("{subject} in numbers: {}.", shown.join(", "));
    if numbers.len() > shown.len() {
        let _ = write!(text, " {} more were measured.", numbers.len() - shown.len());
    }
    text
}

fn collect(path: &str, value: &Value, numbers: &mut Vec<(String, f64)>) {
    match value {
        Value::Number(number) => {
            if let Some(number) = number.as_f64().filter(|_| !path.is_empty()) {
                numbers.push((path.to_owned(), number));
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                let path = if path.is_empty() || key == "metrics" { key.clone() } else { format!("{path} {key}") };
                collect(path.strip_prefix("metrics ").unwrap_or(&path), value, numbers);
            }
        }
        Value::Array(items) => {
            // Curves are for charts; a short list may be one of models.
            for item in items.iter().filter(|item| item.is_object()).take(5) {
                let name = item["name"].as_str().unwrap_or(path);
                collect(name, &item["metrics"], numbers);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn error_narrative(context: &Value) -> String {
    let tree = if context["error_tree"].is_object() { &context["error_tree"] } else { &context["errorTree"] };
    let Some(rows) = tree["sample_count"].as_u64() else { return about_context(context, "The errors") };
    let errors = tree["error_count"].as_u64().unwrap_or(0);
    let mut text = format!("{errors} of {rows} held out rows were predicted wrong.");
    let mut worst: Option<(f64, u64, String)> = None;
    walk(tree, "", &mut worst);
    if let Some((rate, count, place)) = worst.filter(|(_, _, place)| !place.is_empty()) {
        let _ = write!(text, " They are densest where {place}: {:.1} % of {count} rows.", rate * 100.0);
    }
    text
}

fn walk(node: &Value, path: &str, worst: &mut Option<(f64, u64, String)>) {
    let (rate, rows) = (node["error_rate"].as_f64().unwrap_or(0.0), node["sample_count"].as_u64().unwrap_or(0));
    if rows >= 5 && worst.as_ref().is_none_or(|(best, _, _)| rate > *best) {
        *worst = Some((rate, rows, path.to_owned()));
    }
    let (Some(feature), Some(threshold)) = (node["feature"].as_str(), node["threshold"].as_f64()) else { return };
    let feature = plain(feature);
    let join = |condition: String| if path.is_empty() { condition } else { format!("{path} and {condition}") };
    walk(&node["left"], &join(format!("{feature} is at most {threshold:.3}")), worst);
    walk(&node["right"], &join(format!("{feature} is above {threshold:.3}")), worst);
}

fn report(project: &str, models: &[Model]) -> String {
    let ranked = ranked(models);
    let mut text = format!("# {}\n\n## Summary\n\n{}\n\n## Rankings\n\n", plain(project), banner(models));
    for (place, (model, name, value)) in ranked.iter().enumerate() {
        let _ = writeln!(text, "{}. **{}** ({}): {name} {value:.4}", place + 1, name_of(model), plain(&model.algorithm));
    }
    if ranked.is_empty() {
        text.push_str("There is nothing to rank yet.\n");
    }
    text.push_str("\n## Metric by metric\n\n");
    for (model, _, _) in &ranked {
        let metrics: Vec<String> = model.metrics.iter().map(|(name, value)| format!("{} {value:.4}", plain(name))).collect();
        let _ = writeln!(text, "- **{}**: {}", name_of(model), metrics.join(", "));
    }
    text.push_str("\n## Efficiency\n\n");
    for (model, _, _) in &ranked {
        let seconds = model
            .training_ms
            .map_or_else(|| "an unknown time".to_owned(), |ms| format!("{}.{:01} s", ms / 1000, ms % 1000 / 100));
        let _ = writeln!(text, "- **{}** took {seconds} for {} rows.", name_of(model), model.sample_count.unwrap_or(0));
    }
    text.push_str("\n## Recommendations\n\n");
    text.push_str(&recommendations(&ranked));
    text.push_str("\n## Issues\n\n");
    let mut none = true;
    for model in models.iter().filter(|model| model.status == ModelStatus::Failed) {
        none = false;
        let _ =
            writeln!(text, "- **{}** failed: {}", name_of(model), plain(model.error.as_deref().unwrap_or("no reason was given")));
    }
    if none {
        text.push_str("None was found.\n");
    }
    text
}

fn name_of(model: &Model) -> String {
    plain(&model.plan.name)
}

fn recommendations(ranked: &[(&Model, &'static str, f64)]) -> String {
    let Some((best, name, value)) = ranked.first() else { return "- Train a first model.\n".to_owned() };
    let mut text = format!("- Take **{}** further: its {name} of {value:.4} is the best so far.\n", name_of(best));
    if best.metadata.get("tuning").is_none() {
        text.push_str("- Tune it: its parameters are the ones that it was given.\n");
    }
    if ranked.len() < 2 {
        text.push_str("- Train another template, to have something to compare with.\n");
    }
    text
}
