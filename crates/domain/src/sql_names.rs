//! The names under which datasets appear in SQL (contract 1, section 7.4).

use crate::DatasetId;

/// Longest SQL name, characters; PostgreSQL's identifier limit.
pub const SQL_NAME_CHARS_MAX: usize = 63;

/// Names that a dataset may not have by itself: they were tables of the system that the contract describes, and
/// stay refused in SQL unless a dataset of the project carries them. Sorted.
pub const RESERVED_TABLE_NAMES: [&str; 24] = [
    "cell_outputs",
    "cells",
    "chunks",
    "datasets",
    "documents",
    "embeddings",
    "models",
    "nl_placeholder_suggestions",
    "notebooks",
    "password_reset_tokens",
    "projects",
    "query_cache",
    "query_results",
    "refresh_tokens",
    "savepoints",
    "tuning_studies",
    "user_settings",
    "users",
    "workflow_approvals",
    "workflow_artifacts",
    "workflow_events",
    "workflow_handoffs",
    "workflow_notebook_bindings",
    "workflow_runs",
];

/// Tells whether a table name belongs to the system: on the reserved list, or in a PostgreSQL catalog namespace.
#[must_use]
pub fn is_reserved_table_name(name: &str) -> bool {
    let name = name.to_lowercase();
    RESERVED_TABLE_NAMES.binary_search(&name.as_str()).is_ok()
        || name.starts_with("pg_")
        || name.starts_with("information_schema")
}

/// Turns a file name into the base of its SQL names: lower-case ASCII letters, digits and `_`, starting with a
/// letter, at most 63 characters.
#[must_use]
pub fn base_name(filename: &str) -> String {
    let stem = match filename.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => filename,
    };
    let mut mapped: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if let Some(first) = mapped.chars().next().filter(|first| !first.is_ascii_alphabetic()) {
        mapped.replace_range(..first.len_utf8(), "table_");
    }
    let mut name = String::with_capacity(mapped.len());
    for c in mapped.chars() {
        if !(c == '_' && name.ends_with('_')) {
            name.push(c.to_ascii_lowercase());
        }
    }
    if name.ends_with('_') {
        name.pop();
    }
    name.truncate(SQL_NAME_CHARS_MAX);
    if name.is_empty() { "table_data".into() } else { name }
}

/// The logical name (what users type) for a file, avoiding `taken` names: `sales`, then `sales_2`, `sales_3`, …
/// `taken` must answer for lower-case names and say no to some name of every length, or the search does not end.
#[must_use]
pub fn logical_name(filename: &str, mut taken: impl FnMut(&str) -> bool) -> String {
    let mut base = base_name(filename);
    if is_reserved_table_name(&base) {
        base.insert_str(0, "dataset_");
        base.truncate(SQL_NAME_CHARS_MAX);
    }
    if !taken(&base) {
        return base;
    }
    (2_u64..).map(|n| numbered(&base, n)).find(|name| !taken(name)).unwrap_or(base)
}

/// The physical name: unique in the whole system, because it ends in the first eight digits of the dataset's id.
#[must_use]
pub fn physical_name(filename: &str, id: DatasetId) -> String {
    let mut name = base_name(filename);
    name.truncate(54);
    let digits: String = id.0.simple().to_string().chars().take(8).collect();
    format!("{name}_{digits}")
}

fn numbered(base: &str, n: u64) -> String {
    let suffix = format!("_{n}");
    let kept: String = base.chars().take(SQL_NAME_CHARS_MAX - suffix.len()).collect();
    format!("{kept}{suffix}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn follows_the_contract_examples() {
        for (filename, expected) in [
            ("My Data (v2).csv", "my_data_v2"),
            ("2020-sales.csv", "table_020_sales"),
            ("данные.csv", "table"),
            ("users.csv", "users"),
            ("", "table_data"),
            ("a.b.csv", "a_b"),
            (".csv", "table_csv"),
        ] {
            assert_eq!(base_name(filename), expected, "{filename}");
        }
        assert_eq!(logical_name("users.csv", |_| false), "dataset_users");
        assert_eq!(logical_name("pg_stat.csv", |_| false), "dataset_pg_stat");
        assert_eq!(logical_name("sales.csv", |name| name == "sales"), "sales_2");
        let id = "0c6a852e-0000-4000-8000-000000000000".parse().unwrap();
        assert_eq!(physical_name("My Data (v2).csv", id), "my_data_v2_0c6a852e");
    }

    #[test]
    fn reserved_names_are_sorted_for_binary_search() {
        assert!(RESERVED_TABLE_NAMES.is_sorted());
    }

    proptest! {
        #[test]
        fn every_name_is_a_plain_identifier(filename in ".{0,200}", taken in 0_usize..12) {
            let mut asked = 0;
            let name = logical_name(&filename, |_| { asked += 1; asked <= taken });
            prop_assert!(name.len() <= SQL_NAME_CHARS_MAX);
            prop_assert!(name.chars().next().unwrap().is_ascii_lowercase());
            prop_assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
            prop_assert!(!is_reserved_table_name(&name));
        }
    }
}
