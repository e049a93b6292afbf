//! Asks Parquet files in SQL: the gate and the engine, embedded without the server.
//!
//! ```text
//! cargo run -p gristmill-query --example query_parquet -- sales=sales.parquet 'select region, sum(amount) from sales group by 1'
//! ```
//!
//! Every `name=path` is a table, every other argument a statement. Prints the columns with their types, the rows as
//! JSON and what is worth knowing beside them. Exits with 1 when a statement is refused or fails.
//!
//! An embedding service does what [`ask`] does: a policy with the caller's tables and no others, the gate, then the
//! engine with a deadline. The engine is made once and shared; it has threads and memory of its own.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use gristmill_domain::{DatasetId, UserId};
use gristmill_query::{EngineConfig, QueryEngine, QueryRequest, TableFile, json};
use gristmill_sql_safety::{AllowedTable, SqlPolicy, validate};

/// How long a statement may take.
const TIMEOUT: Duration = Duration::from_secs(30);

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (mut tables, mut statements) = (Vec::new(), Vec::new());
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            // `select 1 = 1` has an equals sign, too, but no name in front of it.
            Some((name, path)) if !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_') => {
                tables.push(TableFile {
                    name: name.to_lowercase(),
                    path: path.into(),
                    version: 1,
                    dataset_id: DatasetId::random(),
                });
            }
            _ => statements.push(argument),
        }
    }
    if statements.is_empty() {
        writeln!(io::stderr(), "usage: query_parquet NAME=FILE.parquet… SQL…")?;
        return Ok(ExitCode::from(2));
    }
    let engine = QueryEngine::start(EngineConfig::default())?;
    let caller = UserId::random();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut exit = ExitCode::SUCCESS;
    for statement in &statements {
        match runtime.block_on(ask(&engine, &tables, caller, statement)) {
            Ok(answer) => writeln!(io::stdout(), "{answer}")?,
            Err(reason) => {
                exit = ExitCode::FAILURE;
                writeln!(io::stderr(), "{reason}")?;
            }
        }
    }
    Ok(exit)
}

/// Checks a statement and runs it over `tables`.
async fn ask(engine: &QueryEngine, tables: &[TableFile], caller: UserId, statement: &str) -> Result<String, String> {
    // A table has two names: the one that people type, and one that is unique in the system. Here they are the same.
    let allowed = tables.iter().map(|table| AllowedTable { logical: table.name.clone(), physical: table.name.clone() });
    let policy = SqlPolicy::new(allowed.collect());
    let sql = validate(statement, &policy).map_err(|refusal| format!("{} [{}]", refusal.message(), refusal.code()))?;
    let used = tables.iter().filter(|table| sql.tables().contains(&table.name)).cloned().collect();
    let shown = sql.text().to_owned();
    let request = QueryRequest { sql, tables: used, timeout: TIMEOUT, caller };
    let failed = |error: gristmill_query::QueryError| format!("{} [{}]", error.public_message(), error.code());
    let output = engine.run(request).await.map_err(failed)?;
    let columns: Vec<String> = output.columns.iter().map(|column| format!("{} {}", column.name, column.type_name)).collect();
    let rows = json::rows(&output).map_err(failed)?;
    let more = if output.truncated { ", and more" } else { "" };
    Ok(format!("{shown}\n({})\n{rows}\n{} rows{more}, {} ms", columns.join(", "), output.row_count, output.execution_ms))
}
