//! HTTP as all providers need it: one client with every timeout, failures as [`LlmError`], answers as event streams.

mod failure;
mod pump;

use std::time::Duration;

use reqwest::{
    Client, RequestBuilder, Response,
    header::{ACCEPT, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{EventStream, LlmError, TimeoutStage, secret::Scrubber, tls};

pub(crate) use failure::{in_band, is_format_refusal};
pub(crate) use pump::{Decoder, tool_arguments};

/// An answer that is not a stream is refused beyond this.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How long a provider may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection.
    pub connect: Duration,
    /// Until an answer begins.
    pub first_byte: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
    /// For a whole answer.
    pub total: Duration,
    /// For a whole answer of a model that was asked to think, and until such an answer begins.
    pub total_thinking: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: seconds(10),
            first_byte: seconds(60),
            idle: seconds(60),
            total: seconds(60),
            total_thinking: seconds(180),
        }
    }
}

impl Timeouts {
    /// The defaults with another bound for a whole answer; one that thinks may take three times as long.
    #[must_use]
    pub fn of_total(total: Duration) -> Self {
        let defaults = Self::default();
        Self {
            connect: defaults.connect.min(total),
            first_byte: total,
            idle: total,
            total,
            total_thinking: total.saturating_mul(3),
        }
    }
}

/// Where a provider is and how it knows us.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The address below which its routes are, such as `https://api.openai.com/v1`.
    pub base_url: Url,
    /// The key; absent for servers that want none.
    pub api_key: Option<SecretString>,
    /// How long it may take.
    pub timeouts: Timeouts,
}

impl Endpoint {
    /// An endpoint with the default timeouts.
    #[must_use]
    pub fn new(base_url: Url, api_key: Option<SecretString>) -> Self {
        Self { base_url, api_key, timeouts: Timeouts::default() }
    }
}

/// How a provider wants to see the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyHeader {
    Bearer,
    XApiKey,
}

/// What ends the work on one request.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    pub(crate) cancel: CancellationToken,
    deadline: Instant,
    total: Duration,
    first_byte: Duration,
    idle: Duration,
}

impl Watch {
    /// Waits for something, unless it is cancelled or too late before.
    pub(crate) async fn wait<T>(
        &self,
        stage: TimeoutStage,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, LlmError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(LlmError::Cancelled),
            () = sleep_until(self.deadline) => Err(LlmError::Timeout { stage: TimeoutStage::Total, limit: self.total }),
            // The timer only says that time is up.
            done = timeout(limit, work) => done.map_err(|_elapsed| LlmError::Timeout { stage, limit }),
        }
    }
}

/// A client of one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client,
    base_url: Url,
    headers: HeaderMap,
    timeouts: Timeouts,
    scrubber: Scrubber,
}

impl Http {
    /// # Errors
    /// `Unavailable` when the machine has no certificates, or the key cannot be sent.
    pub(crate) fn new(endpoint: &Endpoint, key_header: KeyHeader) -> Result<Self, LlmError> {
        tls::install_provider();
        let mut base_url = endpoint.base_url.clone();
        if !base_url.path().ends_with('/') {
            let path = format!("{}/", base_url.path());
            base_url.set_path(&path);
        }
        let mut builder = Client::builder()
            .connect_timeout(endpoint.timeouts.connect)
            .redirect(Policy::none())
            .pool_idle_timeout(Duration::from_secs(60))
            .user_agent(concat!("gristmill/", env!("CARGO_PKG_VERSION")));
        if base_url.scheme() == "http" {
            // Nothing to verify: a machine without certificates can still ask a local model.
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(&base_url) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| LlmError::Unavailable {
            detail: "the HTTP client cannot be built; for https the machine needs CA certificates (package ca-certificates)"
                .into(),
            retry_after: None,
            source: Some(Box::new(error)),
        })?;
        let headers = headers(endpoint.api_key.as_ref(), key_header)?;
        let scrubber = Scrubber::new(endpoint.api_key.clone());
        Ok(Self { client, base_url, headers, timeouts: endpoint.timeouts, scrubber })
    }

    pub(crate) fn base_url(&self) -> &Url {
        &self.base_url
    }

    /// The bounds of one request.
    pub(crate) fn watch(&self, cancel: &CancellationToken, deadline: Option<Instant>, thinks: bool) -> Watch {
        let total = if thinks { self.timeouts.total_thinking } else { self.timeouts.total };
        let now = Instant::now();
        let own = now + total;
        let deadline = deadline.map_or(own, |deadline| deadline.min(own));
        let wait = |limit: Duration| if thinks { limit.max(total) } else { limit };
        Watch {
            cancel: cancel.clone(),
            deadline,
            total: deadline.saturating_duration_since(now),
            first_byte: wait(self.timeouts.first_byte),
            idle: wait(self.timeouts.idle),
        }
    }

    /// Posts JSON, and decodes the answer as it comes.
    pub(crate) async fn stream(
        &self,
        path: &str,
        body: &Value,
        watch: Watch,
        decoder: Box<dyn Decoder>,
    ) -> Result<EventStream, LlmError> {
        let request = self.client.post(self.url(path)?).header(ACCEPT, "text/event-stream").json(body);
        let response = self.send(request, &watch).await?;
        pump::events(response, watch, decoder, self.scrubber.clone()).await
    }

    /// Posts JSON, and reads JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value, watch: &Watch) -> Result<Value, LlmError> {
        let request = self.client.post(self.url(path)?).json(body);
        self.read_json(self.send(request, watch).await?, watch).await
    }

    /// Posts JSON, and hands on whatever comes, success or not.
    pub(crate) async fn exchange(&self, path: &str, json: &Value, watch: &Watch) -> Result<(u16, Vec<u8>), LlmError> {
        let request = self.client.post(self.url(path)?).json(json);
        let mut response = self.answer(request, watch).await?;
        let bytes = body(&mut response, watch, failure::BODY_BYTES_MAX).await?;
        Ok((response.status().as_u16(), bytes))
    }

    /// What a failed answer says, without keys.
    pub(crate) fn said(&self, status: u16, body: &[u8]) -> String {
        failure::said(status, body, &self.scrubber)
    }

    /// Reads JSON.
    pub(crate) async fn get(&self, path: &str, watch: &Watch) -> Result<Value, LlmError> {
        let response = self.send(self.client.get(self.url(path)?), watch).await?;
        self.read_json(response, watch).await
    }

    async fn read_json(&self, mut response: Response, watch: &Watch) -> Result<Value, LlmError> {
        let bytes = body(&mut response, watch, BODY_BYTES_MAX).await?;
        serde_json::from_slice(&bytes).map_err(|error| LlmError::protocol(format!("it is not JSON: {error}")))
    }

    fn url(&self, path: &str) -> Result<Url, LlmError> {
        self.base_url.join(path).map_err(|error| LlmError::protocol(format!("the base URL cannot be used: {error}")))
    }

    /// Sends, and turns whatever is not a success into the reason.
    async fn send(&self, request: RequestBuilder, watch: &Watch) -> Result<Response, LlmError> {
        let mut response = self.answer(request, watch).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let text = body(&mut response, watch, failure::BODY_BYTES_MAX).await.unwrap_or_default();
        Err(failure::of_status(response.status(), response.headers(), &text, &self.scrubber))
    }

    async fn answer(&self, request: RequestBuilder, watch: &Watch) -> Result<Response, LlmError> {
        let request = request.headers(self.headers.clone()).send();
        let sent = watch.wait(TimeoutStage::FirstByte, watch.first_byte, request).await?;
        sent.map_err(|error| failure::unsent(error, &self.base_url, self.timeouts.connect))
    }
}

/// A body of bounded size.
async fn body(response: &mut Response, watch: &Watch, bytes_max: usize) -> Result<Vec<u8>, LlmError> {
    let mut bytes = Vec::new();
    while let Some(piece) = watch.wait(TimeoutStage::Idle, watch.idle, response.chunk()).await?.map_err(failure::broken)? {
        if bytes.len().saturating_add(piece.len()) > bytes_max {
            return Err(LlmError::TooLarge { bytes_max });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn headers(key: Option<&SecretString>, kind: KeyHeader) -> Result<HeaderMap, LlmError> {
    let mut headers = HeaderMap::new();
    if kind == KeyHeader::XApiKey {
        headers.insert(HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01"));
    }
    let Some(key) = key else { return Ok(headers) };
    let (name, text) = match kind {
        KeyHeader::Bearer => (reqwest::header::AUTHORIZATION, format!("Bearer {}", key.expose_secret())),
        KeyHeader::XApiKey => (HeaderName::from_static("x-api-key"), key.expose_secret().to_owned()),
    };
    // The cause would show the key.
    let unusable = |_| LlmError::Authentication { detail: "the key has characters that cannot be sent".into() };
    let mut value = HeaderValue::from_str(&text).map_err(unusable)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(headers)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
