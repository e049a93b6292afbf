//! Running code outside of notebooks (contract 3, section 2).

use garde::Validate;
use gristmill_domain::{
    ExecutionSessionId, ProjectId,
    execution::{ExecutionResult, ExecutionSession, PackageInfo, PythonVersion},
    notebooks::CELL_CHARS_MAX,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::common::{ErrorShape, Instant, RequestBody, not_null};

/// Code to be run.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecuteCode {
    /// The project whose datasets and packages it sees.
    #[garde(skip)]
    pub project_id: ProjectId,
    /// Python, 1 to 1,000,000 characters.
    #[garde(length(chars, min = 1, max = CELL_CHARS_MAX))]
    pub code: String,
    /// The session to run in. Without one, or with one that is not there, the project's common one.
    #[serde(default)]
    #[garde(skip)]
    pub session_id: Option<String>,
    /// What to run on when a session must be made; 3.11 when absent.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(skip)]
    pub python_version: Option<PythonVersion>,
    /// How long it may run, 1000 to 300,000 milliseconds; the user's setting when absent.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(range(min = 1000.0, max = 300_000.0)))]
    pub timeout: Option<f64>,
}

impl RequestBody for ExecuteCode {
    const SHAPE: ErrorShape = ErrorShape::Issues;
}

/// What running code gave.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecuteView {
    /// Always true: a run that failed says so in its result.
    pub success: bool,
    /// The session that it ran in.
    pub session_id: ExecutionSessionId,
    /// The result; `executionOrder` is the kernel's counter.
    pub result: ExecutionResult,
}

/// A session to be made.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionCreate {
    /// The project whose datasets and packages it sees.
    #[garde(skip)]
    pub project_id: ProjectId,
    /// What it runs on; 3.11 when absent.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(skip)]
    pub python_version: Option<PythonVersion>,
}

impl RequestBody for SessionCreate {
    const SHAPE: ErrorShape = ErrorShape::Issues;
}

/// A kernel session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionSessionView {
    /// Identity.
    pub id: ExecutionSessionId,
    /// The project whose datasets and packages it sees.
    pub project_id: ProjectId,
    /// What it runs on.
    pub python_version: PythonVersion,
    /// What can be imported.
    pub installed_packages: Vec<PackageInfo>,
    /// When it was made.
    pub created_at: Instant,
    /// When it was used last.
    pub last_used_at: Instant,
}

impl ExecutionSessionView {
    /// A session with what can be imported in it.
    #[must_use]
    pub fn new(session: &ExecutionSession, installed_packages: Vec<PackageInfo>) -> Self {
        Self {
            id: session.id,
            project_id: session.project_id,
            python_version: session.python_version,
            installed_packages,
            created_at: session.created_at.into(),
            last_used_at: session.last_used_at.into(),
        }
    }
}

/// `{success, session}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionCreatedView {
    /// Always true.
    pub success: bool,
    /// The session.
    pub session: ExecutionSessionView,
}

/// `{session}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionEnvelope {
    /// The session.
    pub session: ExecutionSessionView,
}

/// Packages to be installed.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackageInstall {
    /// A session of the project; all of the project's sessions and notebooks get the packages.
    #[garde(length(min = 1))]
    pub session_id: String,
    /// Names with or without versions, divided by commas or spaces, at most 2000 characters. No options, URLs or paths.
    #[garde(length(chars, min = 1, max = 2000))]
    pub package_name: String,
}

impl RequestBody for PackageInstall {
    const SHAPE: ErrorShape = ErrorShape::Issues;
}

/// How an installation ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct InstallView {
    /// Whether the packages are there.
    pub success: bool,
    /// For people.
    pub message: String,
}

/// A line of an installation's stream. `done` is the last one, always.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum InstallLine {
    /// A line of the installer.
    Log {
        /// The line.
        message: String,
    },
    /// How far it is.
    Progress {
        /// 0 to 100, strictly rising.
        progress: u8,
        /// What is being done.
        stage: String,
    },
    /// The end.
    Done {
        /// Whether the packages are there.
        success: bool,
        /// For people.
        message: String,
    },
}

/// What to suggest.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct SuggestQuery {
    /// What was typed; popular packages when absent or empty.
    #[serde(default)]
    #[garde(inner(length(chars, max = 200)))]
    pub q: Option<String>,
    /// How many, 1 to 20; 8 when absent. A number beyond is brought into the range.
    #[serde(default)]
    #[param(value_type = Option<u32>)]
    #[garde(inner(length(chars, max = 20)))]
    pub limit: Option<String>,
    /// The project whose installed packages count too; without it, those that every project has.
    #[serde(default)]
    #[garde(skip)]
    pub project_id: Option<ProjectId>,
}

/// `{suggestions}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuggestionList {
    /// Packages, the likeliest first.
    pub suggestions: Vec<PackageInfo>,
}

/// `{packages}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct PackageList {
    /// Packages that can be imported, by lower-cased name.
    pub packages: Vec<PackageInfo>,
}

/// A Python that kernels can run on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeView {
    /// Its version.
    pub python_version: PythonVersion,
    /// Whether it is ready.
    pub available: bool,
    /// Whether a sandbox backend is ready, of whichever kind: clients switch their runtime on from it.
    pub docker_enabled: bool,
    /// The backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
}

/// `{runtimes}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuntimeList {
    /// 3.10 and 3.11, and later versions that are ready.
    pub runtimes: Vec<RuntimeView>,
}

/// Whether code can be run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecuteHealthView {
    /// `healthy` or `degraded`.
    pub status: ExecuteHealth,
    /// Whether a sandbox backend is ready, of whichever kind: clients switch their runtime on from it.
    pub docker_available: bool,
    /// Sandboxes with a kernel.
    pub active_sessions: usize,
    /// Kernels that are kept ready for whoever comes next.
    pub ready_kernels: usize,
    /// The backend in use: `process` or `docker`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// What keeps sandboxes apart from the host.
    pub isolation: Vec<String>,
    /// Why other backends are not used, or nothing is ready.
    pub reasons: Vec<String>,
}

/// Whether code can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExecuteHealth {
    /// It can.
    Healthy,
    /// It cannot.
    Degraded,
}
