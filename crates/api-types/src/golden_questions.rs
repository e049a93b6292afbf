//! Golden questions: questions of a project with known answers, and how many of them the server gets right.

use garde::Validate;
use gristmill_domain::{
    GoldenQuestionId, ProjectId,
    golden_questions::{GoldenQuestion, GoldenVerdict},
    limits::SQL_TEXT_BYTES_MAX,
    nl::{QUESTION_BYTES_MAX, QUESTION_CHARS_MIN},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    common::{Instant, RequestBody, not_null},
    projects::no_nul,
    query::is_question,
};

/// A golden question.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoldenQuestionView {
    /// Identity.
    pub golden_question_id: GoldenQuestionId,
    /// The project.
    pub project_id: ProjectId,
    /// The question.
    pub question: String,
    /// A statement that answers it.
    pub expected_sql: String,
    /// What came of asking it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_asked: Option<GoldenAskedView>,
    /// When it was made.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

/// What came of asking a golden question.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoldenAskedView {
    /// How it went.
    pub verdict: GoldenVerdict,
    /// The generated statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated_sql: Option<String>,
    /// Why it went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How sure the server was, 0..1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// When.
    pub asked_at: Instant,
}

impl From<GoldenQuestion> for GoldenQuestionView {
    fn from(question: GoldenQuestion) -> Self {
        Self {
            golden_question_id: question.id,
            project_id: question.project_id,
            question: question.question,
            expected_sql: question.expected_sql,
            last_asked: question.asked.map(|asked| GoldenAskedView {
                verdict: asked.verdict,
                generated_sql: asked.generated_sql,
                reason: asked.reason,
                confidence: asked.confidence,
                asked_at: asked.at.into(),
            }),
            created_at: question.created_at.into(),
            updated_at: question.updated_at.into(),
        }
    }
}

/// `{goldenQuestion}`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoldenQuestionEnvelope {
    /// The question.
    pub golden_question: GoldenQuestionView,
}

impl From<GoldenQuestion> for GoldenQuestionEnvelope {
    fn from(question: GoldenQuestion) -> Self {
        Self { golden_question: question.into() }
    }
}

/// `{goldenQuestions}`, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoldenQuestionList {
    /// The project's questions.
    pub golden_questions: Vec<GoldenQuestionView>,
}

/// A golden question to be made.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoldenQuestionCreate {
    /// The question, from 3 characters.
    #[garde(length(bytes, max = QUESTION_BYTES_MAX), custom(is_question), custom(no_nul))]
    #[schema(min_length = 3)]
    pub question: String,
    /// A statement over the project's tables that answers it.
    #[garde(length(bytes, min = 1, max = SQL_TEXT_BYTES_MAX), custom(no_nul))]
    pub expected_sql: String,
}

impl RequestBody for GoldenQuestionCreate {}

/// Changes to a golden question: absent fields keep their value.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoldenQuestionPatch {
    /// The question, from 3 characters.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(bytes, max = QUESTION_BYTES_MAX), custom(is_question), custom(no_nul)))]
    pub question: Option<String>,
    /// A statement over the project's tables that answers it.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(bytes, min = 1, max = SQL_TEXT_BYTES_MAX), custom(no_nul)))]
    pub expected_sql: Option<String>,
}

impl RequestBody for GoldenQuestionPatch {}

/// How the golden questions of a project went.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoldenReport {
    /// How many were asked.
    pub total: u32,
    /// How many gave the rows of their expected statement.
    pub right: u32,
    /// How many count for nothing, because their expected statement cannot be run.
    pub broken: u32,
    /// Share of right answers among those that count; null when none does.
    pub execution_accuracy: Option<f64>,
    /// The model that was asked.
    pub model: String,
}

const _: () = assert!(QUESTION_CHARS_MIN == 3);
