//! Development only: a throwaway PostgreSQL, one database a test, and helpers that several test suites share.

pub mod pg;
