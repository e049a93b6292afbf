//! `compare_models`: experiments in the order of one score.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::{TrainingRun, arguments, experiments::Experiment, markers::Metrics};
use crate::tools::ToolOutput;

/// Most experiments of a comparison.
const COMPARED_MAX: usize = 20;

/// The scores of registered models on the server's held out rows, by the models' ids.
pub type Scored = BTreeMap<String, Metrics>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Arguments {
    experiment_ids: Vec<String>,
    primary_metric: String,
    #[serde(default)]
    include_hyperparameters: bool,
    #[serde(default)]
    sort_order: Option<SortOrder>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SortOrder {
    Ascending,
    Descending,
}

/// Compares experiments by a score: on the server's held out rows where there is one, else by what their cells printed.
#[must_use]
pub fn compare(run: &TrainingRun, args: &Map<String, Value>, scored: &Scored) -> ToolOutput {
    match compared(run, args, scored) {
        Ok(output) => ToolOutput::of(output),
        Err(reason) => ToolOutput::failed(reason),
    }
}

fn compared(run: &TrainingRun, args: &Map<String, Value>, scored: &Scored) -> Result<Value, String> {
    let sent: Arguments = arguments::read(args)?;
    let metric = arguments::line(&sent.primary_metric, 100);
    if metric.is_empty() || sent.experiment_ids.is_empty() || sent.experiment_ids.len() > COMPARED_MAX {
        return Err(format!("Name a primaryMetric, and 1 to {COMPARED_MAX} experiments in experimentIds"));
    }
    let (mut found, mut missing) = (Vec::<&Experiment>::new(), Vec::new());
    for named in &sent.experiment_ids {
        match run.experiments.resolve(named) {
            Ok(one) if found.iter().any(|other| other.experiment_id == one.experiment_id) => {}
            Ok(one) => found.push(one),
            Err(_) => missing.push(arguments::line(named, 200)),
        }
    }
    let ascending = match sent.sort_order {
        Some(order) => order == SortOrder::Ascending,
        None => is_lower_better(&metric),
    };
    let mut entries: Vec<Entry<'_>> = found.into_iter().map(|experiment| Entry::of(experiment, &metric, scored)).collect();
    entries.sort_by(|one, other| match (one.value, other.value) {
        (Some(one), Some(other)) if ascending => one.total_cmp(&other),
        (Some(one), Some(other)) => other.total_cmp(&one),
        (one, other) => other.is_some().cmp(&one.is_some()),
    });
    let best = entries.first().filter(|entry| entry.value.is_some()).map(|entry| entry.experiment);
    let message = match best {
        Some(best) => format!("\"{}\" has the best {metric}", best.experiment_name),
        None => format!("None of the experiments has a score named {metric}"),
    };
    let comparison: Vec<Value> =
        entries.iter().enumerate().map(|(place, entry)| entry.view(place + 1, sent.include_hyperparameters)).collect();
    Ok(json!({
        "primaryMetric": metric,
        "comparison": comparison,
        "missingExperiments": missing,
        "bestExperiment": best.map(|best| best.experiment_id.as_str()),
        "message": message,
    }))
}

struct Entry<'a> {
    experiment: &'a Experiment,
    metrics: Metrics,
    /// `held_out` or `notebook`.
    source: &'static str,
    value: Option<f64>,
}

impl<'a> Entry<'a> {
    fn of(experiment: &'a Experiment, metric: &str, scored: &Scored) -> Self {
        let held_out = experiment.persisted_model_id.as_ref().and_then(|id| scored.get(id)).filter(|scores| !scores.is_empty());
        let (metrics, source) = match held_out {
            Some(scores) => (scores.clone(), "held_out"),
            None => (experiment.metrics().cloned().unwrap_or_default(), "notebook"),
        };
        let wanted = plain(metric);
        let exact = metrics.get(metric).copied();
        let value = exact.or_else(|| metrics.iter().find(|(name, _)| plain(name) == wanted).map(|(_, value)| *value));
        Self { experiment, metrics, source, value }
    }

    fn view(&self, rank: usize, with_hyperparameters: bool) -> Value {
        let experiment = self.experiment;
        let mut view = json!({
            "experimentId": experiment.experiment_id,
            "experimentName": experiment.experiment_name,
            "modelType": experiment.model_type,
            "status": experiment.status,
            "primaryMetricValue": self.value,
            "metrics": self.metrics,
            "metricsSource": self.source,
            "rank": rank,
        });
        if let (true, Some(view)) = (with_hyperparameters, view.as_object_mut()) {
            view.insert("hyperparameters".to_owned(), Value::Object(experiment.hyperparameters.clone()));
        }
        view
    }
}

/// Whether less is more: errors and losses, but not scikit-learn's negative ones.
#[must_use]
pub fn is_lower_better(metric: &str) -> bool {
    const LOWER: [&str; 12] =
        ["rmse", "mse", "mae", "mape", "smape", "msle", "rmsle", "mase", "brierscore", "daviesbouldin", "aic", "bic"];
    let plain = plain(metric);
    if plain.starts_with("neg") {
        return false;
    }
    let stem =
        ["test", "validation", "val", "cv", "train"].iter().find_map(|prefix| plain.strip_prefix(prefix)).unwrap_or(&plain);
    LOWER.contains(&stem) || ["loss", "error", "deviance"].iter().any(|word| stem.contains(word))
}

fn plain(metric: &str) -> String {
    metric.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
