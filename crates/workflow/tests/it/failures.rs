//! Models that write nonsense, providers that are down, people who leave.

use std::time::Duration;

use gristmill_domain::{ErrorCode, nl::NlEvent};
use gristmill_llm::LlmError;
use gristmill_workflow::NlError;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Asked, FakeSql, GOOD, Recorder, Reply, plan, plan_json, schema, sql, trace};

const GENERATION_FAILED: [&str; 9] = [
    "schema_context started",
    "schema_context completed",
    "schema_context [status completed]",
    "planning started",
    "planning [plan completed]",
    "planning completed",
    "sql_generation started",
    "sql_generation progress",
    "sql_generation failed",
];

fn text(format: &str, text: &str) -> Value {
    json!({ "when": { "format": format }, "times": 2, "reply": { "text": text } })
}

#[tokio::test]
async fn a_statement_that_cannot_be_read_is_asked_for_in_a_compact_form() {
    for nonsense in [
        "I would rather talk about the weather.",
        r#"{"sql": "select 1"#,
        r#"{"answer": "select 1"}"#,
        r#"{"sql": 7}"#,
        r#"{"sql": ""}"#,
        "[]",
    ] {
        let answered =
            Asked::of(json!([plan(&["sales"]), text("nl_sql", nonsense), sql("nl_sql_compact", GOOD, 0.95)])).ask().await;
        let mut expected = GENERATION_FAILED.to_vec();
        expected.extend([
            "sql_generation progress",
            "sql_generation [sql completed]",
            "sql_generation completed",
            "validation started",
            "validation [validation completed]",
            "validation completed",
            "initial_execution started",
            "initial_execution completed",
            "result",
            "done completed",
            "done",
        ]);
        assert_eq!(answered.trace(), expected, "{nonsense}");
        let explanation = &answered.unwrap().explanation;
        assert!(
            explanation.confidence < 0.85 && explanation.validation_notes[0].contains("second, simpler try"),
            "{explanation:?}"
        );
        // The second attempt for the same step saw what was wrong; the compact step is a question of its own.
        assert_eq!(answered.model.requests().len(), 4, "{nonsense}");
    }
}

#[tokio::test]
async fn an_endless_statement_ends() {
    let long = format!("select {}1", "1 + ".repeat(300_000));
    assert!(long.len() > 1024 * 1024);
    let turn = |format: &str| json!({ "when": { "format": format }, "reply": { "json": { "sql": long } } });
    let answered = Asked::of(json!([plan(&["sales"]), turn("nl_sql"), turn("nl_sql_compact")])).ask().await;
    assert!(matches!(answered.result, Err(NlError::Model(LlmError::TooLarge { .. }))), "{:?}", answered.result);
    assert!(answered.sql.ran().is_empty());
    // Just below that bound it is the gate that ends it.
    let long = format!("select {}1", "1 + ".repeat(200_000));
    let turn = |format: &str| json!({ "when": { "format": format }, "reply": { "json": { "sql": long } } });
    let answered = Asked::of(json!([plan(&["sales"]), turn("nl_sql"), turn("nl_sql_compact")])).ask().await;
    assert!(matches!(answered.result, Err(NlError::Refused(_))), "{:?}", answered.result);
    assert!(answered.said().len() < 100_000, "what is shown is bounded");
}

#[tokio::test]
async fn what_the_gate_refuses_twice_ends_in_validation() {
    for (statement, words) in [
        ("DELETE FROM sales", "only SELECT"),
        ("select * from pg_catalog.pg_user", "not allowed"),
        ("select * from information_schema.tables", "not allowed"),
        ("select * from orders_of_somebody_else", "does not exist"),
        ("select 1; drop table sales", "one statement"),
        ("select pg_read_file('/etc/passwd') from sales", "not available"),
        ("select * from '/etc/passwd'", ""),
        ("with x as (delete from sales returning *) select * from x", ""),
        ("selec nothing", ""),
    ] {
        let answered = Asked::of(json!([plan(&["sales"]), sql("nl_sql", statement, 1.0), sql("nl_sql_compact", statement, 1.0)]))
            .ask()
            .await;
        let mut expected = GENERATION_FAILED[..8].to_vec();
        expected.extend([
            "sql_generation [sql failed]",
            "sql_generation failed",
            "sql_generation progress",
            "sql_generation [sql failed]",
            "sql_generation completed",
            "validation started",
            "validation [validation failed]",
            "validation failed",
            "done failed",
            "done",
        ]);
        assert_eq!(answered.trace(), expected, "{statement}");
        assert!(answered.sql.ran().is_empty(), "{statement}");
        let why = answered.abandoned_because();
        assert!(why.starts_with("The generated SQL cannot be run: ") && why.contains(words), "{why}");
        let code = answered.result.unwrap_err().code();
        assert!(matches!(code, ErrorCode::SqlRefused | ErrorCode::SqlInvalid), "{code}");
        // The compact step was told what was wrong with the first statement.
        assert!(answered.model.requests()[2].messages[1].text().contains(words));
    }
}

#[tokio::test]
async fn a_project_without_tables_is_told_apart_from_everything_else() {
    let mut asked = Asked::of(json!([]));
    asked.schema = schema(vec![]);
    let answered = asked.ask().await;
    assert_eq!(answered.trace(), ["done failed", "done"]);
    assert!(answered.abandoned_because().contains("upload one first"));
    assert!(matches!(answered.result, Err(NlError::NoDatasets)));
    assert!(answered.model.requests().is_empty());
}

#[tokio::test]
async fn what_is_not_in_the_tables_is_said_and_nothing_is_made_up() {
    let mut plan = plan_json(&[]);
    plan["answerable"] = json!(false);
    plan["missing"] = json!(["salaries of employees"]);
    let answered = Asked::of(json!([{ "when": { "format": "nl_plan" }, "reply": { "json": plan } }])).ask().await;
    assert_eq!(
        answered.trace()[3..],
        ["planning started", "planning [plan completed]", "planning failed", "done failed", "done"]
    );
    assert!(answered.abandoned_because().contains("do not hold what the question needs: salaries of employees"));
    assert!(matches!(answered.result, Err(NlError::NoSuchData { .. })) && answered.sql.ran().is_empty());
}

#[tokio::test]
async fn a_provider_that_fails_ends_the_question_with_its_reason() {
    for (kind, code, words) in [
        ("unavailable", ErrorCode::LlmUnavailable, "cannot be reached"),
        ("authentication", ErrorCode::LlmUnavailable, "LLM_API_KEY"),
        ("rate_limited", ErrorCode::TooManyRequests, "limiting requests"),
        ("timeout", ErrorCode::LlmTimeout, "too long"),
    ] {
        let down = json!({ "always": true, "reply": { "error": { "kind": kind, "message": "sk-secret is wrong" } } });
        let answered = Asked::of(json!([down])).ask().await;
        assert_eq!(answered.trace()[3..], ["planning started", "planning failed", "done failed", "done"], "{kind}");
        assert!(answered.abandoned_because().contains(words));
        assert!(!serde_json::to_string(&answered.events).unwrap().contains("sk-secret"));
        assert_eq!(answered.result.unwrap_err().code(), code);
    }
    // Later on, the compact form is tried only where that can help.
    let key_revoked = json!({ "when": { "format": "nl_sql" }, "reply": { "error": { "kind": "authentication" } } });
    let answered = Asked::of(json!([plan(&["sales"]), key_revoked])).ask().await;
    assert_eq!(answered.trace()[8..], ["sql_generation failed", "done failed", "done"]);
    assert_eq!(answered.model.requests().len(), 2);
}

#[tokio::test]
async fn an_answer_that_is_cut_midway_ends_its_thinking() {
    let cut = json!({ "reply": { "thinking": ["Well, "], "error": { "kind": "unavailable" } } });
    let answered = Asked::of(json!([cut])).ask().await;
    assert_eq!(
        answered.trace()[3..],
        ["planning started", "planning [thinking failed]", "planning failed", "done failed", "done"]
    );
}

#[tokio::test]
async fn a_model_that_takes_too_long_is_left() {
    let mut asked = Asked::of(json!([{ "reply": { "hangs": true } }]));
    asked.options.timeout = Duration::from_millis(30);
    let answered = asked.ask().await;
    assert_eq!(answered.result.unwrap_err().code(), ErrorCode::LlmTimeout);
}

async fn cancelled_when(asked: Asked, came: impl Fn(&NlEvent) -> bool) -> (Result<(), NlError>, Vec<String>) {
    let (recorder, cancel) = (Recorder::default(), CancellationToken::new());
    let (engine, question) = (asked.engine(), asked.asks());
    let answering = async { engine.answer(&question, &recorder, &cancel).await };
    let cancelling = async {
        recorder.wait_for(came).await;
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(answering, cancelling);
    (result.map(drop), trace(&recorder.events()))
}

fn is(event: &NlEvent, name: &str, phase: &str) -> bool {
    event.name() == name && serde_json::to_value(event).unwrap()["phaseId"] == phase
}

#[tokio::test]
async fn a_question_can_be_cancelled_while_the_model_thinks() {
    let hangs = json!([{ "reply": { "thinking": "Hm.", "hangs": true } }]);
    let (result, trace) = cancelled_when(Asked::of(hangs), |event| is(event, "model_work_delta", "planning")).await;
    assert!(matches!(result, Err(NlError::Cancelled)), "{result:?}");
    assert_eq!(trace[3..], ["planning started", "planning [thinking failed]", "planning failed", "done failed", "done"]);
}

#[tokio::test]
async fn a_question_can_be_cancelled_while_the_statement_runs() {
    let mut asked = Asked::of(json!([plan(&["sales"]), sql("nl_sql", GOOD, 0.95)]));
    asked.sql = FakeSql::new(&[("sales", Reply::Hangs)]);
    let (result, trace) = cancelled_when(asked, |event| is(event, "phase_started", "initial_execution")).await;
    assert!(matches!(result, Err(NlError::Cancelled)), "{result:?}");
    assert_eq!(trace[13..], ["initial_execution started", "initial_execution failed", "done failed", "done"]);
}

#[tokio::test]
async fn a_question_that_is_cancelled_from_the_start_asks_nobody() {
    let asked = Asked::of(json!([]));
    let (recorder, cancel) = (Recorder::default(), CancellationToken::new());
    cancel.cancel();
    let result = asked.engine().answer(&asked.asks(), &recorder, &cancel).await;
    assert!(matches!(result, Err(NlError::Cancelled)));
    assert_eq!(trace(&recorder.events()).last().map(String::as_str), Some("done"));
    assert!(asked.model.requests().is_empty());
}
