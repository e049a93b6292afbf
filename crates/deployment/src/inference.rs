//! Predictions in this process: a model directory of `gristmill_ml`, run natively.
//!
//! A directory has `signature.json`, which says what a row must have and how it becomes the two blocks that the graph takes,
//! and `model.onnx`, the graph. [`NativeModel::load`] checks both and compiles the graph; [`Rows`] are checked rows;
//! [`NativeModel::predict`] gives [`Predictions`].
//!
//! **A model's files are hostile input.** Whoever can run code in a training sandbox decides what is in them. So nothing here
//! trusts a length, an index, a name or an order; a file can make loading fail, and it can make predictions wrong, but it
//! cannot end the process, read anything else, or use more than bounded memory and work. ADR 0015 has the reasons.
//!
//! No HTTP here, and no files but a model's.

mod cache;
mod compile;
mod dates;
mod distances;
mod error;
mod field_error;
mod graph_error;
mod learned;
mod linear;
mod model;
mod names;
mod numbers;
mod onnx;
mod operators;
mod pdp;
mod predictions;
mod prepare;
mod program;
mod rows;
mod scan;
mod signature;
mod signature_file;
mod transform;
mod trees;
mod values;
mod wire;

pub use cache::{CacheCounters, ModelCache};
pub use dates::Moment;
pub use error::InferenceError;
pub use field_error::{FieldError, FieldErrors, Problem};
pub use graph_error::GraphError;
pub use model::NativeModel;
pub(crate) use model::read_artifact;
pub use pdp::{Grid, PartialDependence, PdpError, partial_dependence};
pub use predictions::{Outcome, Predictions};
pub use rows::{Accepted, Column, Rows};
pub use signature::{Feature, FeatureKind, Interval, Label, Range, SIGNATURE_BYTES_MAX, Signature, SignatureError, ValueType};
