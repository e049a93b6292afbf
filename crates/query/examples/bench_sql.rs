//! Times one statement over one Parquet file, called `big`: bare DataFusion, then the engine with its gate but without a
//! server. For `cargo xtask bench`, which runs it beside the server.
//!
//! ```text
//! cargo run --release -p gristmill-query --example bench_sql -- big.parquet 'select count(*) from big'
//! ```
//!
//! Prints who and the median of milliseconds, separated by a tab.

use std::{
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use gristmill_domain::{DatasetId, UserId};
use gristmill_query::{EngineConfig, QueryEngine, QueryRequest, TableFile, json};
use gristmill_sql_safety::{AllowedTable, SqlPolicy, validate};

const TIMES: usize = 15;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().context("usage: bench_sql FILE.parquet SQL")?;
    let sql = arguments.next().context("usage: bench_sql FILE.parquet SQL")?;
    let mut out = io::stdout();
    writeln!(out, "DataFusion alone\t{:.3}", bare(&path, &sql).await?)?;
    writeln!(out, "the engine without HTTP\t{:.3}", engine(Path::new(&path), &sql).await?)?;
    Ok(())
}

/// DataFusion with its defaults: the file is registered once, each run plans anew and collects.
async fn bare(path: &str, sql: &str) -> Result<f64> {
    let context = SessionContext::new_with_config(SessionConfig::new());
    // A stored file has no extension.
    let options = ParquetReadOptions { file_extension: "", ..ParquetReadOptions::default() };
    context.register_parquet("big", path, options).await?;
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..=TIMES {
        let began = Instant::now();
        context.sql(sql).await?.collect().await?;
        times.push(began.elapsed());
    }
    Ok(median(times))
}

/// The gate, the engine, and the rows as JSON.
async fn engine(path: &Path, sql: &str) -> Result<f64> {
    let engine = QueryEngine::start(EngineConfig::default())?;
    let table = TableFile { name: "big".to_owned(), path: path.to_owned(), version: 1, dataset_id: DatasetId::random() };
    let policy = SqlPolicy::new(vec![AllowedTable { logical: "big".to_owned(), physical: "big_0".to_owned() }]);
    let caller = UserId::random();
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..=TIMES {
        let began = Instant::now();
        let sql = validate(sql, &policy).map_err(|refusal| anyhow::anyhow!(refusal.message()))?;
        let request = QueryRequest { sql, tables: vec![table.clone()], timeout: Duration::from_secs(60), caller };
        let output = engine.run(request).await?;
        json::rows_as_arrays(&output)?;
        times.push(began.elapsed());
    }
    Ok(median(times))
}

/// Milliseconds. The first run, which warms caches, is left out.
fn median(times: Vec<Duration>) -> f64 {
    let mut times: Vec<f64> = times.into_iter().skip(1).map(|time| time.as_secs_f64() * 1000.0).collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}
