//! A project with three tables, fakes for what is outside, and short forms of event streams.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gristmill_domain::{
    Caller, Clock, DatasetId, ErrorCode, ProjectId, QueryId, Scope, SessionId, UserId,
    caller::Credential,
    datasets::{ColumnProfile, ColumnType, TopValue},
    nl::{NlBlockEvent, NlEvent, NlResult},
    users::UserRole,
};
use gristmill_llm::{Provider, scripted::Scripted};
use gristmill_sql_safety::ValidatedSql;
use gristmill_workflow::{
    NlError,
    nl2sql::{NlEngine, NlOptions, NlQuestion},
    ports::{
        EventSink, Executed, PortError, ProjectSchema, SchemaSource, Snippet, SnippetSource, SqlFailure, SqlRunner, TableProfile,
        TableSketch,
    },
};
use serde_json::{Value, json, value::RawValue};
use tokio_util::sync::CancellationToken;

pub(crate) fn column(name: &str, dtype: ColumnType) -> ColumnProfile {
    ColumnProfile::of_values(name, dtype, 100, 100)
}

/// A text column of which all values are known.
pub(crate) fn category(name: &str, values: &[&str]) -> ColumnProfile {
    let top = values.iter().map(|value| TopValue { value: (*value).to_owned(), count: 10, percentage: 10.0 });
    ColumnProfile {
        top_values: top.collect(),
        unique_count: u64::try_from(values.len()).unwrap(),
        ..column(name, ColumnType::String)
    }
}

pub(crate) fn table(name: &str, columns: Vec<ColumnProfile>) -> TableProfile {
    TableProfile {
        id: DatasetId::random(),
        name: name.to_owned(),
        physical_name: format!("{name}_0c6a852e"),
        filename: format!("{name}.csv"),
        row_count: 100,
        columns,
    }
}

pub(crate) fn schema(tables: Vec<TableProfile>) -> ProjectSchema {
    ProjectSchema { tables, limit_default: 200, rows_max: 1000 }
}

/// `sales`, `customers` and `weather`.
pub(crate) fn shop() -> ProjectSchema {
    schema(vec![
        table(
            "sales",
            vec![
                column("id", ColumnType::Integer),
                column("customer_id", ColumnType::Integer),
                column("Order Date", ColumnType::Date),
                category("Region", &["north", "south"]),
                column("amount", ColumnType::Float),
            ],
        ),
        table(
            "customers",
            vec![column("id", ColumnType::Integer), column("name", ColumnType::String), category("city", &["Oslo", "Rome"])],
        ),
        table("weather", vec![column("day", ColumnType::Date), column("temperature", ColumnType::Float)]),
    ])
}

pub(crate) fn caller() -> Caller {
    Caller {
        user_id: UserId::random(),
        role: UserRole::User,
        email_verified: true,
        credential: Credential::Session(SessionId::random()),
        scope: Scope::Account,
    }
}

#[derive(Debug)]
pub(crate) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
}

/// Knows one schema, and other tenants' tables not at all.
#[derive(Debug)]
pub(crate) struct FakeSchema {
    pub(crate) schema: ProjectSchema,
    pub(crate) sketches: Vec<TableSketch>,
}

#[async_trait]
impl SchemaSource for FakeSchema {
    async fn schema(&self, _: &Caller, _: ProjectId) -> Result<ProjectSchema, PortError> {
        Ok(self.schema.clone())
    }

    async fn sketches(&self, _: &Caller, _: ProjectId, _: &[DatasetId]) -> Result<Vec<TableSketch>, PortError> {
        Ok(self.sketches.clone())
    }
}

/// What a fake engine answers to a statement in which a text occurs.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Rows(Value),
    Fails(ErrorCode, &'static str),
    Hangs,
}

/// Answers by rules, the first that fits, and remembers what it ran.
#[derive(Debug, Default)]
pub(crate) struct FakeSql {
    pub(crate) rules: Vec<(&'static str, Reply)>,
    pub(crate) ran: Mutex<Vec<String>>,
}

impl FakeSql {
    pub(crate) fn new(rules: &[(&'static str, Reply)]) -> Arc<Self> {
        Arc::new(Self { rules: rules.to_vec(), ran: Mutex::default() })
    }

    pub(crate) fn ran(&self) -> Vec<String> {
        self.ran.lock().unwrap().clone()
    }
}

#[async_trait]
impl SqlRunner for FakeSql {
    async fn run(&self, _: &Caller, _: ProjectId, sql: &ValidatedSql) -> Result<Executed, SqlFailure> {
        self.ran.lock().unwrap().push(sql.text().to_owned());
        let reply = self.rules.iter().find(|(part, _)| sql.text().contains(part)).map(|(_, reply)| reply.clone());
        match reply.unwrap_or_else(|| Reply::Rows(json!([{"n": 1}]))) {
            Reply::Rows(rows) => {
                let raw = |value: &Value| RawValue::from_string(value.to_string()).unwrap();
                let row_count = u64::try_from(rows.as_array().unwrap().len()).unwrap();
                let view = raw(&json!({ "sql": sql.text(), "rows": rows, "rowCount": row_count })).into();
                Ok(Executed { query_id: QueryId::random(), view, row_count, cached: false })
            }
            Reply::Fails(code, message) => Err(SqlFailure { code, message: message.to_owned(), position: None, source: None }),
            Reply::Hangs => std::future::pending().await,
        }
    }
}

#[derive(Debug)]
pub(crate) struct FakeSnippets(pub(crate) Vec<Snippet>);

#[async_trait]
impl SnippetSource for FakeSnippets {
    async fn snippets(&self, _: &Caller, _: ProjectId, _: &str, _: usize) -> Result<Vec<Snippet>, PortError> {
        Ok(self.0.clone())
    }
}

/// Keeps events.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    events: Mutex<Vec<NlEvent>>,
    came: tokio::sync::Notify,
}

#[async_trait]
impl EventSink for Recorder {
    async fn emit(&self, event: NlEvent) -> Result<(), PortError> {
        self.events.lock().unwrap().push(event);
        self.came.notify_waiters();
        Ok(())
    }
}

impl Recorder {
    pub(crate) fn events(&self) -> Vec<NlEvent> {
        self.events.lock().unwrap().clone()
    }

    /// Waits until an event fits; the test's runner ends a wait in vain.
    pub(crate) async fn wait_for(&self, fits: impl Fn(&NlEvent) -> bool) {
        loop {
            let came = self.came.notified();
            tokio::pin!(came);
            came.as_mut().enable();
            if self.events.lock().unwrap().iter().any(&fits) {
                return;
            }
            came.await;
        }
    }
}

/// One question with everything around it.
pub(crate) struct Asked {
    pub(crate) model: Scripted,
    pub(crate) sql: Arc<FakeSql>,
    pub(crate) schema: ProjectSchema,
    pub(crate) sketches: Vec<TableSketch>,
    pub(crate) snippets: Vec<Snippet>,
    pub(crate) options: NlOptions,
    pub(crate) question: &'static str,
    pub(crate) table: Option<&'static str>,
}

/// What came of it.
pub(crate) struct Answered {
    pub(crate) result: Result<NlResult, NlError>,
    pub(crate) events: Vec<NlEvent>,
    pub(crate) model: Scripted,
    pub(crate) sql: Arc<FakeSql>,
}

impl Asked {
    pub(crate) fn of(turns: Value) -> Self {
        Self {
            model: Scripted::from_value(&json!({ "turns": turns })).unwrap(),
            sql: FakeSql::new(&[]),
            schema: shop(),
            sketches: Vec::new(),
            snippets: Vec::new(),
            options: NlOptions::default(),
            question: "What is the total amount by region?",
            table: Some("sales"),
        }
    }

    pub(crate) fn engine(&self) -> NlEngine {
        let provider: Arc<dyn Provider> = Arc::new(self.model.clone());
        let source = FakeSchema { schema: self.schema.clone(), sketches: self.sketches.clone() };
        NlEngine::new(provider, Arc::new(source), self.sql.clone(), Arc::new(FixedClock))
            .with_options(self.options.clone())
            .with_snippets(Arc::new(FakeSnippets(self.snippets.clone())))
    }

    pub(crate) fn asks(&self) -> NlQuestion {
        NlQuestion {
            caller: caller(),
            project: ProjectId::random(),
            text: self.question.to_owned(),
            table: self.table.map(str::to_owned),
        }
    }

    pub(crate) async fn ask(self) -> Answered {
        let recorder = Recorder::default();
        let result = self.engine().answer(&self.asks(), &recorder, &CancellationToken::new()).await;
        Answered { result, events: recorder.events(), model: self.model, sql: self.sql }
    }
}

impl Answered {
    pub(crate) fn trace(&self) -> Vec<String> {
        trace(&self.events)
    }

    pub(crate) fn unwrap(&self) -> &NlResult {
        self.result.as_ref().unwrap()
    }

    /// The texts of all blocks of a kind of event.
    pub(crate) fn said(&self) -> String {
        let deltas = self.events.iter().filter_map(|event| match event {
            NlEvent::ModelWorkDelta(block) => block.delta.clone(),
            _ => None,
        });
        deltas.collect::<Vec<_>>().join("\n")
    }

    /// Why there is no answer, as the client learns it.
    pub(crate) fn abandoned_because(&self) -> String {
        let failed = self.events.iter().rev().find_map(|event| match event {
            NlEvent::PhaseFailed(phase) if phase.phase_id.to_string() == "done" => Some(phase.summary.clone()),
            _ => None,
        });
        failed.expect("the phase `done` failed")
    }
}

fn wire<T: serde::Serialize>(value: T) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}

/// A stream in short: `planning started`, `planning [plan completed]`, `result`, `done`. Blocks must be whole: begun, of at
/// least one delta, ended, and none inside of another.
pub(crate) fn trace(events: &[NlEvent]) -> Vec<String> {
    let mut open: Option<(NlBlockEvent, usize)> = None;
    let mut lines = Vec::new();
    for event in events {
        match event {
            NlEvent::ModelWorkBlockStarted(block) => {
                assert!(open.is_none(), "a block inside of another");
                open = Some((block.clone(), 0));
            }
            NlEvent::ModelWorkDelta(block) => {
                let (started, deltas) = open.as_mut().expect("a delta without a block");
                assert_eq!(block.block_id, started.block_id);
                assert!(block.delta.is_some());
                *deltas += 1;
            }
            NlEvent::ModelWorkBlockCompleted(block) => {
                let (started, deltas) = open.take().expect("an end without a block");
                assert_eq!(block.block_id, started.block_id);
                assert!(deltas > 0, "a block without a delta");
                lines.push(format!("{} [{} {}]", block.phase_id, wire(block.kind), wire(block.status.unwrap())));
            }
            NlEvent::PhaseStarted(phase) => lines.push(format!("{} started", phase.phase_id)),
            NlEvent::PhaseProgress(phase) => lines.push(format!("{} progress", phase.phase_id)),
            NlEvent::PhaseCompleted(phase) => lines.push(format!("{} completed", phase.phase_id)),
            NlEvent::PhaseFailed(phase) => lines.push(format!("{} failed", phase.phase_id)),
            NlEvent::Result { .. } => lines.push("result".to_owned()),
            NlEvent::Done => lines.push("done".to_owned()),
        }
    }
    assert!(open.is_none(), "a block that never ended");
    lines
}

pub(crate) fn plan(tables: &[&str]) -> Value {
    json!({ "when": { "format": "nl_plan" }, "reply": { "json": plan_json(tables) } })
}

pub(crate) fn plan_json(tables: &[&str]) -> Value {
    json!({
        "intentSummary": "Total amount for each region", "answerable": true, "missing": [], "selectedTables": tables,
        "joinPlan": [], "filters": [], "aggregations": ["sum of amount"], "assumptions": [], "confidence": 0.9
    })
}

pub(crate) fn sql(format: &str, sql: &str, confidence: f64) -> Value {
    json!({ "when": { "format": format }, "reply": { "json": sql_json(sql, confidence) } })
}

pub(crate) fn sql_json(sql: &str, confidence: f64) -> Value {
    json!({ "sql": sql, "rationale": "Sums the amounts.", "assumptions": [], "confidence": confidence })
}

pub(crate) const GOOD: &str = r#"select "Region", sum(amount) as total from sales group by 1"#;
