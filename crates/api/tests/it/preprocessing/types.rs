//! Types that a file was written with.

use super::*;

const PLAIN: &str = "city,people\nAachen,1\nBonn,2\nK\u{f6}ln,3\n";

impl Lab {
    /// Writes down of the processed file that it was written with these types.
    fn tells(&self, content: &str, types: &Value) {
        let sha256 = Sha256::digest(content.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let told = json!({ "sha256": sha256, "types": types }).to_string();
        std::fs::write(self.processed(&self.dataset, ".sales_processed.csv.types.json"), told).unwrap();
    }

    async fn dtypes(&self, derived: &Value) -> Value {
        let datasets = self.datasets().await;
        let dataset = datasets.iter().find(|dataset| dataset["datasetId"] == *derived).unwrap();
        json!(dataset["columns"].as_array().unwrap().iter().map(|column| column["dtype"].clone()).collect::<Vec<_>>())
    }
}

#[actix_web::test]
async fn a_step_s_types_are_those_of_its_dataset() {
    let lab = Lab::new().await;
    let (step, _) = lab.executed("cast_types").await;
    let file = lab.processed(&lab.dataset, "sales_processed.csv");
    let text = "city,people,zip\nAachen,1,52062\nBonn,2,53111\nUlm,3,89073\n";
    std::fs::write(&file, text).unwrap();
    lab.tells(text, &json!({ "people": "string", "zip": "string" }));
    let validated = lab.ok(ToolName::ValidateStepResult, json!({ "stepId": step })).await;
    let changes = validated["step"]["validation"]["changes"].to_string();
    assert!(changes.contains("was integer, is string"), "as it was measured: {validated}");
    let answer = lab.decide(&validated, &step, true).await;
    let derived = &answer["output"]["derivedDatasetId"];
    assert_eq!(lab.dtypes(derived).await, json!(["string", "string", "string"]), "{answer}");

    // A person's change of one column leaves the others as they are.
    let path = format!("/api/datasets/{}/columns/zip", derived.as_str().unwrap());
    lab.ada.put(&path, &json!({ "dtype": "integer" })).await.expect(200);
    assert_eq!(lab.dtypes(derived).await, json!(["string", "string", "integer"]));
}

#[actix_web::test]
async fn a_yes_is_to_the_types_too() {
    let lab = Lab::new().await;
    let (step, _) = lab.executed("drop_rows").await;
    std::fs::write(lab.processed(&lab.dataset, "sales_processed.csv"), PLAIN).unwrap();
    lab.tells(PLAIN, &json!({ "people": "string" }));
    let validated = lab.ok(ToolName::ValidateStepResult, json!({ "stepId": step })).await;
    lab.tells(PLAIN, &json!({ "people": "float" }));
    let answer = lab.decide(&validated, &step, true).await;
    assert_eq!(answer["output"]["reasonCode"], "STEP_COMMIT_REQUIRES_EXECUTE_VALIDATE", "{answer}");
    assert_eq!(lab.datasets().await.len(), 1);
}

#[actix_web::test]
async fn what_is_told_of_another_file_counts_for_nothing() {
    let lab = Lab::new().await;
    let (step, _) = lab.executed("cast_types").await;
    std::fs::write(lab.processed(&lab.dataset, "sales_processed.csv"), PLAIN).unwrap();
    let told = lab.processed(&lab.dataset, ".sales_processed.csv.types.json");
    for content in ["", "{", "[]", r#"{"sha256": 7}"#, r#"{"sha256": "", "types": {"people": "money"}}"#] {
        std::fs::write(&told, content).unwrap();
        let validated = lab.ok(ToolName::ValidateStepResult, json!({ "stepId": step })).await;
        assert_eq!(validated["step"]["validation"]["schemaDrift"], false, "{content}: {validated}");
    }
    lab.tells("city,people\n", &json!({ "people": "string" }));
    let validated = lab.ok(ToolName::ValidateStepResult, json!({ "stepId": step })).await;
    assert_eq!(validated["step"]["validation"]["schemaDrift"], false, "{validated}");
    // Types that the file's values do not have make it no table.
    lab.tells(PLAIN, &json!({ "city": "integer" }));
    refused(lab.tool(ToolName::ValidateStepResult, json!({ "stepId": step })).await, "PROCESSED_DATASET_PERSIST_FAILED");
}
