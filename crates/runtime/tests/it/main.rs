//! The runtime through its public door: real processes, real kernels.

mod environment;
mod intelligence;
mod kernel;
mod nbformat;
mod packages;
mod runtime;
mod sandbox;
mod support;
