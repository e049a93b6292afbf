//! `GET /metrics`: what operators see, and who may.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;

use crate::{
    deployments::{path_of, row},
    models::lab,
    support::{Client, TestApp, eventually},
};

/// Samples by name with labels; fails when the text is none of the format's.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut typed = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let (kind, rest) = comment.split_once(' ').unwrap();
            let (name, said) = rest.split_once(' ').unwrap();
            match kind {
                "HELP" => assert!(!said.is_empty(), "{line}"),
                "TYPE" => {
                    assert!(["counter", "gauge", "histogram"].contains(&said), "{line}");
                    assert!(typed.insert(name.to_owned(), said.to_owned()).is_none(), "{name} has its type twice");
                }
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        assert!(name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_'), "{line}");
        assert!(labels.ends_with('}') && name.starts_with("gristmill_"), "{line}");
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        assert!(typed.contains_key(name) || family.is_some_and(|family| typed[family] == "histogram"), "{name} has no type");
        assert!(samples.insert(series.to_owned(), value).is_none(), "{series} is there twice");
    }
    assert!(!samples.is_empty());
    samples
}

async fn samples(client: &Client) -> BTreeMap<String, f64> {
    let answer = client.get("/metrics").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    parse(&answer.text)
}

/// The sum of the series of a name that have all these labels.
fn sum(samples: &BTreeMap<String, f64>, name: &str, labels: &[&str]) -> f64 {
    let of = |(series, value): (&String, &f64)| {
        let (found, rest) = series.split_once('{').unwrap_or((series, ""));
        (found == name && labels.iter().all(|label| rest.contains(label))).then_some(*value)
    };
    samples.iter().filter_map(of).sum()
}

#[actix_web::test]
async fn requests_are_counted_by_their_route_and_never_by_their_path() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("Counted").await;
    for _ in 0..3 {
        ada.get(&format!("/api/projects/{project}")).await.expect(200);
    }
    app.anonymous().get("/api/nothing/of/that/kind").await.expect(401);
    app.anonymous().get("/somewhere-else").await.expect(404);
    let made_up = app.anonymous().request(Method::from_bytes(b"BREW").unwrap(), "/somewhere-else");
    app.anonymous().send(made_up).await.expect(404);
    let text = app.anonymous().get("/metrics").await.text;
    for secret in [project.as_str(), "nothing/of/that", "somewhere-else", "BREW", "ada@"] {
        assert!(!text.contains(secret), "{secret} is a label");
    }
    let samples = parse(&text);
    let name = "gristmill_http_requests_total";
    let found = [r#"route="/api/projects/{id}""#, r#"method="GET""#, r#"status="200""#];
    assert!((sum(&samples, name, &found) - 3.0).abs() < 0.1, "{text}");
    assert!(sum(&samples, name, &[r#"route="/api/projects""#, r#"method="POST""#, r#"status="201""#]) >= 1.0, "{text}");
    assert!(sum(&samples, name, &[r#"route="unmatched""#, r#"method="other""#]) >= 1.0, "{text}");
    assert!((sum(&samples, "gristmill_http_request_duration_seconds_count", &found[..2]) - 3.0).abs() < 0.1);
    let below = sum(&samples, "gristmill_http_request_duration_seconds_bucket", &[found[0], found[1], r#"le="+Inf""#]);
    assert!((below - 3.0).abs() < 0.1, "{text}");
    assert!((sum(&samples, "gristmill_database_up", &[]) - 1.0).abs() < 0.1);
    assert!(sum(&samples, "gristmill_database_connections", &[]) >= 1.0);
    assert!(sum(&samples, "gristmill_resident_memory_bytes", &[]) > 1e6);
}

#[actix_web::test]
async fn jobs_sandboxes_and_predictions_move_their_counters() {
    let lab = lab(&[]).await;
    let client = lab.app.anonymous();
    let before = samples(&client).await;
    let model = lab.model(&json!({})).await;
    let path = path_of(&lab.deploy(&model, &json!({})).await);
    lab.ada.post(&format!("{path}/predict/batch"), &json!([row(), row()])).await.expect(200);
    lab.ada.post(&format!("{path}/predict"), &json!({})).await.expect(422);
    eventually("the jobs to be counted", async || {
        let now = samples(&client).await;
        let moved = |name: &str, labels: &[&str]| sum(&now, name, labels) - sum(&before, name, labels);
        let done = |kind: &str| moved("gristmill_job_runs_total", &[&format!(r#"kind="{kind}""#), r#"outcome="succeeded""#]);
        (done("model_train") >= 1.0 && done("deployment_start") >= 1.0).then_some(())
    })
    .await;
    let after = samples(&client).await;
    let moved = |name: &str, labels: &[&str]| sum(&after, name, labels) - sum(&before, name, labels);
    assert!(moved("gristmill_job_run_duration_seconds_count", &[r#"kind="model_train""#]) >= 1.0);
    assert!(moved("gristmill_sandbox_starts_total", &[r#"outcome="started""#]) >= 1.0, "{after:?}");
    assert!(sum(&after, "gristmill_jobs_open", &[r#"kind="dataset_ingest""#, r#"state="queued""#]).abs() < 0.1);
    assert!(after.contains_key(r#"gristmill_jobs_open{kind="probe",state="queued"}"#), "{after:?}");
    let requests = "gristmill_prediction_requests_total";
    assert!((moved(requests, &[r#"runtime="native""#, r#"outcome="success""#]) - 1.0).abs() < 0.1, "{after:?}");
    assert!((moved(requests, &[r#"runtime="native""#, r#"outcome="error""#]) - 1.0).abs() < 0.1, "{after:?}");
    assert!((moved("gristmill_predicted_rows_total", &[]) - 2.0).abs() < 0.1, "{after:?}");
    assert!(moved("gristmill_prediction_log_recorded_total", &[]) >= 2.0);
    assert!(sum(&after, "gristmill_prediction_log_dropped_total", &[]).abs() < 0.1);
    assert!(sum(&after, "gristmill_serving_models", &[]) >= 1.0);
}

#[actix_web::test]
async fn who_does_not_have_the_token_is_kept_out() {
    let token = "a token of the operators";
    let app = TestApp::start_with(&[("METRICS_TOKEN", token)]).await;
    let nobody = app.anonymous();
    nobody.get("/metrics").await.refused(401, "unauthenticated");
    let ada = app.user("ada").await;
    ada.get("/metrics").await.refused(401, "unauthenticated");
    let with_token = app.with_token(token);
    assert!(!samples(&with_token).await.is_empty());
    assert!(!with_token.get("/metrics").await.text.contains(token));
}

#[actix_web::test]
async fn without_a_token_only_programs_on_the_machine_may_look() {
    let app = TestApp::start().await;
    let nobody = app.anonymous();
    assert!(!samples(&nobody).await.is_empty());
    for header in ["X-Forwarded-For", "Forwarded", "X-Real-IP"] {
        let request = nobody.request(Method::GET, "/metrics").header(header, "127.0.0.1");
        nobody.send(request).await.refused(404, "not_found");
    }
}
