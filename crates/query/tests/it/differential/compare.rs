//! What counts as the same answer: floats to nine digits, decimals without their scale, instants as instants.

use std::fmt::Write;

use gristmill_query::QueryOutput;
use serde_json::Value;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::support::rows_of;

/// PostgreSQL's answer, as text.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) columns: Vec<String>,
    pub(crate) types: Vec<String>,
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

impl Expected {
    /// Asks PostgreSQL; its message when it refuses.
    pub(crate) async fn ask(client: &Client, sql: &str) -> Result<Self, String> {
        let message = |error: tokio_postgres::Error| match error.as_db_error() {
            Some(refused) => refused.message().to_owned(),
            None => error.to_string(),
        };
        let statement = client.prepare(sql).await.map_err(message)?;
        let columns = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let types = statement.columns().iter().map(|column| column.type_().name().to_owned()).collect();
        let rows = client
            .simple_query(sql)
            .await
            .map_err(message)?
            .into_iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect()),
                _ => None,
            })
            .collect();
        Ok(Self { columns, types, rows })
    }
}

/// Types that clients treat alike.
fn class(type_name: &str) -> &str {
    match type_name {
        "int2" | "int4" | "int8" => "integer",
        "float4" | "float8" | "numeric" => "number",
        "text" | "varchar" | "bpchar" | "name" | "unknown" | "char" => "text",
        "timestamp" | "timestamptz" => "timestamp",
        other => match other.strip_prefix('_').or_else(|| other.strip_suffix("[]")) {
            Some(_) => "array",
            None => other,
        },
    }
}

/// PostgreSQL's text of a value as our JSON has it, normalised.
fn theirs(text: &str, type_name: &str) -> String {
    match class(type_name) {
        "integer" | "number" => number(text),
        "bool" => if text == "t" { "true" } else { "false" }.to_owned(),
        "timestamp" => instant(text),
        "date" => {
            instant(&format!("{} 00:00:00{}", text.trim_end_matches(" BC"), if text.ends_with(" BC") { " BC" } else { "" }))
        }
        "interval" => interval(text),
        "array" => array(text, type_name),
        _ => text.to_owned(),
    }
}

/// Our JSON value, normalised.
fn ours(value: &Value, type_name: &str) -> String {
    match (class(type_name), value) {
        (_, Value::Null) => "NULL".to_owned(),
        ("integer" | "number", Value::Number(value)) => number(&value.to_string()),
        ("integer" | "number", Value::String(value)) => number(value),
        ("timestamp" | "date", Value::String(value)) => value.clone(),
        ("interval", Value::Object(parts)) => {
            let mut shown: Vec<String> =
                parts.iter().map(|(name, value)| format!("{name}={}", number(&value.to_string()))).collect();
            shown.sort();
            shown.join(",")
        }
        ("array", Value::Array(elements)) => {
            let element = type_name.trim_end_matches("[]");
            let shown: Vec<String> = elements.iter().map(|value| ours(value, element)).collect();
            format!("[{}]", shown.join(","))
        }
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

/// Nine significant digits for fractions, all digits for whole numbers.
fn number(text: &str) -> String {
    if text.parse::<i128>().is_ok() {
        return text.to_owned();
    }
    match text.parse::<f64>() {
        // JSON has neither; both are null there.
        Ok(value) if !value.is_finite() => "NULL".to_owned(),
        Ok(value) if value == value.trunc() && value.abs() < 1e15 => format!("{value:.0}").replace("-0", "0"),
        Ok(value) => format!("{value:.8e}"),
        Err(_) => text.to_owned(),
    }
}

/// `2024-01-31 10:00:00.5+00` as `2024-01-31T10:00:00.500Z`.
fn instant(text: &str) -> String {
    let bc = text.ends_with(" BC");
    let text = text.trim_end_matches(" BC").trim_end_matches("+00");
    let (date, time) = text.split_once(' ').unwrap_or((text, "00:00:00"));
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let millis: String = format!("{fraction}000").chars().take(3).collect();
    if bc {
        let (year, rest) = date.split_once('-').unwrap();
        let astronomical = 1 - year.parse::<i64>().unwrap();
        let shown = if astronomical < 0 { format!("-{:06}", -astronomical) } else { format!("{astronomical:04}") };
        return format!("{shown}-{rest}T{clock}.{millis}Z");
    }
    format!("{date}T{clock}.{millis}Z")
}

/// `1 year 2 mons -3 days 04:05:06.5` as its parts.
fn interval(text: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut add = |name: &str, value: f64| {
        if value != 0.0 {
            parts.push(format!("{name}={}", number(&value.to_string())));
        }
    };
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        if word.contains(':') {
            let sign = if word.starts_with('-') { -1.0 } else { 1.0 };
            let clock: Vec<f64> = word.trim_start_matches(['-', '+']).split(':').map(|part| part.parse().unwrap()).collect();
            add("hours", sign * clock[0]);
            add("minutes", sign * clock[1]);
            add("seconds", sign * clock[2].trunc());
            add("milliseconds", sign * (clock[2].fract() * 1e6).round() / 1e3);
        } else {
            let value: f64 = word.parse().unwrap();
            match words.next().unwrap().trim_end_matches('s') {
                "year" => add("years", value),
                "mon" => add("months", value),
                "day" => add("days", value),
                other => panic!("the unit {other} in {text}"),
            }
        }
    }
    parts.sort();
    parts.join(",")
}

/// `{1,2,NULL}` as `[1,2,NULL]`.
fn array(text: &str, type_name: &str) -> String {
    let element = type_name.trim_start_matches('_').trim_end_matches("[]");
    let mut elements = Vec::new();
    let mut current = String::new();
    let (mut in_quotes, mut was_quoted) = (false, false);
    let inner = text.get(1..text.len() - 1).unwrap();
    let mut characters = inner.chars();
    let mut finish = |current: &mut String, was_quoted: &mut bool| {
        let raw = std::mem::take(current);
        let null = raw == "NULL" && !*was_quoted;
        *was_quoted = false;
        elements.push(if null { raw } else { theirs(&raw, element) });
    };
    while let Some(character) = characters.next() {
        match character {
            '\\' => current.extend(characters.next()),
            '"' => {
                in_quotes = !in_quotes;
                was_quoted = true;
            }
            ',' if !in_quotes => finish(&mut current, &mut was_quoted),
            other => current.push(other),
        }
    }
    if !inner.is_empty() {
        finish(&mut current, &mut was_quoted);
    }
    format!("[{}]", elements.join(","))
}

/// Numbers may differ in the ninth digit.
fn same(theirs: &str, ours: &str) -> bool {
    theirs == ours
        || match (theirs.parse::<f64>(), ours.parse::<f64>()) {
            (Ok(left), Ok(right)) => (left - right).abs() <= 1e-8 * left.abs().max(right.abs()).max(1e-12),
            _ => false,
        }
}

/// The names that our result gives to columns of one name.
fn distinct(names: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        let mut number = 1;
        let mut candidate = name.clone();
        while found.contains(&candidate) {
            number += 1;
            candidate = format!("{name}_{number}");
        }
        found.push(candidate);
    }
    found
}

/// Says how two answers differ, if they do.
pub(crate) fn difference(expected: &Expected, output: &QueryOutput, ordered: bool) -> Option<String> {
    let names: Vec<String> = output.columns.iter().map(|column| column.name.clone()).collect();
    if names != distinct(&expected.columns) {
        return Some(format!("the columns are called\n  theirs {:?}\n  ours   {names:?}", expected.columns));
    }
    let types: Vec<&str> = output.columns.iter().map(|column| column.type_name.as_str()).collect();
    let classes = |types: &mut dyn Iterator<Item = String>| types.map(|name| class(&name).to_owned()).collect::<Vec<_>>();
    if classes(&mut expected.types.iter().cloned()) != classes(&mut types.iter().map(|name| (*name).to_owned())) {
        return Some(format!("the types are\n  theirs {:?}\n  ours   {types:?}", expected.types));
    }
    let mut left: Vec<Vec<String>> = expected
        .rows
        .iter()
        .map(|row| {
            row.iter()
                .zip(&expected.types)
                .map(|(value, type_name)| value.as_ref().map_or_else(|| "NULL".to_owned(), |text| theirs(text, type_name)))
                .collect()
        })
        .collect();
    let mut right: Vec<Vec<String>> = rows_of(output)
        .iter()
        .map(|row| row.iter().zip(&types).map(|(value, type_name)| ours(value, type_name)).collect())
        .collect();
    if !ordered {
        left.sort();
        right.sort();
    }
    if left.len() == right.len()
        && left.iter().zip(&right).all(|(left, right)| left.iter().zip(right).all(|(left, right)| same(left, right)))
    {
        return None;
    }
    let mut text = format!("{} rows of theirs, {} of ours", left.len(), right.len());
    let mut shown = 0;
    for row in 0..left.len().max(right.len()) {
        let (left, right) = (left.get(row), right.get(row));
        let equal = match (left, right) {
            (Some(left), Some(right)) => left.iter().zip(right).all(|(left, right)| same(left, right)),
            _ => false,
        };
        if !equal && shown < 4 {
            shown += 1;
            write!(text, "\n  theirs {left:?}\n  ours   {right:?}").unwrap();
        }
    }
    Some(text)
}
