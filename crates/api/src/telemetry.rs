//! Where spans and events go: to standard error as log lines, and, with the feature `otel`, as traces to a collector.
//!
//! Nothing else knows OpenTelemetry: everywhere else there is `tracing`.

#[cfg(feature = "otel")]
mod otel;

use std::sync::Arc;

use actix_web::http::{Method, StatusCode, header::HeaderMap};
use gristmill_domain::jobs::NewJob;
use gristmill_jobs::JobHandler;
use tokio::runtime::Handle;
use tracing::Span;
use tracing_subscriber::{EnvFilter, Layer, Registry, filter::ParseError, fmt, prelude::*};

use crate::config::{Config, LogFormat};

/// The library of the Model Context Protocol logs whole messages, with the rows and texts in them: it is heard only of what fails,
/// unless a filter names it.
const QUIET: &str = "rmcp=error";

/// What must be told that the program ends, so that it sends what it still has.
#[derive(Debug, Default)]
pub struct Telemetry {
    #[cfg(feature = "otel")]
    traces: Option<otel::Traces>,
}

impl Telemetry {
    /// Starts to log, and to send traces where a collector is configured. Once a process.
    ///
    /// # Errors
    /// When `LOG_LEVEL` is no filter, or something logs already.
    pub fn start(config: &Config, runtime: Handle) -> anyhow::Result<Self> {
        let log = &config.log;
        let filter = filter(&log.filter).map_err(|error| anyhow::anyhow!("LOG_LEVEL is not a filter: {error}"))?;
        // To standard error: standard output belongs to what a command prints.
        let lines: Box<dyn Layer<_> + Send + Sync> = match log.format {
            LogFormat::Text => fmt::layer().with_writer(std::io::stderr).boxed(),
            LogFormat::Json => fmt::layer().json().with_writer(std::io::stderr).boxed(),
        };
        let registry = Registry::default().with(filter).with(lines);
        #[cfg(feature = "otel")]
        {
            let traces = config.telemetry.as_ref().map(|config| otel::Traces::start(config, runtime)).transpose()?;
            registry.with(traces.as_ref().map(otel::Traces::layer)).try_init()?;
            Ok(Self { traces })
        }
        #[cfg(not(feature = "otel"))]
        {
            drop(runtime);
            registry.try_init()?;
            if config.telemetry.is_some() {
                tracing::warn!("OTEL_EXPORTER_OTLP_ENDPOINT is set, but this program was built without the feature `otel`");
            }
            Ok(Self {})
        }
    }

    /// Sends what is left, and stops. Blocks for some seconds at most: not for an async thread.
    pub fn stop(self) {
        #[cfg(feature = "otel")]
        if let Some(traces) = self.traces {
            traces.stop();
        }
    }
}

fn filter(asked: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(format!("{QUIET},{asked}"))
}

/// Makes a request's span part of the trace that its client sends (`traceparent`).
pub fn adopt(span: &Span, headers: &HeaderMap) {
    #[cfg(feature = "otel")]
    otel::adopt(span, headers);
    #[cfg(not(feature = "otel"))]
    let _ = (span, headers);
}

/// Names a request's span by its route, once that is known, and tells how the request ended.
pub fn conclude(span: &Span, method: &Method, route: &str, status: StatusCode) {
    #[cfg(feature = "otel")]
    otel::conclude(span, method, route, status);
    #[cfg(not(feature = "otel"))]
    let _ = (span, method, route, status);
}

/// A job that remembers where in a trace it was asked for. It may run much later, in another process.
#[must_use]
pub fn traced(job: NewJob) -> NewJob {
    #[cfg(feature = "otel")]
    {
        otel::traced(job)
    }
    #[cfg(not(feature = "otel"))]
    {
        job
    }
}

/// A handler whose runs have, in their traces, a link to where their jobs were asked for ([`traced`]).
#[must_use]
pub fn linked(handler: Arc<dyn JobHandler>) -> Arc<dyn JobHandler> {
    #[cfg(feature = "otel")]
    {
        Arc::new(otel::Linked(handler))
    }
    #[cfg(not(feature = "otel"))]
    {
        handler
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_messages_are_logged_only_when_asked_for() {
        for (asked, heard) in
            [("debug", "rmcp=error"), ("info,gristmill_api=trace", "rmcp=error"), ("rmcp=debug,info", "rmcp=debug")]
        {
            let directives = filter(asked).unwrap().to_string();
            assert!(directives.split(',').any(|directive| directive == heard), "{asked}: {directives}");
        }
        assert!(filter("gristmill=loud").is_err());
    }
}
