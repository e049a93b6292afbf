//! The engines through the public door of the crate, with a scripted model and a fake engine.

#![cfg_attr(test, expect(clippy::needless_pass_by_value, reason = "`json!` in the call is the shortest form of a script"))]

#[cfg(test)]
mod agent;
#[cfg(test)]
mod candidates;
#[cfg(test)]
mod context;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod injection;
#[cfg(test)]
mod pipeline;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod suggestions;
#[cfg(test)]
mod support;
