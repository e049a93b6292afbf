//! The protocol's library, set up: without sessions.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use gristmill_identity::ServerSecret;
use http_body_util::{Full, combinators::BoxBody};
use rmcp::{
    model::RequestStateCodec,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService,
        session::{local::LocalSessionManager, never::NeverSessionManager},
    },
};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{fixtures::SuiteTasks, handler::McpHandler};
use crate::config::HttpConfig;

/// Speaks the protocol. One a process.
pub struct McpEndpoint {
    stateless: StreamableHttpService<McpHandler, NeverSessionManager>,
    /// For the suite of the protocol's authors only: revisions before 2026-07-28 let a server ask its client something within
    /// a session, which this server never does, but tools of that suite do.
    sessions: Option<StreamableHttpService<McpHandler, LocalSessionManager>>,
    pub(super) seal: RequestStateCodec,
    /// Tasks of that suite's tools.
    pub(super) suite: Option<SuiteTasks>,
}

impl std::fmt::Debug for McpEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("McpEndpoint").field("sessions", &self.sessions.is_some()).finish_non_exhaustive()
    }
}

impl McpEndpoint {
    /// Sets it up. `stopping` ends what still streams.
    #[must_use]
    pub fn new(config: &HttpConfig, secret: &ServerSecret, stopping: &CancellationToken) -> Self {
        let fixtures = config.mcp_fixtures;
        let settings = |sessions: bool| {
            StreamableHttpServerConfig::default()
                // Whoever has a token may use any name of this server; what browsers send is checked by `Origin`, before.
                .disable_allowed_hosts()
                .with_legacy_session_mode(sessions)
                .with_max_request_body_bytes(config.json_body_bytes_max)
                .with_cancellation_token(stopping.child_token())
        };
        let stateless = StreamableHttpService::new(move || Ok(McpHandler::new(fixtures)), Arc::default(), settings(false));
        let sessions =
            fixtures.then(|| StreamableHttpService::new(move || Ok(McpHandler::new(fixtures)), Arc::default(), settings(true)));
        // All servers of an installation open what one of them sealed.
        let key = Sha256::new().chain_update(b"gristmill mcp request state v1\0").chain_update(secret.expose()).finalize();
        let seal = RequestStateCodec::new_unchecked(key.to_vec());
        Self { stateless, sessions, seal, suite: fixtures.then(SuiteTasks::default) }
    }

    /// Whether there are sessions.
    pub(super) fn has_sessions(&self) -> bool {
        self.sessions.is_some()
    }

    /// Answers a request, in a session or without one.
    pub(super) async fn handle(
        &self,
        request: ::http::Request<Full<Bytes>>,
        in_session: InSession,
    ) -> ::http::Response<BoxBody<Bytes, Infallible>> {
        match (&self.sessions, in_session) {
            (Some(sessions), InSession::Yes) => Box::pin(sessions.handle(request)).await,
            _ => Box::pin(self.stateless.handle(request)).await,
        }
    }
}

/// Whether a request opens a session or belongs to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InSession {
    /// It does.
    Yes,
    /// It stands alone.
    No,
}
