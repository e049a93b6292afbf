//! Language models through the public door of the crate.
//!
//! `cfg(test)` says to clippy that the helpers are test code too.

#[cfg(test)]
mod layers;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod server;
#[cfg(test)]
mod structured;
#[cfg(test)]
mod wire;
