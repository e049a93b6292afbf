//! Wire types of HTTP, NDJSON and SSE, and their conversions from the domain.
