//! Questions in plain words with a model that takes no time: what is left is the server's own.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, future::try_join_all};
use reqwest::multipart;
use serde_json::json;

use crate::{
    server::Server,
    table::{Table, Target::AtMost, percentile},
    work::{User, user},
};

const TIMES: usize = 50;
/// Streams at the same time, and how often.
const STREAMS: usize = 100;
const ROUNDS: usize = 5;
/// What memory may grow by from the second round to the last, MB: allocators keep some.
const GROWTH_MAX: f64 = 32.0;

/// A model that answers at once, and always the same. The statement is sure, so that one candidate is enough.
fn script() -> String {
    let plan = json!({ "intentSummary": "Sales by region", "answerable": true, "selectedTables": ["sales"], "confidence": 0.95 });
    let sql = json!({
        "sql": "select region, sum(amount) as total from sales group by region order by total desc", "rationale": "As asked.",
        "assumptions": [], "confidence": 0.95
    });
    let turn = |format: &str, reply: &serde_json::Value| json!({ "always": true, "when": { "format": format }, "reply": { "json": reply } });
    json!({ "turns": [turn("nl_plan", &plan), turn("nl_sql", &sql), turn("nl_sql_another", &sql)] }).to_string()
}

fn sales() -> Vec<u8> {
    let mut text = "sale_id,region,amount,day\n".to_owned();
    for row in 0..10_000 {
        let region = ["north", "east", "south", "west"][row % 4];
        text.push_str(&format!("{row},{region},{}.5,2026-0{}-11\n", row * 7 % 1000, row % 9 + 1));
    }
    text.into_bytes()
}

pub(crate) async fn language(table: &mut Table) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("script.json");
    std::fs::write(&file, script())?;
    let file = file.to_str().context("a path of text")?;
    let many = STREAMS.to_string();
    let server = Server::start_with(
        None,
        &[
            ("EXECUTION_POOL_SIZE", "0"),
            ("LLM_SCRIPT_FILE", file),
            ("LLM_CONCURRENCY", &many),
            ("LLM_USER_CONCURRENCY", &many),
            ("LLM_PROJECT_CONCURRENCY", &many),
            ("LLM_USER_TOKENS_PER_DAY", "0"),
            ("LLM_PROJECT_TOKENS_PER_DAY", "0"),
        ],
    )?;
    let user = user(&server).await?;
    let part = multipart::Part::bytes(sales()).file_name("sales.csv");
    user.upload(multipart::Form::new().part("file", part).text("projectId", user.project.clone())).await?;
    let (mut first, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let asked = ask(&user).await?;
        first.push(asked.0);
        whole.push(asked.1);
    }
    table.add("a question: time to the first event, p50", percentile(&mut first, 50.0), "ms", None);
    table.add("a question: the server's own time, p50", percentile(&mut whole, 50.0), "ms", Some(AtMost(50.0)));
    table.add("a question: the server's own time, p99", percentile(&mut whole, 99.0), "ms", None);
    let mut memory = Vec::new();
    let began = Instant::now();
    for _ in 0..ROUNDS {
        try_join_all((0..STREAMS).map(|_| ask(&user))).await?;
        memory.push(server.memory_mb("VmRSS"));
    }
    let seconds = began.elapsed().as_secs_f64();
    table.add(&format!("{STREAMS} streams at once: questions"), (STREAMS * ROUNDS) as f64 / seconds, "/s", None);
    let (second, last) = (memory[1], memory[ROUNDS - 1]);
    table.add(&format!("{STREAMS} streams at once: memory after the second round"), second, "MB", None);
    table.add(
        &format!("{STREAMS} streams at once: further memory after round {ROUNDS}"),
        (last - second).max(0.0),
        "MB",
        Some(AtMost(GROWTH_MAX)),
    );
    Ok(())
}

/// Milliseconds to the first event and to the last.
async fn ask(user: &User) -> Result<(f64, f64)> {
    let body = json!({ "projectId": user.project, "query": "What did each region sell in total?" });
    let began = Instant::now();
    let mut stream = user.stream("/api/query/nl/stream", &body).await?;
    let (mut first, mut text) = (None, Vec::new());
    while let Some(bytes) = stream.next().await {
        let bytes = bytes?;
        // A blank line, which says that the stream lives, is no event.
        if !bytes.trim_ascii().is_empty() {
            first.get_or_insert_with(|| began.elapsed());
        }
        text.extend_from_slice(&bytes);
    }
    let whole = began.elapsed();
    let text = String::from_utf8(text)?;
    ensure!(text.contains("\"type\":\"result\"") && text.trim_end().ends_with("{\"type\":\"done\"}"), "{text}");
    Ok((first.unwrap_or_default().as_secs_f64() * 1000.0, whole.as_secs_f64() * 1000.0))
}
