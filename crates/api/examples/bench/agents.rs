//! Turns of agents with a model that takes no time: what the engine adds to a call, turns with long results, and many runs at
//! once. PostgreSQL is the server's own, which waits for the disk.

use std::{
    cell::RefCell,
    fmt::Write as _,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use gristmill_domain::workflows::TURN_ITERATIONS_MAX;
use reqwest::{Method, multipart};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    server::Server,
    table::{Table, Target::AtMost, percentile},
    work::{User, user},
};

/// Calls of the longest turn: the last of its iterations is the model's last word.
const CALLS_MAX: usize = TURN_ITERATIONS_MAX as usize - 1;
/// Calls of turns with long results: of 12, 24 and 48 iterations.
const LENGTHS: [usize; 3] = [11, 23, CALLS_MAX];
/// Turns of each length for a median.
const TIMES: usize = 15;
/// Long turns one after the other.
const ROUNDS: usize = 8;
/// What memory may grow by from the second round to the last, MB: allocators keep some.
const GROWTH_MAX: f64 = 32.0;
/// Runs at the same time, how often, and calls of each.
const RUNS: usize = 50;
const RUN_ROUNDS: usize = 4;
const RUN_CALLS: usize = 12;
/// Columns, rows and characters of a table whose sample takes nearly the 50,000 characters that a result may have.
const WIDE: (usize, usize, usize) = (24, 10, 196);
/// Fewest characters of such a result.
const WIDE_CHARS_MIN: usize = 45_000;
const NDJSON: &str = "application/x-ndjson";
const EVENTS: &str = "text/event-stream";
/// Pause between looks at the server's health.
const PAUSE: Duration = Duration::from_millis(5);

/// A model that answers at once. Each call's arguments are one `x` longer than those of the call before, which a result tells:
/// so no call is like another, runs do not share a place in the script, and it is short.
fn script() -> String {
    let turn = |when: Value, reply: Value| json!({ "always": true, "when": when, "reply": reply });
    // As estimated, a long turn would come near the tokens that a turn may have.
    let usage = json!({ "input_tokens": 1000, "output_tokens": 10, "total_tokens": 1010 });
    let call = |tool: &str, dataset: &str| {
        let call = json!({ "name": tool, "arguments": { "datasetId": dataset } });
        json!({ "toolCalls": [call], "usage": usage })
    };
    let done = json!({ "text": "Done.", "usage": usage });
    let of = |tool: &str, content: Value| json!({ "tool": tool, "content": content });
    // What the server asks by itself when tables come is no part of this: it suggests by its own rules then.
    let mut turns = vec![turn(json!({ "format": "nl_suggestions" }), json!({ "error": { "kind": "refused" } }))];
    for calls in [1, RUN_CALLS, CALLS_MAX] {
        let last = json!(format!("Dataset {calls} {} not found", "x".repeat(calls)));
        turns.push(turn(json!({ "toolResult": of("list_project_files", last) }), done.clone()));
    }
    let next = json!({ "regex": "Dataset (?<calls>[0-9]+) (?<place>x+) not found" });
    turns.push(turn(json!({ "toolResult": of("list_project_files", next) }), call("list_project_files", "{{calls}} {{place}}x")));
    let first = json!({ "regex": "Look (?<calls>[0-9]+) times" });
    turns.push(turn(json!({ "lastMessage": first }), call("list_project_files", "{{calls}} x")));
    for calls in LENGTHS {
        let (asked, last) = (format!("Read {calls} tables"), json!(format!("\"wide_{}.csv\"", "x".repeat(calls))));
        turns.push(turn(json!({ "lastUser": asked, "toolResult": of("get_dataset_sample", last) }), done.clone()));
    }
    let next = json!({ "regex": "\"wide_(?<place>x+)\\.csv\"" });
    turns.push(turn(json!({ "toolResult": of("get_dataset_sample", next) }), call("get_dataset_sample", "wide_{{place}}x.csv")));
    turns.push(turn(json!({ "lastMessage": "Read " }), call("get_dataset_sample", "wide_x.csv")));
    json!({ "turns": turns }).to_string()
}

async fn start() -> Result<(TempDir, Server, User)> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("script.json");
    std::fs::write(&file, script())?;
    let file = file.to_str().context("a path of text")?.to_owned();
    let variables = [
        ("EXECUTION_POOL_SIZE", "0"),
        ("EMBEDDINGS", "none"),
        ("LLM_SCRIPT_FILE", file.as_str()),
        // All runs are of one person here. What a day may cost stays limited, which is asked before each answer.
        ("LLM_CONCURRENCY", "64"),
        ("LLM_USER_CONCURRENCY", "64"),
        ("LLM_USER_TOKENS_PER_DAY", "1000000000"),
        ("LLM_PROJECT_TOKENS_PER_DAY", "1000000000"),
    ];
    let server = Server::start_with(None, &variables)?;
    let user = user(&server).await?;
    Ok((directory, server, user))
}

pub(crate) async fn agents(table: &mut Table) -> Result<()> {
    calls(table).await?;
    long_results(table).await?;
    many_runs(table).await
}

/// A turn of so many calls: milliseconds, and its stream.
async fn turn(user: &User, project: &str, accept: &str, prompt: &str, calls: usize) -> Result<(f64, String)> {
    let body = json!({ "projectId": project, "phase": "onboarding", "prompt": prompt });
    let began = Instant::now();
    let text = user.post_for(&[("accept", accept)], "/api/workflows/turns/stream", &body).await?;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    let made = text.matches("\"type\":\"tool_executed\"").count();
    let is_whole = made == calls && text.contains("\"type\":\"done\"") && !text.contains("\"type\":\"workflow_error\"");
    let end: String = text.chars().skip(text.chars().count().saturating_sub(2000)).collect();
    ensure!(is_whole, "a turn made {made} calls instead of {calls}, and ended with {end}");
    Ok((took, text))
}

async fn look(user: &User, project: &str, calls: usize) -> Result<f64> {
    Ok(turn(user, project, NDJSON, &format!("Look {calls} times"), calls).await?.0)
}

async fn make_project(user: &User, name: &str) -> Result<String> {
    let made = user.send(Method::POST, "/api/projects", Some(&json!({ "name": name }))).await?;
    Ok(made["project"]["id"].as_str().context("a project")?.to_owned())
}

async fn upload(user: &User, project: &str, name: &str, content: String) -> Result<()> {
    let part = multipart::Part::bytes(content.into_bytes()).file_name(name.to_owned());
    user.upload(multipart::Form::new().part("file", part).text("projectId", project.to_owned())).await?;
    Ok(())
}

fn small_table() -> String {
    "id,name\n1,one\n2,two\n".to_owned()
}

/// What the engine adds to a call of a tool.
async fn calls(table: &mut Table) -> Result<()> {
    let (_script, _server, user) = start().await?;
    let project = user.project.clone();
    upload(&user, &project, "small.csv", small_table()).await?;
    let (mut short, mut long, mut tool) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TIMES {
        short.push(look(&user, &project, 1).await?);
        long.push(look(&user, &project, CALLS_MAX).await?);
        tool.push(by_itself(&user, &project).await?);
    }
    let (short, long) = (percentile(&mut short, 50.0), percentile(&mut long, 50.0));
    table.add("a turn of one call, from the request to the end of its stream, p50", short, "ms", None);
    table.add(&format!("a turn of {CALLS_MAX} calls, each of its own answer, p50"), long, "ms", None);
    let each = (long - short) / (CALLS_MAX - 1) as f64;
    table.add("… a call more, with the tool and its two queries", each, "ms", Some(AtMost(5.0)));
    table.add("… the tool by itself, with HTTP and MCP around it, p50", percentile(&mut tool, 50.0), "ms", None);
    Ok(())
}

/// The same tool, called from outside.
async fn by_itself(user: &User, project: &str) -> Result<f64> {
    let headers = [("accept", "application/json, text/event-stream"), ("mcp-protocol-version", "2025-11-25")];
    let args = json!({ "projectId": project, "datasetId": "1 x" });
    let params = json!({ "name": "list_project_files", "arguments": args });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let began = Instant::now();
    let answer = user.post_for(&headers, "/api/mcp", &body).await?;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    ensure!(answer.contains("Dataset 1 x not found"), "{answer}");
    Ok(took)
}

/// A table of texts; each number has others.
fn wide_table(number: usize) -> String {
    let (columns, rows, chars) = WIDE;
    let mut state = number as u64 + 1;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + (state >> 33) as u8 % 26)
    };
    let names: Vec<String> = (1..=columns).map(|column| format!("c{column:02}")).collect();
    let mut text = names.join(",");
    for _ in 0..rows {
        let values: Vec<String> = (0..columns).map(|_| (0..chars).map(|_| letter()).collect()).collect();
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{}", values.join(","));
    }
    text.push('\n');
    text
}

/// Turns whose results have nearly 50,000 characters each, none like another.
async fn long_results(table: &mut Table) -> Result<()> {
    let (_script, server, user) = start().await?;
    let project = user.project.clone();
    for number in 1..=CALLS_MAX {
        upload(&user, &project, &format!("wide_{}.csv", "x".repeat(number)), wide_table(number)).await?;
    }
    let read = |calls: usize| {
        let (user, project) = (&user, &project);
        async move {
            let (took, text) = turn(user, project, EVENTS, &format!("Read {calls} tables"), calls).await?;
            let each = text.len() as f64 / calls as f64;
            ensure!(each >= WIDE_CHARS_MIN as f64 && !text.contains("_truncated"), "results are cut or short: {each} bytes each");
            anyhow::Ok((took, each))
        }
    };
    let mut sizes = Vec::new();
    for calls in LENGTHS {
        let (_, each) = read(calls).await?;
        let work = format!("{} iterations with results of nearly 50,000 characters: stream, a call", calls + 1);
        table.add(&work, each / 1000.0, "kB", None);
        sizes.push(each);
    }
    let (few, many) = (sizes[0], sizes[LENGTHS.len() - 1]);
    table.add("… of the longest beside the shortest: off by", (many / few - 1.0).abs() * 100.0, "%", Some(AtMost(10.0)));
    let (mut memory, mut times) = (vec![server.memory_mb("VmRSS:")], Vec::new());
    for _ in 0..ROUNDS {
        times.push(read(CALLS_MAX).await?.0);
        memory.push(server.memory_mb("VmRSS:"));
    }
    table.add(&format!("… a turn of {TURN_ITERATIONS_MAX} iterations, p50"), percentile(&mut times, 50.0), "ms", None);
    let (second, last) = (memory[2], memory[ROUNDS]);
    table.add("… memory of the server after two such turns more", second, "MB", None);
    table.add(&format!("… further memory after {ROUNDS}"), (last - second).max(0.0), "MB", Some(AtMost(GROWTH_MAX)));
    table.add("… memory at its peak", server.memory_mb("VmHWM:"), "MB", None);
    Ok(())
}

/// Many runs at once, each in a project of its own: a phase has one turn at a time.
async fn many_runs(table: &mut Table) -> Result<()> {
    let (_script, server, user) = start().await?;
    let mut projects = Vec::new();
    for number in 0..RUNS {
        let project = make_project(&user, &format!("Run {number}")).await?;
        upload(&user, &project, "small.csv", small_table()).await?;
        projects.push(project);
    }
    // What the first turns load is not what is measured.
    try_join_all(projects.iter().map(|project| look(&user, project, RUN_CALLS))).await?;
    let (mut times, mut memory, stalls) = (Vec::new(), Vec::new(), RefCell::new(Vec::new()));
    let began = Instant::now();
    let running = async {
        for _ in 0..RUN_ROUNDS {
            times.extend(try_join_all(projects.iter().map(|project| look(&user, project, RUN_CALLS))).await?);
            memory.push(server.memory_mb("VmRSS:"));
        }
        anyhow::Ok(())
    };
    let probe = async {
        loop {
            let sent = Instant::now();
            user.send(Method::GET, "/api/health", None).await?;
            stalls.borrow_mut().push(sent.elapsed().as_secs_f64() * 1000.0);
            tokio::time::sleep(PAUSE).await;
        }
        #[expect(unreachable_code, reason = "names the type of the loop")]
        anyhow::Ok(())
    };
    tokio::select! {
        done = running => done?,
        failed = probe => return failed.map(drop),
    }
    let seconds = began.elapsed().as_secs_f64();
    let mut stalls = stalls.into_inner();
    table.add(&format!("{RUNS} runs at once, {RUN_CALLS} calls each: a turn, p50"), percentile(&mut times, 50.0), "ms", None);
    table.add("… p99", percentile(&mut times, 99.0), "ms", None);
    table.add("… calls of all together", (RUNS * RUN_ROUNDS * RUN_CALLS) as f64 / seconds, "/s", None);
    table.add("… health meanwhile, p99", percentile(&mut stalls, 99.0), "ms", Some(AtMost(50.0)));
    let (first, last) = (memory[0], memory[RUN_ROUNDS - 1]);
    table.add("… memory of the server after two rounds", first, "MB", None);
    table.add(&format!("… further memory after {}", RUN_ROUNDS + 1), (last - first).max(0.0), "MB", Some(AtMost(GROWTH_MAX)));
    table.add("… memory at its peak", server.memory_mb("VmHWM:"), "MB", None);
    Ok(())
}
