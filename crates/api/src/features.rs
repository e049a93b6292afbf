//! Feature engineering: datasets with features, which a job makes, and the tools of agents that make features.

mod apply;
mod code;
mod failures;
mod job;
mod measure;
mod naming;
mod request;
mod segments;
mod serving;
mod splits;
mod tools;

pub use apply::{applied, submit_apply};
pub use job::FeatureHandler;
pub(crate) use serving::{features_of_model, row_features};
pub(crate) use splits::{origin_of, pass_on_origin};
pub use tools::run_tool;
