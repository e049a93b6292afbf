//! Files of runs. The server names them; what a program called them is in the database.

use std::{collections::BTreeMap, path::PathBuf};

use actix_web::{HttpResponse, delete, get, put, web};
use futures_util::StreamExt;
use gristmill_domain::{Caller, ErrorCode, ModelId, ProjectId, RunId, ports::StoreError, tracking::FileOwner};
use gristmill_persistence::{
    files::{logged_model_prefix, model_prefix, run_prefix},
    repo::{quota::QUOTA, tracking::RunArtifact},
};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    logged,
    runs::{find, run_error},
    wire::{MlflowError, MlflowResult, Params, bad, missing},
};
use crate::{
    datasets::download,
    error::ApiError,
    extract::{Read, Signed, Write},
    quota::{check_room, quota_used_up},
    state::AppState,
    uploads::io_error,
};

const PATH_CHARS_MAX: usize = 500;

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(list_run_artifacts)
        .service(list_artifacts)
        .service(download_run_artifact)
        .service(upload_run_artifact)
        .service(delete_run_artifact);
}

/// Lists the files of a run in a directory.
#[utoipa::path(
    tag = "mlflow",
    params(
        ("run_id" = String, Query, description = "The run"),
        ("path" = Option<String>, Query, description = "A directory below the run's"),
    ),
    responses((status = 200, description = "`{root_uri, files}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow/artifacts/list")]
pub async fn list_run_artifacts(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    let run = find(&state, &signed.caller, &query.required("run_id")?).await?;
    let directory = query.get("path").unwrap_or_default().trim_matches('/').to_owned();
    let known = known(&state, &signed.caller, run.project_id, FileOwner::Run(run.id)).await?;
    let files = entries(&known, &directory, &directory);
    let root = format!("mlflow-artifacts:/{}/{}/artifacts", run.project_id, run.id.0.simple());
    Ok(HttpResponse::Ok().json(json!({ "root_uri": root, "files": files })))
}

/// Lists a directory of stored files, as MLflow's artifact service does.
#[utoipa::path(
    tag = "mlflow",
    params(("path" = String, Query, description = "`<project>/<run>/artifacts/<directory>`")),
    responses((status = 200, description = "`{files}`", body = Object))
)]
#[get("/mlflow/api/2.0/mlflow-artifacts/artifacts")]
pub async fn list_artifacts(state: web::Data<AppState>, signed: Signed<Read>, query: Params) -> MlflowResult {
    let located = located(&state, &signed.caller, &query.required("path")?).await?;
    let known = known(&state, &signed.caller, located.project, located.owner).await?;
    let files = entries(&known, &located.file, "");
    Ok(HttpResponse::Ok().json(json!({ "files": files })))
}

/// Downloads a file of a run, or of a training.
#[utoipa::path(
    tag = "mlflow",
    params(("path" = String, Path, description = "`<project>/<run>/artifacts/<file>`")),
    responses((status = 200, description = "The file", body = String, content_type = "application/octet-stream"))
)]
#[get("/mlflow/api/2.0/mlflow-artifacts/artifacts/{path:.*}")]
pub async fn download_run_artifact(state: web::Data<AppState>, signed: Signed<Read>, path: web::Path<String>) -> MlflowResult {
    let located = located(&state, &signed.caller, &path).await?;
    let known = known(&state, &signed.caller, located.project, located.owner).await?;
    let stored = known.get(&located.file).ok_or_else(|| missing("artifact", &located.file))?;
    let name = located.file.rsplit('/').next().unwrap_or(&located.file);
    Ok(download(&stored.place, name, "application/octet-stream").await?)
}

/// Uploads a file to a run; it takes the place of one of the same path.
#[utoipa::path(
    tag = "mlflow",
    params(("path" = String, Path, description = "`<project>/<run>/artifacts/<file>`")),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 200, description = "`{}`", body = Object))
)]
#[put("/mlflow/api/2.0/mlflow-artifacts/artifacts/{path:.*}")]
pub async fn upload_run_artifact(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    path: web::Path<String>,
    payload: web::Payload,
) -> MlflowResult {
    let located = located(&state, &signed.caller, &path).await?;
    check_path(&located.file)?;
    if let FileOwner::Run(id) = located.owner
        && state.models.find(&signed.caller, model_of(id)).await.is_ok()
    {
        return Err(missing("run", "of a program"));
    }
    let quota = state.config.ingest.user_disk_bytes_max;
    check_room(&state, &signed.caller, Some(located.project), 1).await?;
    let directory = located.directory(&state);
    tokio::fs::create_dir_all(&directory).await.map_err(io_error)?;
    let file_name = uuid::Uuid::new_v4().simple().to_string();
    let place = directory.join(&file_name);
    let received = receive(payload, &place, state.config.ingest.upload_bytes_max).await;
    let size = match received {
        Ok(size) => size,
        Err(error) => {
            // Half a file is no file.
            drop(tokio::fs::remove_file(&place).await);
            return Err(error);
        }
    };
    let artifact = RunArtifact { path: located.file, file_name, size_bytes: i64::try_from(size).unwrap_or(i64::MAX) };
    let stored = state.tracking.put_artifact(&signed.caller, located.owner, artifact, quota, state.clock.now()).await;
    let before = match stored {
        Ok(before) => before,
        Err(error) => {
            drop(tokio::fs::remove_file(&place).await);
            return Err(match error {
                StoreError::Conflict(what) if what == QUOTA => quota_used_up(&state).into(),
                other => run_error("of this path")(other),
            });
        }
    };
    if let Some(before) = before {
        drop(tokio::fs::remove_file(directory.join(before)).await);
    }
    Ok(HttpResponse::Ok().json(json!({})))
}

/// Deletes a file of a run or a logged model, or a directory of files.
#[utoipa::path(
    tag = "mlflow",
    params(("path" = String, Path, description = "`<project>/<run>/artifacts/<file or directory>`")),
    responses((status = 200, description = "`{}`", body = Object))
)]
#[delete("/mlflow/api/2.0/mlflow-artifacts/artifacts/{path:.*}")]
pub async fn delete_run_artifact(state: web::Data<AppState>, signed: Signed<Write>, path: web::Path<String>) -> MlflowResult {
    let located = located(&state, &signed.caller, &path).await?;
    let gone = state.tracking.remove_artifacts(&signed.caller, located.owner, &located.file).await;
    let gone = gone.map_err(|error| match error {
        StoreError::NotFound => missing("artifact", &located.file),
        other => run_error("of this path")(other),
    })?;
    let directory = located.directory(&state);
    for file in gone {
        drop(tokio::fs::remove_file(directory.join(file.file_name)).await);
    }
    Ok(HttpResponse::Ok().json(json!({})))
}

/// Where a file is, and how large.
pub(super) struct Stored {
    place: PathBuf,
    size_bytes: u64,
}

async fn receive(mut payload: web::Payload, place: &std::path::Path, bytes_max: u64) -> Result<u64, MlflowError> {
    let mut file = tokio::fs::File::create_new(place).await.map_err(io_error)?;
    let mut size = 0_u64;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk
            .map_err(|error| ApiError::new(ErrorCode::InvalidRequest, "The upload ended early").caused_by(error.to_string()))?;
        size = size.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if size > bytes_max {
            let megabytes = bytes_max / 1024 / 1024;
            return Err(ApiError::new(ErrorCode::PayloadTooLarge, format!("An artifact has at most {megabytes} MB")).into());
        }
        file.write_all(&chunk).await.map_err(io_error)?;
    }
    file.sync_all().await.map_err(io_error)?;
    Ok(size)
}

fn check_path(path: &str) -> Result<(), MlflowError> {
    let plain =
        path.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && !part.chars().any(char::is_control));
    if plain && path.chars().count() <= PATH_CHARS_MAX {
        return Ok(());
    }
    Err(bad(format!("the path of an artifact has names between slashes, and at most {PATH_CHARS_MAX} characters")))
}

/// What a path leads to.
struct Located {
    project: ProjectId,
    owner: FileOwner,
    /// The path below.
    file: String,
}

impl Located {
    fn directory(&self, state: &AppState) -> PathBuf {
        state.files.path(&match self.owner {
            FileOwner::Run(id) => run_prefix(self.project, id),
            FileOwner::Model(id) => logged_model_prefix(self.project, id),
        })
    }
}

/// What `<project>/<run>/artifacts/<rest>` or `<project>/models/<model>/artifacts/<rest>` leads to.
async fn located(state: &AppState, caller: &Caller, path: &str) -> Result<Located, MlflowError> {
    let mut parts = path.trim_matches('/').splitn(5, '/');
    let mut next = || parts.next().unwrap_or_default();
    let (project, second) = (next(), next());
    let (owner, fixed, of, file) = if second == "models" {
        let (id, fixed) = (next(), next());
        let model = logged::find(state, caller, id).await?;
        (FileOwner::Model(model.id), fixed, model.project_id, next().to_owned())
    } else {
        let fixed = next();
        let run = find(state, caller, second).await?;
        let rest = [next(), next()].join("/");
        (FileOwner::Run(run.id), fixed, run.project_id, rest.trim_matches('/').to_owned())
    };
    if fixed != "artifacts" || of.to_string() != project {
        return Err(missing("artifact", path));
    }
    Ok(Located { project: of, owner, file })
}

/// Files by path: those that a program sent, or those of a training.
pub(super) async fn known(
    state: &AppState,
    caller: &Caller,
    project: ProjectId,
    of: FileOwner,
) -> Result<BTreeMap<String, Stored>, MlflowError> {
    let sent = state.tracking.artifacts(caller, of).await.map_err(run_error("of this id"))?;
    let directory = Located { project, owner: of, file: String::new() }.directory(state);
    let size = |bytes| u64::try_from(bytes).unwrap_or(0);
    let mut files: BTreeMap<String, Stored> = sent
        .into_iter()
        .map(|one| (one.path, Stored { place: directory.join(one.file_name), size_bytes: size(one.size_bytes) }))
        .collect();
    if let FileOwner::Run(run) = of
        && let Ok(model) = state.models.find(caller, model_of(run)).await
    {
        let directory = state.files.path(&model_prefix(model.project_id, model.id)).join(&model.storage);
        files.extend(model.artifacts.iter().map(|artifact| {
            let place = directory.join(&artifact.filename);
            (format!("model/{}", artifact.filename), Stored { place, size_bytes: artifact.size })
        }));
    }
    Ok(files)
}

/// A training has the same id as the run that it is shown as.
fn model_of(run: RunId) -> ModelId {
    ModelId(run.0)
}

/// What is directly in a directory: files with their sizes, and directories. Paths begin with `prefix`.
pub(super) fn entries(files: &BTreeMap<String, Stored>, directory: &str, prefix: &str) -> Vec<Value> {
    let mut found: BTreeMap<String, Option<u64>> = BTreeMap::new();
    for (path, stored) in files {
        let below = if directory.is_empty() {
            Some(path.as_str())
        } else {
            path.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/'))
        };
        let Some(below) = below else { continue };
        match below.split_once('/') {
            Some((name, _)) => found.insert(name.to_owned(), None),
            None => found.insert(below.to_owned(), Some(stored.size_bytes)),
        };
    }
    let join = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
    found
        .iter()
        .map(|(name, size)| match size {
            Some(size) => json!({ "path": join(name), "is_dir": false, "file_size": size }),
            None => json!({ "path": join(name), "is_dir": true }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_listed_one_level_at_a_time() {
        let stored = || Stored { place: PathBuf::new(), size_bytes: 3 };
        let files = ["a.txt", "plots/b.png", "plots/deep/c.png", "plotsx/d"].map(|path| (path.to_owned(), stored())).into();
        let paths = |directory: &str| -> Vec<String> {
            entries(&files, directory, directory)
                .iter()
                .map(|entry| format!("{} {}", entry["path"].as_str().unwrap(), entry["is_dir"]))
                .collect()
        };
        assert_eq!(paths(""), ["a.txt false", "plots true", "plotsx true"]);
        assert_eq!(paths("plots"), ["plots/b.png false", "plots/deep true"]);
        assert_eq!(paths("gone"), Vec::<String>::new());
    }

    #[test]
    fn paths_lead_nowhere_else() {
        for path in ["", "a//b", "../a", "a/../b", "a/.", "/a", "a\0b", &"x".repeat(501)] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
        assert!(check_path("plots/größe 1.png").is_ok());
    }
}
