//! From drafts and results to the answer: voting, evidence, and the words for people. Pure.

use std::{collections::BTreeSet, fmt::Write};

use gristmill_domain::{
    QueryId, markdown,
    nl::{NlConfidenceMode, NlExplanation, NlJoin, NlOutcome, NlProvider, NlResult},
};
use gristmill_sql_safety::SqlRefusal;

use super::{
    NlEngine,
    answers::{Plan, SqlAnswer},
    check::{Checked, FoundJoin},
    context::SchemaContext,
};
use crate::{
    confidence::{Evidence, confidence, reliability_tier, warning_level},
    ports::{Executed, SqlFailure},
    prompts::{cut, quoted},
    results::ResultSignature,
    words::float,
};

/// How sure a join is that no candidate bears out, at most.
const UNKNOWN_JOIN: f64 = 0.5;
/// Longest statement that is shown, characters.
const SQL_SHOWN_MAX: usize = 20_000;

/// A statement that may run, and how it came about.
pub(super) struct Draft {
    pub(super) answer: SqlAnswer,
    pub(super) checked: Checked,
    pub(super) compact: bool,
    pub(super) repaired: bool,
}

/// What came of running the chosen statement.
pub(super) enum Ran {
    /// Rows; of several statements that ran, the share that gave these.
    Done { executed: Executed, agreement: Option<f64> },
    /// None.
    Failed(SqlFailure),
}

/// What is known beside the statement.
pub(super) struct Facts<'f> {
    pub(super) engine: &'f NlEngine,
    pub(super) context: &'f SchemaContext,
    pub(super) plan: &'f Plan,
}

/// Chooses among statements: of those that ran, the first of the largest group with the same rows; if none ran, the first.
/// Reads the rows of all of them when there are several, which takes long for large ones.
pub(super) fn vote(results: Vec<(Draft, Result<Executed, SqlFailure>)>) -> Option<(Draft, Ran)> {
    let mut ran = Vec::new();
    let mut failed = Vec::new();
    for (draft, result) in results {
        match result {
            Ok(executed) => ran.push((draft, executed)),
            Err(failure) => failed.push((draft, failure)),
        }
    }
    if ran.is_empty() {
        return failed.into_iter().next().map(|(draft, failure)| (draft, Ran::Failed(failure)));
    }
    if ran.len() == 1 {
        return ran.into_iter().next().map(|(draft, executed)| (draft, Ran::Done { executed, agreement: None }));
    }
    let signatures: Vec<Option<ResultSignature>> =
        ran.iter().map(|(_, executed)| ResultSignature::of_view(&executed.view).ok()).collect();
    let same = |a: &Option<ResultSignature>, b: &Option<ResultSignature>| matches!((a, b), (Some(a), Some(b)) if a.same_rows(b));
    let groups: Vec<usize> =
        signatures.iter().map(|mine| signatures.iter().filter(|&theirs| same(mine, theirs)).count().max(1)).collect();
    let largest = groups.iter().copied().max().unwrap_or(1);
    let chosen = groups.iter().position(|size| *size == largest).unwrap_or(0);
    let agreement = Some(float(largest) / float(ran.len()));
    ran.into_iter().nth(chosen).map(|(draft, executed)| (draft, Ran::Done { executed, agreement }))
}

/// How sure the first statement is before anything ran: whether it is worth writing another.
pub(super) fn first_confidence(facts: &Facts<'_>, draft: &Draft) -> f64 {
    confidence(&evidence(facts, draft, &joins(facts, draft)))
}

fn evidence(facts: &Facts<'_>, draft: &Draft, joins: &[NlJoin]) -> Evidence {
    let tables = draft.checked.sql.tables();
    let planned: BTreeSet<String> = facts.plan.selected_tables.iter().map(|table| table.to_lowercase()).collect();
    Evidence {
        stated: draft.answer.confidence.or(facts.plan.confidence),
        names_quoted: u32::try_from(draft.checked.names_quoted.len()).unwrap_or(u32::MAX),
        compact: draft.compact,
        unplanned_tables: !tables.is_subset(&planned),
        join_least: joins.iter().map(|join| join.confidence).reduce(f64::min),
        words_found: facts.context.words_found(tables),
        agreement: None,
        no_such_value: false,
        repaired: draft.repaired,
    }
}

/// The joins that the statement makes, as sure as names and values bear them out.
fn joins(facts: &Facts<'_>, draft: &Draft) -> Vec<NlJoin> {
    draft.checked.joins.iter().map(|found| join(facts, found)).collect()
}

fn join(facts: &Facts<'_>, found: &FoundJoin) -> NlJoin {
    let (left, right) = ((found.left.0.as_str(), found.left.1.as_str()), (found.right.0.as_str(), found.right.1.as_str()));
    let candidate = facts.context.joins.iter().find(|candidate| candidate.joins(left, right));
    let planned = facts.plan.join_plan.iter().find(|planned| {
        let mine = [
            (planned.left_table.as_str(), planned.left_column.as_str()),
            (planned.right_table.as_str(), planned.right_column.as_str()),
        ];
        mine == [left, right] || mine == [right, left]
    });
    let (confidence, reason) = match (candidate, planned) {
        (Some(candidate), _) => (candidate.confidence, candidate.reason.clone()),
        (None, Some(planned)) => {
            let reason = if planned.reason.is_empty() { "planned by the model" } else { planned.reason.as_str() };
            (planned.confidence.unwrap_or(UNKNOWN_JOIN).min(UNKNOWN_JOIN), reason.to_owned())
        }
        (None, None) => (UNKNOWN_JOIN, "nothing but the statement says that these belong together".to_owned()),
    };
    NlJoin {
        left_table: found.left.0.clone(),
        left_column: found.left.1.clone(),
        right_table: found.right.0.clone(),
        right_column: found.right.1.clone(),
        join_type: found.join_type,
        confidence,
        reason,
    }
}

/// The answer.
pub(super) fn result(facts: &Facts<'_>, draft: Draft, ran: Ran) -> NlResult {
    let options = &facts.engine.options;
    let joins = joins(facts, &draft);
    let mut evidence = evidence(facts, &draft, &joins);
    let mut notes = notes(&draft);
    let (executed, mut outcome, mut failure) = match ran {
        Ran::Done { executed, agreement } => {
            evidence.agreement = agreement;
            notes.extend(agreement.map(agreement_words));
            let outcome = rows_outcome(&draft.checked, &executed, &mut notes);
            (Some(executed), outcome, None)
        }
        Ran::Failed(failure) => (None, NlOutcome::Failed, Some(failure.message)),
    };
    evidence.no_such_value = outcome == NlOutcome::NoSuchValue;
    let confidence = confidence(&evidence);
    let disagree = evidence.agreement.is_some_and(|agreement| agreement < 1.0);
    let executed = if disagree && confidence < options.abstain_below {
        outcome = NlOutcome::Unsure;
        failure = Some(
            "Not shown as an answer: statements that were written independently gave different results. Put the question more precisely, or check the SQL and run it".to_owned(),
        );
        None
    } else {
        executed
    };
    let mut assumptions = facts.plan.assumptions.clone();
    assumptions.extend(draft.answer.assumptions.iter().filter(|one| !facts.plan.assumptions.contains(one)).cloned());
    let sure: Vec<f64> = joins.iter().map(|join| join.confidence).collect();
    let mode = if draft.repaired { NlConfidenceMode::Repair } else { NlConfidenceMode::Model };
    let level = warning_level(confidence, &sure, &assumptions, options.warn_below);
    let info = facts.engine.provider.info();
    let explanation = NlExplanation {
        intent_summary: facts.plan.intent_summary.clone(),
        selected_tables: draft.checked.sql.tables().iter().cloned().collect(),
        join_plan: joins,
        filters: facts.plan.filters.clone(),
        aggregations: facts.plan.aggregations.clone(),
        assumptions,
        validation_notes: notes,
        confidence,
        warning_level: level,
        confidence_mode: mode,
        reliability_tier: reliability_tier(mode, level),
        outcome,
    };
    let model = options.model.clone().unwrap_or(info.model);
    NlResult {
        sql: draft.checked.sql.text().to_owned(),
        rationale: draft.answer.rationale,
        query_id: executed.as_ref().map_or_else(QueryId::random, |executed| executed.query_id),
        provider: NlProvider { id: info.id, label: info.label, model },
        explanation,
        cached: executed.as_ref().is_some_and(|executed| executed.cached),
        query: executed.map(|executed| executed.view),
        query_execution_error: failure,
    }
}

fn notes(draft: &Draft) -> Vec<String> {
    let mut notes = Vec::new();
    if !draft.checked.names_quoted.is_empty() {
        let names: Vec<String> = draft.checked.names_quoted.iter().map(|name| quoted(name)).collect();
        notes.push(format!("Put in quotes, because they need them: {}", names.join(", ")));
    }
    if draft.compact {
        notes.push("The first statement could not be used; this is from a second, simpler try".to_owned());
    }
    if draft.repaired {
        notes.push("The first statement failed when it ran; this one was mended".to_owned());
    }
    notes
}

fn agreement_words(agreement: f64) -> String {
    if agreement >= 1.0 {
        "Statements that were written independently gave the same rows".to_owned()
    } else {
        "Statements that were written independently gave different rows; check this one".to_owned()
    }
}

fn rows_outcome(checked: &Checked, executed: &Executed, notes: &mut Vec<String>) -> NlOutcome {
    for missing in checked.missing_values.iter().take(5) {
        let known: Vec<String> = missing.known.iter().map(|value| format!("'{}'", cut(value, 40))).collect();
        notes.push(format!(
            "The column {} never is '{}'; its values are {}",
            quoted(&missing.column),
            cut(&missing.value, 40),
            known.join(", ")
        ));
    }
    if executed.row_count > 0 {
        NlOutcome::Rows
    } else if checked.missing_values.is_empty() {
        notes.push("The statement ran, and no row fits".to_owned());
        NlOutcome::NoRows
    } else {
        NlOutcome::NoSuchValue
    }
}

/// `1 statement`, `2 statements`.
pub(super) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

pub(super) fn rows_words(executed: &Executed, agreement: Option<f64>) -> String {
    let rows = count(usize::try_from(executed.row_count).unwrap_or(usize::MAX), "row");
    let cached = if executed.cached { " from the cache" } else { "" };
    match agreement {
        Some(agreement) if agreement < 1.0 => format!("{rows}{cached}; other statements gave different rows"),
        Some(_) => format!("{rows}{cached}; all statements agree"),
        None => format!("{rows}{cached}"),
    }
}

pub(super) fn failure_words(failure: &SqlFailure) -> String {
    match failure.position {
        Some(at) => format!("{} (line {}, column {})", failure.message, at.line, at.column),
        None => failure.message.clone(),
    }
}

pub(super) fn context_markdown(context: &SchemaContext) -> String {
    let mut text = String::new();
    for table in &context.tables {
        // Writing to a String cannot fail.
        let _ = write!(text, "- {}: {}", markdown::code(&table.name), count(table.columns.len(), "column"));
        let _ = match table.columns_left_out {
            0 => writeln!(text),
            more => writeln!(text, ", {more} further ones left out"),
        };
    }
    if context.tables_left_out > 0 {
        let _ = writeln!(text, "- {} without columns", count(context.tables_left_out, "further table"));
    }
    text
}

/// A plan for people. What the model wrote is no markup in it.
pub(super) fn plan_markdown(plan: &Plan) -> String {
    plan_lines(plan, markdown::plain)
}

/// A plan for the model, as it wrote it.
pub(super) fn plan_text(plan: &Plan) -> String {
    plan_lines(plan, str::to_owned)
}

fn plan_lines(plan: &Plan, shown: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    if !plan.intent_summary.is_empty() {
        let _ = writeln!(text, "{}\n", shown(&plan.intent_summary));
    }
    let joins: Vec<String> = plan
        .join_plan
        .iter()
        .map(|join| format!("{}.{} = {}.{}", join.left_table, join.left_column, join.right_table, join.right_column))
        .collect();
    for (title, items) in [
        ("Tables", &plan.selected_tables),
        ("Joins", &joins),
        ("Filters", &plan.filters),
        ("Aggregations", &plan.aggregations),
        ("Assumptions", &plan.assumptions),
        ("Not in the data", &plan.missing),
    ] {
        if !items.is_empty() {
            let _ = writeln!(text, "- {title}: {}", shown(&items.join("; ")));
        }
    }
    if text.is_empty() { "No details".to_owned() } else { text }
}

pub(super) fn sql_markdown(answer: &SqlAnswer, refusal: Option<&SqlRefusal>) -> String {
    let mut text = markdown::block("sql", &cut(&answer.sql, SQL_SHOWN_MAX));
    if !answer.rationale.is_empty() {
        let _ = writeln!(text, "\n{}", markdown::plain(&answer.rationale));
    }
    if let Some(refusal) = refusal {
        let _ = writeln!(text, "\nIt cannot be run: {}", markdown::plain(&refusal.message()));
    }
    text
}

pub(super) fn refusal_markdown(answer: &SqlAnswer, refusal: &SqlRefusal) -> String {
    format!(
        "- One read-only statement over the project's tables: **no**\n\n{}: {}",
        markdown::plain(&refusal.message()),
        markdown::code(&cut(&answer.sql, 200))
    )
}

pub(super) fn checks_markdown(checked: &Checked) -> String {
    let tables: Vec<&str> = checked.sql.tables().iter().map(String::as_str).collect();
    let tables = if tables.is_empty() { "none needed".to_owned() } else { markdown::plain(&tables.join(", ")) };
    let mut text = String::from("- One read-only statement: yes\n- Only functions that are allowed: yes\n");
    let _ = writeln!(text, "- Tables of this project: {tables}");
    if !checked.names_quoted.is_empty() {
        let _ = writeln!(text, "- Names put in quotes: {}", markdown::plain(&checked.names_quoted.join(", ")));
    }
    for missing in &checked.missing_values {
        let (column, value) = (markdown::code(&missing.column), markdown::code(&cut(&missing.value, 40)));
        let _ = writeln!(text, "- The column {column} has no value {value}");
    }
    text.push_str("\nThe statement may run.");
    text
}

pub(super) fn repair_markdown(answer: &SqlAnswer, checked: &Checked) -> String {
    let why = if answer.rationale.is_empty() { "The statement was written anew." } else { answer.rationale.as_str() };
    let why = markdown::plain(why);
    format!("{why}\n\n{}", checks_markdown(checked))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PICTURE: &str = "![x](https://evil.example/p.png)";

    #[test]
    fn what_a_model_writes_is_no_markup_in_what_people_see() {
        let plan: Plan = serde_json::from_value(json!({
            "intentSummary": PICTURE, "selectedTables": [PICTURE], "filters": ["<img src=x>"], "confidence": 0.9
        }))
        .unwrap();
        let shown = plan_markdown(&plan);
        assert!(!shown.contains("![") && !shown.contains(" <img"), "{shown}");
        assert!(plan_text(&plan).contains(PICTURE), "the model gets its own words");
        let answer: SqlAnswer = serde_json::from_value(json!({
            "sql": format!("select 1\n```\n{PICTURE}"), "rationale": PICTURE
        }))
        .unwrap();
        let shown = sql_markdown(&answer, None);
        let (fenced, rest) = shown.strip_prefix("````sql\n").unwrap().split_once("\n````\n").unwrap();
        assert!(fenced.ends_with(PICTURE) && !rest.contains("!["), "{shown}");
    }
}
