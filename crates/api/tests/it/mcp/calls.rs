//! Tools: what is listed, what they give, and how they refuse.

use serde_json::{Value, json};

use super::Mcp;
use crate::support::TestApp;

async fn mcp() -> (TestApp, Mcp, String) {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    (app, Mcp::of(&ada), project)
}

#[actix_web::test]
async fn all_tools_are_listed_with_what_they_take() {
    let (_app, mcp, _) = mcp().await;
    let listed = mcp.ask("tools/list", &json!({})).await;
    assert_eq!(listed.get("nextCursor"), None);
    let tools = listed["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 28);
    for (number, tool) in tools.iter().enumerate() {
        let schema = &tool["inputSchema"];
        assert_eq!((&schema["type"], &schema["additionalProperties"]), (&json!("object"), &json!(false)), "{tool}");
        // The contract's twelve.
        if number < 12 {
            assert_eq!(schema["required"][0], "projectId", "{tool}");
            assert_eq!(schema["properties"]["projectId"]["minLength"], 1, "{tool}");
            let is_of_cells = tool["name"].as_str().unwrap().contains("cell");
            assert_eq!(schema["properties"].get("notebookId").is_some(), is_of_cells, "{tool}");
        }
    }
    let find = |name: &str| tools.iter().find(|tool| tool["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(find("delete_cell")["annotations"]["destructiveHint"], true);
    assert_eq!(find("run_sql")["annotations"]["readOnlyHint"], true);
    assert_eq!(find("list_projects")["inputSchema"]["properties"], json!({}));
    assert!(tools.iter().all(|tool| tool["name"] != "install_package" && tool["name"] != "plan_exit"));
}

#[actix_web::test]
async fn data_are_made_and_asked() {
    let (_app, mcp, first) = mcp().await;
    let made = mcp.give("create_project", &json!({ "name": "Mills", "description": "Of wind and water" })).await;
    let project = made["project"]["id"].as_str().unwrap();
    let all = mcp.give("list_projects", &json!({})).await;
    let ids: Vec<&str> = all["projects"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert!(ids.len() == 2 && ids.contains(&project) && ids.contains(&first.as_str()));

    let upload = json!({ "projectId": project, "filename": "../a/mills.csv", "content": "name,stones\nnorth,4\nsouth,6\n" });
    let dataset = mcp.give("upload_dataset", &upload).await["dataset"].clone();
    assert_eq!((&dataset["filename"], &dataset["n_rows"]), (&json!("mills.csv"), &json!(2)), "{dataset}");
    let profile = json!({ "projectId": project, "datasetId": "mills.csv" });
    let profile = mcp.give("get_dataset_profile", &profile).await;
    let table = profile["tableName"].as_str().unwrap();
    let sql = json!({ "projectId": project, "sql": format!("select sum(stones) as stones from {table}") });
    let answer = mcp.give("run_sql", &sql).await;
    assert_eq!(answer["query"]["rows"], json!([{ "stones": 10 }]), "{answer}");

    let document = json!({ "projectId": project, "filename": "wind.md", "content": "# Wind\n\nA windmill turns.\n" });
    let document = mcp.give("upload_document", &document).await["document"].clone();
    let passages = mcp.give("search_documents", &json!({ "projectId": project, "query": "windmill" })).await;
    assert_eq!(passages["items"][0]["documentId"], document["documentId"], "{passages}");
    let jobs = mcp.give("list_jobs", &json!({ "projectId": project, "limit": 1 })).await;
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1);
    let job = json!({ "projectId": project, "jobId": jobs["jobs"][0]["jobId"] });
    assert_eq!(mcp.give("get_job", &job).await["job"]["status"], "succeeded");
    assert_eq!(mcp.give("cancel_job", &job).await["job"]["status"], "succeeded", "what has ended stays as it is");
    let templates = mcp.give("list_model_templates", &json!({})).await;
    assert!(templates["templates"].as_array().unwrap().iter().any(|one| one["id"] == "random_forest_classifier"));
}

#[actix_web::test]
async fn cells_are_written_in_the_project_s_notebook() {
    let (_app, mcp, project) = mcp().await;
    let made = mcp.give("write_cell", &json!({ "projectId": project, "content": "a = 1\nb = 2" })).await;
    let id = made["cellId"].clone();
    let again = mcp.give("write_cell", &json!({ "projectId": project, "content": "a = 1\nb = 2" })).await;
    assert_ne!(again["cellId"], id, "each call stands for itself");
    let edit = json!({ "projectId": project, "cellId": id, "startLine": "2", "endLine": 2, "newContent": "b = 3" });
    assert_eq!(mcp.give("edit_cell", &edit).await["newContent"], "a = 1\nb = 3", "a number may come as a text");
    let listed = mcp.give("list_cells", &json!({ "projectId": project })).await;
    assert_eq!(listed["cells"].as_array().unwrap().len(), 2);
    let named = json!({ "projectId": project, "notebookId": listed["notebookId"], "position": 0, "content": "first = True" });
    let first = mcp.give("insert_cell", &named).await["cellId"].clone();
    let order = json!({ "projectId": project, "cellIds": [id, first] });
    mcp.give("reorder_cells", &order).await;
    assert_eq!(mcp.give("read_cell", &json!({ "projectId": project, "cellId": id })).await["content"], "a = 1\nb = 3");
    // Who cannot ask a person is not asked for one.
    mcp.give("delete_cell", &json!({ "projectId": project, "cellId": id })).await;
    assert!(mcp.fail("read_cell", &json!({ "projectId": project, "cellId": id })).await.contains("not found"));

    // Scratch pads are people's.
    let pad = format!("/api/projects/{project}/notebooks");
    let pad = mcp.client.post(&pad, &json!({ "kind": "standalone" })).await.expect(201)["notebookId"].clone();
    for tool in ["list_cells", "write_cell"] {
        let args = match tool {
            "list_cells" => json!({ "projectId": project, "notebookId": pad }),
            _ => json!({ "projectId": project, "notebookId": pad, "content": "x" }),
        };
        assert_eq!(mcp.fail(tool, &args).await, "Notebook not found");
    }
}

#[actix_web::test]
async fn wrong_calls_are_results_that_say_what_is_wrong() {
    let (_app, mcp, project) = mcp().await;
    for (tool, args, words) in [
        ("nothing", json!({}), "Tool nothing not found"),
        ("install_package", json!({ "projectId": project, "packageName": "six" }), "Tool install_package not found"),
        ("list_cells", json!({}), "`projectId` is required"),
        ("list_cells", json!({ "projectId": null }), "`projectId` is required"),
        ("list_cells", json!({ "projectId": "" }), "`projectId` must not be empty"),
        ("list_cells", json!({ "projectId": 7 }), "`projectId` must be a text"),
        ("list_models", json!({}), "`projectId` is required"),
        ("run_sql", json!({ "projectId": project }), "`sql` is required"),
        ("run_sql", json!({ "projectId": project, "sql": "" }), "`sql`"),
        ("run_sql", json!({ "projectId": project, "sql": "select 1", "limit": 5 }), "`limit` is unknown"),
        ("read_cell", json!({ "projectId": project, "cellId": "x" }), "`cellId`"),
        ("insert_cell", json!({ "projectId": project, "position": -1, "content": "x" }), "`position`"),
        (
            "edit_cell",
            json!({ "projectId": project, "cellId": project, "startLine": 0, "endLine": 1, "newContent": "" }),
            "`startLine`",
        ),
        ("get_job", json!({ "projectId": project, "jobId": [1] }), "`jobId`"),
        ("predict", json!({ "projectId": project, "deploymentId": project, "rows": [] }), "`rows`"),
        ("create_project", json!({ "name": "" }), "`name`"),
        ("upload_dataset", json!({ "projectId": project, "filename": "..", "content": "a" }), "`filename`"),
        ("upload_dataset", json!({ "projectId": project, "url": "http://169.254.169.254/" }), "fetches nothing"),
        ("upload_document", json!({ "projectId": project, "filename": "a", "uri": "file:///etc" }), "fetches nothing"),
    ] {
        let text = mcp.fail(tool, &args).await;
        assert!(text.starts_with("MCP error -32602: ") && text.contains(words), "{tool} {args}: {text}");
    }
    // Parameters that are none of a call's.
    for params in [json!({}), json!({ "name": 7 }), json!({ "name": "run_sql", "arguments": [1] }), json!({ "arguments": {} })] {
        let answer = mcp.send("tools/call", &params).await;
        assert_eq!(answer.status, 200);
        let result = super::messages(&answer).pop().unwrap()["result"].clone();
        assert_eq!(result["isError"], true, "{params}: {result}");
        assert!(result["content"][0]["text"].as_str().unwrap().contains("-32602"), "{params}: {result}");
    }
    // Right in form, and still not possible.
    for (tool, args, words) in [
        ("run_sql", json!({ "sql": "drop table x" }), ""),
        ("run_sql", json!({ "sql": "select * from nowhere" }), "nowhere"),
        ("get_dataset_profile", json!({ "datasetId": "nothing.csv" }), "not found"),
        ("upload_dataset", json!({ "filename": "a.csv", "content": "\n" }), ""),
        ("train_model", json!({ "datasetId": "nothing.csv", "templateId": "ridge_regression" }), "Dataset not found"),
    ] {
        let mut args = args;
        args["projectId"] = Value::from(project.clone());
        let text = mcp.fail(tool, &args).await;
        assert!(text.contains(words) && !text.contains("-32602"), "{tool} {args}: {text}");
    }
    let large = json!({ "projectId": project, "filename": "a.csv", "content": "a\n".repeat(2_200_000) });
    assert!(mcp.fail("upload_dataset", &large).await.contains("more than 4 MB"));
}

#[actix_web::test]
async fn tokens_do_what_their_scope_says() {
    let (app, mcp, project) = mcp().await;
    let made = mcp.client.post("/api/auth/tokens", &json!({ "name": "reader", "scopes": ["read"] })).await.expect(201);
    let reader = Mcp::of(&app.with_token(made["secret"].as_str().unwrap()));
    assert_eq!(reader.give("list_projects", &json!({})).await["projects"][0]["id"], project);
    let listed = reader.give("list_cells", &json!({ "projectId": project })).await;
    assert_eq!((&listed["cells"], listed.get("notebookId")), (&json!([]), None), "{listed}");
    let notebooks = mcp.client.get(&format!("/api/projects/{project}/notebooks")).await.expect(200);
    assert_eq!(notebooks, json!([]), "who may only read has made no notebook");
    for (tool, args) in [
        ("create_project", json!({ "name": "x" })),
        ("write_cell", json!({ "projectId": project, "content": "x" })),
        ("upload_dataset", json!({ "projectId": project, "filename": "a.csv", "content": "a\n1\n" })),
        ("cancel_job", json!({ "projectId": project, "jobId": project })),
    ] {
        assert!(reader.fail(tool, &args).await.contains("scope `write`"), "{tool}");
    }
    let made = mcp.give("write_cell", &json!({ "projectId": project, "content": "x" })).await;
    let listed = reader.give("list_cells", &json!({ "projectId": project })).await;
    assert_eq!((&listed["notebookId"], &listed["cells"][0]["cellId"]), (&made["notebookId"], &made["cellId"]));
}
