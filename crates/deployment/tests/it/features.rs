//! Columns that are computed before the model sees a row: which rows need them, and what is told when they cannot be had.

use gristmill_deployment::{
    inference::{FieldError, FieldErrors, InferenceError, Problem, Signature},
    serving::{FeaturesError, RowFeatures, ServedFeatures},
    tensors::{InferRequest, raw_inputs_of},
};
use gristmill_domain::{
    datasets::ColumnType,
    features::{ComputedColumn, FeatureMethod, RawColumn, ServedColumns},
};
use serde_json::{Map, Value, json};

use crate::support::{object, signature};

/// Doubles the column `raw`.
#[derive(Debug)]
struct Doubles(ServedColumns);

impl Doubles {
    fn boxed(computed: &str) -> Box<dyn RowFeatures> {
        let raw =
            RawColumn { name: "raw".to_owned(), dtype: ColumnType::Integer, computes: vec![computed.to_owned()], by_code: false };
        let computed = ComputedColumn {
            name: computed.to_owned(),
            dtype: ColumnType::Float,
            method: FeatureMethod::Standardize,
            sources: vec!["raw".to_owned()],
        };
        Box::new(Self(ServedColumns { raw_columns: vec![raw], computed_columns: vec![computed], must_be_sent: Vec::new() }))
    }
}

impl RowFeatures for Doubles {
    fn columns(&self) -> &ServedColumns {
        &self.0
    }

    fn work(&self, _rows: usize) -> u64 {
        1
    }

    fn compute(&self, rows: &[Map<String, Value>], wanted: &[Vec<usize>]) -> Result<Vec<Map<String, Value>>, FeaturesError> {
        let mut computed = Vec::new();
        let mut errors = FieldErrors::default();
        for (number, (row, wanted)) in rows.iter().zip(wanted).enumerate() {
            let value = row.get("raw").and_then(Value::as_i64);
            if value.is_none() && !wanted.is_empty() {
                let missing = FieldError::new(Problem::Missing, "raw", "it is needed".to_owned(), &Value::Null);
                errors.errors.push(FieldError { row: Some(number), ..missing });
            }
            let values = wanted.iter().map(|_| (self.0.computed_columns[0].name.clone(), json!(2 * value.unwrap_or_default())));
            computed.push(values.collect());
        }
        if errors.errors.is_empty() { Ok(computed) } else { Err(FeaturesError::Rows(errors)) }
    }
}

fn model() -> Signature {
    let columns = [("twice €", "float", "numeric"), ("other", "int", "numeric")];
    Signature::parse(signature(&columns).to_string().as_bytes()).unwrap()
}

#[test]
fn only_rows_that_lack_a_column_get_it() {
    let signature = model();
    let features = ServedFeatures::new(Doubles::boxed("twice €"), &signature).unwrap();
    let rows = [
        object(json!({ "raw": 3, "other": 1 })),
        object(json!({ "twice €": 5, "other": 1, "raw": 9 })),
        // In another spelling, and missing, it is there too.
        object(json!({ "twice_": null, "other": 1 })),
    ];
    let completed = features.complete(&signature, &rows).unwrap().unwrap();
    assert_eq!(completed[0], object(json!({ "raw": 3, "other": 1, "twice €": 6 })));
    assert_eq!(completed[1..], rows[1..]);
    assert_eq!(features.complete(&signature, &rows[1..]).unwrap(), None, "nothing is to be done");
    assert!(features.takes("raw") && !features.takes("other"));
    let unchanged = object(json!({ "other": 1 }));
    assert_eq!(features.complete_row(&signature, unchanged.clone()), unchanged);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let signature = model();
    let features = ServedFeatures::new(Doubles::boxed("twice €"), &signature).unwrap();
    let told = |rows: &[Map<String, Value>]| match features.complete(&signature, rows).unwrap_err() {
        FeaturesError::Rows(errors) => {
            errors.errors.into_iter().map(|error| (error.row, error.field, error.problem)).collect::<Vec<_>>()
        }
        FeaturesError::Broken(reason) => panic!("{reason}"),
    };
    let raw = |row| (row, "raw".to_owned(), Problem::Missing);
    // A row that was sent alone has no number; the column that would be computed is not missed.
    assert_eq!(told(&[Map::new()]), [raw(None), (None, "other".to_owned(), Problem::Missing)]);
    let rows = [object(json!({ "raw": 1, "other": 1 })), object(json!({ "other": "x" }))];
    assert_eq!(told(&rows), [raw(Some(1)), (Some(1), "other".to_owned(), Problem::NotANumber)]);
}

#[test]
fn features_of_another_model_are_refused() {
    let refused = ServedFeatures::new(Doubles::boxed("thrice"), &model()).unwrap_err();
    assert!(matches!(&refused, InferenceError::Features { reason } if reason.contains("thrice")), "{refused}");
    assert!(refused.to_string().contains("features.json") && !refused.wants_worker(), "{refused}");
}

#[test]
fn tensors_may_be_those_of_raw_columns() {
    let features = ServedFeatures::new(Doubles::boxed("twice €"), &model()).unwrap();
    let raw = &features.columns().raw_columns;
    let infos: Vec<Value> = raw_inputs_of(raw).iter().map(gristmill_deployment::tensors::TensorInfo::to_json).collect();
    let parameters = json!({ "computes": ["twice €"] });
    assert_eq!(infos, [json!({ "name": "raw", "datatype": "INT64", "shape": [-1], "parameters": parameters })]);
    let request = |name: &str| {
        let input = json!({ "name": name, "shape": [1], "datatype": "INT64", "data": [1] });
        InferRequest::parse(json!({ "inputs": [input] }).to_string().as_bytes(), None).unwrap()
    };
    assert_eq!(request("raw").check_names(&model(), raw), Ok(()));
    let unknown = request("raw").check_names(&model(), &[]).unwrap_err().to_string();
    assert!(unknown.contains("twice €, other"), "{unknown}");
    let unknown = request("x").check_names(&model(), raw).unwrap_err().to_string();
    assert!(unknown.contains("twice €, other, raw"), "{unknown}");
}
