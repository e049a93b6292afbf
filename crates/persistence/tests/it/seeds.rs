//! Rows that tests begin with.

use gristmill_domain::{DatasetId, ModelId, ProjectId, UserId};
use serde_json::json;
use tokio_postgres::Client;

/// Stores a user and a project of theirs.
pub(crate) async fn project(client: &Client) -> (UserId, ProjectId) {
    let (user, project) = (UserId::random(), ProjectId::random());
    let sql = format!(
        "insert into users (user_id, email, password_hash, name, email_verified) values ('{user}', 'a@example.org', 'x', 'ada', true);
         insert into projects (project_id, owner_id, name, icon, color, metadata)
             values ('{project}', '{user}', 'p', 'i', 'c', '{{}}')"
    );
    client.batch_execute(&sql).await.unwrap();
    (user, project)
}

/// Stores a trained model that nobody has evaluated.
pub(crate) async fn model(client: &Client, project: ProjectId) -> ModelId {
    let (model, dataset) = (ModelId::random(), DatasetId::random());
    let plan = json!({
        "datasetId": dataset, "datasetVersion": 1, "datasetName": "a.csv", "name": "m", "target": "y",
        "templateId": "ridge_regression", "taskType": "regression",
        "split": { "kind": "random", "testSize": 0.2, "seed": 42 },
    });
    let sql = format!(
        "insert into models (model_id, project_id, dataset_id, name, plan, task_type, template_id, library, algorithm, parameters,
             metrics, status, version, feature_columns, artifacts, storage, metadata, feature_types, sample_request)
             values ('{model}', '{project}', '{dataset}', 'm', '{plan}', 'regression', 'ridge_regression', 'sklearn', 'Ridge',
             '{{}}', '{{}}', 'completed', 1, '[]', '[]', 'files-1', '{{}}', '{{}}', '{{}}')"
    );
    client.batch_execute(&sql).await.unwrap();
    model
}
