//! A browser on its way to Google and back.

use std::time::Duration;

use reqwest::{Method, header};
use serde_json::json;
use url::Url;

use super::stand_in::PUBLIC_URL;
use crate::support::{Answer, Client, TestApp};

const FRONTEND: &str = "http://localhost:5173/auth/google/callback";
pub(crate) const FIREFOX: &str = "Mozilla/5.0 Firefox/150.0";

/// Somebody's browser: keeps our cookie, and shows where it is sent instead of going there.
pub(crate) struct Browser {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) agent: &'static str,
    pub(crate) cookie: Option<String>,
}

/// What an address answered.
pub(crate) struct Page {
    status: u16,
    location: Option<Url>,
    /// The whole `Set-Cookie`.
    pub(crate) set_cookie: String,
    text: String,
}

impl Page {
    /// Where it sends the browser.
    #[track_caller]
    pub(crate) fn location(self) -> Url {
        assert_eq!(self.status, 302, "{}", self.text);
        self.location.expect("an address")
    }
}

impl Browser {
    pub(crate) fn new(base: &str, agent: &'static str) -> Self {
        gristmill_llm::tls::install_provider();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self { http, base: base.to_owned(), agent, cookie: None }
    }

    pub(crate) fn of(app: &TestApp) -> Self {
        Self::new(&app.url(), FIREFOX)
    }

    /// Opens an address, of the server under its public name or of Google.
    pub(crate) async fn open(&mut self, address: &Url) -> Page {
        let ours = address.as_str().strip_prefix(PUBLIC_URL);
        let target = ours.map_or_else(|| address.to_string(), |path| format!("{}{path}", self.base));
        let mut request = self.http.get(target).header(header::USER_AGENT, self.agent);
        if let (Some(_), Some(cookie)) = (ours, &self.cookie) {
            request = request.header(header::COOKIE, format!("theme=dark; {cookie}"));
        }
        let response = request.send().await.unwrap();
        let field = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let set_cookie = field("set-cookie").unwrap_or_default();
        if ours.is_some() && !set_cookie.is_empty() {
            let pair = set_cookie.split(';').next().unwrap().to_owned();
            self.cookie = Some(pair).filter(|_| !set_cookie.contains("Max-Age=0"));
        }
        let location = field("location").map(|text| Url::parse(&text).unwrap());
        Page { status: response.status().as_u16(), location, set_cookie, text: response.text().await.unwrap() }
    }

    /// Goes to where the frontend is told to send it: Google's page.
    pub(crate) async fn start(&mut self) -> Url {
        let start = Client::new(&self.base, None).get("/api/auth/google").await.expect(200);
        let start = Url::parse(start["authUrl"].as_str().unwrap()).unwrap();
        self.open(&start).await.location()
    }

    /// Goes to Google and consents: our address, with Google's code.
    pub(crate) async fn consent(&mut self) -> Url {
        let consent = self.start().await;
        self.open(&consent).await.location()
    }

    /// The whole way: the frontend's address, with our code or an error.
    pub(crate) async fn sign_in(&mut self) -> Url {
        let back = self.consent().await;
        self.open(&back).await.location()
    }

    /// What the frontend does with a code.
    pub(crate) async fn post(&self, client: &Client, path: &str, code: &str) -> Answer {
        let request = client.request(Method::POST, path).header(header::USER_AGENT, self.agent);
        client.send(request.json(&json!({ "code": code }))).await
    }

    pub(crate) async fn log_in(&self, code: &str) -> Answer {
        self.post(&Client::new(&self.base, None), "/api/auth/google/callback", code).await
    }
}

#[track_caller]
pub(crate) fn parameter(address: &Url, name: &str) -> String {
    let found = address.query_pairs().find(|(key, _)| key == name);
    found.unwrap_or_else(|| panic!("no {name} in {address}")).1.into_owned()
}

#[track_caller]
pub(crate) fn code(address: &Url) -> String {
    assert!(address.as_str().starts_with(FRONTEND), "{address}");
    parameter(address, "code")
}

#[track_caller]
pub(crate) fn assert_error(address: &Url, expected: &str) {
    assert!(address.as_str().starts_with(FRONTEND), "{address}");
    assert_eq!(parameter(address, "error"), expected);
    assert!(address.query_pairs().all(|(key, _)| key == "error"), "{address}");
}
