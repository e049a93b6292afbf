//! The gate through its public door.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy relaxes these in test functions only, and the helpers of tests fail tests"
)]

mod bounds;
mod errors;
mod forms;
mod functions;
mod generated;
mod hostile;
mod limits;
mod round_trip;
mod statements;
mod support;
mod tables;
