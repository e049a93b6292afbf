//! Deployed models: predictions in this process or by a supervised worker in a sandbox, drift, statistics of requests.
//!
//! What a model is and how it was made is `modeling`'s; here it is a directory of files with checksums. No HTTP and no
//! database here: what is stored comes and goes through ports of `domain`.

pub mod drift;
pub mod inference;
pub mod scoring;
pub mod serving;
pub mod statistics;
pub mod tensors;
pub mod worker;
