//! The general tools of agents over real services: what they give, that a repeated call does nothing twice, and that no
//! argument leads out of the project.

use gristmill_api::agent::ServerTools;
use gristmill_domain::{Caller, JobId, NotebookId, workflows::ToolName};
use gristmill_workflow::tools::{ToolContext, ToolHost, ToolOutput};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    kernels::running,
    notebooks::{cell, notebook},
    support::{Client, TestApp},
};

/// An agent of a user in a project.
struct Agent {
    tools: ServerTools,
    caller: Caller,
    project: String,
    notebook: Option<NotebookId>,
    stop: CancellationToken,
}

impl Agent {
    async fn new(app: &TestApp, user: &Client, project: &str) -> Self {
        let me = user.get("/api/auth/me").await.expect(200);
        let id = me["user"]["user_id"].as_str().unwrap().parse().unwrap();
        Self {
            tools: ServerTools::new(app.server.state().clone()),
            caller: Caller::of_job(id, JobId::random()),
            project: project.to_owned(),
            notebook: None,
            stop: CancellationToken::new(),
        }
    }

    /// One call under a key of its own.
    async fn call(&self, tool: ToolName, args: &Value) -> ToolOutput {
        self.keyed(&JobId::random().to_string(), tool, args).await
    }

    async fn keyed(&self, key: &str, tool: ToolName, args: &Value) -> ToolOutput {
        let context = ToolContext {
            caller: self.caller.clone(),
            project: self.project.parse().unwrap(),
            run: None,
            phase: None,
            dataset: None,
            notebook: self.notebook,
            key: key.to_owned(),
            is_approved: false,
            stop: self.stop.clone(),
        };
        self.tools.run(&context, tool, args.as_object().unwrap()).await
    }

    /// What a call gives that must succeed.
    async fn give(&self, tool: ToolName, args: &Value) -> Value {
        let output = self.call(tool, args).await;
        assert_eq!(output.error, None, "{tool:?} {args}");
        output.output.unwrap()
    }

    /// The cells of the notebook, in their order.
    async fn order(&self) -> Vec<Value> {
        let listed = self.give(ToolName::ListCells, &json!({})).await;
        listed["cells"].as_array().unwrap().iter().map(|cell| cell["cellId"].clone()).collect()
    }

    /// Why a call fails that must fail.
    async fn refuse(&self, tool: ToolName, args: &Value) -> String {
        let output = self.call(tool, args).await;
        output.error.unwrap_or_else(|| panic!("{tool:?} {args} gave {:?}", output.output))
    }
}

async fn agent() -> (TestApp, Client, Agent) {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let agent = Agent::new(&app, &ada, &project).await;
    (app, ada, agent)
}

#[actix_web::test]
async fn data_are_read_by_id_and_by_name() {
    let (_app, ada, agent) = agent().await;
    let empty = agent.give(ToolName::ListProjectFiles, &json!({})).await;
    assert_eq!((&empty["datasets"], &empty["documents"]), (&json!([]), &json!([])));
    assert!(empty["notice"].as_str().unwrap().contains("no datasets"));

    let long = "x".repeat(300);
    let rows: String = (0..15).map(|row| format!("{row},{long}\n")).collect();
    let dataset = ada.dataset(&agent.project, "Sales 2026.csv", format!("id,text\n{rows}")).await;
    let id = dataset["datasetId"].clone();
    let document = ada.document(&agent.project, "mills.md", "# Mills\n\nA gristmill grinds grain into flour.\n").await;
    let files = agent.give(ToolName::ListProjectFiles, &json!({ "datasetId": "sales 2026" })).await;
    assert_eq!(
        files,
        json!({
            "activeDatasetId": id,
            "datasets": [{
                "datasetId": id, "filename": "Sales 2026.csv", "nRows": 15, "nCols": 2, "columns": ["id", "text"],
                "isActive": true
            }],
            "documents": [{ "documentId": document["documentId"], "filename": "mills.md", "mimeType": "text/markdown" }],
        })
    );

    for name in [id.as_str().unwrap(), "Sales 2026.csv", "sales 2026.CSV", "Sales 2026"] {
        let profile = agent.give(ToolName::GetDatasetProfile, &json!({ "datasetId": name })).await;
        assert_eq!((&profile["datasetId"], &profile["nRows"], &profile["nCols"]), (&id, &json!(15), &json!(2)));
        assert_eq!((&profile["columns"][0]["dtype"], profile.get("_truncated")), (&json!("integer"), None));
    }
    let sample = agent.give(ToolName::GetDatasetSample, &json!({ "datasetId": id })).await;
    assert_eq!(sample["sample"].as_array().unwrap().len(), 10);
    assert_eq!(sample["sample"][0]["text"].as_str().unwrap().chars().count(), 201);
    assert_eq!((&sample["_truncated"], &sample["_totalRows"], &sample["_totalColumns"]), (&json!(true), &json!(15), &json!(2)));

    let found = agent.give(ToolName::SearchDocuments, &json!({ "query": "grain", "limit": "99" })).await;
    let keys: Vec<&str> = found[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["chunkId", "documentId", "filename", "score", "snippet", "span"]);
    assert_eq!(found[0]["documentId"], document["documentId"]);
}

#[actix_web::test]
async fn cells_are_written_edited_and_deleted_once_a_call() {
    let (_app, ada, mut agent) = agent().await;
    let listed = agent.give(ToolName::ListCells, &json!({})).await;
    assert_eq!(listed["cells"], json!([]));
    let notebooks = ada.get(&format!("/api/projects/{}/notebooks", agent.project)).await.expect(200);
    assert_eq!((&notebooks[0]["notebookId"], &notebooks[0]["name"]), (&listed["notebookId"], &json!("Notebook 1")));
    let again = agent.give(ToolName::ListCells, &json!({})).await;
    assert_eq!(again["notebookId"], listed["notebookId"], "it is made once");

    let write = json!({ "content": "a\nb\nc", "title": "T", "metadata": { "phase": "training", "lastEditedBy": "me" } });
    let first = agent.keyed("k1", ToolName::WriteCell, &write).await.output.unwrap();
    assert_eq!((&first["title"], &first["position"], &first["cellType"]), (&json!("T"), &json!(0), &json!("code")));
    assert_eq!(first["metadata"], json!({ "phase": "training", "lastEditedBy": "ai" }));
    assert_eq!(agent.keyed("k1", ToolName::WriteCell, &write).await.output.unwrap(), first, "repeated after a crash");
    let id = first["cellId"].clone();
    let above = agent.give(ToolName::InsertCell, &json!({ "position": 0, "content": "# Top", "cellType": "markdown" })).await;

    let edit = json!({ "cellId": id, "startLine": 2, "endLine": 3, "newContent": "b\nx\ny" });
    let edited = agent.keyed("k2", ToolName::EditCell, &edit).await.output.unwrap();
    assert_eq!((&edited["oldContent"], &edited["newContent"]), (&json!("a\nb\nc"), &json!("a\nb\nx\ny")));
    assert_eq!(edited["diff"], json!({ "linesRemoved": ["b", "c"], "linesAdded": ["b", "x", "y"] }));
    assert_eq!(agent.keyed("k2", ToolName::EditCell, &edit).await.output.unwrap(), edited, "lines are not replaced twice");
    let replace = json!({ "cellId": id, "content": "z" });
    let replaced = agent.keyed("k3", ToolName::WriteCell, &replace).await.output.unwrap();
    assert_eq!((&replaced["content"], &replaced["title"], &replaced["isDirty"]), (&json!("z"), &json!("T"), &json!(true)));
    ada.patch(&format!("/api/cells/{}", id.as_str().unwrap()), &json!({ "content": "a person's" })).await.expect(200);
    let kept = agent.keyed("k3", ToolName::WriteCell, &replace).await.output.unwrap();
    assert_eq!(kept["content"], "a person's", "a repeated call does not undo what a person did since");

    let reorder = json!({ "cellIds": [id] });
    assert_eq!(agent.keyed("k5", ToolName::ReorderCells, &reorder).await, ToolOutput::of(json!({ "success": true })));
    assert_eq!(agent.order().await, [id.clone(), above["cellId"].clone()]);
    let path = format!("/api/notebooks/{}/reorder", listed["notebookId"].as_str().unwrap());
    ada.post(&path, &json!({ "cellIds": [above["cellId"]] })).await.expect(200);
    assert_eq!(agent.keyed("k5", ToolName::ReorderCells, &reorder).await, ToolOutput::of(json!({ "success": true })));
    assert_eq!(
        agent.order().await,
        [above["cellId"].clone(), id.clone()],
        "a repeated call does not undo what a person did since"
    );
    assert_eq!(agent.give(ToolName::ReadCell, &json!({ "cellId": id })).await["content"], "a person's");

    let delete = json!({ "cellId": id });
    for _ in 0..2 {
        let deleted = agent.keyed("k4", ToolName::DeleteCell, &delete).await;
        assert_eq!(deleted, ToolOutput::of(json!({ "success": true, "cellId": id })), "gone is gone");
    }
    assert!(agent.refuse(ToolName::ReadCell, &delete).await.ends_with("not found"));
    // What is gone was deleted by that call: another one is told so.
    assert!(agent.refuse(ToolName::DeleteCell, &delete).await.ends_with("not found"));

    let second = notebook(&ada, &agent.project, &json!({})).await;
    agent.notebook = Some(second.parse().unwrap());
    assert_eq!(agent.give(ToolName::WriteCell, &json!({ "content": "1" })).await["notebookId"], second.as_str());
    let named = json!({ "content": "1", "notebookId": notebooks[0]["notebookId"] });
    assert_eq!(agent.give(ToolName::WriteCell, &named).await["notebookId"], notebooks[0]["notebookId"]);
}

#[actix_web::test]
async fn a_repeated_deletion_needs_no_log_and_deletes_nothing_else() {
    let (app, ada, agent) = agent().await;
    let notebook = notebook(&ada, &agent.project, &json!({})).await;
    let (one, two) = (cell(&ada, &notebook, "1").await, cell(&ada, &notebook, "2").await);
    let delete = json!({ "cellId": one });
    // At once, and once more after the notebook's log was cut.
    let calls = (0..4).map(|_| agent.keyed("k1", ToolName::DeleteCell, &delete));
    let mut answers = futures_util::future::join_all(calls).await;
    let database = app.database.client().await.unwrap();
    database.batch_execute(&format!("delete from notebook_events where notebook_id = '{notebook}'")).await.unwrap();
    answers.push(agent.keyed("k1", ToolName::DeleteCell, &delete).await);
    for answer in &answers {
        assert_eq!(*answer, ToolOutput::of(json!({ "success": true, "cellId": one })));
    }
    let cells = ada.get(&format!("/api/notebooks/{notebook}/cells")).await.expect(200);
    assert_eq!((cells.as_array().unwrap().len(), &cells[0]["cellId"], &cells[0]["position"]), (1, &json!(two), &json!(0)));
    // A deletion that failed has not happened: the call deletes when it can.
    let held = json!({ "cellId": two });
    let hold = "update cells set locked_by = 'user', locked_at = now(), lock_expires_at = now() + interval '1 minute'";
    database.batch_execute(hold).await.unwrap();
    assert!(agent.keyed("k2", ToolName::DeleteCell, &held).await.error.is_some(), "a person holds it");
    database.batch_execute("update cells set locked_by = null, locked_at = null, lock_expires_at = null").await.unwrap();
    assert_eq!(agent.keyed("k2", ToolName::DeleteCell, &held).await, ToolOutput::of(json!({ "success": true, "cellId": two })));
}

#[actix_web::test]
async fn wrong_arguments_are_told_and_change_nothing() {
    let (_app, ada, agent) = agent().await;
    let notebook = notebook(&ada, &agent.project, &json!({})).await;
    let id = cell(&ada, &notebook, "a\nb").await;
    for (tool, args, reason) in [
        (ToolName::WriteCell, json!({}), "`content` is required"),
        (ToolName::WriteCell, json!({ "content": "" }), "`content` must not be empty"),
        (ToolName::WriteCell, json!({ "content": "x", "metadata": { "a": "x".repeat(70_000) } }), "`metadata` must have at most"),
        (ToolName::WriteCell, json!({ "content": "x", "notebookId": "mine" }), "Notebook mine not found"),
        (ToolName::EditCell, json!({ "cellId": id, "startLine": 3, "endLine": 3, "newContent": "x" }), "the cell has 2 lines"),
        (ToolName::EditCell, json!({ "cellId": id, "startLine": 2, "endLine": 1, "newContent": "x" }), "comes before"),
        (ToolName::DeleteCell, json!({ "cellId": "all" }), "`cellId` must be the id of one"),
        (ToolName::ReorderCells, json!({ "cellIds": [id, id] }), "named twice"),
        (ToolName::GetDatasetProfile, json!({ "datasetId": "../etc" }), "Dataset ../etc not found"),
        (ToolName::SearchDocuments, json!({ "query": " " }), "`query` must not be empty"),
        (ToolName::AskUser, json!({ "questions": [] }), "not to be run here"),
        (ToolName::PlanExit, json!({ "planMarkdown": "# x" }), "not to be run here"),
    ] {
        let refused = agent.refuse(tool, &args).await;
        assert!(refused.contains(reason), "{tool:?} {args}: {refused}");
    }
    let text = ada.post(&format!("/api/notebooks/{notebook}/cells"), &json!({ "content": "t", "cellType": "markdown" })).await;
    let text = text.expect(201)["cellId"].clone();
    assert!(agent.refuse(ToolName::RunCell, &json!({ "cellId": text })).await.contains("Markdown cells do not run"));
    let cells = ada.get(&format!("/api/notebooks/{notebook}/cells")).await.expect(200);
    assert_eq!(cells.as_array().unwrap().len(), 2, "nothing was half done");
    assert_eq!(ada.get(&format!("/api/cells/{id}")).await.expect(200)["content"], "a\nb");
}

#[actix_web::test]
async fn no_argument_leads_out_of_the_project() {
    let (app, ada, agent) = agent().await;
    let eve = app.user("eve").await;
    // Another user's, another project of one's own, and a scratch pad in the same project.
    let mut foreign = Vec::new();
    for (client, project, kind) in [
        (&eve, eve.project("E").await, "phase"),
        (&ada, ada.project("Q").await, "phase"),
        (&ada, agent.project.clone(), "standalone"),
    ] {
        let notebook = notebook(client, &project, &json!({ "kind": kind })).await;
        foreign.push((client, cell(client, &notebook, "secret").await, notebook, project));
    }
    for (client, cell, notebook, project) in &foreign {
        let path = format!("/api/cells/{cell}");
        let before = client.get(&path).await.expect(200);
        for (tool, args) in [
            (ToolName::ReadCell, json!({ "cellId": cell })),
            (ToolName::WriteCell, json!({ "cellId": cell, "content": "x" })),
            (ToolName::EditCell, json!({ "cellId": cell, "startLine": 1, "endLine": 1, "newContent": "x" })),
            (ToolName::RunCell, json!({ "cellId": cell })),
            (ToolName::DeleteCell, json!({ "cellId": cell })),
            (ToolName::ReorderCells, json!({ "cellIds": [cell], "notebookId": notebook })),
            (ToolName::ListCells, json!({ "notebookId": notebook })),
            (ToolName::WriteCell, json!({ "content": "x", "notebookId": notebook })),
            (ToolName::InsertCell, json!({ "content": "x", "position": 0, "notebookId": notebook })),
        ] {
            // A project that the model names never counts.
            for project in [None, Some(project)] {
                let mut args = args.clone();
                if let Some(project) = project {
                    args["projectId"] = json!(project);
                }
                let refused = agent.refuse(tool, &args).await;
                assert!(refused.ends_with("not found") && !refused.contains("secret"), "{tool:?} {args}: {refused}");
            }
        }
        assert_eq!(client.get(&path).await.expect(200), before, "nothing happened to it");
        assert_eq!(client.get(&format!("/api/notebooks/{notebook}/cells")).await.expect(200).as_array().unwrap().len(), 1);
    }
    for (client, project) in [(&eve, &foreign[0].3), (&ada, &foreign[1].3)] {
        let dataset = client.dataset(project, "secret.csv", "a\n1\n").await;
        client.document(project, "secret.md", "# Secret\n\nThe burrs are hidden.\n").await;
        for name in [dataset["datasetId"].as_str().unwrap(), "secret.csv", "secret"] {
            let args = json!({ "datasetId": name, "projectId": project });
            for tool in [ToolName::GetDatasetProfile, ToolName::GetDatasetSample] {
                assert!(agent.refuse(tool, &args).await.ends_with("not found"), "{tool:?} {name}");
            }
            let files = agent.give(ToolName::ListProjectFiles, &args).await;
            assert_eq!((&files["datasets"], files.get("activeDatasetId")), (&json!([]), None));
        }
        let found = agent.give(ToolName::SearchDocuments, &json!({ "query": "burrs", "projectId": project })).await;
        assert_eq!(found, json!([]));
    }
    // A run in a project that is not the caller's: nothing of it is there.
    let stranger = Agent::new(&app, &eve, &agent.project).await;
    for (tool, args) in [
        (ToolName::ListProjectFiles, json!({})),
        (ToolName::GetDatasetProfile, json!({ "datasetId": "x.csv" })),
        (ToolName::SearchDocuments, json!({ "query": "x" })),
        (ToolName::ListCells, json!({})),
        (ToolName::WriteCell, json!({ "content": "x" })),
        (ToolName::InstallPackage, json!({ "packageName": "six" })),
        (ToolName::UninstallPackage, json!({ "packageName": "six" })),
        (ToolName::ListPackages, json!({})),
    ] {
        assert!(stranger.refuse(tool, &args).await.ends_with("not found"), "{tool:?}");
    }
}

#[actix_web::test]
async fn a_cell_runs_once_a_call() {
    let app = running(&[]).await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let agent = Agent::new(&app, &ada, &project).await;
    let content = "count = globals().get('count', 0) + 1\nprint(count)";
    let id = agent.give(ToolName::WriteCell, &json!({ "content": content })).await["cellId"].clone();
    let run = json!({ "cellId": id });
    let first = agent.keyed("k1", ToolName::RunCell, &run).await.output.unwrap();
    assert_eq!((&first["status"], &first["stdout"], &first["executionOrder"]), (&json!("success"), &json!("1\n"), &json!(1)));
    let again = agent.keyed("k1", ToolName::RunCell, &run).await.output.unwrap();
    for key in ["status", "stdout", "outputs", "executionOrder"] {
        assert_eq!(again[key], first[key], "{key} of a repeated call");
    }
    assert_eq!(agent.keyed("k2", ToolName::RunCell, &run).await.output.unwrap()["stdout"], "2\n", "another call runs it");
    ada.post(&format!("/api/cells/{}/run", id.as_str().unwrap()), &json!({ "projectId": project })).await.expect(200);
    let later = agent.keyed("k2", ToolName::RunCell, &run).await.output.unwrap();
    assert_eq!(later["stdout"], "4\n", "a person's run is not taken for the call's");

    let failing = agent.give(ToolName::WriteCell, &json!({ "content": "1 / 0" })).await["cellId"].clone();
    let run = json!({ "cellId": failing, "metadata": { "preprocessing": { "datasetContinuityMode": "continue" } } });
    let failed = agent.keyed("k3", ToolName::RunCell, &run).await;
    assert_eq!(failed.error, None, "code that fails is a result");
    let failed = failed.output.unwrap();
    assert_eq!((&failed["status"], &failed["error"]), (&json!("error"), &json!("ZeroDivisionError: division by zero")));
    let again = agent.keyed("k3", ToolName::RunCell, &run).await.output.unwrap();
    assert_eq!((&again["status"], &again["error"]), (&failed["status"], &failed["error"]));
    let kept = agent.give(ToolName::ReadCell, &json!({ "cellId": failing })).await;
    assert_eq!(kept["metadata"]["preprocessing"]["datasetContinuityMode"], "continue");
}

#[actix_web::test]
async fn stopping_interrupts_a_run() {
    let app = running(&[]).await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let agent = Agent::new(&app, &ada, &project).await;
    let content = "import time\nprint('on', flush=True)\ntime.sleep(600)";
    let id = agent.give(ToolName::WriteCell, &json!({ "content": content })).await["cellId"].clone();
    let path = format!("/api/cells/{}", id.as_str().unwrap());
    let stop = async {
        crate::support::eventually("the cell to print", async || {
            let state = app.server.state();
            let cell = state.notebooks.find_cell(&agent.caller, id.as_str().unwrap().parse().unwrap(), state.clock.now()).await;
            let log = state.notebooks.events(&agent.caller, cell.unwrap().notebook_id, 0, 100).await.unwrap();
            format!("{:?}", log.events).contains("\"on").then_some(())
        })
        .await;
        agent.stop.cancel();
        std::time::Instant::now()
    };
    let (ended, stopped) = futures_util::future::join(agent.call(ToolName::RunCell, &json!({ "cellId": id })), stop).await;
    // How soon a stop stops is measured in `agent_survival`; here only that the call does not wait for its cell.
    assert!(stopped.elapsed() < std::time::Duration::from_secs(60), "a stop stops");
    let told = ended.error.unwrap_or_else(|| ended.output.unwrap().to_string());
    assert!(told.contains("KeyboardInterrupt") || told.starts_with("Stopped"), "{told}");
    crate::support::eventually("the run to end", async || {
        (ada.get(&path).await.expect(200)["executionStatus"] == "error").then_some(())
    })
    .await;
    assert!(agent.call(ToolName::RunCell, &json!({ "cellId": id })).await.error.unwrap().starts_with("Stopped before"));
}

#[actix_web::test]
async fn packages_that_were_never_installed_are_not_removed() {
    let app = running(&[]).await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let agent = Agent::new(&app, &ada, &project).await;
    let listed = agent.give(ToolName::ListPackages, &json!({})).await;
    let lines: Vec<&str> = listed["packages"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert!(lines.iter().any(|line| line.starts_with("pandas==")), "{lines:?}");
    for package in ["humanize", "pandas", "--all"] {
        let args = json!({ "packageName": package });
        let output = agent.call(ToolName::UninstallPackage, &args).await;
        assert!(output.error.is_some() && output.output.unwrap()["success"] == json!(false), "{package}");
    }
    let refused = agent.call(ToolName::InstallPackage, &json!({ "packageName": "https://evil/x.whl" })).await;
    assert!(refused.error.unwrap().contains("URLs are not taken"));
}
