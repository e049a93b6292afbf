//! What a turn knows of its project when it begins.

use std::fmt::Write as _;

use actix_web::web;
use async_trait::async_trait;
use gristmill_documents::{Citation, SearchRequest};
use gristmill_domain::{
    Caller, DatasetId, ErrorCode, NotebookId,
    datasets::Dataset,
    documents::Document,
    ports::StoreError,
    workflows::{Phase, WorkflowRun},
};
use gristmill_workflow::{
    agent::{
        ports::{Knowledge, KnowledgeSource, Material},
        turn::{ColumnFacts, DatasetFacts, Facts, TurnRequest},
    },
    ports::PortError,
    training::experiments::Experiments,
};
use serde_json::Value;

use super::ports::store;
use crate::{error::ApiError, state::AppState};

/// Passages of documents that the model is shown.
const SNIPPETS: usize = 4;
/// Datasets that the model is shown when a project begins.
const DATASETS_SHOWN: usize = 20;
/// Documents that the model is told of when a project begins, the newest; tools tell of the others.
const DOCUMENTS_SHOWN: usize = 20;
/// Columns of a dataset that the model is shown; tools tell of the others.
const COLUMNS_SHOWN: usize = 60;
/// Rounds of questions whose questions the model is shown again.
const ROUNDS_SHOWN: usize = 5;
/// Longest plan of a project, characters.
const PLAN_CHARS: usize = 4_500;

/// What the server's repositories know.
#[derive(Debug)]
pub(super) struct StoredKnowledge {
    state: web::Data<AppState>,
}

impl StoredKnowledge {
    pub(super) fn new(state: web::Data<AppState>) -> Self {
        Self { state }
    }

    async fn snippets(&self, caller: &Caller, run: &WorkflowRun, request: &TurnRequest) -> Vec<Material> {
        let asked = [request.prompt.as_str(), request.user_intent.as_deref().unwrap_or_default()].join(" ");
        let query: String = asked.trim().chars().take(1_000).collect();
        if query.is_empty() {
            return Vec::new();
        }
        let search = SearchRequest { project: Some(run.project_id), query: &query, limit: SNIPPETS };
        match self.state.document_search.search(caller, search).await {
            Ok(found) => found.into_iter().map(snippet).collect(),
            Err(error) => {
                tracing::warn!(error.cause = crate::error::chain(&error), "a turn goes on without documents");
                Vec::new()
            }
        }
    }

    /// What was asked in the rounds before. Each round is a run of its own, and the client sends only the questions' ids with the
    /// answers.
    async fn questions(&self, caller: &Caller, run: &WorkflowRun, request: &TurnRequest) -> Result<Option<Material>, PortError> {
        if request.question_answers.is_empty() {
            return Ok(None);
        }
        let pauses = self.state.workflows.pauses(caller, run.project_id, run.phase).await.map_err(store)?;
        let mut asked: Vec<&Vec<Value>> = pauses.iter().filter_map(|event| event.payload.get("questions")?.as_array()).collect();
        let rounds = usize::try_from(request.round).unwrap_or(ROUNDS_SHOWN).clamp(1, ROUNDS_SHOWN);
        let earlier = asked.len().saturating_sub(rounds);
        asked.drain(..earlier);
        let is_answered = |id: &str| request.question_answers.iter().any(|answer| answer.question_id == id);
        let text = |question: &Value| {
            let id = question["id"].as_str().filter(|id| is_answered(id))?;
            Some(format!("{id}: {}", question["question"].as_str()?))
        };
        let texts: Vec<String> = asked.into_iter().flatten().filter_map(text).collect();
        Ok((!texts.is_empty()).then(|| Material { kind: "questions", text: texts.join("\n") }))
    }

    /// A dataset, unless it was deleted meanwhile.
    async fn dataset(&self, caller: &Caller, id: DatasetId) -> Result<Option<Dataset>, PortError> {
        match self.state.datasets.find(caller, id).await {
            Ok(dataset) => Ok(Some(dataset)),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(store(error)),
        }
    }

    /// The notebook, when it is the project's.
    async fn notebook(&self, caller: &Caller, run: &WorkflowRun) -> Option<NotebookId> {
        let id = run.active_notebook_id?;
        let found = self.state.notebooks.find(caller, id).await.ok()?;
        (found.project_id == run.project_id).then_some(id)
    }
}

#[async_trait]
impl KnowledgeSource for StoredKnowledge {
    async fn gather(&self, caller: &Caller, run: &WorkflowRun, request: &TurnRequest) -> Result<Knowledge, PortError> {
        let project = self.state.projects.find(caller, run.project_id).await;
        let project = project.map_err(|error| {
            let error = ApiError::store(ErrorCode::ProjectNotFound)(error);
            PortError { code: error.code(), message: error.to_string(), source: Some(Box::new(error)) }
        })?;
        let names = self.state.datasets.names(caller, run.project_id).await.map_err(store)?;
        let active = names.iter().find(|(id, _)| Some(*id) == run.active_dataset_id);
        let dataset = match active {
            Some((id, _)) => self.dataset(caller, *id).await?,
            None => None,
        };
        let mut material = Vec::new();
        let metadata = project.metadata.as_map();
        if let Some(plan) = metadata.get("projectPlan").and_then(|plan| plan.as_str()).filter(|_| run.phase != Phase::Onboarding)
        {
            material.push(Material { kind: "project plan", text: plan.chars().take(PLAN_CHARS).collect() });
        }
        match (run.phase, &dataset) {
            (Phase::Onboarding, _) => {
                let described = format!("{}\n{}", project.name, project.description.as_deref().unwrap_or_default());
                material.push(Material { kind: "project", text: described });
                let mut files = Vec::new();
                for (id, _) in names.iter().take(DATASETS_SHOWN) {
                    files.extend(self.dataset(caller, *id).await?.as_ref().map(outline));
                }
                material.push(Material { kind: "datasets", text: files.join("\n\n") });
                let documents = self.state.documents.list(caller, Some(run.project_id)).await.map_err(store)?;
                material.push(Material { kind: "documents", text: titles(&documents) });
                material.extend(self.questions(caller, run, request).await?);
            }
            (_, Some(dataset)) => material.push(Material { kind: "dataset", text: outline(dataset) }),
            (_, None) => {}
        }
        material.extend(self.snippets(caller, run, request).await);
        let facts = Facts {
            dataset: dataset.as_ref().map(dataset_facts),
            is_dataset_missing: run.active_dataset_id.is_some() && dataset.is_none(),
            notebook: self.notebook(caller, run).await,
            other_datasets: names
                .into_iter()
                .filter(|(id, _)| Some(*id) != run.active_dataset_id)
                .map(|(_, filename)| filename)
                .collect(),
            experiments: Experiments::read(&run.metadata).open(),
        };
        Ok(Knowledge { facts, material })
    }
}

fn snippet(citation: Citation) -> Material {
    let chunk = citation.chunk;
    let text: String = chunk.chunk.text.chars().take(700).collect();
    Material { kind: "document", text: format!("{}\n{text}", chunk.filename) }
}

fn dataset_facts(dataset: &Dataset) -> DatasetFacts {
    DatasetFacts {
        id: dataset.id,
        version: dataset.version,
        filename: dataset.filename.clone(),
        file_type: dataset.file_type.as_str().to_owned(),
        columns: dataset
            .columns
            .iter()
            .map(|column| ColumnFacts { name: column.name.clone(), dtype: column.dtype.as_str().to_owned() })
            .collect(),
    }
}

/// A dataset in a few lines.
fn outline(dataset: &Dataset) -> String {
    let mut text =
        format!("{} (id {}), {} rows, {} columns", dataset.filename, dataset.id, dataset.row_count, dataset.columns.len());
    for column in dataset.columns.iter().take(COLUMNS_SHOWN) {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n- {}: {}, {} missing, {} different",
            column.name,
            column.dtype.as_str(),
            column.null_count,
            column.unique_count
        );
    }
    if dataset.columns.len() > COLUMNS_SHOWN {
        let _ = write!(text, "\n- and {} more columns", dataset.columns.len() - COLUMNS_SHOWN);
    }
    text
}

/// What documents there are, a line each. What they say is for the model to look up.
fn titles(documents: &[Document]) -> String {
    let mut text = String::new();
    for document in documents.iter().take(DOCUMENTS_SHOWN) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{} (id {}), {}", document.filename, document.id, document.media_type);
        if let Some(pages) = document.page_count {
            let _ = write!(text, ", pages: {pages}");
        }
        text.push('\n');
    }
    if documents.len() > DOCUMENTS_SHOWN {
        let _ = write!(text, "and {} more documents", documents.len() - DOCUMENTS_SHOWN);
    }
    text
}
