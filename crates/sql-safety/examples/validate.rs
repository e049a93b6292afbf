//! Validates SQL against the names of some tables, without server or engine.
//!
//! ```text
//! cargo run -p gristmill-sql-safety --example validate -- sales,customers 'select * from sales'
//! ```
//!
//! Every argument after the table names is a query. Exits with 1 when one of them is refused.

use std::io::{self, Write};
use std::process::ExitCode;

use gristmill_sql_safety::{AllowedTable, SqlPolicy, validate};

fn main() -> io::Result<ExitCode> {
    let mut args = std::env::args().skip(1);
    let Some(names) = args.next() else {
        writeln!(io::stderr(), "usage: validate TABLE[,TABLE…] SQL…")?;
        return Ok(ExitCode::from(2));
    };
    let tables = names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| AllowedTable { logical: name.to_lowercase(), physical: format!("{}_0c6a852e", name.to_lowercase()) });
    let policy = SqlPolicy::new(tables.collect());
    let mut exit = ExitCode::SUCCESS;
    let mut out = io::stdout().lock();
    for sql in args {
        match validate(&sql, &policy) {
            Ok(query) => {
                writeln!(out, "ok        {}", query.text())?;
                let tables: Vec<&str> = query.tables().iter().map(String::as_str).collect();
                let cache = if query.is_volatile() { "never" } else { "yes" };
                writeln!(out, "          tables: {}; at most {} rows; cache: {cache}", tables.join(", "), query.rows_cap())?;
            }
            Err(refusal) => {
                exit = ExitCode::FAILURE;
                let place =
                    refusal.position().map(|at| format!(" at line {}, column {}", at.line, at.column)).unwrap_or_default();
                writeln!(out, "refused   {}: {}{place}", refusal.code(), refusal.message())?;
            }
        }
    }
    Ok(exit)
}
