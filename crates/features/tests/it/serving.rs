//! Fitted features, stored and made again.

use arrow::array::{Array, Date32Array, Int32Array, LargeStringArray, StringArray};
use gristmill_domain::{ErrorCode, features::FeatureMethod};
use gristmill_features::{FeatureError, FeatureSpec, Fitted, MemoryTable, Transformer, transform};
use serde_json::{Value, json};

use crate::support::{array, dates, fitted, flags, floats, integers, message, numbers, spec, table, texts};

fn everything() -> Fitted {
    let rows = table([
        ("n", floats([Some(1.0), Some(2.5), None, Some(0.1), Some(7.0)])),
        ("t", texts([Some("a"), None, Some("b"), Some("a"), Some("c")])),
        ("d", dates([Some(0), Some(1), None, Some(86_400_000_000), Some(5)])),
        ("y", flags([Some(true), Some(false), Some(true), None, Some(false)])),
    ]);
    let specs = [
        spec(FeatureMethod::Standardize, "n", "score"),
        spec(FeatureMethod::QuantileBin, "n", "bin"),
        spec(FeatureMethod::BoxCox, "n", "power"),
        spec(FeatureMethod::OneHotEncode, "t", "is"),
        spec(FeatureMethod::LabelEncode, "n", "label"),
        spec(FeatureMethod::BinaryEncode, "d", "bits"),
        spec(FeatureMethod::FrequencyEncode, "t", "share"),
        spec(FeatureMethod::TargetEncode, "t", "target").with("targetColumn", "y"),
        spec(FeatureMethod::TimeSince, "d", "age"),
        spec(FeatureMethod::Ratio, "score", "ratio").and("n"),
    ];
    fitted(&rows, &specs).unwrap()
}

#[test]
fn json_brings_everything_back() {
    let fitted = everything();
    let json = serde_json::to_string(&fitted).unwrap();
    assert_eq!(Fitted::from_json(&json).unwrap(), fitted);
    // As PostgreSQL stores it.
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::from_value::<Fitted>(value).unwrap(), fitted);
}

#[test]
fn the_target_is_not_needed_later_and_new_values_are_harmless() {
    let fitted = everything();
    let inputs: Vec<&str> = fitted.inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(inputs, ["n", "t", "d"]);
    let rows = table([
        ("n", floats([Some(100.0), Some(-3.0), None])),
        ("t", texts([Some("new"), None, Some("a")])),
        ("d", dates([Some(77), None, Some(0)])),
    ]);
    let made = transform(&fitted, &rows).unwrap();
    let column = |name: &str| numbers(made.column_by_name(name).unwrap());
    assert_eq!(column("bin"), [Some(3.0), Some(0.0), None]);
    assert_eq!(column("power")[1..], [None, None]);
    assert_eq!(column("is_a"), [0.0, 0.0, 1.0].map(Some));
    assert_eq!(column("label"), [-1.0, -1.0, -1.0].map(Some));
    assert_eq!(column("share"), [Some(0.0), None, Some(0.5)]);
    let target = column("target");
    assert_eq!(target[0], target[1]);
    assert_eq!(made.num_columns(), 3 + fitted.output_names().count());
}

#[test]
fn rows_may_come_in_other_types_that_lose_nothing() {
    let fitted = everything();
    let rows = table([
        ("n", array(Int32Array::from(vec![Some(1), None]))),
        ("t", array(LargeStringArray::from(vec![Some("b"), None]))),
        ("d", array(Date32Array::from(vec![Some(1), None]))),
    ]);
    let made = transform(&fitted, &rows).unwrap();
    assert_eq!(numbers(made.column_by_name("is_b").unwrap()), [Some(1.0), Some(0.0)]);
    // What was there stays as it came.
    assert_eq!(made.column(0), rows.column(0));
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let transformer = Transformer::new(&everything()).unwrap();
    let (n, t, d) = (floats([None]), texts([None]), dates([None]));
    let missing = transformer.transform(&table([("n", n.clone()), ("t", t.clone())])).unwrap_err();
    assert_eq!((missing.code(), missing.public_message().as_str()), (ErrorCode::RowsRefused, "The column \"d\" is missing."));
    let other = transformer.transform(&table([("n", t.clone()), ("t", t.clone()), ("d", d.clone())]));
    assert_eq!(message(other), "The column \"n\" must hold float, not arrow's Utf8.");
    let twice = transformer.transform(&table([("n", n.clone()), ("t", t), ("d", d), ("score", n)]));
    assert_eq!(message(twice), "The column \"score\" is made by a feature, so rows may not have it.");
}

/// Damages stored features.
fn damaged(damage: impl FnOnce(&mut Value)) -> String {
    let mut value = serde_json::to_value(everything()).unwrap();
    damage(&mut value);
    let result = Fitted::from_json(&value.to_string()).and_then(|fitted| Transformer::new(&fitted));
    match result.map(drop).unwrap_err() {
        FeatureError::Fitted { reason } => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn damaged_features_are_refused_and_not_made() {
    let of = |at: usize, key: &'static str, value: Value| damaged(move |fitted| fitted["features"][at][key] = value);
    assert_eq!(damaged(|fitted| fitted["version"] = json!(2)), "version 2 is not 1");
    assert!(damaged(|fitted| *fitted = json!([])).contains("invalid"));
    assert!(of(0, "learned", json!({"kind": "nothing"})).contains("has learned something else"));
    assert!(of(0, "learned", json!({"kind": "standard", "mean": "NaN", "std": "1"})).contains("invalid value"));
    assert!(of(1, "learned", json!({"kind": "edges", "edges": ["2", "1"]})).contains("has learned something else"));
    assert!(of(1, "learned", json!({"kind": "edges", "edges": []})).contains("has learned something else"));
    assert!(of(3, "params", json!({"drop_first": true})).contains("does not make what it says"));
    assert!(of(3, "params", json!({"drop": 1})).contains("drop is no parameter"));
    assert!(of(4, "sourceColumn", json!("t")).contains("has learned something else"));
    assert!(of(4, "sourceColumn", json!("nope")).contains("lacks"));
    assert!(of(9, "secondaryColumn", json!(null)).contains("wrong number of columns"));
    assert!(damaged(|fitted| fitted["features"][6]["learned"]["counts"] = json!([1])).contains("something else"));
    let twice = damaged(|fitted| {
        let first = fitted["features"][0].clone();
        fitted["features"].as_array_mut().unwrap().push(first);
    });
    assert_eq!(twice, "two columns are named \"score\"");
}

#[test]
fn a_column_that_never_had_values_may_have_some_later() {
    let nothing = array(arrow::array::NullArray::new(2));
    let specs: [FeatureSpec; 3] = [
        spec(FeatureMethod::MissingIndicator, "x", "no"),
        spec(FeatureMethod::TextLength, "x", "length"),
        spec(FeatureMethod::LabelEncode, "x", "label"),
    ];
    let fitted = fitted(&table([("x", nothing)]), &specs).unwrap();
    let made = transform(&fitted, &table([("x", array(StringArray::from(vec!["new"])))])).unwrap();
    assert_eq!(made.num_columns(), 4);
    assert_eq!(made.column(3).len(), 1);
}

#[test]
fn batches_of_one_table_have_one_schema() {
    let batches = vec![table([("x", floats([None]))]), table([("x", integers([None]))])];
    assert!(matches!(MemoryTable::new(batches), Err(FeatureError::Column { column, .. }) if column == "x"));
}
