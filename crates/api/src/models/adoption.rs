//! Models that notebooks made: on their way to being scored and stored.

use gristmill_domain::{
    Caller, ErrorCode, ModelId, ProjectId,
    datasets::Dataset,
    jobs::Job,
    models::{SEED_DEFAULT, Split, SplitKind, TEST_SIZE_DEFAULT, TEST_SIZE_MAX, TEST_SIZE_MIN, TaskType, TrainingPlan},
};
use gristmill_modeling::{AdoptRequest, Adopted, adopt_job};
use serde_json::{Map, Value};

use super::{
    split::{SplitWish, declared_split},
    training::{STRATIFIED_ROWS_MIN, budget_of},
};
use crate::{
    error::{ApiError, ApiResult},
    quota::check_room,
    state::AppState,
    telemetry::traced,
};

/// Longest id of a template that a model's type becomes, characters.
const TEMPLATE_CHARS_MAX: usize = 80;

/// A model that a notebook made. Its file is where [`gristmill_modeling::Engine::staging`] says.
#[derive(Debug, Clone)]
pub(crate) struct NotebookModel {
    /// The id that it gets.
    pub(crate) id: ModelId,
    /// Display name.
    pub(crate) name: String,
    /// What it is, in the words of whoever made it.
    pub(crate) model_type: String,
    /// What it is for.
    pub(crate) task: TaskType,
    /// The column to predict.
    pub(crate) target: String,
    /// The columns that its training named, if it did.
    pub(crate) features: Option<Vec<String>>,
    /// Its parameters.
    pub(crate) parameters: Map<String, Value>,
    /// Share of the rows that its code trained on.
    pub(crate) train_share: f64,
    /// The seed of its code.
    pub(crate) seed: Option<u32>,
    /// How long its cells ran, milliseconds.
    pub(crate) training_ms: Option<u64>,
    /// Where it comes from.
    pub(crate) metadata: Map<String, Value>,
    /// Bytes of its file, and of the packages that may have to stay with it.
    pub(crate) size_bytes: u64,
}

/// Submits the job that scores and stores a model. It is scored on the rows that are declared to be held out of the dataset for
/// this target; its own code's division of the rows is declared by it when it is the first.
///
/// # Errors
/// 404 for a project that is not the caller's, 409 when the declared division does not fit the dataset any more, 413 over the
/// quota.
pub(crate) async fn submit_adoption(
    state: &AppState,
    caller: &Caller,
    project: ProjectId,
    dataset: &Dataset,
    model: NotebookModel,
    idempotency_key: String,
) -> ApiResult<Job> {
    check_room(state, caller, Some(project), model.size_bytes.max(1)).await?;
    let budget = budget_of(state, caller).await?;
    let adopted =
        Adopted { algorithm: model.model_type.clone(), metadata: model.metadata.clone(), training_ms: model.training_ms };
    let model_id = model.id;
    let mut plan = plan_of(model, dataset);
    plan.split = declared_split(state, caller, &plan, SplitWish::none(), dataset).await?;
    let job = adopt_job(caller.user_id, project, AdoptRequest { model_id, plan, adopted, budget }, Some(idempotency_key));
    let (job, _) = state.jobs.submit(traced(job)).await.map_err(ApiError::store(ErrorCode::ProjectNotFound))?;
    Ok(job)
}

fn plan_of(model: NotebookModel, dataset: &Dataset) -> TrainingPlan {
    let kind = match model.task {
        TaskType::Classification if dataset.row_count >= STRATIFIED_ROWS_MIN => SplitKind::Stratified,
        TaskType::Classification | TaskType::Regression | TaskType::Clustering => SplitKind::Random,
    };
    let share = 1.0 - model.train_share;
    let test_size = if share.is_finite() { share.clamp(TEST_SIZE_MIN, TEST_SIZE_MAX) } else { TEST_SIZE_DEFAULT };
    TrainingPlan {
        dataset_id: dataset.id,
        dataset_version: dataset.version,
        dataset_name: dataset.filename.clone(),
        template_id: template_of(&model.model_type),
        name: model.name,
        task_type: model.task,
        target: Some(model.target),
        features: model.features,
        columns: std::collections::BTreeMap::new(),
        parameters: model.parameters,
        // To the percent: 1 - 0.8 is not 0.2.
        split: Split {
            kind,
            column: None,
            test_size: (test_size * 100.0).round() / 100.0,
            seed: model.seed.unwrap_or(SEED_DEFAULT),
        },
    }
}

/// `llm-<type>`: none of the catalogue's, so that nobody tunes it as if it were.
fn template_of(model_type: &str) -> String {
    let plain = model_type.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    format!("llm-{}", plain.take(TEMPLATE_CHARS_MAX).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_none_of_the_catalogue() {
        for (model_type, expected) in [("random_forest", "llm-random_forest"), ("Tab PFN (v2)", "llm-tab_pfn__v2_"), ("", "llm-")]
        {
            assert_eq!(template_of(model_type), expected);
            assert!(gristmill_modeling::Catalogue::shared().find(expected).is_none());
        }
        assert_eq!(template_of(&"x".repeat(200)).len(), 84);
    }
}
