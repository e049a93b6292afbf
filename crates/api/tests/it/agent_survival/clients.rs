//! Two clients of one run, and a client that goes and comes back.

use futures_util::future::join;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Pieces, TURNS, begun, calls, ended, parsed, provider::gated, read_until, rest, setting, snapshot, tools_called};
use crate::{
    notebooks::{cell, notebook},
    support::{Client, eventually},
};

/// Follows the log of a run's turn after a position, until this comes. Returns what came, whole events only.
async fn followed(client: &Client, job: &str, after: u64, until: &str) -> Vec<Value> {
    let request = client.request(Method::GET, &format!("/api/jobs/{job}/events")).header("Last-Event-ID", after.to_string());
    let mut stream: Pieces = Box::pin(request.send().await.unwrap().bytes_stream());
    let mut text = String::new();
    read_until(&mut stream, &mut text, until).await;
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    parsed(whole)
}

fn positions(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

async fn job_of(client: &Client, run: &str) -> String {
    snapshot(client, run).await["turnJobId"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_turn_is_followed_by_two_clients_and_one_may_leave_and_take_it_up_where_it_was() {
    let (gate, model) = gated();
    let (_app, ada, mut body) = model.app().await;
    body["runId"] = json!("fe-1");
    let (text, stream) = begun(&ada, &body, "tool_executed").await;
    let job = job_of(&ada, "fe-1").await;
    // The second one sees what the first has seen, and leaves: the turn goes on.
    let seen = followed(&ada, &job, 0, "tool_executed").await;
    let mut all = positions(&seen);
    let last = all.last().copied().unwrap_or(0);
    assert_eq!(snapshot(&ada, "fe-1").await["run"]["status"], "running");
    gate.open();
    let missed = followed(&ada, &job, last, "job_succeeded\"").await;
    let first = rest(text, stream).await;
    let [.., state, _, done] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!((&state["state"]["status"], &done["type"]), (&json!("completed"), &json!("done")));
    all.extend(positions(&missed));
    let whole = parsed(&ada.get(&format!("/api/jobs/{job}/events")).await.text);
    assert!(whole.len() - all.len() <= 1, "the line that was being sent when it had read enough");
    assert_eq!(all, positions(&whole)[..all.len()], "nothing twice, nothing left out");
    assert!(whole.iter().any(|event| event["type"] == "token" && event["text"] == "Seen."), "{whole:?}");
}

#[actix_web::test]
async fn a_client_of_server_sent_events_leaves_and_another_server_tells_it_the_rest() {
    let (gate, model) = gated();
    let (app, ada, mut body) = model.app().await;
    body["runId"] = json!("fe-1");
    let request = ada.request(Method::POST, TURNS).header("Accept", "text/event-stream").json(&body);
    let mut stream: Pieces = Box::pin(request.send().await.unwrap().bytes_stream());
    let mut text = String::new();
    read_until(&mut stream, &mut text, "event: tool_executed").await;
    drop(stream);
    let ids: Vec<u64> = text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect();
    assert_eq!(ids, (1..).take(ids.len()).collect::<Vec<u64>>());
    gate.open();
    assert_eq!(ended(&ada, "fe-1").await["run"]["status"], "completed", "nobody stopped it");

    // Of a directory of its own, as another machine's.
    let elsewhere = tempfile::tempdir().unwrap();
    let second = app.second_server(&[("GRISTMILL_DATA_DIR", elsewhere.path().to_str().unwrap())]).await;
    let there = Client::new(&format!("http://{}", second.address()), ada.token.as_deref());
    let job = job_of(&there, "fe-1").await;
    let after = ids.len() - 1;
    let missed = parsed(&there.get(&format!("/api/jobs/{job}/events?after={after}")).await.text);
    let expected: Vec<u64> = (u64::try_from(after).unwrap() + 1..).take(missed.len()).collect();
    assert_eq!(positions(&missed), expected);
    assert_eq!((&missed[0]["type"], &missed.last().unwrap()["type"]), (&json!("tool_executed"), &json!("job_succeeded")));
    second.stop().await;
}

#[actix_web::test]
async fn of_two_clients_that_begin_a_turn_at_once_one_does() {
    let (gate, model) = gated();
    let (_app, ada, mut body) = model.app().await;
    body["runId"] = json!("fe-1");
    let send = || ada.send(ada.request(Method::POST, TURNS).header("Prefer", "respond-async").json(&body));
    let (one, two) = join(send(), send()).await;
    let (begun, refused) = if one.status == StatusCode::ACCEPTED { (one, two) } else { (two, one) };
    begun.expect(202);
    let refused = refused.expect(409);
    assert_eq!((&refused["error"], &refused["activeRunId"]), (&json!("WORKFLOW_ALREADY_RUNNING"), &json!("fe-1")));
    gate.open();
    let run = ended(&ada, "fe-1").await;
    assert_eq!((run["run"]["status"].as_str(), tools_called(&run)), (Some("completed"), vec!["list_project_files"]));
}

#[actix_web::test]
async fn of_two_clients_that_approve_at_once_one_decides() {
    let lab = setting(&json!([
        { "always": true, "when": { "lastUser": { "regex": "tidy (?<cell>[0-9a-f-]{36})" } },
          "reply": calls("delete_cell", &json!({ "cellId": "{{cell}}" })) },
        { "always": true, "reply": { "text": "As you wish." } },
    ]))
    .await;
    let notebook = notebook(&lab.ada, &lab.project, &json!({})).await;
    let (gone, kept) = (cell(&lab.ada, &notebook, "a = 1").await, cell(&lab.ada, &notebook, "b = 2").await);
    lab.told(&lab.features("fe-1", &format!("tidy {gone}"))).await;
    let asked = snapshot(&lab.ada, "fe-1").await;
    assert_eq!((&asked["run"]["status"], &asked["run"]["pendingInputKind"]), (&json!("paused"), &json!("approval")));

    let yes = lab.features("fe-1", "yes");
    let (one, two) = join(lab.ada.post(TURNS, &yes), lab.ada.post(TURNS, &yes)).await;
    for answer in [one, two] {
        // The second comes while the first one's turn runs, or after it, and then nothing is asked any more.
        assert!([200, 409].contains(&answer.status.as_u16()), "{}", answer.text);
    }
    let run = eventually("the turns to end", async || {
        let run = snapshot(&lab.ada, "fe-1").await;
        (run["run"]["status"] == "completed").then_some(run)
    })
    .await;
    assert_eq!(tools_called(&run), ["delete_cell"]);
    let approvals: Vec<&Value> = run["approvals"].as_array().unwrap().iter().map(|approval| &approval["status"]).collect();
    assert_eq!(approvals, [&json!("approved")]);
    lab.ada.get(&format!("/api/cells/{gone}")).await.refused(404, "cell_not_found");
    lab.ada.get(&format!("/api/cells/{kept}")).await.expect(200);
}
