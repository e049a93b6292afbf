//! Drift through its public door.
//!
//! `cfg(test)` says to clippy that the helpers are test code too.

#[cfg(test)]
mod differential;
#[cfg(test)]
mod evidently;
#[cfg(test)]
#[path = "../../../runtime/tests/shared/python.rs"]
mod locked;
#[cfg(test)]
mod sketches;
#[cfg(test)]
mod verdicts;
