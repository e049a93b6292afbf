//! Golden questions.

use gristmill_domain::{ErrorCode, ProjectId};
use gristmill_workflow::{
    NlError,
    golden::{GoldenCase, GoldenOutcome, GoldenVerdict, ask, execution_accuracy},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Asked, FakeSql, Reply, caller, plan, plan_json, sql};

const EXPECTED: &str = r#"select "Region", sum(amount) as total from sales group by 1"#;

async fn outcome(turns: Value, expected_sql: &str) -> Result<GoldenOutcome, NlError> {
    let mut asked = Asked::of(turns);
    asked.options.candidates_max = 1;
    asked.sql = FakeSql::new(&[
        ("/ 0", Reply::Fails(ErrorCode::SqlFailed, "division by zero")),
        ("count(*)", Reply::Rows(json!([{"r": "north", "n": 2}, {"r": "south", "n": 1}]))),
        ("DESC", Reply::Rows(json!([{"r": "south", "s": 3}, {"r": "north", "s": 7}]))),
        ("sum", Reply::Rows(json!([{"Region": "north", "total": 7.0}, {"Region": "south", "total": "3"}]))),
    ]);
    let case = GoldenCase { question: "What is the total amount by region?".into(), expected_sql: expected_sql.into() };
    ask(&asked.engine(), &caller(), ProjectId::random(), &case, &CancellationToken::new()).await
}

#[tokio::test]
async fn rows_are_compared_not_statements() {
    for (statement, expected_sql, verdict) in [
        (r#"select sum(amount), "Region" from sales group by 2 order by 1 desc"#, EXPECTED, GoldenVerdict::Right),
        (r#"select "Region", count(*) from sales group by 1"#, EXPECTED, GoldenVerdict::Wrong),
        ("select amount / 0 from sales", EXPECTED, GoldenVerdict::Failed),
        (
            r#"select sum(amount), "Region" from sales group by 2 order by 1 desc"#,
            r#"select sum(amount) from sales group by "Region" order by 1"#,
            GoldenVerdict::Wrong,
        ),
        ("delete from sales", EXPECTED, GoldenVerdict::NoAnswer),
    ] {
        let turns = json!([
            plan(&["sales"]),
            sql("nl_sql", statement, 0.9),
            sql("nl_sql_compact", statement, 0.9),
            sql("nl_repair", statement, 0.9)
        ]);
        let outcome = outcome(turns, expected_sql).await.unwrap();
        assert_eq!(outcome.verdict, verdict, "{statement}: {outcome:?}");
        assert_eq!(outcome.reason.is_none(), verdict == GoldenVerdict::Right);
    }
}

#[tokio::test]
async fn a_case_that_cannot_be_run_counts_for_nothing() {
    for expected_sql in ["select * from gone", "select amount / 0 from sales", "drop table sales"] {
        let outcome = outcome(json!([]), expected_sql).await.unwrap();
        assert_eq!(outcome.verdict, GoldenVerdict::BrokenCase, "{expected_sql}");
    }
}

#[tokio::test]
async fn one_bad_answer_is_of_the_question_and_a_provider_that_is_down_is_not() {
    let mut unanswerable = plan_json(&[]);
    unanswerable["answerable"] = json!(false);
    for turns in [json!([{ "times": 2, "reply": { "text": "no" } }]), json!([{ "reply": { "json": unanswerable } }])] {
        assert_eq!(outcome(turns, EXPECTED).await.unwrap().verdict, GoldenVerdict::NoAnswer);
    }
    let down = json!([{ "always": true, "reply": { "error": { "kind": "authentication" } } }]);
    assert_eq!(outcome(down, EXPECTED).await.unwrap_err().code(), ErrorCode::LlmUnavailable);
}

#[tokio::test]
async fn accuracy_is_the_share_of_those_that_count() {
    let of = |verdict| GoldenOutcome { verdict, sql: None, confidence: None, reason: None, took: std::time::Duration::ZERO };
    use GoldenVerdict::{BrokenCase, Right, Wrong};
    assert_eq!(execution_accuracy(&[of(Right), of(Wrong), of(BrokenCase), of(Right), of(Right)]), Some(0.75));
    assert_eq!(execution_accuracy(&[of(BrokenCase)]), None);
}
