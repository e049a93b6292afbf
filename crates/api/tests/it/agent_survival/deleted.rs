//! What a turn works on is deleted while its code runs. `dataset_in_use` has the same for turns that wait for a model.

use serde_json::json;

use super::{
    begun, ended, rest, running_setting,
    sandboxes::{ENDLESS, runs},
};
use crate::support::eventually;

#[actix_web::test]
async fn a_project_that_is_deleted_takes_the_turn_and_its_code_with_it() {
    let lab = running_setting(&json!(runs(ENDLESS))).await;
    let (text, stream) = begun(&lab.ada, &lab.features("fe-1", "go"), "tool_executed").await;
    lab.runs_code().await;
    lab.ada.delete(&format!("/api/projects/{}", lab.project)).await.expect(204);
    let lines = rest(text, stream).await;
    let [.., error, done] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&error["type"], &done["type"]), (&json!("workflow_error"), &json!("done")), "{lines:?}");
    lab.ada.get("/api/workflows/fe-1").await.refused(404, "workflow_not_found");
    let kept = lab.workspace().parent().unwrap().to_owned();
    eventually("the kernel to end", async || {
        let health = lab.ada.get("/api/execute/health").await.expect(200);
        (health["activeSessions"] == 0 && !kept.exists()).then_some(())
    })
    .await;
    // The server works on, for the next project.
    let project = lab.ada.project("Next").await;
    let dataset = lab.ada.dataset(&project, "sales.csv", super::SALES).await["datasetId"].clone();
    let mut body = lab.features("fe-1", "go");
    (body["projectId"], body["datasetId"]) = (json!(project), dataset);
    let (text, stream) = begun(&lab.ada, &body, "tool_executed").await;
    lab.ada.post("/api/workflows/fe-1/interrupt", &json!({})).await.expect(200);
    assert_eq!(rest(text, stream).await.last().unwrap()["type"], "done");
}

#[actix_web::test]
async fn a_dataset_stays_while_code_of_a_turn_works_on_it_and_is_missed_afterwards() {
    let lab = running_setting(&json!(runs(ENDLESS))).await;
    let (text, stream) = begun(&lab.ada, &lab.features("fe-1", "go"), "tool_executed").await;
    lab.runs_code().await;
    let path = format!("/api/datasets/{}", lab.dataset);
    let refused = lab.ada.delete(&path).await.refused(409, "dataset_in_use");
    assert_eq!((&refused["error"], &refused["activeRunIds"]), (&json!("DATASET_IN_USE"), &json!(["fe-1"])));
    lab.ada.post("/api/workflows/fe-1/interrupt", &json!({})).await.expect(200);
    assert_eq!(rest(text, stream).await.last().unwrap()["type"], "done");
    ended(&lab.ada, "fe-1").await;
    lab.ada.delete(&path).await.expect(200);
    let lines = lab.told(&lab.features("fe-1", "go")).await;
    let error = lines.iter().find(|line| line["type"] == "workflow_error").unwrap_or_else(|| panic!("{lines:?}"));
    assert_eq!((&error["code"], &error["retryable"]), (&json!("DATASET_NOT_FOUND"), &json!(false)));
}
