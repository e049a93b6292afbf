//! An engine over the generated tables, and statements that have passed the gate.

use std::{path::PathBuf, sync::OnceLock, time::Duration};

use gristmill_domain::{DatasetId, UserId};
use gristmill_query::{EngineConfig, QueryEngine, QueryError, QueryOutput, QueryRequest, TableFile, json};
use gristmill_sql_safety::{AllowedTable, SqlPolicy, SqlRefusal, ValidatedSql, validate};
use serde_json::Value;

use crate::data;

/// The generated tables as Parquet files, written once a run.
pub(crate) struct Files {
    _directory: tempfile::TempDir,
    pub(crate) tables: Vec<TableFile>,
}

pub(crate) fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let tables = data::tables()
            .iter()
            .map(|table| {
                let path = directory.path().join(format!("{}.parquet", table.name));
                table.write_parquet(&path);
                table_file(table.name, path)
            })
            .collect();
        Files { _directory: directory, tables }
    })
}

pub(crate) fn table_file(name: &str, path: PathBuf) -> TableFile {
    TableFile { name: name.to_owned(), path, version: 1, dataset_id: DatasetId::random() }
}

/// An engine with a spill directory of its own, gone with it.
pub(crate) struct TestEngine {
    pub(crate) engine: QueryEngine,
    pub(crate) spill: tempfile::TempDir,
}

impl TestEngine {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut EngineConfig)) -> Self {
        let spill = tempfile::tempdir().unwrap();
        let mut config = EngineConfig { spill_dir: spill.path().to_owned(), ..EngineConfig::default() };
        change(&mut config);
        Self { engine: QueryEngine::start(config).unwrap(), spill }
    }

    pub(crate) async fn run(&self, sql: &str) -> Result<QueryOutput, QueryError> {
        self.engine.run(request(sql, Duration::from_secs(30))).await
    }

    /// The rows as arrays of JSON values.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<Vec<Value>> {
        let output = self.run(sql).await.unwrap_or_else(|error| panic!("{sql}\n{}", chain(&error)));
        rows_of(&output)
    }

    /// The only value of the only row.
    pub(crate) async fn value(&self, sql: &str) -> Value {
        let rows = self.rows(sql).await;
        assert_eq!((rows.len(), rows[0].len()), (1, 1), "{sql} gave {rows:?}");
        rows[0][0].clone()
    }

    /// The public message of a statement that fails.
    pub(crate) async fn message(&self, sql: &str) -> String {
        match self.run(sql).await {
            Ok(output) => panic!("{sql} gave {:?}", rows_of(&output)),
            Err(error) => error.public_message(),
        }
    }
}

pub(crate) fn rows_of(output: &QueryOutput) -> Vec<Vec<Value>> {
    serde_json::from_str(&json::rows_as_arrays(output).unwrap()).unwrap()
}

/// An error with its sources.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!("\n  {error}"));
        source = error.source();
    }
    text
}

/// A statement over the generated tables, with as many rows as it likes; what the gate refuses, it refuses here.
pub(crate) fn gate(sql: &str) -> Result<ValidatedSql, SqlRefusal> {
    let tables = files()
        .tables
        .iter()
        .map(|table| AllowedTable { logical: table.name.clone(), physical: format!("{}_0", table.name) })
        .collect();
    let policy = SqlPolicy { limit_default: 10_000, rows_max: 10_000, ..SqlPolicy::new(tables) };
    validate(sql, &policy)
}

pub(crate) fn request(sql: &str, timeout: Duration) -> QueryRequest {
    let sql = gate(sql).unwrap_or_else(|refusal| panic!("the gate refused {sql}: {}", refusal.message()));
    let tables = files().tables.iter().filter(|table| sql.tables().contains(&table.name)).cloned().collect();
    QueryRequest { sql, tables, timeout, caller: UserId::random() }
}
