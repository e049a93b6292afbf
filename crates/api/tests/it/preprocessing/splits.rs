//! How rows of what a step makes are divided for models.

use gristmill_api::models::StoredModels;
use gristmill_modeling::ModelPlaces;

use super::*;

#[actix_web::test]
async fn what_a_step_makes_is_divided_as_what_it_read() {
    let mut lab = Lab::new().await;
    let numbered = "__row_id,city,people\n5,Aachen,1\n7,Bonn,\n9,Köln,3\n";
    lab.dataset = lab.ada.dataset(&lab.project, "sales.csv", numbered).await["datasetId"].as_str().unwrap().to_owned();
    for target in ["city", "people"] {
        let split = r#"{"kind": "random", "testSize": 0.3, "seed": 7}"#;
        let values = format!("('{}', '{target}', '{split}')", lab.dataset);
        lab.sql(&format!("insert into dataset_splits (dataset_id, target, split) values {values}")).await;
    }
    let (step, _, validated) = lab.validated("fill_missing", "__row_id,people\n9,3\n5,1\n7,0\n").await;
    let applied = lab.decide(&validated, &step, true).await;
    let derived = applied["output"]["derivedDatasetId"].as_str().unwrap_or_else(|| panic!("{applied}"));
    let splits = lab.ada.get(&format!("/api/datasets/{derived}/splits")).await.expect(200)["splits"].clone();
    assert_eq!(
        (splits.as_array().unwrap().len(), &splits[0]["target"], &splits[0]["seed"]),
        (1, &json!("people"), &json!(7)),
        "the other one's column is gone: {splits}"
    );
    // Its rows have moved, and are known by their numbers.
    let files = lab.app.server.state().files.clone();
    let (owner, project) = (lab.caller.user_id, lab.project.parse().unwrap());
    let source = files.dataset(owner, Some(project), lab.dataset.parse().unwrap()).parquet(1);
    let origin = StoredModels { files }.origin(owner, project, derived.parse().unwrap(), 1).unwrap();
    assert_eq!(origin, std::path::absolute(source).unwrap());
}
