//! Facts that hold for any table and any features.

use arrow::array::{Array, ArrayRef, RecordBatch};
use gristmill_domain::features::FeatureMethod;
use gristmill_features::{FeatureError, FeatureSpec, Fitted, Transformer, catalog::entry};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{dates, flags, floats, has_wild_numbers, integers, make, options, presence, table, texts};

const COLUMNS: [&str; 9] = ["f", "g", "n", "m", "b", "t", "u", "d", "e"];

fn a_float() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        2 => Just(None),
        6 => (-100.0..100.0_f64).prop_map(Some),
        3 => (0..4).prop_map(|n| Some(f64::from(n))),
        1 => any::<f64>().prop_map(Some),
    ]
}

fn an_integer() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![2 => Just(None), 6 => (-5..20_i64).prop_map(Some), 1 => any::<i64>().prop_map(Some)]
}

fn a_text() -> impl Strategy<Value = Option<String>> {
    prop_oneof![1 => Just(None), 4 => "[abÄß ]{0,3}".prop_map(Some), 1 => any::<String>().prop_map(Some)]
}

/// The values of one row.
type Row = ((Option<f64>, Option<f64>), (Option<i64>, Option<i64>), Option<bool>, (Option<String>, Option<String>), Option<i64>);

fn a_row() -> impl Strategy<Value = Row> {
    (
        (a_float(), (0.1..50.0_f64).prop_map(Some)),
        (an_integer(), an_integer()),
        any::<Option<bool>>(),
        (a_text(), prop_oneof![Just(Some("yes".to_owned())), Just(Some("no".to_owned())), Just(None)]),
        an_integer(),
    )
}

fn rows_of(rows: &[Row]) -> RecordBatch {
    table([
        ("f", floats(rows.iter().map(|row| row.0.0))),
        ("g", floats(rows.iter().map(|row| row.0.1))),
        ("n", integers(rows.iter().map(|row| row.1.0))),
        ("m", integers(rows.iter().map(|row| row.1.1))),
        ("b", flags(rows.iter().map(|row| row.2))),
        ("t", texts(rows.iter().map(|row| row.3.0.as_deref()))),
        ("u", texts(rows.iter().map(|row| row.3.1.as_deref()))),
        ("d", dates(rows.iter().map(|row| row.4))),
        ("e", floats(rows.iter().map(|_| None))),
    ])
}

/// A value for each parameter, mostly a sound one.
fn params(method: FeatureMethod, choice: usize) -> serde_json::Map<String, Value> {
    let value = |name: &str| match name {
        "targetColumn" => json!(["f", "b", "u", "m"][choice % 4]),
        "pattern" => json!(["a", "ß", " ", "Ä"][choice % 4]),
        "bins" | "quantiles" => json!(2 + choice % 9),
        "degree" => json!(2 + choice % 4),
        "smoothing" => json!(choice % 3),
        "offset" => json!(choice % 5),
        "period" => json!(["month", "hour", "weekday", "day_of_year"][choice % 4]),
        "unit" => json!(["days", "hours", "weeks", "months"][choice % 4]),
        "drop_first" | "normalize" | "case_sensitive" => json!(choice.is_multiple_of(2)),
        _ => Value::Null,
    };
    entry(method).parameters.iter().map(|parameter| (parameter.name.to_owned(), value(parameter.name))).collect()
}

/// Features whose sources are columns, or what features before make.
fn some_specs() -> impl Strategy<Value = Vec<FeatureSpec>> {
    let one = (prop::sample::select(FeatureMethod::ALL), 0..COLUMNS.len() + 3, 0..COLUMNS.len(), 0..100_usize);
    prop::collection::vec(one, 1..7).prop_map(|chosen| {
        let name = |at: usize| match at.checked_sub(COLUMNS.len()) {
            None => COLUMNS[at].to_owned(),
            Some(feature) => format!("x{feature}"),
        };
        chosen
            .into_iter()
            .enumerate()
            .map(|(at, (method, source, secondary, choice))| {
                let mut spec = FeatureSpec::new(method, &name(source), &format!("x{at}")).and(COLUMNS[secondary]);
                spec.params = params(method, choice);
                spec
            })
            .collect()
    })
}

/// Features that can be planned: those that cannot are left out, one after the other.
fn plannable(mut specs: Vec<FeatureSpec>, rows: &RecordBatch) -> Vec<FeatureSpec> {
    while let Err(FeatureError::Refused(problems)) =
        gristmill_features::plan(&specs, &gristmill_features::columns_of(&rows.schema()))
    {
        specs.remove(problems[0].index);
    }
    specs
}

/// Whether a feature, or one that it is made from, is encoded otherwise for rows that it was learned from.
fn is_out_of_fold(fitted: &Fitted, output: &str) -> bool {
    let feature = fitted.features.iter().find(|feature| feature.outputs.iter().any(|made| made.name == output));
    feature.is_some_and(|feature| {
        let columns = std::iter::once(&feature.source_column).chain(&feature.secondary_column);
        feature.method == FeatureMethod::TargetEncode || columns.into_iter().any(|column| is_out_of_fold(fitted, column))
    })
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    rows.column_by_name(name).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_features_of_any_table_are_made_or_refused(
        rows in prop::collection::vec(a_row(), 0..40), specs in some_specs(), cut in 0..40_usize,
    ) {
        let rows = rows_of(&rows);
        let specs = plannable(specs, &rows);
        let made = match make(&rows, &specs, &options()) {
            Ok(made) => made,
            Err(error) => {
                let is_expected = matches!(error, FeatureError::Unlearnable { .. } | FeatureError::NoFeatures);
                prop_assert!(is_expected, "{error:?}");
                return Ok(());
            }
        };
        let fitted = &made.applied.fitted;
        // Columns and rows stay as they are and where they are.
        prop_assert_eq!(made.rows.num_rows(), rows.num_rows());
        for (at, array) in rows.columns().iter().enumerate() {
            prop_assert_eq!(array.to_data(), made.rows.column(at).to_data());
        }
        let names: Vec<&str> = fitted.output_names().collect();
        prop_assert_eq!(made.rows.num_columns(), rows.num_columns() + names.len());
        for name in &names {
            prop_assert!(!has_wild_numbers(made.column(name)), "{name}");
        }
        // What the report counts is what is there.
        for outcome in &made.applied.report.features {
            for output in &outcome.outputs {
                let missing = presence(made.column(&output.name)).iter().filter(|is_there| !**is_there).count();
                prop_assert_eq!(output.null_count, u64::try_from(missing).unwrap());
            }
            let (lost, nulls): (u64, u64) = (
                outcome.became_null.iter().map(|lost| lost.count).sum(), outcome.outputs.iter().map(|output| output.null_count).sum()
            );
            prop_assert!(nulls == lost || nulls == lost + outcome.nulls_in * u64::try_from(outcome.outputs.len()).unwrap());
        }
        // Stored and read again, rows get the same features one by one and all at once.
        let read = Fitted::from_json(&serde_json::to_string(fitted).unwrap()).unwrap();
        prop_assert_eq!(&read, fitted);
        let transformer = Transformer::new(&read).unwrap();
        let whole = transformer.transform(&rows).unwrap();
        let cut = cut.min(rows.num_rows());
        let first = transformer.transform(&rows.slice(0, cut)).unwrap();
        let second = transformer.transform(&rows.slice(cut, rows.num_rows() - cut)).unwrap();
        for name in names {
            let parts = arrow::compute::concat(&[column(&first, name).as_ref(), column(&second, name).as_ref()]).unwrap();
            prop_assert_eq!(column(&whole, name), &parts, "{}", name);
            if !is_out_of_fold(fitted, name) {
                prop_assert_eq!(column(&whole, name), made.column(name), "{}", name);
            }
        }
    }

    #[test]
    fn any_json_is_specs_or_is_refused(text in any::<String>(), number in any::<f64>(), method in prop::sample::select(FeatureMethod::ALL)) {
        for parameter in entry(method).parameters {
            for value in [json!(text), json!(number), json!([]), json!({}), json!(true), Value::Null] {
                let spec = FeatureSpec::new(method, "f", "x").with(parameter.name, value);
                let _ = gristmill_features::plan(&[spec], &[("f".to_owned(), gristmill_domain::datasets::ColumnType::Float)]);
            }
        }
        let _ = serde_json::from_str::<FeatureSpec>(&text);
        let _ = Fitted::from_json(&text);
    }
}
