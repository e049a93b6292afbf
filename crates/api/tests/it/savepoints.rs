//! Savepoints (contract 3, sections 7.1 to 7.5).

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    notebooks::{cell, notebook},
    support::{Client, TestApp},
};

async fn savepoint(client: &Client, notebook: &str, turn: u32) -> String {
    let body = json!({ "turnIndex": turn, "turnMessageId": format!("message {turn}") });
    let made = client.post(&format!("/api/notebooks/{notebook}/savepoints"), &body).await.expect(201);
    made["savepointId"].as_str().expect("an id").to_owned()
}

#[actix_web::test]
async fn a_restore_brings_back_outputs_and_metadata() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let id = notebook(&ada, &ada.project("P").await, &json!({})).await;
    let (first, second) = (cell(&ada, &id, "a = 1").await, cell(&ada, &id, "b = 2").await);
    let sql = "update cells set metadata = '{\"note\": 1}', output = '[{\"type\": \"text\", \"content\": \"1\"}]',
                   execution_status = 'success', execution_count = 3, execution_order = 7";
    app.database.client().await.unwrap().batch_execute(sql).await.unwrap();
    let before = ada.get(&format!("/api/cells/{first}")).await.expect(200);
    let point = savepoint(&ada, &id, 0).await;

    ada.patch(&format!("/api/cells/{first}"), &json!({ "content": "a = 1\nc = 3\n\n" })).await.expect(200);
    ada.delete(&format!("/api/cells/{second}")).await.expect(204);
    let third = cell(&ada, &id, "d").await;
    let diff = ada.get(&format!("/api/notebooks/{id}/savepoints/{point}/diff")).await.expect(200);
    assert_eq!(
        diff,
        json!({
            "cellsAdded": 1, "cellsModified": 1, "cellsDeleted": 1, "linesAdded": 2, "linesRemoved": 1, "hasManualEdits": true,
            "details": [
                { "cellId": first, "title": null, "changeType": "modified", "linesAdded": 1, "linesRemoved": 0 },
                { "cellId": third, "title": null, "changeType": "added", "linesAdded": 1, "linesRemoved": 0 },
                { "cellId": second, "title": null, "changeType": "deleted", "linesAdded": 0, "linesRemoved": 1 },
            ],
        })
    );

    let path = format!("/api/notebooks/{id}/savepoints/{point}/restore");
    let sql = format!(
        "update cells set locked_by = 'ai', locked_at = now(), lock_expires_at = now() + interval '1 minute' where cell_id = '{first}'"
    );
    app.database.client().await.unwrap().batch_execute(&sql).await.unwrap();
    ada.post(&path, &json!({})).await.refused(409, "cell_locked");
    let sql = "update cells set locked_by = null, locked_at = null, lock_expires_at = null";
    app.database.client().await.unwrap().batch_execute(sql).await.unwrap();
    let restored = ada.post(&path, &json!({})).await.expect(200);
    assert_eq!(
        restored,
        json!({ "cellsRestored": 1, "cellsDeleted": 1, "cellsCreated": 1, "affectedCellIds": [first, second, third] })
    );
    let after = ada.get(&format!("/api/cells/{first}")).await.expect(200);
    for field in ["content", "metadata", "output", "executionStatus", "executionCount", "executionOrder", "position"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    ada.get(&format!("/api/cells/{third}")).await.refused(404, "cell_not_found");
    let diff = ada.get(&format!("/api/notebooks/{id}/savepoints/{point}/diff")).await.expect(200);
    assert_eq!((diff["details"].clone(), diff["hasManualEdits"].clone()), (json!([]), json!(false)));
}

#[actix_web::test]
async fn edits_of_an_agent_are_not_manual() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let id = notebook(&ada, &ada.project("P").await, &json!({})).await;
    cell(&ada, &id, "a").await;
    let point = savepoint(&ada, &id, 0).await;
    let sql = "update cells set content = 'b', metadata = '{\"lastEditedBy\": \"ai\"}'";
    app.database.client().await.unwrap().batch_execute(sql).await.unwrap();
    let diff = ada.get(&format!("/api/notebooks/{id}/savepoints/{point}/diff")).await.expect(200);
    assert_eq!((diff["cellsModified"].clone(), diff["hasManualEdits"].clone()), (json!(1), json!(false)));
}

#[actix_web::test]
async fn fifty_are_kept_and_later_ones_can_be_removed() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let id = notebook(&ada, &ada.project("P").await, &json!({})).await;
    for turn in (0..52).rev() {
        savepoint(&ada, &id, turn).await;
    }
    let path = format!("/api/notebooks/{id}/savepoints");
    let turns = async || {
        let list = ada.get(&path).await.expect(200);
        let turns = list["savepoints"].as_array().unwrap().iter().map(|one| one["turnIndex"].as_u64().unwrap());
        turns.collect::<Vec<_>>()
    };
    assert_eq!(turns().await, (2..52).collect::<Vec<_>>(), "the lowest turns go first");
    ada.send(ada.request(Method::DELETE, &path).json(&json!({ "afterTurnIndex": 4 }))).await.expect(204);
    assert_eq!(turns().await, [2, 3, 4]);
}

#[actix_web::test]
async fn wrong_and_foreign_ones_are_refused() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let project = ada.project("P").await;
    let (id, other) = (notebook(&ada, &project, &json!({})).await, notebook(&ada, &project, &json!({})).await);
    let point = savepoint(&ada, &id, 0).await;
    let path = format!("/api/notebooks/{id}/savepoints");
    for body in [json!({}), json!({ "turnIndex": -1, "turnMessageId": "m" }), json!({ "turnIndex": 0, "turnMessageId": "" })] {
        let answer = ada.post(&path, &body).await.refused(400, "validation_failed");
        assert_eq!(answer["error"], "Invalid request body");
    }
    ada.send(ada.request(Method::DELETE, &path)).await.refused(400, "validation_failed");
    ada.post(&format!("/api/notebooks/{other}/savepoints/{point}/restore"), &Value::Null)
        .await
        .refused(404, "savepoint_not_found");
    ada.get(&format!("{path}/none/diff")).await.refused(400, "invalid_id");
    eve.get(&path).await.refused(404, "notebook_not_found");
    eve.post(&format!("{path}/{point}/restore"), &Value::Null).await.refused(404, "notebook_not_found");
    assert_eq!(ada.get(&path).await.expect(200)["savepoints"][0]["turnMessageId"], "message 0");
}
