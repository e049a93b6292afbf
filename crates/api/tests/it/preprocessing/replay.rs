//! States that are gone back to, and steps that are compared with other datasets.

use super::*;

async fn committed(lab: &Lab) -> Value {
    let (step, _, _) = lab.validated("fill_missing", "city,people\nAachen,1\nBonn,0\nKöln,3\n").await;
    lab.ok(ToolName::CommitTransformationStep, json!({ "stepId": step })).await
}

#[actix_web::test]
async fn a_state_is_gone_back_to() {
    let lab = Lab::new().await;
    let start = lab.ok(ToolName::CheckpointDataset, json!({ "label": " Start " })).await;
    assert_eq!(
        (&start["checkpoint"]["label"], &start["checkpoint"]["datasetId"]),
        (&json!("Start"), &json!(lab.dataset)),
        "{start}"
    );
    let kept = committed(&lab).await;
    let under_way = lab.proposed("fill_missing").await;
    let listed = lab.ok(ToolName::ListCheckpoints, json!({})).await;
    assert_eq!(listed["checkpoints"].as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(listed["replay"]["eventCount"], listed["replay"]["lastEventSequence"]);

    let restore = ToolName::RestoreCheckpoint;
    let restored = lab.ok(restore, json!({ "checkpointId": start["checkpointId"] })).await;
    assert_eq!(restored["activeDatasetId"], lab.dataset, "{restored}");
    assert_eq!((&restored["restoredCheckpoint"]["label"], &restored["datasetChanged"]), (&json!("Start"), &json!(false)));
    let run = lab.snapshot(&kept).await;
    let statuses: Vec<&str> = run["steps"].as_array().unwrap().iter().map(|step| step["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["applied", "failed"], "what was under way is given up");
    assert_eq!(run["steps"][1]["stepId"], under_way);
    // What comes now is made of the old state.
    let next = lab.proposed("fill_missing").await;
    let made = lab.ok(ToolName::MaterializeStepCode, json!({ "stepId": next, "code": "x" })).await;
    assert_eq!(made["datasetId"], lab.dataset);

    let derived = kept["derivedDatasetId"].as_str().unwrap();
    lab.ok(restore, json!({ "checkpointId": kept["checkpointId"] })).await;
    lab.ada.delete(&format!("/api/datasets/{derived}")).await.expect(200);
    refused(lab.tool(restore, json!({ "checkpointId": kept["checkpointId"] })).await, "DATASET_NOT_FOUND");
    refused(lab.tool(ToolName::CheckpointDataset, json!({})).await, "DATASET_NOT_FOUND");
    let unknown = json!({ "stepIds": [under_way], "datasetId": "sales" });
    refused(lab.tool(ToolName::CheckpointDataset, unknown).await, "INVALID_OPERATION");
}

#[actix_web::test]
async fn steps_are_compared_with_another_dataset() {
    let lab = Lab::new().await;
    let kept = committed(&lab).await;
    let upload = async |name: &str, content: &str| lab.ada.dataset(&lab.project, name, content).await["datasetId"].clone();
    let fits = upload("fits.csv", "people,city,more\n5,Ulm,x\n").await;
    let lacks = upload("lacks.csv", "people\n5\n").await;
    let differs = upload("differs.csv", "city,people\nUlm,many\n").await;
    let check = async |dataset: &Value| {
        let body = json!({ "projectId": lab.project, "runId": kept["runId"], "checkpointId": kept["checkpointId"],
            "replayDatasetId": dataset });
        lab.ada.post("/api/preprocessing/check-compatibility", &body).await.expect(200)
    };
    let answer = check(&fits).await;
    assert!(answer.get("error").is_none(), "{answer}");
    assert_eq!((&answer["output"]["compatible"], &answer["output"]["compatibilityIssues"]), (&json!(true), &json!([])));
    assert_eq!(answer["output"]["datasetId"], fits);
    for (dataset, issue) in [
        (&lacks, json!({ "column": "city", "issue": "missing_column", "expectedType": "string" })),
        (&differs, json!({ "column": "people", "issue": "dtype_mismatch", "expectedType": "integer", "actualType": "string" })),
    ] {
        let answer = check(dataset).await;
        assert_eq!(answer["output"]["reasonCode"], "REPLAY_INCOMPATIBLE_DATASET", "{answer}");
        assert!(answer["error"].is_string() && answer["output"]["isError"] == true);
        let mut found = answer["output"]["compatibilityIssues"][0].clone();
        found.as_object_mut().unwrap().remove("stepId");
        assert_eq!(found, issue);
    }
    let restore = ToolName::RestoreCheckpoint;
    let replay = json!({ "checkpointId": kept["checkpointId"], "operation": "replay" });
    refused(lab.tool(restore, replay).await, "REPLAY_TARGET_DATASET_REQUIRED");
    let replay =
        |dataset: &Value| json!({ "checkpointId": kept["checkpointId"], "operation": "replay", "replayDatasetId": dataset });
    refused(lab.tool(restore, replay(&differs)).await, "REPLAY_INCOMPATIBLE_DATASET");
    assert_eq!(lab.snapshot(&kept).await["activeDatasetId"], kept["derivedDatasetId"], "a refused one changes nothing");
    let replayed = lab.ok(restore, replay(&json!("fits"))).await;
    let code = replayed["replay"]["steps"][0]["code"].as_str().unwrap();
    assert!(code.contains(fits.as_str().unwrap()) && !code.contains(&lab.dataset), "{code}");
    let run = lab.snapshot(&kept).await;
    assert_eq!(run["activeDatasetId"], fits);
    let checks = run["events"].as_array().unwrap().iter().filter(|event| event["type"] == "replay_compatibility_checked").count();
    assert_eq!(checks, 5);
}
