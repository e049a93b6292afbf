//! Models and the templates that they are trained from (contract 3, sections 10 to 12).

use std::collections::BTreeMap;

use garde::Validate;
use gristmill_domain::{
    DatasetId, ModelId, ProjectId, UserId,
    models::{
        Artifact, DeclaredSplit, EvaluationStatus, Holdout, MODEL_FILE, Model, ModelStatus, NAME_CHARS_MAX, SplitKind,
        TEST_SIZE_MAX, TEST_SIZE_MIN, TaskType,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::common::{ErrorShape, Instant, RequestBody};

/// Most columns that a training may name.
const COLUMNS_MAX: usize = 16_384;

/// A parameter of a template.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParameterView {
    /// Its name in the library.
    pub key: String,
    /// Its name for people.
    pub label: String,
    /// `number`, `select` or `boolean`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is when nothing is sent.
    #[schema(value_type = Object)]
    pub default: Value,
    /// Smallest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Step of a slider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// Whether only whole numbers are allowed.
    pub integer: bool,
    /// The values of a `select`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<ParameterOptionView>,
}

/// A value of a `select`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ParameterOptionView {
    /// What is sent.
    pub value: String,
    /// What people see.
    pub label: String,
}

/// Something that can be trained.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateView {
    /// Identity.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What its models are for.
    pub task_type: TaskType,
    /// What it is, in a sentence.
    pub description: String,
    /// The library that it comes from.
    pub library: String,
    /// The module of its class.
    pub import_path: String,
    /// Its class.
    pub model_class: String,
    /// What can be set.
    pub parameters: Vec<ParameterView>,
    /// All that is set when nothing is sent.
    #[schema(value_type = Object)]
    pub default_params: Map<String, Value>,
    /// The metrics that are shown first.
    pub metrics: Vec<String>,
    /// Whether its parameters can be searched for.
    pub tunable: bool,
}

/// `{templates}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateList {
    /// Every template.
    pub templates: Vec<TemplateView>,
}

/// A file of a model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArtifactView {
    /// Its name.
    pub filename: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

impl From<&Artifact> for ArtifactView {
    fn from(artifact: &Artifact) -> Self {
        Self { filename: artifact.filename.clone(), size: artifact.size, sha256: artifact.sha256.clone() }
    }
}

/// A trained model, or a training that failed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelView {
    /// Identity.
    pub model_id: ModelId,
    /// The project that it belongs to.
    pub project_id: ProjectId,
    /// The dataset that it was trained on; it may be gone.
    pub dataset_id: DatasetId,
    /// Display name.
    pub name: String,
    /// The template.
    pub template_id: String,
    /// What it is for.
    pub task_type: TaskType,
    /// The library that it comes from.
    pub library: String,
    /// The class of its estimator.
    pub algorithm: String,
    /// All parameters as they were used.
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// Scores on held out rows; of clustering, on all.
    pub metrics: BTreeMap<String, f64>,
    /// How the training ended.
    pub status: ModelStatus,
    /// When it was made.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
    /// Running number in its project.
    pub version: u32,
    /// How long the training took, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_ms: Option<u64>,
    /// The column that it predicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_column: Option<String>,
    /// The columns that it predicts from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub feature_columns: Vec<String>,
    /// Rows that it was made from, test rows included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_count: Option<u64>,
    /// The file that holds the model; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<ArtifactView>,
    /// All of its files.
    pub artifacts: Vec<ArtifactView>,
    /// Why the training failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Where it comes from: seed, versions, split, decisions about columns, costs.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// Where its evaluation stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation_status: Option<EvaluationStatus>,
    /// When its evaluation was computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation_computed_at: Option<Instant>,
    /// Why its evaluation failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation_error: Option<String>,
    /// `int`, `float` or `str` of each feature.
    pub feature_types: BTreeMap<String, String>,
    /// A row as a client would send it.
    #[schema(value_type = Object)]
    pub sample_request: Map<String, Value>,
    /// Whether the scores are on rows that it could not see; absent when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holdout: Option<Holdout>,
    /// Whether there are no scores of the server's, because it cannot predict from the dataset's columns as they are.
    pub unscored: bool,
}

impl From<Model> for ModelView {
    fn from(model: Model) -> Self {
        let (holdout, unscored) = (model.holdout(), model.is_unscored());
        let Model { made, version, evaluation_computed_at, created_at, updated_at, evaluation_job: _ } = model;
        Self {
            model_id: made.id,
            project_id: made.project_id,
            dataset_id: made.plan.dataset_id,
            holdout,
            unscored,
            artifact: made.artifact(MODEL_FILE).map(ArtifactView::from),
            artifacts: made.artifacts.iter().map(ArtifactView::from).collect(),
            name: made.plan.name,
            template_id: made.plan.template_id,
            task_type: made.plan.task_type,
            library: made.library,
            algorithm: made.algorithm,
            parameters: made.parameters,
            metrics: made.metrics,
            status: made.status,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
            version,
            training_ms: made.training_ms,
            target_column: made.plan.target,
            feature_columns: made.feature_columns,
            sample_count: made.sample_count,
            error: made.error,
            metadata: made.metadata,
            evaluation_status: Some(made.evaluation_status),
            evaluation_computed_at: evaluation_computed_at.map(Instant),
            evaluation_error: made.evaluation_error,
            feature_types: made.feature_types,
            sample_request: made.sample_request,
        }
    }
}

/// How the rows of a dataset are divided for a target.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SplitView {
    /// The column to predict.
    pub target: String,
    /// How rows are chosen.
    pub kind: SplitKind,
    /// The column of groups or times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Share of the rows that is held out.
    pub test_size: f64,
    /// What chooses the rows.
    pub seed: u32,
    /// When it was declared.
    pub declared_at: Instant,
    /// By whom; absent when that user is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared_by: Option<UserId>,
}

impl From<DeclaredSplit> for SplitView {
    fn from(declared: DeclaredSplit) -> Self {
        Self {
            target: declared.target,
            kind: declared.split.kind,
            column: declared.split.column,
            test_size: declared.split.test_size,
            seed: declared.split.seed,
            declared_at: declared.declared_at.into(),
            declared_by: declared.declared_by,
        }
    }
}

/// `{splits}`, by target.
#[derive(Debug, Serialize, ToSchema)]
pub struct SplitList {
    /// The declared splits of a dataset.
    pub splits: Vec<SplitView>,
}

/// `{models}`, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelList {
    /// The caller's models.
    pub models: Vec<ModelView>,
}

/// `{model}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelEnvelope {
    /// The model.
    pub model: ModelView,
}

/// What a training ended in.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrainingView {
    /// The model, or the record of its failure.
    pub model: ModelView,
    /// Whether there is a model.
    pub success: bool,
    /// What happened, for people.
    pub message: String,
}

/// Which models to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ModelListQuery {
    /// Only this project's.
    #[garde(skip)]
    pub project_id: Option<ProjectId>,
}

/// Which file of a model to download.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ArtifactFormat {
    /// The pipeline, as Python's joblib writes it. Loading it runs code.
    #[default]
    Joblib,
    /// The model without Python, where it converts.
    Onnx,
    /// An MLflow model directory, as a zip; there with the evaluation.
    Mlflow,
    /// The model card, JSON.
    Card,
    /// The model card, Markdown.
    Markdown,
    /// What the model takes and gives, JSON.
    Signature,
    /// How training rows are distributed, JSON.
    Baseline,
    /// How the training went, JSON.
    Report,
    /// What the ONNX form differs in, JSON.
    Parity,
}

/// Which file to download.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ArtifactQuery {
    /// `joblib` when absent.
    #[serde(default)]
    #[garde(skip)]
    #[param(inline)]
    pub format: ArtifactFormat,
}

/// How rows are divided for the test.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub struct SplitCreate {
    /// How rows are chosen; by class for classification, any rows otherwise, when absent.
    #[serde(default)]
    #[garde(skip)]
    pub kind: Option<SplitKind>,
    /// The column of groups or times; required for these two kinds.
    #[serde(default)]
    #[garde(inner(length(bytes, min = 1, max = 1000)))]
    pub column: Option<String>,
}

/// A training to be run.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelCreate {
    /// The project.
    #[garde(skip)]
    pub project_id: ProjectId,
    /// The dataset, one of the project's.
    #[garde(skip)]
    pub dataset_id: DatasetId,
    /// The template's id, or one of its other names.
    #[garde(length(chars, min = 1, max = 100))]
    pub template_id: String,
    /// The column to predict; required but for clustering.
    #[serde(default)]
    #[garde(inner(length(bytes, min = 1, max = 1000)))]
    pub target_column: Option<String>,
    /// Parameters that differ from the template's.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    #[garde(skip)]
    pub parameters: Option<Map<String, Value>>,
    /// Share of the rows that is held out; the declared split's when absent, at first 0.2. A smaller test is part of a larger
    /// one.
    #[serde(default)]
    #[garde(inner(range(min = TEST_SIZE_MIN, max = TEST_SIZE_MAX)))]
    pub test_size: Option<f64>,
    /// Display name; the template's name when absent.
    #[serde(default)]
    #[garde(inner(custom(is_name)))]
    pub name: Option<String>,
    /// What the model is for, where the template does not say it (`auto`).
    #[serde(default)]
    #[garde(skip)]
    pub problem_type: Option<TaskType>,
    /// The columns to predict from; all others when absent.
    #[serde(default)]
    #[garde(inner(length(min = 1, max = COLUMNS_MAX)))]
    pub features: Option<Vec<String>>,
    /// What a column is to be taken for: `numeric`, `categorical`, `date` or `drop`.
    #[serde(default)]
    #[garde(skip)]
    pub columns: Option<BTreeMap<String, ColumnRole>>,
    /// How rows are divided: declared once for a dataset and target, by the first training.
    #[serde(default)]
    #[garde(dive)]
    pub split: Option<SplitCreate>,
    /// What makes the training repeatable, and chooses the rows; the declared split's when absent, at first 42.
    #[serde(default)]
    #[garde(skip)]
    pub seed: Option<u32>,
    /// Declares the split again: later trainings use the new one, models that exist keep theirs. Without it, another `split`
    /// or `seed` than the declared one is refused once a model was scored by that.
    #[serde(default)]
    #[garde(skip)]
    pub redeclare_split: Option<bool>,
}

impl RequestBody for ModelCreate {
    const SHAPE: ErrorShape = ErrorShape::Issues;
}

/// What a column is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColumnRole {
    /// Numbers.
    Numeric,
    /// Names of things.
    Categorical,
    /// Dates.
    Date,
    /// Nothing: it is left out.
    Drop,
}

impl ColumnRole {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Numeric => "numeric",
            Self::Categorical => "categorical",
            Self::Date => "date",
            Self::Drop => "drop",
        }
    }
}

fn is_name(name: &str, _: &()) -> garde::Result {
    let chars = name.trim().chars().count();
    if chars == 0 || chars > NAME_CHARS_MAX {
        return Err(garde::Error::new(format!("must have 1 to {NAME_CHARS_MAX} characters")));
    }
    if name.contains('\0') { Err(garde::Error::new("must not contain NUL")) } else { Ok(()) }
}
