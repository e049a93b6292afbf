//! Default limits that several crates must agree on. Those that an operator may change are fields of the server's
//! configuration, with these as defaults.

/// Largest dataset upload, bytes (300 MB).
pub const UPLOAD_SIZE_BYTES_MAX: u64 = 300 * 1024 * 1024;
/// Largest document upload, bytes (25 MB).
pub const DOCUMENT_SIZE_BYTES_MAX: u64 = 25 * 1024 * 1024;
/// Characters of a document's chunk.
pub const CHUNK_CHARS: usize = 500;
/// Characters that a chunk may repeat of the one before.
pub const CHUNK_OVERLAP_CHARS: usize = 50;
/// Longest text to search documents for, characters.
pub const SEARCH_QUERY_CHARS_MAX: usize = 2000;
/// Results of a search when no number is sent.
pub const SEARCH_RESULTS_DEFAULT: u32 = 5;
/// Most results of a search.
pub const SEARCH_RESULTS_MAX: u32 = 20;
/// Largest JSON request body, bytes (10 MB).
pub const JSON_BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Rows in a page of `GET /datasets/{id}/rows` when no limit is sent.
pub const ROWS_PAGE_DEFAULT: u32 = 200;
/// Most rows in one page.
pub const ROWS_PAGE_MAX: u32 = 1000;
/// Rows kept with a dataset for preview.
pub const SAMPLE_ROWS_MAX: usize = 20;
/// Values listed in a column's `topValues`.
pub const TOP_VALUES_MAX: usize = 5;
/// Most columns in a dataset.
pub const COLUMNS_MAX: usize = 16_384;
/// Largest single CSV record, bytes (16 MB).
pub const CSV_RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Entries kept in a `rejects` report; further rejects are counted only.
pub const REJECTS_LISTED_MAX: usize = 1000;
/// `LIMIT` that is added to SQL without one.
pub const SQL_LIMIT_DEFAULT: u32 = 200;
/// Most rows in a SQL result.
pub const SQL_ROWS_MAX: u32 = 1000;
/// Deadline of a SQL statement, milliseconds.
pub const SQL_TIMEOUT_MS: u64 = 5000;
/// Longest SQL text, bytes.
pub const SQL_TEXT_BYTES_MAX: usize = 256 * 1024;
/// How long a SQL result may be served from the cache, milliseconds.
pub const QUERY_CACHE_TTL_MS: u64 = 300_000;
/// Entries in the SQL result cache, per process.
pub const QUERY_CACHE_ENTRIES_MAX: u64 = 500;
/// Disk quota of a user, bytes (20 GB).
pub const USER_DISK_BYTES_MAX: u64 = 20 * 1024 * 1024 * 1024;
