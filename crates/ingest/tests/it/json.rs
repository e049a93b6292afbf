//! JSON in its arrangements.

use gristmill_domain::{
    ErrorCode,
    datasets::{ColumnType, FileType},
};
use serde_json::json;

use crate::support::{Place, json};

#[test]
fn every_arrangement_gives_the_same_rows() {
    for (name, text) in [
        ("a.json", r#"[{"a":1,"b":"x"},{"a":2,"b":"y"}]"#),
        ("a.json", "[\n  {\n    \"a\": 1,\n    \"b\": \"x\"\n  },\n  {\n    \"a\": 2,\n    \"b\": \"y\"\n  }\n]\n"),
        ("a.ndjson", "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n"),
        ("a.jsonl", "{\"a\":1,\"b\":\"x\"}\r\n\r\n{\"a\":2,\"b\":\"y\"}"),
        ("a.json", "{\n\"a\":1,\n\"b\":\"x\"}\n{\"a\":2,\n\"b\":\"y\"}"),
        ("a.json", "\u{feff}[{\"a\":1,\"b\":\"x\"},{\"a\":2,\"b\":\"y\"}]"),
    ] {
        let found = Place::new(name, text).ingest();
        assert_eq!(found.dataset.file_type, FileType::Json);
        assert_eq!(json!(found.rows()), json!([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]), "{text:?}");
    }
}

#[test]
fn a_single_object_is_one_row() {
    for text in [r#"{"a":1,"b":[1,2]}"#, "{\n  \"a\": 1,\n  \"b\": [1, 2]\n}\n"] {
        assert_eq!(json!(json(text).rows()), json!([{"a": 1, "b": "[1,2]"}]), "{text:?}");
    }
}

#[test]
fn values_keep_their_meaning() {
    let found = json(
        r#"[{"s":"a\"b\n\u00e9\ud83d\ude00","n":-1.5e2,"t":true,"z":null,"o":{"k": [1, "x y"]},"d":"2024-01-15"},
            {"s":"","n":2,"t":false,"z":null,"o":[],"d":"2024-01-16T10:00:00Z"}]"#,
    );
    use ColumnType::{Boolean, Date, Integer, String, Unknown};
    assert_eq!(found.types(), [String, Integer, Boolean, Unknown, String, Date]);
    assert_eq!(found.values("s"), [json!("a\"b\né😀"), json!(null)]);
    assert_eq!(found.values("n"), [json!(-150), json!(2)]);
    assert_eq!(found.values("o"), [json!("{\"k\":[1,\"x y\"]}"), json!("[]")]);
}

#[test]
fn sparse_keys_keep_their_order_and_count_every_missing_value() {
    let mut text = String::new();
    for row in 0..1000 {
        text.push_str(&if row < 500 { format!("{{\"a\":{row}}}\n") } else { format!("{{\"b\":true,\"a\":{row}}}\n") });
    }
    let found = Place::new("a.ndjson", text).ingest();
    assert_eq!(found.names(), ["a", "b"]);
    assert_eq!((found.column("b").null_count, found.column("b").sample_count), (500, 500));
    assert_eq!(found.column("b").dtype, ColumnType::Boolean);
}

#[test]
fn keys_that_first_appear_late_in_a_large_file_get_their_column() {
    let mut text = "[".to_owned();
    for row in 0..30_000 {
        text.push_str(&format!("{{\"a\":{row},\"filler\":\"some text to make the file large\"}},"));
    }
    text.push_str("{\"a\":1,\"late\":0.5,\"later\":\"007\"}]");
    let found = json(&text);
    assert_eq!(found.names(), ["a", "filler", "late", "later"]);
    assert_eq!(found.types()[2..], [ColumnType::Float, ColumnType::String]);
    assert_eq!(found.column("late").null_count, 30_000);
    assert_eq!(found.dataset.row_count, 30_001);
    assert!(found.dataset.report.coercions.iter().any(|coercion| coercion.column == "later"));
}

#[test]
fn numbers_that_would_lose_digits_are_text() {
    let found = json(r#"[{"i":12345678901234567890,"f":1e400,"ok":9007199254740993},{"i":1,"f":1.5,"ok":2}]"#);
    assert_eq!(found.types(), [ColumnType::String, ColumnType::String, ColumnType::Integer]);
    assert_eq!(found.values("i"), [json!("12345678901234567890"), json!("1")]);
    assert_eq!(found.values("f"), [json!("1e400"), json!("1.5")]);
    assert_eq!(found.values("ok")[0], json!("9007199254740993"));
    assert_eq!((found.coercions("i")[0].0, found.coercions("f")[0].0), (1, 1));
}

#[test]
fn nan_and_infinity_of_other_languages_do_not_break_a_record() {
    let found = json(r#"[{"v":NaN},{"v":1.5},{"v":2}]"#);
    assert_eq!(found.values("v"), [json!(null), json!(1.5), json!(2.0)]);
}

#[test]
fn bad_records_are_rejected_with_their_lines() {
    let found = Place::new("a.ndjson", "{\"a\":1}\n{\"a\":oops}\n[1,2]\n\"text\"\n{\"a\":2}\n{\"a\":3\n").ingest();
    assert_eq!(found.values("a"), [json!(1), json!(2)]);
    let report = &found.dataset.report;
    assert_eq!((report.rows_read, report.rows_rejected), (6, 4));
    let lines: Vec<_> = found.rejects.iter().map(|reject| (reject.line, reject.value.as_str())).collect();
    assert_eq!(lines, [(2, "{\"a\":oops}"), (3, "[1,2]"), (4, "\"text\""), (6, "{\"a\":3")]);
    let found = json("[{\"a\":1},\n2,\n{\"a\":3 \"b\"},\n{\"a\":4}]");
    assert_eq!(found.values("a"), [json!(1), json!(4)]);
    assert_eq!(found.rejects.iter().map(|reject| reject.line).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn repeated_keys_keep_the_last_value_and_are_noted() {
    let found = json(r#"[{"a":1,"a":2,"b":0},{"a":3,"b":1,"a":null}]"#);
    assert_eq!(found.values("a"), [json!(2), json!(null)]);
    assert!(found.has_note("2 objects name a key twice"));
}

#[test]
fn odd_keys_become_columns() {
    let found = json("[{\"\":1,\" x \":2,\"x\":3,\"a.b\":4,\"\\\"q\\\"\":5}]");
    assert_eq!(found.names(), ["column_1", "x_2", "x", "a.b", "\"q\""]);
    assert_eq!(json!(found.rows()[0]), json!({"column_1": 1, "x_2": 2, "x": 3, "a.b": 4, "\"q\"": 5}));
}

#[test]
fn nesting_is_bounded() {
    let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let found = Place::new("a.ndjson", format!("{}\n{}\n", deep(100), deep(100_000))).ingest();
    assert_eq!((found.dataset.row_count, found.dataset.report.rows_rejected), (1, 1));
    assert!(found.rejects[0].reason.contains("512"));
}

#[test]
fn broken_files_are_refused_with_a_line() {
    for (name, text, part) in [
        ("a.json", "[{\"a\":1},\n{\"a\":2}", "cut off"),
        ("a.json", "[{\"a\":1},\n{\"a\":", "cut off"),
        ("a.json", "[1,2,3]", "None of the 3 records"),
        ("a.json", "[]", "no rows"),
        ("a.json", "[{\"a\":1}]\n[{\"a\":2}]", "follows the end"),
        ("a.json", "[{},{}]", "no keys"),
        ("a.json", "hello\nworld\n", "None of the 2 records"),
    ] {
        let error = Place::new(name, text).refused();
        assert_eq!(error.code(), ErrorCode::UnreadableFile, "{text:?}");
        assert!(error.public_message().contains(part), "{text:?}: {}", error.public_message());
    }
}

#[test]
fn too_many_keys_are_refused() {
    let object = |from: usize| {
        let members: Vec<String> = (from..from + 1000).map(|key| format!("\"k{key}\":1")).collect();
        format!("{{{}}}\n", members.join(","))
    };
    let text: String = (0..20).map(|row| object(row * 1000)).collect();
    assert_eq!(Place::new("a.ndjson", text).refused().code(), ErrorCode::TooManyColumns);
}

#[test]
fn a_large_array_on_one_line_is_streamed_in_order() {
    let rows: Vec<String> = (0..70_000).map(|row| format!("{{\"n\":{row},\"s\":\"v{row}\"}}")).collect();
    let mut place = Place::new("a.json", format!("[{}]", rows.join(",")));
    place.limits.threads = 4.try_into().unwrap();
    let found = place.ingest();
    assert_eq!(found.dataset.row_count, 70_000);
    let row = gristmill_ingest::read_rows(&found.place.output(), 69_999, 1).unwrap();
    assert_eq!(json!(row), json!([{"n": 69_999, "s": "v69999"}]));
}
