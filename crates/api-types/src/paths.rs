//! Path parameters. Structs, not newtypes: utoipa makes no parameter from a newtype.

use gristmill_domain::{
    ApiKeyId, CellId, DatasetId, DeploymentId, DocumentId, ExecutionSessionId, GoldenQuestionId, JobId, ModelId, NotebookId,
    PlanChatId, ProjectId, SavepointId,
};
use serde::Deserialize;
use utoipa::IntoParams;

/// `/projects/{id}`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ProjectPath {
    /// The project.
    pub id: ProjectId,
}

/// `/datasets/{datasetId}`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct DatasetPath {
    /// The dataset.
    pub dataset_id: DatasetId,
}

/// `/documents/{documentId}`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct DocumentPath {
    /// The document.
    pub document_id: DocumentId,
}

/// `/datasets/{datasetId}/columns/{columnName}`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct ColumnPath {
    /// The dataset.
    pub dataset_id: DatasetId,
    /// The column's name, percent-encoded.
    pub column_name: String,
}

/// `/jobs/{id}`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct JobPath {
    /// The job.
    pub id: JobId,
}

/// `/auth/sessions/{tokenId}` and `/auth/tokens/{tokenId}`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct TokenPath {
    /// The session or token.
    pub token_id: gristmill_domain::TokenId,
}

/// `/auth/identities/{provider}`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct IdentityPath {
    /// The provider: `google`.
    pub provider: String,
}

/// `/projects/{projectId}/…`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct InProjectPath {
    /// The project.
    pub project_id: ProjectId,
}

/// `/projects/{projectId}/notebooks/{notebookId}`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct ProjectNotebookPath {
    /// The project.
    pub project_id: ProjectId,
    /// The notebook.
    pub notebook_id: NotebookId,
}

/// `/notebooks/{notebookId}`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct NotebookPath {
    /// The notebook.
    pub notebook_id: NotebookId,
}

/// `/notebooks/{notebookId}/savepoints/{savepointId}`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct SavepointPath {
    /// The notebook.
    pub notebook_id: NotebookId,
    /// The savepoint.
    pub savepoint_id: SavepointId,
}

/// `/projects/{projectId}/plan-chats`. A text, because what is no id has no chats either.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct PlanChatsPath {
    /// The project.
    #[param(value_type = String, format = Uuid)]
    pub project_id: String,
}

/// `/projects/{projectId}/plan-chats/{chatId}`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct PlanChatPath {
    /// The project.
    #[param(value_type = String, format = Uuid)]
    pub project_id: String,
    /// The chat.
    pub chat_id: PlanChatId,
}

/// `/projects/{projectId}/golden-questions/{goldenQuestionId}`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct GoldenQuestionPath {
    /// The project.
    pub project_id: ProjectId,
    /// The question.
    pub golden_question_id: GoldenQuestionId,
}

/// `/cells/{cellId}`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct CellPath {
    /// The cell.
    pub cell_id: CellId,
}

/// `/cells/{cellId}/outputs/{filename}`. Texts, because what is no id has no file either.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct OutputPath {
    /// The cell.
    pub cell_id: String,
    /// The file's name, as an output or its reference has it. It carries the server's signature.
    pub filename: String,
}

/// `/execute/session/{id}`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ExecutionSessionPath {
    /// The session.
    pub id: ExecutionSessionId,
}

/// `/execute/packages/{sessionId}`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct PackagesPath {
    /// The session.
    pub session_id: ExecutionSessionId,
}

/// `/models/{id}`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ModelPath {
    /// The model.
    pub id: ModelId,
}

/// `/experiments/{modelId}/…`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct OfModelPath {
    /// The model.
    pub model_id: ModelId,
}

/// `/deployments/{id}`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct DeploymentPath {
    /// The deployment.
    pub id: DeploymentId,
}

/// `/deployments/{id}/api-keys/{keyId}`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct ApiKeyPath {
    /// The deployment.
    pub id: DeploymentId,
    /// The key.
    pub key_id: ApiKeyId,
}

/// `/deployments/{id}/logs/{logId}`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct PredictionLogPath {
    /// The deployment.
    pub id: DeploymentId,
    /// The number of the logged request.
    pub log_id: i64,
}

/// `/v2/models/{deploymentId}/versions/{version}`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct VersionPath {
    /// The deployment.
    pub deployment_id: DeploymentId,
    /// The version of its model.
    pub version: String,
}

/// `/deployments/{deploymentId}/predict`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct PredictPath {
    /// The deployment.
    pub deployment_id: DeploymentId,
}

/// `/feature-engineering/runs/{runId}`. A text, because what is no id names no run either.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct FeatureRunPath {
    /// The run: `feat-` and a UUID.
    pub run_id: String,
}

/// `/preprocessing/runs/{runId}`. A text, because what is no id names no run either.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub struct PrepRunPath {
    /// The run: `prep-` and a UUID.
    pub run_id: String,
}
