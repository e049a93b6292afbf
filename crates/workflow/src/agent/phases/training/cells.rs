//! The cells of a training, as the turn's log tells of them.

use gristmill_domain::workflows::ToolName;
use serde_json::Value;

use super::{
    super::{LOST_RUNS_MAX, was_lost},
    GENERATE, REPAIR,
};
use crate::{
    agent::machine::{Entry, Exchange, State},
    training::code,
};

/// A cell that was written.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    pub(super) id: String,
    pub(super) code: String,
    pub(super) metadata: Value,
    /// Whether it ran well; absent: it did not run since it was written.
    pub(super) ran: Option<bool>,
    pub(super) stdout: String,
    pub(super) error: String,
    /// Better code, which is to be written.
    pub(super) mended: Option<String>,
}

/// The cells of a training.
#[derive(Debug, Clone, Default)]
pub(super) struct Cells {
    /// The generated code.
    pub(super) segments: Option<Vec<code::Segment>>,
    /// What is written, in order.
    pub(super) written: Vec<Cell>,
    /// Packages that were asked for.
    pub(super) installed: Vec<String>,
    /// Whether one was installed since a cell failed last.
    pub(super) is_installed_since_failure: bool,
    /// How often all cells were to run again.
    restarts: usize,
}

impl Cells {
    pub(super) fn of(state: &State) -> Self {
        let mut cells = Self::default();
        for entry in state.log.iter().skip(state.began) {
            match entry {
                Entry::Said(answer) if answer.node == GENERATE => {
                    if let Ok(segments) = code::split(&answer.text) {
                        // The last answer that could be used counts.
                        cells.segments = Some(segments);
                    }
                }
                Entry::Said(answer) if answer.node == REPAIR => cells.mend(&answer.text),
                Entry::Noted(_) => cells.forget_refused(),
                Entry::Did(done) => cells.take(done),
                _ => {}
            }
        }
        cells
    }

    /// What was said last could not be used, and the model was told so.
    fn forget_refused(&mut self) {
        if self.written.is_empty() {
            self.segments = None;
        }
        for cell in &mut self.written {
            cell.mended = None;
        }
    }

    fn mend(&mut self, text: &str) {
        let Ok(code) = code::single(text) else { return };
        if let Some(cell) = self.written.iter_mut().find(|cell| cell.ran == Some(false)) {
            cell.mended = Some(code);
        }
    }

    /// All cells of the training, written or not, with this code in the place of the one that failed.
    pub(super) fn with_mended(&self, mended: &str) -> Vec<code::Segment> {
        let failed = self.written.iter().position(|cell| cell.ran == Some(false));
        let written = self.written.iter().enumerate().map(|(index, cell)| {
            let code = if failed == Some(index) { mended } else { cell.code.as_str() };
            code::Segment { title: String::new(), code: code.to_owned() }
        });
        let waiting = self.segments.iter().flatten().skip(self.written.len()).cloned();
        written.chain(waiting).collect()
    }

    fn take_run(&mut self, done: &Exchange) {
        let id = text(done.call.args.get("cellId"));
        let Some(index) = self.written.iter().position(|cell| cell.id == id) else { return };
        let ran = !done.result.is_failed() && done.output("status").as_str() == Some("success");
        let error = done.result.error.clone().unwrap_or_else(|| text(Some(done.output("error"))));
        let error = [error, text(Some(done.output("stderr")))].join("\n").trim().to_owned();
        self.is_installed_since_failure = false;
        if self.restarts < LOST_RUNS_MAX && (was_lost(done) || (!ran && self.is_forgotten(index, &error))) {
            self.restarts += 1;
            self.written.iter_mut().for_each(|cell| cell.ran = None);
        } else if let Some(cell) = self.written.get_mut(index) {
            (cell.ran, cell.stdout, cell.error) = (Some(ran), text(Some(done.output("stdout"))), error);
        }
    }

    /// Whether an error is of a name that a cell before knew: the kernel is another one since, after a crash or an installation.
    fn is_forgotten(&self, index: usize, error: &str) -> bool {
        let name = error.split("NameError: name '").nth(1).and_then(|rest| rest.split('\'').next());
        let mentions = |code: &str, name: &str| code.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == name);
        let before = || self.written.iter().take(index).filter(|cell| cell.ran == Some(true));
        name.is_some_and(|name| before().any(|cell| mentions(&cell.code, name)))
    }

    fn take(&mut self, done: &Exchange) {
        match done.call.tool {
            ToolName::WriteCell if !done.result.is_failed() => {
                let cell = Cell {
                    id: text(Some(done.output("cellId"))),
                    code: text(done.call.args.get("content")),
                    metadata: done.call.args.get("metadata").cloned().unwrap_or(Value::Null),
                    ..Cell::default()
                };
                match self.written.iter_mut().find(|other| other.id == cell.id) {
                    Some(other) => *other = cell,
                    None => self.written.push(cell),
                }
            }
            ToolName::RunCell => self.take_run(done),
            ToolName::InstallPackage => {
                self.installed.push(text(done.call.args.get("packageName")));
                self.is_installed_since_failure = true;
            }
            _ => {}
        }
    }
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}
