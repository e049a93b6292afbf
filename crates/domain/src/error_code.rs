//! The closed set of error codes that programs may act on. `api/src/error.rs` maps each to an HTTP status.

use std::fmt;

// The descriptions are repeated by hand in docs/ERRORS.md, and a test there holds the two together.
macro_rules! codes {
    ($($name:ident = $text:literal, $doc:literal;)*) => {
        /// Why a request or a job failed, for programs. The wire form is `snake_case` and never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $(#[doc = $doc] $name,)* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The wire form.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Reads a stored code.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == name)
            }

            /// What the code means and what to do, for docs/ERRORS.md.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self { $(Self::$name => $doc,)* }
            }
        }
    };
}

codes! {
    InvalidRequest = "invalid_request", "The request could not be understood: malformed JSON, a missing body, a wrong content type, a bad query string.";
    ValidationFailed = "validation_failed", "One or more fields are wrong; `fields` names each with the reason.";
    InvalidId = "invalid_id", "An id in the path, query or body is not a UUID.";
    PayloadTooLarge = "payload_too_large", "The body or the uploaded file is over the size limit.";
    Unauthenticated = "unauthenticated", "No usable credential: missing, malformed, tampered with or expired. Refresh or log in.";
    InvalidCredentials = "invalid_credentials", "E-mail or password is wrong.";
    WrongPassword = "wrong_password", "The current password that was sent is wrong.";
    RefreshTokenReused = "refresh_token_reused", "A refresh token was used again after it was rotated; its whole session is revoked. Log in again.";
    EmailNotVerified = "email_not_verified", "The account's e-mail address is not verified yet.";
    EmailAlreadyVerified = "email_already_verified", "The account's e-mail address is verified already.";
    EmailTaken = "email_taken", "Another account has this e-mail address.";
    TokenInvalid = "token_invalid", "The one-time link is wrong, used or expired. Ask for a new one.";
    SignInFailed = "sign_in_failed", "The sign-in with the provider could not be finished: its code or state is wrong, used or expired. Start again.";
    AccountExists = "account_exists", "An account with the provider's e-mail exists. Sign in with its password, then link the provider in the profile.";
    IdentityTaken = "identity_taken", "The provider's account is linked to another user.";
    IdentityNotFound = "identity_not_found", "The account is not linked to this sign-in provider.";
    LastSignIn = "last_sign_in", "The provider is the only way to sign in to the account. Set a password by a link of `forgot-password` first, which also unlinks it.";
    ProviderFailed = "provider_failed", "The sign-in provider does not answer, or not as it should. Try again shortly, or ask the operator.";
    InsufficientScope = "insufficient_scope", "The personal access token does not cover this operation.";
    Forbidden = "forbidden", "The caller may know about the thing but not do this to it.";
    NotFound = "not_found", "There is no such route.";
    UserNotFound = "user_not_found", "The account is gone.";
    ProjectNotFound = "project_not_found", "There is no such project, or it belongs to somebody else.";
    DatasetNotFound = "dataset_not_found", "There is no such dataset, or it belongs to somebody else.";
    DocumentNotFound = "document_not_found", "There is no such document, or it belongs to somebody else.";
    ColumnNotFound = "column_not_found", "The dataset has no such column.";
    NotebookNotFound = "notebook_not_found", "There is no such notebook, or it belongs to somebody else.";
    CellNotFound = "cell_not_found", "There is no such cell, or it belongs to somebody else.";
    SavepointNotFound = "savepoint_not_found", "The notebook has no such savepoint.";
    ExecutionSessionNotFound = "execution_session_not_found", "There is no such execution session, or it belongs to somebody else.";
    CellLocked = "cell_locked", "Somebody else edits or runs the cell. Try again when it is unlocked.";
    RuntimeUnavailable = "runtime_unavailable", "No sandbox backend or Python environment is ready; the message says what is missing.";
    SandboxFailed = "sandbox_failed", "The sandbox or its kernel could not be started; the message says why.";
    ModelNotFound = "model_not_found", "There is no such model, or it belongs to somebody else.";
    DeploymentNotFound = "deployment_not_found", "There is no such deployment, or it belongs to somebody else.";
    ApiKeyNotFound = "api_key_not_found", "The deployment has no such key, or it is revoked already.";
    PredictionNotFound = "prediction_not_found", "The deployment has no such logged prediction.";
    ApiKeyInvalid = "api_key_invalid", "The key is unknown, revoked, expired or another deployment's. Make a new one.";
    DeploymentLimit = "deployment_limit", "The project has as many active deployments as it may have. Stop one first.";
    ModelNotDeployable = "model_not_deployable", "The model cannot be served; the message says why.";
    DeploymentNotReady = "deployment_not_ready", "The deployment does not serve now; the message says why. Start it, or try again shortly.";
    RowsRefused = "rows_refused", "The rows do not fit what the model was trained on; `detail` names each field with the reason.";
    ServingFailed = "serving_failed", "What runs the model died or did not answer. It is started again; repeat the request.";
    TemplateUnknown = "template_unknown", "There is no training template of this id; the message lists those that there are.";
    TrainingFailed = "training_failed", "The data or the parameters cannot be trained on; the message says what to change.";
    OutOfBudget = "out_of_budget", "The work needed more time or memory than it may use; take fewer rows or columns, or raise the limit.";
    WorkflowNotFound = "workflow_not_found", "There is no such workflow run, or it belongs to somebody else.";
    PrepRunNotFound = "preprocessing_run_not_found", "There is no such preprocessing run, or it belongs to somebody else.";
    FeatureRunNotFound = "feature_run_not_found", "There is no such run of feature engineering, or it belongs to somebody else.";
    PlanChatNotFound = "plan_chat_not_found", "There is no such plan chat, or it belongs to somebody else.";
    GoldenQuestionNotFound = "golden_question_not_found", "There is no such golden question, or it belongs to somebody else.";
    JobNotFound = "job_not_found", "There is no such job, or it belongs to somebody else.";
    SessionNotFound = "session_not_found", "There is no such login session, or it is revoked already.";
    TokenNotFound = "token_not_found", "There is no such personal access token.";
    FileMissing = "file_missing", "The stored file is gone. Upload it again.";
    UnsupportedFormat = "unsupported_format", "The file is in no supported format (CSV, TSV, JSON, NDJSON, XLSX).";
    UnreadableFile = "unreadable_file", "The file is in a supported format but broken, encrypted or empty; the message says where.";
    TooManyColumns = "too_many_columns", "The file has more columns than a dataset may have.";
    ConversionFailed = "conversion_failed", "A value cannot be converted to the column type that was asked for.";
    FeaturesRefused = "features_refused", "The features cannot be made so; the message says why and what to change.";
    DatasetInUse = "dataset_in_use", "A running workflow uses the dataset.";
    QuotaExceeded = "quota_exceeded", "The user's disk quota is used up. Delete datasets or ask the operator.";
    DiskFull = "disk_full", "The server has no disk space left.";
    SqlRefused = "sql_refused", "The SQL is not a read-only query over the project's tables; the message says which rule it breaks.";
    SqlInvalid = "sql_invalid", "The SQL does not parse, or names something that does not exist.";
    SqlFailed = "sql_failed", "The SQL failed while running: division by zero, a value that does not convert, ….";
    SqlTimeout = "sql_timeout", "The SQL ran into its deadline and was stopped.";
    SqlTooExpensive = "sql_too_expensive", "The SQL needs more memory than a query may use, or makes values that are too large.";
    TooManyRequests = "too_many_requests", "A rate or concurrency limit was reached; `retryAfter` says when to come back, in seconds.";
    JobCancelled = "job_cancelled", "The job was cancelled.";
    JobFailed = "job_failed", "The job failed; its error says why.";
    WorkerLost = "worker_lost", "The job's worker died too often; it will not be tried again.";
    Conflict = "conflict", "The thing changed meanwhile, or is in a state that does not allow this. Read it again.";
    IdempotencyMismatch = "idempotency_mismatch", "The same Idempotency-Key was used with another request.";
    NotConfigured = "not_configured", "The operator has not set up what this needs; the message names the setting.";
    LlmUnavailable = "llm_unavailable", "The language model cannot be reached or refuses the server's key; the message says which. Try again shortly, or ask the operator.";
    LlmTimeout = "llm_timeout", "The language model took too long. Try again, or ask for less.";
    LlmFailed = "llm_failed", "The language model's answer could not be used. Try again, or put the question differently.";
    DatabaseUnavailable = "database_unavailable", "The database does not answer. Try again shortly.";
    ShuttingDown = "shutting_down", "The server is stopping. Try again shortly.";
    Internal = "internal", "Something that should not happen happened. Report the requestId.";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_snake_case() {
        let mut seen = std::collections::HashSet::new();
        for code in ErrorCode::ALL {
            assert!(seen.insert(code.as_str()), "{code} is there twice");
            assert!(code.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{code}");
        }
    }
}
