//! Reading the project's datasets and documents.

use actix_web::web;
use gristmill_documents::{Citation, SearchError, SearchRequest};
use gristmill_domain::{
    DatasetId, ErrorCode,
    datasets::{ColumnProfile, Row, TopValue, iso_millis},
    ports::StoreError,
};
use gristmill_workflow::tools::{
    ToolContext,
    args::data::{GetDatasetProfileArgs, GetDatasetSampleArgs, ListProjectFilesArgs, SearchDocumentsArgs},
    registry,
};
use serde_json::{Map, Value, json};

use super::{Failure, find_dataset, named, store};
use crate::{error::DATABASE_SILENT, state::AppState};

const PROFILE_COLUMNS_MAX: usize = 50;
const TOP_VALUES_MAX: usize = 5;
const SAMPLE_ROWS_MAX: usize = 10;
const SAMPLE_COLUMNS_MAX: usize = 30;
/// Longest text of a value, characters.
const TEXT_CHARS_MAX: usize = 200;
const PASSAGES_DEFAULT: i64 = 5;
const PASSAGES_MAX: i64 = 10;

pub(super) async fn list_project_files(
    state: &web::Data<AppState>,
    context: &ToolContext,
    args: &Map<String, Value>,
) -> Result<Value, Failure> {
    let args: ListProjectFilesArgs = registry::parse(args)?;
    let (datasets, documents) = tokio::try_join!(
        state.datasets.overviews(&context.caller, context.project),
        state.documents.list(&context.caller, Some(context.project)),
    )
    .map_err(store("Project", context.project, ErrorCode::ProjectNotFound))?;
    let (active, unknown) = match args.dataset_id.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        None => (context.dataset, None),
        Some(text) => {
            let id = text.parse::<DatasetId>().ok().or_else(|| named(&datasets, text).ok());
            (id, Some(text))
        }
    };
    let active = active.filter(|id| datasets.iter().any(|dataset| dataset.id == *id));
    let mut output = Map::new();
    if let Some(active) = active {
        output.insert("activeDatasetId".into(), json!(active));
    }
    let listed = datasets.iter().map(|dataset| {
        let names: Vec<&str> = dataset.columns.iter().map(|(name, _)| name.as_str()).collect();
        let mut fields = json!({
            "datasetId": dataset.id,
            "filename": dataset.filename,
            "nRows": dataset.row_count,
            "nCols": names.len(),
            "columns": names,
        });
        if let (true, Some(fields)) = (active == Some(dataset.id), fields.as_object_mut()) {
            fields.insert("isActive".into(), Value::Bool(true));
        }
        fields
    });
    output.insert("datasets".into(), Value::Array(listed.collect()));
    let listed = documents
        .iter()
        .map(|document| json!({ "documentId": document.id, "filename": document.filename, "mimeType": document.media_type }));
    output.insert("documents".into(), Value::Array(listed.collect()));
    let notice = match (datasets.is_empty(), active, unknown) {
        (true, _, _) => Some("The project has no datasets yet; a person must upload one.".to_owned()),
        (false, None, Some(name)) => Some(Failure::missing("Dataset", name).error),
        _ => None,
    };
    if let Some(notice) = notice {
        output.insert("notice".into(), notice.into());
    }
    Ok(Value::Object(output))
}

pub(super) async fn get_dataset_profile(
    state: &web::Data<AppState>,
    context: &ToolContext,
    args: &Map<String, Value>,
) -> Result<Value, Failure> {
    let args: GetDatasetProfileArgs = registry::parse(args)?;
    let dataset = find_dataset(state, context, &args.dataset_id).await?;
    let count = dataset.columns.len();
    let columns: Vec<ColumnProfile> = dataset.columns.into_iter().take(PROFILE_COLUMNS_MAX).map(shortened).collect();
    let mut profile = json!({
        "datasetId": dataset.id,
        "filename": dataset.filename,
        "fileType": dataset.file_type,
        "size": dataset.size_bytes,
        "tableName": dataset.sql_name,
        "nRows": dataset.row_count,
        "nCols": count,
        "columns": columns,
        "createdAt": iso_millis::format(dataset.created_at),
        "updatedAt": iso_millis::format(dataset.updated_at),
    });
    if let Some(fields) = profile.as_object_mut() {
        if let Some(source) = dataset.metadata.get("derivedFrom") {
            fields.insert("derivedFrom".into(), source.clone());
        }
        if count > PROFILE_COLUMNS_MAX {
            fields.insert("_truncated".into(), Value::Bool(true));
            fields.insert("_totalColumns".into(), count.into());
        }
    }
    Ok(profile)
}

pub(super) async fn get_dataset_sample(
    state: &web::Data<AppState>,
    context: &ToolContext,
    args: &Map<String, Value>,
) -> Result<Value, Failure> {
    let args: GetDatasetSampleArgs = registry::parse(args)?;
    let dataset = find_dataset(state, context, &args.dataset_id).await?;
    let (sample, is_cut) = sample(&dataset.sample);
    let mut output = json!({ "datasetId": dataset.id, "filename": dataset.filename, "sample": sample });
    let shown = u64::try_from(sample.len()).unwrap_or(u64::MAX);
    if let Some(fields) = output.as_object_mut()
        && (is_cut || dataset.row_count > shown || dataset.columns.len() > SAMPLE_COLUMNS_MAX)
    {
        fields.insert("_truncated".into(), Value::Bool(true));
        fields.insert("_totalRows".into(), dataset.row_count.into());
        fields.insert("_totalColumns".into(), dataset.columns.len().into());
    }
    Ok(output)
}

pub(super) async fn search_documents(
    state: &web::Data<AppState>,
    context: &ToolContext,
    args: &Map<String, Value>,
) -> Result<Value, Failure> {
    let args: SearchDocumentsArgs = registry::parse(args)?;
    let query = args.query.trim();
    if query.is_empty() {
        return Err(Failure::new("Wrong arguments: `query` must not be empty"));
    }
    let limit = args.limit.unwrap_or(PASSAGES_DEFAULT).clamp(1, PASSAGES_MAX);
    let request = SearchRequest { project: Some(context.project), query, limit: usize::try_from(limit).unwrap_or(1) };
    let found = state.document_search.search(&context.caller, request).await.map_err(|error| {
        let SearchError::Store(error) = error;
        match error.as_ref() {
            StoreError::NotFound => Failure::missing("Project", context.project),
            failed => {
                tracing::warn!(error.cause = crate::error::chain(&error), "documents could not be searched");
                match failed {
                    // In these words, for the call to be made again.
                    StoreError::Unavailable(_) => Failure::new(format!("{DATABASE_SILENT}; try again shortly")),
                    _ => Failure::new("The documents cannot be searched now; try again later"),
                }
            }
        }
    })?;
    Ok(Value::Array(found.iter().map(passage).collect()))
}

fn passage(citation: &Citation) -> Value {
    let (snippet, span) = (citation.snippet(), citation.span());
    json!({
        "chunkId": citation.chunk.id,
        "documentId": citation.chunk.place.document_id,
        "filename": citation.chunk.filename,
        "score": (citation.score * 10_000.0).round() / 10_000.0,
        "snippet": snippet,
        "span": span,
    })
}

fn shortened(column: ColumnProfile) -> ColumnProfile {
    let value = |top: TopValue| TopValue { value: cut(&top.value).0, ..top };
    let top_values = column.top_values.into_iter().take(TOP_VALUES_MAX).map(value).collect();
    ColumnProfile { top_values, ..column }
}

/// The first rows, columns and characters; and whether texts were cut.
fn sample(rows: &[Row]) -> (Vec<Row>, bool) {
    let mut is_cut = false;
    let mut value = |value: &Value| match value {
        Value::String(text) => {
            let (text, shorter) = cut(text);
            is_cut |= shorter;
            Value::String(text)
        }
        other => other.clone(),
    };
    let mut shown = Vec::with_capacity(SAMPLE_ROWS_MAX);
    for row in rows.iter().take(SAMPLE_ROWS_MAX) {
        shown.push(row.iter().take(SAMPLE_COLUMNS_MAX).map(|(name, cell)| (name.clone(), value(cell))).collect::<Row>());
    }
    (shown, is_cut)
}

fn cut(text: &str) -> (String, bool) {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => (format!("{}…", text.get(..end).unwrap_or(text)), true),
        None => (text.to_owned(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_small() {
        let row: Row = (0..40).map(|column| (format!("c{column}"), Value::from("ä".repeat(300)))).collect();
        let rows = vec![row; 20];
        let (shown, is_cut) = sample(&rows);
        assert!(is_cut && shown.len() == 10 && shown[0].len() == 30);
        assert_eq!(shown[0]["c0"].as_str().unwrap().chars().count(), 201);
        let row: Row = [("a".to_owned(), json!(1)), ("b".to_owned(), Value::Null)].into_iter().collect();
        assert_eq!(sample(std::slice::from_ref(&row)), (vec![row.clone()], false));
    }
}
