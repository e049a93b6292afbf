//! What a caller may read: the tables of one project, and how many rows.

use std::collections::HashMap;

use gristmill_domain::limits::{SQL_LIMIT_DEFAULT, SQL_ROWS_MAX};

/// A table that the caller may read, under its two names (contract 1, section 7.4), both lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedTable {
    /// The name that people type, unique in the project: `sales`.
    pub logical: String,
    /// The name that is unique in the system: `sales_0c6a852e`.
    pub physical: String,
}

/// What one caller's query may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlPolicy {
    /// The tables of the caller's project; nothing else can be read.
    pub tables: Vec<AllowedTable>,
    /// The `LIMIT` that is added when the outermost query has none, rows.
    pub limit_default: u32,
    /// Most rows that the engine returns, whatever the query's own `LIMIT` says.
    pub rows_max: u32,
}

impl SqlPolicy {
    /// A policy with the default limits.
    #[must_use]
    pub fn new(tables: Vec<AllowedTable>) -> Self {
        Self { tables, limit_default: SQL_LIMIT_DEFAULT, rows_max: SQL_ROWS_MAX }
    }
}

/// The tables of a policy by every name they answer to.
pub(crate) struct TableIndex<'p> {
    exact: HashMap<&'p str, &'p AllowedTable>,
    folded: HashMap<String, &'p AllowedTable>,
}

impl<'p> TableIndex<'p> {
    pub(crate) fn new(policy: &'p SqlPolicy) -> Self {
        let mut exact = HashMap::new();
        let mut folded = HashMap::new();
        // Logical names first: where one table's logical name is another's physical name, the logical one wins.
        let logical = policy.tables.iter().map(|table| (table.logical.as_str(), table));
        let physical = policy.tables.iter().map(|table| (table.physical.as_str(), table));
        for (name, table) in logical.chain(physical) {
            exact.entry(name).or_insert(table);
            folded.entry(name.to_ascii_lowercase()).or_insert(table);
        }
        Self { exact, folded }
    }

    pub(crate) fn exact(&self, name: &str) -> Option<&'p AllowedTable> {
        self.exact.get(name).copied()
    }

    /// Looks a name up whatever its case.
    pub(crate) fn folded(&self, name: &str) -> Option<&'p AllowedTable> {
        self.folded.get(&name.to_ascii_lowercase()).copied()
    }

    /// The names that people type, for suggestions.
    pub(crate) fn logical_names(&self) -> impl Iterator<Item = &'p str> {
        self.exact.values().map(|table| table.logical.as_str())
    }
}
