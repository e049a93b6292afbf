//! A stand-in for Google: consents at once, checks what Google would check, and misbehaves when told to.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, get, http::StatusCode, post, web};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::support::TestApp;

pub(crate) const CLIENT_ID: &str = "mill.apps.example";
pub(crate) const CLIENT_SECRET: &str = "GOCSPX-0123456789abcdef";
/// Where browsers reach the server under test; nobody looks the name up.
pub(crate) const PUBLIC_URL: &str = "https://mill.example.org";

type Fields = BTreeMap<String, String>;

/// What it knows, and how it misbehaves.
#[derive(Default)]
pub(crate) struct Known {
    /// Who sits before the browser.
    pub(crate) person: Value,
    /// Status and text that the token endpoint answers instead.
    pub(crate) token_answer: Option<(u16, String)>,
    /// Status and text that the userinfo endpoint answers instead.
    pub(crate) userinfo_answer: Option<(u16, String)>,
    /// Codes, verifiers and tokens that it saw.
    pub(crate) secrets: Vec<String>,
    /// How often it was asked for something that only a followed redirect leads to.
    pub(crate) strayed: u32,
    codes: HashMap<String, Issued>,
    tokens: HashSet<String>,
}

struct Issued {
    challenge: String,
    redirect_uri: String,
}

pub(crate) struct StandIn {
    pub(crate) url: String,
    known: Arc<Mutex<Known>>,
}

impl StandIn {
    pub(crate) fn start() -> Self {
        let known = Arc::new(Mutex::new(Known { person: person("1", "ada@example.org"), ..Known::default() }));
        let shared = web::Data::from(Arc::clone(&known));
        let server = HttpServer::new(move || {
            App::new().app_data(shared.clone()).service(consent).service(exchange).service(tell).service(stray)
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        actix_web::rt::spawn(server.run());
        Self { url, known }
    }

    /// Not to be held while something is waited for.
    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    /// The settings of a server that signs in here.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("GOOGLE_CLIENT_ID", CLIENT_ID.to_owned()),
            ("GOOGLE_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
            ("GOOGLE_AUTH_URL", format!("{}/auth", self.url)),
            ("GOOGLE_TOKEN_URL", format!("{}/token", self.url)),
            ("GOOGLE_USERINFO_URL", format!("{}/userinfo", self.url)),
            ("PUBLIC_URL", PUBLIC_URL.to_owned()),
        ]
    }

    /// Such a server.
    pub(crate) async fn app(&self, more: &[(&str, &str)]) -> TestApp {
        let variables = self.variables();
        let mut all: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend(more);
        TestApp::start_with(&all).await
    }
}

/// What Google tells of somebody.
pub(crate) fn person(subject: &str, email: &str) -> Value {
    json!({
        "sub": subject, "email": email, "email_verified": true, "name": "Ada Lovelace", "given_name": "Ada",
        "picture": "https://lh3.example/ada.png", "locale": "en",
    })
}

fn answer(status: u16, text: &str) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).unwrap())
        .content_type("application/json")
        .insert_header(("location", "/stray"))
        .body(text.to_owned())
}

fn random() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

#[get("/auth")]
async fn consent(asked: web::Query<Fields>, known: web::Data<Mutex<Known>>) -> HttpResponse {
    let field = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let expected = [
        ("response_type", "code"),
        ("client_id", CLIENT_ID),
        ("scope", "openid email profile"),
        ("access_type", "offline"),
        ("prompt", "consent"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", "https://mill.example.org/api/auth/google/return"),
    ];
    if let Some((name, _)) = expected.into_iter().find(|&(name, value)| field(name) != value) {
        return HttpResponse::BadRequest().body(format!("{name} is `{}`", field(name)));
    }
    let (code, state) = (format!("4/{}", random()), field("state").to_owned());
    let issued = Issued { challenge: field("code_challenge").to_owned(), redirect_uri: field("redirect_uri").to_owned() };
    let mut back = Url::parse(&issued.redirect_uri).unwrap();
    back.query_pairs_mut().append_pair("state", &state).append_pair("code", &code).append_pair("authuser", "0");
    let mut known = known.lock().unwrap();
    known.secrets.extend([code.clone(), state]);
    known.codes.insert(code, issued);
    HttpResponse::Found().insert_header(("location", back.as_str())).finish()
}

#[post("/token")]
async fn exchange(sent: web::Form<Fields>, known: web::Data<Mutex<Known>>) -> HttpResponse {
    let field = |name: &str| sent.get(name).map(String::as_str).unwrap_or_default();
    let mut known = known.lock().unwrap();
    known.secrets.push(field("code_verifier").to_owned());
    if let Some((status, text)) = &known.token_answer {
        return answer(*status, text);
    }
    if (field("client_id"), field("client_secret")) != (CLIENT_ID, CLIENT_SECRET) {
        return answer(401, r#"{"error":"invalid_client"}"#);
    }
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier")));
    let issued = known.codes.remove(field("code"));
    let fits = issued.is_some_and(|issued| issued.challenge == challenge && issued.redirect_uri == field("redirect_uri"));
    if field("grant_type") != "authorization_code" || !fits {
        return answer(400, r#"{"error":"invalid_grant","error_description":"Bad Request"}"#);
    }
    let token = format!("ya29.{}", random());
    known.tokens.insert(token.clone());
    known.secrets.push(token.clone());
    HttpResponse::Ok().json(json!({
        "access_token": token, "expires_in": 3599, "token_type": "Bearer", "scope": "openid email profile", "id_token": "e30.e30.x",
    }))
}

#[get("/userinfo")]
async fn tell(request: HttpRequest, known: web::Data<Mutex<Known>>) -> HttpResponse {
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let known = known.lock().unwrap();
    if !known.tokens.contains(header.strip_prefix("Bearer ").unwrap_or_default()) {
        return answer(401, "{}");
    }
    match &known.userinfo_answer {
        Some((status, text)) => answer(*status, text),
        None => HttpResponse::Ok().json(&known.person),
    }
}

/// Nobody has business here.
#[get("/stray")]
async fn stray(known: web::Data<Mutex<Known>>) -> HttpResponse {
    let mut known = known.lock().unwrap();
    known.strayed += 1;
    HttpResponse::Ok().json(&known.person)
}
