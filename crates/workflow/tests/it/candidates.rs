//! Several statements for one question.

use gristmill_domain::{
    ErrorCode,
    nl::{NlOutcome, NlWarningLevel},
};
use serde_json::{Value, json};

use crate::support::{Answered, Asked, FakeSql, Reply, plan, sql};

const BY_SUM: &str = r#"select "Region", sum(amount) from sales group by 1"#;
const BY_COUNT: &str = r#"select "Region", count(*) from sales group by 1"#;
const OTHER_WORDS: &str = r#"select sum(amount) as s, "Region" as r from sales group by "Region" order by 2"#;

fn engine() -> std::sync::Arc<FakeSql> {
    FakeSql::new(&[
        ("count(*)", Reply::Rows(json!([{"Region": "north", "count": "2"}]))),
        ("/ 0", Reply::Fails(ErrorCode::SqlFailed, "division by zero")),
        ("AS s", Reply::Rows(json!([{"s": 7.0, "r": "north"}, {"s": 3, "r": "south"}]))),
        ("sum(", Reply::Rows(json!([{"Region": "south", "sum": 3.0}, {"Region": "north", "sum": "7"}]))),
    ])
}

async fn asked(turns: Value, candidates_max: u32) -> Answered {
    let mut asked = Asked::of(turns);
    asked.sql = engine();
    asked.options.candidates_max = candidates_max;
    asked.ask().await
}

#[tokio::test]
async fn a_sure_statement_stays_alone() {
    let answered = asked(json!([plan(&["sales"]), sql("nl_sql", BY_SUM, 0.95)]), 3).await;
    assert_eq!(answered.model.requests().len(), 2);
    let answered = asked(json!([plan(&["sales"]), sql("nl_sql", BY_SUM, 0.2)]), 1).await;
    assert_eq!(answered.model.requests().len(), 2, "voting is off");
}

#[tokio::test]
async fn statements_that_agree_make_an_answer_surer() {
    let alone = asked(json!([plan(&["sales"]), sql("nl_sql", BY_SUM, 0.6)]), 1).await;
    let answered = asked(json!([plan(&["sales"]), sql("nl_sql", BY_SUM, 0.6), sql("nl_sql_another", OTHER_WORDS, 0.6)]), 2).await;
    let trace = answered.trace();
    assert_eq!(
        trace[7..14],
        [
            "sql_generation progress",
            "sql_generation [sql completed]",
            "sql_generation progress",
            "sql_generation [sql completed]",
            "sql_generation completed",
            "validation started",
            "validation [validation completed]",
        ]
    );
    let result = answered.unwrap();
    assert_eq!(answered.sql.ran().len(), 2);
    assert!(result.sql.contains(r#"SELECT "Region", sum(amount)"#), "the first of those that agree");
    assert!(result.explanation.confidence > alone.unwrap().explanation.confidence + 0.05);
    assert!(result.explanation.validation_notes.iter().any(|note| note.contains("gave the same rows")));
}

#[tokio::test]
async fn the_majority_decides() {
    let turns = json!([
        plan(&["sales"]),
        sql("nl_sql", BY_COUNT, 0.6),
        sql("nl_sql_another", BY_SUM, 0.6),
        sql("nl_sql_another", OTHER_WORDS, 0.6),
    ]);
    let answered = asked(turns, 3).await;
    let result = answered.unwrap();
    assert!(result.sql.contains("sum(amount)"), "{}", result.sql);
    assert!(result.explanation.validation_notes.iter().any(|note| note.contains("different rows")));
}

#[tokio::test]
async fn statements_that_differ_make_an_answer_doubtful() {
    let turns = json!([plan(&["sales"]), sql("nl_sql", BY_SUM, 0.7), sql("nl_sql_another", BY_COUNT, 0.7)]);
    let answered = asked(turns, 2).await;
    let result = answered.unwrap();
    assert!(result.query.is_some());
    assert_eq!(result.explanation.warning_level, NlWarningLevel::High);
    assert_eq!(result.explanation.outcome, NlOutcome::Rows);
}

#[tokio::test]
async fn an_answer_that_nobody_is_sure_of_is_not_shown_as_one() {
    let turns = json!([plan(&["sales"]), sql("nl_sql", BY_SUM, 0.3), sql("nl_sql_another", BY_COUNT, 0.3)]);
    let answered = asked(turns, 2).await;
    let result = answered.unwrap();
    assert!(result.query.is_none() && !result.sql.is_empty());
    assert_eq!(result.explanation.outcome, NlOutcome::Unsure);
    assert!(result.query_execution_error.as_deref().unwrap().contains("gave different results"));
}

#[tokio::test]
async fn one_statement_that_runs_beats_one_that_fails() {
    let turns = json!([plan(&["sales"]), sql("nl_sql", "select amount / 0 from sales", 0.6), sql("nl_sql_another", BY_SUM, 0.6)]);
    let answered = asked(turns, 2).await;
    assert!(answered.unwrap().sql.contains("sum(amount)"));
    assert!(!answered.trace().contains(&"repair started".to_owned()));
}

#[tokio::test]
async fn further_statements_may_fail() {
    for bad in [
        json!({ "when": { "format": "nl_sql_another" }, "times": 2, "reply": { "text": "no" } }),
        json!({ "when": { "format": "nl_sql_another" }, "reply": { "error": { "kind": "rate_limited" } } }),
        sql("nl_sql_another", "delete from sales", 0.9),
    ] {
        let answered = asked(json!([plan(&["sales"]), sql("nl_sql", BY_SUM, 0.6), bad]), 2).await;
        assert_eq!(answered.sql.ran().len(), 1);
        assert!(answered.unwrap().query.is_some());
    }
}
