//! Access tokens and the header they come in.

use gristmill_domain::{
    Clock, ErrorCode, SessionId, UserId,
    users::{User, UserRole},
};
use gristmill_identity::{AccessTokens, IdentityError, OneTimeToken, PersonalTokenText, RefreshToken, ServerSecret, bearer_text};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::{PASSWORD, World, assert_code, manual_clock};

/// A token's payload, as the frontend decodes it.
fn payload(token: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode::<Value>(token).unwrap().claims
}

fn forge(algorithm: Algorithm, claims: &Value, key: &str) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(key.as_bytes())).unwrap()
}

fn somebody() -> User {
    let now = manual_clock().now();
    User {
        id: UserId::random(),
        email: "ada@example.org".to_owned(),
        name: "Ada".to_owned(),
        role: UserRole::User,
        email_verified: true,
        created_at: now,
        updated_at: now,
        last_login_at: None,
    }
}

#[tokio::test]
async fn claims_are_those_of_the_contract() {
    let world = World::new();
    let signed_in = world.register("ada@example.org").await;
    let claims = payload(signed_in.tokens.access_text());
    let now = world.clock.now().timestamp();
    assert_eq!(claims["userId"], json!(signed_in.user.id.to_string()));
    assert_eq!(claims["email"], json!("ada@example.org"));
    assert_eq!(claims["role"], json!("user"));
    assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(now), Some(now + 3600)));
    assert!(claims["sid"].as_str().unwrap().parse::<SessionId>().is_ok());
    assert_eq!(claims.as_object().unwrap().len(), 6);
}

#[tokio::test]
async fn tokens_expire_after_their_time_and_the_leeway() {
    let world = World::new();
    let signed_in = world.register("ada@example.org").await;
    world.clock.advance(3601);
    assert!(world.authenticate(&signed_in).await.is_ok());
    world.clock.advance(1);
    let expired = world.authenticate(&signed_in).await;
    assert!(matches!(expired, Err(IdentityError::ExpiredCredential)), "{expired:?}");
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let world = World::new();
    let signed_in = world.register("ada@example.org").await;
    let genuine = payload(signed_in.tokens.access_text());
    let secret = world.secret.expose();
    let with = |key: &str, value: Value| {
        let mut claims = genuine.clone();
        claims[key] = value;
        claims
    };
    let without = |key: &str| {
        let mut claims = genuine.clone();
        claims.as_object_mut().unwrap().remove(key);
        claims
    };
    assert!(world.identity.authenticator.authenticate(&forge(Algorithm::HS256, &genuine, secret)).await.is_ok());

    let (head, body) = ("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", signed_in.tokens.access_text().split('.').nth(1).unwrap());
    let unsigned = forge(Algorithm::HS256, &genuine, secret).rsplit_once('.').unwrap().0.to_owned();
    for bad in [
        forge(Algorithm::HS384, &genuine, secret),
        forge(Algorithm::HS512, &genuine, secret),
        forge(Algorithm::HS256, &genuine, ServerSecret::generate().expose()),
        forge(Algorithm::HS256, &genuine, ""),
        format!("{head}.{body}."),
        format!("{head}.{body}"),
        format!("{unsigned}."),
        unsigned,
        forge(Algorithm::HS256, &with("userId", json!(UserId::random().to_string())), secret),
        forge(Algorithm::HS256, &with("sid", json!(SessionId::random().to_string())), secret),
        forge(Algorithm::HS256, &with("sid", json!("x")), secret),
        forge(Algorithm::HS256, &with("role", json!("root")), secret),
        forge(Algorithm::HS256, &with("exp", json!("tomorrow")), secret),
        forge(Algorithm::HS256, &with("exp", json!(i64::MAX)), secret),
        forge(Algorithm::HS256, &with("exp", json!(-1)), secret),
        forge(Algorithm::HS256, &with("exp", json!(1e300)), secret),
        forge(Algorithm::HS256, &without("exp"), secret),
        forge(Algorithm::HS256, &without("sid"), secret),
        forge(Algorithm::HS256, &without("userId"), secret),
        forge(Algorithm::HS256, &json!([]), secret),
        forge(Algorithm::HS256, &json!(null), secret),
    ] {
        assert_code(world.identity.authenticator.authenticate(&bad).await, ErrorCode::Unauthenticated);
    }
}

#[tokio::test]
async fn a_role_in_the_token_is_not_believed() {
    let world = World::new();
    let signed_in = world.register("ada@example.org").await;
    let mut claims = payload(signed_in.tokens.access_text());
    claims["role"] = json!("admin");
    let forged = forge(Algorithm::HS256, &claims, world.secret.expose());
    let caller = world.identity.authenticator.authenticate(&forged).await.unwrap();
    assert_eq!(caller.role, UserRole::User, "the store's role counts");
}

#[tokio::test]
async fn a_session_of_one_user_does_not_serve_another() {
    let world = World::new();
    let ada = world.register("ada@example.org").await;
    let eve = world.register("eve@example.org").await;
    world.caller(&ada).await;
    let mut claims = payload(ada.tokens.access_text());
    claims["userId"] = json!(eve.user.id.to_string());
    let mixed = forge(Algorithm::HS256, &claims, world.secret.expose());
    for _ in 0..2 {
        assert_code(world.identity.authenticator.authenticate(&mixed).await, ErrorCode::Unauthenticated);
    }
    assert!(world.authenticate(&ada).await.is_ok());
}

#[tokio::test]
async fn every_single_changed_character_spoils_a_token() {
    let world = World::new();
    let signed_in = world.register("ada@example.org").await;
    let genuine = signed_in.tokens.access_text();
    for index in 0..genuine.len() {
        let mut bytes = genuine.as_bytes().to_vec();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(bytes).unwrap();
        assert_code(world.identity.authenticator.authenticate(&tampered).await, ErrorCode::Unauthenticated);
    }
}

#[tokio::test]
async fn things_that_are_no_token_are_told_apart() {
    let world = World::new();
    let authenticate = |text: &'static str| world.identity.authenticator.authenticate(text);
    assert!(matches!(authenticate("").await, Err(IdentityError::MissingCredential)));
    for malformed in ["x", "a.b.c", "..", "....", "\0", "gmp_", "gmp_short", "null", "undefined", "Bearer x"] {
        let outcome = authenticate(malformed).await;
        assert!(matches!(outcome, Err(IdentityError::MalformedCredential)), "{malformed:?}: {outcome:?}");
    }
    let huge = "a".repeat(1_000_000);
    let outcome = world.identity.authenticator.authenticate(&huge).await;
    assert!(matches!(outcome, Err(IdentityError::MalformedCredential)));
}

#[tokio::test]
async fn a_deleted_user_is_told_from_an_ended_session() {
    let world = World::new();
    let signed_in = world.register("ada@example.org").await;
    let caller = world.caller(&signed_in).await;
    world.identity.accounts.delete_account(&caller, &PASSWORD.into()).await.unwrap();
    assert!(matches!(world.authenticate(&signed_in).await, Err(IdentityError::UserGone)));
    let signed_in = world.register("ada@example.org").await;
    let caller = world.caller(&signed_in).await;
    world.identity.accounts.logout(&caller, None).await.unwrap();
    assert!(matches!(world.authenticate(&signed_in).await, Err(IdentityError::InvalidCredential)));
}

#[test]
fn reads_the_header_as_others_write_it() {
    for good in ["Bearer abc", "bearer abc", "BEARER   abc ", " Bearer abc"] {
        assert_eq!(bearer_text(Some(good)).unwrap(), "abc", "{good:?}");
    }
    for bad in [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic abc"), Some("abc"), Some("Bearerabc")] {
        assert!(matches!(bearer_text(bad), Err(IdentityError::MissingCredential)), "{bad:?}");
    }
}

#[test]
fn nothing_secret_is_printed_by_debug() {
    let secret = ServerSecret::new("a very secret secret of 32 bytes".to_owned().into()).unwrap();
    let access = AccessTokens::new(&secret, Duration::from_secs(60), Duration::ZERO);
    let personal = PersonalTokenText::mint().unwrap();
    let text = personal.to_secret();
    // After `gmp_`, eight signs that may be shown, and `_`: those of a secret may be underscores, too.
    let (_, spelt) = text.expose_secret().split_at(13);
    let one_time = OneTimeToken::mint();
    let printed = format!("{secret:?} {access:?} {personal:?} {one_time:?}");
    for hidden in ["very secret", spelt, one_time.expose()] {
        assert!(!printed.contains(hidden), "{printed}");
    }
}

proptest! {
    #[test]
    fn no_text_is_taken_for_a_token_or_breaks_the_parsers(text in "\\PC{0,200}|[0-9a-f]{60,130}|gmp_[A-Za-z0-9_-]{0,60}") {
        let tokens = AccessTokens::new(&ServerSecret::generate(), Duration::from_secs(60), Duration::ZERO);
        prop_assert!(tokens.verify(&text, manual_clock().now()).is_err());
        if let Some(token) = RefreshToken::parse(&text) {
            prop_assert_eq!(token.expose(), text.as_str());
            prop_assert_eq!(text.len(), 128);
        }
        if let Some(token) = OneTimeToken::parse(&text) {
            prop_assert_eq!(token.expose(), text.as_str());
            prop_assert_eq!(text.len(), 64);
        }
        if let Some(token) = PersonalTokenText::parse(&text) {
            let back = token.to_secret();
            prop_assert_eq!(back.expose_secret(), text.as_str());
        }
        let header = bearer_text(Some(&text));
        prop_assert!(header.is_err() || text.to_ascii_lowercase().contains("bearer"));
    }

    #[test]
    fn personal_tokens_have_one_spelling(junk in "[A-Za-z0-9_=+/ -]{1,3}", at in 0_usize..=56) {
        let token = PersonalTokenText::mint().unwrap();
        let mut text = token.to_secret().expose_secret().to_owned();
        prop_assert_eq!(text.len(), 56);
        prop_assert!(PersonalTokenText::parse(&text).unwrap().matches(&token.secret_hash()));
        text.insert_str(at, &junk);
        prop_assert!(PersonalTokenText::parse(&text).is_none(), "{}", text);
    }

    #[test]
    fn access_tokens_carry_their_claims_and_live_exactly_as_long_as_said(ttl in 1_u64..1_000_000, late in 0_u64..2_000_000) {
        let secret = ServerSecret::generate();
        let tokens = AccessTokens::new(&secret, Duration::from_secs(ttl), Duration::ZERO);
        let clock = manual_clock();
        let (user, session) = (somebody(), SessionId::random());
        let text = tokens.issue(&user, session, clock.now()).unwrap();
        clock.advance(late);
        match tokens.verify(text.expose_secret(), clock.now()) {
            Ok(claims) => {
                prop_assert!(late < ttl);
                prop_assert_eq!((claims.user_id, claims.session_id, claims.email), (user.id, session, user.email));
            }
            Err(error) => prop_assert!(late >= ttl && matches!(error, IdentityError::ExpiredCredential)),
        }
    }
}
