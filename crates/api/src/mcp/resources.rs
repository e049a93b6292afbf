//! Projects, datasets, documents and models as resources: `gristmill://projects/{id}/datasets/{id}` and the like. What is not
//! the caller's, or not the named project's, is not there.

use gristmill_api_types::{datasets::DatasetView, models::ModelView, projects::ProjectView};
use gristmill_domain::{DatasetId, DocumentId, ErrorCode, ModelId, ProjectId, documents::DocumentChunk, ports::StoreError};
use rmcp::model::{ErrorData, ListResourcesResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde::Serialize;
use serde_json::json;

use super::asker::Asker;
use crate::error::ApiError;

const SCHEME: &str = "gristmill://projects/";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain";
/// Resources of a page.
const PAGE: usize = 200;
/// Characters of a document that are given.
const TEXT_CHARS_MAX: usize = 1_000_000;
/// Chunks of a document that are read at once.
const CHUNKS_READ: u32 = 500;

/// What a URI names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Project,
    Dataset(DatasetId),
    Document(DocumentId),
    Model(ModelId),
}

/// Reads a URI; none: nothing has that name.
fn parse(uri: &str) -> Option<(ProjectId, Named)> {
    let mut parts = uri.strip_prefix(SCHEME)?.split('/');
    let project = parts.next()?.parse().ok()?;
    let named = match (parts.next(), parts.next(), parts.next()) {
        (None, None, None) => Named::Project,
        (Some("datasets"), Some(id), None) => Named::Dataset(id.parse().ok()?),
        (Some("documents"), Some(id), None) => Named::Document(id.parse().ok()?),
        (Some("models"), Some(id), None) => Named::Model(id.parse().ok()?),
        _ => return None,
    };
    Some((project, named))
}

/// What can be read by its ids.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let template = |path: &str, name: &str, description: &str, media_type: &str| {
        let template = ResourceTemplate::new(format!("{SCHEME}{{projectId}}{path}"), name);
        template.with_description(description).with_mime_type(media_type)
    };
    vec![
        template("", "project", "A project with its phases and its plan", JSON),
        template("/datasets/{datasetId}", "dataset", "A dataset: its columns with their statistics, and its first rows", JSON),
        template("/documents/{documentId}", "document", "The text of a document", TEXT),
        template("/models/{modelId}", "model", "A model: its scores, columns and parameters", JSON),
    ]
}

/// A page of what the caller has.
pub(super) async fn list(asker: &Asker, cursor: Option<&str>) -> Result<ListResourcesResult, ErrorData> {
    let start: Option<usize> = cursor.map_or(Some(0), |text| text.parse().ok());
    let Some(start) = start else {
        return Err(ErrorData::invalid_params("send the `nextCursor` of the page before as `cursor`", None));
    };
    let (state, caller) = (&asker.state, &asker.caller);
    let (projects, datasets, documents) =
        tokio::try_join!(state.projects.list(caller), state.datasets.list(caller, None), state.documents.list(caller, None),)
            .map_err(store_error)?;
    let projects = projects.iter().map(|project| {
        Resource::new(format!("{SCHEME}{}", project.id), project.name.clone()).with_description("A project").with_mime_type(JSON)
    });
    let datasets = datasets.iter().filter_map(|dataset| {
        let uri = format!("{SCHEME}{}/datasets/{}", dataset.project_id?, dataset.id);
        let description = format!("A dataset of {} rows and {} columns", dataset.row_count, dataset.columns.len());
        Some(Resource::new(uri, dataset.filename.clone()).with_description(description).with_mime_type(JSON))
    });
    let documents = documents.iter().filter_map(|document| {
        let uri = format!("{SCHEME}{}/documents/{}", document.project_id?, document.id);
        Some(Resource::new(uri, document.filename.clone()).with_description("A document").with_mime_type(TEXT))
    });
    let mut left = projects.chain(datasets).chain(documents).skip(start);
    let page: Vec<Resource> = left.by_ref().take(PAGE).collect();
    let mut result = ListResourcesResult::with_all_items(page);
    result.next_cursor = left.next().map(|_| start.saturating_add(PAGE).to_string());
    Ok(result)
}

/// Reads a resource.
pub(super) async fn read(asker: &Asker, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let (state, caller) = (&asker.state, &asker.caller);
    let missing = || ErrorData::resource_not_found("Resource not found", Some(json!({ "uri": uri })));
    let Some((project, named)) = parse(uri) else { return Err(missing()) };
    let failed = |error: StoreError| if matches!(error, StoreError::NotFound) { missing() } else { store_error(error) };
    let (text, media_type) = match named {
        Named::Project => {
            let found = state.projects.find(caller, project).await.map_err(failed)?;
            (text_of(&ProjectView::from(found))?, JSON)
        }
        Named::Dataset(id) => {
            let found = state.datasets.find(caller, id).await.map_err(failed)?;
            if found.project_id != Some(project) {
                return Err(missing());
            }
            (text_of(&DatasetView::from(found))?, JSON)
        }
        Named::Model(id) => {
            let found = state.models.find(caller, id).await.map_err(failed)?;
            if found.project_id != project {
                return Err(missing());
            }
            (text_of(&ModelView::from(found))?, JSON)
        }
        Named::Document(id) => {
            let found = state.documents.find(caller, id).await.map_err(failed)?;
            if found.project_id != Some(project) {
                return Err(missing());
            }
            (document_text(asker, id).await.map_err(failed)?, TEXT)
        }
    };
    Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type(media_type)]))
}

fn text_of<T: Serialize>(view: &T) -> Result<String, ErrorData> {
    serde_json::to_string_pretty(view).map_err(|error| {
        tracing::error!(%error, "a resource has no JSON form");
        ErrorData::internal_error("the resource could not be written", None)
    })
}

fn store_error(error: StoreError) -> ErrorData {
    let error = ApiError::store(ErrorCode::ProjectNotFound)(error);
    error.log();
    ErrorData::internal_error(error.to_string(), None)
}

/// The text of a document, as far as it is given.
async fn document_text(asker: &Asker, id: DocumentId) -> Result<String, StoreError> {
    let (mut joined, mut first) = (Joined::default(), 0);
    loop {
        let chunks = asker.state.documents.list_chunks(id, first, CHUNKS_READ).await?;
        let read = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        for chunk in &chunks {
            joined.add(chunk);
        }
        if read < CHUNKS_READ || joined.is_full() {
            return Ok(joined.text);
        }
        first = first.saturating_add(read);
    }
}

/// The text that chunks were cut from: what one repeats of the one before counts once.
#[derive(Debug, Default)]
struct Joined {
    text: String,
    /// Characters of it.
    length: usize,
    /// Where the last chunk ended.
    reached: u32,
}

impl Joined {
    fn is_full(&self) -> bool {
        self.length >= TEXT_CHARS_MAX
    }

    fn add(&mut self, chunk: &DocumentChunk) {
        if self.is_full() {
            return;
        }
        if chunk.span.start > self.reached && !self.text.is_empty() {
            self.text.push('\n');
            self.length += 1;
        }
        let repeated = usize::try_from(self.reached.saturating_sub(chunk.span.start)).unwrap_or(usize::MAX);
        for c in chunk.text.chars().skip(repeated).take(TEXT_CHARS_MAX.saturating_sub(self.length)) {
            self.text.push(c);
            self.length += 1;
        }
        self.reached = self.reached.max(chunk.span.end);
    }
}

#[cfg(test)]
mod tests {
    use gristmill_domain::documents::TextSpan;

    use super::*;

    #[test]
    fn only_whole_names_name_something() {
        let (project, dataset) = (ProjectId::random(), DatasetId::random());
        assert_eq!(parse(&format!("{SCHEME}{project}")), Some((project, Named::Project)));
        assert_eq!(parse(&format!("{SCHEME}{project}/datasets/{dataset}")), Some((project, Named::Dataset(dataset))));
        for wrong in [
            String::new(),
            SCHEME.to_owned(),
            format!("{SCHEME}x"),
            format!("{SCHEME}{project}/"),
            format!("{SCHEME}{project}/datasets"),
            format!("{SCHEME}{project}/datasets/{dataset}/rows"),
            format!("{SCHEME}{project}/secrets/{dataset}"),
            format!("{SCHEME}../{project}"),
            format!("https://example.org/{project}"),
        ] {
            assert_eq!(parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_chunks_repeat_counts_once() {
        let chunk = |start: u32, text: &str| DocumentChunk {
            page: None,
            heading: String::new(),
            span: TextSpan { start, end: start + u32::try_from(text.chars().count()).unwrap() },
            text: text.to_owned(),
        };
        let mut joined = Joined::default();
        for one in [chunk(0, "grün und"), chunk(5, "und blau"), chunk(20, "rot")] {
            joined.add(&one);
        }
        assert_eq!((joined.text.as_str(), joined.length), ("grün und blau\nrot", 17));
        joined.add(&chunk(23, &"x".repeat(TEXT_CHARS_MAX)));
        assert_eq!((joined.text.chars().count(), joined.is_full()), (TEXT_CHARS_MAX, true));
    }
}
