//! Statements that fail when they run.

use std::sync::Arc;

use async_trait::async_trait;
use gristmill_domain::{
    Caller, ErrorCode, ProjectId,
    nl::{NlConfidenceMode, NlOutcome, NlReliabilityTier},
};
use gristmill_sql_safety::{Position, ValidatedSql};
use gristmill_workflow::{
    nl2sql::NlEngine,
    ports::{Executed, NoEvents, SqlFailure, SqlRunner},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Answered, Asked, FakeSchema, FakeSql, FixedClock, GOOD, Reply, plan, sql};

const BROKEN: &str = "select amount / 0 from sales";

fn engine() -> std::sync::Arc<FakeSql> {
    FakeSql::new(&[("/ 0", Reply::Fails(ErrorCode::SqlFailed, "division by zero"))])
}

async fn repaired(turn: Value) -> Answered {
    let mut asked = Asked::of(json!([plan(&["sales"]), sql("nl_sql", BROKEN, 0.95), turn]));
    asked.sql = engine();
    asked.ask().await
}

#[tokio::test]
async fn a_failed_statement_is_mended_with_the_engines_words() {
    let answered = repaired(sql("nl_repair", GOOD, 0.9)).await;
    assert_eq!(
        answered.trace()[13..],
        [
            "initial_execution started",
            "initial_execution failed",
            "repair started",
            "repair [status completed]",
            "repair [repair completed]",
            "repair [repair completed]",
            "repair completed",
            "initial_execution progress",
            "initial_execution completed",
            "result",
            "done completed",
            "done",
        ]
    );
    let shown = answered.model.requests()[2].messages[1].text().to_owned();
    assert!(shown.contains("division by zero") && shown.contains("amount / 0"), "{shown}");
    let result = answered.unwrap();
    assert!(result.sql.contains("Region") && result.query.is_some());
    let explanation = &result.explanation;
    assert_eq!((explanation.confidence_mode, explanation.outcome), (NlConfidenceMode::Repair, NlOutcome::Rows));
    assert!(explanation.confidence <= 0.6);
    assert_eq!(explanation.reliability_tier, NlReliabilityTier::Low);
}

#[tokio::test]
async fn a_mended_statement_that_fails_again_is_shown_with_its_failure() {
    let answered = repaired(sql("nl_repair", "select 1 / 0 from sales", 0.9)).await;
    assert_eq!(
        answered.trace()[19..],
        ["repair completed", "initial_execution progress", "initial_execution failed", "result", "done completed", "done"]
    );
    let result = answered.unwrap();
    assert!(result.sql.starts_with("SELECT 1 / 0") && result.query.is_none());
    assert_eq!(result.query_execution_error.as_deref(), Some("division by zero"));
    assert_eq!(result.explanation.outcome, NlOutcome::Failed);
}

#[tokio::test]
async fn what_cannot_be_mended_is_shown_as_it_was() {
    for (turn, blocks) in [
        (json!({ "when": { "format": "nl_repair" }, "times": 2, "reply": { "text": "No." } }), 0),
        (json!({ "when": { "format": "nl_repair" }, "reply": { "error": { "kind": "unavailable" } } }), 0),
        (sql("nl_repair", "drop table sales", 1.0), 1),
        (sql("nl_repair", "select * from somebody_elses", 1.0), 1),
    ] {
        let answered = repaired(turn.clone()).await;
        let trace = answered.trace();
        let mut expected =
            vec!["initial_execution started", "initial_execution failed", "repair started", "repair [status completed]"];
        expected.extend(vec!["repair [repair failed]"; blocks]);
        expected.extend(["repair failed", "result", "done completed", "done"]);
        assert_eq!(trace[13..], expected, "{turn}");
        let result = answered.unwrap();
        assert!(result.sql.contains("amount / 0"), "{}", result.sql);
        assert_eq!(result.query_execution_error.as_deref(), Some("division by zero"));
        assert_eq!(answered.sql.ran().len(), 1);
    }
}

#[tokio::test]
async fn a_failure_that_is_not_of_the_statement_is_not_mended() {
    for code in [ErrorCode::TooManyRequests, ErrorCode::FileMissing, ErrorCode::Internal] {
        let mut asked = Asked::of(json!([plan(&["sales"]), sql("nl_sql", GOOD, 0.95)]));
        asked.sql = FakeSql::new(&[("sales", Reply::Fails(code, "not now"))]);
        let answered = asked.ask().await;
        assert_eq!(
            answered.trace()[13..],
            ["initial_execution started", "initial_execution failed", "result", "done completed", "done"]
        );
        assert_eq!(answered.unwrap().query_execution_error.as_deref(), Some("not now"));
    }
}

/// An engine that knows where a statement fails.
#[derive(Debug)]
struct Placed(Arc<FakeSql>);

#[async_trait]
impl SqlRunner for Placed {
    async fn run(&self, caller: &Caller, project: ProjectId, sql: &ValidatedSql) -> Result<Executed, SqlFailure> {
        let place = Some(Position { line: 1, column: 15 });
        self.0.run(caller, project, sql).await.map_err(|failure| SqlFailure { position: place, ..failure })
    }
}

#[tokio::test]
async fn the_model_is_told_the_place_when_the_engine_knows_it() {
    let asked = Asked::of(json!([plan(&["sales"]), sql("nl_sql", BROKEN, 0.95), sql("nl_repair", GOOD, 0.9)]));
    let schema = FakeSchema { schema: asked.schema.clone(), sketches: Vec::new() };
    let placed = Placed(engine());
    let engine = NlEngine::new(Arc::new(asked.model.clone()), Arc::new(schema), Arc::new(placed), Arc::new(FixedClock));
    let result = engine.answer(&asked.asks(), &NoEvents, &CancellationToken::new()).await.unwrap();
    let shown = asked.model.requests()[2].messages[1].text().to_owned();
    let (_, error) = shown.split_once("<data kind=\"error\" mark=\"").unwrap();
    assert!(error.contains("\ndivision by zero (line 1, column 15)\n</data mark=\""), "{shown}");
    assert!(result.query.is_some());
    let explanation = &result.explanation;
    assert_eq!((explanation.confidence_mode, explanation.outcome), (NlConfidenceMode::Repair, NlOutcome::Rows));
    assert!(explanation.validation_notes.iter().any(|note| note.contains("this one was mended")), "{explanation:?}");
}
