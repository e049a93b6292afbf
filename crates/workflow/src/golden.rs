//! Golden questions: questions with statements that are known to answer them, and how many of them the engine gets right.
//!
//! What counts is execution accuracy: the generated statement gives the rows of the expected one. Names and order of
//! columns do not count; the order of rows does where the expected statement sorts.

use std::{sync::Arc, time::Duration};

pub use gristmill_domain::golden_questions::GoldenVerdict;
use gristmill_domain::{Caller, ProjectId};
use gristmill_sql_safety::{SqlRefusal, ValidatedSql, sqlparser::ast::Statement, validate};
use serde_json::value::RawValue;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    error::NlError,
    nl2sql::{NlEngine, NlQuestion},
    ports::{NoEvents, PortError, ProjectSchema, SqlFailure},
    results::ResultSignature,
};

/// A question with the statement that answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldenCase {
    /// The question.
    pub question: String,
    /// A statement that answers it.
    pub expected_sql: String,
}

/// What became of one question.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenOutcome {
    /// How it went.
    pub verdict: GoldenVerdict,
    /// The generated statement.
    pub sql: Option<String>,
    /// How sure the engine was.
    pub confidence: Option<f64>,
    /// Why it went wrong, for people.
    pub reason: Option<String>,
    /// How long the answer took.
    pub took: Duration,
}

/// Share of right answers among those that count; absent when none does.
#[must_use]
pub fn execution_accuracy(outcomes: &[GoldenOutcome]) -> Option<f64> {
    let counting = outcomes.iter().filter(|outcome| outcome.verdict != GoldenVerdict::BrokenCase).count();
    let right = outcomes.iter().filter(|outcome| outcome.verdict == GoldenVerdict::Right).count();
    (counting > 0).then(|| crate::words::float(right) / crate::words::float(counting))
}

/// Checks the expected statement of a case, for those who write cases.
///
/// # Errors
/// Why it cannot be run over these tables.
pub fn check_case(schema: &ProjectSchema, expected_sql: &str) -> Result<ValidatedSql, SqlRefusal> {
    validate(expected_sql, &schema.policy())
}

/// Asks one golden question.
///
/// # Errors
/// `Cancelled`; a failure of the storage; a failure of the language model that would hit every question alike.
///
/// # Cancel safety
/// As for [`NlEngine::answer`].
pub async fn ask(
    engine: &NlEngine,
    caller: &Caller,
    project: ProjectId,
    case: &GoldenCase,
    cancel: &CancellationToken,
) -> Result<GoldenOutcome, NlError> {
    let started = Instant::now();
    let broken = |reason: String| GoldenOutcome {
        verdict: GoldenVerdict::BrokenCase,
        sql: None,
        confidence: None,
        reason: Some(reason),
        took: started.elapsed(),
    };
    let schema = engine.schema.schema(caller, project).await?;
    let expected = match check_case(&schema, &case.expected_sql) {
        Ok(expected) => expected,
        Err(refusal) => return Ok(broken(refusal.message())),
    };
    let expected_rows = match run(engine, caller, project, &expected, cancel).await? {
        Ok(rows) => rows,
        Err(failure) if failure.is_of_the_statement() => return Ok(broken(failure.message)),
        Err(failure) => return Err(NlError::Port(PortError::new(failure.code, failure.message))),
    };
    let question = NlQuestion { caller: caller.clone(), project, text: case.question.clone(), table: None };
    let answer = match Box::pin(engine.answer(&question, &NoEvents, cancel)).await {
        Ok(answer) => answer,
        Err(error @ (NlError::NoDatasets | NlError::NoSuchData { .. } | NlError::Refused(_))) => {
            return Ok(no_answer(&error, started));
        }
        // One bad answer is that question's; a provider that is down is everybody's.
        Err(error @ NlError::Model(_)) if is_of_the_question(&error) => return Ok(no_answer(&error, started)),
        Err(error) => return Err(error),
    };
    let confidence = Some(answer.explanation.confidence);
    let took = started.elapsed();
    let Some(view) = answer.query else {
        let reason = answer.query_execution_error;
        return Ok(GoldenOutcome { verdict: GoldenVerdict::Failed, sql: Some(answer.sql), confidence, reason, took });
    };
    let rows = signature(view).await?;
    let is_right = if sorts(&expected) { rows.same_order(&expected_rows) } else { rows.same_rows(&expected_rows) };
    let (verdict, reason) = if is_right {
        (GoldenVerdict::Right, None)
    } else {
        (GoldenVerdict::Wrong, Some("The rows differ from those of the expected statement".to_owned()))
    };
    Ok(GoldenOutcome { verdict, sql: Some(answer.sql), confidence, reason, took })
}

fn no_answer(error: &NlError, started: Instant) -> GoldenOutcome {
    GoldenOutcome {
        verdict: GoldenVerdict::NoAnswer,
        sql: None,
        confidence: None,
        reason: Some(error.public_message()),
        took: started.elapsed(),
    }
}

fn is_of_the_question(error: &NlError) -> bool {
    use gristmill_llm::LlmError;
    matches!(
        error,
        NlError::Model(
            LlmError::InvalidOutput { .. }
                | LlmError::CutOff
                | LlmError::TooLarge { .. }
                | LlmError::Timeout { .. }
                | LlmError::ScriptMismatch { .. }
        )
    )
}

async fn run(
    engine: &NlEngine,
    caller: &Caller,
    project: ProjectId,
    sql: &ValidatedSql,
    cancel: &CancellationToken,
) -> Result<Result<ResultSignature, SqlFailure>, NlError> {
    let ran = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(NlError::Cancelled),
        ran = engine.sql.run(caller, project, sql) => ran,
    };
    match ran {
        Ok(executed) => Ok(Ok(signature(executed.view).await?)),
        Err(failure) => Ok(Err(failure)),
    }
}

/// Reading a large result takes longer than other requests should wait for.
async fn signature(view: Arc<RawValue>) -> Result<ResultSignature, NlError> {
    let read = tokio::task::spawn_blocking(move || ResultSignature::of_view(&view)).await;
    let read = read.map_err(|error| NlError::Internal(error.to_string()))?;
    read.map_err(|error| NlError::Internal(error.to_string()))
}

fn sorts(sql: &ValidatedSql) -> bool {
    matches!(sql.statement(), Statement::Query(query) if query.order_by.is_some())
}
