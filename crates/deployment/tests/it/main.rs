//! Tests of the crate through its public door.

mod differential;
mod hostile;
mod loading;
mod onnx_file;
mod partial_dependence;
mod requests;
mod support;
