//! Turns of agents with a scripted model, tools that keep count of their effects, and a store that can break.

mod circles;
mod features;
mod kill;
mod preprocessing;
mod resuming;
mod support;
mod turns;
