//! A step on a real kernel in a real sandbox.

use super::*;
use crate::kernels::running;

#[actix_web::test]
async fn a_step_runs_on_a_kernel_and_running_it_again_does_the_same_again() {
    let lab = Lab::over(running(&[]).await).await;
    let step = lab.proposed("scale").await;
    let cell = lab.written(&step, "df['people'] = df['people'] * 10\nprint(len(df))").await;
    let run = async |cell: &str| {
        let body = json!({ "projectId": lab.project });
        let result = lab.ada.post(&format!("/api/cells/{cell}/run"), &body).await.expect(200);
        assert_eq!(result["status"], "success", "{result}");
    };
    run(&cell).await;
    run(&cell).await;
    let executed = lab.ok(ToolName::ExecuteTransformationStep, json!({ "stepId": step, "cellId": cell })).await;
    assert!(executed["stdout"].as_str().is_some_and(|text| text.starts_with("3\n")), "{executed}");
    let validated = lab.ok(ToolName::ValidateStepResult, json!({ "stepId": step })).await;
    let measured = &validated["step"]["validation"];
    assert_eq!((&measured["rowCountAfter"], &measured["nullCountAfter"]), (&json!(3), &json!(1)), "{measured}");
    assert_eq!(measured["schemaDrift"], false, "whole numbers stay whole, gaps or not: {measured}");
    let kept = lab.ok(ToolName::CommitTransformationStep, json!({ "stepId": step })).await;
    let derived = kept["derivedDatasetId"].as_str().unwrap();
    let rows = lab.ada.get(&format!("/api/datasets/{derived}/rows")).await.expect(200);
    let people: Vec<&Value> = rows["rows"].as_array().unwrap().iter().map(|row| &row["people"]).collect();
    assert_eq!(people, [&json!(10), &Value::Null, &json!(30)], "ten times, not a hundred times");

    // The next step reads what this one made, and loses rows.
    let next = lab.proposed("filter").await;
    let cell = lab.written(&next, "df = df[df['people'].notna()]").await;
    run(&cell).await;
    lab.ok(ToolName::ExecuteTransformationStep, json!({ "stepId": next, "cellId": cell })).await;
    let validated = lab.ok(ToolName::ValidateStepResult, json!({ "stepId": next, "requiresApproval": false })).await;
    assert_eq!(
        (&validated["status"], &validated["step"]["validation"]["rowCountAfter"]),
        (&json!("awaiting_approval"), &json!(2)),
        "{validated}"
    );
    let answer = lab.decide(&validated, &next, true).await;
    assert_eq!(answer["output"]["status"], "applied", "{answer}");
    let run = lab.snapshot(&validated).await;
    assert_eq!(run["checkpoints"][1]["stepIds"], json!([step, next]));
    let datasets = lab.datasets().await;
    let last = datasets.iter().find(|dataset| dataset["datasetId"] == answer["output"]["derivedDatasetId"]).unwrap();
    assert_eq!(
        (&last["metadata"]["derivedFrom"], &last["filename"]),
        (&json!(lab.dataset), &json!("sales_processed.csv")),
        "{last}"
    );
    assert_eq!(last["metadata"]["preprocessing"]["previousDatasetId"], derived);
}

/// What the kernel has is what the dataset has: no text becomes a number because all of it looks like one.
#[actix_web::test]
async fn types_come_back_from_the_kernel_as_they_were() {
    let mut lab = Lab::over(running(&[]).await).await;
    let text = "__row_id,zip,flag,at\n7,00501,true,2024-01-01 10:00\n3,x,,\n5,00777,false,2024-01-02 11:00\n";
    lab.dataset = lab.ada.dataset(&lab.project, "sales.csv", text).await["datasetId"].as_str().unwrap().to_owned();
    let step = lab.proposed("filter").await;
    let code = "df = df[df['zip'] != 'x'].copy()\n\
                df['zip'] = df['zip'].str.lstrip('0')\n\
                df['said'] = ['None', 'yes']\n\
                df['at'] = df['at'].dt.tz_localize('Europe/Berlin')\n\
                df['large'] = [2**63 - 1, 2**53 + 1]\n\
                df['flag'] = [True, None]";
    let cell = lab.written(&step, code).await;
    let body = json!({ "projectId": lab.project });
    let ran = lab.ada.post(&format!("/api/cells/{cell}/run"), &body).await.expect(200);
    assert_eq!(ran["status"], "success", "{ran}");
    lab.ok(ToolName::ExecuteTransformationStep, json!({ "stepId": step, "cellId": cell })).await;
    let validated = lab.ok(ToolName::ValidateStepResult, json!({ "stepId": step })).await;
    let applied = lab.decide(&validated, &step, true).await;
    let derived = applied["output"]["derivedDatasetId"].as_str().unwrap_or_else(|| panic!("{applied}"));
    let rows = lab.ada.get(&format!("/api/datasets/{derived}/rows")).await.expect(200)["rows"].clone();
    let column = |name: &str| json!(rows.as_array().unwrap().iter().map(|row| row[name].clone()).collect::<Vec<_>>());
    for (name, values) in [
        ("__row_id", json!([7, 5])),
        ("zip", json!(["501", "777"])),
        ("said", json!(["None", "yes"])),
        ("flag", json!([true, null])),
    ] {
        assert_eq!(column(name), values, "{name}");
    }
    assert_eq!(column("large")[0].to_string().trim_matches('"'), i64::MAX.to_string());
    assert!(column("at")[0].as_str().is_some_and(|at| at.starts_with("2024-01-01T09:00:00")), "in UTC: {}", column("at"));
}

#[actix_web::test]
async fn code_that_raises_fails_its_step() {
    let lab = Lab::over(running(&[]).await).await;
    let step = lab.proposed("fill_missing").await;
    let cell = lab.written(&step, "df['nothing']").await;
    let body = json!({ "projectId": lab.project });
    lab.ada.post(&format!("/api/cells/{cell}/run"), &body).await.expect(200);
    let args = json!({ "stepId": step, "cellId": cell, "succeeded": true });
    let failed = lab.ok(ToolName::ExecuteTransformationStep, args).await;
    assert_eq!(
        (&failed["status"], &failed["succeeded"]),
        (&json!("failed"), &json!(false)),
        "the model's word counts for nothing"
    );
    assert!(failed["stderr"].as_str().unwrap().contains("KeyError"), "{failed}");
}
