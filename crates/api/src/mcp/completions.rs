//! Ids that fit what somebody types into a prompt or a resource's template: the caller's own, by id or by name.

use gristmill_domain::{ErrorCode, ProjectId, ports::StoreError};
use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, ErrorData};

use super::asker::Asker;
use crate::error::ApiError;

/// Completes an argument.
pub(super) async fn complete(asker: &Asker, request: CompleteRequestParams) -> Result<CompleteResult, ErrorData> {
    let chosen = request.context.as_ref().and_then(|context| context.get_argument("projectId"));
    let project = chosen.and_then(|text| text.parse::<ProjectId>().ok());
    let found = candidates(asker, &request.argument.name, project).await;
    let found = found.map_err(|error| {
        let error = ApiError::store(ErrorCode::ProjectNotFound)(error);
        error.log();
        ErrorData::internal_error(error.to_string(), None)
    })?;
    Ok(CompleteResult::new(fitting(found, &request.argument.value)))
}

/// Ids with their names.
async fn candidates(asker: &Asker, argument: &str, project: Option<ProjectId>) -> Result<Vec<(String, String)>, StoreError> {
    let (state, caller) = (&asker.state, &asker.caller);
    let listed = match (argument, project) {
        ("projectId", _) => {
            let projects = state.projects.list(caller).await?;
            projects.into_iter().map(|project| (project.id.to_string(), project.name)).collect()
        }
        ("datasetId", Some(project)) => match state.datasets.overviews(caller, project).await {
            Ok(datasets) => datasets.into_iter().map(|dataset| (dataset.id.to_string(), dataset.filename)).collect(),
            Err(StoreError::NotFound) => Vec::new(),
            Err(error) => return Err(error),
        },
        ("documentId", Some(project)) => match state.documents.list(caller, Some(project)).await {
            Ok(documents) => documents.into_iter().map(|document| (document.id.to_string(), document.filename)).collect(),
            Err(StoreError::NotFound) => Vec::new(),
            Err(error) => return Err(error),
        },
        ("modelId", Some(project)) => match state.models.list(caller, Some(project)).await {
            Ok(models) => models.into_iter().map(|model| (model.id.to_string(), model.plan.name.clone())).collect(),
            Err(StoreError::NotFound) => Vec::new(),
            Err(error) => return Err(error),
        },
        _ => Vec::new(),
    };
    Ok(listed)
}

fn fitting(candidates: Vec<(String, String)>, typed: &str) -> CompletionInfo {
    let typed = typed.trim().to_lowercase();
    let fits = |(id, name): &(String, String)| id.starts_with(&typed) || name.to_lowercase().contains(&typed);
    let mut values: Vec<String> = candidates.into_iter().filter(fits).map(|(id, _)| id).collect();
    let total = values.len();
    values.truncate(CompletionInfo::MAX_VALUES);
    let is_more = total > values.len();
    // No more than it may have: it cannot be refused.
    CompletionInfo::with_pagination(values, u32::try_from(total).ok(), is_more).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_by_name_and_only_so_many() {
        let some = || vec![("1a".to_owned(), "Sales".to_owned()), ("2b".to_owned(), "Costs".to_owned())];
        assert_eq!(fitting(some(), "sal").values, ["1a"]);
        assert_eq!(fitting(some(), "2").values, ["2b"]);
        assert_eq!(fitting(some(), "").values.len(), 2);
        let many = (0..150).map(|n| (format!("{n}"), String::new())).collect();
        let info = fitting(many, "");
        assert_eq!((info.values.len(), info.total, info.has_more), (100, Some(150), Some(true)));
    }
}
