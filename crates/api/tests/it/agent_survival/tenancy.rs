//! Every tool, with the ids of another tenant's and another project's things in every argument that takes an id. Tools and
//! arguments come from the registry, so a new one is tried by itself.

use std::collections::BTreeSet;

use gristmill_api::agent::ServerTools;
use gristmill_domain::{
    Caller, JobId,
    workflows::{ToolName, WorkflowRunId},
};
use gristmill_workflow::tools::{
    ToolContext, ToolHost, ToolOutput,
    registry::{self, ToolGroup, ToolSpec},
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    context_of,
    picture::{cells, datasets, plain},
};
use crate::{
    notebooks::{cell, notebook},
    preprocessing::caller_of,
    support::{Client, TestApp},
    tenancy::things_of,
};

/// What the server adds to arguments, and what callers from outside name beside them.
const ADDED: [&str; 4] = ["projectId", "datasetId", "notebookId", "runId"];

/// Somebody with a project that has one of everything, and an agent that works there.
struct Tenant<'c> {
    client: &'c Client,
    caller: Caller,
    run: String,
    /// By the name of the arguments that take them.
    ids: Vec<(&'static str, String)>,
}

async fn call(app: &TestApp, context: &ToolContext, tool: ToolName, args: &Value) -> ToolOutput {
    ServerTools::new(app.server.state().clone()).run(context, tool, args.as_object().unwrap()).await
}

impl<'c> Tenant<'c> {
    /// Whatever is the tenant's is named after `word`.
    async fn new(app: &TestApp, client: &'c Client, project: String, word: &str) -> Self {
        let rows = format!("name,{word},age\nada,10,1\nbob,25,2\ncyd,31,5\n");
        let dataset = client.dataset(&project, &format!("{word}.csv"), rows).await["datasetId"].as_str().unwrap().to_owned();
        let notebook = notebook(client, &project, &json!({})).await;
        let cell = cell(client, &notebook, &format!("{word} = 1")).await;
        let (job, run) = (JobId::random(), Uuid::new_v4().to_string());
        let caller = Caller::of_job(caller_of(client).await.user_id, job);
        let sql = format!(
            "insert into workflow_runs
                 (run_id, project_id, thread_id, phase, status, current_node, active_dataset_id, turn_job_id, event_seq)
             values ('{run}', '{project}', '{word}', 'training', 'running', '{word}', '{dataset}', '{job}', 1);
             insert into workflow_events (run_id, sequence, event_type, payload)
             values ('{run}', 1, 'workflow_turn_started', '{{\"prompt\": \"{word}\"}}')"
        );
        app.database.client().await.unwrap().batch_execute(&sql).await.unwrap();
        let ids = vec![
            ("projectId", project),
            ("datasetId", dataset),
            ("notebookId", notebook),
            ("cellId", cell),
            ("runId", run.clone()),
        ];
        let mut tenant = Self { client, caller, run, ids };
        tenant.work(app, word).await;
        tenant
    }

    /// Has the agent make a step, a checkpoint, a feature and an experiment.
    async fn work(&mut self, app: &TestApp, word: &str) {
        let step = json!({ "title": format!("Cap the {word}"), "intentType": "cap_outliers" });
        let feature = json!({
            "featureName": format!("{word}_log"), "method": "log1p_transform", "rationale": word, "sourceColumns": [word],
        });
        let experiment = json!({
            "experimentName": word, "modelType": "linear_regression", "taskType": "regression", "splitStrategy": "train_test",
            "targetColumn": word,
        });
        for (tool, args, name) in [
            (ToolName::ProposeTransformationStep, step, "stepId"),
            (ToolName::CheckpointDataset, json!({ "label": word }), "checkpointId"),
            (ToolName::ProposeFeature, feature, "featureId"),
            (ToolName::ConfigureExperiment, experiment, "experimentId"),
        ] {
            let made = call(app, &self.context(), tool, &args).await;
            let output = made.output.clone().unwrap_or_default();
            let id = output[name].as_str().unwrap_or_else(|| panic!("{tool:?}: {made:?}"));
            self.ids.push((name, id.to_owned()));
            if let Some(run) = output["runId"].as_str() {
                self.ids.push(("runId", run.to_owned()));
            }
        }
    }

    /// The first of a kind.
    fn id(&self, kind: &str) -> &str {
        self.ids.iter().find(|(name, _)| *name == kind).map_or_else(|| panic!("no {kind}"), |(_, id)| id.as_str())
    }

    /// Where the agent works, for a call under a key of its own.
    fn context(&self) -> ToolContext {
        ToolContext {
            run: WorkflowRunId::parse(&self.run),
            dataset: Some(self.id("datasetId").parse().unwrap()),
            notebook: Some(self.id("notebookId").parse().unwrap()),
            ..context_of(&self.caller, self.id("projectId"), &Uuid::new_v4().to_string())
        }
    }

    /// All that somebody could have changed.
    async fn state(&self) -> Value {
        let (client, project) = (self.client, self.id("projectId"));
        let mut state = vec![json!(cells(client, project).await), json!(datasets(client, project).await)];
        for list in ["preprocessing/runs", "feature-engineering/runs", "documents", "workflows"] {
            let listed = client.get(&format!("/api/{list}?projectId={project}")).await.expect(200);
            for run in listed["runs"].as_array().into_iter().flatten() {
                state.push(client.get(&format!("/api/{}/{}", list, run["runId"].as_str().unwrap())).await.expect(200));
            }
            state.push(listed);
        }
        for (list, id) in [("models", "modelId"), ("deployments", "deploymentId")] {
            let listed = client.get(&format!("/api/{list}?projectId={project}")).await.expect(200);
            state.push(listed[list].as_array().unwrap().iter().map(|one| one[id].clone()).collect());
        }
        json!(state)
    }
}

/// The arguments of a tool that take an id, and whether they take several.
fn id_arguments(spec: &ToolSpec) -> Vec<(String, bool)> {
    let properties = spec.parameters["properties"].as_object().unwrap();
    let is_id = |name: &str, schema: &Value| {
        name.ends_with("Id") || name.ends_with("Ids") || schema["format"] == "uuid" || schema["items"]["format"] == "uuid"
    };
    // A feature's id is given by whoever proposes it.
    let is_given = |name: &str| spec.name == "propose_feature" && name == "featureId";
    let own = properties.iter().filter(|(name, schema)| is_id(name, schema) && !is_given(name));
    own.map(|(name, schema)| (name.clone(), schema["type"] == "array")).collect()
}

/// A value that a schema takes.
fn value_of(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("string") => schema["enum"].get(0).cloned().unwrap_or_else(|| json!("x = 1 + 1  # one")),
        Some("integer") => json!(1),
        Some("number") => json!(0.5),
        Some("boolean") => json!(true),
        Some("array") => json!([value_of(&schema["items"])]),
        Some("object") => json!({ "accuracy": 0.5 }),
        _ => json!("x"),
    }
}

/// The arguments that a tool cannot do without, with the caller's own things.
fn needed(spec: &ToolSpec, tenant: &Tenant<'_>, cell: &str) -> Map<String, Value> {
    let value = |name: &str| {
        let schema = &spec.parameters["properties"][name];
        let own = match name {
            "cellId" | "cellIds" => Some(cell),
            _ => tenant.ids.iter().find(|(kind, _)| *kind == name || format!("{kind}s") == name).map(|(_, id)| id.as_str()),
        };
        match own {
            Some(id) if schema["type"] == "array" => json!([id]),
            Some(id) => json!(id),
            None => value_of(schema),
        }
    };
    let required = spec.parameters["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    required.map(|name| (name.to_owned(), value(name))).collect()
}

/// An id of the same form that names nothing.
fn unknown_like(id: &str) -> String {
    let random = Uuid::new_v4().simple().to_string();
    format!("{}{}", id.get(..id.len() - 12).unwrap(), random.get(..12).unwrap())
}

/// A tool of a tenant's agent with an id in one of its arguments.
struct Trial<'t> {
    app: &'t TestApp,
    tenant: &'t Tenant<'t>,
    spec: &'t ToolSpec,
    base: Map<String, Value>,
    argument: &'t str,
    is_list: bool,
}

impl Trial<'_> {
    async fn with(&self, id: &str) -> ToolOutput {
        let mut args = self.base.clone();
        args.insert(self.argument.to_owned(), if self.is_list { json!([id]) } else { json!(id) });
        call(self.app, &self.tenant.context(), self.spec.tool.unwrap(), &Value::Object(args)).await
    }

    /// Checks that an id of somebody's is as one that is not there. With `in_words`, down to the words.
    async fn is_as_unknown(&self, id: &str, in_words: bool) {
        let unknown = unknown_like(id);
        let told = |output: &ToolOutput, id: &str| {
            let error = output.error.as_ref().map(|error| error.replace(id, "[named]"));
            let reason = output.output.as_ref().map(|output| output["reasonCode"].clone());
            if in_words { plain(json!([error, reason])) } else { json!(error.is_some()) }
        };
        let place = format!("{} with {id} as {}", self.spec.name, self.argument);
        // Whoever comes first may change what is the caller's own; the second time nothing is left to change.
        for is_last in [false, true] {
            let (reached, missed) = (self.with(id).await, self.with(&unknown).await);
            assert!(!format!("{reached:?}").contains("salary"), "{place}: {reached:?}");
            let (reached, missed) = (told(&reached, id), told(&missed, &unknown));
            if reached == missed {
                return;
            }
            assert!(!is_last, "{place}: {reached}, but {missed} for one that is not there");
        }
    }
}

#[actix_web::test]
async fn no_argument_of_any_tool_reaches_another_tenant_or_project() {
    // Nothing has to run, and nothing does.
    let app = TestApp::start_with(&[("RUNTIME_BACKEND", "docker"), ("DOCKER_HOST", "unix:///nowhere.sock")]).await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let things = things_of(&app, &eve).await;
    let mut hers = Tenant::new(&app, &eve, things.project.clone(), "salary").await;
    hers.ids.extend([
        ("datasetId", things.dataset),
        ("documentId", things.document),
        ("jobId", things.job),
        ("modelId", things.model.to_string()),
        ("deploymentId", things.deployment.to_string()),
        ("runId", things.preprocessing),
    ]);
    let elsewhere = Tenant::new(&app, &ada, ada.project("Elsewhere").await, "salary").await;
    let own = Tenant::new(&app, &ada, ada.project("Here").await, "height").await;
    let before = [hers.state().await, elsewhere.state().await];
    let mut tried = BTreeSet::new();
    for spec in registry::specs().iter().filter(|spec| spec.group != ToolGroup::Interaction) {
        let arguments = id_arguments(spec);
        let added = ADDED.iter().filter(|added| arguments.iter().all(|(name, _)| name != *added));
        let added: Vec<(String, bool)> = added.map(|added| ((*added).to_owned(), false)).collect();
        for (argument, is_list) in arguments.iter().chain(&added) {
            // The last one may have deleted it.
            let cell = cell(&ada, own.id("notebookId"), "mine = 1").await;
            let base = needed(spec, &own, &cell);
            let trial = Trial { app: &app, tenant: &own, spec, base, argument, is_list: *is_list };
            // A run of the caller's own in another project may be told apart from none.
            for (tenant, in_words) in [(&hers, true), (&elsewhere, false)] {
                let of_kind = |kind: &str| ADDED.iter().all(|added| added != argument) || kind == argument;
                for (_, id) in tenant.ids.iter().filter(|(kind, _)| of_kind(kind)) {
                    trial.is_as_unknown(id, in_words).await;
                }
            }
            tried.insert((spec.name, argument.clone()));
        }
    }
    let tools: BTreeSet<&str> = tried.iter().map(|(tool, _)| *tool).collect();
    let all = registry::specs().iter().filter(|spec| spec.group != ToolGroup::Interaction).count();
    assert_eq!(tools.len(), all);
    assert!(tried.len() >= ADDED.len() * all, "{tried:?}");
    assert_eq!([hers.state().await, elsewhere.state().await], before, "nothing of theirs was touched");
}
