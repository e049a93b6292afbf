//! Models that real notebooks made: scored by the server, or told why not.

use super::*;
use crate::{
    deployments::{path_of, row},
    models::lab,
    support::eventually,
};

const HEAD: &str = "
import json, os, joblib, pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
df = pd.read_csv(resolve_dataset_path('penguins.csv'))
";

/// It takes the dataset's own columns.
const FOREST: &str = "
numbers = ['bill_length_mm', 'bill_depth_mm', 'flipper_length_mm', 'body_mass_g']
prepare = make_column_transformer((SimpleImputer(), numbers), (OneHotEncoder(handle_unknown='ignore'), ['island']))
model = make_pipeline(prepare, RandomForestClassifier(n_estimators=30, random_state=0))
model.fit(df[numbers + ['island']], df['species'])
";

/// It takes columns that only its notebook had.
const DUMMIES: &str = "
kept = df.dropna(subset=['body_mass_g'])
model = RandomForestClassifier(n_estimators=5, random_state=0)
model.fit(pd.get_dummies(kept[['island', 'body_mass_g']]), kept['species'])
";

/// Saves the model, and says scores that are made up.
const TAIL: &str = "
joblib.dump(model, 'model.joblib')
print('__TRAIN_COMPLETE__|' + json.dumps({'accuracy': 0.75}))
";

impl Agent {
    /// An experiment whose cell was written and not run yet.
    async fn written(&self, name: &str, code: &str) -> (String, String) {
        let experiment = self.proposed(name).await;
        (experiment, self.cell(&format!("{HEAD}{code}{TAIL}")).await)
    }

    async fn run_cell(&self, cell: &str) {
        let body = json!({ "projectId": self.lab.project });
        let result = self.lab.ada.post(&format!("/api/cells/{cell}/run"), &body).await.expect(200);
        assert_eq!(result["status"], "success", "{result}");
    }

    /// An experiment whose cell ran on a kernel, and whose scores are recorded.
    pub(super) async fn trained(&self, name: &str, code: &str) -> String {
        let (experiment, cell) = self.written(name, code).await;
        self.run_cell(&cell).await;
        let args = json!({ "experimentId": experiment, "succeeded": true, "cellIds": [cell] });
        self.give(ToolName::ExecuteTraining, &args).await;
        let args = json!({ "experimentId": experiment, "metrics": { "accuracy": 0.75 } });
        self.give(ToolName::EvaluateResults, &args).await;
        experiment
    }

    /// Waits until a model's evaluation has ended.
    pub(super) async fn judged(&self, model: &str) -> Value {
        eventually("the evaluation", async || {
            let found = self.lab.find(model).await;
            matches!(found["evaluationStatus"].as_str(), Some("ready" | "failed")).then_some(found)
        })
        .await
    }
}

#[actix_web::test]
async fn a_model_of_a_notebook_is_scored_stored_and_served() {
    let agent = Agent::over(lab(&[]).await).await;
    let experiment = agent.trained("Forest", FOREST).await;
    let before = agent.kept.run();
    let mut args = registration(&experiment, "./model.joblib");
    args["tags"] = json!(["demo"]);
    let made = agent.keyed("k1", ToolName::RegisterModel, &args).await;
    assert_eq!(made.error, None);
    let made = made.output.unwrap();
    assert_eq!(
        (&made["status"], &made["modelType"], &made["holdout"], &made["unscored"]),
        (&json!("registered"), &json!("random_forest"), &json!("unsealed"), &json!(false)),
        "{made}"
    );
    // Its cells' word, and what is true of rows that the server holds out: all of them were seen in training.
    assert_eq!(made["reportedMetrics"], json!({ "accuracy": 0.75 }));
    assert!(made["metrics"]["accuracy"].as_f64().unwrap() > 0.95 && made["artifactSize"].as_u64().unwrap() > 1_000, "{made}");
    let model = made["modelId"].as_str().unwrap();

    // The server died before it kept that: the same call finds the model. Another one makes no second.
    agent.kept.set(before);
    let again = agent.keyed("k1", ToolName::RegisterModel, &args).await.output.unwrap();
    assert_eq!((&again["modelId"], &again["status"]), (&json!(model), &json!("registered")));
    let again = agent.keyed("k1", ToolName::RegisterModel, &args).await.output.unwrap();
    assert_eq!(again["modelId"], model);
    assert!(agent.refuse(ToolName::RegisterModel, &args).await.contains("is registered already as model"));
    assert_eq!(agent.models().await.len(), 1);

    let found = agent.judged(model).await;
    assert_eq!((&found["evaluationStatus"], &found["library"]), (&json!("ready"), &json!("llm-guided")), "{found}");
    let metadata = &found["metadata"];
    assert_eq!(
        (&metadata["workflowRunId"], &metadata["experimentId"], &metadata["tags"], &metadata["holdout"]),
        (&json!("run-1"), &json!(experiment), &json!(["demo"]), &json!("unsealed")),
        "{metadata}"
    );
    assert_eq!((&metadata["split"]["testRows"], metadata["workflowPrepSegments"].as_array().unwrap().len()), (&json!(69), 1));
    let evaluation = agent.lab.ada.get(&format!("/api/experiments/{model}/evaluation")).await.expect(200);
    assert!(evaluation["warnings"].to_string().contains("notebook"), "{}", evaluation["warnings"]);

    let compare = json!({ "experimentIds": [experiment], "primaryMetric": "Accuracy" });
    let compared = agent.give(ToolName::CompareModels, &compare).await;
    let first = &compared["comparison"][0];
    assert_eq!((&first["metricsSource"], &first["status"]), (&json!("held_out"), &json!("registered")), "{compared}");
    assert!(first["primaryMetricValue"].as_f64().unwrap() > 0.95, "{compared}");

    let deployment = agent.lab.deploy(model, &json!({})).await;
    assert_eq!((deployment["runtime"].as_str(), deployment["status"].as_str()), (Some("container"), Some("healthy")));
    let answer = agent.lab.ada.post(&format!("{}/predict", path_of(&deployment)), &row()).await.expect(200);
    assert_eq!(answer["prediction"], "Chinstrap", "{answer}");
}

#[actix_web::test]
async fn a_model_that_needs_columns_of_its_notebook_is_kept_without_scores() {
    let agent = Agent::over(lab(&[]).await).await;
    let experiment = agent.trained("Forest", DUMMIES).await;
    let made = agent.give(ToolName::RegisterModel, &registration(&experiment, "model.joblib")).await;
    assert_eq!((&made["unscored"], made.get("holdout")), (&json!(true), None), "{made}");
    assert!(made["message"].as_str().unwrap().contains("island_"), "{made}");
    let model = made["modelId"].as_str().unwrap();
    let found = agent.lab.find(model).await;
    assert_eq!((&found["evaluationStatus"], &found["metrics"]), (&json!("failed"), &json!({})), "{found}");
    assert_eq!((&found["metadata"]["unscored"], found["metadata"].get("holdout")), (&json!(true), None), "{found}");

    let request = json!({ "modelId": model, "projectId": agent.lab.project, "name": "species" });
    let refused = agent.lab.ada.post("/api/deployments", &request).await.refused(400, "model_not_deployable");
    assert!(refused["error"].as_str().unwrap().contains("island_"), "{refused}");
    let retry = format!("/api/experiments/{model}/evaluation/retry");
    agent.lab.ada.post(&retry, &json!({})).await.refused(409, "conflict");
    let artifact = agent.lab.ada.request(reqwest::Method::GET, &format!("/api/models/{model}/artifact")).send().await.unwrap();
    assert_eq!(artifact.status(), 200, "whoever made it can have it");
    let compare = json!({ "experimentIds": [experiment], "primaryMetric": "accuracy" });
    let compared = agent.give(ToolName::CompareModels, &compare).await;
    assert_eq!(compared["comparison"][0]["metricsSource"], "notebook", "{compared}");
}

#[actix_web::test]
async fn what_is_no_model_is_not_registered() {
    let agent = Agent::over(lab(&[]).await).await;
    let experiment = agent.trained("Forest", "model = {'weights': list(range(10_000))}").await;
    let refused = agent.refuse(ToolName::RegisterModel, &registration(&experiment, "model.joblib")).await;
    assert!(refused.contains("not a model"), "{refused}");
    assert_eq!(agent.models().await, Vec::<Value>::new());
    assert_eq!(agent.kept.run().experiments.get(&experiment).unwrap().status.as_str(), "evaluated");

    // Mended, it is.
    let cell = agent.cell(&format!("{HEAD}{FOREST}{TAIL}")).await;
    let args = json!({ "experimentId": experiment, "succeeded": false, "cellIds": [cell] });
    let trained = agent.give(ToolName::ExecuteTraining, &args).await;
    assert_eq!(trained["status"], "training", "cells that have not run are run: {trained}");
    let made = agent.give(ToolName::RegisterModel, &registration(&experiment, "model.joblib")).await;
    assert_eq!((&made["unscored"], agent.models().await.len()), (&json!(false), 1), "{made}");
}

#[actix_web::test]
async fn an_old_file_is_not_taken_for_the_training_s() {
    let agent = Agent::over(lab(&[]).await).await;
    let experiment = agent.trained("Forest", FOREST).await;
    let old = agent.cell("import os\nos.utime('model.joblib', (10**9, 10**9))").await;
    agent.run_cell(&old).await;
    let refused = agent.refuse(ToolName::RegisterModel, &registration(&experiment, "model.joblib")).await;
    assert!(refused.contains("was not written by the cells of \"Forest\""), "{refused}");
    assert_eq!(agent.models().await, Vec::<Value>::new());
}

#[actix_web::test]
async fn a_call_that_is_stopped_registers_nothing_more() {
    let agent = Agent::over(lab(&[]).await).await;
    let experiment = agent.trained("Forest", FOREST).await;
    let context = agent.context("k1");
    context.stop.cancel();
    let args = registration(&experiment, "model.joblib");
    let stopped = agent.call(&context, ToolName::RegisterModel, &args).await;
    assert_eq!(stopped.error.as_deref(), Some("The call was stopped"));
    assert_eq!(agent.kept.run().experiments.get(&experiment).unwrap().status.as_str(), "evaluated");
    // Whoever asks anew, under a key of its own, is served.
    let made = agent.give(ToolName::RegisterModel, &args).await;
    assert_eq!(made["status"], "registered");
}
