//! Tests of the runtime through its public door, on real interpreters, sandboxes and kernels.

mod environment;
mod packages;
mod sandbox;
