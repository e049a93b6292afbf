//! The HTTP server: config, wiring, extractors, routes, streams, OpenAPI. Thin.
