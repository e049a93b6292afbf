//! Tests of the runtime through its public door, on real interpreters, sandboxes and kernels.
//!
//! `cfg(test)` says to clippy that the helpers are test code too.

#[cfg(test)]
mod environment;
#[cfg(test)]
mod packages;
#[cfg(test)]
mod sandbox;
