//! `gristmill backup` and `gristmill restore`: the program beside a running server, and into an empty place.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicBool, Ordering},
};

use gristmill_testkit::pg::TestDatabase;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    crash::{Process, register, until_it_runs_code},
    support::{Client, eventually},
};

/// The program with a command, over a data directory.
#[expect(clippy::disallowed_methods, reason = "the program under test is a child process")]
fn gristmill(arguments: &[&str], data_dir: &Path, variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gristmill"))
        .args(arguments)
        .env_remove("DATABASE_URL")
        .env("GRISTMILL_DATA_DIR", data_dir)
        .envs(variables.iter().copied())
        .output()
        .expect("the program runs")
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[track_caller]
fn fails(output: &Output, words: &str) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(words), "{text}");
    text
}

fn backup(data_dir: &Path, to: &Path, variables: &[(&str, &str)]) -> Output {
    gristmill(&["backup", to.to_str().unwrap()], data_dir, variables)
}

fn restore(from: &Path, data_dir: &Path, variables: &[(&str, &str)]) -> Output {
    gristmill(&["restore", from.to_str().unwrap()], data_dir, variables)
}

fn all_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        found.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            found.extend(all_files(&entry.path()));
        }
    }
    found
}

fn manifest(backup: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(backup.join("manifest.json")).unwrap()).unwrap()
}

/// The servers of these tests keep their secret in the data directory, as one without settings does.
const VARIABLES: [(&str, &str); 1] = [("JWT_SECRET", "")];

/// A server with a dataset, a file of user code and a deployed model with a key.
struct Mill {
    server: Process,
    token: String,
    project: String,
    path: String,
    key: String,
}

impl Mill {
    async fn start(data_dir: &Path, variables: &[(&str, &str)]) -> Self {
        let server = Process::start(data_dir, variables);
        let token = register(&server).await;
        let ada = server.client(Some(&token));
        until_it_runs_code(&ada).await;
        let project = ada.project("Penguins").await;
        let dataset = ada.dataset(&project, "penguins.csv", crate::models::PENGUINS).await;
        let body = json!({
            "projectId": project, "datasetId": dataset["datasetId"], "templateId": "random_forest_classifier",
            "targetColumn": "species", "parameters": { "n_estimators": 10 },
        });
        let model = ada.post("/api/models/train", &body).await.expect(200)["model"]["modelId"].clone();
        let body =
            json!({ "modelId": model, "projectId": project, "name": "species", "config": { "rateLimitPerMinute": 10_000 } });
        let deployment = ada.post("/api/deployments", &body).await.expect(201)["deployment"].clone();
        let path = format!("/api/deployments/{}", deployment["deploymentId"].as_str().unwrap());
        let key = ada.post(&format!("{path}/api-keys"), &json!({ "name": "program" })).await.expect(201);
        let key = key["rawKey"].as_str().unwrap().to_owned();
        Self { server, token, project, path, key }
    }

    /// As a program with the key of before.
    async fn predict(&self, url: &str) -> Value {
        let row: Value = serde_json::from_str(crate::deployments::ROW).unwrap();
        let nobody = Client::new(url, None);
        let request = nobody.request(Method::POST, &format!("{}/predict", self.path)).header("x-api-key", &self.key).json(&row);
        nobody.send(request).await.expect(200)
    }
}

/// All that a person would try first on a restored server.
async fn everything_works(mill: &Mill, restored: &Process, before: &Value) {
    let login = json!({ "email": "ada@example.org", "password": "correct horse" });
    let session = restored.client(None).post("/api/auth/login", &login).await.expect(200);
    let ada = restored.client(session["accessToken"].as_str());
    let datasets = ada.get(&format!("/api/datasets?projectId={}", mill.project)).await.expect(200);
    let dataset = datasets["datasets"].as_array().unwrap().iter().find(|one| one["filename"] == "penguins.csv").unwrap();
    let rows = ada.get(&format!("/api/datasets/{}/rows?limit=3", dataset["datasetId"].as_str().unwrap())).await.expect(200);
    assert_eq!(rows["rows"].as_array().unwrap().len(), 3, "{rows}");
    let counted = ada.sql(&mill.project, "select count(*) as n from penguins").await.expect(200);
    assert_eq!(counted["query"]["rows"], json!([{ "n": 344 }]));
    let answer = mill.predict(&restored.url).await;
    assert_eq!((&answer["prediction"], &answer["probabilities"]), (&before["prediction"], &before["probabilities"]));
    // A new dataset finds its place, and old tokens are still good: the secret is the one of before.
    ada.dataset(&mill.project, "after.csv", "a\n1\n").await;
    restored.client(Some(&mill.token)).get("/api/projects").await.expect(200);
}

#[actix_web::test]
async fn a_backup_beside_a_running_server_is_restored_into_an_empty_place() {
    let (data_dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _containers = crate::support::Containers::of(data_dir.path());
    let mill = Mill::start(data_dir.path(), &VARIABLES).await;
    let before = mill.predict(&mill.server.url).await;
    let ada = mill.server.client(Some(&mill.token));
    // What user code keeps: a program, a link, a pipe that nobody may wait for.
    let workspace = data_dir.path().join(format!("runtime/projects/{}/workspace", mill.project));
    std::fs::create_dir_all(workspace.join("deep")).unwrap();
    std::fs::write(workspace.join("deep/run.sh"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(workspace.join("deep/run.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", workspace.join("outside")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, workspace.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();

    // Rows are written, and files are replaced and removed, all the time.
    let goes_on = std::rc::Rc::new(AtomicBool::new(true));
    let writing = {
        let (ada, project, goes_on) = (ada.clone(), mill.project.clone(), std::rc::Rc::clone(&goes_on));
        actix_web::rt::spawn(async move {
            let mut number = 0;
            while goes_on.load(Ordering::Relaxed) {
                number += 1;
                let made = ada.dataset(&project, &format!("t{number}.csv"), format!("a\n{number}\n")).await;
                if number % 2 == 0 {
                    ada.delete(&format!("/api/datasets/{}", made["datasetId"].as_str().unwrap())).await;
                }
            }
            number
        })
    };
    eventually("the writer to be at work", async || {
        let list = ada.get(&format!("/api/datasets?projectId={}", mill.project)).await.expect(200);
        (list["datasets"].as_array().unwrap().len() > 3).then_some(())
    })
    .await;
    let to = elsewhere.path().join("backup");
    let output = {
        let (data_dir, to) = (data_dir.path().to_owned(), to.clone());
        tokio::task::spawn_blocking(move || backup(&data_dir, &to, &VARIABLES)).await.unwrap()
    };
    goes_on.store(false, Ordering::Relaxed);
    assert!(writing.await.unwrap() > 3);
    let said = succeeds(&output);
    assert!(said.contains("is whole") && !said.contains("warning"), "{said}");
    let password = std::fs::read_to_string(data_dir.path().join("postgres/password")).unwrap();
    assert!(!said.contains(password.trim()) && !String::from_utf8_lossy(&output.stderr).contains(password.trim()));
    let whole = manifest(&to);
    assert_eq!((&whole["format"], &whole["rows"]["users"], &whole["missing"]["count"]), (&json!(1), &json!(1), &json!({})));
    assert_eq!(whole["skipped"], 1, "the pipe");
    for path in all_files(&to) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is for its owner only", path.display());
    }
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 1, "no temporary name is left");
    // The server went on, and a name is used once.
    mill.predict(&mill.server.url).await;
    fails(&backup(data_dir.path(), &to, &VARIABLES), "is there already");
    fails(&backup(data_dir.path(), &data_dir.path().join("inside"), &VARIABLES), "would be lost with it");

    let place = elsewhere.path().join("new");
    let said = succeeds(&restore(&to, &place, &VARIABLES));
    assert!(said.contains("start the server"), "{said}");
    let restored = Process::start(&place, &VARIABLES);
    everything_works(&mill, &restored, &before).await;
    let workspace = place.join(format!("runtime/projects/{}/workspace", mill.project));
    let program = std::fs::metadata(workspace.join("deep/run.sh")).unwrap();
    assert_eq!(program.permissions().mode() & 0o777, 0o755);
    assert_eq!(std::fs::read_link(workspace.join("outside")).unwrap(), Path::new("/etc/passwd"));
    assert!(!workspace.join("pipe").exists());
    assert!(!place.join("runtime/projects").join(&mill.project).join("links").exists() || place.join("store").exists());
    // Each dataset that a row names has its file.
    let ada = restored.client(Some(&mill.token));
    let list = ada.get(&format!("/api/datasets?projectId={}", mill.project)).await.expect(200);
    for dataset in list["datasets"].as_array().unwrap() {
        ada.get(&format!("/api/datasets/{}/rows?limit=1", dataset["datasetId"].as_str().unwrap())).await.expect(200);
    }
    assert!(restored.terminate().success());

    // Once more, over a server that is stopped, and over what is there.
    fails(&restore(&to, &place, &VARIABLES), "is not empty");
    assert!(mill.server.terminate().success());
    let second = elsewhere.path().join("stopped");
    succeeds(&backup(data_dir.path(), &second, &VARIABLES));
    assert_eq!(manifest(&second)["rows"]["deployments"], 1);
}

#[actix_web::test]
async fn a_database_of_ones_own_is_backed_up_and_restored_with_what_is_missing_told() {
    let (database, other) = (TestDatabase::create().await.unwrap(), TestDatabase::create_empty().await.unwrap());
    let (data_dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let variables = [("DATABASE_URL", database.url().expose_secret())];
    let server = Process::start(data_dir.path(), &variables);
    let token = register(&server).await;
    let ada = server.client(Some(&token));
    let project = ada.project("P").await;
    ada.dataset(&project, "t.csv", "a\n1\n").await;
    ada.dataset(&project, "lost.csv", "b\n2\n").await;
    let listed = ada.get(&format!("/api/datasets?projectId={project}")).await.expect(200);
    let lost = listed["datasets"].as_array().unwrap().iter().find(|one| one["filename"] == "lost.csv").unwrap();
    let lost = lost["datasetId"].as_str().unwrap();
    let files = data_dir.path().join(format!("store/projects/{project}/datasets/{lost}"));
    std::fs::remove_file(files.join("v1.parquet")).unwrap();

    let variables = [("DATABASE_URL", database.url().expose_secret()), ("JWT_SECRET", "a secret for tests only, long enough")];
    let to = elsewhere.path().join("backup");
    let said = succeeds(&backup(data_dir.path(), &to, &variables));
    assert!(said.contains("warning: 1 rows name files") && said.contains(lost) && said.contains("JWT_SECRET"), "{said}");
    let place = elsewhere.path().join("new");
    fails(&restore(&to, &place, &variables), "the database is not empty");
    assert!(!place.join("store").exists(), "nothing was written");
    let variables = [("DATABASE_URL", other.url().expose_secret())];
    let said = succeeds(&restore(&to, &place, &variables));
    assert!(said.contains("warning: 1 rows") && said.contains("JWT_SECRET"), "{said}");
    let restored = Process::start(&place, &variables);
    let ada = restored.client(Some(&token));
    assert_eq!(ada.sql(&project, "select a from t").await.expect(200)["query"]["rows"], json!([{ "a": 1 }]));
    let unknown = backup(&place, &elsewhere.path().join("x"), &[("DATABASE_URL", "postgres://u:hidden@127.0.0.1:1/none")]);
    let text = fails(&unknown, "cannot be reached");
    assert!(!text.contains("hidden"), "{text}");
    assert!(!elsewhere.path().join("x").exists());
}

/// Copies a backup, so that one can be altered.
#[expect(clippy::disallowed_methods, reason = "a test's files")]
fn copy_of(backup: &Path, to: &Path) {
    assert!(Command::new("cp").arg("--archive").args([backup, to]).status().unwrap().success());
}

fn alter(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    std::fs::write(path, bytes).unwrap();
}

/// Rewrites the manifest as somebody would who knows the format.
fn rewrite(backup: &Path, change: impl Fn(&mut Value)) {
    use sha2::Digest;
    let mut whole = manifest(backup);
    change(&mut whole);
    let text = serde_json::to_string(&whole).unwrap();
    std::fs::write(backup.join("manifest.json"), &text).unwrap();
    let sum = hex::encode(sha2::Sha256::digest(text.as_bytes()));
    std::fs::write(backup.join("manifest.sha256"), format!("{sum}  manifest.json\n")).unwrap();
}

#[actix_web::test]
async fn what_is_cut_altered_or_newer_is_refused_and_leaves_nothing() {
    let (database, other) = (TestDatabase::create().await.unwrap(), TestDatabase::create_empty().await.unwrap());
    let (data_dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let variables = [("DATABASE_URL", database.url().expose_secret())];
    let server = Process::start(data_dir.path(), &variables);
    let token = register(&server).await;
    let ada = server.client(Some(&token));
    let project = ada.project("P").await;
    ada.dataset(&project, "t.csv", "a\n1\n").await;
    let good = elsewhere.path().join("good");
    succeeds(&backup(data_dir.path(), &good, &variables));
    let file = all_files(&good).into_iter().find(|path| path.ends_with("v1.parquet")).unwrap();
    let file = file.strip_prefix(&good).unwrap().to_owned();

    type Harm<'a> = (&'a str, &'a str, Box<dyn Fn(&Path) + 'a>);
    let harms: [Harm; 10] = [
        ("no-manifest", "not a backup", Box::new(|at| std::fs::remove_file(at.join("manifest.json")).unwrap())),
        ("manifest", "cut or altered", Box::new(|at| alter(&at.join("manifest.json")))),
        ("dump", "database.dump has another checksum", Box::new(|at| alter(&at.join("database.dump")))),
        ("no-dump", "database.dump is missing", Box::new(|at| std::fs::remove_file(at.join("database.dump")).unwrap())),
        ("list", "files.ndjson has another checksum", Box::new(|at| alter(&at.join("files.ndjson")))),
        ("file", "v1.parquet has another checksum", Box::new(|at| alter(&at.join(&file)))),
        ("cut", "v1.parquet has 3 bytes", Box::new(|at| std::fs::write(at.join(&file), "cut").unwrap())),
        ("gone", "v1.parquet is missing", Box::new(|at| std::fs::remove_file(at.join(&file)).unwrap())),
        ("newer", "newer Gristmill", Box::new(|at| rewrite(at, |whole| whole["schema"] = json!("29990101000000")))),
        (
            "later-format",
            "newer Gristmill",
            Box::new(|at| rewrite(at, |whole| *whole = json!({ "format": 2, "gristmill": "9.0.0", "unknown": true }))),
        ),
    ];
    let place = elsewhere.path().join("new");
    let variables = [("DATABASE_URL", other.url().expose_secret())];
    for (name, words, harm) in harms {
        let harmed = elsewhere.path().join(name);
        copy_of(&good, &harmed);
        harm(&harmed);
        fails(&restore(&harmed, &place, &variables), words);
        let left = if place.exists() { all_files(&place) } else { Vec::new() };
        assert_eq!(left, Vec::<PathBuf>::new(), "{name} leaves nothing");
    }
    // One that would write outside of the data directory, or through a link of its own.
    let harmed = elsewhere.path().join("outside");
    copy_of(&good, &harmed);
    let list = format!(r#"{{"kind":"file","path":"../outside","mode":420,"bytes":0,"sha256":"{:064}"}}"#, 0);
    std::fs::write(harmed.join("files.ndjson"), &list).unwrap();
    rewrite(&harmed, |whole| {
        use sha2::Digest;
        whole["list"] = json!({ "bytes": list.len(), "sha256": hex::encode(sha2::Sha256::digest(list.as_bytes())) });
    });
    fails(&restore(&harmed, &place, &variables), "it names ../outside");

    // A restore that was interrupted: no server starts over it, and the same one can be called again.
    std::fs::create_dir_all(place.join("store/projects")).unwrap();
    std::fs::write(place.join("store/projects/half"), "half a file").unwrap();
    let identity = {
        use sha2::Digest;
        hex::encode(sha2::Sha256::digest(std::fs::read(good.join("manifest.json")).unwrap()))
    };
    std::fs::write(place.join("restore-has-begun"), &identity).unwrap();
    fails(&gristmill(&["serve"], &place, &variables), "call `gristmill restore` again");
    fails(&restore(&elsewhere.path().join("newer"), &place, &variables), "newer");
    succeeds(&restore(&good, &place, &variables));
    assert!(!place.join("store/projects/half").exists() && !place.join("restore-has-begun").exists());
    // Also when the database was restored already.
    std::fs::write(place.join("restore-has-begun"), &identity).unwrap();
    succeeds(&restore(&good, &place, &variables));
    let restored = Process::start(&place, &variables);
    let ada = restored.client(Some(&token));
    assert_eq!(ada.sql(&project, "select a from t").await.expect(200)["query"]["rows"], json!([{ "a": 1 }]));
}
