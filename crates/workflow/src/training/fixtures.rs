//! What tests of this module begin with.

use chrono::{DateTime, Utc};
use gristmill_domain::{
    DatasetId, ProjectId, UserId,
    datasets::{ColumnProfile, ColumnType, Dataset, FileType, IngestReport, TopValue},
};
use serde_json::{Map, Value};

use super::{
    TrainingRun,
    configure::{Setting, configure},
    experiments::Experiments,
};
use crate::tools::ToolOutput;

/// A column of a hundred rows.
pub(crate) fn column(name: &str, dtype: ColumnType, distinct: u64) -> ColumnProfile {
    ColumnProfile::of_values(name, dtype, 100, distinct)
}

/// A column with just these values.
pub(crate) fn valued(name: &str, dtype: ColumnType, values: &[&str]) -> ColumnProfile {
    let top = values.iter().map(|value| TopValue { value: (*value).to_owned(), count: 10, percentage: 10.0 });
    ColumnProfile { top_values: top.collect(), ..column(name, dtype, u64::try_from(values.len()).unwrap()) }
}

/// Customers of whom some left.
pub(crate) fn customers() -> Dataset {
    Dataset {
        id: DatasetId::random(),
        owner_id: UserId::random(),
        project_id: Some(ProjectId::random()),
        filename: "customers.csv".to_owned(),
        file_type: FileType::Csv,
        size_bytes: 1,
        sql_name: "customers".to_owned(),
        physical_name: "customers_1".to_owned(),
        version: 1,
        row_count: 100,
        columns: vec![
            column("customer_id", ColumnType::Integer, 100),
            column("age", ColumnType::Integer, 60),
            column("monthly_spend", ColumnType::Float, 100),
            valued("plan", ColumnType::String, &["a", "b"]),
            valued("churned", ColumnType::Integer, &["0", "1"]),
        ],
        sample: Vec::new(),
        ingest: IngestReport::default(),
        eda: None,
        metadata: Map::new(),
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
    }
}

/// A run without experiments, in its first turn.
pub(crate) fn new_run() -> TrainingRun {
    TrainingRun { turn: 1, target: Some("churned".to_owned()), experiments: Experiments::default() }
}

pub(crate) fn args(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

/// A run with an experiment of each name, configured one after another.
pub(crate) fn run_with(names: &[&str]) -> TrainingRun {
    let dataset = customers();
    names.iter().enumerate().fold(new_run(), |run, (number, name)| {
        let request = serde_json::json!({ "experimentName": name, "modelType": "my_model", "taskType": "classification",
            "splitStrategy": "train_test" });
        let id = format!("exp-{}", number + 1);
        let setting = Setting { experiment_id: &id, dataset: &dataset, has_engineered_features: false, now: now() };
        let run = TrainingRun { turn: i64::try_from(number).unwrap(), ..run };
        let changed = configure(&run, &args(&request), &setting);
        assert_eq!(changed.output.error, None);
        TrainingRun { experiments: changed.experiments.unwrap(), ..run }
    })
}

/// The output of a success.
pub(crate) fn output(of: &ToolOutput) -> &Value {
    assert_eq!(of.error, None);
    of.output.as_ref().unwrap()
}
