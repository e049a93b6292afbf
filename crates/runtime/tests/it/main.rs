//! What the runtime promises, against real processes.

mod intelligence;
mod nbformat;
