//! Exploratory summaries.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, RecordBatch, StringArray, StringViewArray,
    },
    datatypes::{Field, Schema},
};
use gristmill_domain::eda::{EdaKind, EdaScope, EdaSource, EdaSummary};
use gristmill_ingest::eda::{EdaColumn, EdaValues, MISSING_COLUMNS_MAX, PAIRED_COLUMNS_MAX, summarize, summarize_batches};
use serde_json::Value;

use crate::support::{Random, csv};

fn scope() -> EdaScope {
    EdaScope { source: EdaSource::QueryResult, rows_analyzed: 4, total_rows: 4 }
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

fn assert_finite(summary: &EdaSummary) {
    fn walk(value: &Value) {
        match value {
            Value::Number(number) => assert!(number.as_f64().unwrap().is_finite()),
            Value::Array(values) => values.iter().for_each(walk),
            Value::Object(members) => members.values().for_each(walk),
            _ => {}
        }
    }
    let value = serde_json::to_value(summary).unwrap();
    walk(&value);
    // serde_json writes numbers that are not finite as null.
    for column in &summary.numeric_columns {
        assert!([column.mean, column.std_dev, column.skewness, column.q1, column.q3].iter().all(|n| n.is_finite()));
    }
}

#[test]
fn missing_values_are_left_out() {
    // The reference counted null as 0 and reported min 0 and mean 260.
    let found = csv("v,w\n440,a\n,b\n600,c\nN/A,d\n");
    let eda = found.dataset.eda.as_ref().unwrap();
    let v = &eda.numeric_columns[0];
    assert_eq!((v.min, v.mean, v.max), (440.0, 520.0, 600.0));
    let quality = &eda.data_quality[0];
    assert_eq!((quality.total_count, quality.missing_count, quality.missing_percentage), (4, 2, 50.0));
    assert_eq!((quality.unique_count, quality.unique_percentage), (2, 50.0));
    let matrix = eda.missing_matrix.as_ref().unwrap();
    assert_eq!(matrix.columns, ["v", "w"]);
    assert_eq!(matrix.matrix, [[1, 1], [0, 1], [1, 1], [0, 1]]);
}

#[test]
fn kinds_agree_with_the_types() {
    let found =
        csv("bits,when,item,ok,none\n0,2024-01-01,item 5,true,\n1,2024-01-02,item 6,false,n/a\n1,2024-01-03,item 5,true,-\n");
    let eda = found.dataset.eda.as_ref().unwrap();
    let kinds: Vec<EdaKind> = eda.data_quality.iter().map(|column| column.data_type).collect();
    use EdaKind::{Boolean, Categorical, Datetime, Numeric};
    assert_eq!(kinds, [Numeric, Datetime, Categorical, Boolean, Categorical]);
    assert_eq!(eda.numeric_columns.len(), 1);
    let categorical: Vec<_> = eda.categorical_columns.iter().map(|column| column.column.as_str()).collect();
    assert_eq!(categorical, ["item", "none"]);
    assert_eq!(eda.categorical_columns[0].mode.as_deref(), Some("item 5"));
    assert_eq!(eda.categorical_columns[1].mode, None);
    assert_eq!(eda.scope.as_ref().unwrap().source, EdaSource::DatasetProfile);
}

#[test]
fn correlations_and_lines_are_right() {
    let mut text = "x,y,z,constant\n".to_owned();
    let mut random = Random(5);
    let (mut xs, mut zs) = (Vec::new(), Vec::new());
    for x in 0..5000_u32 {
        let z = f64::from(u32::try_from(random.below(1000)).unwrap());
        text.push_str(&format!("{x},{},{z},7\n", 3.0 - 2.0 * f64::from(x)));
        xs.push(f64::from(x));
        zs.push(z);
    }
    let found = csv(text);
    let eda = found.dataset.eda.as_ref().unwrap();
    assert_finite(eda);
    let correlations = eda.correlations.as_ref().unwrap();
    assert_eq!(correlations.len(), 3, "a constant column correlates with nothing");
    assert_eq!((correlations[0].column_a.as_str(), correlations[0].column_b.as_str()), ("x", "y"));
    assert!((correlations[0].coefficient + 1.0).abs() < 1e-9);
    let pair = &eda.scatter_pairs.as_ref().unwrap()[0];
    let line = pair.regression_line.as_ref().unwrap();
    assert!((line.slope + 2.0).abs() < 1e-9 && (line.intercept - 3.0).abs() < 1e-6 && (line.r2 - 1.0).abs() < 1e-9, "{line:?}");
    assert_eq!(pair.points.len(), 300);
    assert_eq!((pair.points[0].x, pair.points[0].y), (0.0, 3.0));
    assert!(pair.points[299].x > 4900.0, "points come from the whole file");
    assert_eq!(eda.scatter.as_ref().unwrap().points.len(), 200);
    let n = 5000.0;
    let (mean_x, mean_z) = (xs.iter().sum::<f64>() / n, zs.iter().sum::<f64>() / n);
    let covariance: f64 = xs.iter().zip(&zs).map(|(x, z)| (x - mean_x) * (z - mean_z)).sum();
    let spread = |values: &[f64], mean: f64| values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    let expected = covariance / (spread(&xs, mean_x) * spread(&zs, mean_z)).sqrt();
    let found = correlations.iter().find(|pair| (pair.column_a.as_str(), pair.column_b.as_str()) == ("x", "z")).unwrap();
    assert!((found.coefficient - expected).abs() < 1e-9);
}

#[test]
fn correlation_uses_rows_where_both_have_a_value() {
    let found = csv("x,y\n1,2\n2,4\n3,\n,9\n4,8\n100,\n");
    let eda = found.dataset.eda.as_ref().unwrap();
    assert!((eda.correlations.as_ref().unwrap()[0].coefficient - 1.0).abs() < 1e-12);
    let line = eda.scatter_pairs.as_ref().unwrap()[0].regression_line.as_ref().unwrap();
    assert!((line.slope - 2.0).abs() < 1e-9 && line.intercept.abs() < 1e-9, "{line:?}");
    // Two pairs are too few.
    assert_eq!(csv("x,y\n1,2\n2,4\n3,\n").dataset.eda.unwrap().correlations, None);
}

#[test]
fn the_summary_does_not_depend_on_threads() {
    let mut random = Random(11);
    let mut text = "a,b,c,d\n".to_owned();
    for _ in 0..70_000 {
        text.push_str(&format!(
            "{},{}.{},{},{}\n",
            random.below(1000),
            random.below(50),
            random.below(100),
            random.next() >> 40,
            random.below(5)
        ));
    }
    let summaries: Vec<_> = [1_usize, 3]
        .map(|threads| {
            let mut place = crate::support::Place::new("a.csv", &text);
            place.limits.threads = threads.try_into().unwrap();
            let dataset = place.ingest().dataset;
            (dataset.columns, dataset.eda)
        })
        .into();
    assert_eq!(summaries[0], summaries[1]);
}

#[test]
fn wide_tables_are_capped() {
    let header: Vec<String> = (0..300).map(|column| format!("c{column}")).collect();
    let row = |salt: u64| (0..300).map(|column| (column * salt % 97).to_string()).collect::<Vec<_>>().join(",");
    let rows: Vec<String> = (1..20).map(row).collect();
    let found = csv(format!("{}\n{}\n,\n", header.join(","), rows.join("\n")));
    let eda = found.dataset.eda.unwrap();
    assert!(eda.correlations.unwrap().len() <= PAIRED_COLUMNS_MAX * (PAIRED_COLUMNS_MAX - 1) / 2);
    assert_eq!(eda.histograms.unwrap().len(), 20);
    assert_eq!(eda.scatter_pairs.unwrap().len(), 15);
    assert_eq!(eda.numeric_columns.len(), 300);
    assert_eq!(eda.missing_matrix.unwrap().columns.len(), MISSING_COLUMNS_MAX);
}

#[test]
fn histograms_count_every_value_once() {
    let found = csv(format!("n\n{}", (0..1000).map(|n| format!("{n}\n")).collect::<String>()));
    let eda = found.dataset.eda.unwrap();
    let histogram = eda.histogram.unwrap();
    assert_eq!(histogram.buckets.len(), 15);
    assert_eq!(histogram.buckets.iter().map(|bucket| bucket.count).sum::<u64>(), 1000);
    assert_eq!((histogram.buckets[0].start, histogram.buckets[14].end), (0.0, 999.0));
}

#[test]
fn results_of_queries_are_summarised_by_their_types() {
    let batch = batch(vec![
        ("i", Arc::new(Int32Array::from(vec![Some(1), None, Some(0), Some(1)]))),
        ("f", Arc::new(Float64Array::from(vec![1.5, f64::NAN, f64::INFINITY, 2.5]))),
        ("d", Arc::new(Decimal128Array::from(vec![150, 250, 350, 450]).with_precision_and_scale(10, 2).unwrap())),
        ("s", Arc::new(StringArray::from(vec![Some("2024-01-01"), Some("N/A"), Some("x"), None]))),
        ("v", Arc::new(StringViewArray::from(vec!["a", "b", "a", "c"]))),
        ("t", Arc::new(Date32Array::from(vec![Some(1), Some(2), None, Some(3)]))),
        ("b", Arc::new(BooleanArray::from(vec![true, false, true, true]))),
        ("s", Arc::new(StringArray::from(vec!["same name"; 4]))),
    ]);
    let eda = summarize_batches(&[batch.slice(0, 1), batch.slice(1, 3)], scope()).unwrap();
    assert_finite(&eda);
    let kinds: Vec<_> =
        eda.data_quality.iter().map(|column| (column.data_type, column.missing_count, column.unique_count)).collect();
    use EdaKind::{Boolean, Categorical, Datetime, Numeric};
    assert_eq!(
        kinds,
        [
            (Numeric, 1, 2),
            (Numeric, 2, 2),
            (Numeric, 0, 4),
            (Categorical, 1, 3),
            (Categorical, 0, 3),
            (Datetime, 1, 3),
            (Boolean, 0, 2),
            (Categorical, 0, 1)
        ]
    );
    let decimal = &eda.numeric_columns[2];
    assert_eq!((decimal.min, decimal.max, decimal.mean), (1.5, 4.5, 3.0));
    assert_eq!(eda.scope, Some(scope()));
    assert_eq!(summarize_batches(&[], scope()), None);
    assert_eq!(summarize_batches(&[batch.slice(0, 0)], scope()), None);
}

#[test]
fn neutral_columns_are_summarised_too() {
    let columns = [
        EdaColumn { name: "n", values: EdaValues::Numbers(&[Some(1.0), None, Some(3.0)]) },
        EdaColumn { name: "t", values: EdaValues::Text(&[Some("x"), Some("x"), Some("")]) },
        EdaColumn { name: "b", values: EdaValues::Booleans(&[Some(true)]) },
        EdaColumn { name: "i", values: EdaValues::Instants(&[Some(0), Some(1), None]) },
    ];
    let eda = summarize(&columns, scope()).unwrap();
    let missing: Vec<u64> = eda.data_quality.iter().map(|column| column.missing_count).collect();
    assert_eq!(missing, [1, 1, 2, 1]);
    assert_eq!(eda.numeric_columns[0].mean, 2.0);
    assert_eq!(eda.categorical_columns[0].top_values[0].percentage, 100.0);
    assert_eq!(summarize(&[], scope()), None);
}

#[test]
fn extreme_numbers_stay_finite() {
    let found = csv("a,b\n1.7e308,1e-300\n-1.7e308,2e-300\n1e308,5e-300\n0.5,1e-299\n");
    let eda = found.dataset.eda.unwrap();
    assert_finite(&eda);
    assert!(eda.correlations.is_some());
}
