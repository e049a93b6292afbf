//! Projects (contract 1, section 6).

use garde::Validate;
use gristmill_domain::{
    ProjectId, UserId,
    projects::{self, METADATA_BYTES_MAX, Project},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::common::{Instant, RequestBody, not_null};

/// A project.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectView {
    /// Identity.
    pub id: ProjectId,
    /// Its one owner.
    pub user_id: UserId,
    /// Display name.
    pub name: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Icon name.
    pub icon: String,
    /// Colour name.
    pub color: String,
    /// When it was made.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
    /// Phase state (`unlockedPhases`, `completedPhases`, `currentPhase`), `customInstructions`, and any other key
    /// that clients keep here.
    #[schema(value_type = ProjectMetadataView)]
    pub metadata: Map<String, Value>,
}

/// Project metadata in normal form. Further keys are kept as sent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectMetadataView {
    /// Phases that may be opened.
    pub unlocked_phases: Vec<projects::Phase>,
    /// Phases that are done; a subset of the unlocked ones.
    pub completed_phases: Vec<projects::Phase>,
    /// The phase shown last.
    pub current_phase: projects::Phase,
    /// Instructions for the agent, at most 5000 characters.
    pub custom_instructions: String,
    /// Any other key, as the client sent it.
    #[serde(flatten)]
    pub other: std::collections::BTreeMap<String, Value>,
}

impl From<Project> for ProjectView {
    fn from(project: Project) -> Self {
        Self {
            id: project.id,
            user_id: project.owner_id,
            name: project.name,
            description: project.description,
            icon: project.icon,
            color: project.color,
            created_at: project.created_at.into(),
            updated_at: project.updated_at.into(),
            metadata: project.metadata.into_map(),
        }
    }
}

/// `{project}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectEnvelope {
    /// The project.
    pub project: ProjectView,
}

impl From<Project> for ProjectEnvelope {
    fn from(project: Project) -> Self {
        Self { project: project.into() }
    }
}

/// `{projects}`, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectList {
    /// The caller's projects.
    pub projects: Vec<ProjectView>,
}

/// A project to be made.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectCreate {
    /// Display name, 1 to 200 characters.
    #[garde(length(chars, min = 1, max = 200), custom(no_nul))]
    pub name: String,
    /// Free text, at most 10,000 characters.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(chars, max = 10_000), custom(no_nul)))]
    pub description: Option<String>,
    /// Icon name; `Folder` when absent.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(chars, min = 1, max = 100), custom(no_nul)))]
    pub icon: Option<String>,
    /// Colour name; `blue` when absent.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(chars, min = 1, max = 100), custom(no_nul)))]
    pub color: Option<String>,
    /// Phase state and whatever the client keeps with the project.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Option<Object>)]
    #[garde(inner(custom(is_metadata)))]
    pub metadata: Option<Map<String, Value>>,
}

impl RequestBody for ProjectCreate {}

/// Changes to a project: absent fields keep their value; metadata keys are laid over the stored ones.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectPatch {
    /// Display name, 1 to 200 characters.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(chars, min = 1, max = 200), custom(no_nul)))]
    pub name: Option<String>,
    /// Free text, at most 10,000 characters; may be empty.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(chars, max = 10_000), custom(no_nul)))]
    pub description: Option<String>,
    /// Icon name.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(chars, min = 1, max = 100), custom(no_nul)))]
    pub icon: Option<String>,
    /// Colour name.
    #[serde(default, deserialize_with = "not_null")]
    #[garde(inner(length(chars, min = 1, max = 100), custom(no_nul)))]
    pub color: Option<String>,
    /// Keys to lay over the stored metadata.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Option<Object>)]
    #[garde(inner(custom(is_metadata)))]
    pub metadata: Option<Map<String, Value>>,
}

impl RequestBody for ProjectPatch {}

/// Refuses NUL characters, which PostgreSQL cannot store.
///
/// # Errors
/// When there is one.
pub fn no_nul(text: &str, (): &()) -> garde::Result {
    if text.contains('\0') { Err(garde::Error::new("must not contain NUL characters")) } else { Ok(()) }
}

fn is_metadata(sent: &Map<String, Value>, (): &()) -> garde::Result {
    if let Some(problem) = projects::metadata_problems(sent).first() {
        return Err(garde::Error::new(format!("{}: {}", problem.key, problem.message)));
    }
    // The escaped form is what is measured and what would hold a NUL, in keys and in values.
    let text = serde_json::to_string(sent).map_err(|_error| garde::Error::new("must be JSON"))?;
    if text.len() > METADATA_BYTES_MAX {
        return Err(garde::Error::new(format!("must be at most {METADATA_BYTES_MAX} bytes of JSON")));
    }
    if text.contains("\\u0000") && contains_nul(&Value::Object(sent.clone())) {
        return Err(garde::Error::new("must not contain NUL characters"));
    }
    Ok(())
}

pub(crate) fn contains_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(contains_nul),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains('\0') || contains_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
