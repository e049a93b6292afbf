//! An agent's four phases over HTTP on real data, from an upload to a deployed model. The script is that of the evaluation: it
//! makes mistakes that are mended, waits for a person, and says of itself what is not true.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    deployments::{key_of, path_of},
    models::{Lab, lab},
    support::eventually,
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/eval/agent-script.json");
const SET: &str = include_str!("../../../../data/eval/agent-penguins.json");

/// A person, and what the evaluation's set has the person say.
struct Walk {
    lab: Lab,
    set: Value,
}

/// The lines of a turn.
struct Turn(Vec<Value>);

impl Turn {
    #[track_caller]
    fn last(&self, kind: &str) -> &Value {
        self.0.iter().rev().find(|line| line["type"] == kind).unwrap_or_else(|| panic!("no {kind} in {:?}", self.0))
    }

    fn state(&self) -> &Value {
        &self.last("workflow_state")["state"]
    }

    fn run(&self) -> &str {
        self.state()["runId"].as_str().unwrap()
    }

    /// The calls of a tool, each with its result.
    fn calls(&self, tool: &str) -> Vec<&Value> {
        self.0.iter().filter(|line| line["type"] == "tool_executed" && line["call"]["tool"] == tool).collect()
    }

    /// How the cells ran, in order.
    fn runs_of_cells(&self) -> Vec<&str> {
        self.calls("run_cell").into_iter().map(|run| run["result"]["output"]["status"].as_str().unwrap()).collect()
    }

    #[track_caller]
    fn waits_for_approval(&self) {
        let pause = self.last("workflow_pause");
        assert_eq!((&pause["reason"], &pause["ui"]), (&json!("awaiting_approval"), &Value::Null), "{pause}");
        let state = self.state();
        assert_eq!((&state["status"], &state["pendingInputKind"]), (&json!("paused"), &json!("approval")), "{state}");
    }
}

impl Walk {
    /// Sends what the person says, in a run that goes on or in a new one.
    async fn turn(&self, phase: &str, run: Option<&Turn>, said: Value) -> Turn {
        let mut body = said;
        body["projectId"] = json!(self.lab.project);
        body["phase"] = json!(phase);
        if let Some(run) = run {
            body["runId"] = json!(run.run());
        }
        let answer = self.lab.ada.post("/api/workflows/turns/stream", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let lines = answer.text.lines().filter(|line| !line.is_empty());
        let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        let failed = lines.iter().find(|line| line["type"] == "workflow_error");
        assert_eq!(failed, None, "{}", answer.text);
        assert_eq!(lines.last().unwrap()["type"], "done");
        Turn(lines)
    }

    fn prompt(&self, phase: &str) -> &str {
        self.set["prompts"][phase].as_str().unwrap()
    }

    async fn snapshot(&self, turn: &Turn) -> Value {
        self.lab.ada.get(&format!("/api/workflows/{}", turn.run())).await.expect(200)["run"].clone()
    }

    async fn datasets(&self) -> Vec<Value> {
        let list = self.lab.ada.get(&format!("/api/datasets?projectId={}", self.lab.project)).await.expect(200);
        list["datasets"].as_array().unwrap().clone()
    }

    async fn dataset(&self, id: &str) -> Value {
        self.datasets().await.into_iter().find(|dataset| dataset["datasetId"] == id).unwrap()
    }

    async fn models(&self) -> Vec<Value> {
        let list = self.lab.ada.get(&format!("/api/models?projectId={}", self.lab.project)).await.expect(200);
        list["models"].as_array().unwrap().clone()
    }

    async fn count(&self, dataset: &Value, what: &str) -> u64 {
        let sql = format!("select count({what}) as n from {}", dataset["tableName"].as_str().unwrap());
        let answer = self.lab.ada.sql(&self.lab.project, &sql).await.expect(200);
        answer["query"]["rows"][0]["n"].as_u64().unwrap()
    }

    /// The person's decision must be on record.
    async fn assert_approved(&self, turn: &Turn, tool: &str) {
        let snapshot = self.snapshot(turn).await;
        let approvals = snapshot["approvals"].as_array().unwrap();
        assert_eq!(approvals.len(), 1, "{snapshot}");
        let approval = &approvals[0];
        assert_eq!((&approval["approvalType"], &approval["status"]), (&json!(tool), &json!("approved")), "{approval}");
        assert!(approval["resolvedBy"].is_string() && approval["resolvedAt"].is_string(), "{approval}");
    }

    async fn plans(&self) {
        let said = json!({ "userIntent": self.set["intent"], "round": 0 });
        let asked = self.turn("onboarding", None, said.clone()).await;
        let questions = asked.last("workflow_pause")["ui"]["ask_user"]["questions"].as_array().unwrap().clone();
        assert_eq!(questions.len(), 2);
        let answer = |question: &Value, answer: &Value| json!({ "questionId": question["id"], "answer": answer });
        let answers = [answer(&questions[0], &self.set["target"]), answer(&questions[1], &self.set["answers"])];
        let mut said = said;
        said["questionAnswers"] = json!(answers);
        said["round"] = json!(1);
        let planned = self.turn("onboarding", None, said).await;
        assert_eq!(planned.state()["pauseReason"], "plan_ready");
        let artifact = self.snapshot(&planned).await["artifacts"][0].clone();
        assert_eq!(artifact["artifactType"], "plan", "{artifact}");
        let plan = artifact["payload"]["planMarkdown"].as_str().unwrap();
        assert!(plan.starts_with("# ") && plan.contains("species"), "{plan}");
        let metadata = json!({ "metadata": { "projectPlan": plan } });
        self.lab.ada.patch(&format!("/api/projects/{}", self.lab.project), &metadata).await.expect(200);
    }

    /// Returns the dataset without the penguins that nobody measured.
    async fn cleans(&self) -> String {
        let original = self.lab.dataset.as_str();
        let said = |prompt: &str| json!({ "prompt": prompt, "datasetId": original });
        let claimed = self.turn("preprocessing", None, said(self.prompt("preprocessing"))).await;
        let words = claimed.last("artifact_updated")["artifact"]["payload"]["message"].as_str().unwrap();
        assert!(words.contains("342 rows"), "{words}");
        assert_eq!((self.datasets().await.len(), &claimed.state()["activeDatasetId"]), (1, &json!(original)), "only words");

        let worked = self.turn("preprocessing", Some(&claimed), said("Please do it.")).await;
        worked.waits_for_approval();
        assert_eq!(worked.runs_of_cells(), ["error", "success"], "code that failed is mended");
        assert_eq!(worked.calls("materialize_step_code").len(), 2);
        let measured = worked.calls("validate_step_result")[0]["result"]["output"]["step"]["validation"].clone();
        assert_eq!((&measured["rowCountBefore"], &measured["rowCountAfter"]), (&json!(344), &json!(342)), "{measured}");
        assert_eq!(self.datasets().await.len(), 1, "nothing is kept before the person has said yes");

        let kept = self.turn("preprocessing", Some(&worked), said("Yes, go ahead.")).await;
        assert_eq!(kept.state()["status"], "completed");
        self.assert_approved(&kept, "commit_transformation_step").await;
        let derived = kept.state()["activeDatasetId"].as_str().unwrap().to_owned();
        let dataset = self.dataset(&derived).await;
        assert_eq!((&dataset["nRows"], self.count(&dataset, "*").await), (&json!(342), 342), "{dataset}");
        assert_eq!(dataset["metadata"]["derivedFrom"], original);
        derived
    }

    /// Returns a dataset with two features.
    async fn makes_features(&self, cleaned: &str) -> String {
        let said = |prompt: &str| json!({ "prompt": prompt, "datasetId": cleaned, "targetColumn": "species" });
        let proposed = self.turn("feature_engineering", None, said(self.prompt("feature_engineering"))).await;
        let items = proposed.last("artifact_updated")["artifact"]["ui"]["sections"][0]["items"].clone();
        let ids: Vec<&str> = items.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["penguins-bill-ratio", "penguins-mass-per-flipper", "penguins-bill-area"]);
        let wish = format!("Implement the selected features.\n\nSelected feature IDs to implement: {}, {}", ids[0], ids[1]);
        let made = self.turn("feature_engineering", Some(&proposed), said(&wish)).await;
        assert_eq!(made.state()["status"], "completed");

        let claim = made.calls("execute_feature")[0];
        assert_eq!(claim["call"]["args"]["succeeded"], true);
        assert!(claim["result"]["error"].is_string(), "no code has run: {claim}");
        assert_eq!(made.runs_of_cells(), ["success", "error", "success", "success"], "loading, then one that is mended");
        let list = self.lab.ada.get(&format!("/api/feature-engineering/runs?projectId={}", self.lab.project)).await.expect(200);
        let features = &list["runs"][0]["features"];
        assert_eq!(features[ids[2]]["status"], "proposed", "it was not selected");
        let items = [ids[0], ids[1]].map(|id| {
            let feature = &features[id];
            let kept = (&feature["status"], &feature["validation"]["nullRate"]);
            assert_eq!(kept, (&json!("registered"), &json!(0.0)), "{feature}");
            json!({ "featureName": feature["name"], "method": "square_transform", "sourceColumn": feature["sourceColumns"][0],
                "code": feature["code"] })
        });
        let request = json!({
            "projectId": self.lab.project, "datasetId": cleaned, "outputName": "penguins_features", "features": items,
        });
        let applied = self.lab.ada.post("/api/feature-engineering/apply", &request).await.expect(201);
        let id = applied["dataset"]["datasetId"].as_str().unwrap().to_owned();
        let dataset = self.dataset(&id).await;
        for column in ["bill_ratio", "mass_per_flipper"] {
            assert_eq!(self.count(&dataset, column).await, 342, "{column} in {dataset}");
        }
        id
    }

    /// Returns the model that the server has scored.
    async fn trains(&self, dataset: &str) -> String {
        let said = |prompt: &str| json!({ "prompt": prompt, "datasetId": dataset, "targetColumn": "species" });
        let proposed = self.turn("training", None, said(self.prompt("training"))).await;
        proposed.waits_for_approval();
        let plan = &proposed.calls("propose_training_plan")[0]["result"]["output"];
        let phrase = "Approved. Proceed with training the selected model(s):";
        let approval = format!("{phrase} {}", plan["experimentName"].as_str().unwrap());
        let trained = self.turn("training", Some(&proposed), said(&approval)).await;
        assert_eq!(trained.state()["status"], "completed");
        assert_eq!(trained.runs_of_cells(), ["success", "error", "success", "success"], "the second cell is mended");
        self.assert_approved(&trained, "execute_training").await;

        let models = self.models().await;
        assert_eq!((models.len(), &models[0]["metadata"]["workflowRunId"]), (1, &json!(trained.run())), "{models:?}");
        let told = &trained.calls("register_model")[0]["result"]["output"];
        let id = models[0]["modelId"].as_str().unwrap().to_owned();
        assert_eq!((&told["modelId"], &told["reportedMetrics"]), (&json!(id), &json!({ "accuracy": 1.0 })), "{told}");
        let model = eventually("the evaluation", async || {
            let model = self.lab.find(&id).await;
            (model["evaluationStatus"] == "ready").then_some(model)
        })
        .await;
        let accuracy = model["metrics"]["accuracy"].as_f64().unwrap();
        assert!((0.5..0.95).contains(&accuracy), "the server's own score counts, not what the cells printed: {model}");
        assert!(model["metadata"]["split"]["testRows"].as_u64().is_some_and(|rows| rows > 30), "{model}");
        assert_eq!((&model["unscored"], &model["metadata"]["holdout"]), (&json!(false), &json!("unsealed")), "{model}");
        id
    }

    /// The model answers whoever has its key.
    async fn deploys(&self, model: &str) {
        let deployment = self.lab.deploy(model, &json!({})).await;
        assert_eq!(deployment["status"], "healthy", "{deployment}");
        let path = path_of(&deployment);
        let (key, _) = key_of(&self.lab.ada, &path).await;
        let nobody = self.lab.app.anonymous();
        // Large and heavy for its size, as only they are.
        let row = json!({ "body_mass_g": 5700, "mass_per_flipper": 25.4 });
        let request = nobody.request(Method::POST, &format!("{path}/predict")).header("x-api-key", key).json(&row);
        assert_eq!(nobody.send(request).await.expect(200)["prediction"], "Gentoo");
    }
}

#[actix_web::test]
async fn an_agent_goes_from_an_upload_to_a_deployed_model() {
    let lab = lab(&[("LLM_SCRIPT_FILE", SCRIPT)]).await;
    let walk = Walk { lab, set: serde_json::from_str(SET).unwrap() };
    walk.plans().await;
    let cleaned = walk.cleans().await;
    let dataset = walk.makes_features(&cleaned).await;
    let model = walk.trains(&dataset).await;
    walk.deploys(&model).await;
}
