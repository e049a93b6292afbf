//! Reading a document in a process of its own (ADR 0017).

use std::path::Path;

use gristmill_documents::{
    ParsedDocument,
    worker::{WorkerEnd, WorkerLimits, collect},
};
use gristmill_runtime::confined::{ConfinedCommand, ConfinedEnd};

use crate::config::DocumentsConfig;

/// What JSON adds to text, at most for real text: quotes, escapes, pages.
const OUTPUT_FACTOR: usize = 4;
const OUTPUT_BYTES_MIN: usize = 1024 * 1024;

/// Reads documents.
#[derive(Debug, Clone)]
pub struct Parser {
    config: DocumentsConfig,
}

impl Parser {
    /// A parser with the configured limits.
    #[must_use]
    pub fn new(config: &DocumentsConfig) -> Self {
        Self { config: config.clone() }
    }

    /// Reads a file. Whatever is wrong with it is told in the document's warning.
    ///
    /// # Errors
    /// When the file cannot be opened or the process not be started.
    ///
    /// # Cancel safety
    /// Dropping the future ends the process.
    pub async fn parse(&self, path: &Path, filename: &str) -> std::io::Result<ParsedDocument> {
        let config = &self.config;
        let input = tokio::fs::File::open(path).await?.into_std().await;
        let limits = WorkerLimits {
            filename: filename.to_owned(),
            pages_max: config.pages_max,
            text_bytes_max: config.text_bytes_max,
            memory_bytes_max: config.parse_memory_bytes,
            cpu_seconds_max: config.parse_timeout.as_secs().saturating_add(1),
        };
        let command = ConfinedCommand {
            program: config.parser_program.clone(),
            arguments: vec!["parse-document".to_owned(), serde_json::to_string(&limits)?],
            input,
            timeout: config.parse_timeout,
            output_bytes_max: config.text_bytes_max.saturating_mul(OUTPUT_FACTOR).saturating_add(OUTPUT_BYTES_MIN),
        };
        let output = command.run().await?;
        let end = match output.end {
            ConfinedEnd::Exited(_) => WorkerEnd::Exited,
            ConfinedEnd::Died => WorkerEnd::Died,
            ConfinedEnd::TimedOut => WorkerEnd::TimedOut,
            ConfinedEnd::WroteTooMuch => WorkerEnd::WroteTooMuch,
        };
        let stdout = output.stdout;
        tokio::task::spawn_blocking(move || collect(&stdout, end)).await.map_err(std::io::Error::other)
    }
}
