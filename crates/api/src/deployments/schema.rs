//! What a deployment takes and gives, put together from what its training and evaluation wrote.

use std::collections::BTreeMap;

use gristmill_api_types::deployments::{FeatureImportanceView, ReadinessView, ServingSchemaView};
use gristmill_domain::{features::ServedColumns, models::Model};
use serde_json::{Map, Value};

use crate::{
    error::{ApiError, ApiResult},
    models::evaluation_file,
    state::AppState,
};

/// A standard deviation of cross-validation from which on it is not stable.
const CV_STD_STABLE: f64 = 0.05;
/// Standard deviations of importances from which on they are not stable.
const IMPORTANCE_STD_STABLE: f64 = 0.1;
/// Gaps between training and test from which on the risk is medium, and high.
const GAP_MEDIUM: f64 = 0.08;
const GAP_HIGH: f64 = 0.15;

/// Reads a model's baseline; null when it has none.
///
/// # Errors
/// 500 when it cannot be read.
pub async fn baseline_of(state: &AppState, model: &Model) -> ApiResult<Value> {
    if model.artifact("baseline.json").is_none() {
        return Ok(Value::Null);
    }
    let path = state.files.path(&gristmill_persistence::files::model_prefix(model.project_id, model.id));
    match tokio::fs::read(path.join(&model.storage).join("baseline.json")).await {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(error) => Err(ApiError::internal(error)),
    }
}

/// The schema of a model that is served, with what of its columns is computed.
///
/// # Errors
/// 500 when a file cannot be read.
pub async fn schema_of(state: &AppState, model: Model, engineered: Option<ServedColumns>) -> ApiResult<ServingSchemaView> {
    let evaluation = evaluation_file(state, &model, "evaluation.json").await?;
    let evaluation: Value = evaluation.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let baseline = baseline_of(state, &model).await?;
    Ok(ServingSchemaView { engineered, ..put_together(model, &evaluation, &baseline) })
}

fn put_together(Model { made: model, .. }: Model, evaluation: &Value, baseline: &Value) -> ServingSchemaView {
    let labels = evaluation.pointer("/confusion_matrix/labels").and_then(Value::as_array);
    let ranges = object(baseline, "numeric").into_iter().map(|(name, mut block)| {
        if let Some(block) = block.as_object_mut() {
            // A slider needs neither.
            block.remove("histogram");
            block.remove("quantiles");
        }
        (name, block)
    });
    let categories = object(baseline, "categorical").into_iter().map(|(name, counts)| {
        let names = counts.as_object().map(|counts| counts.keys().cloned().collect()).unwrap_or_default();
        (name, names)
    });
    ServingSchemaView {
        feature_importance: importance(evaluation),
        class_labels: labels.map(|labels| labels.iter().filter_map(|label| label.as_str().map(str::to_owned)).collect()),
        feature_ranges: ranges.collect(),
        categorical_values: categories.collect::<BTreeMap<_, _>>(),
        prediction_distribution: baseline.get("prediction_distribution").cloned().unwrap_or_else(|| Map::new().into()),
        readiness: readiness(evaluation, model.sample_count.unwrap_or(0)),
        engineered: None,
        feature_columns: model.feature_columns,
        feature_types: model.feature_types,
        sample_request: model.sample_request,
        task_type: model.plan.task_type,
        target_column: model.plan.target,
        metrics: model.metrics,
    }
}

fn object(value: &Value, key: &str) -> Map<String, Value> {
    value.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn numbers<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = f64> + 'a {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten().map(|number| number.as_f64().unwrap_or(0.0))
}

/// By permutation where that was measured, else by what the model says itself.
fn importance(evaluation: &Value) -> Vec<FeatureImportanceView> {
    let kinds = [("permutation", "importances_mean", "importances_std"), ("model_based", "importances", "")];
    for (kind, means, stds) in kinds {
        let names = evaluation.pointer(&format!("/feature_importance/{kind}/features")).and_then(Value::as_array);
        let Some(names) = names.filter(|names| !names.is_empty()) else { continue };
        let mut spread = numbers(evaluation, &format!("/feature_importance/{kind}/{stds}"));
        let of = numbers(evaluation, &format!("/feature_importance/{kind}/{means}"));
        let mut list: Vec<_> = names
            .iter()
            .filter_map(Value::as_str)
            .zip(of)
            .map(|(name, importance)| FeatureImportanceView {
                name: name.to_owned(),
                importance,
                std: spread.next().unwrap_or(0.0),
            })
            .collect();
        list.sort_by(|one, other| other.importance.total_cmp(&one.importance));
        return list;
    }
    Vec::new()
}

fn readiness(evaluation: &Value, sample_count: u64) -> ReadinessView {
    let cv = |key: &str| evaluation.pointer(&format!("/cross_validation/{key}")).and_then(Value::as_f64);
    let last = |key: &str| numbers(evaluation, &format!("/learning_curve/{key}")).last();
    let gap = last("train_scores_mean").zip(last("test_scores_mean")).map(|(train, test)| train - test);
    let risk = match gap {
        Some(gap) if gap > GAP_HIGH => "high",
        Some(gap) if gap > GAP_MEDIUM => "medium",
        _ => "low",
    };
    let mut spread = numbers(evaluation, "/feature_importance/permutation/importances_std");
    ReadinessView {
        cv_stable: cv("std").is_some_and(|std| std < CV_STD_STABLE),
        cv_score: cv("mean"),
        cv_std: cv("std"),
        overfit_risk: risk.to_owned(),
        train_test_gap: gap,
        feature_importance_stable: spread.all(|std| std < IMPORTANCE_STD_STABLE),
        sample_count,
        evaluation_complete: evaluation.is_object(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn readiness_follows_the_contract_s_limits() {
        let evaluation = json!({
            "cross_validation": { "mean": 0.9, "std": 0.04 },
            "learning_curve": { "train_scores_mean": [0.8, 1.0], "test_scores_mean": [0.5, 0.9] },
            "feature_importance": { "permutation": {
                "features": ["a", "b"], "importances_mean": [0.1, 0.3], "importances_std": [0.01, 0.2],
            } },
        });
        let ready = readiness(&evaluation, 7);
        assert!(ready.cv_stable && ready.evaluation_complete && !ready.feature_importance_stable);
        assert_eq!((ready.overfit_risk.as_str(), ready.sample_count), ("medium", 7));
        let names: Vec<_> = importance(&evaluation).into_iter().map(|one| (one.name, one.std)).collect();
        assert_eq!(names, [("b".to_owned(), 0.2), ("a".to_owned(), 0.01)]);
        let none = readiness(&Value::Null, 0);
        assert!(!none.cv_stable && none.feature_importance_stable && !none.evaluation_complete);
    }
}
