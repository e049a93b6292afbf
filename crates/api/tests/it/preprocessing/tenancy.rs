//! What is another's is not there, whichever argument names it.

use super::*;

#[actix_web::test]
async fn nothing_of_another_project_or_person_is_reached() {
    let lab = Lab::new().await;
    let (step, cell, validated) = lab.validated("drop_rows", "city,people\nAachen,1\n").await;
    let start = lab.ok(ToolName::CheckpointDataset, json!({ "label": "Start" })).await;
    let (run, checkpoint) = (&validated["runId"], &start["checkpointId"]);

    // A stranger, in a project of her own.
    let eve = lab.app.user("eve").await;
    let theirs = eve.project("Mine").await;
    let own = eve.dataset(&theirs, "own.csv", "a\n1\n").await;
    let stranger = ToolContext {
        caller: caller_of(&eve).await,
        project: theirs.parse().unwrap(),
        run: None,
        dataset: Some(own["datasetId"].as_str().unwrap().parse().unwrap()),
        notebook: Some(lab.notebook.parse().unwrap()),
        is_approved: true,
        ..lab.context("eve")
    };
    // And the owner, in another project.
    let other = lab.ada.project("Other").await;
    let elsewhere = ToolContext {
        project: other.parse().unwrap(),
        run: None,
        dataset: None,
        notebook: None,
        is_approved: true,
        ..lab.context("elsewhere")
    };
    for (context, of_run) in [(&stranger, "RUN_NOT_FOUND"), (&elsewhere, "RUN_PROJECT_MISMATCH")] {
        for (tool, args) in [
            (ToolName::CommitTransformationStep, json!({ "runId": run, "stepId": step, "approved": true })),
            (ToolName::CommitTransformationStep, json!({ "runId": run, "stepId": step, "approved": false })),
            (ToolName::ListCheckpoints, json!({ "runId": run })),
            (ToolName::ListProjectDatasets, json!({ "runId": run })),
            (ToolName::RestoreCheckpoint, json!({ "runId": run, "checkpointId": checkpoint })),
            (ToolName::ProposeTransformationStep, json!({ "runId": run, "title": "x", "intentType": "x" })),
        ] {
            let output = refused(lab.call(context, tool, args).await, of_run);
            assert!(!output.to_string().contains("Aachen"), "{output}");
        }
        for (tool, args, reason) in [
            (ToolName::SetActiveDataset, json!({ "datasetId": lab.dataset }), "DATASET_NOT_FOUND"),
            (ToolName::SetActiveDataset, json!({ "datasetId": "sales.csv" }), "DATASET_NOT_FOUND"),
            (ToolName::ProfileActiveDataset, json!({ "datasetId": lab.dataset }), "DATASET_NOT_FOUND"),
            (ToolName::RegisterDerivedDataset, json!({ "datasetId": lab.dataset }), "DATASET_NOT_FOUND"),
            (ToolName::CheckpointDataset, json!({ "datasetId": lab.dataset }), "DATASET_NOT_FOUND"),
            (ToolName::RestoreCheckpoint, json!({ "checkpointId": checkpoint }), "CHECKPOINT_NOT_FOUND"),
            (ToolName::MaterializeStepCode, json!({ "stepId": step, "code": "x" }), "STEP_NOT_FOUND"),
            (ToolName::ReconcileDivergedStep, json!({ "stepId": step }), "STEP_NOT_FOUND"),
        ] {
            let context = ToolContext { key: uuid::Uuid::new_v4().to_string(), ..context.clone() };
            refused(lab.call(&context, tool, args).await, reason);
        }
    }
    let mine = ToolContext { key: "a step of her own".into(), ..stranger.clone() };
    let mine = done(lab.call(&mine, ToolName::ProposeTransformationStep, json!({ "title": "x", "intentType": "x" })).await);
    let code = ToolContext { key: "its code".into(), ..stranger.clone() };
    done(lab.call(&code, ToolName::MaterializeStepCode, json!({ "stepId": mine["stepId"], "code": "x" })).await);
    let foreign = ToolContext { key: "a foreign cell".into(), ..stranger.clone() };
    let answer =
        lab.call(&foreign, ToolName::ExecuteTransformationStep, json!({ "stepId": mine["stepId"], "cellId": cell })).await;
    refused(answer, "MISSING_REQUIRED_ARG");
    // A dataset of the owner's other project is no dataset of this one.
    let hidden = lab.ada.dataset(&other, "hidden.csv", "a\n1\n").await;
    for wanted in [&hidden["datasetId"], &json!("hidden.csv"), &json!("hidden")] {
        refused(lab.tool(ToolName::SetActiveDataset, json!({ "datasetId": wanted })).await, "DATASET_NOT_FOUND");
    }
    let context = ToolContext { dataset: Some(hidden["datasetId"].as_str().unwrap().parse().unwrap()), ..lab.context("hidden") };
    refused(lab.call(&context, ToolName::ProfileActiveDataset, json!({})).await, "DATASET_NOT_FOUND");

    let run = lab.snapshot(&validated).await;
    assert_eq!((&run["steps"][0]["status"], run["steps"].as_array().unwrap().len()), (&json!("awaiting_approval"), 1));
}

#[actix_web::test]
async fn the_routes_know_whose_a_run_is() {
    let lab = Lab::new().await;
    let run = lab.ok(ToolName::ProfileActiveDataset, json!({})).await;
    let id = run["runId"].as_str().unwrap();
    let (eve, other) = (lab.app.user("eve").await, lab.ada.project("Other").await);
    let path = format!("/api/preprocessing/runs/{id}");
    lab.ada.get(&format!("{path}?projectId={}", lab.project)).await.expect(200);
    lab.ada.get(&format!("{path}?projectId={other}")).await.refused(404, "preprocessing_run_not_found");
    eve.get(&path).await.refused(404, "preprocessing_run_not_found");
    for id in ["x", &format!("prep-{}", uuid::Uuid::new_v4()), &id.replace("prep-", "")] {
        lab.ada.get(&format!("/api/preprocessing/runs/{id}")).await.refused(404, "preprocessing_run_not_found");
    }
    let missing = lab.ada.get("/api/preprocessing/runs").await.refused(400, "validation_failed");
    assert!(missing["details"].is_array(), "{missing}");
    // W2: without a project, tables are the caller's own and nobody else's.
    let tables = async |client: &Client| client.get("/api/preprocessing/tables").await.expect(200)["tables"].clone();
    let own = tables(&lab.ada).await;
    assert_eq!((own.as_array().unwrap().len(), &own[0]["datasetId"]), (1, &json!(lab.dataset)), "{own}");
    assert_eq!(tables(&eve).await, json!([]));
    for list in ["tables", "runs"] {
        lab.ada.get(&format!("/api/preprocessing/{list}?projectId=x")).await.refused(400, "validation_failed");
        eve.get(&format!("/api/preprocessing/{list}?projectId={}", lab.project)).await.refused(404, "project_not_found");
    }
    for limit in ["0", "101", "x"] {
        let path = format!("/api/preprocessing/runs?projectId={}&limit={limit}", lab.project);
        lab.ada.get(&path).await.refused(400, "validation_failed");
    }
    let listed = lab.ada.get(&format!("/api/preprocessing/runs?projectId={other}&limit=1")).await.expect(200);
    assert_eq!(listed, json!({ "projectId": other, "count": 0, "runs": [] }));
    for route in ["step-decision", "check-compatibility"] {
        let path = format!("/api/preprocessing/{route}");
        let (step, checkpoint) = (format!("step-{}", uuid::Uuid::new_v4()), format!("ckpt-{}", uuid::Uuid::new_v4()));
        let body = json!({ "projectId": lab.project, "runId": id, "stepId": step, "approved": true,
            "checkpointId": checkpoint, "replayDatasetId": "x" });
        eve.post(&path, &body).await.refused(404, "project_not_found");
        // A project in the query opens no door to the one in the body.
        let own = eve.project(route).await;
        eve.post(&format!("{path}?projectId={own}"), &body).await.refused(404, "project_not_found");
        let wrong =
            lab.ada.post(&path, &json!({ "projectId": lab.project, "runId": "" })).await.refused(400, "validation_failed");
        assert!(wrong["details"][0]["path"].is_array(), "{wrong}");
        let answer = lab.ada.post(&path, &body).await.expect(200);
        assert!(answer["output"]["isError"] == true && answer["error"].is_string(), "{answer}");
        let mut foreign = body.clone();
        foreign["projectId"] = json!(other);
        let answer = lab.ada.post(&path, &foreign).await.expect(200);
        assert_eq!(answer["output"]["reasonCode"], "RUN_PROJECT_MISMATCH", "{answer}");
    }
}
