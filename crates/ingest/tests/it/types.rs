//! Types from every row, and values that do not fit.

use gristmill_domain::datasets::ColumnType;
use serde_json::json;

use crate::support::{Place, csv};

fn column(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("\"{value}\",0")).collect();
    format!("v,x\n{}\n", quoted.join("\n"))
}

#[expect(clippy::needless_pass_by_value, reason = "the cases read better")]
fn check(values: &[&str], kind: ColumnType, expected: serde_json::Value) {
    let found = csv(column(values));
    assert_eq!(found.column("v").dtype, kind, "{values:?}");
    assert_eq!(json!(found.values("v")), expected, "{values:?}");
}

#[test]
fn values_become_what_they_are() {
    use ColumnType::{Boolean, Date, Float, Integer, String, Unknown};
    check(&["1", "-2", "+3"], Integer, json!([1, -2, 3]));
    check(&["1.0", "2", "1e3"], Integer, json!([1, 2, 1000]));
    check(&["1,234", "12,345,678"], Integer, json!([1234, 12_345_678]));
    check(&["1_000", "2"], Integer, json!([1000, 2]));
    check(&["1.5", "2", ".5", "1e-3"], Float, json!([1.5, 2.0, 0.5, 0.001]));
    check(&["true", "No", "YES", "0"], Boolean, json!([true, false, true, false]));
    check(&["1", "0", "1"], Integer, json!([1, 0, 1]));
    check(&["2024-01-15", "2024/01/16"], Date, json!(["2024-01-15T00:00:00.000Z", "2024-01-16T00:00:00.000Z"]));
    check(&["1/31/2024 ", "5-Feb-2024"], Date, json!(["2024-01-31T00:00:00.000Z", "2024-02-05T00:00:00.000Z"]));
    check(&["2024-01-15T23:30:00+02:00"], Date, json!(["2024-01-15T21:30:00.000Z"]));
    check(&["2024-01-15 10:00:00.123456"], Date, json!(["2024-01-15T10:00:00.123Z"]));
    check(&["item 5", "May 2024", "12 Main St"], String, json!(["item 5", "May 2024", "12 Main St"]));
    check(&["N/A", "-", ""], Unknown, json!([null, null, null]));
    check(&["20240115", "20240116"], Integer, json!([20_240_115, 20_240_116]));
    check(&["inf", "1", "2"], String, json!(["inf", "1", "2"]));
}

#[test]
fn integers_beyond_doubles_are_text_in_json() {
    check(&["9007199254740992", "9007199254740993"], ColumnType::Integer, json!([9_007_199_254_740_992_u64, "9007199254740993"]));
}

#[test]
fn missing_words_are_missing_in_every_type() {
    for values in [["1", "n/a"], ["1.5", "NaN"], ["true", "None"], ["2024-01-01", "--"], ["text", "NULL"]] {
        let found = csv(column(&values));
        assert_eq!((found.column("v").null_count, found.column("v").sample_count), (1, 1), "{values:?}");
        assert!(found.dataset.report.coercions.is_empty());
    }
}

#[test]
fn what_a_number_would_lose_stays_text_and_is_reported() {
    for (values, count, part) in [
        (vec!["007", "0123", "5"], 2, "leading zeros"),
        (vec!["1", "123456789012345678901234567890"], 1, "digits would be lost"),
        (vec!["3,14", "2,5", "7"], 2, "thousands separator"),
        (vec!["1.234,50"], 1, "thousands separator"),
        (vec!["31/12/2024", "13/1/2024", "1/2/2024"], 2, "day comes first"),
    ] {
        let found = csv(column(&values));
        assert_eq!(found.column("v").dtype, ColumnType::String, "{values:?}");
        assert_eq!(json!(found.values("v")), json!(values));
        let coercions = found.coercions("v");
        assert_eq!((coercions.len(), coercions[0].0), (1, count), "{values:?}: {coercions:?}");
        assert!(coercions[0].1.contains(part), "{coercions:?}");
        assert!(found.rejects.is_empty());
    }
}

#[test]
fn misfits_become_missing_and_are_listed_with_their_lines() {
    let mut text = "n,when,ok\n".to_owned();
    for row in 0..100 {
        let n = if row == 40 { "forty".to_owned() } else { row.to_string() };
        let when = if row == 50 { "someday" } else { "2024-05-06" };
        let ok = if row == 50 { "2" } else { "true" };
        text.push_str(&format!("{n},{when},{ok}\n"));
    }
    let found = csv(text);
    assert_eq!(found.types(), [ColumnType::Integer, ColumnType::Date, ColumnType::Boolean]);
    let listed: Vec<_> = found.rejects.iter().map(|r| (r.line, r.column.as_deref().unwrap(), r.value.as_str())).collect();
    assert_eq!(listed, [(42, "n", "forty"), (52, "when", "someday"), (52, "ok", "2")]);
    assert!(found.rejects[0].reason.contains("not a 64-bit integer"));
    assert_eq!(found.dataset.report.coercions.len(), 3);
    assert_eq!(found.column("n").null_count, 1);
}

#[test]
fn the_last_row_of_a_large_file_still_decides() {
    let body: String = (0..15_000).map(|row| format!("{row},{row},{}\n", "some text ".repeat(9))).collect();
    for (last, kind, value) in [
        ("0.5", ColumnType::Float, json!(0.5)),
        ("007", ColumnType::String, json!("007")),
        ("", ColumnType::Integer, json!(null)),
        ("word", ColumnType::Integer, json!(null)),
    ] {
        let found = Place::new("a.csv", format!("a,b,c\n{body}1,{last},x\n")).ingest();
        assert_eq!(found.column("b").dtype, kind, "{last:?}");
        assert_eq!(found.column("a").dtype, ColumnType::Integer);
        let row = gristmill_ingest::read_rows(&found.place.output(), 15_000, 1).unwrap();
        assert_eq!(row[0].get("b"), Some(&value), "{last:?}");
        assert_eq!(found.column("b").unique_count, if value.is_null() { 15_000 } else { 15_001 });
    }
}

#[test]
fn a_column_that_is_empty_at_first_gets_its_type_all_the_same() {
    let body: String = (0..20_000).map(|row| format!("{row}{:60},\n", 'x')).collect();
    let found = csv(format!("a,late\n{body}1,2024-01-01\n"));
    assert_eq!(found.column("late").dtype, ColumnType::Date);
    assert_eq!(found.column("late").null_count, 20_000);
}

#[test]
fn ninety_percent_is_the_line() {
    let values = |misfits: usize| {
        let rows = (0..1000).map(|row| if row < misfits { "x".to_owned() } else { row.to_string() });
        format!("v\n{}\n", rows.collect::<Vec<_>>().join("\n"))
    };
    assert_eq!(csv(values(100)).column("v").dtype, ColumnType::Integer);
    let found = csv(values(101));
    assert_eq!(found.column("v").dtype, ColumnType::String);
    assert_eq!(found.column("v").null_count, 0);
}
