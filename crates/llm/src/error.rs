//! Why a model gave no answer, and what to do about it.

use std::{fmt, time::Duration};

use gristmill_domain::ErrorCode;

use crate::secret::Scrubber;

/// Why there is no answer.
///
/// Texts of providers are in `detail` after their secrets were removed; they are for the log and for the person who set
/// the provider up, and hostile like any text from outside.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// The provider does not accept the key.
    #[error("the language model's provider refused the key: {detail}")]
    Authentication {
        /// What it said.
        detail: String,
    },
    /// The provider wants fewer requests, or its quota is used up.
    #[error("the language model's provider limits the rate of requests: {detail}")]
    RateLimited {
        /// What it said.
        detail: String,
        /// When to come back, if it said.
        retry_after: Option<Duration>,
    },
    /// The provider is down, unreachable or overloaded, or broke off.
    #[error("the language model cannot be reached: {detail}")]
    Unavailable {
        /// What happened.
        detail: String,
        /// When to come back, if it said.
        retry_after: Option<Duration>,
        /// What caused it.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The provider took too long.
    #[error("the language model took too long: {stage}")]
    Timeout {
        /// What took too long.
        stage: TimeoutStage,
        /// How long it might take.
        limit: Duration,
    },
    /// The provider does not accept the request: an unknown model, too much text, a schema that it cannot use.
    #[error("the language model's provider refused the request ({status}): {detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said.
        detail: String,
    },
    /// What came is not what the provider's protocol says.
    #[error("the language model's provider answered something unexpected: {detail}")]
    Protocol {
        /// What is wrong with it.
        detail: String,
    },
    /// The answer is not of the form that was asked for, also at the second try.
    #[error("the language model's answer has the wrong form: {detail}")]
    InvalidOutput {
        /// What is wrong with it.
        detail: String,
        /// The beginning of it.
        excerpt: String,
    },
    /// The model ran into the limit of tokens before it had said everything.
    #[error("the language model's answer is cut off at its limit of tokens")]
    CutOff,
    /// The answer is larger than is accepted.
    #[error("the language model's answer is larger than {bytes_max} bytes")]
    TooLarge {
        /// What is accepted.
        bytes_max: usize,
    },
    /// Whoever asked does not want the answer any more.
    #[error("the request to the language model was cancelled")]
    Cancelled,
    /// Whoever asked has as many requests under way as they may.
    #[error("too many requests to the language model are under way for this {scope}")]
    Busy {
        /// `user`, `project` or `server`.
        scope: &'static str,
    },
    /// Whoever asked has used their tokens.
    #[error("the tokens of this {scope} are used up: {used} of {limit}")]
    BudgetExhausted {
        /// `user` or `project`.
        scope: &'static str,
        /// What is used, requests under way included.
        used: u64,
        /// What may be used in the period.
        limit: u64,
        /// When some of it is there again.
        retry_after: Option<Duration>,
    },
    /// This provider has no such thing.
    #[error("the language model's provider offers no {what}")]
    Unsupported {
        /// What was asked of it.
        what: &'static str,
    },
    /// The scripted model has no turn for what it was sent.
    #[error("the scripted model has no turn for this request\n{detail}")]
    ScriptMismatch {
        /// What came, and what each turn expected.
        detail: String,
    },
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutStage {
    /// The connection.
    Connect,
    /// Anything of the answer.
    FirstByte,
    /// The next piece of the answer.
    Idle,
    /// All of the answer.
    Total,
    /// A place among the requests under way.
    Queue,
}

impl fmt::Display for TimeoutStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection",
            Self::FirstByte => "no answer began",
            Self::Idle => "the answer stopped coming",
            Self::Total => "the answer did not end",
            Self::Queue => "no place among the requests under way",
        })
    }
}

impl LlmError {
    /// An [`LlmError::Unavailable`] without a cause.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::Unavailable { detail: detail.into(), retry_after: None, source: None }
    }

    /// A [`LlmError::Protocol`].
    pub(crate) fn protocol(detail: impl Into<String>) -> Self {
        Self::Protocol { detail: detail.into() }
    }

    /// It without keys in what the provider said.
    #[must_use]
    pub(crate) fn cleaned(mut self, scrubber: &Scrubber) -> Self {
        match &mut self {
            Self::Authentication { detail }
            | Self::RateLimited { detail, .. }
            | Self::Unavailable { detail, .. }
            | Self::Refused { detail, .. }
            | Self::Protocol { detail } => *detail = scrubber.clean(detail),
            _ => {}
        }
        self
    }

    /// The contract's code (2, section 2.5).
    #[must_use]
    pub fn failure_code(&self) -> FailureCode {
        match self {
            Self::Authentication { .. } => FailureCode::UpstreamAuthFailed,
            Self::RateLimited { .. } | Self::Busy { .. } => FailureCode::UpstreamRateLimited,
            Self::Unavailable { .. } => FailureCode::UpstreamModelUnavailable,
            Self::Timeout { .. } => FailureCode::UpstreamTimeout,
            Self::InvalidOutput { .. } | Self::CutOff | Self::TooLarge { .. } => FailureCode::ModelToolOutputInvalid,
            Self::Cancelled => FailureCode::UserInterrupted,
            Self::BudgetExhausted { .. } => FailureCode::WorkflowBudgetExhausted,
            Self::Refused { .. } | Self::Protocol { .. } | Self::Unsupported { .. } | Self::ScriptMismatch { .. } => {
                FailureCode::UpstreamUnknown
            }
        }
    }

    /// The code of an HTTP answer that fails because of it.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::RateLimited { .. } | Self::Busy { .. } | Self::BudgetExhausted { .. } => ErrorCode::TooManyRequests,
            Self::Timeout { .. } => ErrorCode::LlmTimeout,
            Self::Authentication { .. } | Self::Unavailable { .. } | Self::Unsupported { .. } => ErrorCode::LlmUnavailable,
            Self::Cancelled => ErrorCode::Conflict,
            Self::Refused { .. }
            | Self::Protocol { .. }
            | Self::InvalidOutput { .. }
            | Self::CutOff
            | Self::TooLarge { .. }
            | Self::ScriptMismatch { .. } => ErrorCode::LlmFailed,
        }
    }

    /// Whether asking the same again may help, without a change by anybody.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Unavailable { .. } => true,
            Self::Timeout { stage, .. } => matches!(stage, TimeoutStage::Connect | TimeoutStage::FirstByte | TimeoutStage::Idle),
            _ => false,
        }
    }

    /// When to come back, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. }
            | Self::Unavailable { retry_after, .. }
            | Self::BudgetExhausted { retry_after, .. } => *retry_after,
            Self::Busy { .. } => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// What to tell a person: what happened and what to do. Nothing in it comes from the provider.
    #[must_use]
    pub fn public_message(&self) -> String {
        match self {
            Self::Authentication { .. } => {
                "The language model's provider refused the key; the operator must check LLM_API_KEY".into()
            }
            Self::RateLimited { .. } => "The language model's provider is limiting requests; try again shortly".into(),
            Self::Unavailable { .. } => "The language model cannot be reached at the moment; try again shortly".into(),
            Self::Timeout { stage, limit } => {
                let seconds = limit.as_secs_f64();
                format!("The language model took too long ({stage} within {seconds:.0} s); try again, or ask for less")
            }
            Self::Refused { status, .. } => format!(
                "The language model's provider refused the request ({status}); the operator finds its reason in the log, and `gristmill doctor` checks the settings"
            ),
            Self::Protocol { .. } => {
                "The language model's provider answered something that is not its protocol; the operator must check LLM_PROVIDER and LLM_BASE_URL".into()
            }
            Self::InvalidOutput { .. } => {
                "The language model's answer did not have the form that was asked for; try again, or put the question differently".into()
            }
            Self::CutOff => "The language model's answer was longer than it may be; ask for less at once".into(),
            Self::TooLarge { .. } => "The language model's answer was too large and was dropped; ask for less at once".into(),
            Self::Cancelled => "The request was cancelled".into(),
            Self::Busy { scope } => {
                format!("Too many requests to the language model are under way for this {scope}; wait until one has ended")
            }
            Self::BudgetExhausted { scope, limit, .. } => {
                format!("This {scope} has used its {limit} tokens of the language model; try again tomorrow, or ask the operator for more")
            }
            Self::Unsupported { what } => format!("The language model's provider offers no {what}; the operator can choose another"),
            Self::ScriptMismatch { .. } => {
                "The scripted language model has no turn for this request; its log says what was expected and what came".into()
            }
        }
    }
}

macro_rules! failure_codes {
    ($($name:ident = $text:literal, $retryable:literal, $advice:literal;)*) => {
        /// Why a turn, or a question to a model, failed: the closed set of contract 2, section 2.5.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FailureCode { $(#[doc = $advice] $name,)* }

        impl FailureCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name on the wire and in storage.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Reads a stored name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == name)
            }

            /// Whether the frontend may offer to try again: `failed_retryable` against `failed_terminal`.
            #[must_use]
            pub fn is_retryable(self) -> bool {
                match self { $(Self::$name => $retryable,)* }
            }

            /// What happened and what to do, for people.
            #[must_use]
            pub fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)* }
            }
        }
    };
}

failure_codes! {
    DatasetNotFound = "DATASET_NOT_FOUND", false, "The dataset is gone; choose another.";
    DatasetRequired = "DATASET_REQUIRED", false, "This phase works on a dataset; choose one.";
    UpstreamAuthFailed = "UPSTREAM_AUTH_FAILED", false, "The language model's provider refused the key; the operator must check it.";
    FePipelineApprovalRequired = "FE_PIPELINE_APPROVAL_REQUIRED", false, "The pipeline needs an approval first.";
    UpstreamRateLimited = "UPSTREAM_RATE_LIMITED", true, "Too many requests to the language model; try again shortly.";
    UpstreamModelUnavailable = "UPSTREAM_MODEL_UNAVAILABLE", true, "The language model cannot be reached; try again shortly.";
    UpstreamTimeout = "UPSTREAM_TIMEOUT", true, "The language model took too long; try again, or ask for less.";
    UpstreamUnknown = "UPSTREAM_UNKNOWN", true, "The language model's provider answered something unexpected; try again.";
    WorkflowBudgetExhausted = "WORKFLOW_BUDGET_EXHAUSTED", true, "The turn used all that it may use; go on in a new turn.";
    ModelToolOutputInvalid = "MODEL_TOOL_OUTPUT_INVALID", true, "The language model's answer could not be used; try again.";
    RequestNotPrepared = "REQUEST_NOT_PREPARED", true, "The turn could not be prepared; try again.";
    WorkflowPlanInvalid = "WORKFLOW_PLAN_INVALID", true, "The next step could not be planned; try again.";
    WorkflowPlanRejected = "WORKFLOW_PLAN_REJECTED", true, "The planned step is not allowed here; say what you want to do next.";
    DeterministicActionEmpty = "DETERMINISTIC_ACTION_EMPTY", true, "The step had nothing to do; say what you want to do next.";
    DelegatedActionEmpty = "DELEGATED_ACTION_EMPTY", true, "The language model proposed nothing; say what you want to do next.";
    PreprocessingNoProgress = "PREPROCESSING_NO_PROGRESS", true, "The preprocessing did not move on; say what you want to do next.";
    TrainingNoProgress = "TRAINING_NO_PROGRESS", true, "The training did not move on; say what you want to do next.";
    FeatureEngineeringNoProgress = "FEATURE_ENGINEERING_NO_PROGRESS", true, "The feature engineering did not move on; say what you want to do next.";
    WorkflowNoProgress = "WORKFLOW_NO_PROGRESS", true, "The turn did not move on; say what you want to do next.";
    ToolCallLimitExceeded = "TOOL_CALL_LIMIT_EXCEEDED", true, "The same step was repeated too often; say what you want to do next.";
    MaxIterationsExceeded = "MAX_ITERATIONS_EXCEEDED", true, "The turn took as many steps as it may; go on in a new turn.";
    TrainingSelectionMismatch = "TRAINING_SELECTION_MISMATCH", true, "The chosen experiment is not the one that was trained; choose again.";
    TrainingRunCellTimeout = "TRAINING_RUN_CELL_TIMEOUT", true, "The training cell took too long; try fewer rows or a simpler model.";
    TrainingPackageInstallFailed = "TRAINING_PACKAGE_INSTALL_FAILED", true, "A package could not be installed; try again without it.";
    UserInterrupted = "USER_INTERRUPTED", true, "The turn was stopped.";
    StaleNotebookReference = "STALE_NOTEBOOK_REFERENCE", true, "The notebook is gone; start again.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for code in FailureCode::ALL {
            assert_eq!(FailureCode::from_name(code.as_str()), Some(*code));
        }
        assert_eq!(FailureCode::from_name("SOMETHING_ELSE"), None);
        let terminal = FailureCode::ALL.iter().filter(|code| !code.is_retryable()).count();
        assert_eq!(terminal, 4, "contract 2, section 2.5 has four terminal codes");
    }

    #[test]
    fn what_people_are_told_holds_nothing_of_the_provider() {
        let hostile = || "<script>sk-123</script>".to_owned();
        for error in [
            LlmError::Authentication { detail: hostile() },
            LlmError::RateLimited { detail: hostile(), retry_after: None },
            LlmError::unavailable(hostile()),
            LlmError::Refused { status: 400, detail: hostile() },
            LlmError::protocol(hostile()),
            LlmError::InvalidOutput { detail: hostile(), excerpt: hostile() },
            LlmError::ScriptMismatch { detail: hostile() },
        ] {
            assert!(!error.public_message().contains("script>"), "{}", error.public_message());
        }
    }
}
