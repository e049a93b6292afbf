//! Models: training, evaluation, explanation, tuning and comparison.
//!
//! What is learned is learned by `gristmill_ml` (scikit-learn, LightGBM, XGBoost, Optuna, SHAP) in sandboxes; this crate
//! decides what each sandbox sees, and keeps the rest. A split is declared once with a training. Sandboxes that train see
//! training rows; sandboxes that load a model see features without labels; sandboxes that see test labels load no model. So
//! no artifact, whatever is in it, is ever loaded where test labels are, and no artifact is ever loaded by the server. That
//! holds for models that a notebook made, too: they are adopted, which means predicted with and scored, before they are stored.
//!
//! Storage comes through ports: [`gristmill_domain::models::ModelStore`] and [`ModelPlaces`]. No HTTP and no database here.

mod adopt;
#[cfg(test)]
#[expect(dead_code, reason = "the tests of the runtime use all of it")]
#[path = "../../runtime/tests/shared/backend.rs"]
mod backend;
mod compare;
mod crew;
mod engine;
mod error;
mod evaluate;
mod handlers;
mod holdout;
pub mod insights;
pub mod nl_filter;
mod package;
mod ready;
mod results;
mod rows;
#[cfg(test)]
mod sealed_tests;
mod split;
#[cfg(test)]
mod stage_tests;
mod step;
mod templates;
mod train;
mod tune;
mod views;
mod worker;

pub use compare::{Compared, incomparable};
pub use engine::{Budget, Engine, ModelPlaces, ModelingOptions};
pub use error::ModelingError;
pub use handlers::{
    AdoptRequest, Adopted, EvaluateHandler, JobBudget, StudyRequest, TrainHandler, TuneHandler, Workshop, adopt_job,
    evaluate_job, train_job, tune_job,
};
pub use holdout::held_out_ids;
pub use templates::{Catalogue, Parameter, ParameterOption, Template, TemplateError, tuning_metric};
