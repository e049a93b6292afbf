//! One socket: who it is, what it watches, whether it is alive.

use std::{collections::HashMap, time::Instant};

use actix_web::{Error, HttpRequest, HttpResponse, get, http::header, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Session};
use futures_util::StreamExt;
use gristmill_api_types::live::{NotebookSocketMessage as Message, NotebookSocketRequest as Request};
use gristmill_domain::{Caller, NotebookId, ports::StoreError};
use tokio::task::AbortHandle;

use super::follow::Follower;
use crate::{
    extract::{Read, admit},
    state::AppState,
};

/// The close code that tells a client to stop reconnecting and to sign in.
const UNAUTHENTICATED: u16 = 4401;
/// Largest message of a client.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Notebooks that one socket may watch.
const WATCHED_MAX: usize = 64;

/// Upgrades to a WebSocket. The token comes as `?token=`, because browsers cannot set headers here, or in the
/// `Authorization` header. A bad one is told by close code 4401, after the upgrade: browsers hide failed upgrades.
///
/// # Errors
/// actix's, when the request is no WebSocket handshake.
#[get("/ws/notebook")]
pub(crate) async fn notebook_socket(
    request: HttpRequest,
    body: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Error> {
    let (response, session, stream) = actix_ws::handle(&request, body)?;
    let stream = stream.max_frame_size(MESSAGE_BYTES_MAX).aggregate_continuations().max_continuation_size(MESSAGE_BYTES_MAX);
    let caller = signed_in(&state, &request).await;
    // A task of this worker: the request's body cannot leave its thread. It ends with the socket, or when the hub is
    // closed.
    drop(actix_web::rt::spawn(async move {
        match caller {
            Some(caller) => Socket::new(state, caller, session).serve(stream).await,
            None => drop(session.close(Some(unauthenticated())).await),
        }
    }));
    Ok(response)
}

/// Who asks for a socket, if the token is good.
pub(super) async fn signed_in(state: &AppState, request: &HttpRequest) -> Option<Caller> {
    let caller = state.identity.authenticator.authenticate(&token_of(request)?).await.ok()?;
    admit::<Read>(&caller).is_ok().then_some(caller)
}

/// Tells a client to sign in and not to come again before.
pub(super) fn unauthenticated() -> CloseReason {
    CloseReason { code: CloseCode::Other(UNAUTHENTICATED), description: Some("sign in first".into()) }
}

fn token_of(request: &HttpRequest) -> Option<String> {
    let in_query = url::form_urlencoded::parse(request.query_string().as_bytes()).find(|(name, _)| name == "token");
    let in_header = || {
        let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    };
    in_query.map(|(_, token)| token.into_owned()).or_else(in_header)
}

/// A socket of a caller.
struct Socket {
    state: web::Data<AppState>,
    caller: Caller,
    session: Session,
    watched: HashMap<NotebookId, AbortHandle>,
    tasks: tokio::task::JoinSet<()>,
    seen: Instant,
}

/// Whether the socket goes on.
type Flow = std::ops::ControlFlow<Option<CloseReason>>;

impl Socket {
    fn new(state: web::Data<AppState>, caller: Caller, session: Session) -> Self {
        Self { state, caller, session, watched: HashMap::new(), tasks: tokio::task::JoinSet::new(), seen: Instant::now() }
    }

    async fn serve(mut self, mut stream: AggregatedMessageStream) {
        let heartbeat = self.state.config.notebooks.heartbeat;
        let mut ticks = tokio::time::interval(heartbeat);
        let closing = self.state.live.closing().clone();
        let reason = loop {
            let flow = tokio::select! {
                () = closing.cancelled() => Flow::Break(Some(CloseCode::Restart.into())),
                received = stream.next() => match received {
                    Some(Ok(message)) => self.receive(message).await,
                    Some(Err(_)) => Flow::Break(Some(CloseCode::Protocol.into())),
                    None => Flow::Break(None),
                },
                _ = ticks.tick() => {
                    if self.seen.elapsed() > heartbeat * 2 {
                        // Nobody reads the reason; the connection is dropped with the session.
                        Flow::Break(None)
                    } else if self.ping(heartbeat).await {
                        Flow::Continue(())
                    } else {
                        Flow::Break(None)
                    }
                }
                Some(_) = self.tasks.join_next() => Flow::Continue(()),
            };
            if let Flow::Break(reason) = flow {
                break reason;
            }
        };
        self.tasks.abort_all();
        // A client that does not read would keep the close waiting.
        drop(tokio::time::timeout(heartbeat, self.session.close(reason)).await);
    }

    /// Sends a ping, unless what is before it waits for a client that does not read.
    async fn ping(&mut self, patience: std::time::Duration) -> bool {
        matches!(tokio::time::timeout(patience, self.session.ping(b"")).await, Ok(Ok(())))
    }

    async fn receive(&mut self, message: AggregatedMessage) -> Flow {
        self.seen = Instant::now();
        match message {
            AggregatedMessage::Text(text) => self.answer(&text).await,
            AggregatedMessage::Ping(bytes) => self.flow(matches!(self.session.clone().pong(&bytes).await, Ok(()))),
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
            Ok(Request::Subscribe { notebook_id, after }) => self.subscribe(notebook_id, after).await,
            Ok(Request::Unsubscribe { notebook_id }) => {
                if let Some(task) = self.watched.remove(&notebook_id) {
                    task.abort();
                }
                self.say(&Message::Unsubscribed { notebook_id }).await
            }
            Ok(Request::Ping) => self.say(&Message::Pong).await,
            Err(error) => self.refuse(&format!("The message is wrong: {error}")).await,
        }
    }

    async fn subscribe(&mut self, notebook: NotebookId, after: Option<i64>) -> Flow {
        if let Some(task) = self.watched.remove(&notebook) {
            task.abort();
        }
        self.watched.retain(|_, task| !task.is_finished());
        if self.watched.len() >= WATCHED_MAX {
            return self.refuse("Too many notebooks at once").await;
        }
        let head = match self.state.notebooks.events(&self.caller, notebook, i64::MAX, 0).await {
            Ok(stretch) => stretch.head,
            Err(StoreError::NotFound) => return self.refuse("Notebook not found").await,
            Err(_) => return self.refuse("The notebook cannot be watched now; try again shortly").await,
        };
        self.warm_help(notebook).await;
        let cursor = after.unwrap_or(head);
        let flow = self.say(&Message::Subscribed { notebook_id: notebook, seq: cursor }).await;
        let follower =
            Follower { state: self.state.clone(), caller: self.caller.clone(), notebook, session: self.session.clone(), cursor };
        self.watched.insert(notebook, self.tasks.spawn(follower.run()));
        flow
    }

    /// Whoever opens a notebook will write in it: Python help starts before the first key.
    async fn warm_help(&self, notebook: NotebookId) {
        if let Ok(notebook) = self.state.notebooks.find(&self.caller, notebook).await {
            self.state.runtime.warm_assist(notebook.project_id);
        }
    }

    async fn refuse(&mut self, message: &str) -> Flow {
        self.say(&Message::Error { message: message.to_owned() }).await
    }

    async fn say(&mut self, message: &Message) -> Flow {
        let Ok(text) = serde_json::to_string(message) else { return Flow::Continue(()) };
        let patience = self.state.config.notebooks.heartbeat * 2;
        let sent = matches!(tokio::time::timeout(patience, self.session.text(text)).await, Ok(Ok(())));
        self.flow(sent)
    }

    #[expect(clippy::unused_self, reason = "reads as the others")]
    fn flow(&self, goes_on: bool) -> Flow {
        if goes_on { Flow::Continue(()) } else { Flow::Break(None) }
    }
}
