//! What the tools of notebooks may do while a training is written and run (contract 2, section 3.6).

use gristmill_domain::workflows::ToolName;
use serde_json::{Map, Value};

use super::{
    checks::{Selection, cell_problem},
    code::CELL_LINES_MAX,
};

/// The stages in which the guards hold.
pub const GUARDED_STAGES: [&str; 5] = ["generate_code", "write_code", "execute_training", "evaluate_results", "register_model"];

/// Checks a call that is about to be made at one of the [`GUARDED_STAGES`].
///
/// # Errors
/// Why it is refused, in words for the model.
pub fn check_call(tool: ToolName, args: &Map<String, Value>, selection: &Selection<'_>) -> Result<(), String> {
    let text = |key: &str| args.get(key).and_then(Value::as_str);
    let content = match tool {
        ToolName::ListCells | ToolName::ReadCell => {
            let message = "The training's cells are known; write or run the next one instead of reading the notebook";
            return Err(message.to_owned());
        }
        ToolName::WriteCell | ToolName::InsertCell => {
            if text("cellType").is_some_and(|kind| kind.eq_ignore_ascii_case("markdown")) {
                return Err("A training has code cells only; put words into comments".to_owned());
            }
            text("content")
        }
        ToolName::EditCell => text("newContent"),
        _ => None,
    };
    let Some(content) = content else { return Ok(()) };
    let lines = content.lines().count();
    if lines > CELL_LINES_MAX {
        return Err(format!("The cell has {lines} lines; at most {CELL_LINES_MAX} are allowed: split it"));
    }
    match cell_problem(content, selection) {
        Some(problem) => Err(problem),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::fixtures::args, *};

    const SELECTION: Selection<'static> = Selection { dataset_file: "a.csv", dataset_id: "d-1", target: Some("y") };

    fn check(tool: ToolName, sent: &Value) -> Result<(), String> {
        check_call(tool, &args(sent), &SELECTION)
    }

    #[test]
    fn what_a_training_needs_is_let_through() {
        for (tool, sent) in [
            (ToolName::WriteCell, json!({ "content": "x = 1" })),
            (ToolName::WriteCell, json!({ "content": "x = 1\n".repeat(100), "cellType": "code" })),
            (ToolName::InsertCell, json!({ "content": "y = df['y']", "position": 0 })),
            (ToolName::EditCell, json!({ "newContent": "x = 2" })),
            (ToolName::RunCell, json!({ "cellId": "c" })),
            (ToolName::InstallPackage, json!({ "packageName": "catboost" })),
            (ToolName::WriteCell, json!({})),
            (ToolName::WriteCell, json!({ "content": 1 })),
        ] {
            assert_eq!(check(tool, &sent), Ok(()), "{tool:?} {sent}");
        }
    }

    #[test]
    fn what_it_does_not_need_is_refused() {
        for (tool, sent) in [
            (ToolName::ListCells, json!({})),
            (ToolName::ReadCell, json!({ "cellId": "c" })),
            (ToolName::WriteCell, json!({ "content": "# Hi", "cellType": "markdown" })),
            (ToolName::WriteCell, json!({ "content": "x = 1\n".repeat(101) })),
            (ToolName::EditCell, json!({ "newContent": "m.to('cuda')" })),
            (ToolName::InsertCell, json!({ "content": "resolve_dataset_path('b.csv')" })),
            (ToolName::WriteCell, json!({ "content": "target = 'z'" })),
            (ToolName::WriteCell, json!({ "content": "!pip install x" })),
        ] {
            assert!(check(tool, &sent).is_err(), "{tool:?} {sent}");
        }
    }
}
