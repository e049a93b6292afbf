//! Changing a column's type.

use std::collections::{BTreeMap, HashMap};

use gristmill_domain::{ErrorCode, datasets::ColumnType};
use gristmill_ingest::{RetypeError, Unobserved, ingest_typed, retype, retype_from_source};
use serde_json::{Value, json};

use crate::support::{Place, all_rows, csv};

fn values(path: &std::path::Path, column: &str) -> Vec<Value> {
    all_rows(path).into_iter().map(|mut row| row.remove(column).unwrap()).collect()
}

#[test]
fn every_conversion_that_fits_works() {
    use ColumnType::{Boolean, Date, Float, Integer, String, Unknown};
    for (from, to, expected) in [
        ("1\n2\nN/A\n", Float, json!([1.0, 2.0, null])),
        ("1\n2\nN/A\n", String, json!(["1", "2", null])),
        ("1\n0\n", Boolean, json!([true, false])),
        ("1.5\n2\n", String, json!(["1.5", "2"])),
        ("1.5\n2.5\n", Float, json!([1.5, 2.5])),
        ("007\n12\n", Integer, json!([7, 12])),
        ("true\nno\n", String, json!(["true", "false"])),
        ("2024-01-15\n2024-01-16 10:00\n", String, json!(["2024-01-15", "2024-01-16T10:00:00"])),
        ("a\n\"2024-01-15\"\n", Unknown, json!(["a", "2024-01-15"])),
    ] {
        let found = csv(format!("v,x\n{}", from.lines().map(|line| format!("{line},1\n")).collect::<std::string::String>()));
        let output = found.place.path("next.parquet");
        let next = retype(&found.place.output(), &output, "v", to, &Unobserved).unwrap();
        assert_eq!(next.columns[0].dtype, to, "{from:?}");
        assert_eq!(json!(values(&output, "v")), expected, "{from:?} to {to:?}");
        assert_eq!(next.columns[1], found.dataset.columns[1]);
        assert_eq!(next.file_type, found.dataset.file_type);
        let dates_to_text = retype(&output, &found.place.path("third.parquet"), "x", Date, &Unobserved);
        assert!(matches!(dates_to_text, Err(RetypeError::Conversion(_))));
    }
}

#[test]
fn the_first_value_that_does_not_fit_is_named_and_nothing_is_left() {
    let body: String = (1..=70_000)
        .map(|row| if row == 68_001 || row == 69_000 { "word,1\n".to_owned() } else { format!("{row}a,{row}\n") })
        .collect();
    let found = csv(format!("v,x\n{}", body.replace('a', "").replace("word", "99a")));
    // The column is an integer with two misfits; made text from the source, it has them back.
    assert_eq!(found.column("v").dtype, ColumnType::Integer);
    let output = found.place.path("next.parquet");
    let types = HashMap::from([("v".to_owned(), ColumnType::Integer)]);
    let error = found
        .place
        .request(|request| {
            retype_from_source(&gristmill_ingest::IngestRequest { output: &output, ..*request }, &types, &Unobserved)
        })
        .unwrap_err();
    let RetypeError::Conversion(failure) = &error else { panic!("{error:?}") };
    assert_eq!((failure.row, failure.value.as_str(), failure.column.as_str()), (68_001, "99a", "v"));
    assert_eq!(error.code(), ErrorCode::ConversionFailed);
    assert!(error.public_message().contains("Row 68001"), "{}", error.public_message());
    assert!(!output.exists());
    let error = retype(&found.place.output(), &output, "x", ColumnType::Boolean, &Unobserved).unwrap_err();
    assert!(matches!(&error, RetypeError::Conversion(failure) if failure.row == 2 && failure.value == "2"), "{error:?}");
    assert!(!output.exists());
}

#[test]
fn from_the_source_nothing_is_lost_on_the_way_there_and_back() {
    let text = "zip,n,x\n01234,1,5\n00501,oops,6\n,3,7\n".to_owned() + &"10115,4,8\n".repeat(40);
    let place = Place::new("a.csv", &text);
    let step = |types: &[(&str, ColumnType)]| {
        let types: HashMap<String, ColumnType> = types.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        place.request(|request| retype_from_source(request, &types, &Unobserved)).unwrap()
    };
    let first = step(&[]);
    assert_eq!(first.columns[0].dtype, ColumnType::String);
    let numbers = step(&[("zip", ColumnType::Integer)]);
    assert_eq!(values(&place.output(), "zip")[..3], [json!(1234), json!(501), json!(null)]);
    assert_eq!(numbers.columns[0].min, Some(501.0), "statistics are recomputed");
    assert_eq!(numbers.columns[1..], first.columns[1..], "other columns stay as they were");
    let back = step(&[("zip", ColumnType::String), ("n", ColumnType::String)]);
    assert_eq!(values(&place.output(), "zip")[0], json!("01234"));
    assert_eq!(values(&place.output(), "n")[1], json!("oops"));
    assert!(back.report.coercions.is_empty());
    // From the Parquet file the zeros are gone, as its documentation says.
    step(&[("zip", ColumnType::Integer)]);
    retype(&place.output(), &place.path("text.parquet"), "zip", ColumnType::String, &Unobserved).unwrap();
    assert_eq!(values(&place.path("text.parquet"), "zip")[0], json!("1234"));
}

/// What a program wrote with its types is read with those, whatever the texts look like.
#[test]
fn a_file_with_types_is_read_with_them() {
    use ColumnType::{Boolean, Date, Float, Integer, String};
    let large = i64::MAX;
    let text = format!(
        "zip,word,yes,day_text,truth,whole,large,half,at,free\n\
         1,N/A,yes,2024-01-01,True,1,{large},1.0,2024-01-01 10:00:00.500,1\n\
         ,,,,,,,,,N/A\n\
         00501,\"é, \"\"日本\"\"\",no,2024-01-02,False,3,{},2.5,2024-01-02 00:00:00.000,2\n",
        i64::MIN
    );
    let place = Place::new("a.csv", &text);
    let kinds = [("zip", String), ("word", String), ("yes", String), ("day_text", String), ("truth", Boolean)];
    let kinds = kinds.into_iter().chain([("whole", Integer), ("large", Integer), ("half", Float), ("at", Date)]);
    let types: BTreeMap<std::string::String, ColumnType> = kinds.map(|(name, kind)| (name.to_owned(), kind)).collect();
    let read = place.request(|request| ingest_typed(request, &types, &Unobserved)).unwrap();
    for column in &read.columns {
        assert_eq!(column.dtype, types.get(&column.name).copied().unwrap_or(Integer), "{}", column.name);
    }
    for (column, expected) in [
        ("zip", json!(["1", null, "00501"])),
        ("word", json!(["N/A", null, "é, \"日本\""])),
        ("yes", json!(["yes", null, "no"])),
        ("day_text", json!(["2024-01-01", null, "2024-01-02"])),
        ("truth", json!([true, null, false])),
        ("whole", json!([1, null, 3])),
        // Numbers that JSON readers round are texts in rows.
        ("large", json!([i64::MAX.to_string(), null, i64::MIN.to_string()])),
        ("half", json!([1.0, null, 2.5])),
        ("free", json!([1, null, 2])),
    ] {
        assert_eq!(json!(values(&place.output(), column)), expected, "{column}");
    }
    let word = &read.columns[1];
    assert_eq!((word.null_count, word.unique_count), (1, 2), "`N/A` is counted as the text that it is");
    assert_eq!(read.eda.unwrap().data_quality[1].missing_count, 1, "in the summary, too");
    let inferred = place.ingest_observed(&Unobserved).unwrap();
    let guessed: Vec<ColumnType> = inferred.columns.iter().map(|column| column.dtype).collect();
    assert_eq!(guessed[2..4], [Boolean, Date], "without types, texts are taken for what they look like");

    let wrong = BTreeMap::from([("word".to_owned(), Integer)]);
    let error = place.request(|request| ingest_typed(request, &wrong, &Unobserved)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ConversionFailed);
    let missing = BTreeMap::from([("nope".to_owned(), Integer)]);
    let error = place.request(|request| ingest_typed(request, &missing, &Unobserved)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ColumnNotFound);
}

#[test]
fn unknown_columns_stay_unknown_and_missing_ones_are_said_to_be() {
    let found = csv("v,none\n1,\n2,N/A\n");
    let output = found.place.path("next.parquet");
    let next = retype(&found.place.output(), &output, "v", ColumnType::Float, &Unobserved).unwrap();
    assert_eq!(next.columns[1].dtype, ColumnType::Unknown);
    let next = retype(&output, &found.place.path("third.parquet"), "none", ColumnType::Date, &Unobserved).unwrap();
    assert_eq!((next.columns[1].dtype, next.columns[1].null_count), (ColumnType::Date, 2));
    let error = retype(&output, &found.place.path("x"), "nope", ColumnType::Date, &Unobserved).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ColumnNotFound);
    let types = HashMap::from([("nope".to_owned(), ColumnType::Date)]);
    let error = found.place.request(|request| retype_from_source(request, &types, &Unobserved)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ColumnNotFound);
    let gone = retype(&found.place.path("gone"), &output, "v", ColumnType::Date, &Unobserved).unwrap_err();
    assert_eq!(gone.code(), ErrorCode::FileMissing);
}

#[test]
fn rows_keep_their_order_through_a_conversion() {
    let body: String = (0..70_000).map(|row| format!("{row},{}\n", row % 3)).collect();
    let found = csv(format!("n,k\n{body}"));
    let output = found.place.path("next.parquet");
    let next = retype(&found.place.output(), &output, "k", ColumnType::String, &Unobserved).unwrap();
    assert_eq!(next.columns[1].unique_count, 3);
    for offset in [0, 65_536, 69_999] {
        let row = gristmill_ingest::read_rows(&output, offset, 1).unwrap();
        assert_eq!(json!(row), json!([{"n": offset, "k": (offset % 3).to_string()}]));
    }
}
