//! The lines that go over a worker's socket.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    AssistAnswer, AssistCell, AssistDataset, AssistOp, AssistRequest, Completion, Diagnostic, Hover, LiveVariable, Signature,
};

const COMPLETIONS_MAX: usize = 50;
const LIST_MAX: usize = 200;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    id: u64,
    op: AssistOp,
    code: &'a str,
    line: u32,
    column: u32,
    cells: &'a [AssistCell],
    current_cell_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    datasets: Option<&'a [AssistDataset]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<&'a BTreeMap<String, LiveVariable>>,
}

/// What a worker sends.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    /// It can be asked.
    #[serde(default)]
    pub(super) ready: bool,
    /// Of the question.
    pub(super) id: Option<u64>,
    /// None when it failed.
    #[serde(borrow)]
    pub(super) answer: Option<&'a RawValue>,
}

/// What a worker knows of the project beside the question.
#[derive(Debug, Default)]
pub(super) struct Told {
    datasets: Vec<AssistDataset>,
    variables: BTreeMap<String, LiveVariable>,
}

impl Told {
    /// The line that asks a question. What the worker was told before is not sent again.
    pub(super) fn line(&mut self, id: u64, request: AssistRequest) -> Result<Vec<u8>, serde_json::Error> {
        let datasets_changed = self.datasets != request.datasets;
        let variables_changed = self.variables != request.variables;
        self.datasets = request.datasets;
        self.variables = request.variables;
        let question = Question {
            id,
            op: request.op,
            code: &request.code,
            line: request.line,
            column: request.column,
            cells: &request.cells,
            current_cell_id: request.current_cell_id.as_deref(),
            datasets: datasets_changed.then_some(self.datasets.as_slice()),
            variables: variables_changed.then_some(&self.variables),
        };
        let mut line = serde_json::to_vec(&question)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// Reads an answer; one of another form is none. A worker runs code that nobody vouches for, so lists are cut here too.
pub(super) fn answer(op: AssistOp, text: &RawValue) -> Option<AssistAnswer> {
    #[derive(Deserialize)]
    struct Completions {
        completions: Vec<Completion>,
    }
    #[derive(Deserialize)]
    struct Hovered {
        hover: Option<Hover>,
    }
    #[derive(Deserialize)]
    struct Signatures {
        signatures: Vec<Signature>,
    }
    #[derive(Deserialize)]
    struct Diagnostics {
        diagnostics: Vec<Diagnostic>,
    }
    let text = text.get();
    match op {
        AssistOp::Completions => serde_json::from_str(text).ok().map(|Completions { mut completions }| {
            completions.truncate(COMPLETIONS_MAX);
            AssistAnswer::Completions { completions }
        }),
        AssistOp::Hover => serde_json::from_str(text).ok().map(|Hovered { hover }| AssistAnswer::Hover { hover }),
        AssistOp::Signatures => serde_json::from_str(text).ok().map(|Signatures { mut signatures }| {
            signatures.truncate(LIST_MAX);
            AssistAnswer::Signatures { signatures }
        }),
        AssistOp::Diagnostics => serde_json::from_str(text).ok().map(|Diagnostics { mut diagnostics }| {
            diagnostics.truncate(LIST_MAX);
            AssistAnswer::Diagnostics { diagnostics }
        }),
    }
}
