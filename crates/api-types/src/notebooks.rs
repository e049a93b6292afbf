//! Notebooks (contract 3, section 5).

use garde::Validate;
use gristmill_domain::{
    NotebookId, ProjectId,
    notebooks::{METADATA_BYTES_MAX, Notebook, NotebookKind},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::{
    common::{ErrorShape, Instant, RequestBody, not_null},
    projects::{contains_nul, no_nul},
};

/// A notebook.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotebookView {
    /// Identity.
    pub notebook_id: NotebookId,
    /// The project that it belongs to.
    pub project_id: ProjectId,
    /// Display name.
    pub name: String,
    /// What it is for.
    pub kind: NotebookKind,
    /// Whatever clients keep with it.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// When it was made.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

impl From<Notebook> for NotebookView {
    fn from(notebook: Notebook) -> Self {
        Self {
            notebook_id: notebook.id,
            project_id: notebook.project_id,
            name: notebook.name,
            kind: notebook.kind,
            metadata: notebook.metadata,
            created_at: notebook.created_at.into(),
            updated_at: notebook.updated_at.into(),
        }
    }
}

/// Which notebooks to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NotebookListQuery {
    /// Only those of this kind.
    #[serde(default)]
    #[garde(skip)]
    pub kind: Option<NotebookKind>,
}

/// A notebook to be made.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotebookCreate {
    /// Display name, 1 to 120 characters; by its number when absent.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(custom(is_name)))]
    pub name: Option<String>,
    /// Whatever the client keeps with it, at most 64 KiB.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Option<Object>)]
    #[garde(inner(custom(is_metadata)))]
    pub metadata: Option<Map<String, Value>>,
    /// What it is for; `phase` when absent.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(skip)]
    pub kind: Option<NotebookKind>,
}

impl RequestBody for NotebookCreate {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// Changes to a notebook: absent fields keep their value; metadata keys are laid over the stored ones.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotebookPatch {
    /// Display name, 1 to 120 characters.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(custom(is_name)))]
    pub name: Option<String>,
    /// Keys to lay over the stored metadata.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Option<Object>)]
    #[garde(inner(custom(is_metadata)))]
    pub metadata: Option<Map<String, Value>>,
}

impl RequestBody for NotebookPatch {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

/// What is left after a notebook was deleted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotebookDeletedView {
    /// The one that is gone.
    pub deleted_notebook_id: NotebookId,
    /// The oldest one of its kind that is left.
    pub fallback_notebook_id: Option<NotebookId>,
}

/// A Jupyter notebook file (nbformat 4.5).
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub struct NotebookFileView(pub Value);

/// A Jupyter notebook file (nbformat 3 or 4) to be read into a notebook.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotebookImport {
    /// Display name, 1 to 120 characters; by its number when absent.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(custom(is_name)))]
    pub name: Option<String>,
    /// What it is for; `standalone` when absent.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(skip)]
    pub kind: Option<NotebookKind>,
    /// The file's content.
    #[schema(value_type = Object)]
    #[garde(skip)]
    pub notebook: Value,
}

impl RequestBody for NotebookImport {
    const SHAPE: ErrorShape = ErrorShape::BodyDetails;
}

fn is_name(name: &str, context: &()) -> garde::Result {
    let chars = name.trim().chars().count();
    if !(1..=120).contains(&chars) {
        return Err(garde::Error::new("must have 1 to 120 characters"));
    }
    no_nul(name, context)
}

fn is_metadata(sent: &Map<String, Value>, (): &()) -> garde::Result {
    let text = serde_json::to_string(sent).map_err(|_error| garde::Error::new("must be JSON"))?;
    if text.len() > METADATA_BYTES_MAX {
        return Err(garde::Error::new(format!("must be at most {METADATA_BYTES_MAX} bytes of JSON")));
    }
    if text.contains("\\u0000") && contains_nul(&Value::Object(sent.clone())) {
        return Err(garde::Error::new("must not contain NUL characters"));
    }
    Ok(())
}
