//! Arguments of the tools that train models in a notebook.

use gristmill_domain::CellId;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::ids;

choices! {
    /// What a model is to say.
    TaskTypeArg {
        /// A class.
        Classification = "classification",
        /// A number.
        Regression = "regression",
    }
}

choices! {
    /// How rows are kept back for the test.
    SplitStrategyArg {
        /// A share of the rows.
        TrainTest = "train_test",
        /// Each part once.
        Kfold = "kfold",
        /// Each part once, classes in proportion.
        StratifiedKfold = "stratified_kfold",
        /// The latest rows.
        TimeSeries = "time_series",
    }
}

choices! {
    /// Which end of a list is best.
    SortOrderArg {
        /// The smallest value.
        Ascending = "ascending",
        /// The largest value.
        Descending = "descending",
    }
}

/// Of `configure_experiment`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigureExperimentArgs {
    /// A name for the experiment, which a person can tell from others.
    #[schemars(length(min = 1, max = 200))]
    pub experiment_name: String,
    /// The model's family, such as `random_forest`, `xgboost`, `logistic_regression`; any name is taken.
    #[schemars(length(min = 1, max = 100))]
    pub model_type: String,
    /// What the model is to say.
    pub task_type: TaskTypeArg,
    /// How rows are kept back for the test.
    pub split_strategy: SplitStrategyArg,
    /// Settings of the model.
    pub hyperparameters: Option<Map<String, Value>>,
    /// Share of the rows to train on; 0.8 when absent.
    #[schemars(range(min = 0.05, max = 0.95))]
    pub split_ratio: Option<f64>,
    /// The column to predict.
    #[schemars(length(max = 500))]
    pub target_column: Option<String>,
    /// The columns to predict it from; all that are fit for it when absent.
    pub feature_columns: Option<Vec<String>>,
    /// A seed, so that it can be repeated.
    pub random_seed: Option<i64>,
}

/// Another way that was thought of.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlternativeArg {
    /// The model's family.
    #[schemars(length(min = 1, max = 100))]
    pub model_type: String,
    /// Why not, or why perhaps.
    pub reason: String,
}

/// Of `propose_training_plan`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProposeTrainingPlanArgs {
    /// The experiment, as `configure_experiment` named it.
    #[schemars(length(min = 1, max = 200))]
    pub experiment_id: String,
    /// Why this model fits these data.
    pub rationale: String,
    /// The scores that are expected, by name.
    pub expected_metrics: Option<Map<String, Value>>,
    /// What may go wrong.
    pub risks: Option<Vec<String>>,
    /// Other ways that were thought of.
    pub alternatives: Option<Vec<AlternativeArg>>,
}

/// Of `execute_training`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecuteTrainingArgs {
    /// The experiment.
    #[schemars(length(min = 1, max = 200))]
    pub experiment_id: String,
    /// Whether the cells ran to their end.
    pub succeeded: bool,
    /// The cells.
    #[serde(default)]
    #[schemars(schema_with = "ids")]
    pub cell_ids: Vec<CellId>,
    /// The parts of the code that prepare the data.
    pub prep_segments: Option<Vec<Value>>,
    /// The scores that were printed, by name.
    pub metrics: Option<Map<String, Value>>,
    /// How long it took, milliseconds.
    pub training_duration_ms: Option<u64>,
    /// Why it failed.
    pub error_message: Option<String>,
}

/// Scores by the number of rows that a model learned from.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LearningCurveArg {
    /// Scores on the rows that it learned from.
    pub train_scores: Vec<f64>,
    /// Scores on other rows.
    pub val_scores: Vec<f64>,
    /// Numbers of rows.
    pub train_sizes: Vec<f64>,
}

/// How much a feature counts.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeatureImportanceArg {
    /// The feature.
    pub feature: String,
    /// How much.
    pub importance: f64,
}

/// Of `evaluate_results`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvaluateResultsArgs {
    /// The experiment.
    #[schemars(length(min = 1, max = 200))]
    pub experiment_id: String,
    /// The scores, by name; at least one number.
    pub metrics: Map<String, Value>,
    /// Scores by the number of rows.
    pub learning_curve: Option<LearningCurveArg>,
    /// How much each feature counts.
    pub feature_importance: Option<Vec<FeatureImportanceArg>>,
    /// Remarks.
    pub notes: Option<String>,
}

/// Of `register_model`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterModelArgs {
    /// The experiment.
    #[schemars(length(min = 1, max = 200))]
    pub experiment_id: String,
    /// A name for the model.
    #[schemars(length(min = 1, max = 200))]
    pub model_name: String,
    /// The model's family.
    #[schemars(length(min = 1, max = 100))]
    pub model_type: String,
    /// The scores, by name.
    pub metrics: Map<String, Value>,
    /// The file that the code saved, relative to the notebook's working directory, such as `model.joblib`.
    #[schemars(length(min = 1, max = 500))]
    pub artifact_path: String,
    /// Settings of the model.
    pub hyperparameters: Option<Map<String, Value>>,
    /// Words to find it by.
    pub tags: Option<Vec<String>>,
}

/// Of `compare_models`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompareModelsArgs {
    /// The experiments.
    #[schemars(length(min = 1, max = 100))]
    pub experiment_ids: Vec<String>,
    /// The score to rank by.
    #[schemars(length(min = 1, max = 100))]
    pub primary_metric: String,
    /// Whether settings are shown too.
    pub include_hyperparameters: Option<bool>,
    /// Which end is best; follows from the score when absent.
    pub sort_order: Option<SortOrderArg>,
}

arguments_of! {
    ConfigureExperiment: ConfigureExperimentArgs;
    ProposeTrainingPlan: ProposeTrainingPlanArgs;
    ExecuteTraining: ExecuteTrainingArgs;
    EvaluateResults: EvaluateResultsArgs;
    RegisterModel: RegisterModelArgs;
    CompareModels: CompareModelsArgs;
}
