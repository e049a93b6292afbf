//! Recovery of notebooks that are gone (contract 3, sections 7.6 and 7.7).

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    notebooks::{cell, notebook},
    support::{Client, TestApp, script},
};

/// A person with a project and an empty notebook in it.
struct Setting {
    app: TestApp,
    ada: Client,
    project: String,
    target: String,
}

async fn setting() -> Setting {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let target = notebook(&ada, &project, &json!({})).await;
    Setting { app, ada, project, target }
}

impl Setting {
    async fn sql(&self, sql: &str) {
        self.app.database.client().await.unwrap().batch_execute(sql).await.unwrap();
    }

    /// A run that ended so many minutes ago, as if an agent had left it so.
    async fn run(&self, id: &str, phase: &str, status: &str, notebook: Option<Uuid>, minutes_ago: u32) {
        let (project, notebook) = (&self.project, notebook.map_or("null".to_owned(), |notebook| format!("'{notebook}'")));
        self.sql(&format!(
            "insert into workflow_runs (run_id, project_id, thread_id, phase, status, current_node, active_notebook_id, updated_at)
             values ('{id}', '{project}', 't', '{phase}', '{status}', 'done', {notebook}, now() - interval '{minutes_ago} minutes')"
        ))
        .await;
    }

    /// The next event of a run: a call with its result.
    async fn called(&self, run: &str, tool: &str, args: Value, output: Value) {
        let call = json!({ "id": "c", "tool": tool, "args": args });
        let payload = json!({ "call": call, "result": { "id": "c", "tool": tool, "output": output } });
        self.sql(&format!(
            "with told as (update workflow_runs set event_seq = event_seq + 1 where run_id = '{run}' returning event_seq)
             insert into workflow_events (run_id, sequence, event_type, payload)
             select '{run}', event_seq, 'tool_executed', $payload${payload}$payload$::json from told"
        ))
        .await;
    }

    /// A cell that an agent wrote.
    async fn wrote(&self, run: &str, notebook: Uuid, content: &str) -> Uuid {
        let id = Uuid::new_v4();
        let shown = json!({
            "cellId": id, "notebookId": notebook, "cellType": "code", "title": null, "content": content, "position": 0,
            "metadata": { "lastEditedBy": "ai" }, "output": [],
        });
        self.called(run, "write_cell", json!({ "content": content }), shown).await;
        id
    }

    async fn candidate(&self, notebook: &str, phase: &str) -> Value {
        self.ada.get(&format!("/api/notebooks/{notebook}/recovery-candidate?phase={phase}")).await.expect(200)
    }

    async fn recover(&self, notebook: &str, phase: &str) -> Value {
        self.ada.post(&format!("/api/notebooks/{notebook}/recover"), &json!({ "phase": phase })).await.expect(200)
    }

    /// Both routes refuse, for the same reason and without a change.
    async fn refused(&self, notebook: &str, phase: &str, reason: &str) {
        let expected = json!({ "status": "noop", "reason": reason });
        assert_eq!(self.candidate(notebook, phase).await, expected);
        assert_eq!(self.recover(notebook, phase).await, expected);
    }
}

async fn cells(client: &Client, notebook: &str) -> Vec<Value> {
    let list = client.get(&format!("/api/notebooks/{notebook}/cells")).await.expect(200);
    let mut cells = Vec::new();
    for one in list.as_array().unwrap() {
        cells.push(client.get(&format!("/api/cells/{}", one["cellId"].as_str().unwrap())).await.expect(200));
    }
    cells
}

#[actix_web::test]
async fn an_empty_notebook_is_filled_with_what_a_lost_one_had() {
    let write = |content: &str, title: &str| json!({ "name": "write_cell", "arguments": { "content": content, "title": title } });
    let script = script(&json!([
        { "times": 1, "when": { "tools": ["write_cell"], "lastUser": "go" },
          "reply": { "toolCalls": [write("x = 1", "First"), write("y = 'it''s'", "Second")] } },
        { "when": { "toolResult": { "tool": "write_cell" } }, "reply": { "text": "Written." } },
    ]));
    let app = TestApp::start_with(&[("LLM_SCRIPT_FILE", script.path().to_str().unwrap())]).await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let dataset = ada.dataset(&project, "a.csv", "a\n1\n").await["datasetId"].clone();
    let (source, target) = (notebook(&ada, &project, &json!({})).await, notebook(&ada, &project, &json!({})).await);
    let turn = json!({
        "projectId": project, "phase": "feature_engineering", "datasetId": dataset, "notebookId": source, "prompt": "go",
        "runId": "fe-1",
    });
    let answer = ada.post("/api/workflows/turns/stream", &turn).await;
    assert!(answer.text.contains("\"completed\""), "{}", answer.text);
    let before = cells(&ada, &source).await;
    assert_eq!(before.len(), 2);

    let look = format!("/api/notebooks/{target}/recovery-candidate?phase=feature-engineering");
    let none = json!({ "status": "noop", "reason": "no_recoverable_run" });
    assert_eq!(ada.get(&look).await.expect(200), none, "the notebook is still there");
    ada.delete(&format!("/api/projects/{project}/notebooks/{source}")).await.expect(200);
    let run = ada.get("/api/workflows/fe-1").await.expect(200)["run"]["run"].clone();
    let candidate = json!({
        "runId": "fe-1", "sourceNotebookId": source, "cellCount": 2, "phase": "feature-engineering",
        "updatedAt": run["updatedAt"],
    });
    assert_eq!(ada.get(&look).await.expect(200), json!({ "status": "noop", "candidate": candidate }));
    assert_eq!(cells(&ada, &target).await.len(), 0, "looking changes nothing");

    let path = format!("/api/notebooks/{target}/recover");
    let recovered = ada.post(&path, &json!({ "phase": "feature-engineering" })).await.expect(200);
    assert_eq!((&recovered["status"], &recovered["candidate"]), (&json!("recovered"), &candidate));
    let after = cells(&ada, &target).await;
    let ids: Vec<&Value> = after.iter().map(|cell| &cell["cellId"]).collect();
    assert_eq!(json!(ids), recovered["restoredCellIds"]);
    for (new, old) in after.iter().zip(&before) {
        for field in ["content", "title", "position", "cellType", "executionStatus", "output"] {
            assert_eq!(new[field], old[field], "{field}");
        }
        assert_ne!(new["cellId"], old["cellId"]);
        assert_eq!((&new["notebookId"], &new["metadata"]["lastEditedBy"]), (&json!(target), &json!("ai")));
        assert_eq!(new["metadata"]["recoveredFromRunId"], "fe-1");
        assert_eq!(new["metadata"]["recoveredFromNotebookId"], source);
        assert!(new["metadata"]["recoveredAt"].is_string());
    }
    let log = "select payload ->> 'type' from notebook_events where notebook_id = $1::text::uuid order by seq";
    let log = app.database.client().await.unwrap().query(log, &[&target]).await.unwrap();
    let log: Vec<String> = log.iter().map(|row| row.get(0)).collect();
    assert_eq!(log, ["notebook:cells_reset"], "watchers are told");

    let again = ada.post(&path, &json!({ "phase": "feature-engineering" })).await.expect(200);
    assert_eq!(again, json!({ "status": "noop", "reason": "target_notebook_not_empty" }));
    assert_eq!(cells(&ada, &target).await, after, "a second recovery changes nothing");
}

#[actix_web::test]
async fn runs_restore_status_and_outputs() {
    let lab = setting().await;
    let gone = Uuid::new_v4();
    lab.run("tr-1", "training", "completed", Some(gone), 1).await;
    let first = lab.wrote("tr-1", gone, "print(1)").await;
    let second = lab.wrote("tr-1", gone, "1 / 0").await;
    lab.wrote("tr-1", gone, "never = 'ran'").await;
    let picture = json!({ "type": "image", "content": format!("outputs/{first}/image_0.png"), "mimeType": "image/png" });
    let outputs = json!([{ "type": "text", "content": "1\u{0}\n" }, picture]);
    let ran =
        json!({ "status": "success", "stdout": "1\n", "stderr": "", "outputs": outputs, "executionMs": 12, "executionOrder": 6 });
    lab.called("tr-1", "run_cell", json!({ "cellId": first }), ran).await;
    let failed =
        json!({ "_truncated": true, "status": "error", "error": "ZeroDivisionError: no", "stdout": "", "executionMs": 3 });
    lab.called("tr-1", "run_cell", json!({ "cellId": second }), failed).await;

    assert_eq!(lab.recover(&lab.target, "training").await["status"], "recovered");
    let [first, second, third] = &cells(&lab.ada, &lab.target).await[..] else { panic!("three cells") };
    assert_eq!((&first["executionStatus"], &first["executionCount"]), (&json!("success"), &json!(1)));
    assert_eq!((&first["executionDurationMs"], &first["executionOrder"]), (&json!(12), &json!(6)));
    assert!(first["executedAt"].is_string() && first["isDirty"] == false, "{first}");
    assert_eq!(first["output"][0], json!({ "type": "text", "content": "1\u{fffd}\n" }));
    let note = first["output"][1]["content"].as_str().unwrap();
    assert!(note.contains("gone") && first["outputRefs"] == json!([]), "the picture's file went with its notebook: {note}");
    assert_eq!(second["executionStatus"], "error");
    assert_eq!(second["output"], json!([{ "type": "error", "content": "ZeroDivisionError: no" }]));
    assert_eq!((&third["executionStatus"], &third["executionCount"]), (&json!("idle"), &json!(0)));
    let counter = "select execution_order from notebooks where notebook_id = $1::text::uuid";
    let counter = lab.app.database.client().await.unwrap().query_one(counter, &[&lab.target]).await.unwrap();
    assert_eq!(counter.get::<_, i32>(0), 6, "the next run comes after those that the cells remember");
}

#[actix_web::test]
async fn the_newest_completed_run_of_the_phase_counts() {
    let lab = setting().await;
    let other = notebook(&lab.ada, &lab.project, &json!({})).await;
    let gone: Vec<Uuid> = (0..7).map(|_| Uuid::new_v4()).collect();
    let runs = [
        ("oldest", "preprocessing", "completed", Some(gone[0]), 60),
        ("wanted", "preprocessing", "completed", Some(gone[1]), 50),
        ("of-another-phase", "training", "completed", Some(gone[2]), 5),
        ("not-completed", "preprocessing", "failed_retryable", Some(gone[3]), 4),
        ("waiting", "preprocessing", "paused", Some(gone[4]), 3),
        ("still-there", "preprocessing", "completed", Some(other.parse().unwrap()), 2),
    ];
    for (id, phase, status, notebook, minutes_ago) in runs {
        lab.run(id, phase, status, notebook, minutes_ago).await;
        lab.wrote(id, notebook.unwrap(), &format!("# {id}")).await;
    }
    // Nothing that was done in the notebook that is gone, or nothing that is left.
    lab.run("elsewhere", "preprocessing", "completed", Some(gone[5]), 1).await;
    lab.wrote("elsewhere", gone[6], "# elsewhere").await;
    lab.run("deleted", "preprocessing", "completed", Some(gone[6]), 0).await;
    let cell = lab.wrote("deleted", gone[6], "# deleted").await;
    lab.called("deleted", "delete_cell", json!({ "cellId": cell }), json!({ "success": true })).await;

    let candidate = lab.candidate(&lab.target, "preprocessing").await["candidate"].clone();
    assert_eq!((&candidate["runId"], &candidate["sourceNotebookId"]), (&json!("wanted"), &json!(gone[1])));
    assert_eq!(lab.candidate(&lab.target, "training").await["candidate"]["runId"], "of-another-phase");
    lab.refused(&lab.target, "feature-engineering", "no_recoverable_run").await;
    lab.recover(&lab.target, "preprocessing").await;
    assert_eq!(cells(&lab.ada, &lab.target).await[0]["content"], "# wanted");
}

#[actix_web::test]
async fn a_run_without_a_notebook_of_its_own_is_known_by_its_cells() {
    let lab = setting().await;
    let gone = Uuid::new_v4();
    lab.run("prep-1", "preprocessing", "completed", None, 1).await;
    lab.wrote("prep-1", gone, "a = 1").await;
    assert_eq!(lab.candidate(&lab.target, "preprocessing").await["candidate"]["sourceNotebookId"], json!(gone));
    lab.run("prep-2", "preprocessing", "completed", None, 0).await;
    lab.wrote("prep-2", lab.target.parse().unwrap(), "b = 2").await;
    let candidate = lab.candidate(&lab.target, "preprocessing").await["candidate"].clone();
    assert_eq!(candidate["runId"], "prep-1", "the notebook of the newer one is there");
}

#[actix_web::test]
async fn nothing_is_recovered_without_a_reason_to() {
    let lab = setting().await;
    let gone = Uuid::new_v4();
    lab.refused(&lab.target, "training", "no_recoverable_run").await;
    lab.run("tr-1", "training", "completed", Some(gone), 1).await;
    lab.wrote("tr-1", gone, "a = 1").await;
    lab.refused(&Uuid::new_v4().to_string(), "training", "target_notebook_missing").await;

    let pad = notebook(&lab.ada, &lab.project, &json!({ "kind": "standalone" })).await;
    let other = notebook(&lab.ada, &lab.project, &json!({ "metadata": { "phase": "feature-engineering" } })).await;
    let archived = notebook(&lab.ada, &lab.project, &json!({ "metadata": { "phase": "archived" } })).await;
    for id in [&pad, &other, &archived] {
        lab.refused(id, "training", "phase_mismatch").await;
    }
    lab.refused(&other, "feature-engineering", "no_recoverable_run").await;

    let full = notebook(&lab.ada, &lab.project, &json!({ "metadata": { "phase": "training" } })).await;
    let made = cell(&lab.ada, &full, "mine = 1").await;
    lab.refused(&full, "training", "target_notebook_not_empty").await;
    lab.ada.delete(&format!("/api/cells/{made}")).await.expect(204);
    assert_eq!(lab.recover(&full, "training").await["status"], "recovered", "it is empty now, and of this phase");
}

#[actix_web::test]
async fn of_two_recoveries_at_once_one_fills_the_notebook() {
    let lab = setting().await;
    let gone = Uuid::new_v4();
    lab.run("tr-1", "training", "completed", Some(gone), 1).await;
    lab.wrote("tr-1", gone, "a = 1").await;
    let (one, two) = futures_util::future::join(lab.recover(&lab.target, "training"), lab.recover(&lab.target, "training")).await;
    let mut answers = [one, two].map(|answer| answer["status"].as_str().unwrap().to_owned());
    answers.sort_unstable();
    assert_eq!(answers, ["noop", "recovered"]);
    assert_eq!(cells(&lab.ada, &lab.target).await.len(), 1);
}

#[actix_web::test]
async fn a_run_is_recovered_into_one_notebook() {
    let lab = setting().await;
    let (gone, other) = (Uuid::new_v4(), notebook(&lab.ada, &lab.project, &json!({})).await);
    lab.run("tr-1", "training", "completed", Some(gone), 1).await;
    lab.wrote("tr-1", gone, "a = 1").await;
    let (one, two) = futures_util::future::join(lab.recover(&lab.target, "training"), lab.recover(&other, "training")).await;
    let (filled, empty) = if one["status"] == "recovered" { (&lab.target, &other) } else { (&other, &lab.target) };
    assert_eq!([&one, &two].iter().filter(|answer| answer["status"] == "recovered").count(), 1, "{one} {two}");
    assert_eq!((cells(&lab.ada, filled).await.len(), cells(&lab.ada, empty).await.len()), (1, 0));
    lab.refused(empty, "training", "no_recoverable_run").await;
    // Gone again, or emptied, it can be had again.
    let made = cells(&lab.ada, filled).await[0]["cellId"].as_str().unwrap().to_owned();
    lab.ada.delete(&format!("/api/cells/{made}")).await.expect(204);
    lab.refused(empty, "training", "no_recoverable_run").await;
    assert_eq!(lab.recover(filled, "training").await["status"], "recovered");
    lab.ada.delete(&format!("/api/projects/{}/notebooks/{filled}", lab.project)).await.expect(200);
    assert_eq!(lab.recover(empty, "training").await["candidate"]["runId"], "tr-1");
    assert_eq!(cells(&lab.ada, empty).await.len(), 1);
}

#[actix_web::test]
async fn strangers_find_no_notebook_and_no_runs() {
    let lab = setting().await;
    let gone = Uuid::new_v4();
    lab.run("tr-1", "training", "completed", Some(gone), 1).await;
    lab.wrote("tr-1", gone, "salary = 1").await;
    let eve = lab.app.user("eve").await;
    let hers = notebook(&eve, &eve.project("Hers").await, &json!({})).await;
    let missing = json!({ "status": "noop", "reason": "target_notebook_missing" });
    let none = json!({ "status": "noop", "reason": "no_recoverable_run" });
    for (id, expected) in [(&lab.target, &missing), (&hers, &none)] {
        let look = format!("/api/notebooks/{id}/recovery-candidate?phase=training");
        assert_eq!(eve.get(&look).await.expect(200), *expected);
        let recovered = eve.post(&format!("/api/notebooks/{id}/recover"), &json!({ "phase": "training" })).await.expect(200);
        assert_eq!(recovered, *expected);
    }
    assert_eq!(cells(&lab.ada, &lab.target).await.len(), 0);
    // What a run says of a notebook of another project's is not believed either: the run is of this one.
    lab.run("tr-2", "training", "completed", Some(hers.parse().unwrap()), 0).await;
    lab.wrote("tr-2", hers.parse().unwrap(), "b = 2").await;
    assert_eq!(lab.recover(&lab.target, "training").await["candidate"]["runId"], "tr-2");
    assert_eq!(cells(&eve, &hers).await.len(), 0);
}

#[actix_web::test]
async fn wrong_requests_are_refused() {
    let lab = setting().await;
    let id = &lab.target;
    for query in ["", "?phase=", "?phase=onboarding", "?phase=feature_engineering", "?other=training"] {
        let answer = lab.ada.get(&format!("/api/notebooks/{id}/recovery-candidate{query}")).await;
        assert_eq!(answer.refused(400, "validation_failed")["error"], "Invalid query parameters", "{query}");
    }
    for body in [json!({}), json!({ "phase": null }), json!({ "phase": "onboarding" }), json!({ "phase": 7 })] {
        let answer = lab.ada.post(&format!("/api/notebooks/{id}/recover"), &body).await;
        assert_eq!(answer.refused(400, "validation_failed")["error"], "Invalid request body", "{body}");
    }
    lab.ada.get("/api/notebooks/none/recovery-candidate?phase=training").await.refused(400, "invalid_id");
    lab.ada.post("/api/notebooks/none/recover", &json!({ "phase": "training" })).await.refused(400, "invalid_id");
    let nobody = lab.app.anonymous();
    nobody.get(&format!("/api/notebooks/{id}/recovery-candidate?phase=training")).await.refused(401, "unauthenticated");
    nobody.post(&format!("/api/notebooks/{id}/recover"), &json!({ "phase": "training" })).await.refused(401, "unauthenticated");
}
