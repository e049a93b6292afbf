//! Datasets that change while a step is under way.

use super::*;

impl Lab {
    async fn retyped(&self, dtype: &str) {
        let path = format!("/api/datasets/{}/columns/people", self.dataset);
        self.ada.put(&path, &json!({ "dtype": dtype })).await.expect(200);
    }

    /// Writes down that a cell ran once more, and when: clearly after whatever was done before.
    async fn ran_since(&self, cell: &str) {
        self.ran(cell, "success").await;
        self.sql(&format!("update cells set executed_at = now() + interval '1 second' where cell_id = '{cell}'")).await;
    }
}

#[actix_web::test]
async fn what_was_read_before_a_change_is_neither_measured_nor_kept() {
    let lab = Lab::new().await;
    let (step, cell) = lab.executed("fill_missing").await;
    let file = lab.processed(&lab.dataset, "sales_processed.csv");
    std::fs::write(&file, "city,people\nAachen,1\nBonn,0\nKöln,3\n").unwrap();
    lab.retyped("string").await;
    let (validate, commit) = (ToolName::ValidateStepResult, ToolName::CommitTransformationStep);
    let output = refused(lab.tool(validate, json!({ "stepId": step })).await, "STEP_VALIDATE_REQUIRES_SUCCESSFUL_EXECUTE");
    assert!(output["step"].get("validation").is_none(), "{output}");

    // Run again, it has read the new version.
    lab.ran_since(&cell).await;
    std::fs::write(&file, "city,people\nAachen,1\nBonn,0\nKöln,3\n").unwrap();
    lab.ok(ToolName::ExecuteTransformationStep, json!({ "stepId": step })).await;
    let validated = lab.ok(validate, json!({ "stepId": step })).await;
    let changes = validated["step"]["validation"]["changes"].to_string();
    assert!(changes.contains("was string, is integer"), "measured beside the version that was read: {validated}");

    // What was measured holds for that version only.
    lab.retyped("float").await;
    let output = refused(lab.tool(commit, json!({ "stepId": step })).await, "STEP_COMMIT_REQUIRES_EXECUTE_VALIDATE");
    assert_eq!(output["step"]["lastExecuteSucceeded"], false, "{output}");
    assert_eq!(lab.datasets().await.len(), 1, "nothing was kept");
}
