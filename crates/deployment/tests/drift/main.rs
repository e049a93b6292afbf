//! Drift through its public door.

mod differential;
mod evidently;
mod sketches;
mod verdicts;
