//! Path parameters. Structs, not newtypes: utoipa makes no parameter from a newtype.

use gristmill_domain::{DatasetId, JobId, ProjectId};
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
