//! Sign-in with Google, against an authorization server that the test runs.

mod browser;
mod stand_in;

use std::time::Duration;

use browser::{Browser, FIREFOX, assert_error, code, parameter};
use gristmill_domain::{Clock, SystemClock};
use gristmill_identity::{Departure, Google, GoogleSettings, ServerSecret};
use gristmill_testkit::pg::TestDatabase;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use stand_in::{CLIENT_ID, CLIENT_SECRET, PUBLIC_URL, StandIn, person};
use url::Url;

use crate::{crash::Process, support::TestApp};

async fn count(app: &TestApp, table: &str) -> i64 {
    let client = app.database.client().await.unwrap();
    client.query_one(&format!("select count(*) from {table}"), &[]).await.unwrap().get(0)
}

#[actix_web::test]
async fn a_new_person_gets_an_account_and_finds_it_again() {
    let google = StandIn::start();
    let app = google.app(&[]).await;
    let begin = app.anonymous().get("/api/auth/google").await.expect(200);
    assert_eq!(begin, json!({ "authUrl": format!("{PUBLIC_URL}/api/auth/google/start") }));

    let mut browser = Browser::of(&app);
    let start = Url::parse(begin["authUrl"].as_str().unwrap()).unwrap();
    let page = browser.open(&start).await;
    let attributes = "; Max-Age=600; Path=/api/auth/google; HttpOnly; SameSite=Lax; Secure";
    assert!(page.set_cookie.starts_with("gristmill_google=") && page.set_cookie.ends_with(attributes), "{}", page.set_cookie);
    let consent = page.location();
    assert!(consent.as_str().starts_with(&format!("{}/auth?", google.url)), "{consent}");
    let back = browser.open(&consent).await.location();
    let page = browser.open(&back).await;
    assert!(page.set_cookie.starts_with("gristmill_google=; Max-Age=0; Path=/api/auth/google;"), "{}", page.set_cookie);
    let frontend = page.location();
    let code = code(&frontend);
    assert_eq!((code.len(), frontend.query_pairs().count()), (64, 1), "our code, and nothing of Google's: {frontend}");

    let answer = browser.log_in(&code).await;
    assert!(!answer.text.contains("$argon2"), "{}", answer.text);
    // Whole ones: any token of ours may have a few signs of them.
    assert!(google.known().secrets.iter().all(|secret| !answer.text.contains(secret)), "{}", answer.text);
    let first = answer.expect(200);
    let keys: Vec<&String> = first["user"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["user_id", "email", "name", "role", "email_verified", "created_at", "updated_at", "last_login_at"]);
    assert_eq!((&first["user"]["email"], &first["user"]["name"]), (&json!("ada@example.org"), &json!("Ada Lovelace")));
    assert_eq!(first["user"]["email_verified"], true);
    app.with_token(first["accessToken"].as_str().unwrap()).get("/api/projects").await.expect(200);
    app.anonymous().post("/api/auth/refresh", &json!({ "refreshToken": first["refreshToken"] })).await.expect(200);
    let days = "select extract(epoch from max(expires_at) - min(created_at))::bigint / 86400 from sessions where remember";
    let days: i64 = app.database.client().await.unwrap().query_one(days, &[]).await.unwrap().get(0);
    assert_eq!(days, 30);

    // Later the person has another address at Google, which changes nothing here.
    google.known().person = person("1", "countess@example.org");
    let again = browser.sign_in().await;
    let again = browser.log_in(&parameter(&again, "code")).await.expect(200);
    assert_eq!((&again["user"]["user_id"], &again["user"]["email"]), (&first["user"]["user_id"], &json!("ada@example.org")));
    assert_eq!(count(&app, "users").await, 1);
}

#[actix_web::test]
async fn an_account_with_a_password_is_linked_only_by_its_owner() {
    let google = StandIn::start();
    let app = google.app(&[]).await;
    let ada = app.user("ada").await;
    let mut browser = Browser::of(&app);
    let found = browser.sign_in().await;
    let refused = browser.log_in(&code(&found)).await.refused(409, "account_exists");
    assert!(refused["error"].as_str().unwrap().contains("link Google"), "{refused}");
    assert_eq!(count(&app, "external_identities").await, 0);

    let link = code(&browser.sign_in().await);
    browser.post(&app.anonymous(), "/api/auth/google/link", &link).await.refused(401, "unauthenticated");
    browser.post(&ada, "/api/auth/google/link", &link).await.expect(200);
    browser.post(&ada, "/api/auth/google/link", &link).await.refused(400, "sign_in_failed");
    let linked = code(&browser.sign_in().await);
    let signed_in = browser.log_in(&linked).await.expect(200);
    let me = ada.get("/api/auth/me").await.expect(200);
    assert_eq!(signed_in["user"]["user_id"], me["user"]["user_id"]);

    let eve = app.user("eve").await;
    let taken = code(&browser.sign_in().await);
    browser.post(&eve, "/api/auth/google/link", &taken).await.refused(409, "identity_taken");
    let body = json!({ "email": "ada@example.org", "password": "correct horse" });
    app.anonymous().post("/api/auth/login", &body).await.expect(200);
}

#[actix_web::test]
async fn providers_are_listed_and_unlinked_by_their_owner() {
    const IDENTITIES: &str = "/api/auth/identities";
    const OURS: &str = "/api/auth/identities/google";
    let google = StandIn::start();
    let app = google.app(&[]).await;
    let (ada, eve) = (app.user("ada").await, app.user("eve").await);
    app.anonymous().get(IDENTITIES).await.refused(401, "unauthenticated");
    app.anonymous().delete(OURS).await.refused(401, "unauthenticated");
    assert_eq!(ada.get(IDENTITIES).await.expect(200), json!({ "identities": [] }));
    ada.delete(OURS).await.refused(404, "identity_not_found");

    let mut browser = Browser::of(&app);
    for (client, subject) in [(&eve, "2"), (&ada, "1")] {
        google.known().person = person(subject, &format!("{subject}@example.org"));
        let link = code(&browser.sign_in().await);
        browser.post(client, "/api/auth/google/link", &link).await.expect(200);
    }
    let back = code(&browser.sign_in().await);
    let signed_in = browser.log_in(&back).await.expect(200);
    let listed = ada.get(IDENTITIES).await.expect(200);
    let [linked] = listed["identities"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    let keys: Vec<&String> = linked.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["provider", "linkedAt"], "nothing of Google's id");
    assert_eq!(linked["provider"], "google");
    for unknown in ["github", "Google", "google%20"] {
        ada.delete(&format!("{IDENTITIES}/{unknown}")).await.refused(404, "identity_not_found");
    }
    // A stranger unlinks its own, once, and nobody else's.
    eve.delete(OURS).await.expect(204);
    eve.delete(OURS).await.refused(404, "identity_not_found");
    assert_eq!(eve.get(IDENTITIES).await.expect(200), json!({ "identities": [] }));
    assert_eq!(ada.get(IDENTITIES).await.expect(200), listed);

    ada.delete(OURS).await.expect(204);
    ada.delete(OURS).await.refused(404, "identity_not_found");
    assert_eq!(ada.get(IDENTITIES).await.expect(200), json!({ "identities": [] }));
    assert_eq!(count(&app, "external_identities").await, 0);
    app.with_token(signed_in["accessToken"].as_str().unwrap()).get("/api/auth/me").await.expect(200);
    let body = json!({ "email": "ada@example.org", "password": "correct horse" });
    app.anonymous().post("/api/auth/login", &body).await.expect(200);
    google.known().person = person("1", "ada@example.org");
    let unlinked = code(&browser.sign_in().await);
    browser.log_in(&unlinked).await.refused(409, "account_exists");
}

#[actix_web::test]
async fn the_only_way_into_an_account_is_not_unlinked() {
    let google = StandIn::start();
    let app = google.app(&[]).await;
    let mut browser = Browser::of(&app);
    let first = code(&browser.sign_in().await);
    let made = browser.log_in(&first).await.expect(200);
    let ada = app.with_token(made["accessToken"].as_str().unwrap());
    let listed = ada.get("/api/auth/identities").await.expect(200);
    assert_eq!(listed["identities"][0]["provider"], "google");
    // Nor is it when the same person, or another one, is linked to the account as well.
    for subject in ["1", "2"] {
        google.known().person = person(subject, "ada@example.org");
        let link = code(&browser.sign_in().await);
        browser.post(&ada, "/api/auth/google/link", &link).await.expect(200);
        let refused = ada.delete("/api/auth/identities/google").await.refused(409, "last_sign_in");
        assert!(refused["error"].as_str().unwrap().contains("password"), "{refused}");
    }
    let kept = ada.get("/api/auth/identities").await.expect(200);
    assert_eq!((kept["identities"].as_array().unwrap().len(), &kept["identities"][0]), (2, &listed["identities"][0]));
    for subject in ["1", "2"] {
        google.known().person = person(subject, "ada@example.org");
        let again = code(&browser.sign_in().await);
        let again = browser.log_in(&again).await.expect(200);
        assert_eq!(again["user"]["user_id"], made["user"]["user_id"]);
    }
}

#[actix_web::test]
async fn a_new_address_locks_nobody_out_who_has_no_password() {
    let google = StandIn::start();
    let app = google.app(&[]).await;
    let mut browser = Browser::of(&app);
    let first = code(&browser.sign_in().await);
    let made = browser.log_in(&first).await.expect(200);
    let ada = app.with_token(made["accessToken"].as_str().unwrap());
    google.known().person = person("2", "second@example.org");
    let link = code(&browser.sign_in().await);
    browser.post(&ada, "/api/auth/google/link", &link).await.expect(200);

    let patched = ada.patch("/api/auth/profile", &json!({ "email": "countess@example.org" })).await.expect(200);
    assert_eq!(patched["user"]["email"], "countess@example.org");
    assert_eq!(ada.get("/api/auth/identities").await.expect(200)["identities"].as_array().unwrap().len(), 1);
    ada.delete("/api/auth/identities/google").await.refused(409, "last_sign_in");
    google.known().person = person("1", "ada@example.org");
    let again = code(&browser.sign_in().await);
    let again = browser.log_in(&again).await.expect(200);
    assert_eq!((&again["user"]["user_id"], &again["user"]["email"]), (&made["user"]["user_id"], &patched["user"]["email"]));
    // What was linked beside it is not any more.
    google.known().person = person("2", "second@example.org");
    let other = code(&browser.sign_in().await);
    let other = browser.log_in(&other).await.expect(200);
    assert_ne!(other["user"]["user_id"], made["user"]["user_id"]);
}

#[actix_web::test]
async fn addresses_that_google_has_not_verified_are_refused() {
    let google = StandIn::start();
    let app = google.app(&[]).await;
    for said in [json!(false), json!("true"), Value::Null] {
        google.known().person["email_verified"] = said;
        assert_error(&Browser::of(&app).sign_in().await, "email_not_verified");
    }
    assert_eq!((count(&app, "users").await, count(&app, "sign_in_codes").await), (0, 0));
}

#[actix_web::test]
async fn a_state_that_is_missing_forged_or_of_another_browser_leads_nowhere() {
    let google = StandIn::start();
    let app = google.app(&[]).await;
    let mut ada = Browser::of(&app);
    let back = ada.consent().await;
    let without = Url::parse(&format!("{PUBLIC_URL}/api/auth/google/return?code=x")).unwrap();
    for (cookie, address) in [
        (None, &back),
        (Some("gristmill_google=".to_owned()), &back),
        (Some("gristmill_google=1.2.3.4".to_owned()), &back),
        (ada.cookie.clone().map(|cookie| format!("{cookie}0")), &back),
        (ada.cookie.clone().map(|cookie| cookie.replace("=1", "=2")), &back),
        (ada.cookie.clone(), &without),
    ] {
        let mut eve = Browser { cookie, ..Browser::of(&app) };
        assert_error(&eve.open(address).await.location(), "sign_in_failed");
    }
    // Another's state, with another's code: the link that would log somebody in as Eve.
    let mut eve = Browser::of(&app);
    eve.start().await;
    assert_error(&eve.open(&back).await.location(), "sign_in_failed");
    // None of this used Google's code up.
    code(&ada.open(&back).await.location());
}

#[actix_web::test]
async fn a_browser_has_ten_minutes_at_google() {
    let google = StandIn::start();
    let app = google.app(&[]).await;
    let depart = |seconds_ago: u64| {
        let url = |path: &str| Url::parse(&format!("{}/{path}", google.url)).unwrap();
        let settings = GoogleSettings {
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.into(),
            auth_url: url("auth"),
            token_url: url("token"),
            userinfo_url: url("userinfo"),
            redirect_url: Url::parse(&format!("{PUBLIC_URL}/api/auth/google/return")).unwrap(),
        };
        // The server's own, since it has the server's secret.
        let secret = ServerSecret::new("a secret for tests only, long enough".into()).unwrap();
        Google::new(settings, &secret).unwrap().depart(SystemClock.now() - Duration::from_secs(seconds_ago))
    };
    for (seconds_ago, in_time) in [(300, true), (601, false)] {
        let Departure { consent_url, cookie, .. } = depart(seconds_ago);
        let mut browser = Browser::of(&app);
        browser.cookie = Some(format!("gristmill_google={}", cookie.expose_secret()));
        let back = browser.open(&consent_url).await.location();
        let frontend = browser.open(&back).await.location();
        if in_time {
            code(&frontend);
        } else {
            assert_error(&frontend, "sign_in_failed");
        }
    }
}

#[actix_web::test]
async fn a_code_of_google_s_is_bound_to_the_verifier() {
    let google = StandIn::start();
    let app = google.app(&[]).await;
    let (mut ada, mut eve) = (Browser::of(&app), Browser::of(&app));
    let (stolen, own) = (parameter(&ada.consent().await, "code"), eve.consent().await);
    let mut injected = Url::parse(&format!("{PUBLIC_URL}/api/auth/google/return")).unwrap();
    injected.query_pairs_mut().append_pair("code", &stolen).append_pair("state", &parameter(&own, "state"));
    // The state is Eve's own and passes; Google refuses, because the code was asked for with another challenge.
    assert_error(&eve.open(&injected).await.location(), "sign_in_failed");
    assert_eq!(count(&app, "sign_in_codes").await, 0);
}

#[actix_web::test]
async fn our_code_works_once_and_in_its_browser_only() {
    let google = StandIn::start();
    let app = google.app(&[]).await;
    let variables = google.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let second = app.second_server(&variables).await;
    let mut browser = Browser::of(&app);
    let elsewhere = Browser::new(&format!("http://{}", second.address()), FIREFOX);

    let once = code(&browser.sign_in().await);
    elsewhere.log_in(&once).await.expect(200);
    browser.log_in(&once).await.refused(400, "sign_in_failed");

    let raced = code(&browser.sign_in().await);
    let (here, there) = tokio::join!(browser.log_in(&raced), elsewhere.log_in(&raced));
    let statuses = [here.status.as_u16(), there.status.as_u16()];
    assert!(statuses == [200, 400] || statuses == [400, 200], "{statuses:?}");

    let stolen = code(&browser.sign_in().await);
    Browser::new(&app.url(), "curl/8").log_in(&stolen).await.refused(400, "sign_in_failed");
    browser.log_in(&stolen).await.refused(400, "sign_in_failed");

    let late = code(&browser.sign_in().await);
    let database = app.database.client().await.unwrap();
    database.execute("update sign_in_codes set expires_at = expires_at - interval '61 seconds'", &[]).await.unwrap();
    browser.log_in(&late).await.refused(400, "sign_in_failed");
    for made_up in ["x", &"0".repeat(64)] {
        browser.log_in(made_up).await.refused(400, "sign_in_failed");
    }
    browser.log_in("").await.refused(400, "validation_failed");
}

#[actix_web::test]
async fn what_google_refuses_or_gets_wrong_goes_back_to_the_frontend() {
    let google = StandIn::start();
    let app = google.app(&[]).await;
    let no_token = json!({ "token_type": "Bearer", "hush": "hush" }).to_string();
    let refused = json!({ "error": "invalid_client", "error_description": "hush" }).to_string();
    for answer in [
        (500, "<html>".to_owned()),
        (500, String::new()),
        (200, "{".to_owned()),
        (200, no_token),
        (401, refused),
        (302, "{}".into()),
    ] {
        google.known().token_answer = Some(answer.clone());
        assert_error(&Browser::of(&app).sign_in().await, "provider_failed");
    }
    google.known().token_answer = None;
    let large = format!("{{\"sub\":\"{}\"}}", "1".repeat(300_000));
    for answer in
        [(503, String::new()), (200, "[".to_owned()), (200, r#"{"sub":""}"#.to_owned()), (200, large), (302, "{}".into())]
    {
        google.known().userinfo_answer = Some(answer.clone());
        assert_error(&Browser::of(&app).sign_in().await, "provider_failed");
    }
    assert_eq!(google.known().strayed, 0, "no redirect is followed");
    assert_eq!((count(&app, "users").await, count(&app, "sign_in_codes").await), (0, 0));

    for (said, expected) in [("access_denied", "access_denied"), ("server_error", "sign_in_failed"), ("<b>", "sign_in_failed")] {
        let mut back = Url::parse(&format!("{PUBLIC_URL}/api/auth/google/return")).unwrap();
        back.query_pairs_mut().append_pair("error", said).append_pair("state", "x");
        assert_error(&Browser::of(&app).open(&back).await.location(), expected);
    }

    // Nobody listens there, and nobody is given that port meanwhile.
    let alone = google.app(&[("GOOGLE_TOKEN_URL", "http://127.0.0.1:1")]).await;
    assert_error(&Browser::of(&alone).sign_in().await, "provider_failed");
}

#[actix_web::test]
async fn visits_and_codes_are_throttled_by_address() {
    let google = StandIn::start();
    let app = google.app(&[("LOGINS_PER_MINUTE", "2")]).await;
    let mut browser = Browser::of(&app);
    code(&browser.sign_in().await);
    let start = Url::parse(&format!("{PUBLIC_URL}/api/auth/google/start")).unwrap();
    assert_error(&browser.open(&start).await.location(), "too_many_requests");
    browser.log_in("x").await.refused(400, "sign_in_failed");
    browser.log_in("x").await.refused(400, "sign_in_failed");
    browser.log_in("x").await.refused(429, "too_many_requests");
}

#[actix_web::test]
async fn without_settings_every_route_says_what_is_missing() {
    let app = TestApp::start_with(&[("GOOGLE_CLIENT_ID", CLIENT_ID)]).await;
    let (nobody, ada) = (app.anonymous(), app.user("ada").await);
    for path in ["/api/auth/google", "/api/auth/google/start", "/api/auth/google/return?code=x&state=y"] {
        let refused = nobody.get(path).await.refused(503, "not_configured");
        assert!(refused["error"].as_str().unwrap().contains("GOOGLE_CLIENT_SECRET"), "{refused}");
    }
    nobody.post("/api/auth/google/callback", &json!({ "code": "x" })).await.refused(503, "not_configured");
    ada.post("/api/auth/google/link", &json!({ "code": "x" })).await.refused(503, "not_configured");
}

#[actix_web::test]
async fn no_secret_reaches_the_log() {
    let google = StandIn::start();
    let (database, data_dir) = (TestDatabase::create().await.unwrap(), tempfile::tempdir().unwrap());
    let log = data_dir.path().join("log");
    let mut variables = google.variables();
    variables.push(("DATABASE_URL", database.url().expose_secret().to_owned()));
    variables.push(("LOG_LEVEL", "gristmill=trace,debug,tokio_postgres=info".to_owned()));
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let server = Process::start_with_log(data_dir.path(), &variables, std::fs::File::create(&log).unwrap().into());

    let mut browser = Browser::new(&server.url, FIREFOX);
    let back = browser.consent().await;
    let mut secrets = vec![CLIENT_SECRET.to_owned(), browser.cookie.clone().unwrap().replace("gristmill_google=", "")];
    let ours = code(&browser.open(&back).await.location());
    let signed_in = browser.log_in(&ours).await.expect(200);
    // And failures, whose causes are logged.
    browser.log_in(&ours).await.refused(400, "sign_in_failed");
    google.known().token_answer = Some((400, json!({ "error": "other", "error_description": CLIENT_SECRET }).to_string()));
    assert_error(&browser.sign_in().await, "provider_failed");

    secrets.push(ours);
    secrets.extend(["accessToken", "refreshToken"].map(|name| signed_in[name].as_str().unwrap().to_owned()));
    secrets.push("ada@example.org".to_owned());
    secrets.extend(google.known().secrets.clone());
    assert!(server.terminate().success());
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("account registered") && log.contains("a sign-in with Google did not succeed"), "{log}");
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} is in the log:\n{log}");
    }
}
