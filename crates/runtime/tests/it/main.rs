//! The runtime through its public door: real kernels in real sandboxes.

mod kernel;
mod runtime;
mod support;
