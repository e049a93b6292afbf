//! Reads one document from standard input, without any right that this does not need. The server starts it; nobody else
//! needs to.

use anyhow::Context;
use gristmill_documents::worker::{WorkerLimits, serve};

pub(super) fn parse_document(limits: &str) -> anyhow::Result<()> {
    let limits: WorkerLimits = serde_json::from_str(limits).context("the limits are not readable")?;
    serve(&limits).context("the document could not be read")
}
