//! Projects, uploads and SQL.

use gristmill_api_types::{
    datasets::UploadEnvelope,
    documents::UploadedDocumentEnvelope,
    projects::{ProjectCreate, ProjectEnvelope, ProjectList, ProjectView},
    query::QueryEnvelope,
};
use gristmill_domain::{ErrorCode, JobId, ProjectId};
use gristmill_persistence::repo::projects;
use gristmill_workflow::tools::outside::args::{CreateProjectArgs, RunSqlArgs, UploadArgs};
use serde_json::{Map, Value, json};

use super::{Done, Refused, body, read};
use crate::{
    datasets, documents,
    error::{ApiError, ApiResult},
    mcp::asker::Asker,
    uploads::{ReceivedFile, Spool, io_error},
};

const MB: u64 = 1024 * 1024;
/// Largest text that is taken, bytes, where the operator does not allow less. Larger files are uploaded over HTTP.
const TEXT_BYTES_MAX: u64 = 4 * MB;

pub(super) async fn list_projects(asker: &Asker) -> Result<Done, Refused> {
    let projects = asker.state.projects.list(&asker.caller).await;
    let projects = projects.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(Done::Output(json!(ProjectList { projects: projects.into_iter().map(ProjectView::from).collect() })))
}

pub(super) async fn create_project(asker: &Asker, args: Map<String, Value>) -> Result<Done, Refused> {
    let args: CreateProjectArgs = read(args)?;
    let mut fields = json!({ "name": args.name });
    if let (Some(fields), Some(description)) = (fields.as_object_mut(), args.description) {
        fields.insert("description".to_owned(), description.into());
    }
    let body: ProjectCreate = body(fields)?;
    let create = projects::ProjectCreate {
        name: body.name,
        description: body.description,
        icon: "Folder".into(),
        color: "blue".into(),
        metadata: Map::new(),
    };
    let created = asker.state.projects.create(&asker.caller, create, None, asker.state.clock.now()).await;
    let created = created.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(Done::Output(json!(ProjectEnvelope::from(created))))
}

pub(super) async fn upload_dataset(asker: &Asker, project: ProjectId, args: Map<String, Value>) -> Result<Done, Refused> {
    let limit = asker.state.config.ingest.upload_bytes_max;
    let (job, spool, file) = spooled(asker, project, read(args)?, limit).await?;
    let job = datasets::submit_ingest(&asker.state, &asker.caller, job, spool, file, None).await?;
    let dataset = datasets::ingested(&asker.state, &asker.caller, job.id).await?;
    Ok(Done::Output(json!(UploadEnvelope::of_upload(dataset))))
}

pub(super) async fn upload_document(asker: &Asker, project: ProjectId, args: Map<String, Value>) -> Result<Done, Refused> {
    let limit = asker.state.config.documents.upload_bytes_max;
    let (job, spool, file) = spooled(asker, project, read(args)?, limit).await?;
    let job = documents::submit_ingest(&asker.state, &asker.caller, job, spool, file, None).await?;
    let document = documents::ingested(&asker.state, &asker.caller, job.id).await?;
    Ok(Done::Output(json!(UploadedDocumentEnvelope::from(document))))
}

/// The text as a file that arrived.
async fn spooled(
    asker: &Asker,
    project: ProjectId,
    args: UploadArgs,
    bytes_max: u64,
) -> Result<(JobId, Spool, ReceivedFile), Refused> {
    let UploadArgs { filename, content } = args;
    let size_bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
    let bytes_max = bytes_max.min(TEXT_BYTES_MAX);
    if size_bytes > bytes_max {
        let words = format!("`content` has more than {} MB; larger files go over HTTP, as far as they may", bytes_max / MB);
        return Err(Refused::invalid(&words));
    }
    let filename = plain_name(&filename)?;
    let job = JobId::random();
    let spool = written(asker, job, content).await?;
    let file = ReceivedFile { filename, media_type: None, size_bytes, project_id: Some(project), metadata: Map::new() };
    Ok((job, spool, file))
}

async fn written(asker: &Asker, job: JobId, content: String) -> ApiResult<Spool> {
    let spool = Spool::create(&asker.state.files, job).map_err(io_error)?;
    tokio::fs::write(spool.file(), content).await.map_err(io_error)?;
    Ok(spool)
}

/// The last part of whatever path was sent, printable, never empty.
fn plain_name(sent: &str) -> Result<String, Refused> {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).collect();
    let name = name.trim();
    if name.is_empty() || name.chars().all(|c| c == '.') {
        return Err(Refused::invalid("Invalid arguments: `filename` must be a plain file name, such as sales.csv"));
    }
    Ok(name.to_owned())
}

pub(super) async fn run_sql(asker: &Asker, project: ProjectId, args: Map<String, Value>) -> Result<Done, Refused> {
    let RunSqlArgs { sql } = read(args)?;
    let answer = asker.state.sql.run(&asker.state, &asker.caller, project, &sql).await?;
    // Its rows are text already, which is read rather than copied.
    let text = serde_json::to_string(&QueryEnvelope { query: answer.view() }).map_err(ApiError::internal)?;
    Ok(Done::Output(serde_json::from_str(&text).map_err(ApiError::internal)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_directories() {
        for (sent, name) in [
            ("sales.csv", Some("sales.csv")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\data\\a b.csv", Some("a b.csv")),
            ("a\u{0}\n.csv", Some("a.csv")),
            ("..", None),
            ("x/", None),
        ] {
            assert_eq!(plain_name(sent).ok().as_deref(), name, "{sent:?}");
        }
    }
}
