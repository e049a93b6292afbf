//! Tests of the runtime through its public door, on real interpreters, sandboxes and kernels.
//!
//! `cfg(test)` says to clippy that the helpers are test code too.

#[cfg(test)]
#[path = "../shared/backend.rs"]
mod backend;
#[cfg(test)]
mod environment;
#[cfg(test)]
mod intelligence;
#[cfg(test)]
mod kernel;
#[cfg(test)]
mod nbformat;
#[cfg(test)]
mod packages;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod resident;
#[cfg(test)]
mod runtime;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod support;
