//! Tests of the crate through its public door.
//!
//! `cfg(test)` says to clippy that the helpers are test code too.

#[cfg(test)]
mod differential;
#[cfg(test)]
mod features;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod loading;
#[cfg(test)]
mod onnx_file;
#[cfg(test)]
mod partial_dependence;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tensors;
