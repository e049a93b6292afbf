//! A person's word for calls that lose something, where the client can ask one.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Mcp;
use crate::{
    notebooks::{cell, notebook},
    support::{Client, TestApp},
};

struct Setting {
    app: TestApp,
    ada: Client,
    asking: Mcp,
    project: String,
    cell: String,
}

async fn setting() -> Setting {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let notebook = notebook(&ada, &project, &json!({})).await;
    let cell = cell(&ada, &notebook, "a = 1").await;
    Setting { asking: Mcp::newest(&ada, json!({ "elicitation": {} })), app, ada, project, cell }
}

impl Setting {
    fn call(&self, more: &Value) -> Value {
        let mut call = json!({ "name": "delete_cell", "arguments": { "projectId": self.project, "cellId": self.cell } });
        call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        call
    }

    /// The question that a call is answered with.
    async fn question(&self, mcp: &Mcp, more: &Value) -> Value {
        let asked = mcp.ask("tools/call", &self.call(more)).await;
        assert_eq!(asked["resultType"], "input_required", "{asked}");
        assert_eq!(asked["inputRequests"]["approval"]["method"], "elicitation/create", "{asked}");
        asked
    }

    async fn is_there(&self) -> bool {
        self.ada.get(&format!("/api/cells/{}", self.cell)).await.status == 200
    }
}

fn answer(state: &Value, action: &str, approve: bool) -> Value {
    let response = json!({ "action": action, "content": { "approve": approve } });
    json!({ "requestState": state, "inputResponses": { "approval": response } })
}

#[actix_web::test]
async fn a_cell_is_deleted_when_a_person_says_so() {
    let setting = setting().await;
    let asked = setting.question(&setting.asking, &json!({})).await;
    let message = asked["inputRequests"]["approval"]["params"]["message"].as_str().unwrap();
    assert!(message.contains("delete_cell") && message.contains(&setting.cell), "{message}");
    assert!(setting.is_there().await, "nothing happens before the answer");
    let state = &asked["requestState"];
    for (action, approve) in [("decline", true), ("accept", false), ("cancel", true)] {
        let no = answer(state, action, approve);
        let result = setting.asking.ask("tools/call", &setting.call(&no)).await;
        assert_eq!(result["isError"], true, "{result}");
        assert!(result["content"][0]["text"].as_str().unwrap().contains("declined"), "{result}");
    }
    assert!(setting.is_there().await);
    // An answer to something else is no answer: it is asked again.
    let other = json!({ "requestState": state, "inputResponses": { "else": { "action": "accept" } } });
    setting.question(&setting.asking, &other).await;
    let result = setting.asking.ask("tools/call", &setting.call(&answer(state, "accept", true))).await;
    assert_eq!(result["isError"], false, "{result}");
    assert!(!setting.is_there().await);
}

#[actix_web::test]
async fn a_yes_holds_for_what_it_was_said_to() {
    let setting = setting().await;
    let eve = setting.app.user("eve").await;
    let hers = Mcp::newest(&eve, json!({ "elicitation": {} }));
    let state = setting.question(&setting.asking, &json!({})).await["requestState"].clone();
    let yes = answer(&state, "accept", true);
    // Without the question, or with a note that was touched.
    let bare = json!({ "inputResponses": yes["inputResponses"] });
    setting.question(&setting.asking, &bare).await;
    for wrong in [json!(""), json!("made up"), json!(format!("{}x", state.as_str().unwrap()))] {
        let refused = setting.asking.refuse("tools/call", &setting.call(&answer(&wrong, "accept", true))).await;
        assert_eq!(refused["code"], -32602, "{refused}");
    }
    // To another cell.
    let other = notebook(&setting.ada, &setting.project, &json!({})).await;
    let other = cell(&setting.ada, &other, "b = 2").await;
    let mut call = setting.call(&yes);
    call["arguments"]["cellId"] = json!(other);
    assert_eq!(setting.asking.refuse("tools/call", &call).await["code"], -32602);
    // By somebody else: the cell is not there, whatever was said.
    let own = eve.project("Hers").await;
    let mut call = setting.call(&yes);
    call["arguments"]["projectId"] = json!(own);
    let missing = hers.ask("tools/call", &call).await;
    assert!(missing["content"][0]["text"].as_str().unwrap().contains("not found"), "{missing}");
    let missing = hers.ask("tools/call", &setting.call(&yes)).await;
    assert_eq!(missing["content"][0]["text"], "Project not found");
    assert!(setting.is_there().await);
    // To the cell as it was: what a person wrote into it since is something else.
    setting.ada.patch(&format!("/api/cells/{}", setting.cell), &json!({ "content": "precious = 1" })).await.expect(200);
    let stale = setting.asking.ask("tools/call", &setting.call(&yes)).await;
    assert_eq!(stale["isError"], true, "{stale}");
    assert!(stale["content"][0]["text"].as_str().unwrap().contains("changed after the person was asked"), "{stale}");
    // What the person saw is not for the client to say.
    for hash in [json!(hex::encode(Sha256::digest("precious = 1"))), json!("")] {
        let mut call = setting.call(&yes);
        call["arguments"]["codeHash"] = hash;
        let refused = setting.asking.ask("tools/call", &call).await;
        assert_eq!(refused["isError"], true, "{refused}");
        assert!(refused["content"][0]["text"].as_str().unwrap().contains("codeHash"), "{refused}");
    }
    assert!(setting.is_there().await);
    let state = setting.question(&setting.asking, &json!({})).await["requestState"].clone();
    let yes = answer(&state, "accept", true);
    // Every server of an installation opens what one of them sealed.
    let second = setting.app.second_server(&[]).await;
    let client = Client::new(&format!("http://{}", second.address()), setting.ada.token.as_deref());
    let there = Mcp::newest(&client, json!({ "elicitation": {} }));
    assert_eq!(there.ask("tools/call", &setting.call(&yes)).await["isError"], false);
    assert!(!setting.is_there().await);
}

/// What can only fail is told at once: a yes would change nothing.
#[actix_web::test]
async fn nobody_is_asked_about_a_cell_that_is_not_there() {
    let setting = setting().await;
    let others = setting.ada.project("Others").await;
    let mut cells = vec![uuid::Uuid::new_v4().to_string()];
    for (project, kind) in [(&others, "phase"), (&setting.project, "standalone")] {
        let notebook = notebook(&setting.ada, project, &json!({ "kind": kind })).await;
        cells.push(cell(&setting.ada, &notebook, "b = 2").await);
    }
    let told = async |id: &str, more: &Value| {
        let mut call = setting.call(more);
        call["arguments"]["cellId"] = json!(id);
        let told = setting.asking.ask("tools/call", &call).await;
        (told["isError"].clone(), told["content"][0]["text"].clone())
    };
    for id in &cells {
        assert_eq!(told(id, &json!({})).await, (json!(true), json!(format!("Cell {id} not found"))));
    }
    for elsewhere in &cells[1..] {
        setting.ada.get(&format!("/api/cells/{elsewhere}")).await.expect(200);
    }
    // Nor does a yes help to one that went away since.
    let state = setting.question(&setting.asking, &json!({})).await["requestState"].clone();
    setting.ada.delete(&format!("/api/cells/{}", setting.cell)).await.expect(204);
    let late = told(&setting.cell, &answer(&state, "accept", true)).await;
    assert_eq!(late, (json!(true), json!(format!("Cell {} not found", setting.cell))));
}

#[actix_web::test]
async fn who_cannot_ask_is_not_asked() {
    let setting = setting().await;
    let plain = Mcp::newest(&setting.ada, json!({}));
    // What loses nothing is asked about by nobody.
    let write = json!({ "projectId": setting.project, "content": "b = 2" });
    setting.asking.give("write_cell", &write).await;
    plain.give("delete_cell", &json!({ "projectId": setting.project, "cellId": setting.cell })).await;
    assert!(!setting.is_there().await);
}
