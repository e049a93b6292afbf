//! Letters: sent to a mail server that the test runs, and what their links do.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::support::{Client, TestApp, eventually};

/// A mail server that keeps what it gets, and refuses one address.
struct Sink {
    port: u16,
    letters: Arc<Mutex<Vec<String>>>,
}

impl Sink {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let letters = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&letters);
        actix_web::rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                actix_web::rt::spawn(serve(stream, Arc::clone(&kept)));
            }
        });
        Self { port, letters }
    }

    /// The newest letter to an address, when it has come.
    async fn letter(&self, to: &str, subject: &str) -> String {
        eventually("the letter", async || {
            let letters = self.letters.lock().unwrap();
            let fits =
                |letter: &&String| letter.contains(&format!("To: {to}")) && letter.contains(&format!("Subject: {subject}"));
            letters.iter().rev().find(fits).cloned()
        })
        .await
    }
}

/// Speaks SMTP as far as a client without TLS needs it.
async fn serve(stream: TcpStream, kept: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink ESMTP\r\n").await?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer = match line.to_ascii_uppercase().split(' ').next().unwrap_or_default().trim_end() {
            "EHLO" => "250-sink\r\n250 AUTH PLAIN\r\n",
            "AUTH" if line.contains("AGFkYQBzZWNyZXQ=") => "235 welcome\r\n",
            "AUTH" => "535 who are you\r\n",
            "RCPT" if line.contains("refused@") => "550 there is nobody of that name\r\n",
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let mut letter = String::new();
                loop {
                    line.clear();
                    stream.read_line(&mut line).await?;
                    if line == ".\r\n" {
                        break;
                    }
                    letter.push_str(&line);
                }
                kept.lock().unwrap().push(letter.replace("=\r\n", "").replace("=3D", "="));
                "250 kept\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ => "250 fine\r\n",
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}

async fn app(sink: &Sink, password: &str) -> TestApp {
    let port = sink.port.to_string();
    TestApp::start_with(&[
        ("SMTP_HOST", "127.0.0.1"),
        ("SMTP_PORT", &port),
        ("SMTP_USER", "ada"),
        ("SMTP_PASSWORD", password),
        ("SMTP_FROM", "Gristmill <mill@example.org>"),
        ("FRONTEND_URL", "https://mill.example.org/app"),
    ])
    .await
}

async fn register(app: &TestApp, address: &str) -> Client {
    let body = json!({ "email": address, "password": "correct horse", "name": "Ada" });
    let answer = app.anonymous().post("/api/auth/register", &body).await.expect(201);
    assert_eq!(answer["user"]["email_verified"], false);
    app.with_token(answer["accessToken"].as_str().unwrap())
}

/// The token of the link into a page of the frontend.
fn token(letter: &str, page: &str) -> String {
    let start = format!("https://mill.example.org/app/{page}?token=");
    let (_, rest) = letter.split_once(&start).unwrap_or_else(|| panic!("no link in {letter}"));
    rest.chars().take_while(char::is_ascii_hexdigit).collect()
}

#[actix_web::test]
async fn an_address_is_verified_by_its_letter() {
    let sink = Sink::start().await;
    let app = app(&sink, "secret").await;
    let ada = register(&app, "ada@example.org").await;
    ada.get("/api/projects").await.refused(403, "email_not_verified");
    let letter = sink.letter("ada@example.org", "Confirm").await;
    assert!(letter.contains("From: Gristmill <mill@example.org>") && letter.contains("Hello Ada"), "{letter}");
    let body = json!({ "token": token(&letter, "verify-email") });
    app.anonymous().post("/api/auth/verify-email", &body).await.expect(200);
    assert_eq!(ada.get("/api/auth/verification-status").await.expect(200), json!({ "emailVerified": true }));
    ada.get("/api/projects").await.expect(200);
    app.anonymous().post("/api/auth/verify-email", &body).await.refused(400, "token_invalid");
    ada.post("/api/auth/resend-verification", &json!({})).await.refused(400, "email_already_verified");
}

#[actix_web::test]
async fn a_forgotten_password_is_replaced_by_its_letter() {
    let sink = Sink::start().await;
    let app = app(&sink, "secret").await;
    register(&app, "ada@example.org").await;
    let nobody = app.anonymous();
    nobody.post("/api/auth/forgot-password", &json!({ "email": "ada@example.org" })).await.expect(200);
    let letter = sink.letter("ada@example.org", "Choose").await;
    let body = json!({ "token": token(&letter, "reset-password"), "password": "battery staple" });
    nobody.post("/api/auth/reset-password", &body).await.expect(200);
    nobody.post("/api/auth/reset-password", &body).await.refused(400, "token_invalid");
    let login = |password: &str| json!({ "email": "ada@example.org", "password": password });
    nobody.post("/api/auth/login", &login("correct horse")).await.refused(401, "invalid_credentials");
    nobody.post("/api/auth/login", &login("battery staple")).await.expect(200);
}

#[actix_web::test]
async fn nobody_waits_for_a_mail_server_that_refuses() {
    let sink = Sink::start().await;
    let app = app(&sink, "wrong").await;
    let ada = register(&app, "ada@example.org").await;
    assert_eq!(ada.get("/api/auth/verification-status").await.expect(200), json!({ "emailVerified": false }));
    let known = app.anonymous().post("/api/auth/forgot-password", &json!({ "email": "ada@example.org" })).await.expect(200);
    let unknown = app.anonymous().post("/api/auth/forgot-password", &json!({ "email": "eve@example.org" })).await.expect(200);
    assert_eq!(known, unknown);
    assert!(sink.letters.lock().unwrap().is_empty());
}
