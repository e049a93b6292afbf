//! The tools that agents call. What is of another project or another user is not there, whatever id a model names; what goes
//! wrong is told in words that help the model on.

mod cells;
mod data;
mod packages;

use std::time::Duration;

use actix_web::web;
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use gristmill_domain::{
    Caller, CellId, DatasetId, ErrorCode, NotebookId,
    datasets::Dataset,
    notebooks::{Cell, Notebook, NotebookKind},
    ports::StoreError,
    workflows::ToolName,
};
use gristmill_persistence::repo::datasets::DatasetOverview;
use gristmill_workflow::{
    ports::PortError,
    tools::{
        ToolContext, ToolHost, ToolOutput,
        registry::{self, ArgsError, ToolGroup},
    },
};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::{
    error::{ApiError, DATABASE_SILENT},
    state::AppState,
};

/// How long a call waits for a database that does not answer, and how often it asks.
const OUTAGE_PATIENCE: Duration = Duration::from_secs(30);
const OUTAGE_PAUSE: Duration = Duration::from_millis(500);
/// Characters of a name from a model that are said back to it.
const NAME_CHARS_MAX: usize = 100;
/// Most datasets of one name that are listed.
const SAME_NAME_MAX: usize = 10;

/// Runs tools over a server's state.
#[derive(Debug, Clone)]
pub struct ServerTools {
    state: web::Data<AppState>,
}

impl ServerTools {
    /// Over this state.
    #[must_use]
    pub fn new(state: web::Data<AppState>) -> Self {
        Self { state }
    }

    /// As [`ToolHost::lost_hash`].
    pub(crate) async fn lost(
        &self,
        caller: &Caller,
        tool: ToolName,
        args: &Map<String, Value>,
    ) -> Result<Option<String>, StoreError> {
        match tool {
            ToolName::DeleteCell => cells::deleted_hash(&self.state, caller, args).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn once(&self, context: &ToolContext, tool: ToolName, args: &Map<String, Value>) -> ToolOutput {
        let running: BoxFuture<'_, ToolOutput> = match registry::group(tool) {
            ToolGroup::Data | ToolGroup::Cells | ToolGroup::Packages => Box::pin(run_general(&self.state, context, tool, args)),
            ToolGroup::Preprocessing => Box::pin(crate::preprocessing::run_tool(&self.state, context, tool, args)),
            ToolGroup::Features => Box::pin(crate::features::run_tool(&self.state, context, tool, args)),
            ToolGroup::Training => Box::pin(crate::training::run_tool(&self.state, context, tool, args)),
            // They end a turn; nothing is to be run.
            ToolGroup::Interaction => return ToolOutput::failed(format!("{} is not to be run here", tool.as_str())),
        };
        running.await
    }
}

#[async_trait]
impl ToolHost for ServerTools {
    #[tracing::instrument(
        name = "tool",
        skip_all,
        fields(project.id = %context.project, run.id = context.run.as_ref().map(|run| run.as_str()), tool.name = tool.as_str())
    )]
    async fn run(&self, context: &ToolContext, tool: ToolName, args: &Map<String, Value>) -> ToolOutput {
        let deadline = Instant::now() + OUTAGE_PATIENCE;
        loop {
            let output = self.once(context, tool, args).await;
            // No result of the call's: told to a model, or recorded when the database is back, it would end the turn. Made
            // again under its key, the call does what it did not.
            let is_outage = output.error.as_ref().is_some_and(|error| error.starts_with(DATABASE_SILENT));
            if !is_outage || Instant::now() > deadline {
                return output;
            }
            tokio::select! {
                biased;
                () = context.stop.cancelled() => return output,
                () = tokio::time::sleep(OUTAGE_PAUSE) => {}
            }
        }
    }

    async fn refusal(&self, context: &ToolContext, tool: ToolName, args: &Map<String, Value>) -> Option<String> {
        if tool == ToolName::DeleteCell { cells::undeletable(&self.state, context, args).await } else { None }
    }

    async fn lost_hash(
        &self,
        context: &ToolContext,
        tool: ToolName,
        args: &Map<String, Value>,
    ) -> Result<Option<String>, PortError> {
        self.lost(&context.caller, tool, args).await.map_err(|error| {
            let error = ApiError::store(ErrorCode::CellNotFound)(error);
            PortError { code: error.code(), message: error.to_string(), source: Some(Box::new(error)) }
        })
    }
}

/// Runs one of the tools that every phase may have: data, cells, packages. Wrong arguments and everything else that goes
/// wrong are failures in the output.
///
/// # Cancel safety
/// May be dropped, and repeated under the same key. A run of a cell and an installation go on.
pub async fn run_general(
    state: &web::Data<AppState>,
    context: &ToolContext,
    tool: ToolName,
    args: &Map<String, Value>,
) -> ToolOutput {
    let running: BoxFuture<'_, Result<Value, Failure>> = match tool {
        ToolName::ListProjectFiles => Box::pin(data::list_project_files(state, context, args)),
        ToolName::GetDatasetProfile => Box::pin(data::get_dataset_profile(state, context, args)),
        ToolName::GetDatasetSample => Box::pin(data::get_dataset_sample(state, context, args)),
        ToolName::SearchDocuments => Box::pin(data::search_documents(state, context, args)),
        ToolName::ListCells => Box::pin(cells::list_cells(state, context, args)),
        ToolName::ReadCell => Box::pin(cells::read_cell(state, context, args)),
        ToolName::WriteCell => Box::pin(cells::write_cell(state, context, args)),
        ToolName::EditCell => Box::pin(cells::edit_cell(state, context, args)),
        ToolName::RunCell => Box::pin(cells::run_cell(state, context, args)),
        ToolName::DeleteCell => Box::pin(cells::delete_cell(state, context, args)),
        ToolName::ReorderCells => Box::pin(cells::reorder_cells(state, context, args)),
        ToolName::InsertCell => Box::pin(cells::insert_cell(state, context, args)),
        ToolName::InstallPackage => Box::pin(packages::install_package(state, context, args)),
        ToolName::UninstallPackage => Box::pin(packages::uninstall_package(state, context, args)),
        ToolName::ListPackages => Box::pin(packages::list_packages(state, context, args)),
        _ => return ToolOutput::failed(format!("{} is not one of the general tools", tool.as_str())),
    };
    match running.await {
        Ok(output) => ToolOutput::of(output),
        Err(failure) => failure.into(),
    }
}

/// Why a tool failed, in words for the model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    /// The words.
    pub(crate) error: String,
    /// What it gave nevertheless.
    pub(crate) output: Option<Value>,
    /// Whether something that was named is not there.
    pub(crate) is_missing: bool,
}

impl Failure {
    /// With these words.
    pub(crate) fn new(error: impl Into<String>) -> Self {
        Self { error: error.into(), output: None, is_missing: false }
    }

    /// Something is not there, or not the project's: the two look the same.
    pub(crate) fn missing(what: &str, name: impl std::fmt::Display) -> Self {
        let name: String = name.to_string().chars().take(NAME_CHARS_MAX).collect();
        Self { is_missing: true, ..Self::new(format!("{what} {name} not found")) }
    }
}

impl From<ArgsError> for Failure {
    fn from(error: ArgsError) -> Self {
        Self::new(format!("Wrong arguments: {error}"))
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        error.log();
        Self::new(match error.code() {
            // Its own text is for people in front of a browser.
            ErrorCode::Internal => "The server failed at this; do not repeat it unchanged".to_owned(),
            _ => error.to_string(),
        })
    }
}

impl From<Failure> for ToolOutput {
    fn from(failure: Failure) -> Self {
        Self { output: failure.output, error: Some(failure.error) }
    }
}

/// The failure of a repository; what may be missing is named.
fn store(what: &'static str, name: impl std::fmt::Display, code: ErrorCode) -> impl FnOnce(StoreError) -> Failure {
    move |error| match error {
        StoreError::NotFound => Failure::missing(what, name),
        error => ApiError::store(code)(error).into(),
    }
}

/// A dataset of the project, by its id or its file name.
///
/// # Errors
/// `Dataset … not found`; several of this name, with their ids.
pub(crate) async fn find_dataset(state: &AppState, context: &ToolContext, text: &str) -> Result<Dataset, Failure> {
    let text = text.trim();
    let id = match text.parse::<DatasetId>() {
        Ok(id) => id,
        Err(_) => {
            let all = state.datasets.overviews(&context.caller, context.project).await;
            named(&all.map_err(store("Project", context.project, ErrorCode::ProjectNotFound))?, text)?
        }
    };
    let found = state.datasets.find(&context.caller, id).await;
    let dataset = found.map_err(store("Dataset", text, ErrorCode::DatasetNotFound))?;
    if dataset.project_id == Some(context.project) { Ok(dataset) } else { Err(Failure::missing("Dataset", text)) }
}

/// The one dataset of a name: exactly so, else but for upper and lower case, else but for the extension too.
fn named(all: &[DatasetOverview], name: &str) -> Result<DatasetId, Failure> {
    let lower = name.to_lowercase();
    let stem = |filename: &str| {
        let lower = filename.to_lowercase();
        lower.rsplit_once('.').map_or(lower.clone(), |(stem, _)| stem.to_owned())
    };
    let tests: [&dyn Fn(&str) -> bool; 3] =
        [&|filename| filename == name, &|filename| filename.to_lowercase() == lower, &|filename| stem(filename) == lower];
    for test in tests {
        let found: Vec<&DatasetOverview> = all.iter().filter(|dataset| test(&dataset.filename)).collect();
        match found.as_slice() {
            [] => {}
            [one] => return Ok(one.id),
            several => {
                let ids: Vec<String> = several.iter().take(SAME_NAME_MAX).map(|dataset| dataset.id.to_string()).collect();
                let name: String = name.chars().take(NAME_CHARS_MAX).collect();
                return Err(Failure::new(format!("Several datasets are called {name}; use an id: {}", ids.join(", "))));
            }
        }
    }
    Err(Failure::missing("Dataset", name))
}

/// A phase notebook of the project: the one that is named, else the one that is worked in, else the project's oldest, which is
/// made when there is none.
///
/// # Errors
/// `Notebook … not found`.
pub(crate) async fn find_notebook(
    state: &AppState,
    context: &ToolContext,
    asked: Option<NotebookId>,
) -> Result<Notebook, Failure> {
    if let Some(notebook) = known_notebook(state, context, asked).await? {
        return Ok(notebook);
    }
    let made = state.notebooks.ensure_phase_notebook(&context.caller, context.project, state.clock.now()).await;
    made.map_err(store("Project", context.project, ErrorCode::ProjectNotFound))
}

/// As [`find_notebook`], and none is made: `None` when the project has none.
async fn known_notebook(state: &AppState, context: &ToolContext, asked: Option<NotebookId>) -> Result<Option<Notebook>, Failure> {
    match asked.or(context.notebook) {
        Some(id) => phase_notebook(state, context, id).await?.ok_or_else(|| Failure::missing("Notebook", id)).map(Some),
        None => {
            let found = state.notebooks.find_phase_notebook(&context.caller, context.project).await;
            found.map_err(store("Project", context.project, ErrorCode::ProjectNotFound))
        }
    }
}

/// A cell in a phase notebook of the project.
///
/// # Errors
/// `Cell … not found`.
pub(crate) async fn find_cell(state: &AppState, context: &ToolContext, id: CellId) -> Result<Cell, Failure> {
    let found = state.notebooks.find_cell(&context.caller, id, state.clock.now()).await;
    let cell = found.map_err(store("Cell", id, ErrorCode::CellNotFound))?;
    match phase_notebook(state, context, cell.notebook_id).await? {
        Some(_) => Ok(cell),
        None => Err(Failure::missing("Cell", id)),
    }
}

/// None: it is not there, of another project, or a scratch pad of a person's, which is no business of agents.
async fn phase_notebook(state: &AppState, context: &ToolContext, id: NotebookId) -> Result<Option<Notebook>, Failure> {
    match state.notebooks.find(&context.caller, id).await {
        Ok(notebook) => {
            let is_ours = notebook.project_id == context.project && notebook.kind == NotebookKind::Phase;
            Ok(Some(notebook).filter(|_| is_ours))
        }
        Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(ApiError::store(ErrorCode::NotebookNotFound)(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overview(filename: &str) -> DatasetOverview {
        DatasetOverview { id: DatasetId::random(), filename: filename.to_owned(), row_count: 0, columns: Vec::new() }
    }

    #[test]
    fn datasets_are_found_by_name() {
        let all = [overview("Sales.csv"), overview("sales.csv"), overview("costs.csv"), overview("costs.json")];
        for (name, found) in [("Sales.csv", Some(0)), ("sales.csv", Some(1)), ("COSTS.CSV", Some(2)), ("costs.json", Some(3))] {
            assert_eq!(named(&all, name).ok(), found.map(|index: usize| all[index].id), "{name}");
        }
        assert_eq!(named(&[overview("a.b.csv")][..], "A.B").map(drop), Ok(()));
        assert_eq!(named(&all, "nothing").unwrap_err().error, "Dataset nothing not found");
        let several = named(&all, "costs").unwrap_err().error;
        assert!(several.contains(&all[2].id.to_string()) && several.contains(&all[3].id.to_string()), "{several}");
        assert!(named(&all, &"x".repeat(10_000)).unwrap_err().error.len() < 200);
    }
}
