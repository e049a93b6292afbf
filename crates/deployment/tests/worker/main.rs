//! Serving workers in real sandboxes, on the backend that `GRISTMILL_TEST_BACKEND` names.
//!
//! `cfg(test)` says to clippy that the helpers are test code too.

#[cfg(test)]
mod backend;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod life;
#[cfg(test)]
mod models;
#[cfg(test)]
mod support;
