//! Language models through the public door of the crate.

mod scripted;
mod structured;
