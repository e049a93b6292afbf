//! Forks of an agent's run have its steps as they were at the event, and go their own way from there.

use super::*;

const FEWER: &str = "city,people\nAachen,1\nKöln,3\n";
const RUN: &str = "turn-of-the-agent";

impl Lab {
    /// The agent's run, with its first event.
    async fn begins(&self) {
        self.sql(&format!(
            "insert into workflow_runs (run_id, project_id, thread_id, phase, status, current_node, active_dataset_id)
             values ('{RUN}', '{}', 't', 'preprocessing', 'paused', 'x', '{}')",
            self.project, self.dataset
        ))
        .await;
        self.happened("workflow_turn_started", &json!({ "prompt": "Fill the gaps" })).await;
    }

    /// The run's next event.
    async fn happened(&self, kind: &str, payload: &Value) {
        self.sql(&format!(
            "update workflow_runs set event_seq = event_seq + 1 where run_id = '{RUN}';
             insert into workflow_events (run_id, sequence, event_type, payload)
             select run_id, event_seq, '{kind}', $p${payload}$p$::json from workflow_runs where run_id = '{RUN}'"
        ))
        .await;
    }

    /// A fork, with the preprocessing run that its last copied event names.
    async fn forked(&self, run: &str, after: usize) -> (String, Value) {
        let path = format!("/api/workflows/{run}/fork");
        let made = self.ada.post(&path, &json!({ "afterSequence": after })).await.expect(201)["run"].clone();
        let id = made["runId"].as_str().unwrap().to_owned();
        let events = self.ada.get(&format!("/api/workflows/{id}")).await.expect(200)["run"]["events"].clone();
        (id, events[after - 1]["payload"].clone())
    }

    async fn runs(&self) -> usize {
        let listed = self.ada.get(&format!("/api/preprocessing/runs?projectId={}", self.project)).await.expect(200);
        listed["runs"].as_array().unwrap().len()
    }

    async fn active_of(&self, run: &str) -> Value {
        self.ada.get(&format!("/api/workflows/{run}")).await.expect(200)["run"]["run"]["activeDatasetId"].clone()
    }
}

#[actix_web::test]
async fn a_step_is_approved_in_the_run_that_asks_and_in_no_other() {
    for is_fork_first in [true, false] {
        let lab = Lab::new().await;
        lab.begins().await;
        let (step, _, asked) = lab.validated("drop_rows", FEWER).await;
        lab.happened("tool_executed", &asked).await;
        let (fork, copy) = lab.forked(RUN, 2).await;
        assert_ne!(copy["runId"], asked["runId"], "the fork's events name its own run");
        assert_eq!(copy["step"], asked["step"], "{copy}");
        assert_eq!(lab.snapshot(&copy).await["steps"], lab.snapshot(&asked).await["steps"]);

        let mut kept: Vec<Value> = Vec::new();
        let both = [(fork.as_str(), &copy), (RUN, &asked)];
        let order = if is_fork_first { [0, 1] } else { [1, 0] };
        for (nth, (run, of)) in order.into_iter().map(|at| both[at]).enumerate() {
            assert_eq!(lab.snapshot(of).await["steps"][0]["status"], "awaiting_approval", "{nth}: {run}");
            let answer = lab.decide(of, &step, true).await;
            assert_eq!(answer["output"]["status"], "applied", "{nth}: {answer}");
            assert_eq!(answer["output"]["runId"], of["runId"], "{answer}");
            kept.push(answer["output"]["derivedDatasetId"].clone());
            assert_eq!(lab.active_of(run).await, kept[nth], "the run goes on with what it kept");
            let snapshot = lab.snapshot(of).await;
            assert_eq!((&snapshot["activeDatasetId"], &snapshot["derivedDatasetIds"]), (&kept[nth], &json!([kept[nth]])));
        }
        assert_ne!(kept[0], kept[1], "each keeps a dataset of its own");
        assert_eq!(lab.datasets().await.len(), 3);
    }
}

#[actix_web::test]
async fn a_fork_has_no_step_of_after_its_event() {
    let lab = Lab::new().await;
    lab.begins().await;
    let args = json!({ "title": "Fill", "intentType": "fill_missing" });
    let proposed = lab.ok(ToolName::ProposeTransformationStep, args.clone()).await;
    lab.happened("tool_executed", &proposed).await;
    let step = json!(proposed["stepId"]);
    let made = lab.ok(ToolName::MaterializeStepCode, json!({ "stepId": step, "code": "df = df.copy()" })).await;
    lab.happened("tool_executed", &made).await;
    let checkpoint = lab.ok(ToolName::CheckpointDataset, json!({ "label": "Later" })).await;
    lab.happened("tool_executed", &checkpoint).await;

    let (first, _) = lab.forked(RUN, 1).await;
    assert_eq!(lab.runs().await, 1, "there was no step yet");
    let own = ToolContext { run: WorkflowRunId::parse(&first), ..lab.context("own") };
    let other = done(lab.call(&own, ToolName::ProposeTransformationStep, args).await);
    assert_ne!(other["runId"], proposed["runId"]);

    let (second, copy) = lab.forked(RUN, 2).await;
    let run = lab.snapshot(&copy).await;
    assert_eq!((&run["steps"][0]["stepId"], &run["steps"][0]["version"]), (&step, &json!(0)), "it had no code yet: {run}");
    let kinds: Vec<&str> = run["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["active_dataset_set", "step_proposed"]);
    let (_, copy) = lab.forked(RUN, 3).await;
    let run = lab.snapshot(&copy).await;
    assert_eq!((&run["steps"][0]["version"], run["checkpoints"].as_array().unwrap().len()), (&json!(1), 0), "{run}");

    // The fork goes on by itself, and can be forked where it was the other run still.
    let own = ToolContext { run: WorkflowRunId::parse(&second), ..lab.context("own code") };
    let args = json!({ "stepId": step, "code": "df = df.head(1)" });
    done(lab.call(&own, ToolName::MaterializeStepCode, args).await);
    let original = lab.snapshot(&proposed).await;
    assert_eq!(original["steps"][0]["codeHash"], made["step"]["codeHash"], "{original}");
    let (_, again) = lab.forked(&second, 2).await;
    let run = lab.snapshot(&again).await;
    assert_eq!((&run["steps"][0]["stepId"], &run["steps"][0]["version"]), (&step, &json!(0)), "{run}");
}

#[actix_web::test]
async fn what_was_not_kept_is_not_forked() {
    let lab = Lab::new().await;
    lab.begins().await;
    let args = json!({ "title": "Fill", "intentType": "fill_missing" });
    let proposed = lab.ok(ToolName::ProposeTransformationStep, args).await;
    lab.happened("tool_executed", &proposed).await;
    // As a run is whose first steps were made by an older version.
    lab.sql("update preprocessing_runs set states_since = 2").await;
    let path = format!("/api/workflows/{RUN}/fork");
    lab.ada.post(&path, &json!({ "afterSequence": 1 })).await.refused(409, "conflict");
    let listed = lab.ada.get(&format!("/api/workflows?projectId={}", lab.project)).await.expect(200);
    assert_eq!(listed["runs"].as_array().unwrap().len(), 1, "no half of a fork stays behind");
    lab.forked(RUN, 2).await;
}
