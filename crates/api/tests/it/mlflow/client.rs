//! MLflow's own client, unmodified, as people's programs use it.

use super::program;
use crate::{peers::Peers, support::TestApp};

#[actix_web::test]
async fn an_unmodified_client_logs_and_finds_its_runs() {
    let app = TestApp::start().await;
    let ada = program(&app, "ada").await;
    let (uri, token) = (format!("{}/api/mlflow", app.url()), ada.client.token.clone().unwrap());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/mlflow/client.py");
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_string_lossy().into_owned();
    let output = Peers::run(
        script,
        &[
            ("MLFLOW_TRACKING_URI", &uri),
            ("MLFLOW_TRACKING_TOKEN", &token),
            ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
            // What is refused is refused at once.
            ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0"),
            ("HOME", &home),
        ],
    )
    .await;
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim_end().ends_with("done"), "{said}\n{errors}");
    // And the project shows them.
    let projects = ada.client.get("/api/projects").await.expect(200);
    assert!(projects["projects"].as_array().unwrap().iter().any(|project| project["name"] == "Trees"), "{projects}");
}
