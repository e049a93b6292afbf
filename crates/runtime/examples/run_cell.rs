//! Runs Python in a sandboxed kernel without the server: `cargo run -p gristmill-runtime --example run_cell -- '1 + 1'`.

use std::{env, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use async_trait::async_trait;
use gristmill_domain::{execution::RichOutput, ids::ProjectId};
use gristmill_jobs::Tasks;
use gristmill_runtime::{ExecuteRequest, KernelPlace, ProjectData, ProjectFiles, Runtime, RuntimeOptions};
use tokio::sync::mpsc;

/// A project without datasets.
#[derive(Debug)]
struct NoData(PathBuf);

#[async_trait]
impl ProjectData for NoData {
    async fn datasets(&self, _project: ProjectId) -> Result<ProjectFiles, Box<dyn std::error::Error + Send + Sync>> {
        Ok(ProjectFiles { directory: self.0.clone(), files: Vec::new() })
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "it is what the program is for")]
async fn main() -> anyhow::Result<()> {
    let code = env::args().nth(1).unwrap_or_else(|| "import sys; print(sys.version)\n1 + 1".to_owned());
    let scratch = tempfile::tempdir()?;
    let cache = env::home_dir().context("a home directory")?.join(".cache/gristmill");
    let mut options = RuntimeOptions::new(scratch.path().to_owned(), cache);
    options.search_path = Some("/usr/local/bin:/usr/bin:/bin".to_owned());
    let tasks = Tasks::new();
    let runtime = Runtime::start(options, Arc::new(NoData(scratch.path().join("datasets"))), &tasks).await;

    let place = KernelPlace::notebook(ProjectId::random());
    let (sink, mut live) = mpsc::channel::<RichOutput>(16);
    let request = ExecuteRequest { code, timeout: Duration::from_secs(60), memory_bytes: 1 << 30 };
    let watching = async {
        while let Some(output) = live.recv().await {
            println!("live: {:?} {}", output.kind, output.content);
        }
    };
    let (result, ()) = tokio::join!(runtime.execute(&place, request, sink), watching);
    println!("{}", serde_json::to_string_pretty(&result?)?);
    println!("{:#?}", runtime.status());
    runtime.shutdown().await;
    tasks.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
