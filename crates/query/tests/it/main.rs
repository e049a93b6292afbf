//! The engine through its public door: statements in, rows out.

mod data;
mod differential;
mod support;
