//! Plan chats (contract 1, section 13).

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

async fn chat(client: &Client, project: &str, name: &str) -> String {
    let made = client.post(&format!("/api/projects/{project}/plan-chats"), &json!({ "name": name })).await.expect(201);
    made["chatId"].as_str().expect("an id").to_owned()
}

#[actix_web::test]
async fn a_chat_lives_from_create_to_delete() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let base = format!("/api/projects/{project}/plan-chats");
    let made = ada.post(&base, &json!({ "name": "  First plan ", "extra": 1 })).await.expect(201);
    assert_eq!((&made["name"], &made["status"], &made["currentRound"]), (&json!("First plan"), &json!("in_progress"), &json!(0)));
    assert_eq!((&made["messages"], &made["answerHistory"], &made["completedPlanId"]), (&json!([]), &json!([]), &Value::Null));
    let id = made["chatId"].as_str().unwrap();
    let at = format!("{base}/{id}");
    assert_eq!(ada.get(&at).await.expect(200), made);

    // Opaque JSON comes back as it was sent: order of keys, numbers, escapes.
    let messages = json!([{ "z": 1, "a": [1.50, "\u{0}"], "m": null }, "text", 3]);
    let state = json!({ "messages": messages, "answerHistory": [{ "q": "a" }], "currentRound": 2 });
    let changed = ada.put(&format!("{at}/state"), &state).await.expect(200);
    assert_eq!((&changed["messages"], &changed["currentRound"], &changed["name"]), (&messages, &json!(2), &json!("First plan")));
    let renamed = ada.put(&format!("{at}/state"), &json!({ "name": "Second" })).await.expect(200);
    assert_eq!((&renamed["messages"], &renamed["name"]), (&messages, &json!("Second")));

    let body = json!({ "completedPlanId": "plan-7", "name": "Done" });
    let done = ada.post(&format!("{at}/complete"), &body).await.expect(200);
    assert_eq!(
        (&done["status"], &done["completedPlanId"], &done["name"]),
        (&json!("completed"), &json!("plan-7"), &json!("Done"))
    );
    ada.delete(&at).await.expect(204);
    ada.get(&at).await.refused(404, "plan_chat_not_found");
    ada.delete(&at).await.refused(404, "plan_chat_not_found");
}

#[actix_web::test]
async fn lists_are_bare_and_newest_first() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let base = format!("/api/projects/{project}/plan-chats");
    let (first, second) = (chat(&ada, &project, "first").await, chat(&ada, &project, "second").await);
    ada.put(&format!("{base}/{first}/state"), &json!({ "messages": [1, 2, 3] })).await.expect(200);
    ada.post(&format!("{base}/{second}/complete"), &json!({ "completedPlanId": "p", "name": "second" })).await.expect(200);
    let ids =
        |list: &Value| list.as_array().unwrap().iter().map(|one| one["chatId"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let all = ada.get(&base).await.expect(200);
    assert_eq!(ids(&all), [second.clone(), first.clone()]);
    assert_eq!(all[1]["messageCount"], 3);
    assert!(all[1].get("messages").is_none() && all[1].get("answerHistory").is_none());
    assert_eq!(ids(&ada.get(&format!("{base}?status=completed")).await.expect(200)), [second]);
    assert_eq!(ids(&ada.get(&format!("{base}?status=in_progress")).await.expect(200)), [first]);
    assert_eq!(ids(&ada.get(&format!("{base}?status=nonsense")).await.expect(200)).len(), 2);
}

#[actix_web::test]
async fn wrong_bodies_are_refused_and_change_nothing() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let base = format!("/api/projects/{project}/plan-chats");
    let at = format!("{base}/{}", chat(&ada, &project, "chat").await);
    let before = ada.get(&at).await.expect(200);
    for wrong in [
        json!({}),
        json!({ "name": " " }),
        json!({ "name": "x".repeat(201) }),
        json!({ "name": 1 }),
        json!({ "name": "a\u{0}b" }),
    ] {
        let answer = ada.post(&base, &wrong).await.refused(400, "validation_failed");
        assert!(answer["errors"]["fieldErrors"].is_object(), "{answer}");
    }
    for wrong in [
        json!({}),
        json!({ "unknown": 1 }),
        json!({ "messages": vec![0; 501] }),
        json!({ "answerHistory": vec![0; 201] }),
        json!({ "currentRound": -1 }),
        json!({ "currentRound": 1.5 }),
        json!({ "messages": "none" }),
        json!({ "messages": null }),
        json!({ "name": "" }),
    ] {
        ada.put(&format!("{at}/state"), &wrong).await.refused(400, "validation_failed");
    }
    for wrong in [json!({ "name": "x" }), json!({ "completedPlanId": "", "name": "x" }), json!({ "completedPlanId": "p" })] {
        ada.post(&format!("{at}/complete"), &wrong).await.refused(400, "validation_failed");
    }
    assert_eq!(ada.get(&at).await.expect(200), before);
    ada.put(&format!("{at}/state"), &json!({ "messages": vec![0; 500], "answerHistory": vec![0; 200] })).await.expect(200);
}

#[actix_web::test]
async fn foreign_and_malformed_ids_are_404_and_400() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let (project, other, foreign) = (ada.project("P").await, ada.project("Q").await, eve.project("E").await);
    let id = chat(&ada, &project, "chat").await;
    for stranger in [format!("/api/projects/{project}/plan-chats"), "/api/projects/nonsense/plan-chats".to_owned()] {
        eve.get(&stranger).await.refused(404, "project_not_found");
        eve.post(&stranger, &json!({ "name": "x" })).await.refused(404, "project_not_found");
    }
    // Neither through somebody's own project, nor through another of the owner's.
    for (client, through) in [(&eve, &project), (&eve, &foreign), (&ada, &other)] {
        let at = format!("/api/projects/{through}/plan-chats/{id}");
        client.get(&at).await.refused(404, "plan_chat_not_found");
        client.put(&format!("{at}/state"), &json!({ "name": "mine" })).await.refused(404, "plan_chat_not_found");
        let body = json!({ "completedPlanId": "p", "name": "mine" });
        client.post(&format!("{at}/complete"), &body).await.refused(404, "plan_chat_not_found");
        client.delete(&at).await.refused(404, "plan_chat_not_found");
    }
    ada.get(&format!("/api/projects/{project}/plan-chats/nonsense")).await.refused(400, "invalid_id");
    assert_eq!(ada.get(&format!("/api/projects/{project}/plan-chats/{id}")).await.expect(200)["name"], "chat");
    // A project takes its chats with it.
    ada.delete(&format!("/api/projects/{project}")).await.expect(204);
    ada.get(&format!("/api/projects/{project}/plan-chats/{id}")).await.refused(404, "plan_chat_not_found");
}
