//! Projects, datasets, documents and models as resources: `gristmill://projects/{id}/datasets/{id}` and the like. What is not
//! the caller's, or not the named project's, is not there.

use chrono::DateTime;
use gristmill_api_types::{datasets::DatasetView, models::ModelView, projects::ProjectView};
use gristmill_domain::{DatasetId, DocumentId, ErrorCode, ModelId, ProjectId, documents::DocumentChunk, ports::StoreError};
use gristmill_persistence::repo::resources::{Resource as Entry, ResourceKind, ResourcePlace, Resources};
use rmcp::model::{ErrorData, ListResourcesResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde::Serialize;
use serde_json::json;

use super::asker::Asker;
use crate::error::ApiError;

const SCHEME: &str = "gristmill://projects/";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain";
/// Resources of a page.
const PAGE: u32 = 200;
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
    let after = match cursor {
        None => None,
        Some(cursor) => Some(
            read_cursor(cursor)
                .ok_or_else(|| ErrorData::invalid_params("send the `nextCursor` of the page before as `cursor`", None))?,
        ),
    };
    let resources = Resources::new(asker.state.database.clone());
    // One more, which tells whether there is another page.
    let mut found = resources.page(&asker.caller, after, PAGE.saturating_add(1)).await.map_err(store_error)?;
    let has_more = found.len() > usize::try_from(PAGE).unwrap_or(usize::MAX);
    if has_more {
        found.pop();
    }
    let last = found.last().map(|last| cursor_of(last.place));
    let mut result = ListResourcesResult::with_all_items(found.into_iter().map(listed).collect());
    result.next_cursor = last.filter(|_| has_more);
    Ok(result)
}

fn listed(one: Entry) -> Resource {
    let project = one.project;
    let (path, description, media_type) = match one.kind {
        ResourceKind::Project => (String::new(), "A project".to_owned(), JSON),
        ResourceKind::Dataset { id, rows, columns } => {
            (format!("/datasets/{id}"), format!("A dataset of {rows} rows and {columns} columns"), JSON)
        }
        ResourceKind::Document(id) => (format!("/documents/{id}"), "A document".to_owned(), TEXT),
    };
    Resource::new(format!("{SCHEME}{project}{path}"), one.name).with_description(description).with_mime_type(media_type)
}

/// A place in the list, as clients send it back.
fn cursor_of(place: ResourcePlace) -> String {
    format!("{}.{}.{}", place.kind, place.created_at.timestamp_micros(), place.id)
}

fn read_cursor(text: &str) -> Option<ResourcePlace> {
    let mut parts = text.splitn(3, '.');
    let (kind, at, id) = (parts.next()?, parts.next()?, parts.next()?);
    Some(ResourcePlace {
        kind: kind.parse().ok()?,
        // Nothing is older; and there are times that PostgreSQL does not know.
        created_at: DateTime::from_timestamp_micros(at.parse().ok()?).filter(|at| *at >= DateTime::UNIX_EPOCH)?,
        id: id.parse().ok()?,
    })
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

/// The failure of a repository.
pub(super) fn store_error(error: StoreError) -> ErrorData {
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
    fn cursors_are_read_as_they_were_given() {
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let place = ResourcePlace { kind: 1, created_at: at, id: DatasetId::random().0 };
        assert_eq!(read_cursor(&cursor_of(place)), Some(place));
        let nil = uuid::Uuid::nil();
        let (ancient, none) = (format!("1.-8000000000000000000.{nil}"), format!("1.x.{nil}"));
        for wrong in ["", "200", "x", "1.2", "1.2.3", &none, &ancient] {
            assert_eq!(read_cursor(wrong), None, "{wrong}");
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
