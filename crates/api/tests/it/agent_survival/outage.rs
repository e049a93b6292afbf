//! The database is gone for ten seconds in the middle of a turn: the turn ends as if nothing had been, and so does what its
//! client is told.

use std::time::Duration;

use gristmill_api::agent::ServerTools;
use gristmill_domain::workflows::ToolName;
use gristmill_workflow::tools::ToolHost;
use reqwest::Method;
use serde_json::json;

use super::{
    SALES, Setting, TURNS, begin, calls, context_of, ended, one_step, parsed,
    picture::{assert_alike, cells, picture},
    preprocessing, running_setting, setting, tools_called, workspace,
};
use crate::{preprocessing::caller_of, support::eventually};

/// As long as issue 7 says. Longer than a call waits for a connection.
const OUTAGE: Duration = Duration::from_secs(10);

impl Setting {
    /// Takes the database away for a while.
    async fn outage(&self) {
        self.app.database.refuse_connections().await.unwrap();
        self.back().await;
    }

    /// Waits, and brings the database back.
    async fn back(&self) {
        tokio::time::sleep(OUTAGE).await;
        self.app.database.allow_connections().await.unwrap();
    }

    /// Waits until a run has so many results of calls.
    async fn has_called(&self, run: &str, times: i64) {
        let client = self.app.database.client().await.unwrap();
        let sql = format!("select count(*) from workflow_events where run_id = '{run}' and event_type = 'tool_executed'");
        eventually("the call to be made", async || {
            let made: i64 = client.query_one(&sql, &[]).await.unwrap().get(0);
            (made >= times).then_some(())
        })
        .await;
    }
}

#[actix_web::test]
async fn a_call_during_an_outage_waits_for_its_end_and_is_made_once() {
    let lab = setting(&json!([])).await;
    let tools = ServerTools::new(lab.app.server.state().clone());
    let context = context_of(&caller_of(&lab.ada).await, &lab.project, "call-1");
    let args = json!({ "content": "x = 1" });
    lab.app.database.refuse_connections().await.unwrap();
    let (made, ()) =
        futures_util::future::join(tools.run(&context, ToolName::WriteCell, args.as_object().unwrap()), lab.back()).await;
    assert_eq!(made.error, None, "a failure that was recorded would end the turn");
    let again = tools.run(&context, ToolName::WriteCell, args.as_object().unwrap()).await;
    assert_eq!(again.output.unwrap()["cellId"], made.output.unwrap()["cellId"]);
    assert_eq!(cells(&lab.ada, &lab.project).await.len(), 1);

    // Whoever stops the turn does not wait.
    lab.app.database.refuse_connections().await.unwrap();
    context.stop.cancel();
    assert!(tools.run(&context, ToolName::ListCells, &serde_json::Map::new()).await.error.is_some());
    lab.app.database.allow_connections().await.unwrap();
}

#[actix_web::test]
async fn a_turn_and_its_stream_survive_an_outage_while_the_model_is_asked() {
    let second = json!({ "delayMs": 500, "toolCalls": [{ "name": "write_cell", "arguments": { "content": "# two" } }] });
    let lab = setting(&json!([
        { "always": true, "when": { "toolResult": { "tool": "write_cell", "content": "# two" } },
          "reply": { "text": "Written." } },
        { "always": true, "when": { "toolResult": { "tool": "write_cell", "content": "# one" } }, "reply": second },
        { "always": true, "when": { "tools": ["write_cell"] }, "reply": calls("write_cell", &json!({ "content": "# one" })) },
    ]))
    .await;
    let other = lab.ada.project("Other").await;
    let dataset = lab.ada.dataset(&other, "sales.csv", SALES).await["datasetId"].clone();
    let [calm, run] = [(); 2].map(|()| uuid::Uuid::new_v4().to_string());
    let mut undisturbed = lab.features(&calm, "write");
    (undisturbed["projectId"], undisturbed["datasetId"]) = (json!(other), dataset);
    lab.told(&undisturbed).await;
    let expected = picture(&lab.ada, &other, &calm).await;
    assert_eq!((&expected["run"]["status"], expected["cells"].as_array().unwrap().len()), (&json!("completed"), 2));

    let request = lab.ada.request(Method::POST, TURNS).json(&lab.features(&run, "write"));
    let request = actix_web::rt::spawn(request.send());
    lab.has_called(&run, 1).await;
    lab.outage().await;
    let text = request.await.unwrap().unwrap().text().await.unwrap();
    let lines = parsed(&text);
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "tool_executed").count(), 2, "{kinds:?}");
    assert_eq!((kinds.last(), kinds.contains(&"workflow_error")), (Some(&"done"), false), "{kinds:?}");
    ended(&lab.ada, &run).await;
    assert_alike(&picture(&lab.ada, &lab.project, &run).await, &expected, "with an outage");
}

#[actix_web::test]
async fn a_turn_survives_an_outage_while_its_code_runs() {
    let waiting = "import os, time\nopen('began', 'w').close()\nwhile not os.path.exists('go'):\n    time.sleep(0.02)\n";
    let code = format!("{waiting}df['people'] = df['people'].fillna(0)");
    let lab = running_setting(&json!(one_step("fill_missing", &code))).await;
    let other = lab.ada.project("Other").await;
    let dataset = lab.ada.dataset(&other, "sales.csv", SALES).await["datasetId"].as_str().unwrap().to_owned();
    let [calm, run] = [(); 2].map(|()| uuid::Uuid::new_v4().to_string());
    let runs = async |project: &str| {
        let workspace = workspace(lab.app.data_dir.path(), project);
        eventually("the code to run", async || workspace.join("began").exists().then_some(())).await;
        workspace.join("go")
    };
    begin(&lab.ada, &preprocessing(&other, &dataset, &calm, "Fill the gaps")).await;
    std::fs::write(runs(&other).await, "").unwrap();
    let undisturbed = ended(&lab.ada, &calm).await;
    assert_eq!(undisturbed["run"]["status"], "completed", "{undisturbed}");
    let expected = picture(&lab.ada, &other, &calm).await;

    begin(&lab.ada, &lab.preprocessing(&run, "Fill the gaps")).await;
    let go = runs(&lab.project).await;
    lab.app.database.refuse_connections().await.unwrap();
    // It ends while there is nobody to tell.
    std::fs::write(go, "").unwrap();
    lab.back().await;
    let finished = ended(&lab.ada, &run).await;
    assert_alike(&picture(&lab.ada, &lab.project, &run).await, &expected, "with an outage");
    assert_eq!(tools_called(&finished).iter().filter(|tool| **tool == "run_cell").count(), 1, "it ran once");
    let log = lab.ada.get(&format!("/api/jobs/{}/events", finished["turnJobId"].as_str().unwrap())).await;
    assert_eq!(parsed(&log.text).iter().filter(|event| event["type"] == "done").count(), 1);
}
