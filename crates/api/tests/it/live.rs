//! Watching notebooks over `/ws/notebook` (contract 3, section 8).

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    notebooks::{cell, notebook},
    support::{Client, PATIENCE, TestApp},
};

/// A WebSocket client that shows every frame.
struct Socket {
    stream: TcpStream,
}

#[derive(Debug, PartialEq)]
enum Frame {
    Text(Value),
    Ping,
    Pong,
    Close(u16),
    End,
}

impl Socket {
    async fn open(address: std::net::SocketAddr, query: &str, header: Option<&str>) -> Self {
        Self::open_at(address, &format!("/ws/notebook{query}"), header).await
    }

    async fn open_at(address: std::net::SocketAddr, path: &str, header: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let authorization = header.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{authorization}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        Self { stream }
    }

    async fn of(app: &TestApp, client: &Client) -> Self {
        Self::open(app.server.address(), &format!("?token={}", client.token.as_deref().unwrap()), None).await
    }

    async fn send_frame(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match u8::try_from(payload.len()) {
            Ok(length) if length < 126 => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
            }
        }
        // A mask of zeros leaves the payload as it is.
        frame.extend([0; 4]);
        frame.extend(payload);
        self.stream.write_all(&frame).await.unwrap();
    }

    async fn say(&mut self, message: &Value) {
        self.send_frame(1, message.to_string().as_bytes()).await;
    }

    async fn read_frame(&mut self) -> Frame {
        let Ok(first) = self.stream.read_u8().await else { return Frame::End };
        let length = match self.stream.read_u8().await.unwrap() {
            126 => u64::from(self.stream.read_u16().await.unwrap()),
            127 => self.stream.read_u64().await.unwrap(),
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).await.unwrap();
        match first & 0x0f {
            1 => Frame::Text(serde_json::from_slice(&payload).unwrap()),
            8 if payload.len() >= 2 => Frame::Close(u16::from_be_bytes([payload[0], payload[1]])),
            8 => Frame::Close(1005),
            9 => Frame::Ping,
            10 => Frame::Pong,
            other => panic!("opcode {other}"),
        }
    }

    /// The next message; pings are answered.
    async fn next(&mut self) -> Value {
        let reading = async {
            loop {
                match self.read_frame().await {
                    Frame::Text(value) => return value,
                    Frame::Ping => self.send_frame(10, b"").await,
                    Frame::Pong => {}
                    other => panic!("{other:?} instead of a message"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("a message in time")
    }

    /// The next message, which must be of this type.
    async fn expect(&mut self, kind: &str) -> Value {
        let message = self.next().await;
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    async fn subscribe(&mut self, notebook: &str) -> i64 {
        self.say(&json!({ "type": "subscribe", "notebookId": notebook })).await;
        let message = self.expect("subscribed").await;
        assert_eq!(message["notebookId"], notebook);
        message["seq"].as_i64().unwrap()
    }

    async fn close_code(&mut self) -> Frame {
        let reading = async {
            loop {
                match self.read_frame().await {
                    Frame::Ping | Frame::Pong => {}
                    frame => return frame,
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("an end in time")
    }
}

#[actix_web::test]
async fn watchers_see_every_change() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let project = ada.project("P").await;
    let id = notebook(&ada, &project, &json!({})).await;
    let (mut one, mut two) = (Socket::of(&app, &ada).await, Socket::of(&app, &ada).await);
    assert_eq!(one.subscribe(&id).await, 0);
    two.subscribe(&id).await;

    let made = cell(&ada, &id, "a").await;
    for socket in [&mut one, &mut two] {
        let event = socket.expect("cell:created").await;
        assert_eq!(
            (event["cell"]["cellId"].as_str(), event["cell"]["notebookId"].as_str()),
            (Some(made.as_str()), Some(id.as_str()))
        );
        assert!(event["timestamp"].is_string() && event["seq"] == 1, "{event}");
    }
    ada.patch(&format!("/api/cells/{made}"), &json!({ "content": "raise ValueError('x')" })).await.expect(200);
    assert_eq!(one.expect("cell:updated").await["cell"]["content"], "raise ValueError('x')");

    let result = ada.post(&format!("/api/cells/{made}/run"), &json!({ "projectId": project })).await.expect(200);
    assert_eq!(one.expect("cell:executing").await["cellId"], made.as_str());
    let executed = loop {
        let event = one.next().await;
        if event["type"] != "cell:output" {
            break event;
        }
        assert_eq!(event["cellId"], made.as_str());
    };
    assert_eq!(executed["type"], "cell:executed", "{executed}");
    assert_eq!(executed["cell"]["output"], result["outputs"]);
    assert_eq!(executed["cell"]["lockedBy"], Value::Null);
    one.expect("cell:unlocked").await;

    ada.post(&format!("/api/notebooks/{id}/reorder"), &json!({ "cellIds": [made] })).await.expect(200);
    one.expect("cell:updated").await;
    let point =
        ada.post(&format!("/api/notebooks/{id}/savepoints"), &json!({ "turnIndex": 0, "turnMessageId": "m" })).await.expect(201);
    ada.delete(&format!("/api/cells/{made}")).await.expect(204);
    assert_eq!(one.expect("cell:deleted").await["cellId"], made.as_str());
    let restore = format!("/api/notebooks/{id}/savepoints/{}/restore", point["savepointId"].as_str().unwrap());
    ada.post(&restore, &json!({})).await.expect(200);
    let reset = one.expect("notebook:cells_reset").await;
    assert_eq!((reset["cells"][0]["cellId"].as_str(), reset["notebookId"].as_str()), (Some(made.as_str()), Some(id.as_str())));
}

#[actix_web::test]
async fn who_is_not_signed_in_is_told_by_4401() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    for query in ["", "?token=", "?token=nonsense", "?other=1"] {
        let mut socket = Socket::open(app.server.address(), query, None).await;
        assert_eq!(socket.close_code().await, Frame::Close(4401), "{query}");
    }
    let mut socket = Socket::open(app.server.address(), "", ada.token.as_deref()).await;
    socket.say(&json!({ "type": "ping" })).await;
    socket.expect("pong").await;
}

#[actix_web::test]
async fn foreign_notebooks_and_nonsense_are_refused_and_the_socket_stays() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let id = notebook(&ada, &ada.project("P").await, &json!({})).await;
    let mut socket = Socket::of(&app, &eve).await;
    for wrong in [
        json!({ "type": "subscribe", "notebookId": id }),
        json!({ "type": "subscribe", "notebookId": uuid::Uuid::new_v4() }),
        json!({ "type": "subscribe", "notebookId": "none" }),
        json!({ "type": "subscribe" }),
        json!([1]),
    ] {
        socket.say(&wrong).await;
        assert!(socket.expect("error").await["message"].is_string());
    }
    socket.send_frame(1, b"{not json").await;
    socket.expect("error").await;
    socket.say(&json!({ "type": "from the future" })).await;
    cell(&ada, &id, "secret").await;
    socket.say(&json!({ "type": "ping" })).await;
    socket.expect("pong").await;
}

#[actix_web::test]
async fn nothing_comes_after_unsubscribe() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let id = notebook(&ada, &ada.project("P").await, &json!({})).await;
    let mut socket = Socket::of(&app, &ada).await;
    socket.subscribe(&id).await;
    cell(&ada, &id, "a").await;
    socket.expect("cell:created").await;
    socket.say(&json!({ "type": "unsubscribe", "notebookId": id })).await;
    assert_eq!(socket.expect("unsubscribed").await["notebookId"], id.as_str());
    cell(&ada, &id, "b").await;
    // What a watcher hears now comes before anything that would still have come.
    assert_eq!(socket.subscribe(&id).await, 2);
    cell(&ada, &id, "c").await;
    assert_eq!(socket.expect("cell:created").await["cell"]["content"], "c");
}

#[actix_web::test]
async fn a_reconnecting_watcher_gets_what_it_missed() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let id = notebook(&ada, &ada.project("P").await, &json!({})).await;
    let mut socket = Socket::of(&app, &ada).await;
    socket.subscribe(&id).await;
    let first = cell(&ada, &id, "a").await;
    let seen = socket.expect("cell:created").await["seq"].as_i64().unwrap();
    drop(socket);
    cell(&ada, &id, "b").await;
    ada.delete(&format!("/api/cells/{first}")).await.expect(204);

    let mut socket = Socket::of(&app, &ada).await;
    socket.say(&json!({ "type": "subscribe", "notebookId": id, "after": seen })).await;
    socket.expect("subscribed").await;
    assert_eq!(socket.expect("cell:created").await["cell"]["content"], "b");
    assert_eq!(socket.expect("cell:deleted").await["cellId"], first.as_str());

    // What is pruned, or was never there, becomes the cells as they are.
    app.database.client().await.unwrap().batch_execute("delete from notebook_events where seq < 3").await.unwrap();
    for after in [0, 1, 1000] {
        socket.say(&json!({ "type": "subscribe", "notebookId": id, "after": after })).await;
        socket.expect("subscribed").await;
        let reset = socket.expect("notebook:cells_reset").await;
        assert_eq!((reset["cells"].as_array().unwrap().len(), reset["seq"].as_i64()), (1, Some(3)), "{reset}");
    }
}

#[actix_web::test]
async fn changes_on_one_server_reach_watchers_of_another() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let id = notebook(&ada, &ada.project("P").await, &json!({})).await;
    let second = app.second_server(&[]).await;
    let query = format!("?token={}", ada.token.as_deref().unwrap());
    let mut socket = Socket::open(second.address(), &query, None).await;
    socket.subscribe(&id).await;
    cell(&ada, &id, "from the first").await;
    assert_eq!(socket.expect("cell:created").await["cell"]["content"], "from the first");
    second.stop().await;
    assert!(matches!(socket.close_code().await, Frame::Close(_)), "a server that stops says so");
}

#[actix_web::test]
async fn silent_clients_are_dropped_and_living_ones_stay() {
    // Who is silent for two heartbeats is dropped: long enough that a busy machine does not silence the living one.
    let app = TestApp::start_with(&[("WS_HEARTBEAT_MS", "500")]).await;
    let ada = app.user("ada").await;
    let mut silent = Socket::of(&app, &ada).await;
    let mut living = Socket::of(&app, &ada).await;
    // The living one answers pings for longer than the silent one may be silent.
    let answering = async {
        for _ in 0..5 {
            assert_eq!(living.read_frame().await, Frame::Ping);
            living.send_frame(10, b"").await;
        }
    };
    let (ended, ()) = futures_util::future::join(silent.close_code(), answering).await;
    assert!(matches!(ended, Frame::Close(_) | Frame::End), "{ended:?}");
    living.say(&json!({ "type": "ping" })).await;
    living.expect("pong").await;
}

#[actix_web::test]
async fn a_watcher_that_does_not_read_loses_nothing_that_counts() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    let id = notebook(&ada, &ada.project("P").await, &json!({})).await;
    let made = cell(&ada, &id, "print").await;
    let mut socket = Socket::of(&app, &ada).await;
    socket.subscribe(&id).await;
    // More than sockets and channels hold, straight into the log.
    let payload = json!({ "type": "cell:output", "cellId": made, "output": { "type": "text", "content": "x".repeat(10_000) } });
    let sql = format!(
        "update notebooks set event_seq = event_seq + 3000;
         insert into notebook_events (notebook_id, seq, payload)
             select notebook_id, event_seq - 3000 + n, '{payload}' from notebooks, generate_series(1, 3000) n"
    );
    app.database.client().await.unwrap().batch_execute(&sql).await.unwrap();
    ada.patch(&format!("/api/cells/{made}"), &json!({ "content": "last" })).await.expect(200);
    let (mut bytes, mut messages) = (0, 0);
    loop {
        let message = socket.next().await;
        match message["type"].as_str().unwrap() {
            "cell:output" => {
                bytes += message["output"]["content"].as_str().unwrap().len();
                messages += 1;
            }
            "cell:updated" => break assert_eq!(message["cell"]["content"], "last"),
            other => panic!("{other}"),
        }
    }
    assert_eq!(bytes, 30_000_000);
    assert!(messages < 300, "{messages} messages: text is not joined");
}

#[actix_web::test]
async fn deployments_are_watched() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    let deployment = crate::tenancy::deployment_of(&app, &ada).await;
    let open = async |client: &Client| {
        let path = format!("/ws/deployment?token={}", client.token.as_deref().unwrap());
        Socket::open_at(app.server.address(), &path, None).await
    };
    let mut watcher = open(&ada).await;
    watcher.say(&json!({ "type": "ping" })).await;
    watcher.expect("pong").await;
    watcher.say(&json!({ "type": "subscribe", "deploymentId": deployment })).await;
    let snapshot = watcher.expect("deployment_snapshot").await;
    assert_eq!((&snapshot["deployment"]["status"], &snapshot["deployment"]["name"]), (&json!("healthy"), &json!("salary")));
    let mut stranger = open(&eve).await;
    stranger.say(&json!({ "type": "subscribe", "deploymentId": deployment })).await;
    assert_eq!(stranger.expect("error").await["message"], "Deployment not found");
    for nonsense in [json!(1), json!({ "type": "subscribe" }), json!({ "type": "subscribe", "deploymentId": "x" })] {
        stranger.say(&nonsense).await;
        stranger.expect("error").await;
    }
    ada.patch(&format!("/api/deployments/{deployment}"), &json!({ "action": "stop" })).await.expect(200);
    loop {
        let change = watcher.expect("status_change").await;
        assert_eq!(change["deploymentId"], json!(deployment));
        // `stopping` may be over before anybody looks.
        if change["status"] == "stopped" {
            break;
        }
        assert_eq!(change["status"], "stopping", "{change}");
    }
    let mut nobody = Socket::open_at(app.server.address(), "/ws/deployment?token=x", None).await;
    assert_eq!(nobody.close_code().await, Frame::Close(4401));
}

#[actix_web::test]
async fn plain_requests_and_other_sockets_are_not_there() {
    let app = TestApp::start().await;
    let ada = app.user("ada").await;
    ada.get("/ws/other").await.refused(404, "not_found");
    assert_eq!(ada.get("/ws/notebook").await.status, 400, "no handshake");
}
