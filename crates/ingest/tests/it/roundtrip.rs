//! Random tables through random spellings of CSV and back.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::Place;

/// A cell that reads back as itself: no blanks around it, no word for "missing", not like a number or a date.
fn cell() -> impl Strategy<Value = Option<String>> {
    proptest::option::weighted(0.9, proptest::string::string_regex("[a-zäß✓][a-zé,;|\t\"'\n 0-9.\\-]{0,12}[a-z✓\"]").unwrap())
        .prop_filter("missing words", |cell| {
            let words = ["null", "na", "n/a", "nan", "none", "true", "yes", "false", "no"];
            !cell.as_ref().is_some_and(|cell| words.contains(&cell.as_str()))
        })
}

#[derive(Debug, Clone)]
struct Spelling {
    delimiter: char,
    line_end: &'static str,
    quote_all: bool,
    has_final_line_end: bool,
    has_mark: bool,
    blanks: bool,
}

fn spelling() -> impl Strategy<Value = Spelling> {
    (
        prop::sample::select(vec![',', ';', '|', '\t']),
        prop::sample::select(vec!["\n", "\r\n", "\r"]),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(delimiter, line_end, quote_all, has_final_line_end, has_mark, blanks)| Spelling {
            delimiter,
            line_end,
            quote_all,
            has_final_line_end,
            has_mark,
            blanks,
        })
}

fn write(header: &[String], rows: &[Vec<Option<String>>], spelling: &Spelling) -> String {
    let field = |text: &str| {
        let needs_quotes = text.contains(['"', '\n', '\r', spelling.delimiter]);
        if spelling.quote_all || needs_quotes { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
    };
    let glue = if spelling.blanks { format!(" {} ", spelling.delimiter) } else { spelling.delimiter.to_string() };
    let line = |cells: Vec<String>| cells.join(&glue);
    let mut lines = vec![line(header.iter().map(|name| field(name)).collect())];
    for row in rows {
        lines.push(line(row.iter().map(|cell| field(cell.as_deref().unwrap_or("N/A"))).collect()));
    }
    let mut text = lines.join(spelling.line_end);
    if spelling.has_final_line_end {
        text.push_str(spelling.line_end);
    }
    if spelling.has_mark { format!("\u{feff}{text}") } else { text }
}

fn table() -> impl Strategy<Value = Vec<Vec<Option<String>>>> {
    (2_usize..5).prop_flat_map(|columns| proptest::collection::vec(proptest::collection::vec(cell(), columns), 1..12))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn text_comes_back_as_it_was(rows in table(), spelling in spelling()) {
        let header: Vec<String> = (0..rows[0].len()).map(|column| format!("col {column}")).collect();
        let name = if spelling.delimiter == '\t' { "a.tsv" } else { "a.csv" };
        let text = write(&header, &rows, &spelling);
        let found = Place::new(name, &text).ingest();
        let expected: Vec<Value> = rows
            .iter()
            .map(|row| Value::Object(header.iter().cloned().zip(row.iter().map(|cell| json!(cell))).collect()))
            .collect();
        prop_assert_eq!(json!(found.rows()), Value::Array(expected), "{:?}", text);
        prop_assert_eq!(found.dataset.report.rows_read, u64::try_from(rows.len()).unwrap());
        prop_assert!(found.rejects.is_empty());
    }

    #[test]
    fn json_comes_back_as_it_was(rows in proptest::collection::vec(proptest::collection::btree_map("[a-c\"\\\\é\n]{1,3}", "[x-z✓][x-z\"\\\\✓\n]{0,6}", 1..4), 1..10), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&rows).unwrap() } else { serde_json::to_string(&rows).unwrap() };
        let found = Place::new("a.json", &text).ingest();
        for (row, found) in rows.iter().zip(found.rows()) {
            for (key, value) in row {
                // Keys are trimmed, and equal ones then get a suffix.
                if key.trim() == key {
                    prop_assert_eq!(found.get(key.as_str()), Some(&json!(value)), "{}", text);
                }
            }
        }
    }

    #[test]
    fn numbers_come_back_as_they_were(numbers in proptest::collection::vec((any::<i64>(), any::<f64>().prop_filter("finite", |f| f.is_finite() && f.fract() != 0.0)), 1..30)) {
        let body: String = numbers.iter().map(|(i, f)| format!("{i},{f:?}\n")).collect();
        let found = Place::new("a.csv", format!("i,f\n{body}")).ingest();
        for (row, (i, f)) in found.rows().iter().zip(&numbers) {
            let expected = if i.unsigned_abs() <= 1 << 53 { json!(i) } else { json!(i.to_string()) };
            prop_assert_eq!(&row["i"], &expected);
            prop_assert_eq!(row["f"].as_f64(), Some(*f));
        }
    }
}
