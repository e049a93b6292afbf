//! Kernels that are killed within a call, sandboxes that do not start, and code that must stop with its turn.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Setting, begun, calls, ended, one_step, payloads, picture::cells, rest, running_setting, snapshot};
use crate::{
    crash::sandboxes_over,
    support::{eventually, sandbox_backend},
};

/// By when code stops (issue 7), and in how many rounds one must be in time on a busy machine.
const STOPPED_WITHIN: Duration = Duration::from_secs(2);
const ROUNDS: usize = 3;
pub(super) const ENDLESS: &str = "import time\nopen('began', 'w').close()\nwhile True:\n    time.sleep(0.01)";

/// What a model says that writes this code, runs it, and is content whatever comes of it.
pub(super) fn runs(code: &str) -> Vec<Value> {
    vec![
        json!({ "always": true,
            "when": { "toolResult": { "tool": "write_cell", "content": { "regex": "\"cellId\":\"(?<cell>[0-9a-f-]{36})\"" } } },
            "reply": calls("run_cell", &json!({ "cellId": "{{cell}}" })) }),
        json!({ "always": true, "when": { "toolResult": { "tool": "run_cell" } }, "reply": { "text": "Ran." } }),
        json!({ "always": true, "when": { "lastUser": "go", "tools": ["write_cell"] },
            "reply": calls("write_cell", &json!({ "content": code })) }),
    ]
}

impl Setting {
    /// Waits until endless code runs.
    pub(super) async fn runs_code(&self) {
        let began = self.workspace().join("began");
        eventually("the code to run", async || began.exists().then_some(())).await;
        std::fs::remove_file(began).unwrap();
    }

    /// The cell that a run wrote first.
    async fn written(&self, run: &str) -> String {
        let snapshot = snapshot(&self.ada, run).await;
        payloads(&snapshot, "tool_executed")[0]["result"]["output"]["cellId"].as_str().unwrap().to_owned()
    }

    /// Waits until a cell was interrupted. Returns how long after `stopped` that was.
    async fn was_interrupted(&self, cell: &str, stopped: Instant) -> Duration {
        let path = format!("/api/cells/{cell}");
        let cell = eventually("the code to be interrupted", async || {
            let cell = self.ada.get(&path).await.expect(200);
            (cell["executionStatus"] != "running").then_some(cell)
        })
        .await;
        let took = stopped.elapsed();
        assert!(cell["output"].to_string().contains("KeyboardInterrupt"), "{cell}");
        took
    }
}

/// Ends whatever runs in sandboxes of a server. Returns how many there were.
#[expect(clippy::disallowed_methods, reason = "no API does it")]
fn kill_sandboxes(data_dir: &std::path::Path) -> usize {
    let sandboxes = sandboxes_over(data_dir);
    for sandbox in &sandboxes {
        if sandbox_backend() == "docker" {
            std::process::Command::new("docker").args(["kill", sandbox]).output().unwrap();
        } else if let Some(process) = sandbox.parse().ok().and_then(rustix::process::Pid::from_raw) {
            // One may have ended with the one before it.
            let _gone = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        }
    }
    sandboxes.len()
}

#[actix_web::test]
async fn a_kernel_that_is_killed_within_a_call_is_told_and_the_next_call_has_another() {
    let mut turns = runs(ENDLESS);
    turns.insert(
        1,
        json!({ "always": true, "when": { "toolResult": { "tool": "run_cell", "content": { "lacks": "alive again" } } },
            "reply": calls("write_cell", &json!({ "content": "print('alive again')" })) }),
    );
    let lab = running_setting(&json!(turns)).await;
    let (text, stream) = begun(&lab.ada, &lab.features("fe-1", "go"), "tool_executed").await;
    lab.runs_code().await;
    assert!(kill_sandboxes(lab.app.data_dir.path()) > 0);
    let lines = rest(text, stream).await;
    let called = lines.iter().filter(|line| line["type"] == "tool_executed" && line["call"]["tool"] == "run_cell");
    let [killed, alive] = called.map(|line| &line["result"]["output"]).collect::<Vec<&Value>>()[..] else { panic!("{lines:?}") };
    assert_eq!(killed["status"], "error", "{killed}");
    assert!(killed["error"].as_str().is_some_and(|error| !error.is_empty()), "it says why: {killed}");
    assert_eq!((&alive["status"], &alive["stdout"]), (&json!("success"), &json!("alive again\n")), "{alive}");
    assert_eq!(ended(&lab.ada, "fe-1").await["run"]["status"], "completed");
    let left = cells(&lab.ada, &lab.project).await;
    let states: Vec<&Value> = left.iter().map(|cell| &cell["executionStatus"]).collect();
    assert_eq!(states, [&json!("error"), &json!("success")]);
    assert!(left.iter().all(|cell| cell["lockedBy"].is_null()), "{left:?}");
}

#[actix_web::test]
async fn a_sandbox_that_does_not_start_fails_the_turn_with_its_reason_and_the_run_goes_on_when_it_does() {
    let mut turns = one_step("fill_missing", "df['people'] = df['people'].fillna(0)");
    let mended = turns[2]["reply"].clone();
    turns.push(json!({ "always": true, "when": { "lastUser": "failed. Write all of it again" }, "reply": mended }));
    let lab = running_setting(&json!(turns)).await;
    // Where the project's directory should be made there is something else.
    let place = lab.workspace().parent().unwrap().to_owned();
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(&place, "").unwrap();
    let lines = lab.told(&lab.preprocessing("prep-1", "Fill the gaps")).await;
    let error = lines.iter().find(|line| line["type"] == "workflow_error").unwrap_or_else(|| panic!("{lines:?}"));
    assert_eq!((&error["code"], &error["retryable"]), (&json!("PREPROCESSING_NO_PROGRESS"), &json!(true)));
    assert!(error["message"].as_str().unwrap().contains("could not"), "{error}");
    assert_eq!(lab.datasets().await, 1);
    let failed = snapshot(&lab.ada, "prep-1").await;
    let runs = payloads(&failed, "tool_executed").into_iter().filter(|done| done["call"]["tool"] == "run_cell");
    assert!(runs.into_iter().all(|done| done["result"]["output"]["status"] == "error"), "{failed}");

    std::fs::remove_file(&place).unwrap();
    lab.told(&lab.preprocessing("prep-1", "Fill the gaps")).await;
    assert_eq!(snapshot(&lab.ada, "prep-1").await["run"]["status"], "completed");
    assert_eq!(lab.datasets().await, 2);
}

fn assert_in_time(took: &[Duration]) {
    let best = took.iter().min().copied().unwrap();
    assert!(best <= STOPPED_WITHIN, "code ran for {took:?} after the stop");
}

#[actix_web::test]
async fn an_interruption_stops_the_code_of_its_turn() {
    let lab = running_setting(&json!(runs(ENDLESS))).await;
    let mut all = Vec::new();
    for round in 0..ROUNDS {
        let run = format!("fe-{round}");
        let (text, stream) = begun(&lab.ada, &lab.features(&run, "go"), "tool_executed").await;
        lab.runs_code().await;
        let cell = lab.written(&run).await;
        let stopped = Instant::now();
        lab.ada.post(&format!("/api/workflows/{run}/interrupt"), &json!({})).await.expect(200);
        all.push(lab.was_interrupted(&cell, stopped).await);
        assert_eq!(rest(text, stream).await.last().unwrap()["type"], "done");
        let interrupted = ended(&lab.ada, &run).await;
        assert_eq!(interrupted["run"]["status"], "interrupted");
        assert_eq!(payloads(&interrupted, "tool_executed").len(), 1, "what it says when it is stopped is no result");
    }
    assert_in_time(&all);
}

#[actix_web::test]
async fn leaving_the_stream_stops_the_code_of_its_turn() {
    let lab = running_setting(&json!(runs(ENDLESS))).await;
    let mut all = Vec::new();
    for round in 0..ROUNDS {
        let run = format!("fe-{round}");
        let (_, stream) = begun(&lab.ada, &lab.features(&run, "go"), "tool_executed").await;
        lab.runs_code().await;
        let cell = lab.written(&run).await;
        drop(stream);
        all.push(lab.was_interrupted(&cell, Instant::now()).await);
        assert_eq!(ended(&lab.ada, &run).await["run"]["status"], "interrupted");
    }
    assert_in_time(&all);
}
