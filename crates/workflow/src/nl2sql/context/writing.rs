//! A context in words: the tables with their columns, and what may be joined.

use std::fmt::Write;

use gristmill_domain::{
    datasets::{ColumnProfile, ColumnType, iso_millis},
    key_sketches::is_key_like,
};

use super::{ContextLimits, SchemaContext, ShownTable, Weighed};
use crate::{
    joins::{JOIN_CANDIDATES_SHOWN, JoinCandidate},
    ports::{ProjectSchema, TableProfile},
    prompts::{line, quoted, tokens},
};

/// Fewest columns of a table that are worth showing.
const COLUMNS_MIN: usize = 4;
/// Most further tables that are named.
const NAMED_MAX: usize = 40;

/// Writes the tables, and what comes behind what may be joined.
pub(super) fn write(context: &mut SchemaContext, weighed: &[Weighed<'_>], schema: &ProjectSchema, limits: &ContextLimits) {
    let mut left = limits.tokens_max;
    let mut named = Vec::new();
    for table in weighed {
        let room = if context.tables.len() < limits.tables_max { left } else { 0 };
        match table_text(table, limits.columns_max, room) {
            Some((text, entry)) => {
                left = left.saturating_sub(tokens(&text));
                context.text.push_str(&text);
                context.tables.push(entry);
            }
            None => named.push(table.table.name.as_str()),
        }
    }
    context.tables_left_out = named.len();
    // Writing to a String cannot fail.
    let rest = &mut context.rest;
    if !named.is_empty() {
        let listed: Vec<String> = named.iter().take(NAMED_MAX).map(|name| quoted(name)).collect();
        let more = named.len().saturating_sub(NAMED_MAX);
        let _ = write!(rest, "Further tables, whose columns are not shown: {}", listed.join(", "));
        let _ = if more > 0 { writeln!(rest, " and {more} more") } else { writeln!(rest) };
    }
    if let Some(open) = &context.table_open {
        let _ = writeln!(rest, "The table that the person has open: {}", quoted(open));
    }
    let _ = writeln!(
        rest,
        "Results are cut at {} rows; a statement without LIMIT gets LIMIT {}.",
        schema.rows_max, schema.limit_default
    );
}

/// What may be joined, a line each; nothing when nothing may.
pub(super) fn joins(candidates: &[JoinCandidate]) -> String {
    let mut text = String::new();
    if candidates.is_empty() {
        return text;
    }
    text.push_str("Join candidates:\n");
    for join in candidates.iter().take(JOIN_CANDIDATES_SHOWN) {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "- {}.{} = {}.{} ({:.2}: {})",
            quoted(&join.left_table),
            quoted(&join.left_column),
            quoted(&join.right_table),
            quoted(&join.right_column),
            join.confidence,
            join.reason
        );
    }
    text
}

/// A table as it is shown, with as many columns as there is room for.
fn table_text(table: &Weighed<'_>, columns_max: usize, room: usize) -> Option<(String, ShownTable)> {
    let order = by_relevance(table);
    let mut count = order.len().min(columns_max.max(1));
    loop {
        let mut chosen: Vec<usize> = order.iter().take(count).copied().collect();
        chosen.sort_unstable();
        let columns: Vec<&ColumnProfile> = chosen.iter().filter_map(|at| table.table.columns.get(*at)).collect();
        let text = listing(table.table, &columns);
        if tokens(&text) <= room {
            let entry = ShownTable {
                name: table.table.name.clone(),
                columns: columns.iter().map(|column| column.name.clone()).collect(),
                columns_left_out: table.table.columns.len().saturating_sub(columns.len()),
            };
            return Some((text, entry));
        }
        if count <= COLUMNS_MIN {
            return None;
        }
        count = (count / 2).max(COLUMNS_MIN);
    }
}

/// Columns that can be shown: relevant ones first, then keys, then as they come in the file.
fn by_relevance(table: &Weighed<'_>) -> Vec<usize> {
    let all = table.table.columns.iter().zip(&table.columns).enumerate();
    // A name with characters that do not show cannot be written by anybody.
    let showable = all.filter(|(_, (column, _))| !column.name.chars().any(char::is_control));
    let mut ranked: Vec<(f64, usize)> =
        showable.map(|(at, (column, weight))| (*weight + if is_key_like(column) { 0.2 } else { 0.0 }, at)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    ranked.into_iter().map(|(_, at)| at).collect()
}

fn listing(table: &TableProfile, columns: &[&ColumnProfile]) -> String {
    let mut text =
        format!("Table {} ({} rows; from file {})\n", quoted(&table.name), table.row_count, quoted(&line(&table.filename, 60)));
    for column in columns {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "- {} {}{}", quoted(&column.name), sql_type(column.dtype), facts(column));
    }
    let left_out = table.columns.len().saturating_sub(columns.len());
    if left_out > 0 {
        let _ = writeln!(text, "- … and {left_out} further columns that are not shown");
    }
    text
}

/// The engine's type of a column.
fn sql_type(dtype: ColumnType) -> &'static str {
    match dtype {
        ColumnType::Integer => "bigint",
        ColumnType::Float => "double precision",
        ColumnType::Boolean => "boolean",
        ColumnType::Date => "timestamp",
        ColumnType::String | ColumnType::Unknown => "text",
    }
}

fn facts(column: &ColumnProfile) -> String {
    let mut facts = Vec::new();
    if column.null_count > 0 {
        facts.push(format!("{} missing", column.null_count));
    }
    match column.dtype {
        ColumnType::Integer | ColumnType::Float => {
            if let (Some(min), Some(max)) = (column.min, column.max) {
                facts.push(format!("{min} to {max}"));
            }
        }
        ColumnType::Date => {
            if let (Some(min), Some(max)) = (column.min_date, column.max_date) {
                let day = |at| iso_millis::format(at).chars().take(10).collect::<String>();
                facts.push(format!("{} to {}", day(min), day(max)));
            }
        }
        ColumnType::String | ColumnType::Unknown => {
            let values: Vec<String> = column.top_values.iter().map(|top| literal(&line(&top.value, 40))).collect();
            if !values.is_empty() {
                let all = is_complete(column);
                facts.push(format!("{} {}", if all { "all values:" } else { "values such as" }, values.join(", ")));
            }
        }
        ColumnType::Boolean => {}
    }
    if facts.is_empty() { String::new() } else { format!(": {}", facts.join("; ")) }
}

/// Whether the profile lists every value of the column.
pub(crate) fn is_complete(column: &ColumnProfile) -> bool {
    let listed = u64::try_from(column.top_values.len()).unwrap_or(u64::MAX);
    column.unique_count > 0 && column.unique_count <= listed
}

fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
