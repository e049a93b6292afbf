//! The result of a query.

use arrow::{datatypes::Schema, record_batch::RecordBatch};

use crate::{pg_type, rewrite::MARK};

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// The name, unique in the result: a second `id` is called `id_2`.
    pub name: String,
    /// PostgreSQL's name of the type (`int8`, `text`, `timestamp`, `int8[]`).
    pub type_name: String,
    /// PostgreSQL's number of the type.
    pub type_oid: u32,
}

/// The rows of a query with their columns.
#[derive(Debug, Clone)]
pub struct QueryOutput {
    /// The columns, in order.
    pub columns: Vec<OutputColumn>,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// How many rows there are, at most the statement's cap.
    pub row_count: usize,
    /// Whether rows beyond the cap were left out.
    pub truncated: bool,
    /// How long the query took, waiting for its turn included, milliseconds.
    pub execution_ms: u64,
}

/// Names and types of a result. Same-named columns are told apart by a number.
pub(crate) fn columns(schema: &Schema) -> Vec<OutputColumn> {
    let mut taken = std::collections::HashSet::new();
    let shown = |name: &str| name.split(MARK).next().unwrap_or_default().to_owned();
    let all: std::collections::HashSet<String> = schema.fields().iter().map(|field| shown(field.name())).collect();
    schema
        .fields()
        .iter()
        .map(|field| {
            let (type_name, type_oid) = pg_type::name_and_oid(field.data_type());
            let base = shown(field.name());
            let mut name = base.clone();
            let mut number = 1;
            while !taken.insert(name.clone()) {
                // A column that is called so in the statement keeps its name.
                loop {
                    number += 1;
                    name = format!("{base}_{number}");
                    if !all.contains(&name) {
                        break;
                    }
                }
            }
            OutputColumn { name, type_name, type_oid }
        })
        .collect()
}
