//! Vectors of documents: by a provider that comes and goes, and by the model on this machine.

use std::{
    io::Write,
    net::TcpListener,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use gristmill_testkit::http::{Request, read_request};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::MILLS;
use crate::{
    crash::until_it_runs_code,
    support::{Client, TestApp, eventually, sandbox_settings},
};

/// What the stand-in's vectors know: a text is as near to a topic as it has words of it.
const TOPICS: [&[&str]; 3] = [&["wind", "sails", "breeze"], &["wheel", "river", "stream"], &["flour", "grain", "bread"]];
const DIMENSION: u64 = 4;
/// Tokens of each request.
const TOKENS: u64 = 2000;

/// Speaks `POST /v1/embeddings` as Ollama, vLLM and gateways do.
struct VectorServer {
    url: String,
    asked: Arc<Mutex<Vec<Value>>>,
    is_down: Arc<AtomicBool>,
}

impl VectorServer {
    fn start() -> Self {
        Self::answering(|texts| texts.iter().map(|text| vector(text.as_str().unwrap())).collect())
    }

    /// With other vectors for the texts.
    fn answering(vectors: impl Fn(&[Value]) -> Vec<Vec<f32>> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (asked, is_down) = (Arc::<Mutex<Vec<Value>>>::default(), Arc::<AtomicBool>::default());
        let (kept, down) = (Arc::clone(&asked), Arc::clone(&is_down));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Request { path, body, .. } = read_request(&stream).unwrap();
                if down.load(Ordering::SeqCst) {
                    // Closed without an answer.
                    continue;
                }
                let answer = if path == "/v1/embeddings" {
                    let texts = body["input"].as_array().unwrap();
                    let items = vectors(texts).into_iter().enumerate();
                    let data: Vec<Value> = items.map(|(index, vector)| json!({ "index": index, "embedding": vector })).collect();
                    let answer = json!({ "data": data, "usage": { "prompt_tokens": TOKENS } });
                    kept.lock().unwrap().push(body);
                    answer
                } else {
                    json!({ "data": [{ "id": "chat" }] })
                };
                let text = answer.to_string();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
                stream.write_all(format!("{head}\r\nContent-Length: {}\r\n\r\n{text}", text.len()).as_bytes()).ok();
            }
        });
        Self { url, asked, is_down }
    }

    fn settings(&self) -> [(&str, &str); 4] {
        [("LLM_BASE_URL", &self.url), ("LLM_MODEL", "chat"), ("LLM_EMBEDDING_MODEL", "topics"), ("EMBEDDINGS", "auto")]
    }

    fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }
}

fn vector(text: &str) -> Vec<f32> {
    let text = text.to_lowercase();
    let likeness = |words: &&[&str]| words.iter().filter(|word| text.contains(**word)).map(|_| 1.0).sum::<f32>();
    TOPICS.iter().map(likeness).chain([0.1]).collect()
}

impl Client {
    /// The model of a document's vectors, if it has any.
    async fn vectors_of(&self, document: &Value) -> Option<String> {
        let listed = self.get("/api/documents").await.expect(200);
        let mut documents = listed["documents"].as_array().unwrap().iter();
        let found = documents.find(|one| one["documentId"] == document["documentId"]).expect("it is listed");
        found["metadata"]["embeddingModel"].as_str().map(ToOwned::to_owned)
    }

    async fn until_it_has_vectors(&self, document: &Value) -> String {
        eventually("vectors of a document", async || self.vectors_of(document).await).await
    }
}

#[actix_web::test]
async fn the_provider_s_vectors_find_what_words_do_not() {
    let provider = VectorServer::start();
    let app = TestApp::start_with(&provider.settings()).await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let document = ada.document(&project, "mills.md", MILLS).await;
    assert_eq!(document["embeddingDimension"], DIMENSION);
    assert_eq!(ada.vectors_of(&document).await.as_deref(), Some("topics"));
    let found = ada.search(Some(&project), "breeze").await;
    assert_eq!(found[0]["heading"], "Mills › Wind", "{found:?}");
    assert!(found[0]["vectorScore"].as_f64() > Some(0.9) && found[0].get("lexicalScore").is_none_or(Value::is_null), "{found:?}");
    let asked = provider.asked.lock().unwrap().clone();
    assert_eq!((asked.len(), &asked[0]["model"], &asked[1]["input"]), (2, &json!("topics"), &json!(["breeze"])));
    let passages = asked[0]["input"].as_array().unwrap();
    assert!(passages.contains(&json!("Mills › Wind\nWind\n\nThe sails catch the wind above the hill.")), "{passages:?}");
}

#[actix_web::test]
async fn a_provider_that_is_away_leaves_the_words_and_vectors_come_later() {
    let provider = VectorServer::start();
    let app = TestApp::start_with(&provider.settings()).await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    provider.set_down(true);
    let document = ada.document(&project, "mills.md", MILLS).await;
    assert_eq!((&document["embeddingDimension"], &document["chunkCount"]), (&json!(0), &json!(3)));
    assert_eq!(ada.search(Some(&project), "sails").await[0]["heading"], "Mills › Wind");
    assert_eq!(ada.search(Some(&project), "breeze").await, Vec::<Value>::new());
    provider.set_down(false);
    // A server looks for such documents when it starts.
    let _second = app.second_server(&provider.settings()).await;
    assert_eq!(ada.until_it_has_vectors(&document).await, "topics");
    assert_eq!(ada.search(Some(&project), "a breeze").await[0]["heading"], "Mills › Wind");
    provider.set_down(true);
    let found = ada.search(Some(&project), "river stream").await;
    assert_eq!((&found[0]["heading"], &found[0]["score"]), (&json!("Mills › Water"), &json!(1.0)), "{found:?}");
    assert!(found.iter().all(|one| one.get("vectorScore").is_none_or(Value::is_null)), "{found:?}");
}

#[actix_web::test]
async fn vectors_of_a_large_document_come_after_its_upload() {
    let provider = VectorServer::start();
    let settings = [&provider.settings()[..], &[("DOC_CHUNK_SIZE", "50"), ("DOC_CHUNK_OVERLAP", "0")]].concat();
    let app = TestApp::start_with(&settings).await;
    let ada = app.user("ada").await;
    let text: String = (0..400).map(|n| format!("Sentence number {n} of many speaks of grain.\n\n")).collect();
    let document =
        ada.upload_document(None, "large.txt", format!("{text}Here a stream flows.")).await.expect(201)["document"].clone();
    assert!(document["chunkCount"].as_u64() > Some(256), "{document}");
    assert_eq!(document["embeddingDimension"], 0, "nobody waits for them");
    ada.until_it_has_vectors(&document).await;
    let found = ada.search(None, "river").await;
    assert_eq!(found[0]["snippet"], "Here a stream flows.", "{found:?}");
}

#[actix_web::test]
async fn answers_that_are_no_vectors_leave_the_words() {
    let too_few: fn(&[Value]) -> Vec<Vec<f32>> = |_| vec![vec![1.0]];
    let empty: fn(&[Value]) -> Vec<Vec<f32>> = |texts| vec![Vec::new(); texts.len()];
    for wrong in [too_few, empty] {
        let provider = VectorServer::answering(wrong);
        let app = TestApp::start_with(&provider.settings()).await;
        let ada = app.user("ada").await;
        let project = ada.project("P").await;
        assert_eq!(ada.document(&project, "mills.md", MILLS).await["embeddingDimension"], 0);
        assert_eq!(ada.search(Some(&project), "sails").await.len(), 1);
    }
}

#[actix_web::test]
async fn tokens_are_spent_in_the_name_of_who_asks() {
    let provider = VectorServer::start();
    // One request is over it, and the next is refused.
    let settings = [&provider.settings()[..], &[("LLM_USER_TOKENS_PER_DAY", "1000")]].concat();
    let app = TestApp::start_with(&settings).await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let (hers, his) = (ada.project("P").await, bob.project("Q").await);
    assert_eq!(ada.document(&hers, "first.md", MILLS).await["embeddingDimension"], DIMENSION);
    assert_eq!(ada.document(&hers, "second.md", MILLS).await["embeddingDimension"], 0);
    assert_eq!(bob.document(&his, "his.md", MILLS).await["embeddingDimension"], DIMENSION);
    let found = ada.search(Some(&hers), "sails").await;
    assert!(!found.is_empty() && found.iter().all(|one| one.get("vectorScore").is_none_or(Value::is_null)), "{found:?}");
    assert_eq!(provider.asked.lock().unwrap().len(), 2);
}

/// Runs the program with a server's settings.
async fn gristmill(command: &'static str, variables: &[(&str, &str)]) -> String {
    let data_dir = tempfile::tempdir().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the program under test is a child process")]
    let mut program = Command::new(env!("CARGO_BIN_EXE_gristmill"));
    program.arg(command).env_remove("DATABASE_URL").envs(sandbox_settings()).env("GRISTMILL_DATA_DIR", data_dir.path());
    program.envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || program.output().unwrap()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Signals the worker of the server over a data directory, and tells how many processes that were.
fn signal(data_dir: &std::path::Path, signal: Signal) -> usize {
    // What is in a sandbox has the server's mark in its environment.
    let mark: String = hex::encode(Sha256::digest(data_dir.as_os_str().as_encoded_bytes())).chars().take(16).collect();
    let holds = |id: i32, file: &str, text: &str| {
        let bytes = std::fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    let ids = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let workers = ids.filter(|id| holds(*id, "environ", &mark) && holds(*id, "cmdline", "gristmill_embed"));
    workers.filter(|id| kill_process(Pid::from_raw(*id).unwrap(), signal).is_ok()).count()
}

#[actix_web::test]
async fn the_model_on_this_machine_knows_what_texts_mean() {
    let text = gristmill("setup", &[("EMBEDDINGS", "local")]).await;
    assert!(text.contains("the embedding model is ready: "), "{text}");
    let text = gristmill("doctor", &[("EMBEDDINGS", "auto"), ("LLM_PROVIDER", "none")]).await;
    assert!(text.contains("ok      vectors of documents: by the model in "), "{text}");

    let app = TestApp::start_with(&[("EMBEDDINGS", "local")]).await;
    let ada = app.user("ada").await;
    until_it_runs_code(&ada).await;
    let project = ada.project("P").await;
    assert_eq!(signal(app.data_dir.path(), Signal::CONT), 0, "it is started by the first text");
    assert_eq!(ada.document(&project, "mills.md", MILLS).await["embeddingDimension"], 384);
    for (question, heading) in [("What is driven by moving air?", "Mills › Wind"), ("How is bread made?", "Mills")] {
        let found = ada.search(Some(&project), question).await;
        assert_eq!(found[0]["heading"], heading, "{found:?}");
    }
    for (name, hostile) in [
        ("nul.txt", format!("one\u{0}two\u{202e} {}", "three ".repeat(20))),
        ("long.txt", "x".repeat(100_000)),
        ("signs.txt", "💥 \u{fffd} ░▒▓ [CLS] [SEP] {{7*7}} ".repeat(100)),
    ] {
        let document = ada.document(&project, name, hostile).await;
        assert_eq!(document["embeddingDimension"], 384, "{name}: {document}");
    }
}

#[actix_web::test]
async fn a_worker_that_is_killed_over_a_document_is_replaced() {
    gristmill("setup", &[("EMBEDDINGS", "local")]).await;
    let app = TestApp::start_with(&[("EMBEDDINGS", "local")]).await;
    let ada = app.user("ada").await;
    until_it_runs_code(&ada).await;
    let project = ada.project("P").await;
    ada.document(&project, "mills.md", MILLS).await;
    // It takes the next texts, and does not answer.
    assert!(signal(app.data_dir.path(), Signal::STOP) > 0);
    let kill = async {
        eventually("a document that waits for its vectors", async || {
            let jobs = ada.get(&format!("/api/jobs?projectId={project}")).await.expect(200);
            let mut jobs = jobs["jobs"].as_array().unwrap().iter();
            jobs.any(|job| job["status"] == "running" && job["progress"]["message"] == "Embedding the text").then_some(())
        })
        .await;
        assert!(signal(app.data_dir.path(), Signal::KILL) > 0);
    };
    let (document, ()) = tokio::join!(ada.document(&project, "crops.txt", "Rye and barley grow on the hill."), kill);
    assert_eq!(document["embeddingDimension"], 384, "{document}");
    let found = ada.search(Some(&project), "Which cereals are there?").await;
    assert_eq!(found[0]["filename"], "crops.txt", "{found:?}");
    assert!(signal(app.data_dir.path(), Signal::KILL) > 0);
    let found = ada.search(Some(&project), "What is driven by moving air?").await;
    assert_eq!(found[0]["heading"], "Mills › Wind", "{found:?}");
}

#[actix_web::test]
async fn a_model_that_is_not_installed_leaves_the_words() {
    let cache = tempfile::tempdir().unwrap();
    let variables = [("EMBEDDINGS", "local"), ("XDG_CACHE_HOME", cache.path().to_str().unwrap())];
    let app = TestApp::start_with(&variables).await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    assert_eq!(ada.document(&project, "mills.md", MILLS).await["embeddingDimension"], 0);
    assert_eq!(ada.search(Some(&project), "sails").await[0]["heading"], "Mills › Wind");
    let text = gristmill("doctor", &variables).await;
    assert!(text.contains("note    no vectors of documents: the model of EMBEDDINGS=local is not installed"), "{text}");
    let text = gristmill("doctor", &[("EMBEDDINGS", "none")]).await;
    assert!(text.contains("ok      no vectors of documents (EMBEDDINGS=none)"), "{text}");
}
