//! Features through the public door.
//!
//! `cfg(test)` says to clippy that the helpers are test code too.

#[cfg(test)]
mod applying;
#[cfg(test)]
#[path = "../../../runtime/tests/shared/python.rs"]
mod locked;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod serving;
#[cfg(test)]
mod support;
#[cfg(test)]
mod targets;
