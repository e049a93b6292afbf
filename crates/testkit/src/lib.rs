//! Development only: a throwaway PostgreSQL, one database a test, helpers that several test suites share, and
//! the requests that stand-ins for other servers read.

pub mod documents;
pub mod http;
pub mod identity_suite;
pub mod job_store_suite;
pub mod pg;
