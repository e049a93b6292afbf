//! The tools of agents that make features, as an agent calls them.

use gristmill_api::{agent::run_general, features::run_tool};
use gristmill_domain::{
    Caller,
    workflows::{Phase, ToolName, WorkflowRunId},
};
use gristmill_workflow::tools::{ToolContext, ToolOutput};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    kernels::running,
    notebooks::{cell, notebook},
};

/// An agent that works on the penguins.
struct Agent {
    lab: Lab,
    caller: Caller,
    notebook: String,
}

const CODE: &str = "df['bill_area'] = df['bill_length_mm'] * df['bill_depth_mm']";

impl Agent {
    async fn new() -> Self {
        Self::over(TestApp::start().await).await
    }

    async fn over(app: TestApp) -> Self {
        let lab = Lab::over(app).await;
        let caller = caller_of(&lab.ada).await;
        let notebook = notebook(&lab.ada, &lab.project, &json!({})).await;
        Self { lab, caller, notebook }
    }

    fn context(&self, key: &str) -> ToolContext {
        ToolContext {
            caller: self.caller.clone(),
            project: self.lab.project.parse().unwrap(),
            run: WorkflowRunId::parse("turn-of-the-agent"),
            phase: Some(Phase::FeatureEngineering),
            dataset: Some(self.lab.dataset.parse().unwrap()),
            notebook: Some(self.notebook.parse().unwrap()),
            key: key.to_owned(),
            is_approved: false,
            stop: CancellationToken::new(),
        }
    }

    async fn call(&self, context: &ToolContext, tool: ToolName, args: Value) -> ToolOutput {
        run_tool(self.lab.app.server.state(), context, tool, args.as_object().unwrap()).await
    }

    /// A call with a key of its own.
    async fn tool(&self, tool: ToolName, args: Value) -> ToolOutput {
        self.call(&self.context(&uuid::Uuid::new_v4().to_string()), tool, args).await
    }

    /// A call that goes well.
    async fn ok(&self, tool: ToolName, args: Value) -> Value {
        let answer = self.tool(tool, args).await;
        assert_eq!(answer.error, None, "{:?}", answer.output);
        answer.output.unwrap()
    }

    /// The words of a call that does not.
    async fn refused(&self, tool: ToolName, args: Value) -> String {
        let answer = self.tool(tool, args).await;
        answer.error.unwrap_or_else(|| panic!("{:?}", answer.output))
    }

    async fn proposed(&self, name: &str, sources: Value) -> String {
        let args =
            json!({ "featureName": name, "method": "square_transform", "rationale": "larger bills", "sourceColumns": sources });
        self.ok(ToolName::ProposeFeature, args).await["featureId"].as_str().unwrap().to_owned()
    }

    async fn coded(&self, feature: &str, code: &str, output: &str) -> Value {
        let args = json!({ "featureId": feature, "code": code, "outputColumns": [output] });
        self.ok(ToolName::MaterializeFeatureCode, args).await
    }

    /// Writes down that a cell ran, as it is now.
    async fn ran(&self, cell: &str, status: &str, output: &str) {
        let sql = format!(
            "update cells set execution_status = '{status}', execution_count = 1, execution_order = 1, is_dirty = false,
                 execution_duration_ms = 5, executed_at = now(), output = '{output}' where cell_id = '{cell}'"
        );
        self.lab.app.database.client().await.unwrap().batch_execute(&sql).await.unwrap();
    }

    /// A feature whose code ran.
    async fn executed(&self, name: &str, code: &str) -> String {
        let feature = self.proposed(name, json!(["bill_length_mm"])).await;
        self.coded(&feature, code, name).await;
        let cell = cell(&self.lab.ada, &self.notebook, code).await;
        self.ran(&cell, "success", "[]").await;
        let done = self.ok(ToolName::ExecuteFeature, json!({ "featureId": feature, "cellId": cell })).await;
        assert_eq!((done["status"].as_str(), done["succeeded"].as_bool()), (Some("ok"), Some(true)), "{done}");
        feature
    }

    async fn runs(&self) -> Value {
        self.lab.ada.get(&format!("/api/feature-engineering/runs?projectId={}", self.lab.project)).await.expect(200)
    }
}

#[actix_web::test]
async fn features_are_proposed_from_columns_that_can_tell_something() {
    let agent = Agent::new().await;
    let propose = |name: &str, method: &str, sources: Value| json!({ "featureName": name, "method": method, "rationale": "why not", "sourceColumns": sources });
    let made = agent.ok(ToolName::ProposeFeature, propose("mass_log", "log1p_transform", json!(["body_mass_g"]))).await;
    assert_eq!(
        (&made["status"], &made["featureName"], &made["method"], &made["impact"], &made["sourceColumns"], &made["rationale"]),
        (
            &json!("proposed"),
            &json!("mass_log"),
            &json!("log1p_transform"),
            &json!("medium"),
            &json!(["body_mass_g"]),
            &json!("why not")
        )
    );
    assert!(made["featureId"].as_str().unwrap().starts_with("feat-") && made["runId"].as_str().unwrap().starts_with("feat-"));
    for (args, words) in [
        (propose("x", "log1p_transform", json!(["wings"])), "The dataset has: species, island"),
        (propose("x", "log1p_transform", json!(["species"])), "holds texts"),
        (propose("x", "log1p_transform", json!([])), "sourceColumns"),
        (propose("x", "ratio", json!(["year"])), "two columns"),
        // Nobody could apply it: the catalog is named.
        (propose("x", "custom", json!(["year"])), "`method` must be one of log_transform, log1p_transform,"),
        (propose("island", "square_transform", json!(["year"])), "already"),
        (propose("mass_log", "square_transform", json!(["year"])), "already"),
        (propose("new_column", "square_transform", json!(["year"])), "no name for a column"),
        (json!({ "method": "square_transform", "rationale": "" }), "featureName"),
        (json!({ "featureName": "x\u{0}", "method": "square_transform", "rationale": "" }), "NUL"),
        (json!({ "featureName": "x", "method": "square_transform", "rationale": "", "featureId": "a, b" }), "featureId"),
    ] {
        let error = agent.refused(ToolName::ProposeFeature, args.clone()).await;
        assert!(error.contains(words), "{args}: {error}");
    }
    // W3: numbers that measure are no identifiers, however distinct they are; keys are.
    let rows: String = (0..60).map(|n| format!("{},{}.5,{}\n", n + 1, n * 17, n % 3)).collect();
    let shop = agent.lab.ada.dataset(&agent.lab.project, "shop.csv", format!("customer_id,spend,plan\n{rows}")).await;
    let of_shop = |source: &str| {
        with(propose(&format!("{source}_x"), "standardize", json!([source])), "datasetId", shop["datasetId"].clone())
    };
    agent.ok(ToolName::ProposeFeature, of_shop("spend")).await;
    let error = agent.refused(ToolName::ProposeFeature, of_shop("customer_id")).await;
    assert!(error.contains("identifier"), "{error}");
    let list = agent.runs().await;
    assert_eq!((list["count"].as_u64(), list["runs"][0]["features"].as_object().unwrap().len()), (Some(1), 2), "{list}");
}

#[actix_web::test]
async fn a_call_that_is_repeated_finds_what_it_did() {
    let agent = Agent::new().await;
    let context = agent.context("call-1");
    let args =
        json!({ "featureName": "bill_area", "method": "square_transform", "rationale": "r", "sourceColumns": ["bill_depth_mm"] });
    let (first, second) = tokio::join!(
        agent.call(&context, ToolName::ProposeFeature, args.clone()),
        agent.call(&context, ToolName::ProposeFeature, args.clone())
    );
    assert_eq!((first.error.as_deref(), &first), (None, &second));
    let id = first.output.unwrap()["featureId"].as_str().unwrap().to_owned();
    agent.coded(&id, CODE, "bill_area").await;
    let third = agent.call(&context, ToolName::ProposeFeature, args).await;
    assert_eq!(third.output.unwrap()["featureId"], id.as_str());
    let runs = agent.runs().await;
    assert_eq!(runs["runs"][0]["features"][&id]["status"], "code_ready", "{runs}");
}

#[actix_web::test]
async fn code_must_make_something() {
    let agent = Agent::new().await;
    let id = agent.proposed("bill_area", json!(["bill_length_mm", "bill_depth_mm"])).await;
    for (code, outputs, words) in [
        ("# df['x'] = 1, nothing else", json!(["x"]), "no statement that uses `df`"),
        ("print('df is nice')", json!(["x"]), "no statement that uses `df`"),
        ("df = 1", json!(["x"]), "10"),
        (CODE, json!([]), "outputColumns"),
        (CODE, json!(["new_column"]), "placeholder"),
        (CODE, json!(["species"]), "already"),
    ] {
        let args = json!({ "featureId": id, "code": code, "outputColumns": outputs });
        let error = agent.refused(ToolName::MaterializeFeatureCode, args).await;
        assert!(error.contains(words), "{code} {outputs}: {error}");
    }
    let unknown = json!({ "featureId": "feat-x", "code": CODE, "outputColumns": ["bill_area"] });
    assert!(agent.refused(ToolName::MaterializeFeatureCode, unknown).await.contains("not found"));
    let made = agent.coded(&id, &format!("```python\n{CODE}\n```"), "bill_area").await;
    assert_eq!((&made["status"], &made["codeLength"]), (&json!("ok"), &json!(CODE.len())), "{made}");
    let step = agent.runs().await["runs"][0]["features"][&id].clone();
    assert_eq!((step["code"].as_str(), step["codeHash"].as_str().map(str::len)), (Some(CODE), Some(24)));
}

#[actix_web::test]
async fn how_code_ran_is_the_server_s_own_record() {
    let agent = Agent::new().await;
    let id = agent.proposed("bill_area", json!(["bill_length_mm"])).await;
    let execute = |cell: &str| json!({ "featureId": id, "cellId": cell, "succeeded": true, "stdout": "fine", "executionMs": 1 });
    let cell_id = cell(&agent.lab.ada, &agent.notebook, CODE).await;
    assert!(agent.refused(ToolName::ExecuteFeature, execute(&cell_id)).await.contains("no code"));
    agent.coded(&id, CODE, "bill_area").await;
    let claimed = json!({ "featureId": id, "succeeded": true });
    assert!(agent.refused(ToolName::ExecuteFeature, claimed).await.contains("No cell"), "nothing ran");
    assert!(agent.refused(ToolName::ExecuteFeature, execute(&cell_id)).await.contains("has not run"));
    // W10: a model's word counts for nothing.
    agent.ran(&cell_id, "error", "[{\"type\": \"error\", \"content\": \"KeyError: nope\"}]").await;
    let failed = agent.ok(ToolName::ExecuteFeature, execute(&cell_id)).await;
    assert_eq!(
        (&failed["status"], &failed["succeeded"], &failed["stderr"], &failed["executionMs"], failed.get("stdout")),
        (&json!("failed"), &json!(false), &json!("KeyError: nope"), &json!(5), None),
        "{failed}"
    );
    assert!(agent.refused(ToolName::ValidateFeature, json!({ "featureId": id })).await.contains("must run without an error"));
    // An edit since then is another code; a cell of something else proves nothing.
    agent.ran(&cell_id, "success", "[]").await;
    agent.lab.ada.patch(&format!("/api/cells/{cell_id}"), &json!({ "content": "df['bill_area'] = 1" })).await.expect(200);
    assert!(agent.tool(ToolName::ExecuteFeature, execute(&cell_id)).await.error.is_some());
    let other = cell(&agent.lab.ada, &agent.notebook, "print('hello')").await;
    agent.ran(&other, "success", "[]").await;
    assert!(agent.refused(ToolName::ExecuteFeature, execute(&other)).await.contains("does not have the code"));
    // Neither does a cell of another project.
    let elsewhere = agent.lab.ada.project("Other").await;
    let foreign = cell(&agent.lab.ada, &notebook(&agent.lab.ada, &elsewhere, &json!({})).await, CODE).await;
    agent.ran(&foreign, "success", "[]").await;
    assert!(agent.refused(ToolName::ExecuteFeature, execute(&foreign)).await.contains("not found"));
    // A cell that is marked as the feature's counts as edited by a person: its code is the feature's from then on.
    let edited = "df['bill_area'] = df['bill_length_mm'] ** 2";
    let write = json!({ "content": edited, "metadata": { "featureId": id } });
    let state = agent.lab.app.server.state();
    let marked = run_general(state, &agent.context("write"), ToolName::WriteCell, write.as_object().unwrap()).await;
    let marked = marked.output.unwrap_or_else(|| panic!("{:?}", marked.error));
    agent.ran(marked["cellId"].as_str().unwrap(), "success", "[]").await;
    let done = agent.ok(ToolName::ExecuteFeature, json!({ "featureId": id })).await;
    assert_eq!((&done["status"], &agent.runs().await["runs"][0]["features"][&id]["code"]), (&json!("ok"), &json!(edited)));
    let again = agent.executed("bill_length", "df['bill_length'] = df['bill_length_mm'] / 10").await;
    assert!(agent.refused(ToolName::RegisterFeature, json!({ "featureId": again })).await.contains("validate_feature"));
}

#[actix_web::test]
async fn features_are_measured_before_they_are_kept() {
    let agent = Agent::over(running(&[]).await).await;
    let area = agent.executed("bill_area", CODE).await;
    let context = ToolContext { run: None, ..agent.context("measure-1") };
    let claims = json!({
        "featureId": area, "targetColumn": "body_mass_g", "nullRate": 0.5, "correlationWithTarget": 0.99, "leakageRisk": "none",
    });
    let measured = agent.call(&context, ToolName::ValidateFeature, claims.clone()).await.output.unwrap();
    let found = &measured["validation"];
    let source = Rows::of(PENGUINS);
    let product = |(long, deep): (&Option<f64>, &Option<f64>)| Some((*long)? * (*deep)?);
    let areas: Vec<_> = source.numbers("bill_length_mm").iter().zip(&source.numbers("bill_depth_mm")).map(product).collect();
    let known: Vec<(f64, f64)> =
        areas.iter().zip(source.numbers("body_mass_g")).filter_map(|(area, mass)| Some(((*area)?, mass?))).collect();
    let (x, y) = (mean(known.iter().map(|one| one.0)), mean(known.iter().map(|one| one.1)));
    let sum = |of: &dyn Fn(&(f64, f64)) -> f64| known.iter().map(of).sum::<f64>();
    let correlation =
        sum(&|one| (one.0 - x) * (one.1 - y)) / (sum(&|one| (one.0 - x).powi(2)) * sum(&|one| (one.1 - y).powi(2))).sqrt();
    assert_close(
        &[found["correlationWithTarget"].as_f64(), found["nullRate"].as_f64()],
        &[Some(correlation), Some(2.0 / 344.0)],
        "measured",
    );
    assert_eq!((&found["leakageRisk"], &measured["requiresApproval"]), (&json!("none"), &json!(false)), "{measured}");
    assert!(found["distributionNotes"].as_str().unwrap().contains("The model said a null rate of 0.5"), "{measured}");
    let again = agent.call(&context, ToolName::ValidateFeature, claims).await;
    assert_eq!(again.output.as_ref(), Some(&measured), "a repeated call does not measure again");

    // What is made from the target is found out, whatever the model says, and kept only when a person says so.
    let leak = agent.executed("leak", "df['leak'] = df.groupby('island')['body_mass_g'].transform('mean')").await;
    let args = json!({ "featureId": leak, "targetColumn": "body_mass_g", "leakageRisk": "none" });
    let measured = agent.ok(ToolName::ValidateFeature, args).await;
    assert_eq!(
        (&measured["validation"]["leakageRisk"], &measured["requiresApproval"]),
        (&json!("high"), &json!(true)),
        "{measured}"
    );
    assert!(agent.refused(ToolName::RegisterFeature, json!({ "featureId": leak })).await.contains("tells the target"));
    let no =
        agent.ok(ToolName::RegisterFeature, json!({ "featureId": leak, "approved": false, "rejectionReason": "leaks" })).await;
    assert_eq!((&no["status"], &no["rejectionReason"]), (&json!("rejected"), &json!("leaks")), "{no}");

    // Code that works in a kernel only is not complete; what it is made from may be a feature.
    let needy = agent.executed("needy", "df['needy'] = df['bill_length_mm'] * factor").await;
    let error = agent.refused(ToolName::ValidateFeature, json!({ "featureId": needy })).await;
    assert!(error.contains("NameError") && error.contains("complete"), "{error}");
    let root = agent.executed("area_root", "df['area_root'] = df['bill_area'] ** 0.5").await;
    let measured = agent.ok(ToolName::ValidateFeature, json!({ "featureId": root })).await;
    assert!(measured["validation"]["distributionNotes"].as_str().unwrap().contains("No target column is known"), "{measured}");

    let early = agent.ok(ToolName::CheckpointFeaturePipeline, json!({ "featureIds": [area] })).await;
    assert_eq!(early["status"], "warning", "{early}");
    let kept = agent.ok(ToolName::RegisterFeature, json!({ "featureId": area })).await;
    assert_eq!(
        (&kept["status"], &kept["projectId"], &kept["datasetId"]),
        (&json!("ok"), &json!(agent.lab.project), &json!(agent.lab.dataset))
    );
    let checkpoint = agent.ok(ToolName::CheckpointFeaturePipeline, json!({ "label": "bills" })).await;
    assert_eq!(
        (&checkpoint["status"], &checkpoint["featureIds"], &checkpoint["label"]),
        (&json!("ok"), &json!([area]), &json!("bills"))
    );
    assert!(checkpoint["checkpointId"].as_str().unwrap().starts_with("fe-ckpt-"));

    let path = format!("/api/feature-engineering/runs/{}", checkpoint["runId"].as_str().unwrap());
    let run = agent.lab.ada.get(&path).await.expect(200)["run"].clone();
    assert_eq!(run["lastCheckpointId"], checkpoint["checkpointId"]);
    let step = &run["features"][&area];
    assert_eq!(
        (&step["status"], &step["code"], &step["outputColumns"]),
        (&json!("registered"), &json!(CODE), &json!(["bill_area"])),
        "{run}"
    );
    assert!(
        step["registeredAt"].is_string()
            && step["validation"]["nullRate"].is_f64()
            && step["executionResult"]["succeeded"] == true
    );
    assert_eq!(run["scopeNotebookId"], agent.notebook.as_str());
    // What was registered is what apply makes.
    let applied = agent
        .lab
        .apply(json!([with(feature("bill_area", "square_transform", "year"), "code", step["code"].clone())]), json!({}))
        .await;
    assert_eq!(applied["dataset"]["null_counts"]["bill_area"], 2, "{applied}");
}

/// A fork has the features as they were at its event, and changes those of its own run only.
#[actix_web::test]
async fn a_fork_has_features_of_its_own() {
    let agent = Agent::new().await;
    let sql = async |sql: String| agent.lab.app.database.client().await.unwrap().batch_execute(&sql).await.unwrap();
    // What a call under the run's key did came before the event that tells of it.
    let happened = async |sequence: u32, told: &Value| {
        sql(format!(
            "update workflow_runs set event_seq = {sequence} where run_id = 'fe-1';
             insert into workflow_events values ('fe-1', {sequence}, 'tool_executed', $p${told}$p$::json, clock_timestamp())"
        ))
        .await;
    };
    sql(format!(
        "insert into workflow_runs (run_id, project_id, thread_id, phase, status, current_node)
         values ('fe-1', '{}', 't', 'feature_engineering', 'paused', 'x')",
        agent.lab.project
    ))
    .await;
    let by = |run: &str, key: &str| ToolContext { run: WorkflowRunId::parse(run), ..agent.context(&format!("{run}/{key}")) };
    let propose =
        |name: &str| json!({ "featureName": name, "method": "square_transform", "rationale": "r", "sourceColumns": ["year"] });
    let first = agent.call(&by("fe-1", "1"), ToolName::ProposeFeature, propose("early")).await.output.unwrap();
    happened(1, &first).await;
    let late = agent.call(&by("fe-1", "2"), ToolName::ProposeFeature, propose("late")).await.output.unwrap();
    let code = |feature: &Value| json!({ "featureId": feature, "code": CODE, "outputColumns": ["bill_area"] });
    let coded = agent.call(&by("fe-1", "3"), ToolName::MaterializeFeatureCode, code(&first["featureId"])).await;
    assert_eq!(coded.error, None);

    let ada = &agent.lab.ada;
    let made = ada.post("/api/workflows/fe-1/fork", &json!({ "afterSequence": 1 })).await.expect(201);
    let fork = made["run"]["runId"].as_str().unwrap().to_owned();
    let snapshot = ada.get(&format!("/api/workflows/{fork}")).await.expect(200);
    let told = &snapshot["run"]["events"][0]["payload"];
    assert_ne!(told["runId"], first["runId"], "the fork's events name its own run");
    let features = async |run: &Value| {
        let path = format!("/api/feature-engineering/runs/{}", run.as_str().unwrap());
        ada.get(&path).await.expect(200)["run"]["features"].clone()
    };
    let early = first["featureId"].as_str().unwrap();
    let had = features(&told["runId"]).await;
    assert_eq!((had.as_object().unwrap().len(), &had[early]["status"]), (1, &json!("proposed")), "{had}");

    let own = agent.call(&by(&fork, "1"), ToolName::ProposeFeature, propose("own")).await.output.unwrap();
    assert_eq!(own["runId"], told["runId"]);
    // A model may name the run that it read of.
    let mut more = propose("more");
    more["runId"] = first["runId"].clone();
    let own = agent.call(&by(&fork, "2"), ToolName::ProposeFeature, more).await.output.unwrap();
    assert_eq!(own["runId"], told["runId"]);
    let other = agent.call(&by("fe-1", "4"), ToolName::ProposeFeature, propose("later")).await.output.unwrap();
    assert_eq!(other["runId"], first["runId"], "the notebook's run is not the fork's");
    let (of_fork, of_origin) = (features(&told["runId"]).await, features(&first["runId"]).await);
    assert_eq!((of_fork.as_object().unwrap().len(), of_origin.as_object().unwrap().len()), (3, 3), "{of_fork} {of_origin}");
    assert!(of_origin.get(late["featureId"].as_str().unwrap()).is_some() && of_origin[early]["code"] == CODE, "{of_origin}");
}

#[actix_web::test]
async fn runs_are_their_owner_s() {
    let agent = Agent::new().await;
    agent.proposed("bill_area", json!(["bill_length_mm"])).await;
    let run = agent.runs().await["runs"][0]["runId"].as_str().unwrap().to_owned();
    let second = notebook(&agent.lab.ada, &agent.lab.project, &json!({})).await;
    let elsewhere = ToolContext { notebook: Some(second.parse().unwrap()), ..agent.context("second") };
    let args = json!({ "featureName": "x", "method": "square_transform", "rationale": "r", "sourceColumns": ["year"] });
    let made = agent.call(&elsewhere, ToolName::ProposeFeature, args.clone()).await.output.unwrap();
    assert_ne!(made["runId"], run.as_str(), "another notebook has a run of its own");
    let list = agent.runs().await;
    assert_eq!((list["count"].as_u64(), &list["runs"][0]["runId"]), (Some(2), &made["runId"]), "the last changed comes first");
    let ada = &agent.lab.ada;
    let limited = format!("/api/feature-engineering/runs?projectId={}&limit=1", agent.lab.project);
    assert_eq!(ada.get(&limited).await.expect(200)["runs"].as_array().unwrap().len(), 1);
    let limited_to = |limit: u32| format!("?projectId={}&limit={limit}", agent.lab.project);
    for query in [String::new(), "?projectId=x".to_owned(), limited_to(0), limited_to(101)] {
        assert_eq!(ada.get(&format!("/api/feature-engineering/runs{query}")).await.status, 400, "{query}");
    }
    let path = format!("/api/feature-engineering/runs/{run}");
    assert_eq!(ada.get(&path).await.expect(200)["run"]["runId"], run.as_str());
    for missing in ["/api/feature-engineering/runs/feat-x".to_owned(), format!("{path}0"), path.replace("feat-", "")] {
        ada.get(&missing).await.refused(404, "feature_run_not_found");
    }
    let bob = agent.lab.app.user("bob").await;
    bob.get(&path).await.refused(404, "feature_run_not_found");
    bob.get(&limited).await.refused(404, "project_not_found");
    let stranger = ToolContext { caller: caller_of(&bob).await, ..agent.context("stranger") };
    for (tool, args) in [
        (ToolName::ProposeFeature, args),
        (ToolName::CheckpointFeaturePipeline, json!({})),
        (ToolName::RegisterFeature, json!({ "featureId": "x", "approved": false, "runId": run })),
    ] {
        let error = agent.call(&stranger, tool, args).await.error.unwrap();
        assert!(error.contains("not found"), "{}: {error}", tool.as_str());
    }
    ada.delete(&format!("/api/projects/{}", agent.lab.project)).await.expect(204);
    ada.get(&path).await.refused(404, "feature_run_not_found");
}
