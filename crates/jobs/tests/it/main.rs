//! The engine through its public door, on the store in memory and in paused time.
//!
//! `cfg(test)` says to clippy that the helpers are test code too.

#[cfg(test)]
mod chaos;
#[cfg(test)]
mod events;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tasks;
#[cfg(test)]
mod worker;
