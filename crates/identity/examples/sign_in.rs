//! Registers somebody, logs in, refreshes, and lets a stolen refresh token be noticed: identity without a server.
//!
//! `cargo run -p gristmill-identity --example sign_in`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use gristmill_domain::{
    Clock, Scope, SystemClock,
    identity::{ClientInfo, DisplayName, NewPassword, Scopes, SessionLifetime, TokenLifetime},
    users::Email,
};
use gristmill_identity::{
    Identity, IdentityPolicy, Login, NoMail, Ports, Registration, ServerSecret, TokenRequest, memory::MemoryStore,
};
use secrecy::ExposeSecret;

/// The machine's clock, set ahead, so that the example need not wait for the grace to pass.
#[derive(Debug, Default)]
struct AdjustableClock {
    ahead: Mutex<TimeDelta>,
}

impl AdjustableClock {
    fn advance(&self, seconds: i64) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        *ahead += TimeDelta::seconds(seconds);
    }
}

impl Clock for AdjustableClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = Arc::new(AdjustableClock::default());
    let ports = Ports::of(Arc::new(MemoryStore::new()), Arc::new(NoMail), Arc::<AdjustableClock>::clone(&clock));
    let identity = Identity::new(&ServerSecret::generate(), &IdentityPolicy::default(), ports)?;
    let accounts = &identity.accounts;
    let client = ClientInfo::new(Some("192.0.2.1".parse()?), Some("example"));

    let email = Email::parse("ada@example.org")?;
    let registration = Registration {
        email: email.clone(),
        name: DisplayName::parse("Ada")?,
        password: NewPassword::parse("correct horse battery staple")?,
    };
    let registered = accounts.register(registration, client.clone()).await?;
    registered.deferred.await;
    println!("registered  {}", registered.signed_in.user.email);

    let login = |password: &str| Login { email: email.clone(), password: password.into(), lifetime: SessionLifetime::Remembered };
    if let Err(refusal) = accounts.login(login("wrong"), client.clone()).await {
        println!("refused     {refusal} [{}]", refusal.code());
    }
    let signed_in = accounts.login(login("correct horse battery staple"), client.clone()).await?;
    let caller = identity.authenticator.authenticate(signed_in.tokens.access_text()).await?;
    println!("logged in   as user {}, scope {}", caller.user_id, caller.scope.as_str());

    let request = TokenRequest {
        name: DisplayName::parse("nightly script")?,
        scopes: Scopes::new([Scope::Read]).ok_or("no scope")?,
        lifetime: TokenLifetime::default(),
    };
    let created = accounts.create_token(&caller, request).await?;
    let script = identity.authenticator.authenticate(created.secret.expose_secret()).await?;
    println!("token       gmp_{}_…, scope {}", created.token.prefix.as_str(), script.scope.as_str());

    let first = signed_in.tokens.refresh;
    let one_tab = accounts.refresh(first.expose(), client.clone()).await?;
    let other_tab = accounts.refresh(first.expose(), client.clone()).await?;
    let same = one_tab.refresh.expose() == other_tab.refresh.expose();
    println!("two tabs    refreshed at once, and got the same successor: {same}");

    clock.advance(11);
    if let Err(refusal) = accounts.refresh(first.expose(), client.clone()).await {
        println!("11 s later  {refusal} [{}]", refusal.code());
    }
    if let Err(refusal) = accounts.refresh(one_tab.refresh.expose(), client).await {
        println!("successor   {refusal} [{}]", refusal.code());
    }
    if let Err(refusal) = identity.authenticator.authenticate(one_tab.access_text()).await {
        println!("access      {refusal} [{}]", refusal.code());
    }
    Ok(())
}
