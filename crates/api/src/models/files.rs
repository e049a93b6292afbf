//! Where the files of models are, and sending them.

use std::{io, path::PathBuf};

use actix_web::HttpResponse;
use gristmill_api_types::models::ArtifactFormat;
use gristmill_domain::{
    DatasetId, ErrorCode, ModelId, ProjectId, UserId,
    models::{MODEL_FILE, Model},
};
use gristmill_modeling::ModelPlaces;
use gristmill_persistence::files::{LocalFiles, model_prefix};

use crate::{
    datasets::download,
    error::{ApiError, ApiResult},
    features::{features_of_model, origin_of},
    state::AppState,
};

/// Files as they are stored.
#[derive(Debug)]
pub struct StoredModels {
    /// All files.
    pub files: LocalFiles,
}

impl ModelPlaces for StoredModels {
    fn dataset(&self, owner: UserId, project: ProjectId, dataset: DatasetId, version: u32) -> PathBuf {
        absolute(self.files.dataset(owner, Some(project), dataset).parquet(version))
    }

    fn origin(&self, owner: UserId, project: ProjectId, dataset: DatasetId, _: u32) -> Option<PathBuf> {
        // Of every version: none of them has other rows.
        origin_of(&self.files, owner, project, dataset).map(absolute)
    }

    fn features(
        &self,
        owner: UserId,
        project: ProjectId,
        dataset: DatasetId,
        version: u32,
        columns: &[String],
    ) -> io::Result<Option<Vec<u8>>> {
        features_of_model(&self.files.dataset(owner, Some(project), dataset), version, columns)
    }

    fn model(&self, project: ProjectId, model: ModelId) -> PathBuf {
        absolute(self.files.path(&model_prefix(project, model)))
    }
}

/// Sandboxes mount absolute paths only.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// The directory of a model.
pub(super) fn model_directory(state: &AppState, model: &Model) -> PathBuf {
    state.files.path(&model_prefix(model.project_id, model.id))
}

/// Reads a file of a model's evaluation; `None` when there is none.
///
/// # Errors
/// 500 when it cannot be read.
pub async fn evaluation_file(state: &AppState, model: &Model, name: &str) -> ApiResult<Option<Vec<u8>>> {
    let Some(storage) = &model.evaluation_storage else { return Ok(None) };
    match tokio::fs::read(model_directory(state, model).join(storage).join(name)).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ApiError::internal(error)),
    }
}

/// Sends a file of a model.
///
/// # Errors
/// 404 when the model has no such file, with the reason.
pub async fn download_artifact(state: &AppState, model: &Model, format: ArtifactFormat) -> ApiResult<HttpResponse> {
    let missing = |why: &str| Err(ApiError::new(ErrorCode::FileMissing, why));
    let directory = model_directory(state, model);
    if format == ArtifactFormat::Mlflow {
        let Some(storage) = model.evaluation_storage.as_ref() else {
            return missing("The MLflow directory comes with the evaluation, which is not there yet");
        };
        let path = directory.join(storage).join("model.zip");
        if !tokio::fs::try_exists(&path).await.map_err(ApiError::internal)? {
            return missing("The evaluation made no MLflow directory; evaluate the model again");
        }
        return download(&path, "model.zip", "application/zip").await;
    }
    let (name, media_type) = match format {
        ArtifactFormat::Joblib | ArtifactFormat::Mlflow => (MODEL_FILE, "application/octet-stream"),
        ArtifactFormat::Onnx => ("model.onnx", "application/octet-stream"),
        ArtifactFormat::Card => ("card.json", "application/json"),
        ArtifactFormat::Markdown => ("card.md", "text/markdown; charset=utf-8"),
        ArtifactFormat::Signature => ("signature.json", "application/json"),
        ArtifactFormat::Baseline => ("baseline.json", "application/json"),
        ArtifactFormat::Report => ("report.json", "application/json"),
        ArtifactFormat::Parity => ("parity.json", "application/json"),
    };
    if model.artifact(name).is_none() {
        let reason = model.metadata.get("onnx").and_then(|onnx| onnx["reason"].as_str());
        return match (format, reason) {
            (ArtifactFormat::Onnx, Some(reason)) => missing(&format!("The model has no ONNX form: {reason}")),
            _ => missing("The model has no such file"),
        };
    }
    download(&directory.join(&model.storage).join(name), name, media_type).await
}
