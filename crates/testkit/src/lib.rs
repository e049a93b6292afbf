//! Development only: a throwaway PostgreSQL, one database a test, and helpers that several test suites share.

pub mod documents;
pub mod identity_suite;
pub mod job_store_suite;
pub mod pg;
