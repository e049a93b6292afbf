//! Validated SQL to rows over Parquet, with time, memory and row caps. Owns datafusion.
//!
//! What lives here: the engine and its limits, PostgreSQL's functions and operators, the writing of rows as JSON and
//! the cache of results. What must not: parsing and refusing SQL (`gristmill-sql-safety`), knowing whose tables they
//! are (`api`), HTTP.

/// Writes formatted text to a string or a vector of bytes, which cannot fail.
macro_rules! put {
    ($out:expr, $($format:tt)*) => {{
        let _ = $out.write_fmt(format_args!($($format)*));
    }};
}

mod bags;
mod cache;
mod civil;
mod common_types;
mod complexity;
mod config;
mod engine;
mod error;
mod functions;
mod guard;
pub mod json;
mod operators;
mod output;
mod pg_type;
mod plan;
mod rewrite;
mod runtime;
mod scope;
mod session;
mod subqueries;
mod table;

pub use cache::{CacheKey, ResultCache};
pub use config::EngineConfig;
pub use engine::{QueryEngine, QueryRequest, SqlEngine};
pub use error::{BoxError, QueryError};
pub use output::{OutputColumn, QueryOutput};
pub use table::TableFile;
