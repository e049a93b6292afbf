//! Completes Python on a data frame, without the server: `cargo run -p gristmill-runtime --example complete -- CACHE`, where
//! CACHE is the directory that `gristmill setup` filled.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Instant};

use anyhow::Context;
use gristmill_domain::{
    execution::PythonVersion,
    ids::{DatasetId, ProjectId},
};
use gristmill_jobs::Tasks;
use gristmill_runtime::{
    environment,
    intelligence::{AssistAnswer, AssistDataset, AssistDirectories, AssistOp, AssistRequest, AssistSettings, Assistant},
    sandbox::process::{ProcessBackend, ProcessOptions},
};

const CODE: &str = "import pandas as pd\nsales = pd.read_csv('/workspace/datasets/sales.csv')\n";

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> anyhow::Result<()> {
    let cache = PathBuf::from(std::env::args().nth(1).context("name the cache directory of `gristmill setup`")?);
    let directory = tempfile::tempdir()?;
    let tasks = Tasks::new();
    let backend = ProcessBackend::new(ProcessOptions::new(directory.path().join("state"), "example".to_owned()), tasks.clone());
    backend.provide(environment::locate(&cache, PythonVersion::default())?);
    let directories =
        AssistDirectories { projects: directory.path().join("projects"), sockets: directory.path().join("sockets"), cache };
    let settings = AssistSettings { prepares: false, ..AssistSettings::default() };
    let assistant = Assistant::new(Arc::new(backend), directories, settings, tasks.clone());
    let began = Instant::now();
    println!("libraries parsed ahead: {} ({:?})", assistant.prepare().await?, began.elapsed());
    let project = ProjectId::random();
    for typed in ["sales.", "sales[\"", "sales.gro", "sales.groupby(\"re", "pd.read_"] {
        let began = Instant::now();
        let answer = assistant.assist(project, question(typed)).await?;
        let took = began.elapsed();
        let AssistAnswer::Completions { completions } = answer else { continue };
        let names: Vec<String> = completions.into_iter().take(6).map(|completion| completion.name).collect();
        println!("{typed:20} {took:>12.1?}  {}", names.join(", "));
    }
    tasks.shutdown(std::time::Duration::from_secs(5)).await;
    Ok(())
}

fn question(typed: &str) -> AssistRequest {
    AssistRequest {
        op: AssistOp::Completions,
        code: format!("{CODE}{typed}"),
        line: 3,
        column: u32::try_from(typed.len()).unwrap_or(u32::MAX),
        cells: Vec::new(),
        current_cell_id: None,
        datasets: vec![AssistDataset {
            id: DatasetId::random(),
            filename: "sales.csv".to_owned(),
            columns: vec![("region".to_owned(), "text".to_owned()), ("price".to_owned(), "decimal".to_owned())],
        }],
        variables: BTreeMap::new(),
    }
}
