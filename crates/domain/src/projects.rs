//! Projects, their phases and the normalisation of their metadata.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ProjectId, UserId};

/// A step of the main job as the frontend shows it. The server stores and normalises phases; it enforces no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Phase {
    /// Bring data in.
    Upload,
    /// Look at it.
    DataViewer,
    /// Clean it.
    Preprocessing,
    /// Derive columns.
    FeatureEngineering,
    /// Train models.
    Training,
    /// Compare and explain them.
    Experiments,
    /// Serve the best one.
    Deployment,
    /// Free-form notebooks.
    Notebook,
}

impl Phase {
    /// Every phase, in the order of the main job.
    pub const ALL: [Self; 8] = [
        Self::Upload,
        Self::DataViewer,
        Self::Preprocessing,
        Self::FeatureEngineering,
        Self::Training,
        Self::Experiments,
        Self::Deployment,
        Self::Notebook,
    ];

    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::DataViewer => "data-viewer",
            Self::Preprocessing => "preprocessing",
            Self::FeatureEngineering => "feature-engineering",
            Self::Training => "training",
            Self::Experiments => "experiments",
            Self::Deployment => "deployment",
            Self::Notebook => "notebook",
        }
    }

    /// Reads a sent or stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == name)
    }
}

/// A project: one owner, any number of datasets, documents, notebooks, models and deployments.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// Identity.
    pub id: ProjectId,
    /// The one user who can see it.
    pub owner_id: UserId,
    /// Display name, not empty.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Icon name, chosen by the frontend.
    pub icon: String,
    /// Colour name, chosen by the frontend.
    pub color: String,
    /// Phase state and whatever the frontend keeps with a project.
    pub metadata: ProjectMetadata,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// One rule that project metadata broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataProblem {
    /// The key inside `metadata`.
    pub key: &'static str,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// Longest `customInstructions`, characters.
pub const CUSTOM_INSTRUCTIONS_CHARS_MAX: usize = 5_000;
/// Longest `projectPlan`, characters.
pub const PROJECT_PLAN_CHARS_MAX: usize = 50_000;
/// Longest `projectPlanName`, characters.
pub const PROJECT_PLAN_NAME_CHARS_MAX: usize = 200;
/// Largest stored metadata object, bytes of JSON.
pub const METADATA_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Project metadata in normal form: phase keys valid and consistent, every other key as the client sent it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct ProjectMetadata(Map<String, Value>);

impl Default for ProjectMetadata {
    fn default() -> Self {
        Self::normalized(Map::new())
    }
}

impl ProjectMetadata {
    /// Brings stored or checked metadata into normal form (contract 1, section 6). Unknown phases are left out.
    #[must_use]
    pub fn normalized(mut raw: Map<String, Value>) -> Self {
        let phases = |value: Option<&Value>| -> Option<Vec<Phase>> {
            let names = value?.as_array()?;
            Some(names.iter().filter_map(|name| Phase::from_name(name.as_str()?)).collect())
        };
        let mut unlocked = phases(raw.get("unlockedPhases")).unwrap_or_else(|| vec![Phase::Upload]);
        let completed: Vec<Phase> =
            phases(raw.get("completedPhases")).unwrap_or_default().into_iter().filter(|phase| unlocked.contains(phase)).collect();
        let current = raw.get("currentPhase").and_then(Value::as_str).and_then(Phase::from_name).unwrap_or(Phase::Upload);
        unlocked.extend([current, Phase::Upload]);

        raw.insert("unlockedPhases".into(), phase_names(&unlocked));
        raw.insert("completedPhases".into(), phase_names(&completed));
        raw.insert("currentPhase".into(), current.as_str().into());
        if !raw.get("customInstructions").is_some_and(Value::is_string) {
            raw.insert("customInstructions".into(), "".into());
        }
        Self(raw)
    }

    /// Lays `changes` over the stored keys (a shallow merge, as the contract says) and normalises the result.
    #[must_use]
    pub fn merged(mut self, changes: Map<String, Value>) -> Self {
        self.0.extend(changes);
        Self::normalized(self.0)
    }

    /// The JSON object.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The JSON object, by value.
    #[must_use]
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

/// Lists every rule that metadata sent by a client breaks; empty means that it may be stored.
#[must_use]
pub fn metadata_problems(sent: &Map<String, Value>) -> Vec<MetadataProblem> {
    let known = Phase::ALL.map(Phase::as_str).join(", ");
    let mut problems = Vec::new();
    for key in ["unlockedPhases", "completedPhases"] {
        let ok = sent.get(key).is_none_or(|value| {
            value.as_array().is_some_and(|names| names.iter().all(|name| name.as_str().and_then(Phase::from_name).is_some()))
        });
        if !ok {
            problems.push(MetadataProblem { key, message: format!("must be a list of phases ({known})") });
        }
    }
    if sent.get("currentPhase").is_some_and(|value| value.as_str().and_then(Phase::from_name).is_none()) {
        problems.push(MetadataProblem { key: "currentPhase", message: format!("must be one of {known}") });
    }
    for (key, chars_max) in [
        ("customInstructions", CUSTOM_INSTRUCTIONS_CHARS_MAX),
        ("projectPlan", PROJECT_PLAN_CHARS_MAX),
        ("projectPlanName", PROJECT_PLAN_NAME_CHARS_MAX),
    ] {
        // Null is let through for the plan keys: the frontend clears a plan that way.
        let ok = match sent.get(key) {
            None => true,
            Some(Value::Null) => key != "customInstructions",
            Some(value) => value.as_str().is_some_and(|text| text.chars().count() <= chars_max),
        };
        if !ok {
            problems.push(MetadataProblem { key, message: format!("must be text of at most {chars_max} characters") });
        }
    }
    problems
}

fn phase_names(phases: &[Phase]) -> Value {
    let mut names: Vec<Value> = Vec::with_capacity(phases.len());
    for phase in phases {
        if !names.iter().any(|name| name.as_str() == Some(phase.as_str())) {
            names.push(phase.as_str().into());
        }
    }
    Value::Array(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "the cases read better")]
    fn check(input: Value, expected: Value) {
        let Value::Object(map) = input else { panic!("an object is needed") };
        assert_eq!(serde_json::to_value(ProjectMetadata::normalized(map)).unwrap(), expected);
    }

    #[test]
    fn normalises_phases_and_keeps_other_keys() {
        check(
            json!({}),
            json!({"unlockedPhases": ["upload"], "completedPhases": [], "currentPhase": "upload", "customInstructions": ""}),
        );
        check(
            json!({"unlockedPhases": ["training", "nonsense", "training"], "completedPhases": ["training", "upload"], "currentPhase": "experiments", "customColor": "#fff"}),
            json!({"unlockedPhases": ["training", "experiments", "upload"], "completedPhases": ["training"], "currentPhase": "experiments", "customColor": "#fff", "customInstructions": ""}),
        );
    }

    #[test]
    fn normalising_twice_changes_nothing() {
        let Value::Object(raw) =
            json!({"unlockedPhases": ["upload", "notebook"], "completedPhases": ["notebook"], "currentPhase": 7, "plans": [1]})
        else {
            panic!("an object is needed")
        };
        let once = ProjectMetadata::normalized(raw);
        assert_eq!(ProjectMetadata::normalized(once.clone().into_map()), once);
    }

    #[test]
    fn names_each_broken_rule() {
        let Value::Object(sent) =
            json!({"unlockedPhases": ["x"], "currentPhase": "y", "customInstructions": "a".repeat(5001), "projectPlan": 3})
        else {
            panic!("an object is needed")
        };
        let keys: Vec<_> = metadata_problems(&sent).into_iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["unlockedPhases", "currentPhase", "customInstructions", "projectPlan"]);
        assert!(metadata_problems(&Map::new()).is_empty());
    }
}
