//! Decision 13 for every tool: a project of somebody else's is not there, nor is anything of it, whatever else is named.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Mcp;
use crate::{
    support::TestApp,
    tenancy::{Things, things_of},
};

/// What a tool is called with to reach the owner's things, and whether it names one that must not be found.
fn call_of(tool: &str, things: &Things) -> (Value, bool) {
    let cell = &things.cell;
    let (args, names_one) = match tool {
        "list_project_files" => (json!({ "datasetId": things.dataset }), false),
        "get_dataset_profile" | "get_dataset_sample" => (json!({ "datasetId": things.dataset }), true),
        "search_documents" => (json!({ "query": "salary" }), false),
        "list_cells" => (json!({ "notebookId": things.notebook }), true),
        "read_cell" | "run_cell" | "delete_cell" => (json!({ "cellId": cell }), true),
        "write_cell" => (json!({ "cellId": cell, "content": "stolen = 1" }), true),
        "edit_cell" => (json!({ "cellId": cell, "startLine": 1, "endLine": 1, "newContent": "stolen = 1" }), true),
        "reorder_cells" => (json!({ "cellIds": [cell] }), true),
        "insert_cell" => (json!({ "notebookId": things.notebook, "position": 0, "content": "stolen = 1" }), true),
        "upload_dataset" => (json!({ "filename": "a.csv", "content": "a\n1\n" }), false),
        "upload_document" => (json!({ "filename": "a.txt", "content": "a word" }), false),
        // There is no such table: it is refused, but names nothing by its id.
        "run_sql" => (json!({ "sql": "select * from secret" }), false),
        "train_model" => {
            (json!({ "datasetId": things.dataset, "templateId": "ridge_regression", "targetColumn": "salary" }), true)
        }
        "get_model" | "evaluate_model" => (json!({ "modelId": things.model }), true),
        "deploy_model" => (json!({ "modelId": things.model, "name": "stolen" }), true),
        "predict" => (json!({ "deploymentId": things.deployment, "rows": [{ "name": "ada" }] }), true),
        "get_job" | "cancel_job" => (json!({ "jobId": things.job }), true),
        "list_models" | "list_deployments" | "list_jobs" => (json!({}), false),
        other => panic!("tell this test what to call {other} with"),
    };
    (args, names_one)
}

fn within(mut args: Value, project: &str) -> Value {
    args["projectId"] = project.into();
    args
}

#[actix_web::test]
async fn no_tool_leads_out_of_the_caller_s_projects() {
    let app = TestApp::start().await;
    let (owner, eve) = (app.user("owner").await, app.user("eve").await);
    let things = things_of(&app, &owner).await;
    let elsewhere = owner.project("Elsewhere").await;
    let hers = eve.project("Hers").await;
    let before = owner.get(&format!("/api/cells/{}", things.cell)).await.expect(200);
    let (owner, eve) = (Mcp::of(&owner), Mcp::of(&eve));
    let listed = eve.ask("tools/list", &json!({})).await;
    let nowhere = uuid::Uuid::new_v4().to_string();
    let mut tried = BTreeSet::new();
    for tool in listed["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        if tool["inputSchema"]["properties"].get("projectId").is_none() {
            continue;
        }
        tried.insert(name);
        let (args, names_one) = call_of(name, &things);
        // Somebody else's project is as one that is not there, and as what is no id.
        for project in [things.project.as_str(), nowhere.as_str(), "x", "../projects"] {
            assert_eq!(eve.fail(name, &within(args.clone(), project)).await, "Project not found", "{name} in {project}");
        }
        // Somebody else's things, and those of another project of one's own, are as ones that are not there.
        for (mcp, project) in [(&eve, &hers), (&owner, &elsewhere)] {
            let result = mcp.call(name, &within(args.clone(), project)).await;
            let text = result["content"][0]["text"].as_str().unwrap();
            if names_one {
                assert_eq!(result["isError"], true, "{name}: {result}");
                assert!(text.contains("not found"), "{name}: {text}");
            }
            assert!(!result.to_string().contains("salary"), "{name}: {result}");
        }
    }
    // All but those that are about the whole account: list_projects, create_project, list_model_templates.
    assert_eq!(tried.len(), 25, "{tried:?}");
    // And the owner's things are as they were.
    assert_eq!(owner.client.get(&format!("/api/cells/{}", things.cell)).await.expect(200), before);
    let mine = within(json!({ "notebookId": things.notebook }), &things.project);
    assert_eq!(owner.give("list_cells", &mine).await["cells"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn resources_prompts_completions_and_tasks_are_the_caller_s_only() {
    let app = TestApp::start().await;
    let (owner, eve) = (app.user("owner").await, app.user("eve").await);
    let things = things_of(&app, &owner).await;
    let (elsewhere, hers) = (owner.project("Elsewhere").await, eve.project("Hers").await);
    let tasks = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    let (owner, eve) = (Mcp::newest(&owner, tasks.clone()), Mcp::newest(&eve, tasks));
    let parts = [
        String::new(),
        format!("/datasets/{}", things.dataset),
        format!("/documents/{}", things.document),
        format!("/models/{}", things.model),
    ];
    for part in &parts {
        let uri = |project: &str| json!({ "uri": format!("gristmill://projects/{project}{part}") });
        owner.ask("resources/read", &uri(&things.project)).await;
        assert_eq!(eve.refuse("resources/read", &uri(&things.project)).await["message"], "Resource not found", "{part}");
        if !part.is_empty() {
            for (mcp, project) in [(&eve, &hers), (&owner, &elsewhere)] {
                assert_eq!(mcp.refuse("resources/read", &uri(project)).await["message"], "Resource not found", "{part}");
            }
        }
    }
    let listed = eve.ask("resources/list", &json!({})).await;
    let uris: Vec<&str> = listed["resources"].as_array().unwrap().iter().map(|one| one["uri"].as_str().unwrap()).collect();
    assert_eq!(uris, [format!("gristmill://projects/{hers}")]);

    for args in [
        json!({ "projectId": things.project, "datasetId": things.dataset }),
        json!({ "projectId": hers, "datasetId": things.dataset }),
    ] {
        let error = eve.refuse("prompts/get", &json!({ "name": "explore_dataset", "arguments": args })).await;
        assert!(error["message"].as_str().unwrap().contains("not found"), "{error}");
    }
    for (argument, project) in [("projectId", &hers), ("datasetId", &things.project), ("modelId", &things.project)] {
        let asked = json!({
            "ref": { "type": "ref/resource", "uri": "gristmill://projects/{projectId}" },
            "argument": { "name": argument, "value": "" },
            "context": { "arguments": { "projectId": project } },
        });
        let found = eve.ask("completion/complete", &asked).await["completion"]["values"].clone();
        assert_eq!(found, if argument == "projectId" { json!([hers]) } else { json!([]) }, "{argument}");
    }

    assert_eq!(owner.ask("tasks/get", &json!({ "taskId": things.job })).await["status"], "completed");
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        for id in [things.job.as_str(), "x"] {
            let error = eve.refuse(method, &json!({ "taskId": id, "inputResponses": {} })).await;
            assert_eq!(error["message"], "Task not found", "{method} {id}");
        }
    }
}
