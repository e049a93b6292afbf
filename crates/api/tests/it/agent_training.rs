//! The tools of trainings as an agent calls them: what they take from recorded outputs and files, and what they refuse.

mod kernel;
mod packages;

use std::{os::unix::fs::symlink, path::PathBuf, sync::Mutex};

use async_trait::async_trait;
use gristmill_api::training::{run_tool, run_tool_over};
use gristmill_domain::{
    Caller, ProjectId,
    ports::StoreError,
    workflows::{Phase, ToolName, WorkflowRunId},
};
use gristmill_workflow::{
    tools::{ToolContext, ToolOutput},
    training::{Change, ExperimentStore, TrainingRun},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    models::{Lab, PENGUINS},
    notebooks::{cell, notebook},
    preprocessing::caller_of,
    support::{Client, TestApp},
};

const COMPLETED: &str = "__TRAIN_START__|1|random_forest\n__TRAIN_COMPLETE__|{\"accuracy\": 0.75}";

/// The experiments of one run, in memory: whose a run is has tests of its own.
#[derive(Debug, Default)]
struct Kept(Mutex<TrainingRun>);

impl Kept {
    fn run(&self) -> TrainingRun {
        self.0.lock().unwrap().clone()
    }

    /// Back to how it was, as if the server had died before it kept what it did since.
    fn set(&self, run: TrainingRun) {
        *self.0.lock().unwrap() = run;
    }
}

#[async_trait]
impl ExperimentStore for Kept {
    async fn load(&self, _caller: &Caller, _project: ProjectId, _run: &WorkflowRunId) -> Result<TrainingRun, StoreError> {
        Ok(self.run())
    }

    async fn update(
        &self,
        _caller: &Caller,
        _project: ProjectId,
        _run: &WorkflowRunId,
        _key: &str,
        change: Change<'_>,
    ) -> Result<ToolOutput, StoreError> {
        let mut run = self.run();
        let changed = change(&run);
        if let Some(experiments) = changed.experiments {
            run.experiments = experiments;
            self.set(run);
        }
        Ok(changed.output)
    }
}

/// A person with a project, the penguins and a notebook, and an agent that works on them.
struct Agent {
    lab: Lab,
    notebook: String,
    caller: Caller,
    kept: Kept,
}

impl Agent {
    /// Where no code runs.
    async fn new() -> Self {
        let app = TestApp::start().await;
        let ada = app.user("ada").await;
        let project = ada.project("Penguins").await;
        let dataset = ada.dataset(&project, "penguins.csv", PENGUINS).await["datasetId"].as_str().unwrap().to_owned();
        Self::over(Lab { app, ada, project, dataset }).await
    }

    async fn over(lab: Lab) -> Self {
        let notebook = notebook(&lab.ada, &lab.project, &json!({})).await;
        let caller = caller_of(&lab.ada).await;
        Self { lab, notebook, caller, kept: Kept::default() }
    }

    fn context(&self, key: &str) -> ToolContext {
        ToolContext {
            caller: self.caller.clone(),
            project: self.lab.project.parse().unwrap(),
            run: WorkflowRunId::parse("run-1"),
            phase: Some(Phase::Training),
            dataset: Some(self.lab.dataset.parse().unwrap()),
            notebook: Some(self.notebook.parse().unwrap()),
            key: key.to_owned(),
            is_approved: false,
            stop: CancellationToken::new(),
        }
    }

    async fn call(&self, context: &ToolContext, tool: ToolName, args: &Value) -> ToolOutput {
        run_tool_over(&self.kept, self.lab.app.server.state(), context, tool, args.as_object().unwrap()).await
    }

    async fn keyed(&self, key: &str, tool: ToolName, args: &Value) -> ToolOutput {
        self.call(&self.context(key), tool, args).await
    }

    /// A call under a key of its own.
    async fn tool(&self, tool: ToolName, args: &Value) -> ToolOutput {
        self.keyed(&uuid::Uuid::new_v4().to_string(), tool, args).await
    }

    /// What a call gives that must succeed.
    async fn give(&self, tool: ToolName, args: &Value) -> Value {
        let output = self.tool(tool, args).await;
        assert_eq!(output.error, None, "{tool:?} {args}");
        output.output.unwrap()
    }

    /// Why a call fails that must fail.
    async fn refuse(&self, tool: ToolName, args: &Value) -> String {
        let output = self.tool(tool, args).await;
        output.error.unwrap_or_else(|| panic!("{tool:?} {args} gave {:?}", output.output))
    }

    /// The arguments that set an experiment up, with these over the usual ones.
    fn experiment(name: &str, extra: &Value) -> Value {
        let mut args = json!({
            "experimentName": name, "modelType": "RandomForestClassifier", "taskType": "classification",
            "splitStrategy": "train_test", "targetColumn": "species",
        });
        args.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        args
    }

    async fn configured(&self, name: &str) -> String {
        let made = self.give(ToolName::ConfigureExperiment, &Self::experiment(name, &json!({}))).await;
        made["experimentId"].as_str().unwrap().to_owned()
    }

    async fn proposed(&self, name: &str) -> String {
        let experiment = self.configured(name).await;
        let args = json!({ "experimentId": experiment, "rationale": "It fits small tables." });
        let plan = self.give(ToolName::ProposeTrainingPlan, &args).await;
        assert_eq!(plan["status"], "awaiting_approval", "{plan}");
        experiment
    }

    /// An experiment whose cell ran, as far as anybody knows, and whose scores are recorded.
    async fn evaluated(&self, name: &str) -> String {
        let experiment = self.proposed(name).await;
        let cell = self.cell("model = train()").await;
        self.ran(&cell, "success", &json!([{ "type": "text", "content": COMPLETED }])).await;
        let args = json!({ "experimentId": experiment, "succeeded": true, "cellIds": [cell] });
        self.give(ToolName::ExecuteTraining, &args).await;
        let args = json!({ "experimentId": experiment, "metrics": { "accuracy": 0.75 } });
        self.give(ToolName::EvaluateResults, &args).await;
        experiment
    }

    async fn cell(&self, content: &str) -> String {
        cell(&self.lab.ada, &self.notebook, content).await
    }

    async fn sql(&self, sql: &str) {
        self.lab.app.database.client().await.unwrap().batch_execute(sql).await.unwrap();
    }

    /// Writes down that a cell ran, as it is now, and what it put out.
    async fn ran(&self, cell: &str, status: &str, output: &Value) {
        self.sql(&format!(
            "update cells set execution_status = '{status}', execution_count = 1, execution_order = 1, is_dirty = false,
                 execution_duration_ms = 5, executed_at = now(), output = '{output}'
             where cell_id = '{cell}'"
        ))
        .await;
    }

    fn workspace(&self) -> PathBuf {
        let workspace = self.lab.app.data_dir.path().join("runtime/projects").join(&self.lab.project).join("workspace");
        std::fs::create_dir_all(&workspace).unwrap();
        workspace
    }

    async fn models(&self) -> Vec<Value> {
        let listed = self.lab.ada.get(&format!("/api/models?projectId={}", self.lab.project)).await.expect(200);
        listed["models"].as_array().unwrap().clone()
    }
}

/// The arguments that register the model of an experiment.
fn registration(experiment: &str, path: &str) -> Value {
    json!({
        "experimentId": experiment, "modelName": "Species", "modelType": "random_forest", "metrics": { "accuracy": 1.0 },
        "artifactPath": path,
    })
}

#[actix_web::test]
async fn an_experiment_is_set_up_once_a_call() {
    let agent = Agent::new().await;
    let columns = json!({ "featureColumns": ["island", "species", "body_mass_g"] });
    let args = Agent::experiment("Forest", &columns);
    let first = agent.keyed("k1", ToolName::ConfigureExperiment, &args).await;
    let made = first.output.clone().unwrap();
    assert_eq!(
        (&made["status"], &made["modelType"], &made["taskType"]),
        (&json!("configured"), &json!("random_forest"), &json!("classification")),
        "{made}"
    );
    assert_eq!(made["featureColumns"], json!(["island", "body_mass_g"]), "nothing is predicted from itself");
    assert_eq!(agent.keyed("k1", ToolName::ConfigureExperiment, &args).await, first, "repeated after a crash");
    assert!(agent.refuse(ToolName::ConfigureExperiment, &args).await.contains("There is an experiment \"Forest\" already"));

    // A turn may set up three; what was refused does not count.
    agent.configured("Second").await;
    agent.configured("Third").await;
    let fourth = agent.tool(ToolName::ConfigureExperiment, &Agent::experiment("Fourth", &json!({}))).await;
    let rejected = fourth.output.unwrap();
    assert_eq!((&rejected["status"], fourth.error.is_some()), (&json!("rejected"), true));
    assert_eq!(rejected["configuredExperiments"].as_array().unwrap().len(), 3, "{rejected}");
    agent.kept.set(TrainingRun { turn: 1, ..agent.kept.run() });
    agent.configured("Fourth").await;
}

#[actix_web::test]
async fn experiments_that_cannot_be_trained_are_refused() {
    let agent = Agent::new().await;
    for (extra, reason) in [
        (json!({ "experimentName": "" }), "Wrong arguments"),
        (json!({ "splitStrategy": "whim" }), "Wrong arguments"),
        (json!({ "splitRatio": 1 }), "Wrong arguments"),
        (json!({ "targetColumn": "gone" }), "has no column \"gone\""),
        (json!({ "targetColumn": " " }), "targetColumn is needed"),
        (json!({ "taskType": "regression", "modelType": "ridge" }), "are for classification"),
        (json!({ "modelType": "linear_regression" }), "is for regression"),
        (json!({ "experimentName": "XGBoost" }), "speaks of xgboost"),
        (json!({ "featureColumns": ["island", "gone"] }), "has no column \"gone\""),
        (json!({ "featureColumns": ["species"] }), "No column is left"),
    ] {
        let refused = agent.refuse(ToolName::ConfigureExperiment, &Agent::experiment("Forest", &extra)).await;
        assert!(refused.contains(reason), "{extra}: {refused}");
    }
    // What the person chose is not changed by what the model says.
    agent.kept.set(TrainingRun { target: Some("island".to_owned()), ..TrainingRun::default() });
    let refused = agent.refuse(ToolName::ConfigureExperiment, &Agent::experiment("Forest", &json!({}))).await;
    assert!(refused.contains("The selected target is \"island\""), "{refused}");
    assert_eq!(agent.kept.run().experiments.all().len(), 0, "nothing was half done");
    for tool in [ToolName::ProposeTrainingPlan, ToolName::EvaluateResults, ToolName::RegisterModel, ToolName::ExecuteTraining] {
        let mut args = registration("Forest", "model.joblib");
        args.as_object_mut().unwrap().extend([("rationale".to_owned(), json!("")), ("succeeded".to_owned(), json!(true))]);
        let known: &[&str] = match tool {
            ToolName::ProposeTrainingPlan => &["experimentId", "rationale"],
            ToolName::EvaluateResults => &["experimentId", "metrics"],
            ToolName::ExecuteTraining => &["experimentId", "succeeded"],
            _ => &["experimentId", "modelName", "modelType", "metrics", "artifactPath"],
        };
        args.as_object_mut().unwrap().retain(|name, _| known.contains(&name.as_str()));
        let refused = agent.refuse(tool, &args).await;
        assert!(refused.contains("There is no experiment yet"), "{tool:?}: {refused}");
    }
}

#[actix_web::test]
async fn scores_are_those_that_cells_printed() {
    let agent = Agent::new().await;
    let experiment = agent.configured("Forest").await;
    let cell = agent.cell("model = train()").await;
    let claim = json!({
        "experimentId": experiment, "succeeded": true, "cellIds": [cell], "metrics": { "accuracy": 0.99, "f1": 0.9 },
    });
    assert!(agent.refuse(ToolName::ExecuteTraining, &claim).await.contains("was not proposed yet"));
    agent.give(ToolName::ProposeTrainingPlan, &json!({ "experimentId": experiment, "rationale": "" })).await;
    assert!(agent.refuse(ToolName::ExecuteTraining, &claim).await.contains("has not run"));
    let scores = json!({ "experimentId": "Forest", "metrics": { "accuracy": 0.99 }, "notes": "Good." });
    assert!(agent.refuse(ToolName::EvaluateResults, &scores).await.contains("No scores"));

    agent.ran(&cell, "success", &json!([{ "type": "text", "content": "done: accuracy 0.99" }])).await;
    assert!(agent.refuse(ToolName::ExecuteTraining, &claim).await.contains("None of the cells printed the completion marker"));
    let printed = json!([{ "type": "text", "content": COMPLETED }, { "type": "text", "content": "bye" }]);
    agent.ran(&cell, "success", &printed).await;
    let trained = agent.give(ToolName::ExecuteTraining, &claim).await;
    assert_eq!(
        (&trained["status"], &trained["metrics"], &trained["ignoredMetrics"], &trained["trainingDurationMs"]),
        (&json!("training"), &json!({ "accuracy": 0.75 }), &json!(["accuracy", "f1"]), &json!(5)),
        "{trained}"
    );
    let evaluated = agent.give(ToolName::EvaluateResults, &scores).await;
    assert_eq!((&evaluated["status"], &evaluated["metrics"]), (&json!("evaluated"), &json!({ "accuracy": 0.75 })));
    assert!(evaluated["message"].as_str().unwrap().contains("ignored: accuracy"), "{evaluated}");

    // Nothing of it was registered: the cells' word is all there is.
    let args = json!({ "experimentIds": ["Forest", "Oak"], "primaryMetric": "accuracy" });
    let compared = agent.give(ToolName::CompareModels, &args).await;
    let first = &compared["comparison"][0];
    assert_eq!((&first["primaryMetricValue"], &first["metricsSource"]), (&json!(0.75), &json!("notebook")), "{compared}");
    assert_eq!((&compared["bestExperiment"], &compared["missingExperiments"]), (&json!(experiment), &json!(["Oak"])));
}

#[actix_web::test]
async fn cells_that_say_nothing_of_a_training_are_not_counted() {
    let agent = Agent::new().await;
    let experiment = agent.proposed("Forest").await;
    let cell = agent.cell("model = train()").await;
    let args = json!({ "experimentId": experiment, "succeeded": true, "cellIds": [cell] });
    let printed = json!([{ "type": "text", "content": COMPLETED }]);
    let metadata = json!({ "trainingDraft": { "experimentId": "exp-other" } });
    for (change, reason) in [
        ("executed_at = now() - interval '1 hour'".to_owned(), "ran before the experiment was set up"),
        ("is_dirty = true".to_owned(), "was changed since it ran"),
        (format!("metadata = '{metadata}'"), "is of another experiment (exp-other)"),
    ] {
        agent.ran(&cell, "success", &printed).await;
        agent.sql(&format!("update cells set {change} where cell_id = '{cell}'")).await;
        let refused = agent.refuse(ToolName::ExecuteTraining, &args).await;
        assert!(refused.contains(reason), "{change}: {refused}");
    }
    assert_eq!(agent.kept.run().experiments.get(&experiment).unwrap().status.as_str(), "proposed");

    // One that failed is told, and can be mended.
    agent.sql(&format!("update cells set metadata = '{{}}' where cell_id = '{cell}'")).await;
    agent.ran(&cell, "error", &json!([{ "type": "error", "content": "ValueError: no such column" }])).await;
    let failed = agent.tool(ToolName::ExecuteTraining, &args).await;
    assert_eq!(failed.error.as_deref(), Some("ValueError: no such column"));
    assert_eq!(failed.output.unwrap()["status"], "failed");
    let scores = json!({ "experimentId": experiment, "metrics": { "accuracy": 1 } });
    assert!(agent.refuse(ToolName::EvaluateResults, &scores).await.contains("No scores"));
    assert!(agent.refuse(ToolName::RegisterModel, &registration(&experiment, "model.joblib")).await.contains("No scores"));
    agent.ran(&cell, "success", &printed).await;
    let unnamed = json!({ "experimentId": experiment, "succeeded": true });
    let trained = agent.give(ToolName::ExecuteTraining, &unnamed).await;
    assert_eq!((&trained["status"], &trained["cellIds"]), (&json!("training"), &json!([cell])), "{trained}");

    // Scores that are no numbers are none.
    agent.ran(&cell, "success", &json!([{ "type": "text", "content": "__TRAIN_COMPLETE__|{\"accuracy\": \"high\"}" }])).await;
    agent.give(ToolName::ExecuteTraining, &args).await;
    assert!(agent.refuse(ToolName::EvaluateResults, &scores).await.contains("printed no score"));
}

#[actix_web::test]
async fn files_that_are_not_the_training_s_are_not_registered() {
    let agent = Agent::new().await;
    let experiment = agent.evaluated("Forest").await;
    let workspace = agent.workspace();
    let secret = agent.lab.app.data_dir.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    symlink(&secret, workspace.join("link.joblib")).unwrap();
    symlink(agent.lab.app.data_dir.path(), workspace.join("linked")).unwrap();
    std::fs::create_dir(workspace.join("directory.joblib")).unwrap();
    let old = std::fs::File::create(workspace.join("old.joblib")).unwrap();
    old.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3600)).unwrap();
    for (path, reason) in [
        ("model.joblib", "There is no file model.joblib"),
        ("old.joblib", "was not written by the cells of \"Forest\""),
        ("/workspace/old.joblib", "was not written by the cells of \"Forest\""),
        ("link.joblib", "cannot be taken"),
        ("directory.joblib", "cannot be taken"),
        ("linked/secret", "cannot be taken"),
        ("../model.joblib", "relative name"),
        ("/etc/passwd", "relative name"),
        (secret.to_str().unwrap(), "relative name"),
        ("old.joblib/x", "There is no file"),
    ] {
        let refused = agent.refuse(ToolName::RegisterModel, &registration(&experiment, path)).await;
        assert!(refused.contains(reason), "{path}: {refused}");
    }
    let mut other = registration(&experiment, "old.joblib");
    other["modelType"] = json!("xgboost");
    assert!(agent.refuse(ToolName::RegisterModel, &other).await.contains("leave it as it was approved"));
    assert_eq!(agent.models().await, Vec::<Value>::new());
    assert_eq!(agent.kept.run().experiments.get(&experiment).unwrap().status.as_str(), "evaluated");
}

#[actix_web::test]
async fn no_call_leads_out_of_the_project() {
    let agent = Agent::new().await;
    let eve = agent.lab.app.user("eve").await;
    let experiment = agent.proposed("Forest").await;
    let args = Agent::experiment("Other", &json!({}));

    // Another user's dataset, another project's, and another user on this one's.
    let mut context = agent.context("k1");
    for client in [&eve, &agent.lab.ada] {
        let project = client.project("Elsewhere").await;
        let dataset = client.dataset(&project, "penguins.csv", PENGUINS).await;
        context.dataset = Some(dataset["datasetId"].as_str().unwrap().parse().unwrap());
        let refused = agent.call(&context, ToolName::ConfigureExperiment, &args).await;
        assert_eq!(refused.error.as_deref(), Some("The dataset is not there"));
    }
    let context = ToolContext { caller: caller_of(&eve).await, ..agent.context("k2") };
    assert_eq!(agent.call(&context, ToolName::ConfigureExperiment, &args).await.error.unwrap(), "The dataset is not there");

    // Cells of others, of another project, of a scratch pad, and one that does not run.
    let text = json!({ "content": "t", "cellType": "markdown" });
    let text = agent.lab.ada.post(&format!("/api/notebooks/{}/cells", agent.notebook), &text).await.expect(201);
    let mut cells = vec![text["cellId"].as_str().unwrap().to_owned(), uuid::Uuid::new_v4().to_string()];
    for (client, project, kind) in places(&agent, &eve).await {
        let notebook = notebook(client, &project, &json!({ "kind": kind })).await;
        let cell = cell(client, &notebook, "secret").await;
        agent.ran(&cell, "success", &json!([{ "type": "text", "content": COMPLETED }])).await;
        cells.push(cell);
    }
    for cell in &cells {
        for succeeded in [true, false] {
            let args = json!({ "experimentId": experiment, "succeeded": succeeded, "cellIds": [cell] });
            let refused = agent.refuse(ToolName::ExecuteTraining, &args).await;
            assert_eq!(refused, format!("Cell {cell} not found"));
        }
    }
    assert_eq!(agent.kept.run().experiments.get(&experiment).unwrap().status.as_str(), "proposed");
}

/// Where what is not the agent's may be: another user's, another project of one's own, and a scratch pad in the same project.
async fn places<'a>(agent: &'a Agent, eve: &'a Client) -> [(&'a Client, String, &'static str); 3] {
    let ada = &agent.lab.ada;
    [
        (eve, eve.project("E").await, "phase"),
        (ada, ada.project("Q").await, "phase"),
        (ada, agent.lab.project.clone(), "standalone"),
    ]
}

#[actix_web::test]
async fn trainings_belong_to_a_run_and_a_dataset() {
    let agent = Agent::new().await;
    let args = Agent::experiment("Forest", &json!({}));
    let context = ToolContext { run: None, ..agent.context("k1") };
    let refused = agent.call(&context, ToolName::ConfigureExperiment, &args).await.error.unwrap();
    assert!(refused.contains("belong to a workflow run"), "{refused}");
    let context = ToolContext { dataset: None, ..agent.context("k1") };
    let refused = agent.call(&context, ToolName::ConfigureExperiment, &args).await.error.unwrap();
    assert!(refused.starts_with("No dataset is selected"), "{refused}");
    let refused = agent.refuse(ToolName::ListCells, &json!({})).await;
    assert!(refused.contains("is no tool of trainings"), "{refused}");

    // Among the stored runs there is none of this name.
    let arguments = args.as_object().unwrap();
    let state = agent.lab.app.server.state();
    let unknown = run_tool(state, &agent.context("k1"), ToolName::ConfigureExperiment, arguments).await;
    assert_eq!(unknown, ToolOutput::failed("The run is not there"));
}
