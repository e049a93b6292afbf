//! The engine through its public door: statements in, rows out.

mod bounds;
mod data;
mod differential;
mod support;
