//! The way of a question that goes well, and the shapes on the wire.

use gristmill_domain::{
    datasets::ColumnType,
    key_sketches::{KeySketch, SmallestHashes, spread},
    nl::{NlJoinType, NlOutcome, NlReliabilityTier, NlWarningLevel},
};
use gristmill_workflow::ports::{Snippet, TableSketch};
use serde_json::{Value, json};

use crate::support::{Asked, FakeSql, GOOD, Reply, column, plan, plan_json, sql, sql_json, table};

const SMOOTH: [&str; 18] = [
    "schema_context started",
    "schema_context completed",
    "schema_context [status completed]",
    "planning started",
    "planning [plan completed]",
    "planning completed",
    "sql_generation started",
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
];

#[tokio::test]
async fn a_question_is_answered_in_the_contracts_order() {
    let answered = Asked::of(json!([plan(&["sales"]), sql("nl_sql", GOOD, 0.95)])).ask().await;
    assert_eq!(answered.trace(), SMOOTH);
    assert_eq!(answered.model.unused(), Vec::<String>::new());
    let result = answered.unwrap();
    assert_eq!(result.sql, r#"SELECT "Region", sum(amount) AS total FROM sales GROUP BY 1 LIMIT 200"#);
    assert_eq!(answered.sql.ran(), std::slice::from_ref(&result.sql));
    assert_eq!((result.provider.id.as_str(), result.explanation.outcome), ("scripted", NlOutcome::Rows));
    assert_eq!(result.explanation.selected_tables, ["sales"]);
    assert!(result.query.is_some() && result.query_execution_error.is_none());
    assert_eq!(result.explanation.warning_level, NlWarningLevel::None);
    assert_eq!(result.explanation.reliability_tier, NlReliabilityTier::High);
}

#[tokio::test]
async fn thinking_is_shown_as_it_comes() {
    let answered = Asked::of(json!([
        { "when": { "format": "nl_plan" }, "reply": { "thinking": ["Let me ", "see."], "json": plan_json(&["sales"]) } },
        { "when": { "format": "nl_sql" }, "reply": { "thinking": ["Sums."], "json": sql_json(GOOD, 0.95) } },
    ]))
    .ask()
    .await;
    let trace = answered.trace();
    let place = |line: &str| trace.iter().position(|other| other == line).unwrap();
    assert_eq!(place("planning [thinking completed]") + 1, place("planning [plan completed]"));
    assert_eq!(place("sql_generation [thinking completed]") + 1, place("sql_generation [sql completed]"));
    assert!(answered.said().contains("Let me see.") || answered.said().contains("Let me \nsee."), "{}", answered.said());
}

#[tokio::test]
async fn events_have_the_wire_form() {
    let answered = Asked::of(json!([plan(&["sales"]), sql("nl_sql", GOOD, 0.95)])).ask().await;
    let events: Vec<Value> = answered.events.iter().map(|event| serde_json::to_value(event).unwrap()).collect();
    assert_eq!(
        events[0],
        json!({
            "type": "phase_started", "phaseId": "schema_context", "timestamp": "1970-01-01T00:00:00.000Z",
            "summary": "Looking for the tables and columns that the question is about",
        })
    );
    let of = |name: &str| events.iter().find(|event| event["type"] == name).unwrap().clone();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let block = ["type", "blockId", "phaseId", "kind", "title", "timestamp", "details"];
    assert_eq!(keys(&of("model_work_block_started")), block);
    assert_eq!(keys(&of("model_work_delta")), [&block[..], &["delta"][..]].concat());
    assert_eq!(keys(&of("model_work_block_completed")), [&block[..], &["status"][..]].concat());
    assert_eq!(of("model_work_delta")["details"], json!({"provider": "scripted", "attempt": 1}));
    assert_eq!(events.last().unwrap(), &json!({"type": "done"}));
    let nl = &of("result")["nl"];
    assert_eq!(keys(nl), ["sql", "rationale", "queryId", "provider", "explanation", "cached", "query", "queryExecutionError"]);
    assert_eq!(nl["queryExecutionError"], Value::Null);
    assert_eq!(nl["query"]["rows"], json!([{"n": 1}]));
    let explanation = keys(&nl["explanation"]);
    for key in [
        "intentSummary",
        "selectedTables",
        "joinPlan",
        "filters",
        "aggregations",
        "assumptions",
        "validationNotes",
        "confidence",
        "warningLevel",
        "confidenceMode",
        "reliabilityTier",
    ] {
        assert!(explanation.iter().any(|known| known == key), "{key}");
    }
    assert_eq!((&nl["explanation"]["confidenceMode"], &nl["explanation"]["reliabilityTier"]), (&json!("model"), &json!("high")));
}

#[tokio::test]
async fn the_model_sees_tables_values_and_passages_as_data_from_outside() {
    let mut asked = Asked::of(json!([plan(&["sales"]), sql("nl_sql", GOOD, 0.95)]));
    asked.snippets = vec![Snippet { filename: "terms.pdf".into(), text: "Amounts are in euro.".into() }];
    let answered = asked.ask().await;
    let requests = answered.model.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        let [system, user] = request.messages.as_slice() else { panic!("{:?}", request.messages) };
        let text = user.text();
        for part in [
            r#"Table "sales" (100 rows"#,
            r#""Order Date" timestamp"#,
            "all values: 'north', 'south'",
            "Amounts are in euro.",
            "What is the total amount by region?",
            r#""sales"."customer_id" = "customers"."id" (0.83"#,
            r#"The table that the person has open: "sales""#,
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(system.text().contains("date_trunc") && system.text().contains("double precision"));
        let mark = text.split_once("mark=\"").unwrap().1.split_once('"').unwrap().0;
        assert!(system.text().contains(&format!("mark=\"{mark}\"")));
        // Every block is closed with the mark of this question.
        assert_eq!(text.matches("<data kind=").count(), text.matches(&format!("</data mark=\"{mark}\">")).count());
        assert!(request.spender.is_some() && request.deadline.is_some());
    }
    assert!(requests[1].messages[1].text().contains("sum of amount"), "the plan is passed on");
}

#[tokio::test]
async fn joins_are_as_sure_as_names_and_values_bear_out() {
    let join = "select c.city, sum(s.amount) from sales s join customers c on s.customer_id = c.id group by 1";
    let planned = || {
        let mut plan = plan_json(&["sales", "customers"]);
        plan["joinPlan"] = json!([{ "leftTable": "sales", "leftColumn": "customer_id", "rightTable": "customers", "rightColumn": "id", "joinType": "inner", "confidence": 1.0, "reason": "r" }]);
        json!({ "when": { "format": "nl_plan" }, "reply": { "json": plan } })
    };
    let sketch = |table: &str, column: &str, values: std::ops::Range<u64>| {
        let distinct = values.end - values.start;
        let mut smallest = SmallestHashes::default();
        values.for_each(|value| smallest.add(spread(value)));
        let sketch = KeySketch { column: column.to_owned(), distinct, hashes: smallest.finish() };
        TableSketch { table: table.to_owned(), sketch }
    };
    for (sketches, expected) in [
        (vec![], 0.83..0.831),
        (vec![sketch("sales", "customer_id", 0..50), sketch("customers", "id", 0..100)], 0.97..0.99),
        (vec![sketch("sales", "customer_id", 1000..1050), sketch("customers", "id", 0..100)], 0.1..0.2),
    ] {
        let mut asked = Asked::of(json!([planned(), sql("nl_sql", join, 0.95), sql("nl_sql_another", join, 0.95)]));
        asked.sketches = sketches;
        asked.question = "What is the amount by city of the customer?";
        let answered = asked.ask().await;
        let [join] = answered.unwrap().explanation.join_plan.as_slice() else { panic!() };
        assert!(expected.contains(&join.confidence), "{} {}", join.confidence, join.reason);
        assert_eq!((join.left_table.as_str(), join.right_column.as_str(), join.join_type), ("sales", "id", NlJoinType::Inner));
    }
    // A join that neither names nor plan bear out is doubtful, whatever the model thinks of itself.
    let odd = "select * from sales s left join weather w on s.amount = w.temperature";
    let answered =
        Asked::of(json!([plan(&["sales", "weather"]), sql("nl_sql", odd, 1.0), sql("nl_sql_another", odd, 1.0)])).ask().await;
    let result = answered.unwrap();
    assert_eq!((result.explanation.join_plan[0].confidence, result.explanation.join_plan[0].join_type), (0.5, NlJoinType::Left));
    assert!(result.explanation.warning_level >= NlWarningLevel::Medium);
}

#[tokio::test]
async fn no_rows_and_no_such_value_are_told_apart() {
    let empty = FakeSql::new(&[("sales", Reply::Rows(json!([])))]);
    for (statement, outcome, note) in [
        (r#"select * from sales where "Region" = 'north' and amount > 10"#, NlOutcome::NoRows, "no row fits"),
        (
            r#"select * from sales where "Region" = 'west'"#,
            NlOutcome::NoSuchValue,
            "never is 'west'; its values are 'north', 'south'",
        ),
        (r#"select * from sales s where s."Region" in ('west', 'north')"#, NlOutcome::NoSuchValue, "never is 'west'"),
    ] {
        let mut asked = Asked::of(json!([plan(&["sales"]), sql("nl_sql", statement, 0.9)]));
        asked.sql = empty.clone();
        let answered = asked.ask().await;
        let explanation = &answered.unwrap().explanation;
        assert_eq!(explanation.outcome, outcome, "{statement}");
        assert!(explanation.validation_notes.iter().any(|known| known.contains(note)), "{:?}", explanation.validation_notes);
    }
}

#[tokio::test]
async fn names_that_need_quotes_get_them_and_literals_are_left_alone() {
    let statement = "select region, count(*) from sales where region <> 'Region region' /* region */ group by region";
    let answered = Asked::of(json!([plan(&["sales"]), sql("nl_sql", statement, 0.95)])).ask().await;
    let result = answered.unwrap();
    assert_eq!(
        result.sql,
        r#"SELECT "Region", count(*) FROM sales WHERE "Region" <> 'Region region' GROUP BY "Region" LIMIT 200"#
    );
    assert_eq!(result.explanation.validation_notes, [r#"Put in quotes, because they need them: "Region""#]);
    assert!(result.explanation.confidence < 0.95);
}

#[tokio::test]
async fn names_are_left_alone_where_it_is_not_sure_what_is_meant() {
    let twins = table(
        "twins",
        vec![column("Name", ColumnType::String), column("NAME", ColumnType::String), column("Size", ColumnType::Float)],
    );
    for (statement, expected) in [
        ("select name from twins", "SELECT name FROM twins LIMIT 200"),
        (
            "select sum(\"Size\") as size from twins order by size",
            "SELECT sum(\"Size\") AS size FROM twins ORDER BY size LIMIT 200",
        ),
        (
            "with t(size) as (select 1 from twins) select size from t",
            "WITH t (size) AS (SELECT 1 FROM twins) SELECT size FROM t LIMIT 200",
        ),
        (
            "select a.size from twins a join twins b using (size)",
            "SELECT a.\"Size\" FROM twins a JOIN twins b USING(\"Size\") LIMIT 200",
        ),
    ] {
        let mut asked =
            Asked::of(json!([plan(&["twins"]), sql("nl_sql", statement, 0.95), sql("nl_sql_another", statement, 0.95)]));
        asked.schema = crate::support::schema(vec![twins.clone()]);
        assert_eq!(asked.ask().await.unwrap().sql, expected, "{statement}");
    }
}
