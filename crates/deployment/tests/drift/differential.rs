//! The statistics are those of `evidently`, within 1e-6.

use std::collections::BTreeMap;

use chrono::DateTime;
use gristmill_deployment::drift::{
    DriftAnswer, DriftReport, FeatureDrift, Prediction, Reference, Window, chi_square, jensen_shannon, kolmogorov_smirnov, psi,
    report,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::evidently;

const TOLERANCE: f64 = 1e-6;

type Answers = Vec<BTreeMap<String, Option<f64>>>;

#[track_caller]
fn same(what: &str, ours: f64, theirs: Option<f64>) {
    let theirs = theirs.unwrap();
    assert!((ours - theirs).abs() <= TOLERANCE * theirs.abs().max(1.0), "{what}: {ours} here, {theirs} by evidently");
}

fn counts(random: &mut StdRng, bins: usize, most: u32) -> Vec<f64> {
    let mut counts: Vec<f64> = (0..bins).map(|_| f64::from(random.random_range(0..most))).collect();
    counts[0] += 1.0;
    counts
}

#[test]
fn distances_and_chi_square_of_counts() {
    let mut random = StdRng::seed_from_u64(1);
    let mut cases: Vec<(Vec<f64>, Vec<f64>)> = (0..150)
        .map(|case| {
            let bins = 1 + case % 30;
            (counts(&mut random, bins, if case % 2 == 0 { 40 } else { 3 }), counts(&mut random, bins, 30))
        })
        .collect();
    // A share below the one that an empty bin counts as.
    cases.push((vec![30_000.0, 1.0, 0.0], vec![10.0, 0.0, 5.0]));
    let questions: Vec<Value> = cases
        .iter()
        .map(|(reference, current)| {
            json!({ "kind": "cat", "ask": ["psi", "js", "chi2"],
                "reference": { "counts": reference }, "current": { "counts": current } })
        })
        .collect();
    let answers: Answers = evidently::judge(&Value::from(questions));
    for ((reference, current), answer) in cases.iter().zip(&answers) {
        // What neither side has is no category for evidently.
        let (reference, current): (Vec<f64>, Vec<f64>) =
            reference.iter().zip(current).filter(|(one, other)| **one + **other > 0.0).unzip();
        same("PSI", psi(&reference, &current), answer["psi"]);
        same("Jensen-Shannon", jensen_shannon(&reference, &current), answer["js"]);
        let test = chi_square(&reference, &current).unwrap();
        // Of one category scipy says that there is nothing to test.
        same("chi-square", test.p_value, answer["chi2"].or(Some(1.0)));
    }
}

#[test]
fn kolmogorov_smirnov_of_samples() {
    let mut random = StdRng::seed_from_u64(2);
    let mut cases: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    for (one, other) in [(1, 1), (2, 3), (5, 5), (10, 7), (30, 30), (50, 101), (101, 500), (500, 1000), (2000, 500)] {
        for shift in [0.0, 0.1, 0.5, 3.0] {
            // Rounded, so that there are ties within and between both sides.
            let mut sample = |size: usize, shift: f64| -> Vec<f64> {
                let mut values: Vec<f64> = (0..size).map(|_| ((random.random::<f64>() + shift) * 200.0).round() / 8.0).collect();
                values.sort_by(f64::total_cmp);
                values
            };
            cases.push((sample(one, 0.0), sample(other, shift)));
        }
    }
    let questions: Vec<Value> = cases
        .iter()
        .map(|(reference, current)| json!({ "kind": "num", "ask": ["ks"], "reference": reference, "current": current }))
        .collect();
    let answers: Answers = evidently::judge(&Value::from(questions));
    for ((reference, current), answer) in cases.iter().zip(&answers) {
        let sizes = format!("{} and {} values", reference.len(), current.len());
        let test = kolmogorov_smirnov(reference, current).unwrap();
        same(&format!("KS statistic of {sizes}"), test.statistic, answer["ks_statistic"]);
        same(&format!("KS p-value of {sizes}"), test.p_value, answer["ks"]);
        // A tiny one keeps its digits too.
        let theirs = answer["ks"].unwrap();
        assert!(theirs == 0.0 || (test.p_value / theirs - 1.0).abs() < 1e-6, "{sizes}: {test:?} {answer:?}");
    }
}

/// A table's baseline by `gristmill_ml`, the requests, and the report on them.
struct Made {
    before: Vec<Value>,
    rows: Vec<Value>,
    baseline: Value,
    report: DriftReport,
}

fn made(order: &Value) -> Made {
    let mut made = evidently::make(order);
    let reference = Reference::parse(made["baseline"].to_string().as_bytes()).unwrap();
    assert_eq!(reference.omissions(), []);
    let mut window = Window::new(&reference, 5);
    let rows = made["rows"].as_array().unwrap().clone();
    for row in &rows {
        let (normal, grade) = (row["normal"].as_f64().unwrap(), row["grade"].as_f64().unwrap());
        let answer = if order["task"] == "regression" {
            Prediction::Number(normal * 3.0)
        } else {
            Prediction::Label { label: if normal + grade > 3.0 { "yes" } else { "no" }, confidence: Some(0.75) }
        };
        window.observe(&reference, row.as_object().unwrap(), Some(answer)).unwrap();
    }
    let DriftAnswer::Report(report) = report(&reference, &window, None, DateTime::UNIX_EPOCH) else { panic!("no report") };
    let before = made["before"].as_array().unwrap().clone();
    Made { before, rows, baseline: made["baseline"].take(), report: *report }
}

impl Made {
    fn feature(&self, name: &str) -> &FeatureDrift {
        self.report.features.iter().find(|feature| feature.feature == name).unwrap()
    }

    fn column(rows: &[Value], name: &str) -> Vec<Value> {
        rows.iter().map(|row| row[name].clone()).collect()
    }
}

/// From raw rows, where the bins are the values themselves: categories, truth values, few different numbers.
#[test]
fn reports_over_raw_values() {
    for shift in [0.0, 0.3] {
        let made = made(&json!({ "seed": 3, "rows": 1000, "requests": 300, "shift": shift, "task": "classification" }));
        let columns = [("label", "cat"), ("flag", "cat"), ("grade", "num"), ("constant", "num")];
        let questions: Vec<Value> = columns
            .iter()
            .map(|(name, kind)| {
                let ask: &[&str] = if *kind == "cat" { &["psi", "js", "chi2"] } else { &["psi", "js"] };
                json!({ "kind": kind, "ask": ask,
                    "reference": Made::column(&made.before, name), "current": Made::column(&made.rows, name) })
            })
            .collect();
        let answers: Answers = evidently::judge(&Value::from(questions));
        for ((name, kind), answer) in columns.iter().zip(&answers) {
            let drift = &made.feature(name).drift;
            same(&format!("PSI of {name}"), drift.psi, answer["psi"]);
            same(&format!("Jensen-Shannon of {name}"), drift.jensen_shannon, answer["js"]);
            if *kind == "cat" {
                same(&format!("chi-square of {name}"), drift.p_value.unwrap(), answer["chi2"]);
            }
        }
    }
}

/// Over the bins that the report names, for every column and for both kinds of predictions.
#[test]
fn reports_over_their_bins() {
    for (task, shift) in [("classification", 0.0), ("regression", 0.4), ("regression", 3.0)] {
        let made = made(&json!({ "seed": 4, "rows": 1000, "requests": 250, "shift": shift, "task": task }));
        let prediction = made.report.prediction_drift.as_ref().unwrap();
        let compared: Vec<_> = made.report.features.iter().map(|feature| &feature.drift).chain([prediction]).collect();
        assert_eq!(compared.len(), 9);
        let side = |counts: Vec<f64>| json!({ "counts": counts });
        let questions: Vec<Value> = compared
            .iter()
            .map(|drift| {
                let (reference, current): (Vec<f64>, Vec<f64>) =
                    drift.bins.iter().map(|bin| (bin.reference, bin.current)).unzip();
                assert_eq!((reference.iter().sum::<f64>().round(), current.iter().sum::<f64>()), (1000.0, 250.0));
                json!({ "kind": "cat", "ask": ["psi", "js"], "reference": side(reference), "current": side(current) })
            })
            .collect();
        let answers: Answers = evidently::judge(&Value::from(questions));
        for (drift, answer) in compared.iter().zip(&answers) {
            same("PSI", drift.psi, answer["psi"]);
            same("Jensen-Shannon", drift.jensen_shannon, answer["js"]);
        }
    }
}

/// With 101 training rows the quantiles are the rows; with more, they stand for them.
#[test]
fn kolmogorov_smirnov_over_raw_rows() {
    let numeric = ["normal", "skewed", "grade", "constant", "zero or more"];
    for shift in [0.0, 0.4] {
        let made = made(&json!({ "seed": 6, "rows": 101, "requests": 400, "shift": shift, "task": "regression" }));
        let questions: Vec<Value> = numeric
            .iter()
            .map(|name| {
                json!({ "kind": "num", "ask": ["ks"],
                    "reference": Made::column(&made.before, name), "current": Made::column(&made.rows, name) })
            })
            .collect();
        let answers: Answers = evidently::judge(&Value::from(questions));
        for (name, answer) in numeric.iter().zip(&answers) {
            let drift = &made.feature(name).drift;
            same(&format!("KS statistic of {name}"), drift.test_statistic.unwrap(), answer["ks_statistic"]);
            same(&format!("KS p-value of {name}"), drift.p_value.unwrap(), answer["ks"]);
        }
    }
    // A hundred quantiles lie within a hundredth of the rows that they stand for.
    let made = made(&json!({ "seed": 7, "rows": 1500, "requests": 400, "shift": 0.2, "task": "regression" }));
    assert_eq!(made.baseline["rows"], 1500);
    let question = json!([{ "kind": "num", "ask": ["ks"],
        "reference": Made::column(&made.before, "normal"), "current": Made::column(&made.rows, "normal") }]);
    let answers: Answers = evidently::judge(&question);
    let ours = made.feature("normal").drift.test_statistic.unwrap();
    assert!((ours - answers[0]["ks_statistic"].unwrap()).abs() <= 0.01, "{ours} and {answers:?}");
}
