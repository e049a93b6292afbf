//! The golden questions of sets, and how they went.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{client::Client, tpch};

/// Asks the questions of sets. Fails when the script does not fare as it must.
pub(crate) async fn run(client: &Client, sets: &[PathBuf], is_scripted: bool) -> Result<()> {
    for file in sets {
        let set = Set::read(file)?;
        let right = ask(client, &set).await?;
        // The script has one wrong answer in each set: an evaluation that finds nothing wrong is broken too.
        if is_scripted && Some(right) != set.content["scriptedRight"].as_u64() {
            bail!("{}: {right} right, but the script has {} right answers", set.name, set.content["scriptedRight"]);
        }
    }
    Ok(())
}

/// A set of questions with its name and its tables.
struct Set {
    name: String,
    content: Value,
    tables: Vec<(String, Vec<u8>)>,
}

impl Set {
    fn read(file: &Path) -> Result<Self> {
        let content: Value = serde_json::from_slice(&std::fs::read(file).with_context(|| file.display().to_string())?)?;
        let tables = if content["generated"]["benchmark"] == "tpc-h" {
            tpch::tables(content["generated"]["scaleFactor"].as_f64().context("a set without a scale factor")?)
        } else {
            let data = file.parent().and_then(Path::parent).context("a set outside of data/eval")?;
            let files = content["files"].as_array().context("a set without files")?;
            files.iter().map(|path| table(&data.join(path.as_str().unwrap_or_default()))).collect::<Result<_>>()?
        };
        let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { name, content, tables })
    }
}

fn table(file: &Path) -> Result<(String, Vec<u8>)> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok((name, std::fs::read(file).with_context(|| file.display().to_string())?))
}

/// Asks a set's questions and tells how many answers are right.
async fn ask(client: &Client, set: &Set) -> Result<u64> {
    let made = client.post("/api/projects", &json!({ "name": set.name })).await?;
    let project = made["project"]["id"].as_str().context("a project without an id")?.to_owned();
    for (name, content) in &set.tables {
        client.upload(&project, name, content.clone()).await?;
    }
    let base = format!("/api/projects/{project}/golden-questions");
    for question in set.content["questions"].as_array().context("a set without questions")? {
        client.post(&base, question).await?;
    }
    let report = client.post(&format!("{base}/run"), &json!({})).await?;
    println!("\n{}: {}", set.name, set.content["description"].as_str().unwrap_or_default());
    for question in client.get(&base).await?["goldenQuestions"].as_array().into_iter().flatten() {
        print_question(question);
    }
    let accuracy = report["executionAccuracy"].as_f64().map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0));
    println!("{} of {} right, execution accuracy {accuracy}, model {}", report["right"], report["total"], report["model"]);
    report["right"].as_u64().context("a report without a count")
}

fn print_question(question: &Value) {
    let asked = &question["lastAsked"];
    let confidence = asked["confidence"].as_f64().map_or_else(|| "-".to_owned(), |confidence| format!("{confidence:.2}"));
    let verdict = asked["verdict"].as_str().unwrap_or("-");
    println!("{verdict:<12} {confidence:>5}  {}", question["question"].as_str().unwrap_or_default());
    if verdict != "right" {
        for told in [&asked["generatedSql"], &asked["reason"]].into_iter().filter_map(Value::as_str) {
            println!("{:20}{told}", "");
        }
    }
}
