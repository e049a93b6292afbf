//! Running code: sessions, cells, completions, and many at once.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use reqwest::{Method, multipart};
use serde_json::{Value, json};

use crate::{
    server::Server,
    table::{Table, Target::AtMost, percentile},
    work::{self, User},
};

/// Starts of one kind: enough for a median.
const STARTS: usize = 9;
const RUNS: usize = 300;
const QUESTIONS: usize = 200;
/// Sessions that start together.
const CROWD: usize = 20;
/// How long sandboxes may take to be found, and kernels to be made ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// From the request to a session with a ready kernel.
pub(crate) async fn sessions(table: &mut Table) -> Result<()> {
    for (name, pool, target) in [("cold", "0", 900.0), ("from the warm pool", "2", 150.0)] {
        let (_server, user) = running(&[("EXECUTION_POOL_SIZE", pool)]).await?;
        let ready = pool.parse::<u64>()?;
        let mut times = Vec::new();
        for _ in 0..STARTS {
            wait_for_kernels(&user, ready).await?;
            let (session, ms) = session(&user).await?;
            times.push(ms);
            user.send(Method::DELETE, &format!("/api/execute/session/{session}"), None).await?;
        }
        table.add(&format!("session ready, {name}, p50"), percentile(&mut times, 50.0), "ms", Some(AtMost(target)));
        table.add(&format!("session ready, {name}, slowest of {STARTS}"), percentile(&mut times, 100.0), "ms", None);
    }
    Ok(())
}

/// A warm kernel, through HTTP and the notebook's log.
pub(crate) async fn cells(table: &mut Table) -> Result<()> {
    let (_server, user) = running(&[]).await?;
    wait_for_kernels(&user, 1).await?;
    let notebook = Notebook::new(&user).await?;
    let (first, ms) = notebook.run("1 + 1").await?;
    ensure!(first["outputs"][0]["content"] == "2", "the cell answered {first}");
    table.add("first cell of a project, warm pool", ms, "ms", None);
    let cell = notebook.cell("1 + 1").await?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(notebook.run_cell(&cell).await?.1);
    }
    table.add("warm cell 1+1, p50", percentile(&mut times, 50.0), "ms", Some(AtMost(15.0)));
    table.add("warm cell 1+1, p99", percentile(&mut times, 99.0), "ms", Some(AtMost(40.0)));
    Ok(())
}

/// Completions on a pandas frame, as an editor asks for them.
pub(crate) async fn completions(table: &mut Table) -> Result<()> {
    let (_server, user) = running(&[]).await?;
    let csv = multipart::Part::bytes(&b"region,unit price\nnorth,1\n"[..]).file_name("sales.csv");
    let form = multipart::Form::new().part("file", csv).text("projectId", user.project.clone());
    user.upload(form).await?;
    let began = Instant::now();
    let ask = async |typed: &str| {
        let code = format!("import pandas as pd\ndf = pd.read_csv('/workspace/datasets/sales.csv')\ndf{typed}");
        let body = json!({ "projectId": user.project, "code": code, "line": 3, "column": 2 + typed.len() });
        let asked = Instant::now();
        let answer = user.send(Method::POST, "/api/python/completions", Some(&body)).await?;
        let found = answer["completions"].as_array().map_or(0, Vec::len);
        anyhow::Ok((asked.elapsed().as_secs_f64() * 1000.0, found))
    };
    // A worker that is not warm yet answers with nothing; an editor asks again.
    while ask(".").await?.1 == 0 {
        ensure!(began.elapsed() < PATIENCE, "Python help did not get warm");
    }
    table.add("first completion of a project", began.elapsed().as_secs_f64() * 1000.0, "ms", None);
    let typed = [".", ".d", ".dr", ".dro", ".drop", ".g", ".gr", ".groupby('region').", "['", "['re", ".head().s"];
    let mut times = Vec::new();
    for typed in typed.iter().cycle().take(QUESTIONS) {
        let (ms, found) = ask(typed).await?;
        ensure!(found > 0, "nothing follows df{typed}");
        times.push(ms);
    }
    table.add("completion on a pandas frame, p50", percentile(&mut times, 50.0), "ms", Some(AtMost(50.0)));
    table.add("completion on a pandas frame, p99", percentile(&mut times, 99.0), "ms", None);
    Ok(())
}

/// Many sessions at once, and cells that put out much.
pub(crate) async fn crowd(table: &mut Table) -> Result<()> {
    let (server, user) = running(&[("EXECUTION_USER_SANDBOXES_MAX", "32"), ("EXECUTION_SANDBOXES_MAX", "32")]).await?;
    wait_for_kernels(&user, 2).await?;
    let began = Instant::now();
    let made = try_join_all((0..CROWD).map(|_| session(&user))).await?;
    table.add(&format!("{CROWD} sessions at once, all ready"), began.elapsed().as_secs_f64(), "s", None);
    let mut times: Vec<f64> = made.iter().map(|(_, ms)| *ms).collect();
    table.add(&format!("{CROWD} sessions at once, p50 of one"), percentile(&mut times, 50.0), "ms", None);
    let began = Instant::now();
    let ran = try_join_all(made.iter().map(|(session, _)| execute(&user, session, "sum(range(10_000))"))).await?;
    ensure!(ran.iter().all(|result| result["outputs"][0]["content"] == "49995000"), "a run went wrong");
    table.add(&format!("a run in each of {CROWD} sessions at once"), began.elapsed().as_secs_f64() * 1000.0, "ms", None);
    let ended = made.iter().map(|(session, _)| format!("/api/execute/session/{session}"));
    for path in ended {
        user.send(Method::DELETE, &path, None).await?;
    }

    let notebook = Notebook::new(&user).await?;
    notebook.run("1").await?;
    let (text, ms) = notebook.run("for _ in range(10_000): print('x' * 999)").await?;
    ensure!(text["stdout"].as_str().map_or(0, str::len) == 10_000_000, "10 MB were printed");
    table.add("a cell that prints 10 MB", ms, "ms", None);
    let (many, ms) = notebook.run("for i in range(1000): display(i)").await?;
    ensure!(many["outputs"].as_array().map_or(0, Vec::len) == 1000, "1000 outputs were made");
    table.add("a cell with 1000 small outputs", ms, "ms", None);
    table.add("server memory at its peak", server.memory_mb("VmHWM:"), "MB", None);
    Ok(())
}

/// A server that runs code, and a user with a project.
async fn running(variables: &[(&str, &str)]) -> Result<(Server, User)> {
    let server = Server::start_with(None, variables)?;
    let user = work::user(&server).await?;
    let began = Instant::now();
    loop {
        let health = user.send(Method::GET, "/api/execute/health", None).await?;
        if health["status"] == "healthy" {
            return Ok((server, user));
        }
        ensure!(began.elapsed() < PATIENCE, "code cannot be run here: {}", health["reasons"]);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until so many kernels are ready; says why when none ever is.
async fn wait_for_kernels(user: &User, wanted: u64) -> Result<()> {
    let began = Instant::now();
    while user.send(Method::GET, "/api/execute/health", None).await?["readyKernels"].as_u64() < Some(wanted) {
        ensure!(began.elapsed() < PATIENCE, "no kernels are kept ready here: the server's log says why (LOG_LEVEL=info)");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn session(user: &User) -> Result<(String, f64)> {
    let began = Instant::now();
    let made = user.send(Method::POST, "/api/execute/session", Some(&json!({ "projectId": user.project }))).await?;
    let ms = began.elapsed().as_secs_f64() * 1000.0;
    Ok((made["session"]["id"].as_str().context("a session id")?.to_owned(), ms))
}

async fn execute(user: &User, session: &str, code: &str) -> Result<Value> {
    let body = json!({ "projectId": user.project, "sessionId": session, "code": code });
    Ok(user.send(Method::POST, "/api/execute", Some(&body)).await?["result"].take())
}

/// A notebook to run cells in.
struct Notebook<'user> {
    user: &'user User,
    id: String,
}

impl<'user> Notebook<'user> {
    async fn new(user: &'user User) -> Result<Self> {
        let made = user.send(Method::POST, &format!("/api/projects/{}/notebooks", user.project), Some(&json!({}))).await?;
        Ok(Self { user, id: made["notebookId"].as_str().context("a notebook id")?.to_owned() })
    }

    async fn cell(&self, content: &str) -> Result<String> {
        let body = json!({ "projectId": self.user.project, "content": content });
        let made = self.user.send(Method::POST, &format!("/api/notebooks/{}/cells", self.id), Some(&body)).await?;
        Ok(made["cellId"].as_str().context("a cell id")?.to_owned())
    }

    async fn run_cell(&self, cell: &str) -> Result<(Value, f64)> {
        let body = json!({ "projectId": self.user.project });
        let began = Instant::now();
        let result = self.user.send(Method::POST, &format!("/api/cells/{cell}/run"), Some(&body)).await?;
        let ms = began.elapsed().as_secs_f64() * 1000.0;
        ensure!(result["status"] == "success", "the cell ended with {result}");
        Ok((result, ms))
    }

    async fn run(&self, content: &str) -> Result<(Value, f64)> {
        self.run_cell(&self.cell(content).await?).await
    }
}
