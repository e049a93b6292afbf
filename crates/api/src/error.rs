//! From failures to HTTP: the one table from error code to status, and the one error body.

use std::collections::BTreeMap;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use gristmill_api_types::{
    common::ErrorShape,
    errors::{ActiveWorkflow, ErrorBody, ErrorDetail, ErrorDetails, ErrorMap, FieldError, FlatErrors, Issue, TextPosition},
};
use gristmill_domain::{
    DatasetId, ErrorCode,
    ports::StoreError,
    workflows::{WorkflowRun, WorkflowRunId},
};
use gristmill_jobs::JobsError;
use gristmill_llm::LlmError;
use gristmill_persistence::repo::IDEMPOTENCY_MISMATCH;

use crate::request_id;

/// How every text begins that tells of a database that is gone for a while: calls of agents are made again then.
pub(crate) const DATABASE_SILENT: &str = "The database does not answer";

/// What every handler returns.
pub type ApiResult<T> = Result<T, ApiError>;

/// A failed request: a code for programs, a text for people, and the cause for the log.
#[derive(Debug)]
pub struct ApiError(Box<Failure>);

#[derive(Debug)]
struct Failure {
    code: ErrorCode,
    message: String,
    fields: Vec<FieldError>,
    shape: Option<ErrorShape>,
    settings: Option<BTreeMap<String, String>>,
    details: Option<String>,
    detail: Option<ErrorDetail>,
    position: Option<TextPosition>,
    retry_after: Option<u64>,
    bytes_max: Option<u64>,
    obstacle: Option<Obstacle>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Agents that stand in the way. `error` is a name then, and the text for people is in `message`.
#[derive(Debug)]
enum Obstacle {
    /// A turn of the same phase is on its way.
    Turn(WorkflowRunId),
    /// Runs work on the dataset.
    Dataset { id: DatasetId, filename: String, runs: Vec<ActiveWorkflow> },
}

impl Obstacle {
    fn name(&self) -> &'static str {
        match self {
            Self::Turn(_) => "WORKFLOW_ALREADY_RUNNING",
            Self::Dataset { .. } => "DATASET_IN_USE",
        }
    }

    fn describe(&self, body: &mut ErrorBody) {
        body.message = Some(std::mem::replace(&mut body.error, self.name().to_owned()));
        match self {
            Self::Turn(run) => body.active_run_id = Some(run.as_str().to_owned()),
            Self::Dataset { id, filename, runs } => {
                body.dataset_id = Some(*id);
                body.dataset_filename = Some(filename.clone());
                body.active_run_ids = Some(runs.iter().map(|run| run.run_id.clone()).collect());
                body.active_workflows = Some(runs.clone());
            }
        }
    }
}

impl ApiError {
    /// A failure with a public message.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(Failure {
            code,
            message: message.into(),
            fields: Vec::new(),
            shape: None,
            settings: None,
            details: None,
            detail: None,
            position: None,
            retry_after: None,
            bytes_max: None,
            obstacle: None,
            cause: None,
        }))
    }

    /// A defect: the client learns only that, the log gets the cause.
    #[must_use]
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ErrorCode::Internal, "Internal Server Error").caused_by(cause)
    }

    /// The request's fields are wrong.
    #[must_use]
    pub fn validation(shape: ErrorShape, fields: Vec<FieldError>) -> Self {
        let text = |field: &FieldError| {
            if field.path.is_empty() { field.message.clone() } else { format!("{}: {}", field.path, field.message) }
        };
        let message = fields.iter().map(text).collect::<Vec<_>>().join("; ");
        let mut error = Self::new(ErrorCode::ValidationFailed, message);
        error.0.fields = fields;
        error.0.shape = Some(shape);
        error
    }

    /// One field is wrong.
    #[must_use]
    pub fn field(shape: ErrorShape, path: &str, message: impl Into<String>) -> Self {
        Self::validation(shape, vec![FieldError { path: path.into(), code: "invalid".into(), message: message.into() }])
    }

    /// Settings are wrong: setting to reason.
    #[must_use]
    pub fn settings(problems: BTreeMap<String, String>) -> Self {
        let fields = problems.iter().map(|(path, message)| FieldError {
            path: path.clone(),
            code: "invalid".into(),
            message: message.clone(),
        });
        let mut error = Self::validation(ErrorShape::Flatten, fields.collect());
        error.0.settings = Some(problems);
        error
    }

    /// A turn of the phase is on its way already (contract 2, section 2.1).
    #[must_use]
    pub fn turn_running(run: WorkflowRunId) -> Self {
        let message = "A turn of this phase is already running in the project; wait for it to end, or interrupt it";
        let mut error = Self::new(ErrorCode::Conflict, message);
        error.0.obstacle = Some(Obstacle::Turn(run));
        error
    }

    /// Agents work on the dataset (contract 1, section 7.9).
    #[must_use]
    pub fn dataset_in_use(id: DatasetId, filename: String, runs: &[WorkflowRun]) -> Self {
        let message = format!("Agents work on {filename}; end or interrupt their runs first, then delete it");
        let mut error = Self::new(ErrorCode::DatasetInUse, message);
        error.0.obstacle = Some(Obstacle::Dataset { id, filename, runs: runs.iter().map(ActiveWorkflow::from).collect() });
        error
    }

    /// Adds the cause, for the log only.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Adds `details` (contract shape E4).
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.0.details = Some(details.into());
        self
    }

    /// Adds `detail` (contract shape E5).
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(ErrorDetail::Text(detail.into()));
        self
    }

    /// Adds what is wrong with which field of a row (contract 3, section 15).
    #[must_use]
    pub fn with_fields(mut self, fields: Vec<serde_json::Value>) -> Self {
        self.0.detail = Some(ErrorDetail::Fields(fields));
        self
    }

    /// Adds a place in the text that was sent.
    #[must_use]
    pub fn at_position(mut self, line: u64, column: u64) -> Self {
        self.0.position = Some(TextPosition { line, column });
        self
    }

    /// Adds when to try again, whole seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// Adds how many bytes there may be.
    #[must_use]
    pub fn at_most(mut self, bytes: u64) -> Self {
        self.0.bytes_max = Some(bytes);
        self
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The failure of a store call, where what may be missing is named by `missing`.
    pub fn store(missing: ErrorCode) -> impl Fn(StoreError) -> Self {
        move |error| match error {
            StoreError::NotFound => Self::new(missing, missing_text(missing)),
            StoreError::Conflict(what) if what == IDEMPOTENCY_MISMATCH => {
                Self::new(ErrorCode::IdempotencyMismatch, "This Idempotency-Key was used with another request; use a new key")
            }
            StoreError::Conflict(_) => {
                Self::new(ErrorCode::Conflict, "This changed meanwhile; read it again and repeat").caused_by(error)
            }
            StoreError::LeaseLost => Self::new(ErrorCode::Conflict, "The job was taken over by another worker"),
            StoreError::Unavailable(_) => {
                Self::new(ErrorCode::DatabaseUnavailable, format!("{DATABASE_SILENT}; try again shortly"))
                    .retry_after(1)
                    .caused_by(error)
            }
            StoreError::Defect(_) => Self::internal(error),
        }
    }

    /// The failure of a language model.
    #[must_use]
    pub fn llm(error: LlmError) -> Self {
        let failure = Self::new(error.code(), error.public_message());
        let failure = match error.retry_after() {
            Some(wait) => failure.retry_after(wait.as_secs().max(1)),
            None => failure,
        };
        failure.caused_by(error)
    }

    /// The failure of waiting for a job or following its log.
    #[must_use]
    pub fn job(error: JobsError) -> Self {
        match error {
            JobsError::Store(error) => Self::store(ErrorCode::JobNotFound)(error),
            JobsError::CalledOff => {
                Self::new(ErrorCode::ShuttingDown, "The server is stopping; the job goes on, ask for it again shortly")
                    .retry_after(2)
            }
            JobsError::LeaseLost | JobsError::Closed | JobsError::LogRefused => Self::internal(error),
        }
    }

    /// Writes the cause to the log.
    pub(crate) fn log(&self) {
        let Some(cause) = &self.0.cause else { return };
        let chain = chain(cause.as_ref());
        if self.status_code() == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error.code = %self.0.code, error.cause = chain, "a request failed");
        } else {
            tracing::warn!(error.code = %self.0.code, error.cause = chain, "a request failed");
        }
    }

    /// The body that says all this.
    pub(crate) fn body(&self) -> ErrorBody {
        let failure = &self.0;
        let issues = (failure.shape == Some(ErrorShape::Issues)).then(|| issues_of(&failure.fields));
        let details = match failure.shape {
            Some(ErrorShape::BodyDetails | ErrorShape::QueryDetails) => Some(ErrorDetails::Issues(issues_of(&failure.fields))),
            Some(ErrorShape::FlatDetails) => Some(ErrorDetails::Flat(flatten(&failure.fields))),
            _ => failure.details.clone().map(ErrorDetails::Text),
        };
        let errors = match &failure.settings {
            Some(problems) => Some(ErrorMap::Settings(problems.clone())),
            None => (failure.shape == Some(ErrorShape::Flatten)).then(|| ErrorMap::Flat(flatten(&failure.fields))),
        };
        let mut body = ErrorBody {
            // The contract's shapes have these texts; the frontend shows them as they are.
            error: match failure.shape {
                Some(ErrorShape::Issues) => "Validation failed".into(),
                Some(ErrorShape::BodyDetails) => "Invalid request body".into(),
                Some(ErrorShape::QueryDetails) => "Invalid query parameters".into(),
                _ => failure.message.clone(),
            },
            code: failure.code.as_str().to_owned(),
            request_id: request_id::current(),
            fields: (!failure.fields.is_empty()).then(|| failure.fields.clone()),
            issues,
            errors,
            details,
            detail: failure.detail.clone(),
            retry_after: failure.retry_after,
            max_bytes: failure.bytes_max,
            position: failure.position,
            message: None,
            active_run_id: None,
            dataset_id: None,
            dataset_filename: None,
            active_run_ids: None,
            active_workflows: None,
        };
        if let Some(obstacle) = &failure.obstacle {
            obstacle.describe(&mut body);
        }
        body
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        status(self.0.code)
    }

    fn error_response(&self) -> HttpResponse {
        self.log();
        let mut response = HttpResponse::build(self.status_code());
        if let Some(seconds) = self.0.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if self.status_code() == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        response.json(self.body())
    }
}

fn issues_of(fields: &[FieldError]) -> Vec<Issue> {
    let segments = |path: &str| path.split('.').filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect();
    fields
        .iter()
        .map(|field| Issue { code: field.code.clone(), path: segments(&field.path), message: field.message.clone() })
        .collect()
}

fn flatten(fields: &[FieldError]) -> FlatErrors {
    let mut flat = FlatErrors::default();
    for field in fields {
        // Nested problems stand under their top-level field, as the contract has it.
        match field.path.split(['.', '[']).next().filter(|name| !name.is_empty()) {
            Some(name) => flat.field_errors.entry(name.to_owned()).or_default().push(field.message.clone()),
            None => flat.form_errors.push(field.message.clone()),
        }
    }
    flat
}

fn missing_text(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::ProjectNotFound => "Project not found",
        ErrorCode::DatasetNotFound => "Dataset not found",
        ErrorCode::DocumentNotFound => "Document not found",
        ErrorCode::WorkflowNotFound => "Workflow run not found",
        ErrorCode::PrepRunNotFound => "Preprocessing run not found",
        ErrorCode::FeatureRunNotFound => "Feature run not found",
        ErrorCode::PlanChatNotFound => "Plan chat not found",
        ErrorCode::GoldenQuestionNotFound => "Golden question not found",
        ErrorCode::JobNotFound => "Job not found",
        ErrorCode::SessionNotFound => "Session not found",
        ErrorCode::TokenNotFound => "Token not found",
        ErrorCode::UserNotFound => "User not found",
        // The contract has this text for both.
        ErrorCode::NotebookNotFound | ErrorCode::CellNotFound => "Not found",
        ErrorCode::SavepointNotFound => "Savepoint not found",
        ErrorCode::ModelNotFound => "Model not found",
        ErrorCode::DeploymentNotFound => "Deployment not found",
        ErrorCode::ApiKeyNotFound => "Key not found",
        ErrorCode::PredictionNotFound => "Prediction not found",
        ErrorCode::ExecutionSessionNotFound => "Session not found",
        _ => "Not Found",
    }
}

/// The error with all its causes, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The one table from code to status.
#[must_use]
pub fn status(code: ErrorCode) -> StatusCode {
    use ErrorCode as E;
    match code {
        E::InvalidRequest
        | E::ValidationFailed
        | E::InvalidId
        | E::EmailAlreadyVerified
        | E::TokenInvalid
        | E::SignInFailed
        | E::UnsupportedFormat
        | E::UnreadableFile
        | E::TooManyColumns
        | E::ConversionFailed
        | E::FeaturesRefused
        | E::TemplateUnknown
        | E::ModelNotDeployable
        | E::TrainingFailed
        | E::OutOfBudget
        | E::SqlRefused
        | E::SqlInvalid
        | E::SqlFailed
        | E::SqlTimeout
        | E::SqlTooExpensive => StatusCode::BAD_REQUEST,
        E::Unauthenticated | E::InvalidCredentials | E::WrongPassword | E::RefreshTokenReused | E::ApiKeyInvalid => {
            StatusCode::UNAUTHORIZED
        }
        E::EmailNotVerified | E::InsufficientScope | E::Forbidden => StatusCode::FORBIDDEN,
        E::NotFound
        | E::UserNotFound
        | E::ProjectNotFound
        | E::DatasetNotFound
        | E::DocumentNotFound
        | E::ColumnNotFound
        | E::WorkflowNotFound
        | E::PrepRunNotFound
        | E::FeatureRunNotFound
        | E::PlanChatNotFound
        | E::GoldenQuestionNotFound
        | E::JobNotFound
        | E::SessionNotFound
        | E::TokenNotFound
        | E::IdentityNotFound
        | E::NotebookNotFound
        | E::CellNotFound
        | E::SavepointNotFound
        | E::ExecutionSessionNotFound
        | E::ModelNotFound
        | E::DeploymentNotFound
        | E::ApiKeyNotFound
        | E::PredictionNotFound
        | E::FileMissing => StatusCode::NOT_FOUND,
        E::EmailTaken
        | E::AccountExists
        | E::IdentityTaken
        | E::LastSignIn
        | E::DatasetInUse
        | E::CellLocked
        | E::JobCancelled
        | E::JobFailed
        | E::WorkerLost
        | E::DeploymentLimit
        | E::Conflict
        | E::IdempotencyMismatch => StatusCode::CONFLICT,
        E::PayloadTooLarge | E::QuotaExceeded => StatusCode::PAYLOAD_TOO_LARGE,
        E::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        E::NotConfigured
        | E::LlmUnavailable
        | E::DatabaseUnavailable
        | E::ShuttingDown
        | E::RuntimeUnavailable
        | E::SandboxFailed
        | E::DeploymentNotReady => StatusCode::SERVICE_UNAVAILABLE,
        E::RowsRefused => StatusCode::UNPROCESSABLE_ENTITY,
        E::ServingFailed | E::LlmFailed | E::ProviderFailed => StatusCode::BAD_GATEWAY,
        E::LlmTimeout => StatusCode::GATEWAY_TIMEOUT,
        E::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        E::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
