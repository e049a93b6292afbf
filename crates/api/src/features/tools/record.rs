//! `materialize_feature_code` and `execute_feature`: a feature's code, and how the server saw it run.

use gristmill_domain::{
    execution::OutputKind,
    feature_runs::{
        FeatureCode, FeatureCommand, FeatureExecution, FeatureRefusal, FeatureRun, FeatureStep, OUTPUT_CHARS_MAX, check_code,
    },
    notebooks::{Cell, CellStatus, CellType},
};
use gristmill_workflow::tools::{
    args::features::{ExecuteFeatureArgs, MaterializeFeatureCodeArgs},
    registry,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Call, failed, plain, refused};
use crate::agent::{Failure, find_cell, find_notebook};

/// Hexadecimal digits of a code's hash.
const HASH_DIGITS: usize = 24;

pub(super) async fn materialize(call: &Call<'_>) -> Result<Value, Failure> {
    let args: MaterializeFeatureCodeArgs = registry::parse(call.args)?;
    if let Some(run) = call.earlier().await? {
        return materialized(&run, &args.feature_id);
    }
    let code = code_of(without_fence(&args.code));
    let mut outputs: Vec<String> = Vec::new();
    for name in &args.output_columns {
        let name = name.trim();
        if name.chars().any(char::is_control) {
            return Err(Failure::new(format!("\"{}\" is no name for a column", plain(name, 100))));
        }
        if !outputs.iter().any(|known| known == name) {
            outputs.push(name.to_owned());
        }
    }
    if let Some(dataset) = call.dataset().await? {
        let taken = outputs.iter().find(|name| dataset.columns.iter().any(|column| column.name == **name));
        if let Some(name) = taken {
            let text = format!("The dataset has a column \"{name}\" already. Make new columns, and leave those that are there");
            return Err(Failure::new(text));
        }
    }
    let feature_id = args.feature_id.clone();
    let run = call.change(FeatureCommand::Materialize { feature_id, code, output_columns: outputs }).await?;
    materialized(&run, &args.feature_id)
}

fn materialized(run: &FeatureRun, id: &str) -> Result<Value, Failure> {
    let step = run.feature(id).map_err(refused)?;
    Ok(json!({
        "status": "ok",
        "message": format!("Feature \"{}\" has code. Run it in a cell, then call execute_feature.", step.name),
        "featureId": step.feature_id,
        "outputColumns": step.output_columns,
        "codeLength": step.code.as_deref().map_or(0, |code| code.chars().count()),
        "runId": run.id.to_string(),
    }))
}

/// Records how a feature's code ran, from the server's own record of its cell: what the call says of it counts for nothing.
pub(super) async fn execute(call: &Call<'_>) -> Result<Value, Failure> {
    let args: ExecuteFeatureArgs = registry::parse(call.args)?;
    if let Some(run) = call.earlier().await? {
        return executed(&run, &args.feature_id);
    }
    let run = call.run().await?;
    let step = run.feature(&args.feature_id).map_err(refused)?;
    let Some(code) = &step.code else {
        return Err(refused(FeatureRefusal::NoCode(args.feature_id)));
    };
    let cell = match args.cell_id {
        Some(id) => find_cell(call.state, call.context, id).await?,
        None => cell_of(call, step).await?,
    };
    let adopted = adopted(&cell, step, code)?;
    let result = result_of(&cell)?;
    let (feature_id, code_hash) = (args.feature_id.clone(), step.code_hash.clone().unwrap_or_default());
    let run = call.change(FeatureCommand::RecordExecution { feature_id, code_hash, code: adopted, result }).await?;
    executed(&run, &args.feature_id)
}

/// The last cell of the notebook that is worked in that says it is the feature's.
async fn cell_of(call: &Call<'_>, step: &FeatureStep) -> Result<Cell, Failure> {
    let id = &step.feature_id;
    let named = call.added("notebookId").and_then(|text| text.parse().ok()).or(call.context.notebook);
    let Some(notebook) = named else {
        return Err(Failure::new(format!("Which cell ran the code of feature {id}? Name it as cellId")));
    };
    let notebook = find_notebook(call.state, call.context, Some(notebook)).await?.id;
    let cells = call.state.notebooks.list_cells(&call.context.caller, notebook, call.state.clock.now()).await;
    let found = cells.map_err(failed)?.into_iter().rev().find(|cell| cell.cell_type == CellType::Code && is_marked(cell, id));
    found.ok_or_else(|| {
        Failure::new(format!(
            "No cell of the notebook is marked as feature {id}'s. Write its code into a cell with metadata.featureId, run the \
             cell, then call execute_feature with its cellId"
        ))
    })
}

fn is_marked(cell: &Cell, feature: &str) -> bool {
    cell.metadata.get("featureId").and_then(Value::as_str) == Some(feature)
}

/// What is in the cell when that is not the feature's code any more: a person or the model edited it. A cell that is not
/// marked as the feature's must have its code.
fn adopted(cell: &Cell, step: &FeatureStep, code: &str) -> Result<Option<FeatureCode>, Failure> {
    if cell.cell_type != CellType::Code {
        return Err(Failure::new(format!("Cell {} is no code cell", cell.id)));
    }
    if has_lines(&normal(&cell.content), &normal(code)) {
        return Ok(None);
    }
    if !is_marked(cell, &step.feature_id) {
        return Err(Failure::new(format!(
            "Cell {} does not have the code of feature {}. Write the code into it, run it, and call execute_feature again",
            cell.id, step.feature_id
        )));
    }
    check_code(&cell.content).map_err(refused)?;
    Ok(Some(code_of(&cell.content)))
}

/// How the cell's last run ended.
fn result_of(cell: &Cell) -> Result<FeatureExecution, Failure> {
    let wait = |why: &str| Err(Failure::new(format!("Cell {} {why}, then call execute_feature again", cell.id)));
    let succeeded = match cell.status {
        CellStatus::Idle => return wait("has not run. Run it with run_cell"),
        CellStatus::Running => return wait("still runs. Wait for its end"),
        CellStatus::Success | CellStatus::Error if cell.is_dirty => return wait("was edited since it ran. Run it with run_cell"),
        CellStatus::Success => true,
        CellStatus::Error => false,
    };
    let text = |wanted: &[OutputKind]| {
        let outputs = cell.output.iter().filter(|output| wanted.contains(&output.kind));
        let text = outputs.map(|output| output.content.trim_end()).collect::<Vec<_>>().join("\n");
        Some(plain(&text, OUTPUT_CHARS_MAX)).filter(|text| !text.is_empty())
    };
    Ok(FeatureExecution {
        succeeded,
        stdout: text(&[OutputKind::Text]),
        stderr: text(&[OutputKind::Error, OutputKind::Warning]),
        execution_ms: cell.duration_ms,
        cell_id: Some(cell.id),
    })
}

fn executed(run: &FeatureRun, id: &str) -> Result<Value, Failure> {
    let step = run.feature(id).map_err(refused)?;
    let result = step.execution_result.as_ref();
    let succeeded = result.is_some_and(|result| result.succeeded);
    let message = if succeeded {
        format!("The code of feature \"{}\" ran. Call validate_feature.", step.name)
    } else {
        format!("The code of feature \"{}\" failed. Mend it with materialize_feature_code.", step.name)
    };
    let mut answer = json!({
        "status": if succeeded { "ok" } else { "failed" },
        "message": message,
        "featureId": step.feature_id,
        "succeeded": succeeded,
        // Code runs in the notebook's kernel, and nowhere else.
        "dockerExecution": null,
        "executionSource": "notebook",
        "runId": run.id.to_string(),
    });
    if let (Value::Object(fields), Some(result)) = (&mut answer, result) {
        for (name, text) in [("stdout", &result.stdout), ("stderr", &result.stderr)] {
            fields.extend(text.as_ref().map(|text| (name.to_owned(), text.as_str().into())));
        }
        fields.extend(result.execution_ms.map(|ms| ("executionMs".to_owned(), ms.into())));
    }
    Ok(answer)
}

fn code_of(text: &str) -> FeatureCode {
    let digest = hex::encode(Sha256::digest(text));
    FeatureCode { text: text.to_owned(), hash: digest.chars().take(HASH_DIGITS).collect() }
}

/// The text without the fence of Markdown that models like to put around code.
fn without_fence(text: &str) -> &str {
    let trimmed = text.trim();
    let inner = trimmed.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    let body = inner.and_then(|inner| inner.split_once('\n'));
    match body {
        Some((language, body)) if language.trim().chars().all(char::is_alphanumeric) => body.trim_end(),
        _ => text,
    }
}

/// Code without what makes no difference: how lines end, and empty lines around it.
fn normal(code: &str) -> String {
    code.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// Whether a text has the lines of another one, all of them and whole: `df['x'] = 12` is not `df['x'] = 1`.
fn has_lines(text: &str, lines: &str) -> bool {
    format!("\n{text}\n").contains(&format!("\n{lines}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_as_a_whole() {
        let code = "df['x'] = 1\ndf['y'] = 2";
        for text in [code, "import numpy\ndf['x'] = 1\ndf['y'] = 2\nprint(1)"] {
            assert!(has_lines(text, code), "{text:?}");
        }
        for text in ["", "df['x'] = 1", "df['x'] = 1\ndf['y'] = 23", "# df['x'] = 1\ndf['y'] = 2", "df['y'] = 2\ndf['x'] = 1"] {
            assert!(!has_lines(text, code), "{text:?}");
        }
    }

    #[test]
    fn fences_are_no_code() {
        for (text, code) in [
            ("```python\ndf['x'] = 1\n```", "df['x'] = 1"),
            ("\n```\ndf['x'] = 1\ndf\n```\n", "df['x'] = 1\ndf"),
            ("df['x'] = '```'", "df['x'] = '```'"),
            ("```df['x'] = 1```", "```df['x'] = 1```"),
            ("  df['x'] = 1", "  df['x'] = 1"),
        ] {
            assert_eq!(without_fence(text), code);
        }
    }

    #[test]
    fn how_lines_end_makes_no_difference() {
        assert_eq!(normal("df['x'] = 1  \r\ndf\n\n"), normal("\ndf['x'] = 1\ndf"));
        assert_ne!(normal("if x:\n  df"), normal("if x:\ndf"));
    }

    #[test]
    fn hashes_are_of_the_text() {
        let code = code_of("abc");
        assert_eq!((code.text.as_str(), code.hash.as_str()), ("abc", "ba7816bf8f01cfea414140de"));
    }
}
