//! Turns of agents over HTTP, with a scripted model and real data.

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    notebooks::{cell, notebook},
    support::{Client, TestApp, calls, eventually, parsed, script},
};

struct Setting {
    app: TestApp,
    ada: Client,
    project: String,
    dataset: String,
    _script: tempfile::NamedTempFile,
}

const PENGUINS: &str = include_str!("../../../../data/penguins/penguins.csv");

/// A server whose model replays these turns, and a project with penguins.
async fn setting(turns: Value) -> Setting {
    let script = script(&turns);
    let app = TestApp::start_with(&[("LLM_SCRIPT_FILE", script.path().to_str().unwrap())]).await;
    let ada = app.user("ada").await;
    let project = ada.project("Birds").await;
    let dataset = ada.dataset(&project, "penguins.csv", PENGUINS).await["datasetId"].as_str().unwrap().to_owned();
    Setting { app, ada, project, dataset, _script: script }
}

async fn turn(client: &Client, body: &Value) -> Vec<Value> {
    let answer = client.post("/api/workflows/turns/stream", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "application/x-ndjson; charset=utf-8");
    parsed(&answer.text)
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["type"].as_str().unwrap()).filter(|kind| *kind != "usage").collect()
}

#[actix_web::test]
async fn onboarding_ends_in_a_plan_that_can_be_read_again() {
    let question = json!({ "id": "q1", "question": "What is predicted?", "header": "Target", "type": "free_text" });
    // Files are known from the beginning, and of a document its name alone.
    let listed = r#"<data kind="documents" mark="[0-9a-f]+">\nfield notes\.md \(id [0-9a-f-]{36}\), text/markdown\n</data"#;
    let known = json!({ "contains": "penguins.csv", "regex": listed, "lacks": "krill" });
    let turns = json!([
        { "times": 1, "when": { "tools": ["ask_user"], "anyMessage": known }, "reply": calls("list_project_files", &json!({})) },
        { "times": 1, "when": { "toolResult": { "tool": "list_project_files", "content": "penguins.csv" } },
          "reply": calls("ask_user", &json!({ "questions": [question] })) },
        { "when": { "tools": ["plan_exit"], "anyMessage": { "regex": r"(?s)q1: What is predicted\?.*the species" } },
          "reply": calls("plan_exit", &json!({ "planName": "penguins", "planMarkdown": "# Project Plan\n\n## Objective\nSpecies.\n\n## Approach\nTrees." })) },
    ]);
    let Setting { app: _app, ada, project, dataset: _, _script } = setting(turns).await;
    ada.document(&project, "field notes.md", "# Diet\n\nMostly krill.\n").await;
    let first = turn(&ada, &json!({ "projectId": project, "phase": "onboarding", "userIntent": "sort birds", "round": 0 })).await;
    assert_eq!(kinds(&first), ["workflow_state", "tool_executed", "workflow_state", "workflow_pause", "done"]);
    assert_eq!(first[0]["state"]["status"], "running");
    assert_eq!(first[0]["state"]["currentNode"], "bootstrap_context");
    let pause = first.iter().find(|line| line["type"] == "workflow_pause").unwrap();
    assert_eq!(pause["ui"]["ask_user"]["questions"][0]["id"], "q1");

    let answers = json!([{ "questionId": "q1", "answer": "the species" }]);
    let second =
        turn(&ada, &json!({ "projectId": project, "phase": "onboarding", "questionAnswers": answers, "round": 1 })).await;
    let artifact = second.iter().find(|line| line["type"] == "artifact_updated").unwrap();
    assert_eq!(artifact["artifact"]["kind"], "plan");
    let state = &second[second.len() - 3]["state"];
    assert_eq!(
        (&state["status"], &state["pauseReason"], &state["mode"]),
        (&json!("paused"), &json!("plan_ready"), &json!("await_input"))
    );

    let run = state["runId"].as_str().unwrap();
    let snapshot = ada.get(&format!("/api/workflows/{run}")).await.expect(200)["run"].clone();
    let types: Vec<&str> = snapshot["events"].as_array().unwrap().iter().map(|it| it["eventType"].as_str().unwrap()).collect();
    assert_eq!(types.first(), Some(&"workflow_turn_started"));
    assert_eq!(types.last(), Some(&"workflow_paused"));
    assert_eq!(snapshot["artifacts"][0]["artifactType"], "plan");
    let sequences: Vec<i64> = snapshot["events"].as_array().unwrap().iter().map(|it| it["sequence"].as_i64().unwrap()).collect();
    assert_eq!(sequences, (1..=i64::try_from(sequences.len()).unwrap()).collect::<Vec<_>>());
    let log = ada.get(&format!("/api/jobs/{}/events", snapshot["turnJobId"].as_str().unwrap())).await;
    assert!(log.text.contains("\"artifact_updated\"") && log.text.contains("\"done\""), "{}", log.text);
    let runs = ada.get(&format!("/api/workflows?projectId={project}&phase=onboarding")).await.expect(200)["runs"].clone();
    assert_eq!(runs.as_array().unwrap().len(), 2);
    assert_eq!(runs[0]["runId"], run);
}

#[actix_web::test]
async fn a_second_turn_of_the_phase_is_refused_while_one_runs() {
    let Setting { app: _app, ada, project, dataset, _script } =
        setting(json!([{ "always": true, "reply": { "thinking": "Hm.", "hangs": true } }])).await;
    let body =
        json!({ "projectId": project, "phase": "feature_engineering", "datasetId": dataset, "prompt": "go", "runId": "fe-1" });
    let request = ada.request(Method::POST, "/api/workflows/turns/stream").json(&body);
    let mut stream = request.send().await.unwrap().bytes_stream();
    let mut text = String::new();
    while !text.contains("Hm.") {
        text.push_str(&String::from_utf8_lossy(&stream.next().await.unwrap().unwrap()));
    }
    for run in [json!(null), json!("fe-1"), json!("fe-2")] {
        let mut again = body.clone();
        match run {
            Value::Null => drop(again.as_object_mut().unwrap().remove("runId")),
            run => again["runId"] = run,
        }
        let refused = ada.post("/api/workflows/turns/stream", &again).await.expect(409);
        assert_eq!((&refused["error"], &refused["activeRunId"]), (&json!("WORKFLOW_ALREADY_RUNNING"), &json!("fe-1")));
        assert!(refused["message"].as_str().unwrap().contains("interrupt"));
    }
    // Another phase is free; and interrupting stops the turn, once.
    let interrupted = ada.post("/api/workflows/fe-1/interrupt", &json!({ "reason": "enough" })).await.expect(200);
    assert_eq!((&interrupted["interrupted"], &interrupted["run"]["status"]), (&json!(true), &json!("interrupted")));
    assert_eq!(interrupted["run"]["lastFailureCode"], "USER_INTERRUPTED");
    assert_eq!(interrupted["run"]["lastFailureMessage"], "enough");
    while let Some(chunk) = stream.next().await {
        text.push_str(&String::from_utf8_lossy(&chunk.unwrap()));
    }
    assert_eq!(parsed(&text).last().unwrap()["type"], "done");
    let again = ada.post("/api/workflows/fe-1/interrupt", &json!({})).await.expect(200);
    assert_eq!((&again["interrupted"], &again["run"]["status"]), (&json!(false), &json!("interrupted")));
    let snapshot = ada.get("/api/workflows/fe-1").await.expect(200)["run"].clone();
    assert_eq!(snapshot["run"]["status"], "interrupted");
    assert_eq!(snapshot["events"].as_array().unwrap().last().unwrap()["eventType"], "workflow_interrupted");
}

#[actix_web::test]
async fn leaving_the_stream_stops_the_turn_and_the_run_can_go_on() {
    let turns = json!([
        { "times": 1, "reply": { "thinking": "Hm.", "hangs": true } },
        { "when": { "lastUser": "and now" }, "reply": { "text": "Now it goes." } },
    ]);
    let Setting { app: _app, ada, project, dataset, _script } = setting(turns).await;
    let body =
        json!({ "projectId": project, "phase": "feature_engineering", "datasetId": dataset, "prompt": "go", "runId": "fe-1" });
    let mut stream = ada.request(Method::POST, "/api/workflows/turns/stream").json(&body).send().await.unwrap().bytes_stream();
    let mut text = String::new();
    while !text.contains("Hm.") {
        text.push_str(&String::from_utf8_lossy(&stream.next().await.unwrap().unwrap()));
    }
    drop(stream);
    eventually("the turn is stopped", async || {
        let run = ada.get("/api/workflows/fe-1").await.expect(200)["run"]["run"].clone();
        (run["status"] == "interrupted").then_some(())
    })
    .await;
    let mut next = body.clone();
    next["prompt"] = json!("and now");
    let lines = turn(&ada, &next).await;
    assert_eq!(lines.iter().rfind(|line| line["type"] == "workflow_state").unwrap()["state"]["status"], "completed");
    assert!(lines.iter().any(|line| line["type"] == "token" && line["text"] == "Now it goes."));
}

#[actix_web::test]
async fn a_run_is_forked_after_an_event() {
    let Setting { app, ada, project, dataset, _script } = setting(json!([
        { "times": 1, "reply": { "text": "One." } },
        { "when": { "anyMessage": "One.", "lastUser": "second" }, "times": 2, "reply": { "text": "Two." } },
    ]))
    .await;
    let body =
        json!({ "projectId": project, "phase": "feature_engineering", "datasetId": dataset, "prompt": "first", "runId": "fe-1" });
    turn(&ada, &body).await;
    let last = ada.get("/api/workflows/fe-1").await.expect(200)["run"]["events"].as_array().unwrap().len();
    let forked = ada.post("/api/workflows/fe-1/fork", &json!({ "afterSequence": last })).await.expect(201)["run"].clone();
    assert_eq!((&forked["status"], &forked["phase"]), (&json!("paused"), &json!("feature_engineering")));
    for run in ["fe-1", forked["runId"].as_str().unwrap()] {
        let next = json!({ "projectId": project, "phase": "feature_engineering", "prompt": "second", "runId": run });
        let lines = turn(&ada, &next).await;
        assert!(lines.iter().any(|line| line["type"] == "token" && line["text"] == "Two."), "{run}: {lines:?}");
        let shown = &lines[0]["state"];
        let expected = if run == "fe-1" { (json!("running"), Value::Null) } else { (json!("paused"), json!("forked")) };
        assert_eq!((shown["status"].clone(), shown["pauseReason"].clone()), expected, "as it was taken up");
    }
    ada.post("/api/workflows/fe-1/fork", &json!({ "afterSequence": 0 })).await.refused(400, "validation_failed");
    ada.post("/api/workflows/fe-1/fork", &json!({ "afterSequence": 9999 })).await.refused(404, "workflow_not_found");
    let eve = app.user("eve").await;
    eve.post("/api/workflows/fe-1/fork", &json!({ "afterSequence": 1 })).await.refused(404, "workflow_not_found");
}

/// A prompt that names a cell to be deleted.
fn tidied() -> Value {
    json!({ "lastUser": { "regex": r"^tidy (?<cell>\S+)" } })
}

async fn a_cell(user: &Client, project: &str) -> String {
    let notebook = notebook(user, project, &json!({})).await;
    cell(user, &notebook, "a = 1").await
}

/// What can only fail is told to the model at once: a yes would change nothing.
#[actix_web::test]
async fn nobody_is_asked_about_a_cell_that_is_not_there() {
    let refused = json!({ "toolResult": { "tool": "delete_cell", "isError": true } });
    let Setting { app: _app, ada, project, dataset, _script } = setting(json!([
        { "always": true, "when": refused, "reply": { "text": "It is not there." } },
        { "always": true, "when": tidied(), "reply": calls("delete_cell", &json!({ "cellId": "{{cell}}" })) },
    ]))
    .await;
    let others = ada.project("Others").await;
    let elsewhere = a_cell(&ada, &others).await;
    let gone = uuid::Uuid::new_v4().to_string();
    for (id, why) in [(gone.as_str(), "not found"), (elsewhere.as_str(), "not found"), ("c-1", "Wrong arguments")] {
        let run = format!("fe-{id}");
        let body = json!({ "projectId": project, "phase": "feature_engineering", "datasetId": dataset, "runId": run,
            "prompt": format!("tidy {id}") });
        let lines = turn(&ada, &body).await;
        let executed = lines.iter().find(|line| line["type"] == "tool_executed").unwrap_or_else(|| panic!("{id}: {lines:?}"));
        assert!(executed["result"]["error"].as_str().unwrap().contains(why), "{executed}");
        let found = ada.get(&format!("/api/workflows/{run}")).await.expect(200)["run"].clone();
        assert_eq!((&found["run"]["status"], &found["approvals"]), (&json!("completed"), &json!([])), "{id}");
    }
    ada.get(&format!("/api/cells/{elsewhere}")).await.expect(200);
}

/// A question that nobody answered stays open while it is asked, and is closed when another turn goes past it.
#[actix_web::test]
async fn a_question_that_a_turn_went_past_is_closed() {
    let Setting { app: _app, ada, project, dataset, _script } = setting(json!([
        { "times": 2, "when": tidied(), "reply": calls("delete_cell", &json!({ "cellId": "{{cell}}" })) },
        { "always": true, "reply": { "text": "There are 344." } },
    ]))
    .await;
    let tidy = format!("tidy {}", a_cell(&ada, &project).await);
    let body = json!({ "projectId": project, "phase": "feature_engineering", "datasetId": dataset, "runId": "fe-1" });
    let say = async |prompt: &str| {
        let mut body = body.clone();
        body["prompt"] = json!(prompt);
        turn(&ada, &body).await;
        let run = ada.get("/api/workflows/fe-1").await.expect(200)["run"].clone();
        (run["run"]["status"].clone(), run["approvals"].clone())
    };
    let (status, approvals) = say(&tidy).await;
    assert_eq!((&status, &approvals[0]["status"]), (&json!("paused"), &json!("pending")), "{approvals}");
    assert!(approvals[0].get("resolvedAt").is_none(), "{approvals}");
    let (status, approvals) = say("How many birds are there?").await;
    assert_eq!((&status, &approvals[0]["status"]), (&json!("completed"), &json!("superseded")), "{approvals}");
    assert!(approvals[0]["resolvedAt"].is_string() && approvals[0].get("resolvedBy").is_none(), "{approvals}");
    // Asked once more, it is another question; and that one is answered.
    let (_, approvals) = say(&tidy).await;
    assert_eq!((approvals.as_array().unwrap().len(), &approvals[1]["status"]), (2, &json!("pending")), "{approvals}");
    let (_, approvals) = say("no").await;
    assert_eq!((&approvals[0]["status"], &approvals[1]["status"]), (&json!("superseded"), &json!("rejected")), "{approvals}");
    assert!(approvals[1]["resolvedBy"].is_string(), "{approvals}");
}

/// The client forgets the run of a training's turn that has ended, and still shows what was proposed in it.
#[actix_web::test]
async fn a_yes_to_a_training_that_names_no_run_is_said_in_the_run_that_proposed_it() {
    let experiment = json!({ "experimentName": "First try", "modelType": "random_forest", "taskType": "classification",
        "splitStrategy": "train_test" });
    let proposal = json!({ "experimentId": "First try", "rationale": "There are few rows." });
    let Setting { app, ada, project, dataset, _script } = setting(json!([
        { "when": { "lastUser": "Train", "tools": ["propose_training_plan"] }, "reply": calls("propose_training_plan", &proposal) },
        { "when": { "lastUser": "Train", "tools": ["configure_experiment"] }, "reply": calls("configure_experiment", &experiment) },
        { "times": 2, "when": { "lastUser": "What may go wrong?" }, "reply": { "text": "Little." } },
        { "times": 3, "when": { "lastUser": "the approved experiment" }, "reply": { "text": "# nothing" } },
    ]))
    .await;
    let notebook = uuid::Uuid::new_v4().to_string();
    let say = async |prompt: &str, more: &Value| {
        let mut body = json!({ "projectId": project, "phase": "training", "datasetId": dataset, "notebookId": notebook,
            "targetColumn": "species", "prompt": prompt });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        turn(&ada, &body).await
    };
    let run_of = |lines: &[Value]| lines[0]["state"]["runId"].as_str().unwrap().to_owned();
    let proposed = say("Train a model", &json!({})).await;
    let pause = proposed.iter().find(|line| line["type"] == "workflow_pause").unwrap_or_else(|| panic!("{proposed:?}"));
    assert_eq!(pause["pendingInputKind"], "approval");
    let run = run_of(&proposed);
    let answered = say("What may go wrong?", &json!({ "runId": run })).await;
    assert_eq!((run_of(&answered), &answered[answered.len() - 3]["state"]["status"]), (run.clone(), &json!("completed")));
    assert_ne!(run_of(&say("What may go wrong?", &json!({})).await), run);

    let yes = "Approved. Proceed with training the selected model(s): First try";
    let second = ada.project("Others").await;
    let other = ada.dataset(&second, "penguins.csv", PENGUINS).await["datasetId"].clone();
    let none = "There is no open proposal";
    for (prompt, more) in [
        ("Approved. Proceed with training the selected model(s): Second try", json!({})),
        (yes, json!({ "notebookId": uuid::Uuid::new_v4() })),
        (yes, json!({ "projectId": second, "datasetId": other })),
    ] {
        let lines = say(prompt, &more).await;
        let is_told = lines.iter().any(|line| line.to_string().contains(none));
        assert!(run_of(&lines) != run && is_told, "{prompt} {more}: {lines:?}");
    }
    let lines = say(yes, &json!({})).await;
    assert_eq!(run_of(&lines), run, "its code is asked for");
    let failed = lines.iter().find(|line| line["type"] == "workflow_error").unwrap_or_else(|| panic!("{lines:?}"));
    assert_eq!(failed["code"], "MODEL_TOOL_OUTPUT_INVALID");

    // What has its model is not trained once more.
    let trained = "update workflow_runs set metadata = replace(metadata::text, '\"proposed\"', '\"registered\"')::jsonb";
    app.database.client().await.unwrap().batch_execute(trained).await.unwrap();
    let lines = say(yes, &json!({})).await;
    assert!(run_of(&lines) != run && lines.iter().any(|line| line.to_string().contains(none)), "{lines:?}");
}

/// A fork has what the run had at the event, and not what it got since.
#[actix_web::test]
async fn a_fork_has_what_the_run_had_then() {
    let Setting { app: _app, ada, project, dataset, _script } = setting(json!([
        { "when": tidied(), "reply": calls("delete_cell", &json!({ "cellId": "{{cell}}" })) },
        { "times": 1, "when": { "lastUser": "look" }, "reply": calls("list_project_files", &json!({})) },
        { "always": true, "reply": { "text": "Seen." } },
    ]))
    .await;
    let other = ada.dataset(&project, "other.csv", "a\n1\n").await["datasetId"].clone();
    let body = json!({ "projectId": project, "phase": "feature_engineering", "runId": "fe-1" });
    let say = async |prompt: &str, dataset: &Value| {
        let mut body = body.clone();
        (body["prompt"], body["datasetId"]) = (json!(prompt), dataset.clone());
        turn(&ada, &body).await;
        ada.get("/api/workflows/fe-1").await.expect(200)["run"].clone()
    };
    let first = say(&format!("tidy {}", a_cell(&ada, &project).await), &json!(dataset)).await;
    let at = first["events"].as_array().unwrap().len();
    let later = say("look", &other).await;
    assert_ne!(later["run"]["metadata"], first["run"]["metadata"], "a turn of another number of calls");
    assert_eq!((&later["run"]["activeDatasetId"], &later["approvals"][0]["status"]), (&other, &json!("superseded")));

    let fork = async |after: usize| {
        let path = "/api/workflows/fe-1/fork";
        let made = ada.post(path, &json!({ "afterSequence": after })).await.expect(201)["run"]["runId"].clone();
        ada.get(&format!("/api/workflows/{}", made.as_str().unwrap())).await.expect(200)["run"].clone()
    };
    let forked = fork(at).await;
    for field in ["metadata", "activeDatasetId", "pendingInputKind", "phase", "threadId"] {
        assert_eq!(forked["run"][field], first["run"][field], "{field}");
    }
    assert_eq!((&forked["run"]["status"], &forked["run"]["pauseReason"]), (&json!("paused"), &json!("forked")));
    let open: Vec<&str> = forked["approvals"].as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(open, ["pending"], "what was asked then is asked in the fork");
    let (copied, since) = forked["events"].as_array().unwrap().split_at(at);
    let told = |events: &[Value]| -> Vec<Value> { events.iter().map(|it| json!([it["sequence"], it["payload"]])).collect() };
    assert_eq!(told(copied), told(first["events"].as_array().unwrap()));
    assert_eq!((since.len(), &since[0]["eventType"]), (1, &json!("workflow_forked")));

    let latest = fork(later["events"].as_array().unwrap().len()).await;
    assert_eq!((&latest["run"]["activeDatasetId"], &latest["run"]["metadata"]), (&other, &later["run"]["metadata"]));
    assert_eq!(latest["approvals"], json!([]));
}

/// The same request under the same key is the same turn, running or done; another request under it is refused.
#[actix_web::test]
async fn a_repeated_turn_is_the_same_turn() {
    let Setting { app: _app, ada, project, dataset, _script } = setting(json!([
        { "times": 1, "when": { "lastUser": "go" }, "reply": { "text": "Gone." } },
        { "times": 1, "when": { "lastUser": "wait" }, "reply": { "thinking": "Hm.", "hangs": true } },
    ]))
    .await;
    let post = |key: &str, body: &Value| {
        ada.request(Method::POST, "/api/workflows/turns/stream").header("idempotency-key", key).json(body)
    };
    let body = json!({ "projectId": project, "phase": "feature_engineering", "datasetId": dataset, "prompt": "go" });
    let first = ada.send(post("one", &body)).await;
    assert!(first.text.contains("Gone.") && first.text.ends_with("{\"type\":\"done\"}\n"), "{}", first.text);
    let again = ada.send(post("one", &body)).await;
    assert_eq!(parsed(&again.text), parsed(&first.text), "nothing is done twice");
    let mut other = body.clone();
    other["prompt"] = json!("wait");
    ada.send(post("one", &other)).await.refused(409, "idempotency_mismatch");
    let runs = ada.get(&format!("/api/workflows?projectId={project}")).await.expect(200)["runs"].clone();
    assert_eq!(runs.as_array().unwrap().len(), 1, "{runs}");

    // While it runs, the repetition follows it; without the key, it is another turn.
    let job = ada.send(post("two", &other).header("prefer", "respond-async")).await.expect(202)["job"].clone();
    let same = ada.send(post("two", &other).header("prefer", "respond-async")).await.expect(202)["job"].clone();
    assert_eq!(same["jobId"], job["jobId"]);
    let refused = ada.post("/api/workflows/turns/stream", &other).await.expect(409);
    let run = refused["activeRunId"].as_str().unwrap();
    let mut stream = post("two", &other).send().await.unwrap().bytes_stream();
    let mut text = String::new();
    while !text.contains("Hm.") {
        text.push_str(&String::from_utf8_lossy(&stream.next().await.unwrap().unwrap()));
    }
    let stopped = ada.post(&format!("/api/workflows/{run}/interrupt"), &json!({})).await.expect(200);
    assert_eq!(stopped["interrupted"], true, "{stopped}");
    while let Some(chunk) = stream.next().await {
        text.push_str(&String::from_utf8_lossy(&chunk.unwrap()));
    }
    assert_eq!(parsed(&text).last().unwrap()["type"], "done", "{text}");
}

#[actix_web::test]
async fn runs_are_their_owners_alone() {
    let Setting { app, ada, project, dataset, _script } =
        setting(json!([{ "always": true, "reply": { "text": "Hello." } }])).await;
    let body =
        json!({ "projectId": project, "phase": "feature_engineering", "datasetId": dataset, "prompt": "go", "runId": "fe-1" });
    turn(&ada, &body).await;
    let eve = app.user("eve").await;
    let hers = eve.project("Hers").await;
    // In the victim's project, with the attacker's project in the query, and with the victim's run in the attacker's project.
    eve.post("/api/workflows/turns/stream", &body).await.refused(404, "project_not_found");
    eve.post(&format!("/api/workflows/turns/stream?projectId={hers}"), &body).await.refused(404, "project_not_found");
    let hijack = json!({ "projectId": hers, "phase": "feature_engineering", "prompt": "go", "runId": "fe-1" });
    eve.post("/api/workflows/turns/stream", &hijack).await.refused(404, "workflow_not_found");
    eve.get("/api/workflows/fe-1").await.refused(404, "workflow_not_found");
    eve.post("/api/workflows/fe-1/interrupt", &json!({})).await.refused(404, "workflow_not_found");
    eve.get(&format!("/api/workflows?projectId={project}")).await.refused(404, "project_not_found");
    // A dataset of somebody else's is none.
    let stolen = json!({ "projectId": hers, "phase": "feature_engineering", "datasetId": dataset, "prompt": "go" });
    let lines = turn(&eve, &stolen).await;
    let error = lines.iter().find(|line| line["type"] == "workflow_error").unwrap();
    assert_eq!((&error["code"], &error["retryable"]), (&json!("DATASET_NOT_FOUND"), &json!(false)));
    assert_eq!(ada.get("/api/workflows/fe-1").await.expect(200)["run"]["run"]["status"], "completed");
}

#[actix_web::test]
async fn requests_are_checked_before_anything_starts() {
    let Setting { app, ada, project, dataset, _script } = setting(json!([])).await;
    let good = json!({ "projectId": project, "phase": "training", "datasetId": dataset, "prompt": "x" });
    for (field, wrong) in [
        ("phase", json!("deployment")),
        ("phase", json!(null)),
        ("runId", json!("")),
        ("runId", json!("a b")),
        ("runId", json!("x".repeat(201))),
        ("datasetId", json!("penguins.csv")),
        ("reasoningEffort", json!("extreme")),
        ("prompt", json!("x".repeat(70_000))),
        ("prompt", json!(7)),
        ("round", json!(-1)),
        ("questionAnswers", json!([{ "questionId": "q", "answer": 7 }])),
    ] {
        let mut body = good.clone();
        body[field] = wrong.clone();
        let refused = ada.post("/api/workflows/turns/stream", &body).await.expect(400);
        assert!(refused["details"].is_array(), "{field} {wrong}: {refused}");
    }
    for path in ["/api/workflows", "/api/workflows?projectId=x", &format!("/api/workflows?projectId={project}&phase=x")] {
        ada.get(path).await.refused(400, "validation_failed");
    }
    ada.post("/api/workflows/nope/interrupt", &json!({ "reason": "x".repeat(501) })).await.refused(400, "validation_failed");
    ada.post("/api/workflows/nope/interrupt", &json!({})).await.refused(404, "workflow_not_found");
    ada.get("/api/workflows/not%20an%20id").await.refused(404, "workflow_not_found");
    app.anonymous().post("/api/workflows/turns/stream", &good).await.refused(401, "unauthenticated");
    assert_eq!(ada.get(&format!("/api/workflows?projectId={project}")).await.expect(200)["runs"], json!([]));
}

#[actix_web::test]
async fn without_a_model_turns_say_what_to_set() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let body = json!({ "projectId": project, "phase": "onboarding" });
    let refused = ada.post("/api/workflows/turns/stream", &body).await.refused(503, "not_configured");
    assert!(refused["error"].as_str().unwrap().contains("LLM_API_KEY"), "{refused}");
    assert_eq!(ada.get(&format!("/api/workflows?projectId={project}")).await.expect(200)["runs"], json!([]));
}

#[actix_web::test]
async fn a_turn_without_a_waiting_client_is_a_job_and_is_told_by_extended_events() {
    let Setting { app: _app, ada, project, dataset, _script } = setting(json!([
        { "always": true, "when": { "toolResult": { "tool": "list_project_files" } }, "reply": { "text": "Seen." } },
        { "times": 2, "when": { "lastUser": "look" }, "reply": calls("list_project_files", &json!({})) },
    ]))
    .await;
    let body = json!({ "projectId": project, "phase": "feature_engineering", "datasetId": dataset, "prompt": "look" });
    let request = ada.request(Method::POST, "/api/workflows/turns/stream").header("prefer", "respond-async").json(&body);
    let job = ada.send(request).await.expect(202)["job"]["jobId"].as_str().unwrap().to_owned();
    eventually("the turn ends", async || {
        (ada.get(&format!("/api/jobs/{job}")).await.expect(200)["job"]["status"] == "succeeded").then_some(())
    })
    .await;
    let log = ada.get(&format!("/api/jobs/{job}/events")).await;
    assert!(log.text.contains("\"tool_started\""), "{}", log.text);

    let answer = ada.post("/api/workflows/turns/stream?events=extended", &body).await;
    assert!(kinds(&parsed(&answer.text)).contains(&"tool_started"), "{}", answer.text);
    assert!(!answer.text.contains("_sequence"));
}
