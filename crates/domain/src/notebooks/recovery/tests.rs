use super::*;

fn id(number: u128) -> CellId {
    CellId(uuid::Uuid::from_u128(number))
}

fn notebook(number: u128) -> NotebookId {
    NotebookId(uuid::Uuid::from_u128(number))
}

fn logged(tool: ToolName, args: Value, output: Option<Value>, error: Option<&str>) -> LoggedCall {
    let Value::Object(args) = args else { panic!("arguments are an object") };
    LoggedCall {
        call: ToolCall { id: "c".into(), tool, args, rationale: None },
        result: ToolResult { id: "c".into(), tool, output, error: error.map(str::to_owned) },
        at: DateTime::UNIX_EPOCH,
    }
}

fn done(tool: ToolName, args: Value, output: Value) -> LoggedCall {
    logged(tool, args, Some(output), None)
}

/// A cell as tools show it, in notebook 1.
fn shown(number: u128, content: &str) -> Value {
    json!({
        "cellId": id(number), "notebookId": notebook(1), "cellType": "code", "title": format!("Cell {number}"), "content": content,
        "position": 0, "metadata": { "lastEditedBy": "ai" }, "executionStatus": "idle", "output": [],
    })
}

fn write(number: u128, content: &str) -> LoggedCall {
    done(ToolName::WriteCell, json!({ "content": content }), shown(number, content))
}

fn run(number: u128, result: Value) -> LoggedCall {
    done(ToolName::RunCell, json!({ "cellId": id(number) }), result)
}

fn read(calls: &[LoggedCall]) -> LostNotebook {
    LostNotebook::read(calls, Some(notebook(1))).expect("a notebook")
}

fn contents(lost: &LostNotebook) -> Vec<&str> {
    lost.cells.iter().map(|cell| cell.content.as_str()).collect()
}

#[test]
fn the_calls_are_made_again_in_order() {
    let edited = json!({ "cell": shown(2, "b = 3"), "oldContent": "b = 2", "newContent": "b = 3" });
    let calls = [
        write(1, "a = 1"),
        write(2, "b = 2"),
        write(3, "c = 3"),
        done(ToolName::InsertCell, json!({ "position": 0, "content": "first" }), shown(4, "first")),
        done(ToolName::EditCell, json!({ "cellId": id(2), "startLine": 1, "endLine": 1, "newContent": "b = 3" }), edited),
        done(ToolName::DeleteCell, json!({ "cellId": id(1) }), json!({ "success": true })),
        // What is not in the log stays where it is.
        done(ToolName::ReorderCells, json!({ "cellIds": [id(3), id(9), id(2)] }), json!({ "success": true })),
    ];
    let lost = read(&calls);
    assert_eq!(contents(&lost), ["c = 3", "b = 3", "first"]);
    assert_eq!(lost.cells[1].title.as_deref(), Some("Cell 2"));
    assert!(lost.cells[1].is_dirty && !lost.cells[0].is_dirty);
}

#[test]
fn runs_restore_status_and_outputs() {
    let picture = json!({ "type": "image", "content": format!("outputs/{}/image_0.png", id(1)), "mimeType": "image/png" });
    let result = json!({
        "status": "success", "stdout": "1\n", "stderr": "", "executionMs": 7, "executionOrder": 4,
        "outputs": [{ "type": "text", "content": "1\n" }, picture, { "type": "unheard of" }],
    });
    let failed = logged(
        ToolName::RunCell,
        json!({ "cellId": id(2) }),
        Some(json!({ "status": "timeout", "stdout": "", "stderr": "", "executionMs": 9, "outputs": [], "error": "too long" })),
        Some("too long"),
    );
    let lost =
        read(&[write(1, "print(1)"), write(2, "loop()"), run(1, result.clone()), run(1, result), failed, write(1, "print(2)")]);
    let first = &lost.cells[0];
    assert_eq!((first.status, first.execution_count, first.execution_order), (CellStatus::Success, 2, Some(4)));
    assert_eq!((first.duration_ms, first.executed_at, first.is_dirty), (Some(7), Some(DateTime::UNIX_EPOCH), true));
    let outputs: Vec<&str> = first.output.iter().map(|output| output.content.as_str()).collect();
    assert_eq!(outputs, ["1\n", PICTURE_GONE]);
    let second = &lost.cells[1];
    assert_eq!((second.status, second.execution_count, second.is_dirty), (CellStatus::Error, 1, false));
}

#[test]
fn what_failed_or_was_elsewhere_leaves_nothing() {
    let elsewhere = |number: u128| {
        let mut cell = shown(number, "elsewhere");
        cell["notebookId"] = json!(notebook(2));
        done(ToolName::WriteCell, json!({ "content": "elsewhere" }), cell)
    };
    let refused = logged(ToolName::WriteCell, json!({ "content": "x" }), None, Some("The cell runs"));
    let stray = [
        refused,
        run(9, json!({ "status": "success", "outputs": [] })),
        done(ToolName::WriteCell, json!({ "content": "x" }), json!("no cell")),
        done(ToolName::DeleteCell, json!({}), json!({})),
        done(ToolName::ReorderCells, json!({ "cellIds": "all" }), json!({})),
        done(ToolName::ReadCell, json!({ "cellId": id(1) }), shown(1, "read")),
    ];
    assert_eq!(LostNotebook::read(&stray, Some(notebook(1))), None);
    assert_eq!(LostNotebook::read(&stray, None), None);
    assert_eq!(LostNotebook::read(&[elsewhere(1)], Some(notebook(1))), None);
    let gone = [write(1, "a"), done(ToolName::DeleteCell, json!({ "cellId": id(1) }), json!({ "success": true }))];
    assert_eq!(LostNotebook::read(&gone, Some(notebook(1))), None);
    // Without a notebook of its own, it is the one that was written to last.
    let lost = LostNotebook::read(&[write(1, "a"), elsewhere(2)], None).unwrap();
    assert_eq!((lost.id, contents(&lost)), (notebook(2), vec!["elsewhere"]));
}

#[test]
fn what_was_too_long_for_the_log_is_taken_from_the_call() {
    let long = "x = 1  # \"cellId\":\"nobody\"\n".repeat(5_000);
    let cut = json!({ "_truncated": true, "notice": "long", "data": shown(1, &long).to_string().get(..20_000).unwrap() });
    let args = json!({ "content": long, "cellType": "code", "title": "Long" });
    let edit = json!({ "cellId": id(1), "startLine": 1, "endLine": 1, "newContent": "x = 2" });
    let run_cut = json!({ "_truncated": true, "status": "error", "stdout": "a\u{0}b", "error": "E: no", "executionMs": 1 });
    let calls = [
        done(ToolName::WriteCell, args, cut),
        run(1, run_cut),
        done(ToolName::EditCell, edit, json!({ "_truncated": true, "data": "{\"cell\":" })),
    ];
    let lost = read(&calls);
    assert_eq!(lost.cells.len(), 1);
    let cell = &lost.cells[0];
    assert_eq!((cell.cell_id, cell.title.as_deref(), cell.is_dirty), (id(1), Some("Long"), true));
    assert!(cell.content.starts_with("x = 2\nx = 1") && cell.content.len() > 100_000);
    let outputs: Vec<(OutputKind, &str)> = cell.output.iter().map(|output| (output.kind, output.content.as_str())).collect();
    assert_eq!(outputs, [(OutputKind::Text, "a\u{fffd}b"), (OutputKind::Error, "E: no")]);
}

#[test]
fn recovered_cells_are_new_ones_and_say_where_they_come_from() {
    let run = WorkflowRunId::parse("prep-1").unwrap();
    let cells = read(&[write(1, "a"), write(2, "b")]).into_cells(&run, DateTime::UNIX_EPOCH);
    assert_eq!(cells.iter().map(|cell| cell.position).collect::<Vec<_>>(), [0, 1]);
    for cell in cells {
        assert!(cell.cell_id != id(1) && cell.cell_id != id(2));
        let expected = json!({
            "lastEditedBy": "ai", "recoveredFromRunId": "prep-1", "recoveredFromNotebookId": notebook(1),
            "recoveredAt": "1970-01-01T00:00:00.000Z",
        });
        assert_eq!(Value::Object(cell.metadata), expected);
    }
}
