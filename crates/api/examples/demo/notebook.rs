//! A notebook on the penguins: a table and a plot, from a kernel in a sandbox.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, step};

/// How long the sandboxes may take to be found.
const PATIENCE: Duration = Duration::from_secs(60);

const TABLE: &str = "import pandas as pd

penguins = pd.read_csv('/workspace/datasets/penguins.csv')
table = penguins.groupby(['species', 'island']).agg(
    penguins=('species', 'size'), mean_mass_g=('body_mass_g', 'mean')).round(1)
print(table)
table";

const PLOT: &str = "import matplotlib.pyplot as plt
import seaborn as sns

sns.scatterplot(penguins, x='flipper_length_mm', y='body_mass_g', hue='species')
plt.title('Penguins')
plt.show()";

/// Runs the notebook and tells where its plot and its file were put, when there is a directory for them.
pub(crate) async fn run(client: &Client, project: &str, out: Option<&Path>) -> Result<Vec<String>> {
    wait_for_sandboxes(client).await?;
    let notebook = step("notebook", async {
        let body = json!({ "name": "Penguins", "kind": "standalone" });
        let made = client.post(&format!("/api/projects/{project}/notebooks"), &body).await?;
        let id = made["notebookId"].as_str().context("a notebook id")?.to_owned();
        Ok((id.clone(), id))
    })
    .await?;
    let result = cell(client, project, &notebook, "cell: a table", TABLE).await?.1;
    ensure!(kinds(&result).contains(&"html"), "a table was expected, not {result}");
    for line in result["stdout"].as_str().unwrap_or_default().lines() {
        println!("                 {line}");
    }
    let (cell_id, result) = cell(client, project, &notebook, "cell: a plot", PLOT).await?;
    let picture = result["outputs"].as_array().into_iter().flatten().find(|output| output["type"] == "image");
    let content = picture.and_then(|output| output["content"].as_str()).context("a plot")?;
    let name = content.strip_prefix(&format!("outputs/{cell_id}/")).context("the plot's file")?.to_owned();
    let plot = step("fetch the plot", async {
        // As a browser's `<img>` does: the link is signed, and needs no token.
        let request = client.request(Method::GET, &format!("/api/cells/{cell_id}/outputs/{name}"));
        let bytes = request.send().await?.error_for_status()?.bytes().await?;
        ensure!(bytes.starts_with(b"\x89PNG"), "the plot is no PNG");
        let found = format!("{} KB, PNG", bytes.len() / 1000);
        Ok((bytes, found))
    })
    .await?;
    let file = step("export the notebook", async {
        let file = client.get(&format!("/api/notebooks/{notebook}/export")).await?;
        let found = format!("nbformat {}.{}, {} cells", file["nbformat"], file["nbformat_minor"], count(&file["cells"]));
        Ok((file, found))
    })
    .await?;
    let Some(out) = out else { return Ok(Vec::new()) };
    let (plot_path, file_path) = (out.join("penguins.png"), out.join("penguins.ipynb"));
    std::fs::write(&plot_path, plot)?;
    std::fs::write(&file_path, serde_json::to_vec_pretty(&file)?)?;
    Ok(vec![format!("the plot          {}", plot_path.display()), format!("the notebook      {}", file_path.display())])
}

async fn wait_for_sandboxes(client: &Client) -> Result<()> {
    step("sandboxes", async {
        let began = Instant::now();
        let mut next_line = Duration::from_secs(1);
        loop {
            let health = client.get("/api/execute/health").await?;
            if health["status"] == "healthy" {
                let measures: Vec<&str> = health["isolation"].as_array().into_iter().flatten().map(text).collect();
                let found = format!("backend `{}`: {}", text(&health["backend"]), measures.join("; "));
                return Ok(((), found));
            }
            if began.elapsed() > PATIENCE {
                bail!("code cannot be run here: {}; `gristmill doctor` says more", health["reasons"]);
            }
            if began.elapsed() > next_line {
                println!("      waiting for sandboxes: {}", health["reasons"]);
                next_line += Duration::from_secs(1);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
}

/// Makes a cell and runs it: its id and its result.
async fn cell(client: &Client, project: &str, notebook: &str, name: &str, code: &str) -> Result<(String, Value)> {
    step(name, async {
        let made =
            client.post(&format!("/api/notebooks/{notebook}/cells"), &json!({ "projectId": project, "content": code })).await?;
        let id = made["cellId"].as_str().context("a cell id")?.to_owned();
        let result = client.post(&format!("/api/cells/{id}/run"), &json!({ "projectId": project })).await?;
        ensure!(result["status"] == "success", "the cell ended with {}: {}", result["status"], result["error"]);
        let found = format!("outputs: {}", kinds(&result).join(", "));
        Ok(((id, result), found))
    })
    .await
}

fn kinds(result: &Value) -> Vec<&str> {
    result["outputs"].as_array().into_iter().flatten().filter_map(|output| output["type"].as_str()).collect()
}

fn count(list: &Value) -> usize {
    list.as_array().map_or(0, Vec::len)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
