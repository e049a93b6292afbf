//! A real server on a port of its own, over a database of its own, and clients that speak to it.

use std::{collections::BTreeMap, time::Duration};

use gristmill_api::{config::Config, server::RunningServer};
use gristmill_testkit::pg::TestDatabase;
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap, multipart};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// A file with what a model says, in turns. Questions that the server asks it by itself when data comes use none of them up.
pub(crate) fn script(turns: &Value) -> tempfile::NamedTempFile {
    let aside = json!({ "always": true, "when": { "format": "nl_suggestions" }, "reply": { "error": { "kind": "refused" } } });
    let mut all = vec![aside];
    all.extend(turns.as_array().expect("a list of turns").iter().cloned());
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), json!({ "turns": all }).to_string()).expect("the script is written");
    file
}

/// The answer of a scripted model that calls something.
pub(crate) fn calls(name: &str, arguments: &Value) -> Value {
    json!({ "toolCalls": [{ "name": name, "arguments": arguments }] })
}

/// The values of a text with one a line.
pub(crate) fn parsed(text: &str) -> Vec<Value> {
    text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A server for one test. Stops when dropped; its database goes unless the test failed.
pub(crate) struct TestApp {
    pub(crate) server: RunningServer,
    pub(crate) database: TestDatabase,
    pub(crate) data_dir: tempfile::TempDir,
    http: reqwest::Client,
    _containers: Containers,
}

impl TestApp {
    /// A server with the defaults, but for cheap password hashes.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A server with further variables.
    pub(crate) async fn start_with(variables: &[(&str, &str)]) -> Self {
        let database = TestDatabase::create().await.expect("a test database");
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        let server = Self::serve(&database, &data_dir, variables).await;
        let containers = Containers::of(data_dir.path());
        Self { server, database, data_dir, http: http_client(), _containers: containers }
    }

    /// Another server over the same database and files, as a second process would be.
    pub(crate) async fn second_server(&self, variables: &[(&str, &str)]) -> RunningServer {
        Self::serve(&self.database, &self.data_dir, variables).await
    }

    async fn serve(database: &TestDatabase, data_dir: &tempfile::TempDir, variables: &[(&str, &str)]) -> RunningServer {
        let mut all: BTreeMap<String, String> = BTreeMap::from_iter(
            [
                ("PORT", "0"),
                ("PASSWORD_HASH_MEMORY_KIB", "8"),
                ("REGISTRATIONS_PER_MINUTE", "100000"),
                ("LOGINS_PER_MINUTE", "100000"),
                ("JWT_SECRET", "a secret for tests only, long enough"),
                ("GRISTMILL_PROBE_JOBS", "true"),
                // Kernels for nobody, and questions to an index on the network, are for the tests that want them.
                ("EXECUTION_POOL_SIZE", "0"),
                // Each training would start four sandboxes for another that hardly a test has.
                ("MODELING_READY", "0"),
                ("PACKAGE_LOOKUP", "off"),
                // The same on every machine, whatever is installed there.
                ("EMBEDDINGS", "none"),
                // The server runs in the program of the tests, which reads no documents.
                ("DOC_PARSER_PROGRAM", env!("CARGO_BIN_EXE_gristmill")),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        all.extend(sandbox_settings());
        all.insert("DATABASE_URL".into(), database.url().expose_secret().to_owned());
        all.insert("GRISTMILL_DATA_DIR".into(), data_dir.path().to_string_lossy().into_owned());
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let config = Config::read(&all).expect("a valid configuration");
        RunningServer::start(config, database.url().clone()).await.expect("the server starts")
    }

    /// The base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// A client that is nobody.
    pub(crate) fn anonymous(&self) -> Client {
        Client { base: self.url(), token: None, http: self.http.clone() }
    }

    /// A client with a bearer token.
    pub(crate) fn with_token(&self, token: &str) -> Client {
        Client { token: Some(token.to_owned()), ..self.anonymous() }
    }

    /// Registers a user and returns its client.
    pub(crate) async fn user(&self, name: &str) -> Client {
        let body = json!({ "email": format!("{name}@example.org"), "password": "correct horse", "name": name });
        let answer = self.anonymous().post("/api/auth/register", &body).await.expect(201);
        self.with_token(answer["accessToken"].as_str().expect("an access token"))
    }
}

/// The backend that a run of the tests is about (`GRISTMILL_TEST_BACKEND`; `cargo xtask test` runs them once on each), and
/// where what it runs was provisioned.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says on which backend")]
pub(crate) fn sandbox_settings() -> Vec<(String, String)> {
    let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let cache = text("XDG_CACHE_HOME").or_else(|| text("HOME").map(|home| format!("{home}/.cache")));
    let mut settings = vec![
        ("XDG_CACHE_HOME", cache.unwrap_or_default()),
        ("RUNTIME_BACKEND", text("GRISTMILL_TEST_BACKEND").unwrap_or_else(|| "process".to_owned())),
        // Other tests run beside it.
        ("KERNEL_STARTUP_TIMEOUT_MS", "120000".to_owned()),
        // By each of these servers it would take hours.
        ("EXECUTION_AUTO_BUILD_IMAGE", "false".to_owned()),
    ];
    settings.extend(["DOCKER_HOST", "DOCKER_BASE_IMAGE"].into_iter().filter_map(|name| Some((name, text(name)?))));
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Its name.
pub(crate) fn sandbox_backend() -> String {
    sandbox_settings().into_iter().find(|(name, _)| name == "RUNTIME_BACKEND").map(|(_, backend)| backend).unwrap_or_default()
}

/// Removes what containers a server over this data directory has left, when it is dropped: unlike bubblewrap's sandboxes,
/// they do not end with the test's process.
#[derive(Debug)]
pub(crate) struct Containers {
    state: std::path::PathBuf,
}

impl Containers {
    pub(crate) fn of(data_dir: &std::path::Path) -> Self {
        Self { state: data_dir.join("runtime/sandboxes") }
    }
}

impl Drop for Containers {
    #[expect(clippy::disallowed_methods, reason = "no runtime of tokio's is left here")]
    fn drop(&mut self) {
        if sandbox_backend() == "docker" {
            let script =
                "docker ps --all --quiet --filter \"label=gristmill.state=$0\" | xargs --no-run-if-empty docker rm --force";
            let remove = std::process::Command::new("sh").args(["-c", script]).arg(&self.state).output();
            if !remove.is_ok_and(|output| output.status.success()) {
                eprintln!("containers may be left: {}", self.state.display());
            }
        }
    }
}

fn http_client() -> reqwest::Client {
    gristmill_llm::tls::install_provider();
    // A connection of its own for each request: on a busy machine a kept one may be closed at the moment of its reuse.
    reqwest::Client::builder().timeout(Duration::from_secs(120)).pool_max_idle_per_host(0).build().expect("an HTTP client")
}

/// Somebody who speaks HTTP.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) base: String,
    pub(crate) token: Option<String>,
    http: reqwest::Client,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    request: String,
}

impl Answer {
    /// The JSON body, after checking the status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{} answered: {}", self.request, self.text);
        if self.text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&self.text).unwrap_or(Value::String(self.text))
    }

    /// The JSON body of a refusal, after checking status and code.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Value {
        let request = self.request.clone();
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{request} answered: {body}");
        assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()), "{request}: no text for people in {body}");
        assert!(body["requestId"].is_string(), "{request}: no requestId in {body}");
        body
    }
}

impl Client {
    /// A client for any server.
    pub(crate) fn new(base: &str, token: Option<&str>) -> Self {
        Self { base: base.to_owned(), token: token.map(ToOwned::to_owned), http: http_client() }
    }

    /// A request to be refined.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let request = request.build().expect("a request");
        let name = format!("{} {}", request.method(), request.url().path());
        let response = self.http.execute(request).await.unwrap_or_else(|error| panic!("{name} got no answer: {error:?}"));
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.expect("a body"), request: name }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// Makes a project and returns its id.
    pub(crate) async fn project(&self, name: &str) -> String {
        let body = self.post("/api/projects", &json!({ "name": name })).await.expect(201);
        body["project"]["id"].as_str().expect("an id").to_owned()
    }

    /// Uploads a file, `file` first and `projectId` after it, as the frontend does.
    pub(crate) async fn upload(&self, project: Option<&str>, filename: &str, content: impl Into<Vec<u8>>) -> Answer {
        let mut form = multipart::Form::new().part("file", multipart::Part::bytes(content.into()).file_name(filename.to_owned()));
        if let Some(project) = project {
            form = form.text("projectId", project.to_owned());
        }
        self.send(self.request(Method::POST, "/api/upload/dataset").multipart(form)).await
    }

    /// Uploads a file that must be accepted, and returns the dataset.
    pub(crate) async fn dataset(&self, project: &str, filename: &str, content: impl Into<Vec<u8>>) -> Value {
        self.upload(Some(project), filename, content).await.expect(201)["dataset"].clone()
    }

    /// Runs SQL.
    pub(crate) async fn sql(&self, project: &str, sql: &str) -> Answer {
        self.post("/api/query/sql", &json!({ "projectId": project, "sql": sql })).await
    }
}

/// How long a test waits for what must come about. It only bounds a failure: a kernel, a worker and a search each take
/// many times longer to start on two busy cores than they do alone.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `condition` gives a value; fails when that takes too long.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what} did not come about in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a statement that looks like this, in SQL's `ilike`, waits for a lock.
pub(crate) async fn until_waiting(database: &TestDatabase, like: &str) {
    let client = database.client().await.unwrap();
    eventually("a statement to wait for a lock", async || {
        let sql = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
                   and query ilike $1";
        (!client.query(sql, &[&like]).await.unwrap().is_empty()).then_some(())
    })
    .await;
}

/// The files in the store and in the spool: what a failed request must not leave behind.
pub(crate) fn files_below(data_dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![data_dir.join("store"), data_dir.join("spool")];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                _ => found.push(entry.path()),
            }
        }
    }
    found
}
