//! Asks a question over two tables without server, engine or key: a scripted model writes the SQL, and what would run is
//! printed with every step.
//!
//! ```text
//! cargo run -p gristmill-workflow --example ask -- 'What is the total amount for each region?'
//! ```

use std::{
    io::{self, Write},
    sync::Arc,
};

use async_trait::async_trait;
use gristmill_domain::{
    Caller, DatasetId, ProjectId, QueryId, Scope, SessionId, SystemClock, UserId,
    caller::Credential,
    datasets::{ColumnProfile, ColumnType},
    nl::NlEvent,
    users::UserRole,
};
use gristmill_llm::scripted::Scripted;
use gristmill_sql_safety::ValidatedSql;
use gristmill_workflow::{
    nl2sql::{NlEngine, NlQuestion},
    ports::{EventSink, Executed, PortError, ProjectSchema, SchemaSource, SqlFailure, SqlRunner, TableProfile},
};
use serde_json::{json, value::RawValue};
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
struct Sales;

#[async_trait]
impl SchemaSource for Sales {
    async fn schema(&self, _: &Caller, _: ProjectId) -> Result<ProjectSchema, PortError> {
        let column = |name: &str, dtype: ColumnType| -> Result<ColumnProfile, PortError> {
            let profile = json!({
                "name": name, "dtype": dtype.as_str(), "nullCount": 0, "sampleCount": 9, "uniqueCount": 9, "topValues": []
            });
            serde_json::from_value(profile)
                .map_err(|error| PortError::new(gristmill_domain::ErrorCode::Internal, error.to_string()))
        };
        let sales = TableProfile {
            id: DatasetId::random(),
            name: "sales".into(),
            physical_name: "sales_0c6a852e".into(),
            filename: "sales.csv".into(),
            row_count: 9,
            columns: vec![column("Region", ColumnType::String)?, column("amount", ColumnType::Float)?],
        };
        Ok(ProjectSchema { tables: vec![sales], limit_default: 200, rows_max: 1000 })
    }
}

#[derive(Debug)]
struct Printer;

#[async_trait]
impl SqlRunner for Printer {
    async fn run(&self, _: &Caller, _: ProjectId, sql: &ValidatedSql) -> Result<Executed, SqlFailure> {
        let view = json!({ "sql": sql.text(), "rows": [], "rowCount": 0 });
        let view = serde_json::value::to_raw_value(&view).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Ok(Executed { query_id: QueryId::random(), view: view.into(), row_count: 0, cached: false })
    }
}

#[async_trait]
impl EventSink for Printer {
    async fn emit(&self, event: NlEvent) -> Result<(), PortError> {
        let line = serde_json::to_string(&event).unwrap_or_default();
        writeln!(io::stdout(), "{line}").map_err(|error| PortError::new(gristmill_domain::ErrorCode::Internal, error.to_string()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let question = std::env::args().nth(1).unwrap_or_else(|| "What is the total amount for each region?".to_owned());
    let model = Scripted::from_value(&json!({ "turns": [
        { "when": { "format": "nl_plan" }, "reply": { "json": { "intentSummary": question, "selectedTables": ["sales"], "confidence": 0.9 } } },
        { "when": { "format": "nl_sql" }, "reply": { "json": {
            "sql": "select region, sum(amount) as total from sales group by region", "rationale": "Sums the amounts.", "confidence": 0.9
        } } },
    ] }))?;
    let engine = NlEngine::new(Arc::new(model), Arc::new(Sales), Arc::new(Printer), Arc::new(SystemClock));
    let caller = Caller {
        user_id: UserId::random(),
        role: UserRole::User,
        email_verified: true,
        credential: Credential::Session(SessionId::random()),
        scope: Scope::Read,
    };
    let question = NlQuestion { caller, project: ProjectId::random(), text: question, table: None };
    let answer = engine.answer(&question, &Printer, &CancellationToken::new()).await?;
    writeln!(io::stdout(), "\n{}", answer.sql)?;
    Ok(())
}
