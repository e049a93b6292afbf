//! Target encodings, and that they know nothing of the rows that they are for.

use std::{collections::HashSet, sync::Arc};

use arrow::array::RecordBatch;
use gristmill_domain::features::FeatureMethod;
use gristmill_features::{FeatureSpec, FitOptions, Learned, fold, transform};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{flags, floats, integers, make, message, options, spec, table, texts};

fn encode(smoothing: f64) -> FeatureSpec {
    spec(FeatureMethod::TargetEncode, "x", "out").with("targetColumn", "y").with("smoothing", smoothing)
}

/// A category and a target.
type Row = (Option<String>, Option<f64>);

fn rows_of(rows: &[Row]) -> RecordBatch {
    table([
        ("x", texts(rows.iter().map(|(category, _)| category.as_deref()))),
        ("y", floats(rows.iter().map(|(_, target)| *target))),
    ])
}

/// What the encoding of a row should be, from the rows that it may be learned from.
fn expected<'a>(category: Option<&str>, others: impl Iterator<Item = &'a Row>, smoothing: f64) -> Option<f64> {
    let others: Vec<(Option<&str>, f64)> =
        others.filter_map(|(category, target)| Some((category.as_deref(), (*target)?))).collect();
    let mean = |targets: &[f64]| targets.iter().sum::<f64>() / f64::from(u32::try_from(targets.len()).unwrap());
    let all: Vec<f64> = others.iter().map(|(_, target)| *target).collect();
    if all.is_empty() {
        return None;
    }
    let overall = mean(&all);
    let same: Vec<f64> =
        others.iter().filter(|(other, _)| other.is_some() && *other == category).map(|(_, target)| *target).collect();
    if same.is_empty() {
        return Some(overall);
    }
    let count = f64::from(u32::try_from(same.len()).unwrap());
    Some((mean(&same) * count + overall * smoothing) / (count + smoothing))
}

fn close(found: Option<f64>, expected: Option<f64>) -> bool {
    match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 * (1.0 + expected.abs()),
        (None, None) => true,
        _ => false,
    }
}

fn a_row() -> impl Strategy<Value = Row> {
    let category = prop_oneof![1 => Just(None), 6 => (0..4).prop_map(|n| Some(format!("c{n}")))];
    (category, prop_oneof![1 => Just(None), 6 => (-50.0..50.0_f64).prop_map(Some)])
}

fn by_seed(seed: u32, folds: u32) -> FitOptions {
    FitOptions { seed, folds, ..options() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rows_are_encoded_by_the_rows_of_other_folds(
        rows in prop::collection::vec(a_row(), 2..60), seed in any::<u32>(), folds in 2..8_u32,
        smoothing in prop_oneof![Just(0.0), 0.1..10.0_f64],
    ) {
        prop_assume!(rows.iter().any(|(_, target)| target.is_some()));
        let made = make(&rows_of(&rows), &[encode(smoothing)], &by_seed(seed, folds)).unwrap();
        let fold_of = |row: usize| fold(seed, i64::try_from(row).unwrap(), folds);
        for (row, found) in made.numbers("out").into_iter().enumerate() {
            let others = rows.iter().enumerate().filter(|(other, _)| fold_of(*other) != fold_of(row)).map(|(_, other)| other);
            let expected = expected(rows[row].0.as_deref(), others, smoothing);
            prop_assert!(close(found, expected), "row {row}: {found:?} is not {expected:?}");
        }
        // Rows that come later are encoded by all rows.
        let later = transform(&made.applied.fitted, &rows_of(&rows).project(&[0]).unwrap()).unwrap();
        for (row, found) in crate::support::numbers(later.column_by_name("out").unwrap()).into_iter().enumerate() {
            prop_assert!(close(found, expected(rows[row].0.as_deref(), rows.iter(), smoothing)));
        }
    }

    #[test]
    fn no_target_of_its_own_fold_changes_a_bit_of_a_row(
        rows in prop::collection::vec(a_row(), 8..60), seed in any::<u32>(),
        other in prop_oneof![Just(None), Just(Some(1e200)), (-50.0..50.0_f64).prop_map(Some)],
    ) {
        let fold_of = |row: usize| fold(seed, i64::try_from(row).unwrap(), 5);
        let chosen = fold_of(0);
        let changed: Vec<Row> = rows.iter().enumerate()
            .map(|(row, (category, target))| (category.clone(), if fold_of(row) == chosen { other } else { *target }))
            .collect();
        let has_target = |rows: &[Row]| rows.iter().any(|(_, target)| target.is_some());
        prop_assume!(has_target(&rows) && has_target(&changed));
        let of = |rows: &[Row]| make(&rows_of(rows), &[encode(1.0)], &by_seed(seed, 5)).unwrap().numbers("out");
        for (row, (one, another)) in of(&rows).into_iter().zip(of(&changed)).enumerate() {
            if fold_of(row) == chosen {
                prop_assert_eq!(one.map(f64::to_bits), another.map(f64::to_bits), "row {}", row);
            }
        }
    }

    #[test]
    fn rows_keep_their_fold_wherever_they_are(rows in prop::collection::vec(a_row(), 6..40), seed in any::<u32>()) {
        prop_assume!(rows.iter().any(|(_, target)| target.is_some()));
        let with_ids = |order: &[usize]| {
            let ordered: Vec<Row> = order.iter().map(|row| rows[*row].clone()).collect();
            let batch = rows_of(&ordered);
            let ids = integers(order.iter().map(|row| Some(i64::try_from(*row).unwrap())));
            table([("__row_id", ids), ("x", batch.column(0).clone()), ("y", batch.column(1).clone())])
        };
        let forward: Vec<usize> = (0..rows.len()).collect();
        let backward: Vec<usize> = (0..rows.len()).rev().collect();
        let of = |order: &[usize]| make(&with_ids(order), &[encode(1.0)], &by_seed(seed, 5)).unwrap().numbers("out");
        for (one, other) in of(&forward).into_iter().zip(of(&backward).into_iter().rev()) {
            prop_assert!(close(one, other));
        }
    }
}

#[test]
fn two_classes_of_text_are_zero_and_one_in_order() {
    let rows = table([
        ("x", texts([Some("a"), Some("a"), Some("b"), Some("b"), None])),
        ("y", texts([Some("yes"), Some("no"), Some("yes"), None, Some("yes")])),
    ]);
    let made = make(&rows, &[encode(0.0)], &options()).unwrap();
    let Learned::Target { encodings, mean, classes, .. } = &made.applied.fitted.features[0].learned else { panic!("a target") };
    assert_eq!((encodings.as_slice(), *mean), (&[0.5, 1.0][..], 0.75));
    assert_eq!(classes, &["no", "yes"]);
    assert_eq!(made.outcome("out")["learned"]["classes"], json!(["no", "yes"]));
}

#[test]
fn booleans_and_whole_numbers_are_targets_too() {
    for target in [flags([Some(true), Some(false), None]), integers([Some(1), Some(0), None])] {
        let rows = table([("x", texts([Some("a"), Some("b"), Some("a")])), ("y", target)]);
        let made = make(&rows, &[encode(1.0)], &options()).unwrap();
        let Learned::Target { encodings, .. } = &made.applied.fitted.features[0].learned else { panic!("a target") };
        assert_eq!(encodings, &[0.75, 0.25]);
    }
}

#[test]
fn more_classes_are_told_what_to_do() {
    let rows = table([("x", texts([Some("a"); 3])), ("y", texts([Some("u"), Some("v"), Some("w")]))]);
    assert_eq!(
        message(make(&rows, &[encode(1.0)], &options())),
        "Feature \"out\" cannot be made: the target \"y\" has more than two classes (u, v, w, …); make a column for the class \
         that matters first, with one_hot_encode or contains_pattern, and name that column as target, or use frequency_encode."
    );
    let chained = [
        spec(FeatureMethod::OneHotEncode, "y", "is"),
        spec(FeatureMethod::TargetEncode, "x", "out").with("targetColumn", "is_v"),
    ];
    assert!(make(&rows, &chained, &options()).is_ok());
}

#[test]
fn a_row_that_has_no_other_fold_has_no_encoding() {
    let rows = rows_of(&[(Some("a".to_owned()), Some(1.0))]);
    let made = make(&rows, &[encode(1.0)], &options()).unwrap();
    assert_eq!(made.numbers("out"), [None]);
    assert_eq!(made.outcome("out")["becameNull"], json!([{"reason": "no_other_fold", "count": 1}]));
}

#[test]
fn rows_held_out_get_what_later_rows_get() {
    let rows: Vec<Row> = (0..40).map(|n| (Some(format!("c{}", n % 3)), Some(f64::from(n)))).collect();
    let held_out: HashSet<i64> = (30..40).collect();
    let options = FitOptions { held_out: Some(Arc::new(held_out)), ..options() };
    let made = make(&rows_of(&rows), &[encode(1.0)], &options).unwrap();
    let later = transform(&made.applied.fitted, &rows_of(&rows)).unwrap();
    let (found, later) = (made.numbers("out"), crate::support::numbers(later.column_by_name("out").unwrap()));
    assert_eq!(found[30..], later[30..]);
    assert!(close(found[35], expected(Some("c2"), rows[..30].iter(), 1.0)));
    assert!((0..30).all(|row| found[row] != later[row]));
}

#[test]
fn classes_are_those_of_rows_that_are_learned_from() {
    let rows =
        table([("x", texts([Some("a"); 6])), ("y", texts([Some("u"), Some("v"), Some("u"), Some("v"), Some("u"), Some("w")]))]);
    let options = FitOptions { held_out: Some(Arc::new(HashSet::from([5]))), ..options() };
    assert!(make(&rows, &[encode(1.0)], &options).is_ok());
}

#[test]
fn features_of_an_encoding_are_learned_from_the_encodings_of_other_folds() {
    let rows: Vec<Row> = (0..50).map(|n| (Some(format!("c{}", n % 5)), Some(f64::from(n * n % 17)))).collect();
    let specs = [encode(1.0), spec(FeatureMethod::Standardize, "out", "score")];
    let made = make(&rows_of(&rows), &specs, &options()).unwrap();
    let encodings: Vec<f64> = made.numbers("out").into_iter().flatten().collect();
    let mean = encodings.iter().sum::<f64>() / 50.0;
    let Learned::Standard { mean: found, .. } = &made.applied.fitted.features[1].learned else { panic!("a mean") };
    assert!((found - mean).abs() < 1e-12, "{found} is not {mean}");
}
