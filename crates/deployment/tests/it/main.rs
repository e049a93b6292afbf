//! Tests of the crate through its public door.

mod differential;
mod support;
