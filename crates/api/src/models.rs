//! What happens to models outside a request: their jobs, their files.

mod adoption;
mod evaluation;
mod files;
mod split;
mod study;
mod training;

pub(crate) use adoption::{NotebookModel, submit_adoption};
pub(crate) use evaluation::{EvaluationPart, evaluation_part};
pub use files::{StoredModels, download_artifact, evaluation_file};
pub use study::{StudyStream, study_stream, submit_study};
pub use training::{budget_of, evaluated, submit_training, trained};
pub(crate) use training::{failure_of, submit_evaluation};
