//! Notebooks (contract 3, section 5).

use serde_json::{Value, json};

use crate::support::{Client, TestApp, eventually, files_below};

/// Makes a notebook and returns its id.
pub(crate) async fn notebook(client: &Client, project: &str, body: &Value) -> String {
    let made = client.post(&format!("/api/projects/{project}/notebooks"), body).await.expect(201);
    made["notebookId"].as_str().expect("an id").to_owned()
}

/// Makes a code cell at the end and returns its id.
pub(crate) async fn cell(client: &Client, notebook: &str, content: &str) -> String {
    let made = client.post(&format!("/api/notebooks/{notebook}/cells"), &json!({ "content": content })).await.expect(201);
    made["cellId"].as_str().expect("an id").to_owned()
}

#[actix_web::test]
async fn a_notebook_lives_from_create_to_delete() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let list = format!("/api/projects/{project}/notebooks");
    assert_eq!(ada.get(&list).await.expect(200), json!([]), "listing makes none");

    let first = ada.post(&list, &json!({ "metadata": { "phase": "training" } })).await.expect(201);
    assert_eq!((first["name"].as_str(), first["kind"].as_str()), (Some("Notebook 1"), Some("phase")));
    let second = ada.post(&list, &json!({ "name": "  Mine ", "kind": "standalone" })).await.expect(201);
    assert_eq!((second["name"].as_str(), second["metadata"].clone()), (Some("Mine"), json!({})));
    let third = ada.post(&list, &json!({ "kind": "standalone" })).await.expect(201);
    assert_eq!(third["name"], "Untitled 2");
    assert_eq!(ada.get(&format!("{list}?kind=standalone")).await.expect(200), json!([second, third]));
    assert_eq!(ada.get(&list).await.expect(200).as_array().unwrap().len(), 3);

    let path = format!("/api/notebooks/{}", first["notebookId"].as_str().unwrap());
    let patched = ada.patch(&path, &json!({ "name": "Training", "metadata": { "tabId": "t" } })).await.expect(200);
    assert_eq!(patched["metadata"], json!({ "phase": "training", "tabId": "t" }));
    assert_eq!(ada.patch(&path, &json!({})).await.expect(200), patched, "an empty body changes nothing");

    let gone = ada.delete(&format!("{list}/{}", second["notebookId"].as_str().unwrap())).await.expect(200);
    assert_eq!(gone, json!({ "deletedNotebookId": second["notebookId"], "fallbackNotebookId": third["notebookId"] }));
    let gone = ada.delete(&format!("{list}/{}", third["notebookId"].as_str().unwrap())).await.expect(200);
    assert_eq!(gone["fallbackNotebookId"], Value::Null);
}

#[actix_web::test]
async fn the_last_phase_notebook_stays() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let (project, other) = (ada.project("P").await, ada.project("Q").await);
    let first = notebook(&ada, &project, &json!({})).await;
    notebook(&ada, &project, &json!({ "kind": "standalone" })).await;
    ada.delete(&format!("/api/projects/{project}/notebooks/{first}")).await.refused(409, "conflict");
    let second = notebook(&ada, &project, &json!({})).await;
    ada.delete(&format!("/api/projects/{other}/notebooks/{first}")).await.refused(404, "notebook_not_found");
    // Both at once: one of them stays.
    let delete = |id: String| {
        let (ada, project) = (ada.clone(), project.clone());
        async move { ada.delete(&format!("/api/projects/{project}/notebooks/{id}")).await.status.as_u16() }
    };
    let (one, two) = futures_util::future::join(delete(first), delete(second)).await;
    assert_eq!([one.min(two), one.max(two)], [200, 409]);
}

#[actix_web::test]
async fn notebooks_of_others_are_not_there() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let project = ada.project("P").await;
    let id = notebook(&ada, &project, &json!({})).await;
    eve.get(&format!("/api/projects/{project}/notebooks")).await.refused(404, "project_not_found");
    eve.post(&format!("/api/projects/{project}/notebooks"), &json!({})).await.refused(404, "project_not_found");
    let body = eve.patch(&format!("/api/notebooks/{id}"), &json!({ "name": "Mine" })).await.refused(404, "notebook_not_found");
    assert_eq!(body["error"], "Not found");
    eve.post(&format!("/api/projects/{project}/kernel/restart"), &json!({})).await.refused(404, "project_not_found");
    ada.patch("/api/notebooks/none", &json!({})).await.refused(400, "invalid_id");
}

#[actix_web::test]
async fn wrong_fields_are_named_in_the_contract_s_shape() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let list = format!("/api/projects/{project}/notebooks");
    for (body, field) in [
        (json!({ "name": " " }), "name"),
        (json!({ "name": "x".repeat(121) }), "name"),
        (json!({ "name": 1 }), "name"),
        (json!({ "kind": "other" }), "kind"),
        (json!({ "metadata": [] }), "metadata"),
        (json!({ "metadata": { "a": "b\u{0}" } }), "metadata"),
        (json!({ "metadata": { "a": "b".repeat(70_000) } }), "metadata"),
    ] {
        let answer = ada.post(&list, &body).await.refused(400, "validation_failed");
        assert_eq!(answer["error"], "Invalid request body", "{answer}");
        assert_eq!(answer["details"][0]["path"], json!([field]), "{answer}");
    }
    let answer = ada.get(&format!("{list}?kind=other")).await.refused(400, "validation_failed");
    assert_eq!(answer["error"], "Invalid query parameters", "{answer}");
    assert_eq!(ada.get(&list).await.expect(200), json!([]));
}

#[actix_web::test]
async fn deleting_a_project_takes_its_notebooks_and_their_files() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let id = notebook(&ada, &project, &json!({})).await;
    let cell = cell(&ada, &id, "1").await;
    let directory = app.data_dir.path().join(format!("store/projects/{project}/notebooks/{id}/{cell}"));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("image.png"), "x").unwrap();
    ada.delete(&format!("/api/projects/{project}")).await.expect(204);
    ada.get(&format!("/api/cells/{cell}")).await.refused(404, "cell_not_found");
    eventually("the files to go", async || files_below(app.data_dir.path()).is_empty().then_some(())).await;
}

#[actix_web::test]
async fn files_of_jupyter_go_in_and_out() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let path = format!("/api/projects/{project}/notebooks/import");
    let file = json!({
        "nbformat": 4, "nbformat_minor": 5, "metadata": {},
        "cells": [
            { "cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# Title\n", "text"] },
            { "cell_type": "code", "id": "b", "metadata": {}, "execution_count": 3, "source": "1 + 1",
              "outputs": [{ "output_type": "stream", "name": "stdout", "text": "two\n" }] },
        ],
    });
    let made = ada.post(&path, &json!({ "name": "In", "notebook": file })).await.expect(201);
    assert_eq!((made["name"].as_str(), made["kind"].as_str()), (Some("In"), Some("standalone")));
    let id = made["notebookId"].as_str().unwrap();
    let cells = ada.get(&format!("/api/notebooks/{id}/cells")).await.expect(200);
    assert_eq!((cells[0]["cellType"].as_str(), cells[1]["contentPreview"].as_str()), (Some("markdown"), Some("1 + 1")));
    let code = ada.get(&format!("/api/cells/{}", cells[1]["cellId"].as_str().unwrap())).await.expect(200);
    assert_eq!(code["output"][0]["content"], "two\n");

    let out = ada.get(&format!("/api/notebooks/{id}/export")).await.expect(200);
    assert_eq!(
        (out["nbformat"].as_u64(), out["nbformat_minor"].as_u64(), out["cells"].as_array().unwrap().len()),
        (Some(4), Some(5), 2)
    );
    for wrong in [json!({}), json!([]), json!({ "nbformat": 3, "worksheets": [] }), json!({ "nbformat": 4, "cells": 1 })] {
        let answer = ada.post(&path, &json!({ "notebook": wrong })).await.refused(400, "validation_failed");
        assert_eq!(answer["details"][0]["path"], json!(["notebook"]), "{answer}");
    }
    let eve = app.user("eve").await;
    eve.get(&format!("/api/notebooks/{id}/export")).await.refused(404, "notebook_not_found");
    assert_eq!(ada.get(&format!("/api/projects/{project}/notebooks")).await.expect(200).as_array().unwrap().len(), 1);
}
