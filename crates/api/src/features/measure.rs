//! Measuring a feature of an agent: its code runs once more, in a sandbox of its own and on the stored dataset, because what a
//! kernel holds may come from anywhere, and because that is how a dataset with the feature will be made.

use std::{collections::HashSet, path::PathBuf};

use gristmill_domain::{
    JobId,
    datasets::Dataset,
    execution::PythonVersion,
    feature_runs::{FeatureRun, FeatureStatus, FeatureStep, FeatureValidation, LeakageRisk, TEXT_CHARS_MAX},
};
use gristmill_workflow::tools::ToolContext;
use serde::Deserialize;
use serde_json::json;

use super::code::{CodeFailure, CodeRun, run_code};
use crate::{agent::Failure, error::ApiError, models::budget_of, state::AppState};

/// From which correlation on a column is nearly the target, and from which it should be looked at.
const NEARLY_TARGET: f64 = 0.95;
const CLOSE_TO_TARGET: f64 = 0.8;
/// Most columns that are described.
const DESCRIBED_MAX: usize = 8;
/// How far a number that was said may be from the measured one.
const TOLERANCE: f64 = 0.01;
/// Longest remark of a model that is kept, characters.
const REMARK_CHARS_MAX: usize = 1_000;

/// What a run said of the columns that it made. It comes from a sandbox.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Measured {
    rows: u64,
    columns: Vec<MeasuredColumn>,
    #[serde(default)]
    depends_on_target: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MeasuredColumn {
    name: String,
    null_rate: f64,
    distinct: u64,
    #[serde(default)]
    mean: Option<f64>,
    #[serde(default)]
    min: Option<f64>,
    #[serde(default)]
    max: Option<f64>,
    #[serde(default)]
    correlation: Option<f64>,
}

/// What a model says of a feature, with nothing to show for it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Said {
    pub(super) null_rate: Option<f64>,
    pub(super) correlation: Option<f64>,
    pub(super) risk: Option<LeakageRisk>,
    pub(super) remark: Option<String>,
}

/// Runs a feature's code, and that of the features that it is made from, on a dataset.
///
/// # Errors
/// Why there is nothing to measure, in words for the model.
pub(super) async fn measure(
    state: &AppState,
    context: &ToolContext,
    (run, step): (&FeatureRun, &FeatureStep),
    dataset: &Dataset,
    target: Option<&str>,
) -> Result<Measured, Failure> {
    let file = state.files.dataset(dataset.owner_id, dataset.project_id, dataset.id).parquet(dataset.version);
    let file = std::path::absolute(file).map_err(ApiError::internal)?;
    if !tokio::fs::try_exists(&file).await.map_err(ApiError::internal)? {
        return Err(Failure::new("The stored file of the dataset is gone; it must be uploaded again"));
    }
    let budget = budget_of(state, &context.caller).await?;
    let features: Vec<_> = needed(run, step).iter().map(|step| json!({ "name": step.name, "code": step.code })).collect();
    let _place = tokio::select! {
        biased;
        () = context.stop.cancelled() => return Err(stopped()),
        place = state.feature_measurements.acquire() => place.map_err(ApiError::internal)?,
    };
    let directory = work_directory(state).map_err(ApiError::internal)?;
    let code = CodeRun {
        python: PythonVersion::default(),
        budget,
        dataset: &file,
        spec: json!({ "mode": "measure", "features": features, "outputs": step.output_columns, "target": target }),
        directory: directory.path().to_owned(),
    };
    let end = Box::pin(run_code(state, code, &context.stop)).await;
    // Removing it blocks.
    drop(tokio::task::spawn_blocking(move || drop(directory)).await);
    let end = end.map_err(|failure| match failure {
        CodeFailure::Stopped => stopped(),
        CodeFailure::Refused(reason) => Failure::new(format!(
            "The code fails on the stored dataset alone: {reason}. It must be complete, with its imports, and work on `df` as \
             it is loaded. Call materialize_feature_code with code that does, run it and record its run again."
        )),
        CodeFailure::Fault => Failure::new("The server failed at measuring the feature; try again"),
    })?;
    serde_json::from_value(end.result).map_err(|error| {
        tracing::debug!(%error, "a measurement of a feature cannot be read");
        Failure::new("The code spoilt its measurement; simplify it")
    })
}

fn stopped() -> Failure {
    Failure::new("The measurement was stopped")
}

/// Named as the spool directory of a job, so that it is swept should the server die.
fn work_directory(state: &AppState) -> std::io::Result<tempfile::TempDir> {
    let spool: PathBuf = std::path::absolute(state.files.spool())?;
    std::fs::create_dir_all(&spool)?;
    tempfile::Builder::new().prefix(&JobId::random().to_string()).rand_bytes(0).tempdir_in(spool)
}

/// A feature behind all others that its code or its sources mention, each behind those that it mentions.
fn needed<'a>(run: &'a FeatureRun, step: &'a FeatureStep) -> Vec<&'a FeatureStep> {
    fn add<'a>(run: &'a FeatureRun, step: &'a FeatureStep, seen: &mut HashSet<&'a str>, order: &mut Vec<&'a FeatureStep>) {
        if !seen.insert(&step.feature_id) {
            return;
        }
        let is_made = |other: &&FeatureStep| {
            matches!(other.status, FeatureStatus::Executed | FeatureStatus::Validated | FeatureStatus::Registered)
        };
        for other in run.features.iter().filter(is_made).filter(|other| mentions(step, other)) {
            add(run, other, seen, order);
        }
        order.push(step);
    }
    let mut order = Vec::new();
    add(run, step, &mut HashSet::new(), &mut order);
    order
}

fn mentions(step: &FeatureStep, other: &FeatureStep) -> bool {
    let code = step.code.as_deref().unwrap_or_default();
    other.output_columns.iter().filter(|name| !step.output_columns.contains(name)).any(|name| {
        step.source_columns.contains(name)
            || [format!("'{name}'"), format!("\"{name}\""), format!("df.{name}")].iter().any(|text| code.contains(text))
    })
}

/// What is recorded of a feature: what was measured, with the caution of the model where it is greater.
pub(super) fn validation(measured: &Measured, target: Option<&str>, said: &Said) -> FeatureValidation {
    let rates = measured.columns.iter().map(|column| column.null_rate).filter(|rate| rate.is_finite());
    let null_rate = rates.reduce(f64::max).map(|rate| rate.clamp(0.0, 1.0));
    let correlations = measured.columns.iter().filter_map(|column| column.correlation).filter(|found| found.is_finite());
    let correlation = correlations.reduce(|one, other| if other.abs() > one.abs() { other } else { one });
    let correlation = correlation.map(|found| found.clamp(-1.0, 1.0)).filter(|_| target.is_some());
    let found = match (measured.depends_on_target, correlation.map_or(0.0, f64::abs)) {
        (Some(true), _) if target.is_some() => LeakageRisk::High,
        (_, close) if close >= NEARLY_TARGET => LeakageRisk::Medium,
        (_, close) if close >= CLOSE_TO_TARGET => LeakageRisk::Low,
        _ => LeakageRisk::Absent,
    };
    let said_risk = said.risk.unwrap_or(LeakageRisk::Absent);
    let mut notes = described(measured);
    notes.extend(of_target(measured, target));
    notes.extend(difference("a null rate", said.null_rate, null_rate));
    notes.extend(difference("a correlation", said.correlation, correlation));
    if place(said_risk) > place(found) {
        notes.push(format!("The model sees a {} risk of leakage.", said_risk.as_str()));
    }
    if let Some(remark) = said.remark.as_deref().map(str::trim).filter(|remark| !remark.is_empty()) {
        notes.push(format!("The model's remark: {}", cut(remark, REMARK_CHARS_MAX)));
    }
    FeatureValidation {
        null_rate,
        correlation_with_target: correlation,
        leakage_risk: if place(said_risk) > place(found) { said_risk } else { found },
        distribution_notes: Some(cut(&notes.join(" "), TEXT_CHARS_MAX)),
    }
}

fn described(measured: &Measured) -> Vec<String> {
    let mut notes = vec![format!("Measured on {} rows.", measured.rows)];
    for column in measured.columns.iter().take(DESCRIBED_MAX) {
        let name = cut(&column.name, 100);
        notes.push(match (column.distinct, column.min, column.max, column.mean) {
            (0, ..) => format!("{name} has no value at all."),
            (1, ..) => format!("{name} has one value only, which tells nothing."),
            (distinct, Some(min), Some(max), Some(mean)) => {
                format!("{name}: {distinct} values from {} to {}, mean {}.", short(min), short(max), short(mean))
            }
            (distinct, ..) => format!("{name}: {distinct} values."),
        });
    }
    notes
}

fn of_target(measured: &Measured, target: Option<&str>) -> Option<String> {
    let Some(target) = target else {
        return Some("No target column is known, so neither the relation to it nor leakage was measured.".to_owned());
    };
    let target = cut(target, 100);
    match measured.depends_on_target {
        Some(true) => Some(format!("Its values change when those of {target} change places: it is made from the target.")),
        Some(false) => None,
        None => Some(format!("Whether it is made from {target} could not be told.")),
    }
}

fn difference(what: &str, said: Option<f64>, measured: Option<f64>) -> Option<String> {
    let (said, measured) = (said?, measured?);
    ((said - measured).abs() > TOLERANCE).then(|| format!("The model said {what} of {}; it is {}.", short(said), short(measured)))
}

fn place(risk: LeakageRisk) -> u8 {
    match risk {
        LeakageRisk::Absent => 0,
        LeakageRisk::Low => 1,
        LeakageRisk::Medium => 2,
        LeakageRisk::High => 3,
    }
}

/// A number with as many digits as people read.
fn short(number: f64) -> String {
    if number != 0.0 && !(0.001..1e9).contains(&number.abs()) { format!("{number:.3e}") } else { trimmed(format!("{number:.3}")) }
}

fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().filter(|c| *c == '\n' || !c.is_control()).take(chars).collect()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use gristmill_domain::{ProjectId, feature_runs::FeatureRunId};
    use uuid::Uuid;

    use super::*;

    fn measured(column: &serde_json::Value, depends: Option<bool>) -> Measured {
        serde_json::from_value(json!({ "rows": 100, "columns": [column], "dependsOnTarget": depends })).unwrap()
    }

    #[test]
    fn the_risk_follows_what_was_measured() {
        let column = |correlation: f64| json!({ "name": "x", "nullRate": 0.25, "distinct": 40, "correlation": correlation });
        for (correlation, depends, target, expected) in [
            (0.1, Some(false), Some("y"), LeakageRisk::Absent),
            (-0.85, Some(false), Some("y"), LeakageRisk::Low),
            (0.99, None, Some("y"), LeakageRisk::Medium),
            (0.1, Some(true), Some("y"), LeakageRisk::High),
            (0.99, Some(true), None, LeakageRisk::Absent),
        ] {
            let found = validation(&measured(&column(correlation), depends), target, &Said::default());
            assert_eq!(found.leakage_risk, expected, "{correlation} {depends:?} {target:?}");
            assert_eq!(found.null_rate, Some(0.25));
            assert_eq!(found.correlation_with_target, target.map(|_| correlation));
        }
        let none = validation(&measured(&column(0.99), None), None, &Said::default());
        assert!(none.distribution_notes.unwrap().contains("No target column is known"));
    }

    #[test]
    fn what_a_model_says_is_compared_and_its_caution_kept() {
        let column =
            json!({ "name": "x", "nullRate": 0.5, "distinct": 2, "mean": 0.5, "min": 0.0, "max": 1.0, "correlation": 0.2 });
        let said = Said {
            null_rate: Some(0.0),
            correlation: Some(0.2),
            risk: Some(LeakageRisk::High),
            remark: Some("Looks fine.\u{0}".to_owned()),
        };
        let found = validation(&measured(&column, Some(false)), Some("y"), &said);
        let notes = found.distribution_notes.unwrap();
        assert_eq!((found.null_rate, found.leakage_risk), (Some(0.5), LeakageRisk::High));
        assert!(notes.contains("The model said a null rate of 0; it is 0.5."), "{notes}");
        assert!(notes.contains("x: 2 values from 0 to 1, mean 0.5.") && !notes.contains("a correlation"), "{notes}");
        assert!(notes.contains("The model's remark: Looks fine.") && !notes.contains('\u{0}'), "{notes}");
        let careless = Said { risk: Some(LeakageRisk::Absent), ..Said::default() };
        let found = validation(&measured(&column, Some(true)), Some("y"), &careless);
        assert_eq!(found.leakage_risk, LeakageRisk::High, "a model cannot talk a leak away");
    }

    #[test]
    fn numbers_from_sandboxes_stay_in_their_ranges() {
        let column = json!({ "name": "x\n", "nullRate": 17.0, "distinct": 1, "correlation": -9.0 });
        let found = validation(&measured(&column, None), Some("y"), &Said::default());
        assert_eq!((found.null_rate, found.correlation_with_target), (Some(1.0), Some(-1.0)));
        assert!(serde_json::from_value::<Measured>(json!({ "rows": -1, "columns": [] })).is_err());
        assert_eq!((short(0.0), short(-1234.5), short(1e12)), ("0".to_owned(), "-1234.5".to_owned(), "1.000e12".to_owned()));
    }

    #[test]
    fn features_come_behind_those_that_they_are_made_from() {
        let at: DateTime<Utc> = DateTime::from_timestamp_millis(0).unwrap();
        let mut run = FeatureRun::new(FeatureRunId(Uuid::nil()), ProjectId(Uuid::nil()), None, at);
        let step = |id: &str, code: &str, status: FeatureStatus| FeatureStep {
            feature_id: id.to_owned(),
            name: id.to_owned(),
            method: "ratio".to_owned(),
            rationale: None,
            source_columns: Vec::new(),
            params: serde_json::Map::new(),
            impact: None,
            code: Some(code.to_owned()),
            code_hash: None,
            output_columns: vec![id.to_owned()],
            status,
            execution_result: None,
            validation: None,
            registered_at: None,
            rejection_reason: None,
            dataset_id: None,
            created_at: at,
            updated_at: at,
        };
        run.features = vec![
            step("c", "df['c'] = df['b'] + df.a", FeatureStatus::Executed),
            step("b", "df['b'] = df[\"a\"] + df['c']", FeatureStatus::Registered),
            step("a", "df['a'] = 1", FeatureStatus::Validated),
            step("d", "df['d'] = df['a']", FeatureStatus::Failed),
        ];
        let order: Vec<&str> = needed(&run, &run.features[0]).iter().map(|step| step.name.as_str()).collect();
        assert_eq!(order, ["a", "b", "c"], "circles end");
        let order: Vec<&str> = needed(&run, &run.features[2]).iter().map(|step| step.name.as_str()).collect();
        assert_eq!(order, ["a"]);
    }
}
