//! Tests of the runtime through its public functions, on real interpreters, sandboxes and kernels.

mod environment;
