//! Where to listen, and what requests may be.

use std::{net::IpAddr, time::Duration};

use secrecy::SecretString;
use url::Url;

use super::Environment;

/// HTTP.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// `HOST`; loopback by default.
    pub host: IpAddr,
    /// `PORT`; 0 lets the system choose.
    pub port: u16,
    /// `ALLOWED_ORIGINS`, exact.
    pub allowed_origins: Vec<String>,
    /// `FRONTEND_URL`: the base of links in mails.
    pub frontend_url: Url,
    /// `PUBLIC_URL`: where browsers reach this server.
    pub public_url: Url,
    /// `TRUSTED_PROXIES`: how many proxies of ours stand before us; their `X-Forwarded-For` entries are believed.
    pub trusted_proxies: usize,
    /// `HTTP_WORKERS`: threads that serve requests.
    pub workers: usize,
    /// `SHUTDOWN_TIMEOUT_MS`: how long requests may finish after SIGTERM.
    pub shutdown_timeout: Duration,
    /// `JSON_BODY_MAX_MB`.
    pub json_body_bytes_max: usize,
    /// `GRISTMILL_MCP_FIXTURES`: what the test suite of the Model Context Protocol calls is there too.
    pub mcp_fixtures: bool,
    /// `METRICS_TOKEN`: who sends it may read `/metrics`; absent: programs on this machine may.
    pub metrics_token: Option<SecretString>,
}

pub(super) fn http(env: &mut Environment<'_>, cores: usize) -> HttpConfig {
    let local = ["localhost", "127.0.0.1"];
    let origins = env.list("ALLOWED_ORIGINS").unwrap_or_else(|| {
        [5173, 5174, 5175, 4173].iter().flat_map(|port| local.map(|host| format!("http://{host}:{port}"))).collect()
    });
    let metrics_token = env.text("METRICS_TOKEN");
    if metrics_token.as_ref().is_some_and(|token| token.len() < 16) {
        env.problem("METRICS_TOKEN", "must have 16 characters or more");
    }
    let port = env.number("PORT", 0..=65_535, 4000);
    HttpConfig {
        metrics_token: metrics_token.map(SecretString::from),
        host: env.parsed("HOST", "an IP address").unwrap_or(IpAddr::from([127, 0, 0, 1])),
        port,
        allowed_origins: origins,
        frontend_url: env.url("FRONTEND_URL", "http://localhost:5173"),
        public_url: public_url(env, port),
        trusted_proxies: env.number("TRUSTED_PROXIES", 0..=10, 0),
        workers: env.number("HTTP_WORKERS", 1..=256, cores),
        shutdown_timeout: Duration::from_millis(env.number("SHUTDOWN_TIMEOUT_MS", 0..=600_000, 15_000)),
        mcp_fixtures: env.flag("GRISTMILL_MCP_FIXTURES"),
        json_body_bytes_max: env.number("JSON_BODY_MAX_MB", 1..=1024, 10_usize) * 1024 * 1024,
    }
}

fn public_url(env: &mut Environment<'_>, port: u16) -> Url {
    let url = env.url("PUBLIC_URL", &format!("http://localhost:{port}"));
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !bare {
        env.problem("PUBLIC_URL", "must be where browsers reach this server, such as https://mill.example.org, and no more");
    }
    url
}
