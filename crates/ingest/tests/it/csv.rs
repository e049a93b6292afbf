//! Separated values: delimiters, quotes, ragged rows, headers, limits.

use gristmill_domain::{ErrorCode, datasets::ColumnType};
use serde_json::json;

use crate::support::{Place, csv};

#[test]
fn reads_every_delimiter() {
    for (name, text) in [
        ("a.csv", "name,n\nx,1\ny,2\n"),
        ("a.csv", "name;n\nx;1\ny;2\n"),
        ("a.csv", "name\tn\nx\t1\ny\t2\n"),
        ("a.csv", "name|n\nx|1\ny|2\n"),
        ("a.tsv", "name\tn\nx\t1\ny\t2\n"),
        ("a.csv", "sep=;\r\nname;n\r\nx;1\r\ny;2\r\n"),
        ("a.csv", "\"name\",\"n\"\n\"x\",\"1\"\n\"y\",\"2\"\n"),
    ] {
        let found = Place::new(name, text).ingest();
        assert_eq!(found.names(), ["name", "n"], "{text:?}");
        assert_eq!(found.values("name"), [json!("x"), json!("y")], "{text:?}");
        assert_eq!(found.values("n"), [json!(1), json!(2)], "{text:?}");
    }
}

#[test]
fn reads_every_line_end_and_skips_blank_lines() {
    for text in ["a,b\n1,x\n2,y\n", "a,b\r\n1,x\r\n2,y", "a,b\r1,x\r2,y\r", "\n\na,b\r\n\n1,x\n\r\r2,y\n  \n\n"] {
        let found = csv(text);
        assert_eq!(found.values("a"), [json!(1), json!(2)], "{text:?}");
        assert_eq!(found.values("b"), [json!("x"), json!("y")], "{text:?}");
        assert_eq!(found.dataset.report.rows_read, 2, "{text:?}");
    }
}

#[test]
fn quotes_protect_delimiters_line_ends_and_blanks() {
    let found = csv("a,b\n\"x,y\",\"line\nbreak\"\n\"say \"\"hi\"\"\",\" padded \"\n  plain  ,\"\"\n");
    assert_eq!(found.values("a"), [json!("x,y"), json!("say \"hi\""), json!("plain")]);
    assert_eq!(found.values("b"), [json!("line\nbreak"), json!(" padded "), json!(null)]);
}

#[test]
fn ragged_rows_are_kept_counted_and_listed() {
    let found = csv("a,b,c\n1,2,3\n4\n5,6,7,8,9\n10,11,12,\n");
    assert_eq!(found.dataset.row_count, 4);
    let report = &found.dataset.report;
    assert_eq!((report.rows_read, report.rows_rejected, report.rows_too_long, report.rows_too_short), (4, 0, 1, 1));
    assert_eq!(found.values("b"), [json!(2), json!(null), json!(6), json!(11)]);
    assert_eq!(found.rejects.len(), 1);
    assert_eq!((found.rejects[0].line, found.rejects[0].value.as_str()), (4, "8,9"));
    assert!(report.rejects_complete);
}

#[test]
fn no_duplicate_or_blank_header_loses_a_column() {
    let found = csv("a,a,,b,a\n1,2,3,4,5\n");
    assert_eq!(found.names(), ["a", "a_2", "column_3", "b", "a_3"]);
    assert_eq!(found.values("a_3"), [json!(5)]);
    assert!(found.has_note("\"a_2\", \"a_3\"") && found.has_note("\"column_3\""));
}

#[test]
fn header_names_are_data() {
    let names = ["a\"b", "drop table x; --", "Größe 💡", "a.b", "a'b", "SELECT"];
    let header = names.map(|name| format!("\"{}\"", name.replace('"', "\"\""))).join(",");
    let found = csv(format!("{header}\n1,2,3,4,5,6\n"));
    assert_eq!(found.names(), names);
    assert_eq!(found.rows()[0].get("a.b"), Some(&json!(4)));
}

#[test]
fn a_stray_quote_harms_its_own_field_only() {
    let found = csv("item,n\n5\" pipe,1\n\"12\" rod,2\n\"He said \"hi\" twice\",3\nlast,4\n");
    assert_eq!(found.values("n"), [json!(1), json!(2), json!(3), json!(4)]);
    assert_eq!(found.values("item"), [json!("5\" pipe"), json!("\"12\" rod"), json!("He said \"hi\" twice"), json!("last")]);
}

#[test]
fn an_unclosed_quote_does_not_swallow_the_rest() {
    let mut text = "a,b\n".to_owned();
    for row in 0..1000 {
        text.push_str(&if row == 500 { format!("{row},\"open\n") } else { format!("{row},x\n") });
    }
    let found = csv(&text);
    assert_eq!(found.dataset.row_count, 1000);
    assert_eq!(found.rows()[500].get("b"), Some(&json!("\"open")));
    assert_eq!(found.rejects[0].line, 502);
    assert!(found.has_note("1 quotes are not closed"));
    // The same with a proper quoted field further on.
    text.push_str("1000,\"Smith, John\"\n");
    let found = csv(&text);
    assert_eq!(found.dataset.row_count, 1001);
    assert_eq!(found.rows()[1000].get("b"), Some(&json!("Smith, John")));
}

#[test]
fn content_errors_say_what_to_do() {
    for (text, code, part) in [
        ("", ErrorCode::UnreadableFile, "empty"),
        ("\n \n\t\n", ErrorCode::UnreadableFile, "white space"),
        ("a,b\n", ErrorCode::UnreadableFile, "no rows"),
        ("a,b\n\n\n", ErrorCode::UnreadableFile, "no rows"),
        (",,\n1,2,3\n", ErrorCode::UnreadableFile, "header"),
    ] {
        let error = Place::new("a.csv", text).refused();
        assert_eq!(error.code(), code, "{text:?}");
        assert!(error.public_message().contains(part), "{text:?}: {}", error.public_message());
    }
}

#[test]
fn a_record_over_the_limit_names_its_line() {
    let mut place = Place::new("a.csv", format!("a,b\n1,2\n3,\"{}\"\n5,6\n", "x\n".repeat(100_000)));
    place.limits.record_bytes_max = 64 * 1024;
    let error = place.refused();
    assert_eq!(error.code(), ErrorCode::UnreadableFile);
    assert!(error.public_message().contains("line 3"), "{}", error.public_message());
}

#[test]
fn sixteen_thousand_columns_are_fine_and_one_more_is_not() {
    let wide = |columns: usize| {
        let header: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
        let row: Vec<String> = (0..columns).map(|column| (column % 7).to_string()).collect();
        format!("{}\n{}\n{}\n", header.join(","), row.join(","), row.join(","))
    };
    let found = csv(wide(16_384));
    assert_eq!((found.dataset.columns.len(), found.dataset.row_count), (16_384, 2));
    assert_eq!(found.column("c16383").dtype, ColumnType::Integer);
    let correlations = found.dataset.eda.as_ref().unwrap().correlations.as_ref().map_or(0, Vec::len);
    assert!(correlations <= 496, "{correlations}");
    let error = Place::new("a.csv", wide(16_385)).refused();
    assert_eq!(error.code(), ErrorCode::TooManyColumns);
}

#[test]
fn more_rejects_than_are_listed_are_counted() {
    let mut text = "n\n".to_owned();
    for row in 0..20_000 {
        text.push_str(if row % 20 == 0 { "x\n" } else { "1\n" });
    }
    let found = csv(&text);
    assert_eq!(found.coercions("n"), [(1000, "became missing: the value is not a 64-bit integer".to_owned())]);
    assert!(found.dataset.report.rejects_complete);
    let mut place = Place::new("a.csv", &text);
    place.limits.rejects_listed_max = 10;
    let found = place.ingest();
    assert_eq!(found.coercions("n")[0].0, 1000);
    assert!(!found.dataset.report.rejects_complete);
    let lines: Vec<u64> = found.rejects.iter().map(|reject| reject.line).collect();
    assert_eq!(lines, (0..10).map(|at| 2 + at * 20).collect::<Vec<_>>());
    assert_eq!(found.rejects[0].column.as_deref(), Some("n"));
}

#[test]
fn rows_keep_their_order_across_blocks_and_threads() {
    let rows = 140_000_i64;
    let mut text = "n,label\n".to_owned();
    for row in 0..rows {
        text.push_str(&format!("{row},\"row\n{row}\"\n"));
    }
    for threads in [1, 3] {
        let mut place = Place::new("a.csv", &text);
        place.limits.threads = threads.try_into().unwrap();
        let found = place.ingest();
        assert_eq!(found.dataset.row_count, 140_000);
        for offset in [0, 65_535, 65_536, 131_072, 139_999] {
            let page = gristmill_ingest::read_rows(&found.place.output(), offset, 1).unwrap();
            assert_eq!(page[0].get("n"), Some(&json!(offset)), "{threads} threads");
            assert_eq!(page[0].get("label"), Some(&json!(format!("row\n{offset}"))));
        }
    }
}

#[test]
fn a_table_out_of_proportion_is_refused() {
    let header: Vec<String> = (0..1000).map(|column| format!("c{column}")).collect();
    let mut place = Place::new("a.csv", format!("{}\n{}", header.join(","), "1\n".repeat(500)));
    place.limits.cells_max = 100_000;
    let error = place.refused();
    assert_eq!(error.code(), ErrorCode::UnreadableFile);
    assert!(error.public_message().contains("cells"));
}
