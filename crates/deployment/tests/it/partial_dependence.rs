//! Partial dependence.

use gristmill_deployment::inference::{Grid, NativeModel, PdpError, Rows, partial_dependence};
use serde_json::{Map, Value, json};

use crate::{
    onnx_file::{Trees, linear},
    support::{object, signature},
};

fn line() -> NativeModel {
    let mut text = signature(&[("x", "float", "numeric"), ("n", "int", "numeric")]);
    for column in [0, 1] {
        text["columns"][column]["range"] = json!({ "min": 0.0, "q25": 1.0, "q50": 2.0, "q75": 3.0, "max": 4.4 });
    }
    NativeModel::from_bytes(text.to_string().as_bytes(), &linear(2).file()).unwrap()
}

fn rows(model: &NativeModel, rows: &[Value]) -> Rows {
    let rows: Vec<Map<String, Value>> = rows.iter().cloned().map(object).collect();
    Rows::from_objects(model.signature(), &rows).unwrap().rows
}

#[test]
fn is_the_mean_over_the_rows_for_each_value() {
    let model = line();
    let baseline = json!({ "numeric": { "x": { "quantiles": (0..=100).collect::<Vec<_>>() } } });
    let grid = Grid::new(model.signature(), Some(&baseline), "x").unwrap();
    let background = rows(&model, &[json!({ "x": 99, "n": 1 }), json!({ "x": -99, "n": 2 })]);
    let found = partial_dependence(&model, &grid, &background).unwrap();
    assert_eq!(found.values.len(), 20);
    assert_eq!((&found.values[0], &found.values[19]), (&json!(0.0), &json!(100.0)));
    assert!(found.classes.is_empty());
    for (value, prediction) in found.values.iter().zip(&found.predictions) {
        // 1 + x + 2 n, with n 1.5 on average.
        assert_eq!(prediction, &[4.0 + value.as_f64().unwrap()]);
    }
}

#[test]
fn without_a_baseline_the_quartiles_are_taken() {
    let model = line();
    let grid = Grid::new(model.signature(), None, "n").unwrap();
    let found = partial_dependence(&model, &grid, &rows(&model, &[json!({ "x": 0, "n": null })])).unwrap();
    assert_eq!(found.values, [json!(0), json!(1), json!(2), json!(3), json!(4)], "whole numbers stay whole");
}

#[test]
fn batches_of_rows_give_what_single_rows_give() {
    let text = signature(&[("x0", "float", "numeric")]).to_string();
    let model = NativeModel::from_bytes(text.as_bytes(), &Trees::three_leaves().regression().file()).unwrap();
    let many: Vec<Value> = (0..700).map(|number| json!({ "x0": f64::from(number % 30) / 10.0 })).collect();
    let together = model.predict(&rows(&model, &many)).unwrap();
    for (place, row) in many.iter().enumerate() {
        let alone = model.predict(&rows(&model, std::slice::from_ref(row))).unwrap();
        assert_eq!(together.number(place), alone.number(0));
    }
}

#[test]
fn what_cannot_be_varied_is_refused() {
    let model = line();
    assert!(matches!(Grid::new(model.signature(), None, "z"), Err(PdpError::UnknownFeature(name)) if name == "z"));
    let text = signature(&[("x", "float", "numeric")]).to_string();
    let bare = NativeModel::from_bytes(text.as_bytes(), &linear(1).file()).unwrap();
    assert!(matches!(Grid::new(bare.signature(), None, "x"), Err(PdpError::NoValues(_))));
    let grid = Grid::new(model.signature(), None, "x").unwrap();
    assert!(matches!(partial_dependence(&model, &grid, &rows(&model, &[])), Err(PdpError::Rows(0))));
    let many = rows(&model, &vec![json!({ "x": 1, "n": 1 }); 1001]);
    assert!(matches!(partial_dependence(&model, &grid, &many), Err(PdpError::Rows(1001))));
    let others = rows(&bare, &[json!({ "x": 1 })]);
    assert!(matches!(partial_dependence(&model, &grid, &others), Err(PdpError::Inference(_))));
}
