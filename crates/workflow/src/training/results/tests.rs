//! What is recorded of trainings, and what is not believed.

use super::{
    super::fixtures::{args, now, output, run_with},
    *,
};

fn metrics(entries: &[(&str, f64)]) -> Metrics {
    entries.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

/// A run whose experiments were proposed.
fn proposed(names: &[&str]) -> TrainingRun {
    let mut run = run_with(names);
    for one in run.experiments.clone().all() {
        run.experiments = run.experiments.with(Experiment { status: ExperimentStatus::Proposed, ..one.clone() });
    }
    run
}

fn after(run: &TrainingRun, changed: &Changed) -> TrainingRun {
    TrainingRun { experiments: changed.experiments.clone().unwrap(), ..run.clone() }
}

fn report(extra: &Value) -> TrainingReport {
    let mut sent = args(&json!({ "experimentId": "exp-1", "succeeded": true, "cellIds": ["c1"] }));
    sent.extend(args(extra));
    TrainingReport::read(&sent).unwrap()
}

fn completed(scores: &[(&str, f64)]) -> CellsFound {
    CellsFound::Completed {
        cells: vec!["c1".to_owned()],
        code: vec!["model.fit(x, y)".to_owned()],
        metrics: metrics(scores),
        duration_ms: 1200,
    }
}

fn trained(scores: &[(&str, f64)]) -> TrainingRun {
    let run = proposed(&["Forest"]);
    let changed = record_training(&run, &report(&json!({})), &completed(scores), now());
    after(&run, &changed)
}

#[test]
fn printed_scores_count_and_sent_ones_do_not() {
    let run = proposed(&["Forest"]);
    let sent = report(&json!({ "metrics": { "accuracy": 0.99, "f1": 0.7, "auc": 1.0 }, "prepSegments": ["made up", 1] }));
    let changed = record_training(&run, &sent, &completed(&[("accuracy", 0.8), ("f1", 0.70001)]), now());
    let answered = output(&changed.output);
    assert_eq!(answered["metrics"], json!({ "accuracy": 0.8, "f1": 0.70001 }));
    assert_eq!(answered["ignoredMetrics"], json!(["accuracy", "auc"]));
    assert_eq!((answered["status"].as_str(), answered["trainingDurationMs"].as_u64()), (Some("training"), Some(1200)));
    let run = after(&run, &changed);
    let kept = run.experiments.get("exp-1").unwrap();
    assert_eq!(
        (kept.status, kept.workflow_prep_segments.clone()),
        (ExperimentStatus::Training, vec!["model.fit(x, y)".to_owned()])
    );
    let again = record_training(&run, &sent, &completed(&[("accuracy", 0.8), ("f1", 0.70001)]), now());
    assert_eq!(again, changed, "a repeated call decides the same");
}

#[test]
fn a_failure_is_an_error_whatever_the_model_says() {
    let run = proposed(&["Forest"]);
    let found = CellsFound::Failed { cells: vec!["c1".to_owned()], reason: "ValueError: no".to_owned() };
    let changed = record_training(&run, &report(&json!({ "succeeded": true, "metrics": { "accuracy": 1 } })), &found, now());
    assert_eq!(changed.output.error.as_deref(), Some("ValueError: no"));
    let run = after(&run, &changed);
    let kept = run.experiments.get("exp-1").unwrap();
    assert_eq!((kept.status, kept.error_message.as_deref()), (ExperimentStatus::Failed, Some("ValueError: no")));
    assert!(
        evaluate(&run, &args(&json!({ "experimentId": "exp-1", "metrics": { "accuracy": 1 } })), now()).output.error.is_some()
    );
}

#[test]
fn only_what_was_proposed_is_trained() {
    let run = run_with(&["Forest"]);
    assert!(trainable(&run, "exp-1").unwrap_err().contains("propose_training_plan"));
    let changed = record_training(&run, &report(&json!({})), &completed(&[("a", 1.0)]), now());
    assert!(changed.experiments.is_none() && changed.output.error.is_some());
    assert!(TrainingReport::read(&args(&json!({ "experimentId": "exp-1" }))).is_err());
    let many: Vec<String> = (0..51).map(|number| number.to_string()).collect();
    assert!(TrainingReport::read(&args(&json!({ "experimentId": "e", "succeeded": true, "cellIds": many }))).is_err());
}

#[test]
fn evaluation_needs_a_recorded_score() {
    let run = trained(&[("accuracy", 0.8)]);
    let sent = json!({ "experimentId": "exp-1", "metrics": { "accuracy": 0.9 }, "notes": " fine ",
        "learningCurve": { "trainScores": [1.0], "valScores": [0.8], "trainSizes": [50] },
        "featureImportance": [{ "feature": "age", "importance": 0.5 }] });
    let changed = evaluate(&run, &args(&sent), now());
    let answered = output(&changed.output);
    assert_eq!((answered["status"].as_str(), &answered["metrics"]), (Some("evaluated"), &json!({ "accuracy": 0.8 })));
    assert!(answered["message"].as_str().unwrap().contains("accuracy"), "{answered}");
    assert_eq!((answered["notes"].as_str(), answered["learningCurve"]["trainSizes"].clone()), (Some("fine"), json!([50.0])));
    let run = after(&run, &changed);
    assert_eq!(run.experiments.get("exp-1").unwrap().evaluation_metrics, Some(metrics(&[("accuracy", 0.8)])));
    let bare = evaluate(&run, &args(&json!({ "experimentId": "exp-1" })), now());
    assert_eq!((&output(&bare.output)["learningCurve"], &output(&bare.output)["featureImportance"]), (&Value::Null, &json!([])));
    for (run, sent) in [
        (proposed(&["Forest"]), json!({ "experimentId": "exp-1", "metrics": { "accuracy": 1 } })),
        (trained(&[]), json!({ "experimentId": "exp-1", "metrics": { "accuracy": 1 } })),
        (trained(&[("a", 1.0)]), json!({ "experimentId": "exp-2" })),
        (trained(&[("a", 1.0)]), json!({ "experimentId": "exp-1", "learningCurve": "x" })),
    ] {
        assert!(evaluate(&run, &args(&sent), now()).output.error.is_some(), "{sent}");
    }
}

fn registration(extra: &Value) -> Result<Registration, String> {
    let mut sent = args(&json!({ "experimentId": "exp-1", "modelName": " My\nmodel ", "modelType": "my_model",
        "metrics": { "accuracy": 1 }, "artifactPath": "model.joblib", "tags": ["a", " "] }));
    sent.extend(args(extra));
    Registration::read(&sent)
}

fn registered(scores: Option<&[(&str, f64)]>) -> Registered {
    Registered {
        model_id: "m-1".to_owned(),
        task_type: "classification",
        artifact_size: 9,
        metrics: scores.map(metrics),
        unscored: scores.is_none().then(|| "it takes other columns".to_owned()),
        runtime_dependencies: vec!["xgboost-cpu".to_owned()],
    }
}

#[test]
fn a_registration_names_a_file_of_the_workspace() {
    let sent = registration(&json!({})).unwrap();
    assert_eq!((sent.model_name.as_str(), sent.tags.clone()), ("My model", vec!["a".to_owned()]));
    for (path, expected) in [
        ("model.joblib", Some("model.joblib")),
        ("./models/m.joblib", Some("models/m.joblib")),
        ("/workspace/m.joblib", Some("m.joblib")),
        ("../m.joblib", None),
        ("a/../../m.joblib", None),
        ("/etc/passwd", None),
        ("", None),
        ("a//b", None),
        ("a\0b", None),
    ] {
        let read = registration(&json!({ "artifactPath": path }));
        assert_eq!(read.as_ref().ok().map(|one| one.artifact_path.as_str()), expected, "{path}");
    }
    assert!(registration(&json!({ "modelName": " " })).is_err());
}

#[test]
fn a_registered_model_has_the_server_s_scores() {
    let run = trained(&[("accuracy", 0.99)]);
    let sent = registration(&json!({})).unwrap();
    let changed = record_registration(&run, &sent, &registered(Some(&[("accuracy", 0.8)])), now());
    let answered = output(&changed.output);
    assert_eq!((&answered["metrics"], &answered["reportedMetrics"]), (&json!({ "accuracy": 0.8 }), &json!({ "accuracy": 0.99 })));
    assert_eq!((answered["holdout"].as_str(), answered["unscored"].as_bool()), (Some("unsealed"), Some(false)));
    let run = after(&run, &changed);
    let kept = run.experiments.get("exp-1").unwrap();
    assert_eq!((kept.status, kept.persisted_model_id.as_deref()), (ExperimentStatus::Registered, Some("m-1")));
    let again = record_registration(&run, &sent, &registered(Some(&[("accuracy", 0.8)])), now());
    assert_eq!(again.output, changed.output, "a repeated call answers the same");
    let other = Registered { model_id: "m-2".to_owned(), ..registered(None) };
    assert!(record_registration(&run, &sent, &other, now()).output.error.unwrap().contains("m-1"));
    assert!(already_registered(kept).error.unwrap().contains("m-1"));
}

#[test]
fn a_model_without_scores_says_why() {
    let run = trained(&[("accuracy", 0.99)]);
    let changed = record_registration(&run, &registration(&json!({})).unwrap(), &registered(None), now());
    let answered = output(&changed.output);
    assert_eq!((answered["unscored"].as_bool(), answered.get("holdout")), (Some(true), None));
    assert!(answered["message"].as_str().unwrap().contains("other columns"));
}

#[test]
fn only_a_trained_experiment_s_own_model_is_registered() {
    let sent = registration(&json!({})).unwrap();
    assert!(registrable(&proposed(&["Forest"]), &sent).is_err());
    assert!(registrable(&trained(&[]), &sent).is_err());
    let run = trained(&[("accuracy", 0.9)]);
    assert!(registrable(&run, &registration(&json!({ "modelType": "xgboost" })).unwrap()).unwrap_err().contains("approved"));
    assert!(registrable(&run, &registration(&json!({ "modelType": "MY_MODEL" })).unwrap()).is_ok());
    let experiment = registrable(&run, &sent).unwrap();
    let metadata = provenance(Some("run-1"), experiment, &sent, &["catboost".to_owned()]);
    assert_eq!((metadata["workflowRunId"].as_str(), metadata["source"].as_str()), (Some("run-1"), Some("llm-workflow")));
    assert_eq!(metadata["runtimeDependencies"], json!(["catboost"]));
}

#[test]
fn experiments_are_ranked_by_a_score() {
    let mut run = proposed(&["A", "B", "C"]);
    for (id, scores) in [("exp-1", vec![("rmse", 3.0), ("r2", 0.1)]), ("exp-2", vec![("RMSE", 2.0), ("r2", 0.5)])] {
        let one = run.experiments.get(id).unwrap().clone();
        run.experiments = run.experiments.with(Experiment { training_metrics: Some(metrics(&scores)), ..one });
    }
    let ids = |sent: &Value| {
        let compared = compare(&run, &args(sent), &Scored::new());
        let answered = output(&compared).clone();
        let ids: Vec<String> = answered["comparison"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["experimentId"].as_str().unwrap().to_owned())
            .collect();
        (ids, answered)
    };
    let all = json!(["exp-3", "exp-1", "B", "exp-1", "gone"]);
    let (order, answered) = ids(&json!({ "experimentIds": all, "primaryMetric": "rmse" }));
    assert_eq!(order, ["exp-2", "exp-1", "exp-3"]);
    assert_eq!((answered["bestExperiment"].as_str(), &answered["missingExperiments"]), (Some("exp-2"), &json!(["gone"])));
    assert_eq!(
        (answered["comparison"][2]["primaryMetricValue"].clone(), answered["comparison"][2]["rank"].as_u64()),
        (Value::Null, Some(3))
    );
    let descending =
        json!({ "experimentIds": all, "primaryMetric": "rmse", "sortOrder": "descending", "includeHyperparameters": true });
    let (order, answered) = ids(&descending);
    assert_eq!(order, ["exp-1", "exp-2", "exp-3"]);
    assert!(answered["comparison"][0]["hyperparameters"].is_object());
    assert_eq!(ids(&json!({ "experimentIds": all, "primaryMetric": "r2" })).0, ["exp-2", "exp-1", "exp-3"]);
    assert_eq!(ids(&json!({ "experimentIds": ["exp-3"], "primaryMetric": "f1" })).1["bestExperiment"], Value::Null);
    for wrong in [json!({ "experimentIds": [], "primaryMetric": "f1" }), json!({ "experimentIds": ["A"], "primaryMetric": " " })]
    {
        assert!(compare(&run, &args(&wrong), &Scored::new()).error.is_some(), "{wrong}");
    }
    let one = Experiment { persisted_model_id: Some("m".to_owned()), ..run.experiments.get("exp-1").unwrap().clone() };
    let scored = TrainingRun { experiments: run.experiments.with(one), ..run.clone() };
    let sent = args(&json!({ "experimentIds": all, "primaryMetric": "rmse" }));
    let compared = compare(&scored, &sent, &Scored::from([("m".to_owned(), metrics(&[("rmse", 1.0)]))]));
    assert_eq!(output(&compared)["comparison"][0]["metricsSource"], "held_out");
}

#[test]
fn less_is_more_for_errors_and_losses() {
    for metric in ["rmse", "MAE", "log_loss", "test_rmse", "mean_squared_error", "val_loss", "Brier score"] {
        assert!(is_lower_better(metric), "{metric}");
    }
    for metric in ["accuracy", "f1", "r2", "roc_auc", "neg_mean_squared_error", "neg_log_loss", "silhouette", "precision"] {
        assert!(!is_lower_better(metric), "{metric}");
    }
}
