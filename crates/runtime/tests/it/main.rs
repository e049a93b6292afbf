//! Tests of the runtime through its public door, on real interpreters, sandboxes and kernels.

#[cfg(test)]
mod environment;
#[cfg(test)]
mod intelligence;
#[cfg(test)]
mod nbformat;
#[cfg(test)]
mod packages;
#[cfg(test)]
mod sandbox;
