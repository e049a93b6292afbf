//! What an engine may use. Every bound is here, so that an operator finds them in one place.

use std::path::PathBuf;

const MB: usize = 1024 * 1024;

/// The bounds of a [`crate::QueryEngine`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// Memory of all running queries together, bytes (768 MB). Divided by `memory_per_query_bytes` it gives the number
    /// of queries that run at once; further ones wait for their turn inside their own deadline.
    pub memory_bytes: usize,
    /// Memory of one query, bytes (256 MB). Operators that can spill do so beyond it, the others give up.
    pub memory_per_query_bytes: usize,
    /// Threads of the engine's own runtime, and partitions of a query (the number of CPUs).
    pub threads: usize,
    /// Where sorts and aggregations spill; made when missing. One sub-directory a query, gone with the query.
    pub spill_dir: PathBuf,
    /// Spilled bytes of one query (1 GB).
    pub spill_bytes_max: u64,
    /// Bytes of one result, before it is written as JSON (32 MB).
    pub result_bytes_max: usize,
    /// Bytes of one text that a function makes (16 MB).
    pub value_bytes_max: usize,
    /// Bytes of one array (4 MB). Joins copy arrays where they share texts.
    pub array_bytes_max: usize,
    /// Bytes that an operator hands on in one batch, counted row by row even where rows share their text (16 MB).
    pub batch_bytes_max: usize,
    /// Tables, sub-queries and table functions in one statement, each reference to a `WITH` query counted in full (200).
    pub relations_max: usize,
    /// Queries that may wait for their turn (64); more are refused.
    pub waiting_max: usize,
    /// Queries of one caller that run or wait at once (4); more are refused.
    pub concurrent_per_caller_max: usize,
    /// Parquet footers kept in memory (1000).
    pub footers_max: u64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            memory_bytes: 768 * MB,
            memory_per_query_bytes: 256 * MB,
            threads: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            spill_dir: std::env::temp_dir().join("gristmill-spill"),
            spill_bytes_max: 1024 * 1024 * 1024,
            result_bytes_max: 32 * MB,
            value_bytes_max: 16 * MB,
            array_bytes_max: 4 * MB,
            batch_bytes_max: 16 * MB,
            relations_max: 200,
            waiting_max: 64,
            concurrent_per_caller_max: 4,
            footers_max: 1000,
        }
    }
}

impl EngineConfig {
    /// How many queries run at once.
    #[must_use]
    pub fn concurrency(&self) -> usize {
        (self.memory_bytes / self.memory_per_query_bytes.max(1)).max(1)
    }
}
