//! Golden questions: questions of a project with statements that are known to answer them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{GoldenQuestionId, ProjectId};

/// Most golden questions of a project.
pub const GOLDEN_QUESTIONS_MAX: usize = 200;

/// How a golden question went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum GoldenVerdict {
    /// The rows are those of the expected statement.
    Right,
    /// The rows are others.
    Wrong,
    /// The generated statement gave no rows: it failed, or the engine was too unsure.
    Failed,
    /// There is no statement.
    NoAnswer,
    /// The expected statement itself cannot be run: the question counts for nothing.
    BrokenCase,
}

impl GoldenVerdict {
    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Failed => "failed",
            Self::NoAnswer => "no_answer",
            Self::BrokenCase => "broken_case",
        }
    }

    /// Reads a stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Right, Self::Wrong, Self::Failed, Self::NoAnswer, Self::BrokenCase].into_iter().find(|one| one.as_str() == name)
    }
}

/// What came of asking a golden question.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenAsked {
    /// How it went.
    pub verdict: GoldenVerdict,
    /// The generated statement.
    pub generated_sql: Option<String>,
    /// Why it went wrong, for people.
    pub reason: Option<String>,
    /// How sure the engine was, 0..1.
    pub confidence: Option<f64>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A golden question.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenQuestion {
    /// Identity.
    pub id: GoldenQuestionId,
    /// The project.
    pub project_id: ProjectId,
    /// The question.
    pub question: String,
    /// A statement that answers it.
    pub expected_sql: String,
    /// What came of asking it last.
    pub asked: Option<GoldenAsked>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}
