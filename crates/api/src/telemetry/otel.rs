//! Traces by OTLP over HTTP, in protocol buffers.

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix_web::http::{Method, StatusCode, header::HeaderMap};
use anyhow::Context;
use async_trait::async_trait;
use gristmill_domain::jobs::{Job, JobKind, NewJob, TRACEPARENT};
use gristmill_jobs::{JobContext, JobHandler, JobVerdict};
use opentelemetry::{
    Context as TraceContext,
    propagation::{Extractor, TextMapPropagator},
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};
use serde_json::Value;
use tokio::runtime::Handle;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::registry::LookupSpan;

use crate::config::TelemetryConfig;

/// How long the collector may take for a batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last batch may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends spans in batches, from a thread of its own with a bounded queue: when the collector is slow, spans are dropped and
/// requests do not wait.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    pub(super) fn start(config: &TelemetryConfig, runtime: Handle) -> anyhow::Result<Self> {
        // Before the server itself is put together.
        gristmill_llm::tls::install_provider();
        let client = reqwest::Client::builder().timeout(EXPORT_TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(Sender { client, runtime })
            .with_timeout(EXPORT_TIMEOUT)
            .with_endpoint(config.traces_url())
            .build()
            .context("traces cannot be sent")?;
        let resource = Resource::builder_empty().with_service_name(config.service_name.clone()).build();
        Ok(Self { provider: SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build() })
    }

    pub(super) fn layer<S: Subscriber + for<'span> LookupSpan<'span>>(&self) -> OpenTelemetryLayer<S, SdkTracer> {
        tracing_opentelemetry::layer().with_tracer(self.provider.tracer("gristmill"))
    }

    pub(super) fn stop(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(STOP_TIMEOUT) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Sends batches over the server's runtime: the thread that has them has none.
#[derive(Debug)]
struct Sender {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let client = self.client.clone();
        let sending = self.runtime.spawn(async move {
            let response = client.execute(request).await?;
            let status = response.status();
            Ok::<_, reqwest::Error>((status, response.bytes().await?))
        });
        let (status, body) = sending.await??;
        Ok(Response::builder().status(status).body(body)?)
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(actix_web::http::header::HeaderName::as_str).collect()
    }
}

pub(super) fn adopt(span: &Span, headers: &HeaderMap) {
    span.record("otel.kind", "server");
    let parent = TraceContextPropagator::new().extract(&Headers(headers));
    if parent.span().span_context().is_valid()
        && let Err(error) = span.set_parent(parent)
    {
        tracing::debug!(%error, "a request does not join its client's trace");
    }
}

pub(super) fn conclude(span: &Span, method: &Method, route: &str, status: StatusCode) {
    // A span that has begun keeps the name that it has in `tracing`, whatever is recorded.
    span.context().span().update_name(format!("{method} {route}"));
    span.record("http.route", route);
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

pub(super) fn traced(mut job: NewJob) -> NewJob {
    let mut carrier: HashMap<String, String> = HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    if let (Some(place), Value::Object(payload)) = (carrier.remove(TRACEPARENT), &mut job.payload) {
        payload.insert(TRACEPARENT.to_owned(), Value::String(place));
    }
    job
}

/// Runs jobs as the handler in it does, each within its worker's span.
#[derive(Debug)]
pub(super) struct Linked(pub(super) Arc<dyn JobHandler>);

#[async_trait]
impl JobHandler for Linked {
    fn kind(&self) -> JobKind {
        self.0.kind()
    }

    async fn run(&self, context: JobContext) -> JobVerdict {
        link(&Span::current(), context.job());
        self.0.run(context).await
    }
}

fn link(span: &Span, job: &Job) {
    let Some(place) = job.payload.get(TRACEPARENT).and_then(Value::as_str) else { return };
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), place.to_owned())]);
    let asked = TraceContextPropagator::new().extract_with_context(&TraceContext::new(), &carrier);
    span.add_link(asked.span().span_context().clone());
}
