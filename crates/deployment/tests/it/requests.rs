//! What a request may hold, and how it is refused.

use gristmill_deployment::inference::{Column, FieldErrors, NativeModel, Problem, Rows, Signature};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{
    onnx_file::linear,
    support::{number, object, signature},
};

const COLUMNS: [(&str, &str, &str); 9] = [
    ("spend €", "float", "numeric"),
    ("visits", "int", "numeric"),
    ("text number", "string", "numeric"),
    ("is member?", "boolean", "boolean"),
    ("plan.name", "string", "categorical"),
    ("code", "int", "categorical"),
    ("joined", "date", "date"),
    ("last-seen", "datetime", "date"),
    ("seen \"as\" text", "string", "date"),
];

fn known() -> Signature {
    let mut columns = COLUMNS.to_vec();
    columns.push(("customer", "int", "drop"));
    Signature::parse(signature(&columns).to_string().as_bytes()).unwrap()
}

fn valid() -> Map<String, Value> {
    object(json!({
        "spend €": 1.5, "visits": 3, "text number": "4.5", "is member?": true, "plan.name": "a", "code": 7,
        "joined": "2024-01-31", "last-seen": "2024-01-31T12:30:00Z", "seen \"as\" text": "2024-01-31",
    }))
}

fn with(field: &str, value: Value) -> Map<String, Value> {
    let mut row = valid();
    row.insert(field.to_owned(), value);
    row
}

fn errors(row: &Map<String, Value>) -> FieldErrors {
    Rows::from_object(&known(), row).unwrap_err()
}

#[test]
fn takes_every_kind_of_value() {
    let accepted = Rows::from_object(&known(), &valid()).unwrap();
    assert!(accepted.ignored.is_empty());
    let columns = accepted.rows.columns();
    assert_eq!(columns.iter().map(|column| column.number(0)).collect::<Vec<_>>()[..3], [Some(1.5), Some(3.0), Some(4.5)]);
    assert_eq!(columns[3].text(0).unwrap(), "true");
    assert_eq!(columns[4].text(0).unwrap(), "a");
    assert_eq!(columns[5].text(0).unwrap(), "7");
    assert_eq!(columns[6].number(0), Some(19_753.0));
    assert_eq!(columns[7].number(0), Some(19_753.520_833_333_332));
}

#[test]
fn null_is_a_missing_value_in_every_field() {
    let row = COLUMNS.iter().map(|(name, ..)| ((*name).to_owned(), Value::Null)).collect();
    let rows = Rows::from_object(&known(), &row).unwrap().rows;
    for column in rows.columns() {
        assert_eq!((column.number(0), column.text(0)), (None, None));
    }
    assert_eq!(rows.object(&known(), 0), row);
}

#[test]
fn an_absent_field_is_named() {
    for (name, ..) in COLUMNS {
        let mut row = valid();
        row.remove(name);
        let found = errors(&row);
        assert_eq!(
            serde_json::to_value(&found.errors).unwrap(),
            json!([{ "type": "missing", "loc": ["body", name], "msg": "Field required; send null for a missing value", "input": null }])
        );
    }
}

#[test]
fn a_wrong_value_is_named_with_the_reason() {
    for (field, value, problem, reason) in [
        ("spend €", json!("1.5"), Problem::NotANumber, "not a number in quotes"),
        ("spend €", json!("much"), Problem::NotANumber, "should be a number"),
        ("spend €", json!(true), Problem::NotANumber, "not true or false"),
        ("spend €", json!([1]), Problem::NotPlain, "not a list or an object"),
        ("visits", json!({}), Problem::NotPlain, "not a list or an object"),
        ("visits", json!("NaN"), Problem::NotANumber, "should be a number"),
        ("text number", json!(false), Problem::NotANumber, "not true or false"),
        ("is member?", json!("maybe"), Problem::NotABoolean, "true or false"),
        ("is member?", json!(2), Problem::NotABoolean, "true or false"),
        ("plan.name", json!(3), Problem::NotAText, "should be a text"),
        ("plan.name", json!(true), Problem::NotAText, "should be a text"),
        ("code", json!(true), Problem::NotANumber, "a number, or its text"),
        ("joined", json!("31.01.2024"), Problem::NotADate, "such as 2024-01-31"),
        ("joined", json!("2024-02-30"), Problem::NotADate, "such as 2024-01-31"),
        ("joined", json!(19_753), Problem::NotADate, "such as 2024-01-31"),
        ("last-seen", json!("yesterday"), Problem::NotADatetime, "such as 2024-01-31T12:30:00"),
    ] {
        let found = errors(&with(field, value.clone()));
        assert_eq!(found.errors.len(), 1, "{field}: {value}");
        let error = &found.errors[0];
        assert_eq!((error.problem, error.field.as_str()), (problem, field), "{value}");
        assert!(error.message.contains(reason), "{}", error.message);
        let plain = !(value.is_array() || value.is_object());
        assert!(!plain || error.input == value);
    }
}

#[test]
fn values_are_taken_in_every_sensible_spelling() {
    for (field, value, expected) in [
        ("visits", json!(3.0), json!(3)),
        ("visits", json!(3.5), json!(3.5)),
        ("visits", json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64)),
        ("text number", json!(4), json!(4.0)),
        ("text number", json!("n/a"), Value::Null),
        ("is member?", json!("TRUE"), json!(true)),
        ("is member?", json!(0), json!(false)),
        ("is member?", json!(1.0), json!(true)),
        ("is member?", json!(" no "), json!(false)),
        ("code", json!(7.0), json!("7")),
        ("code", json!("7"), json!("7")),
        ("code", json!(7.5), json!("7.5")),
        ("joined", json!("2024-01-31T12:00:00+02:00"), json!("2024-01-31T10:00:00")),
        ("seen \"as\" text", json!("unknown"), Value::Null),
    ] {
        let rows = Rows::from_object(&known(), &with(field, value.clone())).unwrap().rows;
        assert_eq!(rows.object(&known(), 0)[field], expected, "{field}: {value}");
    }
}

#[test]
fn plain_names_are_taken_where_they_mean_one_feature() {
    let plain = object(json!({
        "spend_": 1.5, "visits": 3, "text_number": 4.5, "is_member": true, "plan_name": "a", "code": 7,
        "joined": "2024-01-31", "last_seen": "2024-01-31T12:30:00Z", "seen_as_text": "2024-01-31",
    }));
    let accepted = Rows::from_object(&known(), &plain).unwrap();
    let own = Rows::from_object(&known(), &valid()).unwrap().rows;
    assert_eq!(accepted.rows.object(&known(), 0), own.object(&known(), 0));
    assert!(accepted.ignored.is_empty());

    let ambiguous = signature(&[
        ("a b", "float", "numeric"),
        ("a-b", "float", "numeric"),
        ("a_c", "float", "numeric"),
        ("a.c", "float", "numeric"),
    ]);
    let ambiguous = Signature::parse(ambiguous.to_string().as_bytes()).unwrap();
    let row = object(json!({ "a_b": 1, "a_c": 2, "a.c": 3 }));
    let found = Rows::from_object(&ambiguous, &row).unwrap_err();
    assert_eq!(found.errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), ["a b", "a-b"]);
}

#[test]
fn the_own_name_wins_over_another_spelling() {
    let mut row = valid();
    row.insert("plan_name".to_owned(), json!("b"));
    let accepted = Rows::from_object(&known(), &row).unwrap();
    assert_eq!(accepted.rows.object(&known(), 0)["plan.name"], "a");
    assert_eq!(accepted.ignored, ["plan_name"]);
}

#[test]
fn fields_that_the_model_does_not_use_are_listed() {
    let mut row = valid();
    row.extend(object(json!({ "customer": 5, "y": 1, "another": [1, 2] })));
    assert_eq!(Rows::from_object(&known(), &row).unwrap().ignored, ["customer", "y", "another"]);
    row.extend((0..500).map(|number| (format!("extra {number}"), Value::Null)));
    assert_eq!(Rows::from_object(&known(), &row).unwrap().ignored.len(), 100);
}

#[test]
fn errors_of_a_batch_have_their_row_and_are_bounded() {
    let rows = [valid(), with("visits", json!("many")), valid()];
    let found = Rows::from_objects(&known(), &rows).unwrap_err();
    assert_eq!(serde_json::to_value(&found.errors[0]).unwrap()["loc"], json!(["body", 1, "visits"]));
    let found = Rows::from_objects(&known(), &vec![Map::new(); 1000]).unwrap_err();
    assert_eq!((found.errors.len(), found.more), (100, 8900));
    let long = "x".repeat(10_000);
    assert!(errors(&with("visits", json!(long))).errors[0].input.as_str().unwrap().chars().count() <= 101);
}

#[test]
fn columns_are_taken_as_rows_are() {
    let rows = [valid(), with("spend €", Value::Null)];
    let columns: Vec<(String, Vec<Value>)> =
        valid().keys().map(|name| (name.clone(), rows.iter().map(|row| row[name].clone()).collect())).collect();
    let from_columns = Rows::from_columns(&known(), &columns).unwrap();
    let from_rows = Rows::from_objects(&known(), &rows).unwrap();
    assert!(from_columns.ignored.is_empty());
    for row in 0..2 {
        assert_eq!(from_columns.rows.object(&known(), row), from_rows.rows.object(&known(), row));
    }

    let mut uneven = columns.clone();
    uneven[1].1.pop();
    let found = Rows::from_columns(&known(), &uneven).unwrap_err();
    assert_eq!((found.errors[0].problem, found.errors[0].field.as_str()), (Problem::Length, "visits"));
    let found = Rows::from_columns(&known(), &columns[1..]).unwrap_err();
    assert_eq!((found.errors[0].problem, found.errors[0].field.as_str()), (Problem::Missing, "spend €"));
}

#[test]
fn no_row_has_no_prediction() {
    let model =
        NativeModel::from_bytes(signature(&[("x", "float", "numeric")]).to_string().as_bytes(), &linear(1).file()).unwrap();
    let rows = Rows::from_objects(model.signature(), &[]).unwrap().rows;
    assert!(model.predict(&rows).unwrap().is_empty());
}

#[test]
fn rows_of_another_model_are_refused() {
    let model =
        NativeModel::from_bytes(signature(&[("x", "float", "numeric")]).to_string().as_bytes(), &linear(1).file()).unwrap();
    let rows = Rows::from_object(&known(), &valid()).unwrap().rows;
    assert!(model.predict(&rows).is_err());
}

#[test]
fn numbers_beyond_single_precision_are_missing() {
    let model =
        NativeModel::from_bytes(signature(&[("x", "float", "numeric")]).to_string().as_bytes(), &linear(1).file()).unwrap();
    assert_eq!(number(&model, json!({ "x": f32::MAX })), f64::from(f32::MAX) + 1.0);
    let rows = Rows::from_object(model.signature(), &object(json!({ "x": 3.5e38 }))).unwrap().rows;
    assert!(model.predict(&rows).is_err(), "nothing fills it in here");
}

#[test]
fn an_interval_is_around_the_number() {
    let mut text = signature(&[("x", "float", "numeric")]);
    text["output"]["interval"] = json!({ "method": "split_conformal", "level": 0.9, "halfWidth": 2.5 });
    let model = NativeModel::from_bytes(text.to_string().as_bytes(), &linear(1).file()).unwrap();
    let rows = Rows::from_object(model.signature(), &object(json!({ "x": 3 }))).unwrap().rows;
    assert_eq!(model.predict(&rows).unwrap().interval(0), Some((1.5, 6.5)));
    for wrong in [
        json!({ "method": "guess", "level": 0.9, "halfWidth": 1 }),
        json!({ "method": "split_conformal", "level": 1, "halfWidth": 1 }),
        json!({ "method": "split_conformal", "level": 0.9, "halfWidth": -1 }),
    ] {
        text["output"]["interval"] = wrong;
        assert!(Signature::parse(text.to_string().as_bytes()).is_err());
    }
}

#[test]
fn signatures_that_contradict_themselves_are_refused() {
    let good = signature(&[("x", "float", "numeric"), ("t", "string", "categorical")]);
    let refused = |change: &dyn Fn(&mut Value), expected: &str| {
        let mut text = good.clone();
        change(&mut text);
        let error = Signature::parse(text.to_string().as_bytes()).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    };
    assert!(Signature::parse(good.to_string().as_bytes()).is_ok());
    refused(&|text| text["version"] = json!(2), "version 2");
    refused(&|text| text["taskType"] = json!("forecasting"), "taskType");
    refused(&|text| text["featureColumns"] = json!(["x"]), "featureColumns");
    refused(&|text| text["columns"][1]["name"] = json!("x"), "twice");
    refused(&|text| text["columns"][0]["kind"] = json!("date"), "does not allow");
    refused(&|text| text["columns"][0]["type"] = json!("unsupported"), "unusable type");
    refused(&|text| text["prepare"]["numeric"] = json!([]), "0 times");
    refused(&|text| text["prepare"]["numeric"][0]["column"] = json!("t"), "in a way that its kind does not allow");
    refused(&|text| text["prepare"]["numeric"][0]["part"] = json!("year"), "in a way that its kind does not allow");
    refused(&|text| text["prepare"]["categorical"][0]["column"] = json!("x"), "in a way that its kind does not allow");
    refused(&|text| text["labels"] = json!([{ "code": 0, "label": "a", "text": "a" }]), "does not classify");
    refused(&|text| text["taskType"] = json!("classification"), "must have 2");
    refused(&|text| text.as_object_mut().unwrap().clear(), "is not readable");
}

fn any_value() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{1,2}(:[0-9]{1,2}){0,2}(\\.[0-9]{0,10})?(Z|[+-][0-9]{1,4})?)?".prop_map(Value::from),
    ];
    prop_oneof![9 => plain.clone(), 1 => prop::collection::vec(plain, 0..3).prop_map(Value::from)]
}

proptest! {
    /// Whatever is sent, each field is taken or named, and what is taken is the same when it is sent again.
    #[test]
    fn every_field_is_taken_or_named(values in prop::collection::vec(prop::option::weighted(0.9, any_value()), COLUMNS.len())) {
        let mut row = Map::new();
        for ((name, ..), value) in COLUMNS.iter().zip(&values) {
            if let Some(value) = value {
                row.insert((*name).to_owned(), value.clone());
            }
        }
        match Rows::from_object(&known(), &row) {
            Ok(accepted) => {
                prop_assert!(values.iter().all(Option::is_some));
                prop_assert_eq!(accepted.rows.len(), 1);
                let again = accepted.rows.object(&known(), 0);
                let repeated = Rows::from_object(&known(), &again).unwrap().rows;
                prop_assert_eq!(repeated.object(&known(), 0), again);
            }
            Err(found) => {
                for error in &found.errors {
                    let value = row.get(&error.field);
                    prop_assert_eq!(value.is_none(), error.problem == Problem::Missing);
                    prop_assert!(!error.message.is_empty());
                }
                let absent = values.iter().filter(|value| value.is_none()).count();
                prop_assert!(found.errors.len() >= absent);
            }
        }
    }

    #[test]
    fn every_finite_number_is_a_number(value in prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL) {
        let rows = Rows::from_object(&known(), &with("spend €", json!(value))).unwrap().rows;
        let Column::Numbers(numbers) = &rows.columns()[0] else { panic!("numbers") };
        prop_assert_eq!(numbers[0], value);
    }
}
