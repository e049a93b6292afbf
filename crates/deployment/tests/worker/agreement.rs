//! The server itself, a worker in a sandbox and Python directly: the same answers to the same random rows, with gaps, values
//! never seen, and columns of every kind under names of every kind.

use std::{collections::BTreeMap, fs};

use gristmill_deployment::{
    inference::{NativeModel, Predictions, Rows},
    worker::{Label, PredictedRow},
};
use serde_json::{Map, Value};

use crate::{
    models::package_of,
    reference::{artifacts, json_file, trained},
    support::{Bench, open_to_all},
};

const TOLERANCE: f64 = 1e-5;

/// An answer, whoever gave it.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    prediction: Label,
    probabilities: BTreeMap<String, f64>,
}

impl Answer {
    fn of_python(answer: &Value) -> Self {
        let probabilities = answer["probabilities"].as_object().unwrap();
        let prediction = match &answer["prediction"] {
            Value::Number(number) if probabilities.is_empty() => Label::Number(number.as_f64().unwrap()),
            Value::String(text) => Label::Text(text.clone()),
            other => Label::Text(other.to_string()),
        };
        let probabilities = probabilities.iter().map(|(name, chance)| (name.clone(), chance.as_f64().unwrap())).collect();
        Self { prediction, probabilities }
    }

    fn of_worker(row: &PredictedRow) -> Self {
        Self { prediction: row.prediction.clone(), probabilities: row.probabilities.iter().flatten().cloned().collect() }
    }

    fn of_server(model: &NativeModel, predictions: &Predictions, row: usize) -> Self {
        let labels = model.signature().labels.iter().map(|label| label.text.to_string());
        let chances = predictions.chances(row).unwrap_or_default().iter().copied();
        let prediction = match predictions.label(row) {
            Some(label) => Label::Text(label.text.to_string()),
            None => Label::Number(predictions.value(row).as_f64().unwrap()),
        };
        Self { prediction, probabilities: labels.zip(chances).collect() }
    }

    /// Whether two answers are the same, as far as they can be: between two classes that are as likely either is right.
    fn agrees(&self, other: &Self) -> bool {
        let close = |ours: f64, theirs: f64| (ours - theirs).abs() <= TOLERANCE * theirs.abs().max(1.0);
        if let (Label::Number(ours), Label::Number(theirs)) = (&self.prediction, &other.prediction) {
            return close(*ours, *theirs);
        }
        let mut ranked: Vec<f64> = self.probabilities.values().copied().collect();
        ranked.sort_by(f64::total_cmp);
        let sure = ranked[ranked.len() - 1] - ranked[ranked.len() - 2] > 2.0 * TOLERANCE;
        let pairs = self.probabilities.iter().zip(&other.probabilities);
        self.probabilities.len() == other.probabilities.len()
            && pairs.into_iter().all(|((name, ours), (same, theirs))| name == same && close(*ours, *theirs))
            && (!sure || self.prediction == other.prediction)
    }
}

/// Rows that were compared, and those that the last bit of a number decides.
#[derive(Debug, Default)]
struct Found {
    rows: usize,
    differing_on_edge: usize,
}

/// Compares the three over every model of a template.
async fn check(template: &str) -> Found {
    let bench = Bench::new().await;
    let out = trained(&[template]);
    let mut found = Found::default();
    for directory in fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().path()) {
        let name = directory.file_name().unwrap().to_string_lossy().into_owned();
        let model = NativeModel::load(&directory, &artifacts(&directory)).unwrap();
        let expected = json_file(&directory, "expected.json");
        let rows: Vec<Map<String, Value>> = serde_json::from_value(expected["rows"].clone()).unwrap();
        let accepted = Rows::from_objects(model.signature(), &rows).unwrap();
        let native = model.predict(&accepted.rows).unwrap();
        open_to_all(&directory);
        let worker = bench.ready(bench.spec_of(directory, package_of(&bench))).await;
        let served = worker.predict(&rows).await.unwrap();
        worker.stop().await;
        for (row, answer) in expected["answers"].as_array().unwrap().iter().enumerate() {
            let (python, worker) = (Answer::of_python(answer), Answer::of_worker(&served[row]));
            assert!(worker.agrees(&python), "{name}, row {row} {:?}: {worker:?} is not {python:?}", rows[row]);
            let server = Answer::of_server(&model, &native, row);
            if !server.agrees(&python) {
                assert!(answer["edge"] == true, "{name}, row {row} {:?}: {server:?} is not {python:?}", rows[row]);
                found.differing_on_edge += 1;
            }
            found.rows += 1;
        }
    }
    bench.finish().await;
    println!("{template}: {found:?}");
    assert!(found.rows >= 400 && found.differing_on_edge * 100 <= found.rows, "{found:?}");
    found
}

#[tokio::test]
async fn a_linear_classifier_answers_the_same_everywhere() {
    check("logistic_regression").await;
}

#[tokio::test]
async fn boosted_trees_answer_the_same_everywhere() {
    check("lightgbm_regressor").await;
}

#[tokio::test]
async fn a_forest_answers_the_same_everywhere() {
    check("random_forest_classifier").await;
}

#[tokio::test]
async fn a_linear_regression_answers_the_same_everywhere() {
    check("ridge_regression").await;
}
