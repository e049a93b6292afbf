//! The lines that go over a worker's socket.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    AssistAnswer, AssistCell, AssistDataset, AssistOp, AssistRequest, Completion, Diagnostic, Hover, LiveVariable, Signature,
};
use crate::resident;

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

/// What a worker knows of the project beside the question.
#[derive(Debug, Default)]
pub(crate) struct Told {
    datasets: Vec<AssistDataset>,
    variables: BTreeMap<String, LiveVariable>,
}

impl resident::Question for AssistRequest {
    type Told = Told;

    /// What the worker was told before is not sent again.
    fn line(self, id: u64, told: &mut Told) -> Result<Vec<u8>, serde_json::Error> {
        let datasets_changed = told.datasets != self.datasets;
        let variables_changed = told.variables != self.variables;
        told.datasets = self.datasets;
        told.variables = self.variables;
        serde_json::to_vec(&Question {
            id,
            op: self.op,
            code: &self.code,
            line: self.line,
            column: self.column,
            cells: &self.cells,
            current_cell_id: self.current_cell_id.as_deref(),
            datasets: datasets_changed.then_some(told.datasets.as_slice()),
            variables: variables_changed.then_some(&told.variables),
        })
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
