//! Tools for programs from outside, which bring a model of their own (MCP): what the main job needs beside the tools of
//! agents. Like those, each is a schema that comes from its arguments, and the embedder runs it.

pub mod args;

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use self::args::{
    CreateProjectArgs, DeployModelArgs, EvaluateModelArgs, JobArgs, ListJobsArgs, ModelArgs, NoArgs, PredictArgs, RunSqlArgs,
    TrainModelArgs, UploadArgs,
};
use super::schema::{ArgsError, checked, schema_of};

/// Names the tools.
macro_rules! outside_tools {
    ($($(#[$doc:meta])* $tool:ident = $name:literal,)+) => {
        /// A tool for programs from outside.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum OutsideTool { $($(#[$doc])* $tool,)+ }

        impl OutsideTool {
            /// Every tool, in the order of the main job.
            pub const ALL: &'static [Self] = &[$(Self::$tool,)+];

            /// Its name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$tool => $name,)+ }
            }
        }
    };
}

outside_tools! {
    /// Lists the caller's projects.
    ListProjects = "list_projects",
    /// Makes a project.
    CreateProject = "create_project",
    /// Makes a dataset of a text.
    UploadDataset = "upload_dataset",
    /// Makes a document of a text.
    UploadDocument = "upload_document",
    /// Runs a statement over the datasets.
    RunSql = "run_sql",
    /// Lists what can be trained.
    ListModelTemplates = "list_model_templates",
    /// Trains a model.
    TrainModel = "train_model",
    /// Lists models.
    ListModels = "list_models",
    /// Reads a model.
    GetModel = "get_model",
    /// Evaluates a model.
    EvaluateModel = "evaluate_model",
    /// Deploys a model.
    DeployModel = "deploy_model",
    /// Lists deployments.
    ListDeployments = "list_deployments",
    /// Asks a deployment.
    Predict = "predict",
    /// Lists jobs.
    ListJobs = "list_jobs",
    /// Reads a job.
    GetJob = "get_job",
    /// Stops a job.
    CancelJob = "cancel_job",
}

/// What a tool does to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Reads,
    /// Adds to it.
    Adds,
    /// Ends something.
    Ends,
}

/// Whether a tool is about one project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It names the project.
    Project,
    /// It is about all that the caller has, or about nothing of anybody's.
    Account,
}

/// A tool for programs from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct OutsideSpec {
    /// Which it is.
    pub tool: OutsideTool,
    /// What it does and when to use it, for models.
    pub description: &'static str,
    /// What it does to what is there.
    pub effect: Effect,
    /// Whether it names a project.
    pub reach: Reach,
    /// JSON Schema of its arguments (draft 7) but the project.
    arguments: Value,
}

impl OutsideSpec {
    /// JSON Schema of its arguments (draft 7), the project among them: an object that refuses what it does not know.
    #[must_use]
    pub fn parameters(&self) -> Value {
        let mut schema = self.arguments.clone();
        if self.reach == Reach::Account {
            return schema;
        }
        let Some(fields) = schema.as_object_mut() else { return schema };
        if let Some(Value::Object(properties)) = fields.get_mut("properties") {
            properties.insert("projectId".into(), json!({ "type": "string", "minLength": 1, "description": "The project." }));
        }
        if let Some(Value::Array(required)) = fields.get_mut("required") {
            required.insert(0, "projectId".into());
        }
        schema
    }

    /// Checks arguments, those of the project left out, and gives them with what is meant without doubt put right.
    ///
    /// # Errors
    /// Which argument is wrong, and why.
    pub fn check(&self, args: &Map<String, Value>) -> Result<Map<String, Value>, ArgsError> {
        let theirs = args.iter().filter(|(key, _)| self.reach == Reach::Account || *key != "projectId");
        let theirs: Map<String, Value> = theirs.map(|(key, value)| (key.clone(), value.clone())).collect();
        match checked(Value::Object(theirs), &self.arguments)? {
            Value::Object(taken) => Ok(taken),
            _ => Err(ArgsError::new("arguments", "must be an object")),
        }
    }
}

static SPECS: LazyLock<Vec<OutsideSpec>> = LazyLock::new(|| {
    let groups = [data(), models(), jobs()];
    groups.into_iter().flatten().collect()
});

/// Every tool, in the order of the main job.
#[must_use]
pub fn specs() -> &'static [OutsideSpec] {
    &SPECS
}

/// A tool by its name.
#[must_use]
pub fn find(name: &str) -> Option<&'static OutsideSpec> {
    SPECS.iter().find(|spec| spec.tool.as_str() == name)
}

/// Reads arguments that [`OutsideSpec::check`] gave.
///
/// # Errors
/// When they are another tool's.
pub fn read<A: DeserializeOwned>(taken: Map<String, Value>) -> Result<A, ArgsError> {
    serde_json::from_value(Value::Object(taken)).map_err(|error| ArgsError::new("arguments", format!("cannot be read: {error}")))
}

fn spec<A: JsonSchema>(tool: OutsideTool, effect: Effect, reach: Reach, description: &'static str) -> OutsideSpec {
    OutsideSpec { tool, description, effect, reach, arguments: schema_of::<A>() }
}

fn data() -> Vec<OutsideSpec> {
    use OutsideTool::{CreateProject, ListProjects, RunSql, UploadDataset, UploadDocument};
    vec![
        spec::<NoArgs>(ListProjects, Effect::Reads, Reach::Account, "Lists your projects. Almost every tool works in one."),
        spec::<CreateProjectArgs>(CreateProject, Effect::Adds, Reach::Account, "Makes a project, and gives its id."),
        spec::<UploadArgs>(
            UploadDataset,
            Effect::Adds,
            Reach::Project,
            "Makes a dataset of CSV, TSV, JSON or NDJSON text. Files at an address are not fetched; larger files are uploaded \
             over HTTP at /api/upload/dataset.",
        ),
        spec::<UploadArgs>(
            UploadDocument,
            Effect::Adds,
            Reach::Project,
            "Makes a document of text, Markdown or HTML, for search_documents to find passages in.",
        ),
        spec::<RunSqlArgs>(
            RunSql,
            Effect::Reads,
            Reach::Project,
            "Runs one read-only SQL statement (PostgreSQL's spelling) over the datasets of the project. The profile of a \
             dataset tells the name of its table.",
        ),
    ]
}

fn models() -> Vec<OutsideSpec> {
    use OutsideTool::{
        DeployModel, EvaluateModel, GetModel, ListDeployments, ListModelTemplates, ListModels, Predict, TrainModel,
    };
    vec![
        spec::<NoArgs>(
            ListModelTemplates,
            Effect::Reads,
            Reach::Account,
            "Lists what can be trained: templates with their tasks and parameters.",
        ),
        spec::<TrainModelArgs>(
            TrainModel,
            Effect::Adds,
            Reach::Project,
            "Trains a model on a dataset and scores it on rows that the server holds out. It may take minutes: with `wait` false \
             it gives a job at once, to be followed with get_job.",
        ),
        spec::<NoArgs>(ListModels, Effect::Reads, Reach::Project, "Lists the models of the project with their scores."),
        spec::<ModelArgs>(GetModel, Effect::Reads, Reach::Project, "Reads a model: scores, columns, parameters, origin."),
        spec::<EvaluateModelArgs>(
            EvaluateModel,
            Effect::Adds,
            Reach::Project,
            "Gives a model's evaluation: metrics, cross-validation, importances, curves. It is computed when it is not there.",
        ),
        spec::<DeployModelArgs>(
            DeployModel,
            Effect::Adds,
            Reach::Project,
            "Deploys a model, and gives the deployment when it answers.",
        ),
        spec::<NoArgs>(ListDeployments, Effect::Reads, Reach::Project, "Lists the deployments of the project, newest first."),
        spec::<PredictArgs>(
            Predict,
            Effect::Adds,
            Reach::Project,
            "Asks a deployment for predictions. It counts and is logged like any request for predictions.",
        ),
    ]
}

fn jobs() -> Vec<OutsideSpec> {
    use OutsideTool::{CancelJob, GetJob, ListJobs};
    vec![
        spec::<ListJobsArgs>(ListJobs, Effect::Reads, Reach::Project, "Lists the jobs of the project, newest first."),
        spec::<JobArgs>(GetJob, Effect::Reads, Reach::Project, "Tells how far a job has come, and what it made."),
        spec::<JobArgs>(CancelJob, Effect::Ends, Reach::Project, "Asks a job to stop. One that has ended stays as it is."),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::tools::registry;

    fn check(name: &str, args: Value) -> Result<Map<String, Value>, String> {
        let Value::Object(args) = args else { panic!("{args} is no object") };
        find(name).unwrap().check(&args).map_err(|error| error.to_string())
    }

    #[test]
    fn every_tool_is_described_once_and_none_is_an_agents_too() {
        let names: BTreeSet<&str> = specs().iter().map(|spec| spec.tool.as_str()).collect();
        assert_eq!(names.len(), OutsideTool::ALL.len());
        assert_eq!(specs().len(), OutsideTool::ALL.len());
        assert!(registry::specs().iter().all(|agents| !names.contains(agents.name)));
        assert_eq!(find("nothing"), None);
    }

    #[test]
    fn schemas_name_the_project_where_there_is_one() {
        for spec in specs() {
            let schema = spec.parameters();
            let named = schema["properties"].get("projectId").is_some();
            assert_eq!(named, spec.reach == Reach::Project, "{}", spec.tool.as_str());
            assert_eq!(schema["required"][0] == "projectId", named, "{}", spec.tool.as_str());
            assert_eq!((&schema["type"], &schema["additionalProperties"]), (&json!("object"), &json!(false)));
            assert!(!schema.to_string().contains("$ref"), "{schema}");
        }
    }

    #[test]
    fn wrong_arguments_are_named() {
        let model = uuid::Uuid::new_v4().to_string();
        for (name, args, refused) in [
            ("run_sql", json!({ "projectId": "p" }), Some("`sql` is required")),
            ("run_sql", json!({ "projectId": "p", "sql": 7 }), None),
            ("run_sql", json!({ "projectId": "p", "sql": "select 1", "limit": 3 }), Some("`limit` is unknown")),
            ("list_projects", json!({ "projectId": "p" }), Some("`projectId` is unknown")),
            ("get_model", json!({ "modelId": "x" }), Some("`modelId` must be the id of one")),
            ("get_model", json!({ "modelId": model }), None),
            ("predict", json!({ "deploymentId": model, "rows": [] }), Some("`rows` must not be empty")),
            ("predict", json!({ "deploymentId": model, "rows": { "a": null } }), None),
            ("train_model", json!({ "datasetId": "d", "templateId": "t", "testSize": "0.3", "wait": false }), None),
            (
                "train_model",
                json!({ "datasetId": "d", "templateId": "t", "problemType": "guess" }),
                Some("`problemType` must be one of"),
            ),
        ] {
            match (check(name, args.clone()), refused) {
                (Ok(_), None) => {}
                (Err(error), Some(refused)) => assert!(error.starts_with(refused), "{name} {args}: {error}"),
                (found, _) => panic!("{name} {args}: {found:?}"),
            }
        }
    }

    #[test]
    fn one_row_is_a_list_of_rows_and_keeps_what_is_missing() {
        let id = uuid::Uuid::new_v4().to_string();
        let taken = check("predict", json!({ "deploymentId": id, "rows": { "a": null, "b": 1 } })).unwrap();
        let args: PredictArgs = read(taken).unwrap();
        assert_eq!(args.rows, [json!({ "a": null, "b": 1 }).as_object().unwrap().clone()]);
    }
}
