//! Cells and their runs (contract 3, section 6).

use gristmill_domain::CellId;
use serde_json::{Value, json};

use crate::{
    notebooks::{cell, notebook},
    support::{Client, TestApp, eventually, files_below},
};

struct Setting {
    app: TestApp,
    ada: Client,
    project: String,
    notebook: String,
}

async fn setting() -> Setting {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let notebook = notebook(&ada, &project, &json!({})).await;
    Setting { app, ada, project, notebook }
}

impl Setting {
    async fn order(&self) -> Vec<(String, u64)> {
        let cells = self.ada.get(&format!("/api/notebooks/{}/cells", self.notebook)).await.expect(200);
        let cell = |cell: &Value| (cell["contentPreview"].as_str().unwrap().to_owned(), cell["position"].as_u64().unwrap());
        cells.as_array().unwrap().iter().map(cell).collect()
    }

    async fn contents(&self) -> String {
        let order = self.order().await;
        assert!((0..).zip(&order).all(|(at, (_, position))| *position == at), "positions have no gaps: {order:?}");
        order.into_iter().map(|(content, _)| content).collect()
    }

    async fn sql(&self, sql: &str) {
        self.app.database.client().await.unwrap().batch_execute(sql).await.unwrap();
    }

    async fn lock(&self, cell: &str, owner: &str, seconds: i32) {
        self.sql(&format!(
            "update cells set locked_by = '{owner}', locked_at = now() - interval '1 minute', lock_token = gen_random_uuid(),
                 lock_expires_at = now() + interval '{seconds} seconds' where cell_id = '{cell}'"
        ))
        .await;
    }
}

#[actix_web::test]
async fn a_cell_lives_from_create_to_delete() {
    let setting = setting().await;
    let ada = &setting.ada;
    let cells = format!("/api/notebooks/{}/cells", setting.notebook);
    let made = ada.post(&cells, &json!({ "content": "", "title": "Load" })).await.expect(201);
    for (field, value) in [
        ("cellType", json!("code")),
        ("title", json!("Load")),
        ("position", json!(0)),
        ("executionCount", json!(0)),
        ("executionOrder", Value::Null),
        ("executionStatus", json!("idle")),
        ("isDirty", json!(false)),
        ("output", json!([])),
        ("outputRefs", json!([])),
        ("lockedBy", Value::Null),
        ("metadata", json!({})),
    ] {
        assert_eq!(made[field], value, "{field}");
    }
    let path = format!("/api/cells/{}", made["cellId"].as_str().unwrap());
    let patched = ada.patch(&path, &json!({ "content": "x = 1" })).await.expect(200);
    assert_eq!((patched["isDirty"].clone(), patched["title"].as_str()), (json!(true), Some("Load")));
    let patched = ada.patch(&path, &json!({ "title": null })).await.expect(200);
    assert_eq!((patched["title"].clone(), patched["content"].as_str()), (Value::Null, Some("x = 1")));
    assert_eq!(ada.get(&path).await.expect(200), patched);
    assert_eq!(ada.get(&format!("{path}/lock")).await.expect(200), json!({ "locked": false }));
    ada.delete(&path).await.expect(204);
    ada.get(&path).await.refused(404, "cell_not_found");
    ada.delete(&path).await.refused(404, "cell_not_found");
}

#[actix_web::test]
async fn edits_keep_metadata_and_say_who_made_them() {
    let setting = setting().await;
    let id = cell(&setting.ada, &setting.notebook, "a").await;
    setting.sql("update cells set metadata = '{\"lastEditedBy\": \"ai\", \"preprocessing\": {\"runId\": \"r\"}}'").await;
    let patched = setting.ada.patch(&format!("/api/cells/{id}"), &json!({ "content": "b" })).await.expect(200);
    assert_eq!(patched["metadata"], json!({ "lastEditedBy": "user", "preprocessing": { "runId": "r" } }));
}

#[actix_web::test]
async fn text_is_never_dirty_and_never_runs() {
    let setting = setting().await;
    let body = json!({ "content": "# Title", "cellType": "markdown" });
    let made = setting.ada.post(&format!("/api/notebooks/{}/cells", setting.notebook), &body).await.expect(201);
    let path = format!("/api/cells/{}", made["cellId"].as_str().unwrap());
    assert_eq!(setting.ada.patch(&path, &json!({ "content": "# Other" })).await.expect(200)["isDirty"], false);
    setting.ada.post(&format!("{path}/run"), &json!({ "projectId": setting.project })).await.refused(400, "invalid_request");
    assert_eq!(setting.ada.get(&path).await.expect(200)["executionStatus"], "idle");
}

#[actix_web::test]
async fn cells_move_and_leave_no_gaps() {
    let setting = setting().await;
    let ada = &setting.ada;
    let mut ids = Vec::new();
    for content in ["a", "b", "c"] {
        ids.push(cell(ada, &setting.notebook, content).await);
    }
    let cells = format!("/api/notebooks/{}/cells", setting.notebook);
    ada.post(&cells, &json!({ "content": "d", "position": 1 })).await.expect(201);
    assert_eq!(setting.contents().await, "adbc");
    let far = ada.post(&cells, &json!({ "content": "e", "position": 100 })).await.expect(201);
    assert_eq!(far["position"], 4, "beyond the end is the end");
    ada.delete(&format!("/api/cells/{}", ids[0])).await.expect(204);
    assert_eq!(setting.contents().await, "dbce");

    let reorder = format!("/api/notebooks/{}/reorder", setting.notebook);
    ada.post(&reorder, &json!({ "cellIds": [ids[2], ids[1]] })).await.expect(200);
    assert_eq!(setting.contents().await, "cbde", "those that are not named come behind as they were");
    ada.post(&reorder, &json!({ "cellIds": [ids[2], ids[0]] })).await.refused(404, "cell_not_found");
    ada.post(&reorder, &json!({ "cellIds": [ids[2], ids[2]] })).await.refused(404, "cell_not_found");
    ada.post(&reorder, &json!({ "cellIds": [] })).await.refused(400, "validation_failed");
    setting.lock(&ids[1], "ai", 60).await;
    ada.post(&reorder, &json!({ "cellIds": [ids[1]] })).await.refused(409, "cell_locked");
    assert_eq!(setting.contents().await, "cbde");
}

#[actix_web::test]
async fn many_at_once_get_places_of_their_own() {
    let setting = setting().await;
    let path = format!("/api/notebooks/{}/cells", setting.notebook);
    let make = |n: usize| {
        let (ada, path) = (setting.ada.clone(), path.clone());
        async move { ada.post(&path, &json!({ "content": "x", "position": n % 3 })).await.expect(201) }
    };
    futures_util::future::join_all((0..20).map(make)).await;
    assert_eq!(setting.contents().await, "x".repeat(20));
}

#[actix_web::test]
async fn a_hold_is_kept_until_it_runs_out() {
    let setting = setting().await;
    let ada = &setting.ada;
    let id = cell(ada, &setting.notebook, "a").await;
    let (path, run) = (format!("/api/cells/{id}"), json!({ "projectId": setting.project }));
    setting.lock(&id, "user", 60).await;
    ada.patch(&path, &json!({ "content": "b" })).await.refused(409, "cell_locked");
    ada.delete(&path).await.refused(409, "cell_locked");
    ada.post(&format!("{path}/run"), &run).await.refused(409, "cell_locked");
    let lock = ada.get(&format!("{path}/lock")).await.expect(200);
    assert_eq!((lock["locked"].clone(), lock["by"].as_str(), lock["at"].is_string()), (json!(true), Some("user"), true));

    setting.lock(&id, "ai", 60).await;
    ada.patch(&path, &json!({ "content": "b" })).await.expect(200);
    ada.delete(&path).await.refused(409, "cell_locked");

    setting.lock(&id, "user", -1).await;
    assert_eq!(ada.get(&path).await.expect(200)["lockedBy"], Value::Null);
    ada.delete(&path).await.expect(204);
}

#[actix_web::test]
async fn a_run_that_fails_is_a_result() {
    let setting = setting().await;
    let ada = &setting.ada;
    let id = cell(ada, &setting.notebook, "raise ValueError('on purpose')").await;
    let path = format!("/api/cells/{id}");
    ada.patch(&path, &json!({ "content": "raise ValueError('really')" })).await.expect(200);
    let result = ada.post(&format!("{path}/run"), &json!({ "projectId": setting.project })).await.expect(200);
    assert_eq!((result["status"].as_str(), result["executionOrder"].as_u64()), (Some("error"), Some(1)), "{result}");
    assert!(result.get("exportedDatasets").is_none(), "{result}");
    let kept = ada.get(&path).await.expect(200);
    assert_eq!(kept["output"], result["outputs"]);
    assert!(kept["output"].as_array().unwrap().iter().any(|output| output["type"] == "error"), "{kept}");
    for (field, value) in [
        ("executionStatus", json!("error")),
        ("executionCount", json!(1)),
        ("executionOrder", json!(1)),
        ("isDirty", json!(false)),
        ("lockedBy", Value::Null),
    ] {
        assert_eq!(kept[field], value, "{field} in {kept}");
    }
    assert!(kept["executedAt"].is_string() && kept["executionDurationMs"].is_u64(), "{kept}");
    ada.post(&format!("{path}/interrupt"), &json!({ "projectId": setting.project })).await.expect(200);
}

#[actix_web::test]
async fn runs_need_the_notebook_s_project() {
    let setting = setting().await;
    let (ada, eve) = (&setting.ada, setting.app.user("eve").await);
    let id = cell(ada, &setting.notebook, "1").await;
    let other = ada.project("Q").await;
    for action in ["run", "interrupt"] {
        let path = format!("/api/cells/{id}/{action}");
        ada.post(&path, &json!({ "projectId": other })).await.refused(404, "cell_not_found");
        eve.post(&path, &json!({ "projectId": setting.project })).await.refused(404, "cell_not_found");
        eve.post(&path, &json!({ "projectId": eve.project("Mine").await })).await.refused(404, "cell_not_found");
        let answer = ada.post(&path, &json!({})).await.refused(400, "validation_failed");
        assert_eq!(answer["details"][0]["path"], json!(["projectId"]), "{answer}");
    }
    ada.patch(&format!("/api/cells/{id}"), &json!({ "content": "2", "projectId": other })).await.refused(404, "cell_not_found");
    assert_eq!(ada.get(&format!("/api/cells/{id}")).await.expect(200)["content"], "1");
}

/// A server that dies in the middle of a run leaves a lease that runs out.
#[actix_web::test]
async fn a_run_whose_server_died_ends_as_an_error_with_what_it_had_put_out() {
    let setting = setting().await;
    let id = cell(&setting.ada, &setting.notebook, "slow()").await;
    setting.lock(&id, "ai", -1).await;
    let output = |text: &str| json!({ "type": "cell:output", "cellId": id, "output": { "type": "text", "content": text } });
    setting
        .sql(&format!(
            "update cells set execution_status = 'running';
             update notebooks set event_seq = event_seq + 2;
             insert into notebook_events (notebook_id, seq, payload)
                 select notebook_id, event_seq - 1, '{}'::json from notebooks
                 union all select notebook_id, event_seq, '{}'::json from notebooks",
            output("half of "),
            output("it")
        ))
        .await;
    let found = setting.ada.get(&format!("/api/cells/{id}")).await.expect(200);
    assert_eq!((found["executionStatus"].as_str(), found["lockedBy"].clone()), (Some("error"), Value::Null), "{found}");
    assert_eq!(found["output"][0], json!({ "type": "text", "content": "half of it" }));
    assert_eq!(found["output"][1]["type"], "error");
    assert!(found["output"][1]["content"].as_str().unwrap().contains("server stopped"), "{found}");
}

#[actix_web::test]
async fn the_janitor_finds_lost_runs_that_nobody_looks_at() {
    let setting = setting().await;
    let id = cell(&setting.ada, &setting.notebook, "slow()").await;
    setting.lock(&id, "ai", -1).await;
    setting.sql("update cells set execution_status = 'running'").await;
    let client = setting.app.database.client().await.unwrap();
    eventually("the run to be ended", async || {
        let row = client.query_one("select execution_status from cells", &[]).await.unwrap();
        (row.get::<_, String>(0) == "error").then_some(())
    })
    .await;
}

/// Records a file as a run does.
async fn store_output(setting: &Setting, cell: &str, extension: &str, mime_type: &str, content: &str) -> String {
    let id: CellId = cell.parse().unwrap();
    let name = setting.app.server.state().output_links.name(id, "output_0_ab", extension);
    let directory = format!("store/projects/{}/notebooks/{}/{cell}", setting.project, setting.notebook);
    let directory = setting.app.data_dir.path().join(directory);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(&name), content).unwrap();
    setting
        .sql(&format!(
            "insert into cell_outputs (output_id, notebook_id, cell_id, file_name, mime_type, byte_size)
                 values (gen_random_uuid(), '{}', '{cell}', '{name}', '{mime_type}', {});
             update cells set output_refs = '[{{\"type\": \"html\", \"ref\": \"outputs/{cell}/{name}\"}}]' where cell_id = '{cell}'",
            setting.notebook,
            content.len()
        ))
        .await;
    name
}

#[actix_web::test]
async fn a_stored_output_opens_without_a_credential_and_cannot_run() {
    let setting = setting().await;
    let id = cell(&setting.ada, &setting.notebook, "1").await;
    let name = store_output(&setting, &id, "html", "text/html; charset=utf-8", "<script>alert(1)</script>").await;
    let nobody = setting.app.anonymous();
    let answer = nobody.get(&format!("/api/cells/{id}/outputs/{name}")).await;
    for (header, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "cross-origin"),
    ] {
        assert_eq!(answer.headers[header], value, "{header}");
    }
    assert!(answer.headers["content-security-policy"].to_str().unwrap().starts_with("sandbox;"));
    assert_eq!(answer.expect(200), "<script>alert(1)</script>");

    let other = cell(&setting.ada, &setting.notebook, "2").await;
    for path in [
        format!("/api/cells/{other}/outputs/{name}"),
        format!("/api/cells/{id}/outputs/{}", name.replace("output_0", "output_1")),
        format!("/api/cells/{id}/outputs/{}", name.replace("html", "svg")),
        format!("/api/cells/{id}/outputs/image.png"),
        format!("/api/cells/none/outputs/{name}"),
        format!("/api/cells/{}/outputs/{name}", CellId::random()),
    ] {
        nobody.get(&path).await.refused(404, "file_missing");
    }
    for bad in ["..%2f..%2fjwt-secret", "a..b", "a%5Cb", "a%2Fb"] {
        nobody.get(&format!("/api/cells/{id}/outputs/{bad}")).await.refused(400, "invalid_request");
    }
}

#[actix_web::test]
async fn files_go_when_neither_cell_nor_savepoint_needs_them() {
    let setting = setting().await;
    let id = cell(&setting.ada, &setting.notebook, "1").await;
    let name = store_output(&setting, &id, "html", "text/html", "x").await;
    let path = format!("/api/cells/{id}/outputs/{name}");
    let savepoints = format!("/api/notebooks/{}/savepoints", setting.notebook);
    setting.ada.post(&savepoints, &json!({ "turnIndex": 1, "turnMessageId": "m" })).await.expect(201);
    setting.ada.delete(&format!("/api/cells/{id}")).await.expect(204);
    setting.app.anonymous().get(&path).await.expect(200);
    let request = setting.ada.request(reqwest::Method::DELETE, &savepoints).json(&json!({ "afterTurnIndex": 0 }));
    setting.ada.send(request).await.expect(204);
    setting.app.anonymous().get(&path).await.refused(404, "file_missing");
    eventually("the file to go", async || files_below(setting.app.data_dir.path()).is_empty().then_some(())).await;
}
