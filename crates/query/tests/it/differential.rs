//! The same questions to PostgreSQL and to the engine, over the same data. Differences that we accept are listed in
//! `differential/accepted.md` with the reason; one that is not listed fails, and so does a listed one that is gone.
//!
//! A block of a `.sql` file begins with `-- name: …`. Further marks behind it: `ordered` (the rows have a total order),
//! `fails` (both refuse, with the same message).

pub(crate) mod compare;

use std::collections::BTreeMap;

use gristmill_testkit::pg::TestDatabase;

use crate::{
    data,
    support::{TestEngine, chain, gate, rows_of},
};
use compare::{Expected, difference};

/// One question.
struct Case {
    name: String,
    ordered: bool,
    fails: bool,
    sql: String,
}

const FILES: &[(&str, &str)] = &[
    ("aggregates", include_str!("differential/aggregates.sql")),
    ("dates", include_str!("differential/dates.sql")),
    ("errors", include_str!("differential/errors.sql")),
    ("joins", include_str!("differential/joins.sql")),
    ("numbers", include_str!("differential/numbers.sql")),
    ("queries", include_str!("differential/queries.sql")),
    ("strings", include_str!("differential/strings.sql")),
    ("windows", include_str!("differential/windows.sql")),
];

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (file, text) in FILES {
        for line in text.lines() {
            if let Some(header) = line.strip_prefix("-- name: ") {
                let mut words = header.split_whitespace();
                let name = format!("{file}/{}", words.next().unwrap());
                let marks: Vec<&str> = words.collect();
                let ordered = marks.contains(&"ordered");
                cases.push(Case { name, ordered, fails: marks.contains(&"fails"), sql: String::new() });
            } else if let Some(case) = cases.last_mut() {
                case.sql.push_str(line);
                case.sql.push('\n');
            }
        }
    }
    cases
}

/// The accepted differences by name.
fn accepted() -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut current = None;
    for line in include_str!("differential/accepted.md").lines() {
        if let Some(name) = line.strip_prefix("### ") {
            current = Some(name.trim().to_owned());
        } else if let Some(name) = &current {
            found.entry(name.clone()).or_default().push_str(line);
        }
    }
    found
}

#[tokio::test]
async fn answers_as_postgresql_does() {
    let database = TestDatabase::create_empty().await.unwrap();
    let postgres = database.client().await.unwrap();
    postgres.batch_execute("set timezone to 'UTC'").await.unwrap();
    for table in data::tables() {
        postgres.batch_execute(&table.postgres()).await.unwrap();
    }
    let engine = TestEngine::start();
    let cases = cases();
    assert!(cases.len() >= 150, "there are only {} questions", cases.len());
    let accepted = accepted();
    let mut differences = BTreeMap::new();
    for case in &cases {
        let expected = Expected::ask(&postgres, &case.sql).await;
        let found = match gate(&case.sql) {
            Ok(_) => engine.run(&case.sql).await.map_err(|error| (error.to_string(), chain(&error))),
            Err(refusal) => Err((refusal.message(), "the gate refused it".to_owned())),
        };
        let difference = match (&expected, &found) {
            (Err(_), _) if !case.fails => Some(format!("PostgreSQL refuses it: {}", expected.as_ref().unwrap_err())),
            (Ok(_), _) if case.fails => Some("PostgreSQL accepts it".to_owned()),
            // The gate may add a hint.
            (Err(theirs), Err((ours, _))) if ours == theirs || ours.starts_with(&format!("{theirs};")) => None,
            (Err(theirs), Err((ours, _))) => Some(format!("the messages differ\n  theirs {theirs}\n  ours   {ours}")),
            (Err(theirs), Ok(output)) => Some(format!("only PostgreSQL refuses it: {theirs}\n  ours {:?}", rows_of(output))),
            (Ok(_), Err((message, chain))) => Some(format!("only the engine refuses it: {message}\n{chain}")),
            (Ok(expected), Ok(output)) => difference(expected, output, case.ordered),
        };
        if let Some(difference) = difference {
            differences.insert(case.name.clone(), format!("{}\n{difference}", case.sql.trim()));
        }
    }
    let mut report = String::new();
    for (name, text) in &differences {
        if !accepted.contains_key(name) {
            report.push_str(&format!("\n### {name} differs and is not accepted\n{text}\n"));
        }
    }
    for (name, reason) in &accepted {
        if !differences.contains_key(name) {
            report.push_str(&format!("\n### {name} is accepted, but does not differ\n"));
        }
        assert!(reason.len() > 20, "{name} is accepted without a reason");
    }
    let same = cases.len() - differences.len();
    assert!(report.is_empty(), "{same} of {} questions agree, {} differ{report}", cases.len(), differences.len());
}
