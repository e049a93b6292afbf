//! Questions in plain words, answered with SQL that was checked and run.
//!
//! * [`nl2sql`]: a question to a statement and its rows, with an event for each step.
//! * [`suggestions`]: questions worth asking of a project's tables.
//! * [`tools`]: what agents may call, and how a call is made so that its effect happens once.
//! * [`training`]: what experiments are, and what generated training code must be; [`phrases`]: yes and no in prompts.
//! * [`ui`] and [`plan`]: what agents show, ask and plan, and the tolerant reading of what models make of it.
//! * [`golden`]: questions with known answers, and how many of them a model gets right.
//!
//! What is outside comes through [`ports`]: tables, documents, the engine that runs statements, storage. What a model
//! writes is hostile text: nothing of it runs that `gristmill-sql-safety` has not let through, over the tables of one
//! project. Texts for models are files under `prompts/`.
//!
//! What must not live here: HTTP, storage, a query engine, a language model's wire format.

pub mod agent;
mod confidence;
mod error;
pub mod golden;
pub mod joins;
pub mod nl2sql;
pub mod phrases;
pub mod plan;
pub mod ports;
mod prompts;
pub mod results;
pub mod suggestions;
pub mod tools;
pub mod training;
pub mod ui;
mod words;

pub use confidence::{Evidence, confidence, reliability_tier, warning_level};
pub use error::NlError;
