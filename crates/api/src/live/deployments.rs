//! Watching deployments over a WebSocket (contract 3, section 8).

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use actix_web::{Error, HttpRequest, HttpResponse, get, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Session};
use futures_util::StreamExt;
use gristmill_api_types::{
    deployments::DeploymentView,
    live::{DeploymentSocketMessage as Message, DeploymentSocketRequest as Request},
};
use gristmill_domain::{Caller, DeploymentId, deployments::DeploymentStatus, ports::StoreError};
use tokio::sync::watch;

use super::socket::{MESSAGE_BYTES_MAX, signed_in, unauthenticated};
use crate::{deployments::server_url, state::AppState};

/// Deployments that one socket may watch.
const WATCHED_MAX: usize = 64;
/// How often to look without being told.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Upgrades to a WebSocket; the token as for `/ws/notebook`.
///
/// # Errors
/// actix's, when the request is no WebSocket handshake.
#[get("/ws/deployment")]
pub(crate) async fn deployment_socket(
    request: HttpRequest,
    body: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Error> {
    let (response, session, stream) = actix_ws::handle(&request, body)?;
    let stream = stream.max_frame_size(MESSAGE_BYTES_MAX).aggregate_continuations().max_continuation_size(MESSAGE_BYTES_MAX);
    let caller = signed_in(&state, &request).await;
    let server = server_url(&request);
    // A task of this worker: the request's body cannot leave its thread. It ends with the socket, or when the hub is closed.
    drop(actix_web::rt::spawn(async move {
        match caller {
            Some(caller) => {
                Socket { changes: state.live.deployment_changes(), state, caller, session, server, watched: HashMap::new() }
                    .serve(stream)
                    .await
            }
            None => drop(session.close(Some(unauthenticated())).await),
        }
    }));
    Ok(response)
}

/// A socket of a caller.
struct Socket {
    state: web::Data<AppState>,
    caller: Caller,
    session: Session,
    server: String,
    /// What the client was last told of each.
    watched: HashMap<DeploymentId, DeploymentStatus>,
    changes: watch::Receiver<u64>,
}

type Flow = std::ops::ControlFlow<Option<CloseReason>>;

impl Socket {
    async fn serve(mut self, mut stream: AggregatedMessageStream) {
        let heartbeat = self.state.config.notebooks.heartbeat;
        let mut pings = tokio::time::interval(heartbeat);
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let closing = self.state.live.closing().clone();
        let mut seen = Instant::now();
        let reason = loop {
            let flow = tokio::select! {
                () = closing.cancelled() => Flow::Break(Some(CloseCode::Restart.into())),
                received = stream.next() => {
                    seen = Instant::now();
                    match received {
                        Some(Ok(message)) => self.receive(message).await,
                        Some(Err(_)) => Flow::Break(Some(CloseCode::Protocol.into())),
                        None => Flow::Break(None),
                    }
                }
                _ = pings.tick() => {
                    let sent = tokio::time::timeout(heartbeat, self.session.ping(b"")).await;
                    if seen.elapsed() <= heartbeat * 2 && matches!(sent, Ok(Ok(()))) { Flow::Continue(()) } else { Flow::Break(None) }
                }
                changed = self.changes.changed() => match changed {
                    Ok(()) => self.look().await,
                    Err(_) => Flow::Break(None),
                },
                _ = looks.tick() => self.look().await,
            };
            if let Flow::Break(reason) = flow {
                break reason;
            }
        };
        drop(tokio::time::timeout(heartbeat, self.session.close(reason)).await);
    }

    async fn receive(&mut self, message: AggregatedMessage) -> Flow {
        match message {
            AggregatedMessage::Text(text) => self.answer(&text).await,
            AggregatedMessage::Ping(bytes) => flow(self.session.pong(&bytes).await.is_ok()),
            AggregatedMessage::Close(reason) => Flow::Break(reason),
            AggregatedMessage::Pong(_) => Flow::Continue(()),
            AggregatedMessage::Binary(_) => self.refuse("Send text").await,
        }
    }

    async fn answer(&mut self, text: &str) -> Flow {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else {
            return self.refuse("Messages must be JSON").await;
        };
        let kind = value.get("type").and_then(serde_json::Value::as_str).unwrap_or_default();
        if !["subscribe", "unsubscribe", "ping"].contains(&kind) {
            // Newer clients may say more.
            return if value.get("type").is_some() { Flow::Continue(()) } else { self.refuse("Messages need a type").await };
        }
        match serde_json::from_value(value) {
            Ok(Request::Subscribe { deployment_id }) => self.subscribe(deployment_id).await,
            Ok(Request::Unsubscribe { deployment_id }) => {
                self.watched.remove(&deployment_id);
                Flow::Continue(())
            }
            Ok(Request::Ping) => self.say(&Message::Pong).await,
            Err(error) => self.refuse(&format!("The message is wrong: {error}")).await,
        }
    }

    async fn subscribe(&mut self, id: DeploymentId) -> Flow {
        if self.watched.len() >= WATCHED_MAX && !self.watched.contains_key(&id) {
            return self.refuse("Too many deployments at once").await;
        }
        match self.state.deployments.find(&self.caller, id).await {
            Ok(deployment) => {
                self.watched.insert(id, deployment.status);
                let deployment = Box::new(DeploymentView::new(deployment, &self.server));
                self.say(&Message::DeploymentSnapshot { deployment }).await
            }
            Err(StoreError::NotFound) => self.refuse("Deployment not found").await,
            Err(_) => self.refuse("The deployment cannot be watched now; try again shortly").await,
        }
    }

    /// Tells what changed of the deployments that are watched.
    async fn look(&mut self) -> Flow {
        let ids: Vec<DeploymentId> = self.watched.keys().copied().collect();
        for id in ids {
            let deployment = match self.state.deployments.find(&self.caller, id).await {
                Ok(deployment) => deployment,
                Err(StoreError::NotFound) => {
                    self.watched.remove(&id);
                    continue;
                }
                // The next look finds out.
                Err(_) => continue,
            };
            if self.watched.insert(id, deployment.status) == Some(deployment.status) {
                continue;
            }
            let message = Message::StatusChange { deployment_id: id, status: deployment.status, error_message: deployment.error };
            if let Flow::Break(reason) = self.say(&message).await {
                return Flow::Break(reason);
            }
        }
        Flow::Continue(())
    }

    async fn refuse(&mut self, message: &str) -> Flow {
        self.say(&Message::Error { message: message.to_owned() }).await
    }

    async fn say(&mut self, message: &Message) -> Flow {
        let Ok(text) = serde_json::to_string(message) else { return Flow::Continue(()) };
        let patience = self.state.config.notebooks.heartbeat * 2;
        flow(matches!(tokio::time::timeout(patience, self.session.text(text)).await, Ok(Ok(()))))
    }
}

fn flow(goes_on: bool) -> Flow {
    if goes_on { Flow::Continue(()) } else { Flow::Break(None) }
}
