//! Agent workflows: turns of runs in which a model works with tools, towards a plan, a clean dataset, features or a model.
//!
//! A turn is a pure state machine ([`machine`]): what happened goes in, what to do next comes out. The driver ([`Engine`])
//! does it, and records each thing before it happens and what came of it, so that a turn whose server died is taken up where
//! it was: folding the recorded events gives the state again. What a phase does next is decided in `phases`, from the state
//! alone; what a model says changes the state only through what the phase allows at its node.
//!
//! Storage, tools, the stream to the client and what is known of the project come through [`ports`].

mod code;
mod driver;
mod guards;
mod history;
pub mod machine;
mod phases;
pub mod ports;
mod prompts;
pub mod turn;
pub mod wire;

pub use driver::{Engine, EngineOptions, TurnEnd, TurnError};
