//! The runtime through its public door: real processes, real kernels.

mod environment;
mod kernel;
mod packages;
mod runtime;
mod sandbox;
mod support;
