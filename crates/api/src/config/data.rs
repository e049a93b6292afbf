//! Where data are kept and how they are read: the database, uploads, documents and SQL.

use std::{path::PathBuf, time::Duration};

use gristmill_domain::limits;
use secrecy::SecretString;

use super::{EmbeddingsSetting, Environment, MB, embeddings};

/// The database.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`; absent: the embedded cluster.
    pub url: Option<SecretString>,
    /// `PG_POOL_MIN`.
    pub connections_min: u32,
    /// `PG_POOL_MAX`.
    pub connections_max: u32,
    /// Directories from `PATH`, where the embedded cluster's programs are looked for.
    pub search_path: String,
    /// The per-user cache where `gristmill setup` puts what it provisions.
    pub cache_dir: PathBuf,
}

/// Uploads.
#[derive(Debug, Clone)]
pub struct IngestConfig {
    /// `DATASET_UPLOAD_MAX_MB`.
    pub upload_bytes_max: u64,
    /// `USER_DISK_QUOTA_MB`.
    pub user_disk_bytes_max: u64,
    /// `INGEST_THREADS`: threads that read one file.
    pub threads: usize,
    /// `INGEST_CONCURRENCY`: files that are read at once.
    pub concurrency: usize,
    /// `DISK_RESERVE_MB`: space that uploads leave free.
    pub disk_reserve_bytes: u64,
}

/// Documents.
#[derive(Debug, Clone)]
pub struct DocumentsConfig {
    /// `DOC_UPLOAD_MAX_MB`.
    pub upload_bytes_max: u64,
    /// `DOC_CHUNK_SIZE`: characters of a chunk.
    pub chunk_size: usize,
    /// `DOC_CHUNK_OVERLAP`: characters that a chunk repeats of the one before.
    pub chunk_overlap: usize,
    /// `DOC_PAGES_MAX`: pages that are read of one document.
    pub pages_max: u32,
    /// `DOC_TEXT_MAX_MB`: text that is kept of one document.
    pub text_bytes_max: usize,
    /// `DOC_PARSE_TIMEOUT_MS`: time for reading one document.
    pub parse_timeout: Duration,
    /// `DOC_PARSE_MEMORY_MB`: memory for reading one document.
    pub parse_memory_bytes: u64,
    /// `DOC_PARSER_PROGRAM`: the program that reads documents; this one when absent.
    pub parser_program: PathBuf,
    /// `DOC_VECTORS_MAX_MB`: memory for vectors, and the bound of a search by vectors.
    pub vectors_bytes_max: u64,
    /// `EMBEDDINGS`: which model makes vectors.
    pub embeddings: EmbeddingsSetting,
}

/// SQL.
#[derive(Debug, Clone)]
pub struct SqlConfig {
    /// `SQL_STATEMENT_TIMEOUT_MS`.
    pub timeout: Duration,
    /// `SQL_MEMORY_MB`: memory of all queries together.
    pub memory_bytes: usize,
    /// `SQL_QUERY_MEMORY_MB`: memory of one query.
    pub query_memory_bytes: usize,
    /// `SQL_THREADS`.
    pub threads: usize,
    /// `SQL_CONCURRENCY`: queries that run at once.
    pub concurrency: usize,
    /// `SQL_USER_CONCURRENCY`: queries of one user that run at once.
    pub user_concurrency: usize,
    /// `SQL_RESULT_MAX_MB`.
    pub result_bytes_max: usize,
    /// `QUERY_CACHE_MAX_ENTRIES`.
    pub cache_entries_max: u64,
    /// `QUERY_CACHE_MAX_MB`.
    pub cache_bytes_max: u64,
}

pub(super) fn database(env: &mut Environment<'_>) -> DatabaseConfig {
    let home = env.text("HOME").unwrap_or_else(|| "/tmp".into());
    let cache = env.text("XDG_CACHE_HOME").unwrap_or_else(|| format!("{home}/.cache"));
    DatabaseConfig {
        url: env.text("DATABASE_URL").map(SecretString::from),
        connections_min: env.number("PG_POOL_MIN", 0..=1000, 0),
        connections_max: env.number("PG_POOL_MAX", 1..=1000, 10),
        search_path: env.text("PATH").unwrap_or_default(),
        cache_dir: PathBuf::from(cache).join("gristmill"),
    }
}

pub(super) fn ingest(env: &mut Environment<'_>, cores: usize) -> IngestConfig {
    IngestConfig {
        upload_bytes_max: env.number("DATASET_UPLOAD_MAX_MB", 1..=1_000_000, limits::UPLOAD_SIZE_BYTES_MAX / MB) * MB,
        user_disk_bytes_max: env.number("USER_DISK_QUOTA_MB", 1..=1_000_000_000, limits::USER_DISK_BYTES_MAX / MB) * MB,
        threads: env.number("INGEST_THREADS", 1..=64, cores),
        concurrency: env.number("INGEST_CONCURRENCY", 1..=64, 2),
        disk_reserve_bytes: env.number("DISK_RESERVE_MB", 0..=1_000_000, 512) * MB,
    }
}

pub(super) fn documents(env: &mut Environment<'_>) -> DocumentsConfig {
    let program = env.text("DOC_PARSER_PROGRAM").map(PathBuf::from);
    DocumentsConfig {
        upload_bytes_max: env.number("DOC_UPLOAD_MAX_MB", 1..=1000, limits::DOCUMENT_SIZE_BYTES_MAX / MB) * MB,
        chunk_size: env.number("DOC_CHUNK_SIZE", 50..=8000, limits::CHUNK_CHARS),
        chunk_overlap: env.number("DOC_CHUNK_OVERLAP", 0..=4000, limits::CHUNK_OVERLAP_CHARS),
        pages_max: env.number("DOC_PAGES_MAX", 1..=100_000, 2000),
        text_bytes_max: env.number("DOC_TEXT_MAX_MB", 1..=512, 32_usize) * 1024 * 1024,
        parse_timeout: Duration::from_millis(env.number("DOC_PARSE_TIMEOUT_MS", 100..=3_600_000, 60_000)),
        parse_memory_bytes: env.number("DOC_PARSE_MEMORY_MB", 256..=1_000_000, 1024) * MB,
        parser_program: program.unwrap_or_else(crate::documents::this_program),
        vectors_bytes_max: env.number("DOC_VECTORS_MAX_MB", 1..=1_000_000, 256) * MB,
        embeddings: embeddings::read(env),
    }
}

pub(super) fn sql(env: &mut Environment<'_>, cores: usize) -> SqlConfig {
    let bytes = |megabytes: usize| megabytes * 1024 * 1024;
    SqlConfig {
        timeout: Duration::from_millis(env.number("SQL_STATEMENT_TIMEOUT_MS", 10..=600_000, limits::SQL_TIMEOUT_MS)),
        memory_bytes: bytes(env.number("SQL_MEMORY_MB", 32..=1_000_000, 1024)),
        query_memory_bytes: bytes(env.number("SQL_QUERY_MEMORY_MB", 16..=1_000_000, 512)),
        threads: env.number("SQL_THREADS", 1..=256, cores),
        concurrency: env.number("SQL_CONCURRENCY", 1..=1024, 8),
        user_concurrency: env.number("SQL_USER_CONCURRENCY", 1..=1024, 4),
        result_bytes_max: bytes(env.number("SQL_RESULT_MAX_MB", 1..=4096, 32)),
        cache_entries_max: env.number("QUERY_CACHE_MAX_ENTRIES", 0..=1_000_000, limits::QUERY_CACHE_ENTRIES_MAX),
        cache_bytes_max: env.number("QUERY_CACHE_MAX_MB", 1..=1_000_000, 64) * MB,
    }
}
