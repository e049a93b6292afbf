//! Notebook files, both ways, and against Jupyter's own packages.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use gristmill_domain::execution::{OutputKind, RichOutput};
use gristmill_runtime::nbformat::{FILE_BYTES_MAX, FileCell, FileCellKind, FileNotebook, NbformatError, export, import};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn cell(kind: FileCellKind, content: &str) -> FileCell {
    FileCell {
        id: None,
        kind,
        title: None,
        content: content.to_owned(),
        metadata: Map::new(),
        execution_count: None,
        outputs: Vec::new(),
    }
}

fn image() -> RichOutput {
    let content = format!("data:image/png;base64,{PIXEL}");
    RichOutput { mime_type: Some("image/png".to_owned()), ..RichOutput::new(OutputKind::Image, content) }
}

fn sample() -> FileNotebook {
    let chart = RichOutput { data: Some(json!({"data": [], "layout": {}})), ..RichOutput::new(OutputKind::Chart, "") };
    let table =
        RichOutput { data: Some(json!({"columns": ["a<b"], "rows": [{"a<b": 1}]})), ..RichOutput::new(OutputKind::Table, "") };
    let error = RichOutput::new(OutputKind::Error, "Traceback (most recent call last)\n  line\nmy.Error: no: really");
    let outputs = vec![
        RichOutput::new(OutputKind::Text, "one\ntwo\n"),
        image(),
        RichOutput::new(OutputKind::Html, "<b>bold</b>"),
        chart,
        table,
        RichOutput::new(OutputKind::Warning, "<cell>:1: UserWarning: mind\n  the gap"),
        error,
    ];
    let code = FileCell { execution_count: Some(3), outputs, ..cell(FileCellKind::Code, "total = 1 + 1\nprint(total)") };
    let title = FileCell { title: Some("Intro".to_owned()), ..cell(FileCellKind::Markdown, "# Title") };
    FileNotebook { name: Some("Sales".to_owned()), cells: vec![title, code], metadata: Map::new() }
}

fn import_value(file: &Value) -> Result<FileNotebook, NbformatError> {
    import(&serde_json::to_vec(file).unwrap()).map(|imported| imported.notebook)
}

fn without_ids(mut notebook: FileNotebook) -> FileNotebook {
    notebook.cells.iter_mut().for_each(|cell| cell.id = None);
    notebook
}

fn file_with_output(output: &Value) -> Value {
    json!({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
        {"cell_type": "code", "source": "", "metadata": {}, "execution_count": null, "outputs": [output]}]})
}

#[test]
fn comes_back_as_it_went_out() {
    let file = export(&sample(), "3.11.7");
    assert_eq!(without_ids(import_value(&file).unwrap()), sample());
}

#[test]
fn reads_what_jupyter_writes() {
    let file = json!({
        "nbformat": 4, "nbformat_minor": 2,
        "metadata": {"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}, "kept": 1},
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": ["a\n", "b"], "attachments": {"x.png": {"image/png": "AA"}}},
            {"cell_type": "raw", "metadata": {}, "source": "raw"},
            {"cell_type": "code", "metadata": {"tags": []}, "source": [], "execution_count": 7, "outputs": [
                {"output_type": "stream", "name": "stderr", "text": ["oh\n", "no"]},
                {"output_type": "execute_result", "execution_count": 7, "metadata": {},
                 "data": {"text/plain": "x", "text/html": ["<p>", "x</p>"]}},
                {"output_type": "display_data", "metadata": {}, "data": {"image/png": "AA\nBB\n", "text/plain": "<Figure>"}},
                {"output_type": "display_data", "metadata": {}, "data": {"text/latex": "x^2"}},
                {"output_type": "display_data", "metadata": {}, "data": {"application/x-unknown": "x"}},
                {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\u{1b}[0;31mE\u{1b}[0m: v", "end"]},
                {"output_type": "error", "ename": "E", "evalue": "v", "traceback": []},
            ]},
        ],
    });
    let imported = import(&serde_json::to_vec(&file).unwrap()).unwrap();
    assert_eq!((imported.attachments_ignored, imported.raw_cells, imported.language.as_deref()), (1, 1, Some("R")));
    assert_eq!(imported.notebook.metadata, *json!({"kept": 1}).as_object().unwrap());
    assert_eq!(imported.notebook.cells[0].content, "a\nb");
    let code = &imported.notebook.cells[2];
    assert_eq!(code.execution_count, Some(7));
    let outputs: Vec<(OutputKind, &str)> = code.outputs.iter().map(|output| (output.kind, output.content.as_str())).collect();
    let expected = [
        (OutputKind::Error, "oh\nno"),
        (OutputKind::Html, "<p>x</p>"),
        (OutputKind::Image, "data:image/png;base64,AABB"),
        (OutputKind::Html, "$$x^2$$"),
        (OutputKind::Text, ""),
        (OutputKind::Error, "E: v\nend"),
        (OutputKind::Error, "E: v"),
    ];
    assert_eq!(outputs, expected);
}

#[test]
fn says_what_is_wrong_and_where() {
    let check = |file: Value, message: &str| {
        let error = import_value(&file).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    };
    check(json!([]), "the notebook should be an object, and is a list");
    check(json!({}), "nbformat should be there, and is missing");
    check(json!({"nbformat": "4"}), "nbformat should be a whole number, and is a text");
    check(json!({"nbformat": 3, "worksheets": []}), "nbformat 3");
    check(json!({"nbformat": 5}), "nbformat 5");
    check(json!({"nbformat": 4}), "cells should be there, and is missing");
    check(json!({"nbformat": 4, "cells": {}}), "cells should be a list, and is an object");
    check(json!({"nbformat": 4, "cells": [1]}), "cells[0] should be an object, and is a number");
    check(json!({"nbformat": 4, "cells": [{"cell_type": "heading"}]}), "cells[0].cell_type should be \"code\"");
    check(json!({"nbformat": 4, "cells": [{"cell_type": "code"}]}), "cells[0].source should be there");
    check(json!({"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}), "cells[0].source should be a text or a list");
    check(json!({"nbformat": 4, "cells": [{"cell_type": "code", "source": "", "metadata": []}]}), "cells[0].metadata");
    check(
        json!({"nbformat": 4, "cells": [{"cell_type": "code", "source": "", "outputs": 1}]}),
        "cells[0].outputs should be a list",
    );
    check(file_with_output(&json!({"output_type": "pyout"})), "cells[0].outputs[0].output_type should be");
    check(file_with_output(&json!({"output_type": "stream", "name": "stdout"})), "cells[0].outputs[0].text should be there");
    check(
        file_with_output(&json!({"output_type": "display_data", "data": {"image/png": 1}})),
        "cells[0].outputs[0].data[\"image/png\"] should be a text",
    );
    let many: Vec<Value> = vec![json!({"cell_type": "code", "source": ""}); 10_001];
    check(json!({"nbformat": 4, "cells": many}), "cells has 10001 entries");
}

#[test]
fn refuses_what_is_no_json_or_too_large() {
    let error = import(b"{\n \"nbformat\": 4,\n oops").unwrap_err();
    assert!(matches!(error, NbformatError::Json { line: 3, .. }), "{error:?}");
    assert!(matches!(import(b"").unwrap_err(), NbformatError::Json { .. }));
    assert!(matches!(import("[".repeat(100_000).as_bytes()).unwrap_err(), NbformatError::Json { .. }));
    assert!(matches!(import(&[0xff, 0xfe]).unwrap_err(), NbformatError::Json { .. }));
    let large = vec![b' '; FILE_BYTES_MAX + 1];
    assert!(matches!(import(&large).unwrap_err(), NbformatError::TooLarge { .. }));
}

#[test]
fn ids_become_what_the_format_takes() {
    let mut notebook = FileNotebook::default();
    for id in [Some("same"), Some("same"), Some("not an id"), Some(""), None, Some("cell-2")] {
        notebook.cells.push(FileCell { id: id.map(str::to_owned), ..cell(FileCellKind::Code, "") });
    }
    let file = export(&notebook, "3.11");
    let mut ids: Vec<&str> = file["cells"].as_array().unwrap().iter().map(|cell| cell["id"].as_str().unwrap()).collect();
    assert_eq!(ids[0], "same");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6);
}

#[test]
fn jupyter_takes_an_exported_notebook_and_runs_it() {
    let script = "
import json, sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.from_dict(json.load(sys.stdin))
nbformat.validate(notebook)
NotebookClient(notebook, timeout=60, kernel_name='python3').execute()
nbformat.validate(notebook)
nbformat.write(notebook, sys.stdout)
";
    #[expect(clippy::disallowed_methods, reason = "runs Jupyter's own packages")]
    let mut child = Command::new(jupyter())
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), &export(&sample(), "3.11.7")).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let executed = import(&output.stdout).unwrap().notebook;
    assert_eq!(executed.cells[1].outputs, [RichOutput::new(OutputKind::Text, "2\n")]);
    assert_eq!(executed.cells[0].title.as_deref(), Some("Intro"));
}

/// An interpreter with Jupyter's own packages, below the target directory, made once.
fn jupyter() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let root = target.join("jupyter-1");
    let interpreter = root.join("bin/python");
    let lock = std::fs::File::create(target.join("jupyter.lock")).unwrap();
    lock.lock().unwrap();
    if !root.join("complete").exists() {
        run(Path::new("python3"), &["-m", "venv", root.to_str().unwrap()]);
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "nbformat", "nbclient", "ipykernel"];
        run(&interpreter, &install);
        std::fs::write(root.join("complete"), "").unwrap();
    }
    interpreter
}

fn run(program: &Path, arguments: &[&str]) {
    #[expect(clippy::disallowed_methods, reason = "makes what tests run on")]
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn text() -> impl Strategy<Value = String> {
    // Colours are taken out of tracebacks, so escapes do not come back.
    "[^\u{1b}]{0,40}"
}

fn any_output() -> impl Strategy<Value = RichOutput> {
    let plain = |kind: OutputKind| text().prop_map(move |content| RichOutput::new(kind, content));
    let warning = (1_u32..99, text())
        .prop_map(|(line, rest)| RichOutput::new(OutputKind::Warning, format!("<cell>:{line}: FutureWarning: {rest}")));
    let chart = text().prop_map(|title| RichOutput {
        data: Some(json!({"data": [{"x": [1, 2]}], "layout": {"title": title}})),
        ..RichOutput::new(OutputKind::Chart, "")
    });
    prop_oneof![plain(OutputKind::Text), plain(OutputKind::Html), plain(OutputKind::Error), warning, chart, Just(image()),]
}

fn any_cell() -> impl Strategy<Value = FileCell> {
    let outputs = proptest::collection::vec(any_output(), 0..5);
    let id = proptest::option::of("[A-Za-z0-9_-]{1,64}");
    (any::<bool>(), id, proptest::option::of(text()), text(), proptest::option::of(0_i64..1000), outputs).prop_map(
        |(is_code, id, title, content, count, outputs)| {
            let kind = if is_code { FileCellKind::Code } else { FileCellKind::Markdown };
            let mut metadata = Map::new();
            metadata.insert("tags".to_owned(), json!(["kept"]));
            FileCell {
                id,
                kind,
                title,
                content,
                metadata,
                execution_count: count.filter(|_| is_code),
                outputs: if is_code { outputs } else { Vec::new() },
            }
        },
    )
}

proptest! {
    #[test]
    fn every_notebook_comes_back(cells in proptest::collection::vec(any_cell(), 0..6), name in proptest::option::of(text())) {
        let notebook = FileNotebook { name, cells, metadata: Map::new() };
        let file = serde_json::to_vec(&export(&notebook, "3.11")).unwrap();
        let back = import(&file).unwrap().notebook;
        prop_assert_eq!(without_ids(back), without_ids(notebook));
    }

    #[test]
    fn no_bytes_break_the_import(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(import(&bytes));
    }
}
