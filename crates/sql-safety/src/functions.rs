//! The allow-list of functions. A function that is not here cannot be called, whatever the engine offers.
//!
//! What is in: what people who know PostgreSQL expect for analytics, under PostgreSQL's names, and a few of DataFusion's
//! (`median`, `approx_*`, array functions). What stays out, although DataFusion has it: functions that tell about files,
//! rows' places, settings or versions (`input_file_name`, `file_row_index`, `version`), casts and types of Arrow,
//! metadata, lambdas, maps and structs, array functions that only make size (`array_repeat`, `array_resize`), and other
//! systems' names for what is there (they are suggestions in the message instead).
//!
//! The `query` crate tests that its engine has every function of this list, and prompts for models are written from it.

mod list;

use crate::names::similar;

/// Where a function may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FunctionKind {
    /// In any expression; one value for each row.
    Scalar,
    /// Where rows are grouped, and with `OVER`.
    Aggregate,
    /// Only with `OVER`.
    Window,
    /// In FROM. `unnest` also in the list of a SELECT.
    Table,
}

/// A function that may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Lower-case name.
    pub name: &'static str,
    /// Where it may be called.
    pub kind: FunctionKind,
    /// Whether two runs over the same data can differ, so that the result may not be cached. `age` is volatile only
    /// with one argument, and not marked here.
    pub volatile: bool,
}

/// All functions that may be called, by name. Syntax forms (`CAST`, `EXTRACT`, `CASE`, `x ^ y`, …) are not listed;
/// `position`, `substring`, `trim`, `overlay`, `ceil` and `floor` are both.
#[must_use]
pub fn allowed_functions() -> &'static [FunctionInfo] {
    list::FUNCTIONS
}

/// Tells whether a function may be called, whatever the case of its name.
#[must_use]
pub fn is_allowed_function(name: &str) -> bool {
    find(&name.to_ascii_lowercase()).is_some()
}

/// Looks a lower-case name up.
pub(crate) fn find(name: &str) -> Option<&'static FunctionInfo> {
    list::FUNCTIONS.binary_search_by(|info| info.name.cmp(name)).ok().and_then(|at| list::FUNCTIONS.get(at))
}

/// Functions with `WITHIN GROUP (ORDER BY …)`.
pub(crate) fn is_ordered_set(name: &str) -> bool {
    matches!(name, "approx_percentile_cont" | "mode" | "percentile_cont" | "percentile_disc")
}

/// Functions that PostgreSQL calls without parentheses.
pub(crate) fn is_bare(name: &str) -> bool {
    matches!(name, "current_date" | "current_time" | "current_timestamp" | "localtime" | "localtimestamp")
}

/// What to offer instead of a function that is not there: its PostgreSQL name when it is known from another system,
/// else names that are close.
pub(crate) fn suggestions(name: &str) -> Vec<String> {
    let name = name.to_ascii_lowercase();
    let known = list::ELSEWHERE.binary_search_by(|(other, _)| (*other).cmp(name.as_str())).ok();
    match known.and_then(|at| list::ELSEWHERE.get(at)) {
        Some((_, here)) => vec![(*here).to_owned()],
        None => similar(&name, list::FUNCTIONS.iter().map(|info| info.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_distinct() {
        assert!(list::FUNCTIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(list::ELSEWHERE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn names_are_plain_and_found() {
        for info in allowed_functions() {
            assert!(info.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{}", info.name);
            assert_eq!(find(info.name), Some(info));
            assert!(is_allowed_function(&info.name.to_uppercase()));
        }
    }

    #[test]
    fn suggestions_can_be_called() {
        for (other, here) in list::ELSEWHERE {
            assert!(is_allowed_function(here), "{here}");
            assert!(!is_allowed_function(other), "{other} is allowed and needs no suggestion");
        }
        assert_eq!(suggestions("GROUP_CONCAT"), ["string_agg"]);
        assert_eq!(suggestions("date_trunk"), ["date_trunc"]);
        assert!(suggestions("pg_read_file").is_empty());
    }

    #[test]
    fn nothing_tells_about_files_settings_or_the_catalog() {
        for name in [
            "pg_read_file",
            "pg_ls_dir",
            "lo_import",
            "lo_export",
            "pg_sleep",
            "query_to_xml",
            "table_to_xml",
            "database_to_xml",
            "cursor_to_xml",
            "set_config",
            "current_setting",
            "current_user",
            "session_user",
            "user",
            "current_schema",
            "current_database",
            "current_catalog",
            "version",
            "pg_backend_pid",
            "dblink",
            "nextval",
            "currval",
            "setval",
            "pg_advisory_lock",
            "pg_notify",
            "inet_server_addr",
            "txid_current",
            "has_table_privilege",
            "to_regclass",
            "pg_get_viewdef",
            "input_file_name",
            "file_row_index",
            "arrow_metadata",
            "with_metadata",
            "read_csv",
            "read_parquet",
            "read_json",
            "parquet_metadata",
            "glob",
            "url",
            "s3",
            "file",
            "remote",
            "array_repeat",
            "array_resize",
            "setseed",
            "xmlparse",
            "xpath",
            "ts_stat",
            "crosstab",
        ] {
            assert!(!is_allowed_function(name), "{name}");
        }
    }
}
