//! Serving workers in real sandboxes, on the backend that `GRISTMILL_TEST_BACKEND` names.
//!
//! `cfg(test)` says to clippy that the helpers are test code too.

#[cfg(test)]
mod agreement;
#[cfg(test)]
#[expect(dead_code, reason = "the tests of the runtime use all of it")]
#[path = "../../../runtime/tests/shared/backend.rs"]
mod backend;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod life;
#[cfg(test)]
mod models;
#[cfg(test)]
#[expect(dead_code, reason = "the tests of native inference use all of it")]
#[path = "../it/support.rs"]
mod reference;
#[cfg(test)]
mod support;
