//! What features are, method by method, and what the report says.

use std::{
    collections::HashSet,
    num::NonZeroUsize,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use arrow::array::{Array, RecordBatch};
use gristmill_domain::{ErrorCode, datasets::ColumnType, features::FeatureMethod};
use gristmill_features::{FeatureError, FeatureLimits, apply, plan};
use gristmill_ingest::{IngestObserver, RowReader, derive, derive::DatasetFile};
use serde_json::json;

use crate::support::{
    dates, fitted, flags, floats, instant, integers, make, message, of_numbers, options, presence, read, spec, table, texts,
    write,
};

/// 2024-02-29 23:30, a Thursday.
const LEAP_DAY: i64 = 1_709_249_400_000_000;

#[test]
fn logarithms_and_roots_of_what_has_none_are_missing() {
    let values = [Some(0.0), Some(-1.0), None, Some(3.0), Some(f64::INFINITY), Some(f64::NAN)];
    let logarithm = of_numbers(FeatureMethod::LogTransform, &values);
    assert_eq!(logarithm, [Some(0.0), None, None, Some(4.0_f64.ln()), None, None]);
    let log1p = of_numbers(FeatureMethod::Log1pTransform, &values);
    assert_eq!(log1p, [Some(0.0), None, None, Some(3.0_f64.ln_1p()), None, None]);
    let root = of_numbers(FeatureMethod::SqrtTransform, &values);
    assert_eq!(root, [Some(0.0), None, None, Some(3.0_f64.sqrt()), None, None]);
    let reciprocal = of_numbers(FeatureMethod::ReciprocalTransform, &values);
    assert_eq!(reciprocal, [None, Some(-1.0), None, Some(1.0 / 3.0), None, None]);
}

#[test]
fn the_report_counts_what_became_of_the_values() {
    let rows = table([("x", floats([Some(-1.0), Some(-3.0), None, Some(f64::MAX), Some(f64::INFINITY)]))]);
    let specs = [
        spec(FeatureMethod::LogTransform, "x", "log"),
        spec(FeatureMethod::Polynomial, "x", "power").with("degree", 3),
        spec(FeatureMethod::MissingIndicator, "x", "no"),
    ];
    let made = make(&rows, &specs, &options()).unwrap();
    assert_eq!(
        made.outcome("log"),
        json!({
            "featureName": "log", "method": "log_transform", "sourceColumn": "x", "nullsIn": 2,
            "outputs": [{"name": "log", "dtype": "float", "nullCount": 4}],
            "becameNull": [{"reason": "not_positive", "count": 2}],
            "learned": {},
        })
    );
    let power = made.outcome("power");
    assert_eq!(power["becameNull"], json!([{"reason": "too_large", "count": 2}]));
    assert_eq!(power["outputs"].as_array().unwrap().len(), 2);
    assert_eq!(made.numbers("no"), [0.0, 0.0, 1.0, 0.0, 1.0].map(Some));
    assert_eq!((made.applied.report.rows, made.applied.report.rows_learned_from), (5, 5));
}

#[test]
fn equal_values_become_zero_and_nothing_is_divided_by_it() {
    let values = [Some(0.1), None, Some(0.1), Some(0.1)];
    let zeros = [Some(0.0), None, Some(0.0), Some(0.0)];
    for method in [FeatureMethod::Standardize, FeatureMethod::MinMaxScale, FeatureMethod::RobustScale] {
        assert_eq!(of_numbers(method, &values), zeros, "{method:?}");
    }
    assert_eq!(of_numbers(FeatureMethod::MaxAbsScale, &zeros), zeros);
    assert_eq!(of_numbers(FeatureMethod::Standardize, &[Some(5.0)]), [Some(0.0)]);
    // Most are equal, so the quartiles are: others keep their distance, as in scikit-learn.
    let mostly = [Some(1.0), Some(1.0), Some(1.0), Some(1.0), Some(9.0)];
    assert_eq!(of_numbers(FeatureMethod::RobustScale, &mostly)[4], Some(8.0));
    let made = make(&table([("x", floats(values))]), &[spec(FeatureMethod::Standardize, "x", "out")], &options()).unwrap();
    assert_eq!(made.outcome("out")["notes"], json!(["All values are equal."]));
}

#[test]
fn bins_are_those_of_pandas_and_ties_leave_fewer() {
    let values = [Some(0.0), Some(20.0), Some(20.1), None, Some(100.0)];
    assert_eq!(of_numbers(FeatureMethod::Bucketize, &values), [Some(0.0), Some(0.0), Some(1.0), None, Some(4.0)]);
    let tied = [Some(1.0), Some(1.0), Some(1.0), Some(2.0), Some(3.0)];
    let made = make(&table([("x", floats(tied))]), &[spec(FeatureMethod::QuantileBin, "x", "out")], &options()).unwrap();
    assert_eq!(made.numbers("out"), [0.0, 0.0, 0.0, 0.0, 1.0].map(Some));
    assert_eq!(made.outcome("out")["notes"], json!(["Equal values leave 2 ranges of 4."]));
    assert_eq!(of_numbers(FeatureMethod::QuantileBin, &[Some(7.0); 3]), [Some(0.0); 3]);
}

#[test]
fn categories_become_columns_numbers_shares_and_bits() {
    let rows = table([("x", texts([Some("b"), None, Some("a"), Some("c"), Some("b")]))]);
    let specs = [
        spec(FeatureMethod::OneHotEncode, "x", "is"),
        spec(FeatureMethod::OneHotEncode, "x", "less").with("drop_first", true),
        spec(FeatureMethod::LabelEncode, "x", "label"),
        spec(FeatureMethod::FrequencyEncode, "x", "share"),
        spec(FeatureMethod::FrequencyEncode, "x", "count").with("normalize", false),
        spec(FeatureMethod::BinaryEncode, "x", "bits"),
    ];
    let made = make(&rows, &specs, &options()).unwrap();
    let names: Vec<&str> = made.applied.fitted.output_names().collect();
    let expected = ["is_a", "is_b", "is_c", "less_b", "less_c", "label", "share", "count", "bits_bin0", "bits_bin1"];
    assert_eq!(names, expected);
    assert_eq!(made.column("is_b"), &flags([true, false, false, false, true].map(Some)));
    assert_eq!(made.numbers("label"), [1.0, -1.0, 0.0, 2.0, 1.0].map(Some));
    assert_eq!(made.numbers("share"), [Some(0.5), None, Some(0.25), Some(0.25), Some(0.5)]);
    assert_eq!(made.column("count"), &integers([Some(2), None, Some(1), Some(1), Some(2)]));
    assert_eq!(made.numbers("bits_bin0"), [1.0, 0.0, 0.0, 0.0, 1.0].map(Some));
    assert_eq!(made.numbers("bits_bin1"), [0.0, 0.0, 0.0, 1.0, 0.0].map(Some));
    assert_eq!(made.outcome("label")["learned"], json!({"categories": 3, "first": ["a", "b", "c"]}));
}

#[test]
fn numbers_booleans_and_dates_are_categories_too() {
    let rows = table([
        ("n", floats([Some(1.0), Some(0.5), None])),
        ("flag", flags([Some(true), None, Some(false)])),
        ("date", dates([Some(LEAP_DAY), None, Some(0)])),
    ]);
    let specs = ["n", "flag", "date"].map(|source| spec(FeatureMethod::OneHotEncode, source, source.to_uppercase().as_str()));
    let made = make(&rows, &specs, &options()).unwrap();
    let names: Vec<&str> = made.applied.fitted.output_names().collect();
    let dates = ["DATE_1970-01-01 00:00:00", "DATE_2024-02-29 23:30:00"];
    assert_eq!(names, [&["N_0.5", "N_1.0", "FLAG_False", "FLAG_True"][..], &dates].concat());
}

#[test]
fn dates_have_parts_and_ages() {
    let rows = table([("at", dates([Some(LEAP_DAY), None, Some(-1)]))]);
    let mut specs = vec![
        spec(FeatureMethod::ExtractYear, "at", "year"),
        spec(FeatureMethod::ExtractMonth, "at", "month"),
        spec(FeatureMethod::ExtractDay, "at", "day"),
        spec(FeatureMethod::ExtractWeekday, "at", "weekday"),
        spec(FeatureMethod::ExtractHour, "at", "hour"),
        spec(FeatureMethod::CyclicalEncode, "at", "cycle").with("period", "weekday"),
    ];
    for unit in ["days", "hours", "weeks", "months"] {
        specs.push(spec(FeatureMethod::TimeSince, "at", unit).with("unit", unit));
    }
    let mut options = options();
    options.reference = instant("2024-03-07T23:30:00Z");
    let made = make(&rows, &specs, &options).unwrap();
    for (name, first, last) in
        [("year", 2024.0, 1969.0), ("month", 2.0, 12.0), ("day", 29.0, 31.0), ("weekday", 3.0, 2.0), ("hour", 23.0, 23.0)]
    {
        assert_eq!(made.numbers(name), [Some(first), None, Some(last)], "{name}");
    }
    for (unit, expected) in [("days", 7.0), ("hours", 168.0), ("weeks", 1.0), ("months", 7.0 / 30.4375)] {
        let found = made.numbers(unit)[0].unwrap();
        assert!((found - expected).abs() < 1e-12, "{unit}: {found}");
    }
    let (sine, cosine) = (made.numbers("cycle_sin")[0].unwrap(), made.numbers("cycle_cos")[0].unwrap());
    assert!((sine - (std::f64::consts::TAU * 3.0 / 7.0).sin()).abs() < 1e-15 && cosine < 0.0);
    assert_eq!(made.applied.fitted.reference, options.reference);
}

#[test]
fn two_columns_make_one_and_whole_numbers_stay_exact() {
    let large = 1 << 60;
    let rows = table([
        ("a", floats([Some(1.0), Some(1.0), None, Some(1e300)])),
        ("b", floats([Some(4.0), Some(0.0), Some(1.0), Some(1e-300)])),
        ("n", integers([Some(large + 3), Some(i64::MIN), Some(2), None])),
        ("m", integers([Some(large), Some(1), Some(5), Some(1)])),
        ("flag", flags([Some(true), Some(false), None, Some(true)])),
    ]);
    let specs = [
        spec(FeatureMethod::Ratio, "a", "ratio").and("b"),
        spec(FeatureMethod::Difference, "a", "less").and("b"),
        spec(FeatureMethod::Product, "a", "times").and("flag"),
        spec(FeatureMethod::Difference, "n", "exact").and("m"),
        spec(FeatureMethod::Product, "n", "whole").and("m"),
        spec(FeatureMethod::Product, "n", "kept").and("flag"),
    ];
    let made = make(&rows, &specs, &options()).unwrap();
    assert_eq!(made.numbers("ratio"), [Some(0.25), None, None, None]);
    let reasons = json!([{"reason": "division_by_zero", "count": 1}, {"reason": "too_large", "count": 1}]);
    assert_eq!(made.outcome("ratio")["becameNull"], reasons);
    assert_eq!(made.numbers("less"), [Some(-3.0), Some(1.0), None, Some(1e300)]);
    assert_eq!(made.numbers("times"), [Some(1.0), Some(0.0), None, Some(1e300)]);
    assert_eq!(made.column("exact"), &integers([Some(3), None, Some(-3), None]));
    assert_eq!(made.column("whole"), &integers([None, Some(i64::MIN), Some(10), None]));
    assert_eq!(made.column("kept"), &integers([Some(large + 3), Some(0), None, None]));
    assert_eq!(made.outcome("exact")["becameNull"], json!([{"reason": "too_large", "count": 1}]));
}

#[test]
fn texts_are_counted_and_missing_ones_are_not() {
    let rows = table([("t", texts([Some("naïve  🦀 test"), None, Some("")])), ("n", floats([Some(1.0), None, Some(-2.5)]))]);
    let specs = [
        spec(FeatureMethod::TextLength, "t", "length"),
        spec(FeatureMethod::WordCount, "t", "words"),
        spec(FeatureMethod::ContainsPattern, "t", "has").with("pattern", "TEST"),
        spec(FeatureMethod::ContainsPattern, "t", "exactly").with("pattern", "TEST").with("case_sensitive", true),
        spec(FeatureMethod::TextLength, "n", "digits"),
    ];
    let made = make(&rows, &specs, &options()).unwrap();
    assert_eq!(made.numbers("length"), [Some(13.0), None, Some(0.0)]);
    assert_eq!(made.numbers("words"), [Some(3.0), None, Some(0.0)]);
    assert_eq!(made.numbers("has"), [1.0, 0.0, 0.0].map(Some));
    assert_eq!(made.numbers("exactly"), [0.0; 3].map(Some));
    assert_eq!(made.numbers("digits"), [Some(3.0), None, Some(4.0)]);
}

#[test]
fn powers_skip_missing_values_and_are_stored() {
    let values = [Some(1.0), None, Some(2.0), Some(4.0), Some(8.0), Some(9.0), Some(f64::NAN)];
    for method in [FeatureMethod::BoxCox, FeatureMethod::YeoJohnson] {
        let made = make(&table([("x", floats(values))]), &[spec(method, "x", "out")], &options()).unwrap();
        assert_eq!(presence(made.column("out")), [true, false, true, true, true, true, false], "{method:?}");
        assert!(made.outcome("out")["learned"]["lambda"].as_f64().unwrap().abs() < 5.0);
    }
}

#[test]
fn what_cannot_be_learned_is_explained() {
    let rows = table([
        ("none", floats([None, None, None])),
        ("some", floats([Some(1.0), Some(0.0), Some(-2.0)])),
        ("same", floats([Some(2.0), Some(2.0), None])),
        ("huge", floats([Some(f64::MAX), Some(f64::MIN), None])),
        ("text", texts([Some("a"), Some("b"), Some("c")])),
        ("only", texts([Some("a"), None, Some("a")])),
    ]);
    for (asked, expected) in [
        (spec(FeatureMethod::Standardize, "none", "x"), "the column \"none\" has no values"),
        (spec(FeatureMethod::BoxCox, "some", "x"), "\"some\" has 1 below; use yeo_johnson"),
        (spec(FeatureMethod::BoxCox, "same", "x"), "all values of \"same\" are equal"),
        (spec(FeatureMethod::MinMaxScale, "huge", "x"), "the values of \"huge\" are too large"),
        (spec(FeatureMethod::Bucketize, "huge", "x"), "the values of \"huge\" are too large"),
        (
            spec(FeatureMethod::OneHotEncode, "none", "x"),
            "\"none\" has no categories that columns could be made for; it has 0 in all",
        ),
        (
            spec(FeatureMethod::OneHotEncode, "only", "x").with("drop_first", true),
            "\"only\" has no categories that columns could be made for; it has 1 in all",
        ),
        (spec(FeatureMethod::TargetEncode, "some", "x").with("targetColumn", "text"), "the target \"text\" has more than two"),
        (spec(FeatureMethod::TargetEncode, "text", "x").with("targetColumn", "none"), "the column \"none\" has no values"),
        (spec(FeatureMethod::TargetEncode, "text", "x").with("targetColumn", "huge"), "the values of \"huge\" are too large"),
    ] {
        let result = make(&rows, &[asked], &options());
        let Err(error @ FeatureError::Unlearnable { .. }) = result else { panic!("{expected}") };
        assert_eq!(error.code(), ErrorCode::ValidationFailed);
        let message = error.public_message();
        assert!(message.contains(expected), "{message:?} is not {expected:?}");
    }
}

#[test]
fn there_is_a_limit_to_categories() {
    let names: Vec<String> = (0..300).map(|n| format!("category {n}")).collect();
    let rows = table([("x", texts(names.iter().map(|name| Some(name.as_str()))))]);
    let hot = message(make(&rows, &[spec(FeatureMethod::OneHotEncode, "x", "is")], &options()));
    assert!(hot.contains("\"x\" has more than 256 categories"), "{hot}");
    for limits in [
        FeatureLimits { categories_max: 299, ..FeatureLimits::default() },
        FeatureLimits { category_bytes_max: 1000, ..FeatureLimits::default() },
    ] {
        let few = gristmill_features::FitOptions { limits, ..options() };
        let label = message(make(&rows, &[spec(FeatureMethod::LabelEncode, "x", "label")], &few));
        assert!(label.contains("it names rows rather than groups of them"), "{label}");
    }
    assert!(make(&rows, &[spec(FeatureMethod::LabelEncode, "x", "label")], &options()).is_ok());

    // Of many features of one column, each keeps its categories.
    let limits = FeatureLimits { category_memory_max: 60_000, ..FeatureLimits::default() };
    let tight = gristmill_features::FitOptions { limits, ..options() };
    let labels: Vec<_> = (0..3).map(|n| spec(FeatureMethod::LabelEncode, "x", &format!("label {n}"))).collect();
    assert!(make(&rows, &labels[..1], &tight).is_ok());
    let many = message(make(&rows, &labels, &tight));
    assert!(many.contains("make fewer such features at a time"), "{many}");
}

#[test]
fn chains_learn_from_what_was_made() {
    let rows = table([
        ("x", floats((0..50).map(|n| Some(f64::from(n))))),
        ("t", texts((0..50).map(|n| Some(if n % 3 == 0 { "a" } else { "b" })))),
    ]);
    let specs = [
        spec(FeatureMethod::SquareTransform, "x", "square"),
        spec(FeatureMethod::Standardize, "square", "score"),
        spec(FeatureMethod::MinMaxScale, "score", "scaled"),
        spec(FeatureMethod::OneHotEncode, "t", "is"),
        spec(FeatureMethod::Product, "scaled", "both").and("is_a"),
        spec(FeatureMethod::MaxAbsScale, "both", "last"),
    ];
    let made = make(&rows, &specs, &options()).unwrap();
    let scaled = made.numbers("scaled");
    assert_eq!((scaled[0], scaled[49]), (Some(0.0), Some(1.0)));
    let last = made.numbers("last");
    assert_eq!((last[48], last[49]), (Some(1.0), Some(0.0)));
}

#[test]
fn columns_that_only_the_data_decide_about_are_checked_too() {
    let rows = table([("t", texts([Some("a"), Some("b")])), ("is_a", floats([Some(1.0), None]))]);
    let taken = message(make(&rows, &[spec(FeatureMethod::OneHotEncode, "t", "is")], &options()));
    assert!(taken.contains("it makes a column \"is_a\", which is there already"), "{taken}");
    let specs = [spec(FeatureMethod::OneHotEncode, "t", "hot"), spec(FeatureMethod::MissingIndicator, "hot_z", "x")];
    let missing = message(make(&rows, &specs, &options()));
    assert!(missing.contains("there is no column \"hot_z\": feature \"hot\" did not make it"), "{missing}");
}

#[test]
fn rows_held_out_teach_nothing() {
    let values: Vec<Option<f64>> = (0..20).map(|n| Some(f64::from(n))).collect();
    let ids: Vec<Option<i64>> = (0..20).map(|n| Some(100 - n)).collect();
    let rows = table([("__row_id", integers(ids)), ("x", floats(values))]);
    let mut options = options();
    // The rows with the largest values.
    options.held_out = Some(Arc::new(HashSet::from_iter(81..=90)));
    let made = make(&rows, &[spec(FeatureMethod::MinMaxScale, "x", "scaled")], &options).unwrap();
    assert_eq!(made.outcome("scaled")["learned"], json!({"min": 0.0, "max": 9.0}));
    assert_eq!(made.numbers("scaled")[18], Some(2.0));
    assert_eq!((made.applied.report.rows, made.applied.report.rows_learned_from), (20, 10));
}

#[test]
fn row_ids_that_are_none_are_refused() {
    let rows = table([("__row_id", integers([Some(1), None])), ("x", floats([Some(1.0), None]))]);
    let error = message(make(&rows, &[spec(FeatureMethod::SquareTransform, "x", "y")], &options()));
    assert!(error.starts_with("The column \"__row_id\" numbers rows"), "{error}");
}

/// Many rows, so that there are several batches.
fn many(rows: i64) -> RecordBatch {
    let value = |n: i64| Some(f64::from(i32::try_from(n * 7919 % 10_007).unwrap()) / 100.0);
    let names: Vec<String> = (0..rows).map(|n| format!("name {}", n % 23)).collect();
    table([
        ("x", floats((0..rows).map(|n| if n % 11 == 0 { None } else { value(n) }))),
        ("t", texts(names.iter().map(|name| Some(name.as_str())))),
        ("y", floats((0..rows).map(|n| value(n + 5)))),
    ])
}

#[test]
fn the_same_bits_whatever_the_threads_and_the_memory() {
    let rows = many(150_000);
    let specs = [
        spec(FeatureMethod::Standardize, "x", "score"),
        spec(FeatureMethod::RobustScale, "x", "robust"),
        spec(FeatureMethod::QuantileBin, "score", "bin"),
        spec(FeatureMethod::YeoJohnson, "x", "power"),
        spec(FeatureMethod::TargetEncode, "t", "target").with("targetColumn", "y"),
        spec(FeatureMethod::FrequencyEncode, "t", "share"),
    ];
    let with = |threads: usize, values_bytes_max: usize| {
        let threads = NonZeroUsize::new(threads).unwrap();
        let limits = FeatureLimits { threads, values_bytes_max, ..FeatureLimits::default() };
        make(&rows, &specs, &gristmill_features::FitOptions { limits, ..options() }).unwrap()
    };
    let one = with(1, 256 << 20);
    for other in [with(4, 256 << 20), with(2, 100_000)] {
        assert_eq!(one.rows, other.rows);
        assert_eq!(one.applied.fitted, other.applied.fitted);
        assert_eq!(one.applied.report, other.applied.report);
    }
}

#[test]
fn a_derived_dataset_is_a_dataset_with_statistics() {
    let directory = tempfile::tempdir().unwrap();
    let (source, output) = (directory.path().join("in"), directory.path().join("out"));
    write(&source, &many(100));
    let file = DatasetFile::open(&source).unwrap();
    let plan = plan(&[spec(FeatureMethod::Standardize, "x", "score")], file.columns()).unwrap();
    apply(&plan, &source, &output, &options(), &gristmill_ingest::Unobserved).unwrap();
    let described = derive::describe(&output, NonZeroUsize::MIN, &gristmill_ingest::Unobserved).unwrap();
    let column = described.columns.iter().find(|column| column.name == "score").unwrap();
    assert_eq!((column.dtype, column.null_count, column.std_dev), (ColumnType::Float, 10, Some(1.0)));
    assert_eq!(described.row_count, 100);
    assert_eq!(described.sample.len(), 20);
    assert_eq!(RowReader::open(&output).unwrap().rows(0, 1).unwrap()[0]["score"], serde_json::Value::Null);
}

/// Stops after some questions, and notes how far the run was.
struct Impatient {
    questions: AtomicU32,
    after: u32,
    progress: std::sync::Mutex<Vec<f64>>,
}

impl IngestObserver for Impatient {
    fn progress(&self, fraction: f64, _stage: &str) {
        self.progress.lock().unwrap().push(fraction);
    }

    fn is_cancelled(&self) -> bool {
        self.questions.fetch_add(1, Ordering::SeqCst) >= self.after
    }
}

#[test]
fn a_run_can_be_watched_and_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let (source, output) = (directory.path().join("in"), directory.path().join("out"));
    write(&source, &many(150_000));
    let file = DatasetFile::open(&source).unwrap();
    let plan = plan(&[spec(FeatureMethod::Standardize, "x", "score")], file.columns()).unwrap();
    let run = |after: u32| {
        let observer = Impatient { questions: AtomicU32::new(0), after, progress: std::sync::Mutex::default() };
        let result = apply(&plan, &source, &output, &options(), &observer);
        (result, observer.progress.into_inner().unwrap())
    };
    for after in [0, 1, 4, 6] {
        let (result, _) = run(after);
        assert!(matches!(result, Err(FeatureError::Cancelled)), "{after}");
        assert!(!output.exists());
    }
    let (result, progress) = run(u32::MAX);
    assert!(result.is_ok() && progress.is_sorted() && progress.last() == Some(&1.0), "{progress:?}");
    assert_eq!(read(&output).num_rows(), 150_000);
}

#[test]
fn files_that_are_gone_or_changed_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let rows = many(10);
    let plan = plan(&[spec(FeatureMethod::Standardize, "x", "score")], &gristmill_features::columns_of(&rows.schema())).unwrap();
    let output = directory.path().join("out");
    let run = |source: &Path| apply(&plan, source, &output, &options(), &gristmill_ingest::Unobserved);
    assert_eq!(run(&directory.path().join("none")).unwrap_err().code(), ErrorCode::FileMissing);
    let other = directory.path().join("other");
    write(&other, &table([("x", integers([Some(1)])), ("t", texts([None])), ("y", floats([None]))]));
    assert_eq!(
        run(&other).unwrap_err().public_message(),
        "The column \"x\" holds integer now, and held float when the features were planned."
    );
    let more = directory.path().join("more");
    write(&more, &table([("x", floats([Some(1.0)])), ("t", texts([None])), ("y", floats([None])), ("z", floats([None]))]));
    assert!(matches!(run(&more), Err(FeatureError::Column { column, .. }) if column == "z"));
}

#[test]
fn tables_without_rows_have_features_that_learn_nothing() {
    let rows = table([("x", floats([])), ("t", texts([]))]);
    let made =
        make(&rows, &[spec(FeatureMethod::SquareTransform, "x", "y"), spec(FeatureMethod::LabelEncode, "t", "n")], &options());
    let made = made.unwrap();
    assert_eq!((made.rows.num_rows(), made.column("y").len()), (0, 0));
    assert!(message(fitted(&rows, &[spec(FeatureMethod::Standardize, "x", "y")])).contains("has no values"));
}
