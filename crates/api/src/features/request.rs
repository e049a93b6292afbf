//! What a request asks for, checked against what is known without reading a row.

use std::collections::HashSet;

use gristmill_api_types::{common::ErrorShape, errors::FieldError, feature_engineering::FeatureCreate};
use gristmill_domain::{datasets::Dataset, feature_runs::uses_frame, features::FeatureMethod};
use gristmill_features::{FeatureError, FeatureSpec, Problem, plan};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{ApiError, ApiResult};

/// A feature to be made: by its method, or by code in the method's place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FeatureItem {
    pub(super) spec: FeatureSpec,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
}

impl FeatureItem {
    /// The column to be predicted that the feature says it uses.
    pub(super) fn target(&self) -> Option<&str> {
        let uses = self.code.is_some() || self.spec.method == FeatureMethod::TargetEncode;
        let named = self.spec.params.get("targetColumn").and_then(Value::as_str).filter(|name| !name.is_empty());
        named.filter(|_| uses)
    }
}

/// The features of a request that are to be made, each checked as far as it can be.
///
/// # Errors
/// 400 with every field that is wrong.
pub(super) fn checked_items(features: Vec<FeatureCreate>, dataset: &Dataset) -> ApiResult<Vec<FeatureItem>> {
    let indexed = features.into_iter().enumerate().filter(|(_, feature)| feature.enabled != Some(false));
    let (places, items): (Vec<usize>, Vec<FeatureItem>) = indexed.map(|(place, feature)| (place, item(feature))).unzip();
    if items.is_empty() {
        return Err(ApiError::field(ErrorShape::FlatDetails, "features", "no feature is enabled; enable at least one"));
    }
    let mut problems = names(&items, &places, dataset);
    if problems.is_empty() {
        problems = columns(&items, &places, dataset)?;
    }
    if problems.is_empty() { Ok(items) } else { Err(ApiError::validation(ErrorShape::FlatDetails, problems)) }
}

fn item(feature: FeatureCreate) -> FeatureItem {
    FeatureItem {
        code: feature.code.filter(|code| uses_frame(code)),
        spec: FeatureSpec {
            id: feature.id,
            source_column: feature.source_column,
            secondary_column: feature.secondary_column.filter(|name| !name.is_empty()),
            feature_name: feature.feature_name,
            method: feature.method,
            params: feature.params.unwrap_or_default(),
            enabled: true,
            description: feature.description,
            category: feature.category,
        },
    }
}

/// Names that are taken: by the dataset, or by a feature before.
fn names(items: &[FeatureItem], places: &[usize], dataset: &Dataset) -> Vec<FieldError> {
    let columns: HashSet<&str> = dataset.columns.iter().map(|column| column.name.as_str()).collect();
    let mut seen = HashSet::new();
    let mut problems = Vec::new();
    for (item, place) in items.iter().zip(places) {
        let name = item.spec.feature_name.as_str();
        let wrong = if columns.contains(name) {
            Some(format!("\"{name}\" is a column of the dataset already; choose another name"))
        } else if !seen.insert(name) {
            Some(format!("\"{name}\" is the name of an earlier feature; choose another name"))
        } else {
            None
        };
        problems.extend(wrong.map(|message| problem(*place, "featureName", message)));
    }
    problems
}

/// Columns and parameters of features that are made by their methods. What follows code cannot be known before it ran, so
/// of that only what is missing is told.
fn columns(items: &[FeatureItem], places: &[usize], dataset: &Dataset) -> ApiResult<Vec<FieldError>> {
    let native: Vec<FeatureSpec> = items.iter().take_while(|item| item.code.is_none()).map(|item| item.spec.clone()).collect();
    let mut problems = Vec::new();
    if !native.is_empty() {
        match plan(&native, &dataset.types()) {
            Ok(_) => {}
            Err(FeatureError::Refused(found)) => problems.extend(found.iter().map(|found| of_plan(found, places))),
            Err(error) => return Err(ApiError::new(gristmill_domain::ErrorCode::FeaturesRefused, error.public_message())),
        }
    }
    let later = items.iter().zip(places).skip(native.len()).filter(|(item, _)| item.code.is_none());
    problems.extend(later.filter_map(|(item, place)| lacking(item, *place)));
    Ok(problems)
}

fn of_plan(found: &Problem, places: &[usize]) -> FieldError {
    let place = places.get(found.index).copied().unwrap_or(found.index);
    problem(place, &found.field, found.reason.to_string())
}

fn lacking(item: &FeatureItem, place: usize) -> Option<FieldError> {
    let spec = &item.spec;
    let needs_secondary = matches!(spec.method, FeatureMethod::Ratio | FeatureMethod::Difference | FeatureMethod::Product);
    if needs_secondary && spec.secondary_column.is_none() {
        let message = format!("is required: {} is of two columns", spec.method.as_str());
        return Some(problem(place, "secondaryColumn", message));
    }
    let has_target = spec.params.get("targetColumn").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    if spec.method == FeatureMethod::TargetEncode && !has_target {
        return Some(problem(place, "params.targetColumn", "is required: the column that is to be predicted".to_owned()));
    }
    None
}

fn problem(place: usize, field: &str, message: String) -> FieldError {
    FieldError { path: format!("features[{place}].{field}"), code: "invalid".to_owned(), message }
}
