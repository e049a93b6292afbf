//! What only tools of the protocol's own test suite have: tasks that ask, that break, that must be tasks, and arguments that a
//! header repeats.

use serde_json::{Value, json};

use super::{Mcp, messages};
use crate::support::{Client, TestApp, eventually};

const FIXTURES: (&str, &str) = ("GRISTMILL_MCP_FIXTURES", "true");

/// Somebody whose client knows tasks.
fn with_tasks(client: &Client) -> Mcp {
    Mcp::newest(client, json!({ "elicitation": {}, "extensions": { "io.modelcontextprotocol/tasks": {} } }))
}

/// The id of the task that a call begins.
async fn begun(mcp: &Mcp, tool: &str, args: &Value, status: &str) -> Value {
    let began = mcp.call(tool, args).await;
    assert_eq!((&began["resultType"], &began["status"]), (&json!("task"), &json!(status)), "{tool}: {began}");
    let envelope = ["result", "error", "inputRequests", "requestState"];
    assert!(envelope.iter().all(|key| began.get(*key).is_none()), "a new task has none of {envelope:?}: {began}");
    began["taskId"].clone()
}

async fn seen(mcp: &Mcp, task: &Value) -> Value {
    mcp.ask("tasks/get", &json!({ "taskId": task })).await
}

async fn ended(mcp: &Mcp, task: &Value) -> Value {
    eventually("the task to end", async || {
        let task = seen(mcp, task).await;
        (task["status"] != "working").then_some(task)
    })
    .await
}

/// Answers one question of a task.
async fn answer(mcp: &Mcp, task: &Value, question: &str, action: &str) {
    let answers = json!({ question: { "action": action, "content": { "confirm": true, "name": "Ada" } } });
    let told = mcp.ask("tasks/update", &json!({ "taskId": task, "inputResponses": answers })).await;
    assert!(told["resultType"] == "complete" && told.get("status").is_none(), "{told}");
}

fn asked(task: &Value) -> Vec<&str> {
    assert_eq!(task["status"], "input_required", "{task}");
    task["inputRequests"].as_object().unwrap().keys().map(String::as_str).collect()
}

#[actix_web::test]
async fn a_task_that_asks_goes_on_when_all_is_answered() {
    let app = TestApp::start_with(&[FIXTURES]).await;
    let (ada, eve) = (with_tasks(&app.user("ada").await), with_tasks(&app.user("eve").await));
    let task = begun(&ada, "multi_input", &json!({}), "input_required").await;
    let first = seen(&ada, &task).await;
    let questions = asked(&first);
    assert_eq!(questions.len(), 2, "{first}");
    answer(&ada, &task, "nobody asked", "accept").await;
    // It is nobody else's to see, to answer or to stop.
    let question = questions[0];
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let answers = json!({ question: { "action": "accept" } });
        let error = eve.refuse(method, &json!({ "taskId": task, "inputResponses": answers })).await;
        assert_eq!((&error["code"], &error["message"]), (&json!(-32602), &json!("Task not found")), "{method}");
    }
    assert_eq!(asked(&seen(&ada, &task).await), questions);
    answer(&ada, &task, question, "accept").await;
    assert_eq!(asked(&seen(&ada, &task).await), questions[1..]);
    answer(&ada, &task, questions[1], "accept").await;
    let done = ended(&ada, &task).await;
    assert_eq!((&done["status"], &done["result"]["isError"]), (&json!("completed"), &json!(false)), "{done}");
    assert!(done.get("inputRequests").is_none(), "{done}");

    for (action, said) in [("accept", "Deleted a.txt"), ("decline", "A person declined")] {
        let task = begun(&ada, "confirm_delete", &json!({ "filename": "a.txt" }), "input_required").await;
        let first = seen(&ada, &task).await;
        answer(&ada, &task, asked(&first)[0], action).await;
        assert_eq!(ended(&ada, &task).await["result"]["content"][0]["text"], said);
    }
}

#[actix_web::test]
async fn a_task_is_stopped_and_fails_in_the_protocol_s_words() {
    let app = TestApp::start_with(&[FIXTURES]).await;
    let ada = with_tasks(&app.user("ada").await);
    let slow = begun(&ada, "slow_compute", &json!({ "seconds": 600 }), "working").await;
    let asking = begun(&ada, "confirm_delete", &json!({ "filename": "a.txt" }), "input_required").await;
    for task in [slow, asking] {
        // Twice: what has ended stays as it is.
        for _ in 0..2 {
            let told = ada.ask("tasks/cancel", &json!({ "taskId": task })).await;
            assert!(told["resultType"] == "complete" && told.get("status").is_none(), "{told}");
            assert_eq!(seen(&ada, &task).await["status"], "cancelled");
        }
    }
    let failing = begun(&ada, "failing_job", &json!({}), "working").await;
    let failed = ended(&ada, &failing).await;
    assert_eq!((&failed["status"], &failed["result"]["isError"]), (&json!("completed"), &json!(true)), "{failed}");
    let breaking = begun(&ada, "protocol_error_job", &json!({}), "working").await;
    let broken = ended(&ada, &breaking).await;
    assert_eq!((&broken["status"], &broken["error"]["code"]), (&json!("failed"), &json!(-32603)), "{broken}");
    assert!(broken.get("result").is_none(), "{broken}");
    ada.ask("tasks/cancel", &json!({ "taskId": breaking })).await;
    assert_eq!(seen(&ada, &breaking).await["status"], "failed");
}

#[actix_web::test]
async fn only_clients_that_know_tasks_get_one() {
    let app = TestApp::start_with(&[FIXTURES]).await;
    let client = app.user("ada").await;
    let (plain, ada) = (Mcp::newest(&client, json!({ "elicitation": {} })), with_tasks(&client));
    for tool in ["failing_job", "protocol_error_job", "confirm_delete", "multi_input", "test_tool_with_task"] {
        let error = plain.refuse("tools/call", &json!({ "name": tool, "arguments": {} })).await;
        assert_eq!(error["code"], -32021, "{tool}: {error}");
        let required = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
        assert_eq!(error["data"]["requiredCapabilities"], required, "{tool}");
    }
    let result = plain.call("slow_compute", &json!({ "seconds": 0 })).await;
    assert_eq!((&result["resultType"], &result["isError"]), (&json!("complete"), &json!(false)), "{result}");
    // First the question, then the task, which knows the answer.
    let call = json!({ "name": "test_tool_with_task", "arguments": {} });
    let question = ada.ask("tools/call", &call).await;
    assert!(question["resultType"] == "input_required" && question.get("taskId").is_none(), "{question}");
    let mut again = call;
    again["inputResponses"] = json!({ "user_name": { "action": "accept", "content": { "name": "Ada" } } });
    let began = ada.ask("tools/call", &again).await;
    assert!(began["resultType"] == "task" && began.get("inputRequests").is_none(), "{began}");
    assert_eq!(ended(&ada, &began["taskId"]).await["result"]["content"][0]["text"], "Hello, Ada!");
}

#[actix_web::test]
async fn a_header_repeats_the_argument_that_wants_it() {
    let app = TestApp::start_with(&[FIXTURES]).await;
    let mcp = Mcp::newest(&app.user("ada").await, json!({}));
    let call = json!({ "name": "test_custom_headers", "arguments": { "region": "Hello" } });
    for (header, is_right) in [
        (Some("Hello"), true),
        (Some("=?base64?SGVsbG8=?="), true),
        (Some("=?base64?SGVsbG8?="), false),
        (Some("hello"), false),
        (None, false),
    ] {
        let request = mcp.request("tools/call", &call);
        let request = header.into_iter().fold(request, |request, value| request.header("Mcp-Param-Region", value));
        let answer = mcp.client.send(request).await;
        let said = messages(&answer).pop().unwrap();
        if is_right {
            assert_eq!(said["result"]["isError"], false, "{header:?}: {said}");
        } else {
            assert_eq!((answer.status.as_u16(), &said["error"]["code"]), (400, &json!(-32020)), "{header:?}: {said}");
        }
    }
}
