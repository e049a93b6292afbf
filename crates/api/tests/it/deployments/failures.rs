//! Deployments when something goes wrong: workers that die, files that are gone, clocks that go back, keys that are revoked.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use chrono::{TimeDelta, Utc};
use gristmill_deployment::serving::Recorded;
use gristmill_domain::{Clock, PredictionId, SystemClock};
use gristmill_testkit::pg::TestDatabase;
use secrecy::ExposeSecret;

use super::*;
use crate::{
    crash::{Process, register, until_it_runs_code},
    support::sandbox_backend,
};

/// Holds the workers of a server, so that requests to them wait, and ends them.
struct Workers {
    runtime: String,
}

impl Workers {
    fn of(data_dir: &Path) -> Self {
        Self { runtime: data_dir.join("runtime").display().to_string() }
    }

    fn hold(&self) {
        if sandbox_backend() == "docker" {
            return self.docker("pause");
        }
        for pid in self.processes() {
            rustix::process::kill_process(pid, rustix::process::Signal::STOP).ok();
        }
    }

    fn kill(&self) {
        if sandbox_backend() == "docker" {
            return self.docker("kill");
        }
        for pid in self.processes() {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
        }
    }

    #[expect(clippy::disallowed_methods, reason = "no API does it")]
    fn docker(&self, action: &str) {
        let script = "docker ps --quiet --filter \"label=gristmill.state=$0/sandboxes\" | xargs --no-run-if-empty docker $1";
        let done = std::process::Command::new("sh").args(["-c", script, &self.runtime, action]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// The sandboxes' first processes and all below them.
    fn processes(&self) -> Vec<rustix::process::Pid> {
        let mut parents = BTreeMap::new();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            let Ok(status) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
            // After the name in brackets: the state, then the parent.
            let parent = status.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<i32>().ok());
            parents.insert(pid, parent.unwrap_or_default());
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command);
            if command.contains(&format!("{}/serving", self.runtime)) {
                found.push(pid);
            }
        }
        let mut at = 0;
        while let Some(parent) = found.get(at).copied() {
            found.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(pid, _)| *pid));
            found.dedup();
            at += 1;
        }
        found.into_iter().filter_map(rustix::process::Pid::from_raw).collect()
    }
}

#[actix_web::test]
async fn a_worker_that_is_killed_in_a_request_is_a_502_and_comes_back() {
    let lab = lab(&[("SERVING_PROBE_MS", "200")]).await;
    let model = lab.model(&json!({})).await;
    let path = path_of(&lab.deploy(&model, &json!({ "runtime": "container", "config": { "rateLimitPerMinute": 10_000 } })).await);
    let predict = format!("{path}/predict");
    lab.ada.post(&predict, &row()).await.expect(200);
    let workers = Workers::of(lab.app.data_dir.path());
    // The request is in the worker's hands when the worker is killed, or else comes to one that starts again: then once more.
    let mut seen = Vec::new();
    let killed = loop {
        workers.hold();
        let asked = {
            let (ada, predict) = (lab.ada.clone(), predict.clone());
            actix_web::rt::spawn(async move { ada.post(&predict, &row()).await })
        };
        // By now the server has answered a later request.
        lab.ada.get(&path).await.expect(200);
        workers.kill();
        let answer = asked.await.unwrap();
        seen.push(answer.status.as_u16());
        if answer.status == 502 {
            break answer;
        }
        assert!(seen.len() < 10, "the worker was killed, and nobody was told: {seen:?}");
        eventually("the worker to answer again", async || (lab.ada.post(&predict, &row()).await.status == 200).then_some(()))
            .await;
    };
    let body = killed.refused(502, "serving_failed");
    let text = body["error"].as_str().unwrap();
    assert!(!text.contains('/') && text.len() > 10, "{text}");
    eventually("the worker to answer again", async || {
        let answer = lab.ada.post(&predict, &row()).await;
        assert!([200, 502, 503].contains(&answer.status.as_u16()), "{answer:?}");
        (answer.status == 200).then_some(())
    })
    .await;
    let found = lab.ada.get(&path).await.expect(200);
    assert_eq!(found["deployment"]["status"], "healthy", "{found}");
    let logs = lab.ada.get(&format!("{path}/logs?status=error")).await.expect(200);
    let logged = logs["logs"].as_array().unwrap().iter().any(|log| log["metadata"]["statusCode"] == 502);
    assert!(logged, "the failure is in the log: {logs}");
}

fn model_file(lab: &Lab, name: &str) -> PathBuf {
    walk(&lab.app.data_dir.path().join("store")).into_iter().find(|path| path.ends_with(name)).unwrap()
}

#[actix_web::test]
async fn a_model_file_that_is_gone_or_altered_is_named_until_it_is_back() {
    let variables = [("SERVING_PROBE_MS", "100")];
    let mut lab = lab(&variables).await;
    let model = lab.model(&json!({})).await;
    let path = path_of(&lab.deploy(&model, &json!({ "config": { "rateLimitPerMinute": 100_000 } })).await);
    let predict = format!("{path}/predict");
    lab.ada.post(&predict, &row()).await.expect(200);
    for (name, altered) in [("model.onnx", false), ("model.onnx", true), ("signature.json", false), ("signature.json", true)] {
        let file = model_file(&lab, name);
        let content = std::fs::read(&file).unwrap();
        if altered {
            let mut other = content.clone();
            other[content.len() / 2] ^= 1;
            std::fs::write(&file, other).unwrap();
        } else {
            std::fs::remove_file(&file).unwrap();
        }
        // A server that has not loaded it yet takes the place of the one that has.
        let fresh = lab.app.second_server(&variables).await;
        std::mem::replace(&mut lab.app.server, fresh).stop().await;
        lab.ada.base = lab.app.url();
        let refused = lab.ada.post(&predict, &row()).await.refused(503, "deployment_not_ready");
        let text = refused["error"].as_str().unwrap();
        assert!(text.contains(name) && !text.contains(lab.app.data_dir.path().to_str().unwrap()), "{text}");
        let found = lab.ada.get(&path).await.expect(200);
        assert_eq!(found["deployment"]["status"], "unhealthy", "{found}");
        assert!(found["deployment"]["errorMessage"].as_str().unwrap().contains(name), "{found}");
        let again = lab.ada.post(&predict, &row()).await.refused(503, "deployment_not_ready");
        assert!(again["error"].as_str().unwrap().contains(name), "it still says which: {again}");

        std::fs::write(&file, content).unwrap();
        eventually("the deployment to be well again", async || {
            (lab.ada.post(&predict, &row()).await.status == 200).then_some(())
        })
        .await;
        let found = lab.ada.get(&path).await.expect(200);
        assert_eq!((&found["deployment"]["status"], &found["deployment"]["errorMessage"]), (&json!("healthy"), &Value::Null));
    }
}

#[actix_web::test]
async fn a_clock_that_goes_back_over_an_hour_loses_and_doubles_nothing() {
    let lab = lab(&[]).await;
    let model = lab.model(&json!({})).await;
    let deployment = lab.deploy(&model, &json!({})).await;
    let path = path_of(&deployment);
    let serving = &lab.app.server.state().serving;
    let entry = serving.find(deployment["deploymentId"].as_str().unwrap().parse().unwrap()).await.unwrap();
    let hour = gristmill_deployment::statistics::hour_of(SystemClock.now());
    let record = |at, error: Option<&str>| {
        let recorded = Recorded {
            ids: &[PredictionId::random()],
            at,
            latency: Duration::from_millis(2),
            rows: &[],
            seen: None,
            answers: &[],
            error: error.map(ToOwned::to_owned),
            metadata: serde_json::Map::new(),
        };
        serving.record(&entry, &recorded);
    };
    let second = TimeDelta::seconds(1);
    // The hour before ends, the next begins, and the clock goes back; what was seen is written in between, and once more.
    record(hour - second, None);
    record(hour, None);
    serving.flush().await;
    record(hour - second, Some("refused"));
    serving.flush().await;
    serving.flush().await;
    record(hour, None);
    // Hours that are long over are not kept in memory: what comes for them later is added all the same.
    for _ in 0..3 {
        record(hour - TimeDelta::hours(4), None);
        serving.flush().await;
    }
    let stats = lab.ada.get(&format!("{path}/stats?range=6h")).await.expect(200);
    let mut counts = BTreeMap::new();
    for bucket in stats["stats"].as_array().unwrap() {
        let at: chrono::DateTime<Utc> = bucket["hourBucket"].as_str().unwrap().parse().unwrap();
        let seen = (bucket["requestCount"].as_u64().unwrap(), bucket["errorCount"].as_u64().unwrap());
        assert!(counts.insert((at - hour).num_hours(), seen).is_none(), "one bucket an hour: {stats}");
    }
    assert_eq!(counts.into_iter().filter(|(_, seen)| seen.0 > 0).collect::<Vec<_>>(), [(-4, (3, 0)), (-1, (2, 1)), (0, (2, 0))]);
    let logs = lab.ada.get(&format!("{path}/logs")).await.expect(200);
    assert_eq!(logs["total"], 7, "{logs}");
}

#[actix_web::test]
async fn whoever_asks_for_the_log_waits_for_what_another_writes() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let id = DeploymentId(deployment_of(&app, &ada).await);
    let serving = &app.server.state().serving;
    let entry = serving.find(id).await.unwrap();
    let (holds, looks) = (app.database.client().await.unwrap(), app.database.client().await.unwrap());
    holds.batch_execute("begin; lock table prediction_logs in access exclusive mode").await.unwrap();
    let recorded = Recorded {
        ids: &[PredictionId::random()],
        at: SystemClock.now(),
        latency: Duration::from_millis(2),
        rows: &[],
        seen: None,
        answers: &[],
        error: None,
        metadata: serde_json::Map::new(),
    };
    serving.record(&entry, &recorded);
    let later = async {
        until_waiting(&app.database, "insert into prediction_logs%").await;
        let mut asked = Box::pin(serving.flush());
        let early = tokio::time::timeout(Duration::from_millis(300), &mut asked).await;
        assert!(early.is_err(), "nothing is written yet");
        holds.batch_execute("rollback").await.unwrap();
        asked.await;
        let row = looks.query_one("select count(*) from prediction_logs", &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 1, "and once");
    };
    futures_util::future::join(serving.flush(), later).await;
}

#[actix_web::test]
async fn the_largest_batch_is_answered_and_one_row_more_is_refused() {
    let lab = lab(&[]).await;
    let rows: String = (0..200).map(|number| format!("{},{}\n", number % 40, 3 * (number % 40) + number % 7)).collect();
    let dataset = lab.ada.dataset(&lab.project, "line.csv", format!("x,y\n{rows}")).await;
    let model = lab
        .model(&json!({
            "datasetId": dataset["datasetId"], "templateId": "ridge_regression", "targetColumn": "y", "parameters": {},
        }))
        .await;
    let config = json!({ "rateLimitPerMinute": 100_000 });
    for runtime in ["native", "container"] {
        let deployment = lab.deploy(&model, &json!({ "runtime": runtime, "name": runtime, "config": config })).await;
        assert_eq!(deployment["runtime"], runtime);
        let path = path_of(&deployment);
        let batch = format!("{path}/predict/batch");
        let rows = |count: usize| Value::Array((0..count).map(|number| json!({ "x": number % 40 })).collect());
        let answers = lab.ada.post(&batch, &rows(10_000)).await.expect(200);
        let answers = answers.as_array().unwrap();
        assert_eq!(answers.len(), 10_000);
        let near = |place: usize, wanted: f64| (answers[place]["prediction"].as_f64().unwrap() - wanted).abs() < 15.0;
        assert!(near(0, 3.0) && near(9_999, 120.0), "in their order: {} {}", answers[0], answers[9_999]);
        let refused = lab.ada.post(&batch, &rows(10_001)).await.refused(400, "invalid_request");
        assert!(refused["error"].as_str().unwrap().contains("10001") || refused.to_string().contains("10000"), "{refused}");
        let logs = lab.ada.get(&format!("{path}/logs")).await.expect(200);
        assert_eq!((&logs["total"], &logs["logs"][1]["metadata"]["rows"]), (&json!(2), &json!(10_000)), "{logs}");

        // What JSON cannot say is refused as such; what it can is a number or a wrong type, and never a defect.
        for text in ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"] {
            for (path, body) in
                [(format!("{path}/predict"), format!(r#"{{"x": {text}}}"#)), (batch.clone(), format!(r#"[{{"x": {text}}}]"#))]
            {
                let request = lab.ada.request(Method::POST, &path).header("content-type", "application/json").body(body);
                lab.ada.send(request).await.refused(400, "invalid_request");
            }
        }
        for text in ["NaN", "Infinity", "-inf"] {
            let refused = lab.ada.post(&batch, &json!([{ "x": 1 }, { "x": text }])).await.refused(422, "rows_refused");
            assert_eq!(refused["detail"][0]["loc"], json!(["body", 1, "x"]), "{refused}");
        }
        for number in [f64::MAX, f64::MIN, f64::MIN_POSITIVE] {
            let answer = lab.ada.post(&format!("{path}/predict"), &json!({ "x": number })).await;
            assert!([200, 422].contains(&answer.status.as_u16()), "{number:e}: {answer:?}");
        }
    }
}

#[actix_web::test]
async fn a_key_that_is_revoked_is_refused_by_every_process_within_a_second() {
    let database = TestDatabase::create().await.unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let _containers = crate::support::Containers::of(data_dir.path());
    let variables = [("DATABASE_URL", database.url().expose_secret())];
    let servers = [Process::start(data_dir.path(), &variables), Process::start(data_dir.path(), &variables)];
    let token = register(&servers[0]).await;
    let ada = servers[0].client(Some(&token));
    until_it_runs_code(&ada).await;
    let project = ada.project("P").await;
    let dataset = ada.dataset(&project, "penguins.csv", crate::models::PENGUINS).await;
    let body = json!({
        "projectId": project, "datasetId": dataset["datasetId"], "templateId": "random_forest_classifier",
        "targetColumn": "species", "parameters": { "n_estimators": 10 },
    });
    let model = ada.post("/api/models/train", &body).await.expect(200)["model"]["modelId"].clone();
    let config = json!({ "rateLimitPerMinute": 1_000_000_000 });
    let body = json!({ "modelId": model, "projectId": project, "name": "species", "config": config });
    let path = path_of(&ada.post("/api/deployments", &body).await.expect(201)["deployment"]);
    let (key, key_id) = key_of(&ada, &path).await;
    // Both have loaded the model before the clock runs.
    for server in &servers {
        let nobody = server.client(None);
        let request = nobody.request(Method::POST, &format!("{path}/predict")).header("x-api-key", &key).json(&row());
        nobody.send(request).await.expect(200);
    }
    // Asks again and again, until one was sent late enough, and tells when each request was sent and how it ended.
    let (tell, told) = tokio::sync::watch::channel(None::<Instant>);
    let asking: Vec<_> = servers
        .iter()
        .map(|server| {
            let (client, path, key, told) = (server.client(None), format!("{path}/predict"), key.clone(), told.clone());
            actix_web::rt::spawn(async move {
                let mut seen = Vec::new();
                loop {
                    let sent = Instant::now();
                    let request = client.request(Method::POST, &path).header("x-api-key", &key).json(&row());
                    seen.push((sent, client.send(request).await.status.as_u16()));
                    if told.borrow().is_some_and(|revoked| sent > revoked + Duration::from_millis(1500)) {
                        break seen;
                    }
                }
            })
        })
        .collect();
    let used = format!("{path}/logs?limit=1");
    eventually("both to have answered", async || {
        (ada.get(&used).await.expect(200)["total"].as_u64().unwrap() > 20).then_some(())
    })
    .await;
    ada.delete(&format!("{path}/api-keys/{key_id}")).await.expect(204);
    let revoked = Instant::now();
    tell.send(Some(revoked)).unwrap();
    for seen in futures_util::future::join_all(asking).await {
        let seen = seen.unwrap();
        let answered = seen.iter().filter(|(_, status)| *status == 200).count();
        let late: Vec<_> =
            seen.iter().filter(|(sent, _)| *sent > revoked + Duration::from_secs(1)).map(|(_, status)| *status).collect();
        assert!(answered > 0 && late.iter().all(|status| *status == 401), "{answered} {late:?}");
        assert!(seen.iter().all(|(_, status)| [200, 401].contains(status)), "nothing else is ever answered");
    }
}
