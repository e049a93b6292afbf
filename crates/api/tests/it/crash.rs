//! The program itself: started, stopped, killed.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use gristmill_testkit::pg::TestDatabase;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::{Client, eventually, files_below};

/// A `gristmill serve` of its own.
pub(crate) struct Process {
    child: Child,
    pub(crate) url: String,
}

impl Process {
    pub(crate) fn start(data_dir: &std::path::Path, variables: &[(&str, &str)]) -> Self {
        Self::start_with_log(data_dir, variables, Stdio::inherit())
    }

    /// With its log somewhere else than in the tests' output.
    #[expect(clippy::disallowed_methods, reason = "the program under test is a child process")]
    pub(crate) fn start_with_log(data_dir: &std::path::Path, variables: &[(&str, &str)], log: Stdio) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gristmill"))
            .arg("serve")
            .env_remove("DATABASE_URL")
            .envs(crate::support::sandbox_settings())
            .envs([
                ("PORT", "0"),
                ("PASSWORD_HASH_MEMORY_KIB", "8"),
                // Other tests run beside it: what lives must not be taken for dead.
                ("JOB_LEASE_MS", "3000"),
                ("GRISTMILL_PROBE_JOBS", "true"),
                ("EXECUTION_POOL_SIZE", "0"),
                ("MODELING_READY", "0"),
                ("LOG_LEVEL", "warn"),
                ("JWT_SECRET", "a secret for tests only, long enough"),
            ])
            .env("GRISTMILL_DATA_DIR", data_dir)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let url = lines
            .find_map(|line| line.ok()?.strip_prefix("Gristmill listens on ").map(ToOwned::to_owned))
            .expect("the program listens");
        Self { child, url }
    }

    pub(crate) fn client(&self, token: Option<&str>) -> Client {
        Client::new(&self.url, token)
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).expect("a signal");
    }

    pub(crate) fn kill(mut self) {
        self.signal(rustix::process::Signal::KILL);
        self.child.wait().expect("its end");
    }

    pub(crate) fn terminate(mut self) -> std::process::ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.child.wait().expect("its end")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) async fn register(process: &Process) -> String {
    let body = json!({ "email": "ada@example.org", "password": "correct horse", "name": "Ada" });
    let answer = process.client(None).post("/api/auth/register", &body).await.expect(201);
    answer["accessToken"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn data_survives_a_stop_and_a_kill() {
    let data_dir = tempfile::tempdir().unwrap();
    let first = Process::start(data_dir.path(), &[]);
    let token = register(&first).await;
    let ada = first.client(Some(&token));
    let project = ada.project("Kept").await;
    ada.dataset(&project, "t.csv", "a\n1\n").await;
    assert!(first.terminate().success(), "SIGTERM ends it in order");
    assert!(!data_dir.path().join("postgres/pgdata/postmaster.pid").exists(), "the cluster is stopped with it");

    let second = Process::start(data_dir.path(), &[]);
    let ada = second.client(Some(&token));
    assert_eq!(ada.sql(&project, "select a from t").await.expect(200)["query"]["rows"], json!([{ "a": 1 }]));
    ada.dataset(&project, "u.csv", "b\n2\n").await;
    second.kill();

    let third = Process::start(data_dir.path(), &[]);
    let ada = third.client(Some(&token));
    assert_eq!(ada.sql(&project, "select b from u").await.expect(200)["query"]["rows"], json!([{ "b": 2 }]));
}

#[actix_web::test]
async fn a_killed_server_s_upload_is_finished_by_another() {
    let database = TestDatabase::create().await.unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let variables = [("DATABASE_URL", database.url().expose_secret()), ("INGEST_THREADS", "1")];
    let first = Process::start(data_dir.path(), &variables);
    let token = register(&first).await;
    let ada = first.client(Some(&token));
    let project = ada.project("P").await;
    let row = "1,2.5,some text that makes the row longer,2024-01-01,true\n";
    let part = reqwest::multipart::Part::bytes(format!("a,b,c,d,e\n{}", row.repeat(300_000)).into_bytes()).file_name("big.csv");
    let form = reqwest::multipart::Form::new().part("file", part).text("projectId", project.clone());
    let request = ada.request(reqwest::Method::POST, "/api/upload/dataset").header("Prefer", "respond-async").multipart(form);
    let job = ada.send(request).await.expect(202)["job"]["jobId"].as_str().unwrap().to_owned();
    eventually("the job to run", async || {
        (ada.get(&format!("/api/jobs/{job}")).await.expect(200)["job"]["status"] == "running").then_some(())
    })
    .await;
    first.kill();

    let second = Process::start(data_dir.path(), &variables);
    let ada = second.client(Some(&token));
    let done = eventually("the job to be taken over and to end", async || {
        let job = ada.get(&format!("/api/jobs/{job}")).await.expect(200)["job"].clone();
        (job["status"] != "running" && job["status"] != "queued").then_some(job)
    })
    .await;
    assert_eq!((done["status"].as_str(), done["attempt"].as_u64()), (Some("succeeded"), Some(2)), "{done}");
    assert_eq!(ada.sql(&project, "select count(*) as n from big").await.expect(200)["query"]["rows"][0]["n"], 300_000);
    let events = ada.get(&format!("/api/jobs/{job}/events")).await.text;
    let events: Vec<Value> = events.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let sequence: Vec<i64> = events.iter().map(|event| event["seq"].as_i64().unwrap()).collect();
    assert_eq!(sequence, (1..=i64::try_from(events.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(events.iter().filter(|event| event["type"] == "job_started").count(), 2);
    assert_eq!(files_below(data_dir.path()).len(), 3, "one original, one Parquet file, one report");
}

/// A program that reads documents and never ends, unless nobody reads what it writes any more.
fn endless_parser(directory: &std::path::Path) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let program = directory.join("endless-parser");
    std::fs::write(&program, "#!/bin/sh\nwhile echo; do /bin/sleep 0.1; done\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program.to_str().unwrap().to_owned()
}

/// Sends a document, and does not wait for it. Returns the path of the job.
async fn send_document(client: &Client, project: &str, filename: &'static str) -> String {
    let part = reqwest::multipart::Part::bytes(b"Rye and barley.".to_vec()).file_name(filename);
    let form = reqwest::multipart::Form::new().part("file", part).text("projectId", project.to_owned());
    let request = client.request(reqwest::Method::POST, "/api/upload/doc").header("Prefer", "respond-async").multipart(form);
    format!("/api/jobs/{}", client.send(request).await.expect(202)["job"]["jobId"].as_str().unwrap())
}

/// Waits for the end of a job at a path.
async fn end_of(client: &Client, path: &str) -> Value {
    eventually("the end of the job", async || {
        let job = client.get(path).await.expect(200)["job"].clone();
        (job["status"] != "running" && job["status"] != "queued").then_some(job)
    })
    .await
}

#[actix_web::test]
async fn an_upload_whose_worker_is_killed_at_its_last_attempt_leaves_no_file() {
    let database = TestDatabase::create().await.unwrap();
    let (data_dir, programs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let parser = endless_parser(programs.path());
    let variables = [("DATABASE_URL", database.url().expose_secret()), ("EMBEDDINGS", "none")];
    let hanging = [&variables[..], &[("DOC_PARSER_PROGRAM", parser.as_str()), ("DOC_PARSE_TIMEOUT_MS", "600000")]].concat();
    let first = Process::start(data_dir.path(), &hanging);
    let token = register(&first).await;
    let ada = first.client(Some(&token));
    let project = ada.project("P").await;
    let (last, repeated) = (send_document(&ada, &project, "last.txt").await, send_document(&ada, &project, "again.txt").await);
    let documents = data_dir.path().join(format!("store/projects/{project}/documents"));
    let directories = || std::fs::read_dir(&documents).into_iter().flatten().flatten().map(|entry| entry.path());
    eventually("both files to be where documents are kept", async || {
        (directories().filter(|directory| directory.join("original").exists()).count() == 2).then_some(())
    })
    .await;
    let id = last.rsplit('/').next().unwrap();
    let sql = format!("update jobs set attempts_max = 1 where job_id = '{id}' and state = 'running' and attempt = 1");
    assert_eq!(database.client().await.unwrap().execute(&sql, &[]).await.unwrap(), 1);
    first.kill();
    assert_eq!(directories().count(), 2);

    let second = Process::start(data_dir.path(), &variables);
    let ada = second.client(Some(&token));
    let lost = end_of(&ada, &last).await;
    assert_eq!((&lost["status"], &lost["error"]["code"]), (&json!("failed"), &json!("worker_lost")), "{lost}");
    let made = end_of(&ada, &repeated).await;
    assert_eq!((&made["status"], &made["attempt"]), (&json!("succeeded"), &json!(2)), "{made}");
    assert!(second.terminate().success());

    // The janitor looks when a server starts, and every ten minutes.
    let third = Process::start(data_dir.path(), &variables);
    let ada = third.client(Some(&token));
    let kept = documents.join(made["result"]["documentId"].as_str().unwrap());
    eventually("the files of the lost upload to be gone", async || (directories().count() == 1).then_some(())).await;
    assert_eq!(files_below(data_dir.path()), [kept.join("original")]);
    let listed = ada.get("/api/documents").await.expect(200)["documents"].clone();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["filename"]), (1, &json!("again.txt")));
    let download = format!("/api/documents/{}/download", made["result"]["documentId"].as_str().unwrap());
    assert_eq!(ada.get(&download).await.text, "Rye and barley.");
}

#[actix_web::test]
async fn sigterm_lets_requests_finish_and_gives_jobs_back() {
    let database = TestDatabase::create().await.unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let variables = [("DATABASE_URL", database.url().expose_secret()), ("SHUTDOWN_TIMEOUT_MS", "1000")];
    let server = Process::start(data_dir.path(), &variables);
    let token = register(&server).await;
    let id = uuid::Uuid::new_v4();
    let sql = format!(
        "insert into jobs (job_id, kind, owner_id, state, payload, attempts_max)
         select '{id}', 'probe', user_id, 'queued', '{{\"steps\": 1000, \"stepMs\": 100}}', 3 from users"
    );
    database.client().await.unwrap().batch_execute(&sql).await.unwrap();
    let ada = server.client(Some(&token));
    eventually("the probe to run", async || {
        (ada.get(&format!("/api/jobs/{id}")).await.expect(200)["job"]["status"] == "running").then_some(())
    })
    .await;
    assert!(server.terminate().success());
    let sql = format!("select state, attempt from jobs where job_id = '{id}'");
    let row = database.client().await.unwrap().query_one(&sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, String>(0).as_str(), row.get::<_, i32>(1)), ("queued", 0), "given back, the attempt not counted");
}

#[actix_web::test]
async fn a_second_server_on_the_same_directory_is_refused() {
    let data_dir = tempfile::tempdir().unwrap();
    let first = Process::start(data_dir.path(), &[]);
    #[expect(clippy::disallowed_methods, reason = "the program under test is a child process")]
    let second = Command::new(env!("CARGO_BIN_EXE_gristmill"))
        .arg("serve")
        .env_remove("DATABASE_URL")
        .envs([("PORT", "0"), ("GRISTMILL_DATA_DIR", data_dir.path().to_str().unwrap())])
        .output()
        .unwrap();
    assert!(!second.status.success());
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(text.contains("another gristmill server is running"), "{text}");
    first.client(None).get("/api/health").await.expect(200);
}

#[test]
fn the_doctor_tells_what_is_there() {
    let data_dir = tempfile::tempdir().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the program under test is a child process")]
    let doctor = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gristmill"));
        command
            .arg("doctor")
            .env_remove("DATABASE_URL")
            .envs(crate::support::sandbox_settings())
            .env("GRISTMILL_DATA_DIR", data_dir.path())
            .envs(variables.iter().copied());
        command.output().unwrap()
    };
    let healthy = doctor(&[]);
    let text = String::from_utf8_lossy(&healthy.stdout).into_owned();
    assert!(healthy.status.success() && text.contains("embedded PostgreSQL") && text.contains("SMTP_HOST"), "{text}");
    let backend = crate::support::sandbox_backend();
    assert!(text.contains(&format!("ok      sandboxes of the {backend} backend: ")) && text.contains("; no network"), "{text}");
    assert!(text.contains("RUNTIME_BACKEND names another") && text.contains("Python for sandboxes: 3.11"), "{text}");
    let lonely = doctor(&[("RUNTIME_BACKEND", "docker"), ("DOCKER_HOST", "unix:///nowhere.sock")]);
    let text = String::from_utf8_lossy(&lonely.stdout).into_owned();
    assert!(lonely.status.success(), "all but code works: {text}");
    assert!(text.contains("no sandboxes") && text.contains("/nowhere.sock") && text.contains("DOCKER_HOST"), "{text}");
    let sick = doctor(&[("DATABASE_URL", "postgres://user:hidden@127.0.0.1:1/none")]);
    let text = format!("{}{}", String::from_utf8_lossy(&sick.stdout), String::from_utf8_lossy(&sick.stderr));
    assert!(!sick.status.success() && text.contains("does not answer") && !text.contains("hidden"), "{text}");
    let wrong = doctor(&[("PORT", "many")]);
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("PORT must be"), "{wrong:?}");
}

/// A cell that runs when its server dies is not "running" for ever, and keeps what it put out.
#[actix_web::test]
async fn a_killed_server_s_cell_ends_as_an_error_with_its_outputs() {
    let database = TestDatabase::create().await.unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let _containers = crate::support::Containers::of(data_dir.path());
    let variables = [("DATABASE_URL", database.url().expose_secret()), ("NOTEBOOK_RUN_LEASE_MS", "3000")];
    let first = Process::start(data_dir.path(), &variables);
    let token = register(&first).await;
    let ada = first.client(Some(&token));
    let project = ada.project("P").await;
    let notebook = crate::notebooks::notebook(&ada, &project, &json!({})).await;
    let code = "import time\nprint('half', flush=True)\nwhile True:\n  open('beat', 'w').close()\n  time.sleep(0.01)";
    let cell = crate::notebooks::cell(&ada, &notebook, code).await;
    let run = {
        let (ada, cell, project) = (ada.clone(), cell.clone(), project.clone());
        let request = ada.request(reqwest::Method::POST, &format!("/api/cells/{cell}/run"));
        actix_web::rt::spawn(request.json(&json!({ "projectId": project })).send())
    };
    let client = database.client().await.unwrap();
    eventually("the output", async || {
        let sql = "select count(*) from notebook_events where payload::text like '%half%'";
        (client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 1).then_some(())
    })
    .await;
    first.kill();
    assert!(run.await.unwrap().is_err(), "its answer never came");

    let second = Process::start(data_dir.path(), &variables);
    let ada = second.client(Some(&token));
    let ended = eventually("the run to be given up", async || {
        let cell = ada.get(&format!("/api/cells/{cell}")).await.expect(200);
        Some(cell).filter(|cell| cell["executionStatus"] == "error")
    })
    .await;
    assert_eq!((ended["output"][0]["content"].as_str(), ended["lockedBy"].clone()), (Some("half\n"), Value::Null), "{ended}");
    assert_eq!(ended["output"][1]["type"], "error", "{ended}");
    // The new server ends what the old one ran.
    let beat = data_dir.path().join(format!("runtime/projects/{project}/workspace/beat"));
    eventually("the old kernel to be gone", async || {
        drop(std::fs::remove_file(&beat));
        tokio::time::sleep(Duration::from_millis(200)).await;
        (!beat.exists()).then_some(())
    })
    .await;
    // And it can be run again, on a new kernel.
    ada.patch(&format!("/api/cells/{cell}"), &json!({ "content": "1 + 1" })).await.expect(200);
    let again = ada.post(&format!("/api/cells/{cell}/run"), &json!({ "projectId": project })).await.expect(200);
    assert_eq!((again["status"].as_str(), again["executionOrder"].as_u64()), (Some("success"), Some(2)), "{again}");
}

/// Waits until code can be run; fails, and says why, where it cannot.
pub(crate) async fn until_it_runs_code(client: &Client) {
    eventually("the Python environment to be prepared", async || {
        let health = client.get("/api/execute/health").await.expect(200);
        let (healthy, reasons) = (health["status"] == "healthy", health["reasons"].to_string());
        let preparing = reasons.contains("prepared");
        assert!(healthy || preparing, "no code can be run here: {reasons}; `gristmill setup` provides what it needs");
        healthy.then_some(())
    })
    .await;
}

#[actix_web::test]
async fn a_killed_server_s_training_is_finished_by_another() {
    let database = TestDatabase::create().await.unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let variables = [("DATABASE_URL", database.url().expose_secret()), ("RUNTIME_BACKEND", "process")];
    let first = Process::start(data_dir.path(), &variables);
    let token = register(&first).await;
    let ada = first.client(Some(&token));
    until_it_runs_code(&ada).await;
    let project = ada.project("P").await;
    let dataset = ada.dataset(&project, "penguins.csv", crate::models::PENGUINS).await;
    let body = json!({
        "projectId": project, "datasetId": dataset["datasetId"], "templateId": "auto_classifier", "targetColumn": "species",
        "parameters": { "time_budget_seconds": 8 },
    });
    let request = ada.request(reqwest::Method::POST, "/api/models/train").header("Prefer", "respond-async").json(&body);
    let job = ada.send(request).await.expect(202)["job"]["jobId"].as_str().unwrap().to_owned();
    eventually("the search to begin", async || {
        let job = ada.get(&format!("/api/jobs/{job}")).await.expect(200)["job"].clone();
        (job["status"] == "running" && job["progress"]["fraction"].as_f64().unwrap_or(0.0) > 0.0).then_some(())
    })
    .await;
    first.kill();

    let second = Process::start(data_dir.path(), &variables);
    let ada = second.client(Some(&token));
    let done = eventually("the job to be taken over and end", async || {
        let job = ada.get(&format!("/api/jobs/{job}")).await.expect(200)["job"].clone();
        (job["status"] != "running" && job["status"] != "queued").then_some(job)
    })
    .await;
    assert_eq!((done["status"].as_str(), done["attempt"].as_u64()), (Some("succeeded"), Some(2)), "{done}");
    let models = ada.get(&format!("/api/models?projectId={project}")).await.expect(200);
    assert_eq!(models["models"].as_array().unwrap().len(), 1, "one training, one model: {models}");
    assert_eq!(models["models"][0]["modelId"], done["result"]["modelId"]);
    let work = data_dir.path().join("runtime/modeling");
    let left = eventually("the evaluation to end", async || {
        let model = ada.get(&format!("/api/models/{}", done["result"]["modelId"].as_str().unwrap())).await.expect(200);
        let left = std::fs::read_dir(&work).unwrap().count();
        (model["model"]["evaluationStatus"] == "ready" && left == 0).then_some(left)
    })
    .await;
    assert_eq!(left, 0, "nothing of the first run is left");
}

/// What runs in sandboxes over a data directory: processes of this machine, or containers.
#[expect(clippy::disallowed_methods, reason = "no API tells it")]
pub(crate) fn sandboxes_over(data_dir: &std::path::Path) -> Vec<String> {
    let directory = data_dir.join("runtime").display().to_string();
    if crate::support::sandbox_backend() == "docker" {
        let filter = format!("label=gristmill.state={directory}/sandboxes");
        let output = Command::new("docker").args(["ps", "--quiet", "--filter", &filter]).output().unwrap();
        return String::from_utf8(output.stdout).unwrap().lines().map(ToOwned::to_owned).collect();
    }
    let processes = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).into_owned();
        (command.contains(&directory) && command.contains("bwrap")).then(|| entry.file_name().into_string().unwrap())
    });
    processes.collect()
}

#[actix_web::test]
async fn a_killed_server_s_deployment_is_brought_up_by_another() {
    let database = TestDatabase::create().await.unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let _containers = crate::support::Containers::of(data_dir.path());
    let variables = [("DATABASE_URL", database.url().expose_secret()), ("SERVING_PROBE_MS", "200")];
    let first = Process::start(data_dir.path(), &variables);
    let token = register(&first).await;
    let ada = first.client(Some(&token));
    until_it_runs_code(&ada).await;
    let project = ada.project("P").await;
    let dataset = ada.dataset(&project, "penguins.csv", crate::models::PENGUINS).await;
    let body = json!({
        "projectId": project, "datasetId": dataset["datasetId"], "templateId": "ridge_regression", "targetColumn": "body_mass_g",
        "parameters": {},
    });
    let trained = ada.post("/api/models/train", &body).await.expect(200);
    let model = trained["model"]["modelId"].as_str().unwrap().to_owned();
    eventually("the evaluation to end", async || {
        let model = ada.get(&format!("/api/models/{model}")).await.expect(200);
        (model["model"]["evaluationStatus"] == "ready").then_some(())
    })
    .await;
    // A worker of Python, which takes a while to start: the server is killed meanwhile.
    let request = {
        let body = json!({ "modelId": model, "projectId": project, "name": "weight", "runtime": "container" });
        let request = ada.request(reqwest::Method::POST, "/api/deployments").json(&body);
        actix_web::rt::spawn(request.send())
    };
    let listed = format!("/api/deployments?projectId={project}");
    let path = eventually("the start to begin", async || {
        let list = ada.get(&listed).await.expect(200);
        let id = list["deployments"][0]["deploymentId"].as_str()?.to_owned();
        let runs = list["deployments"][0]["status"] == "starting" && !sandboxes_over(data_dir.path()).is_empty();
        runs.then(|| format!("/api/deployments/{id}"))
    })
    .await;
    first.kill();
    assert!(request.await.unwrap().is_err(), "its answer never came");
    let client = database.client().await.unwrap();
    let status: String = client.query_one("select status from deployments", &[]).await.unwrap().get(0);
    assert_eq!(status, "starting", "the server was killed in the middle");

    let second = Process::start(data_dir.path(), &variables);
    let ada = second.client(Some(&token));
    eventually("another server to bring it up", async || {
        let found = ada.get(&path).await.expect(200);
        assert_ne!(found["deployment"]["status"], "failed", "{found}");
        (found["deployment"]["status"] == "healthy").then_some(())
    })
    .await;
    let sql = "select attempt, state from jobs where kind = 'deployment_start'";
    let job = client.query_one(sql, &[]).await.unwrap();
    assert_eq!((job.get::<_, i32>(0), job.get::<_, String>(1).as_str()), (2, "succeeded"));
    let mut row: Value = serde_json::from_str(crate::deployments::ROW).unwrap();
    row.as_object_mut().unwrap().remove("body_mass_g");
    row["species"] = json!("Gentoo");
    let answer = ada.post(&format!("{path}/predict"), &row).await.expect(200);
    assert!(answer["prediction"].as_f64().is_some_and(|grams| (2000.0..8000.0).contains(&grams)), "{answer}");
    // What the first one started is gone: when this one's worker ends too, nothing runs.
    ada.patch(&path, &json!({ "action": "stop" })).await.expect(200);
    eventually("every sandbox to be gone", async || sandboxes_over(data_dir.path()).is_empty().then_some(())).await;
    let left = std::fs::read_dir(data_dir.path().join("runtime/serving")).unwrap().count();
    assert!(left <= 1, "sockets of the killed server's worker stay at most until it is swept: {left}");
}
