//! A world to test in: a clock that stands still until it is turned, a mailbox, and shorthand for people.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gristmill_domain::{
    Caller, Clock, ErrorCode,
    identity::{ClientInfo, DisplayName, NewPassword, SessionLifetime, ThrottleRule},
    users::Email,
};
use gristmill_identity::{
    HashingPolicy, Identity, IdentityError, IdentityPolicy, Letter, Login, MailError, Mailer, PasswordCost, Ports, Registration,
    ServerSecret, SignedIn, memory::MemoryStore,
};

pub(crate) const PASSWORD: &str = "correct horse";

/// Stands still until it is turned.
#[derive(Debug)]
pub(crate) struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    pub(crate) fn advance(&self, seconds: u64) {
        *self.0.lock().unwrap() += Duration::from_secs(seconds);
    }

    pub(crate) fn advance_ms(&self, ms: u64) {
        *self.0.lock().unwrap() += Duration::from_millis(ms);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// What a letter was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Reset,
    Verification,
}

/// Keeps the letters.
#[derive(Debug)]
pub(crate) struct Mailbox {
    configured: bool,
    broken: Mutex<bool>,
    letters: Mutex<Vec<(Kind, Letter)>>,
}

impl Mailbox {
    pub(crate) fn letters(&self) -> Vec<(Kind, Letter)> {
        self.letters.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> (Kind, Letter) {
        self.letters().pop().expect("no letter was sent")
    }

    pub(crate) fn break_down(&self) {
        *self.broken.lock().unwrap() = true;
    }

    fn keep(&self, kind: Kind, letter: Letter) -> Result<(), MailError> {
        if *self.broken.lock().unwrap() {
            return Err(MailError("the mail server is down".into()));
        }
        self.letters.lock().unwrap().push((kind, letter));
        Ok(())
    }
}

#[async_trait]
impl Mailer for Mailbox {
    fn is_configured(&self) -> bool {
        self.configured
    }

    async fn send_reset(&self, letter: Letter) -> Result<(), MailError> {
        self.keep(Kind::Reset, letter)
    }

    async fn send_verification(&self, letter: Letter) -> Result<(), MailError> {
        self.keep(Kind::Verification, letter)
    }
}

/// One installation.
pub(crate) struct World {
    pub(crate) identity: Identity,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) mail: Arc<Mailbox>,
    pub(crate) secret: ServerSecret,
    pub(crate) policy: IdentityPolicy,
}

fn ports_of(store: &Arc<MemoryStore>, mail: &Arc<Mailbox>, clock: &Arc<ManualClock>) -> Ports {
    Ports::of(Arc::clone(store), Arc::<Mailbox>::clone(mail), Arc::<ManualClock>::clone(clock))
}

pub(crate) fn manual_clock() -> Arc<ManualClock> {
    Arc::new(ManualClock(Mutex::new(DateTime::parse_from_rfc3339("2026-11-23T10:00:00Z").unwrap().to_utc())))
}

pub(crate) fn cheap_hashing() -> HashingPolicy {
    HashingPolicy {
        cost: PasswordCost { memory_kib: 8, passes: 1, lanes: 1 },
        concurrent: NonZeroUsize::new(2).unwrap(),
        queued: 256,
    }
}

/// The defaults, but with cheap hashes.
pub(crate) fn cheap_policy() -> IdentityPolicy {
    IdentityPolicy { hashing: cheap_hashing(), ..IdentityPolicy::default() }
}

impl World {
    /// Without mail, as on a fresh machine.
    pub(crate) fn new() -> Self {
        Self::build(false, cheap_policy(), |ports| ports)
    }

    /// With mail.
    pub(crate) fn with_mail() -> Self {
        Self::build(true, cheap_policy(), |ports| ports)
    }

    /// With other settings.
    pub(crate) fn with_policy(change: impl FnOnce(&mut IdentityPolicy)) -> Self {
        let mut policy = cheap_policy();
        change(&mut policy);
        Self::build(false, policy, |ports| ports)
    }

    /// With some ports replaced.
    pub(crate) fn with_ports(change: impl FnOnce(Ports) -> Ports) -> Self {
        Self::build(false, cheap_policy(), change)
    }

    fn build(configured: bool, policy: IdentityPolicy, change: impl FnOnce(Ports) -> Ports) -> Self {
        let store = Arc::new(MemoryStore::new());
        let clock = manual_clock();
        let mail = Arc::new(Mailbox { configured, broken: Mutex::new(false), letters: Mutex::default() });
        let secret = ServerSecret::generate();
        let ports = change(ports_of(&store, &mail, &clock));
        let identity = Identity::new(&secret, &policy, ports).unwrap();
        Self { identity, store, clock, mail, secret, policy }
    }

    /// Another server process on the same store.
    pub(crate) fn another_process(&self) -> Identity {
        self.process_with(&self.secret, &self.policy)
    }

    /// Another server process with other settings.
    pub(crate) fn process_with(&self, secret: &ServerSecret, policy: &IdentityPolicy) -> Identity {
        Identity::new(secret, policy, ports_of(&self.store, &self.mail, &self.clock)).unwrap()
    }

    /// Registers somebody and sends the letter.
    pub(crate) async fn register(&self, email_text: &str) -> SignedIn {
        let registered = self.identity.accounts.register(registration(email_text), browser()).await.unwrap();
        registered.deferred.await;
        registered.signed_in
    }

    pub(crate) async fn login(&self, email_text: &str, password: &str) -> Result<SignedIn, IdentityError> {
        self.identity.accounts.login(login(email_text, password), browser()).await
    }

    pub(crate) async fn caller(&self, signed_in: &SignedIn) -> Caller {
        self.authenticate(signed_in).await.unwrap()
    }

    pub(crate) async fn authenticate(&self, signed_in: &SignedIn) -> Result<Caller, IdentityError> {
        self.identity.authenticator.authenticate(signed_in.tokens.access_text()).await
    }

    /// How many hashes and how many store calls an operation costs.
    pub(crate) async fn work_of<T>(&self, operation: impl Future<Output = T>) -> (T, u64, u64) {
        let (hashes, calls) = (self.identity.password_hashes(), self.store.calls());
        let output = operation.await;
        (output, self.identity.password_hashes() - hashes, self.store.calls() - calls)
    }
}

pub(crate) fn registration(email_text: &str) -> Registration {
    Registration {
        email: email(email_text),
        name: DisplayName::parse("Ada").unwrap(),
        password: NewPassword::parse(PASSWORD).unwrap(),
    }
}

pub(crate) fn login(email_text: &str, password: &str) -> Login {
    Login { email: email(email_text), password: password.into(), lifetime: SessionLifetime::Standard }
}

pub(crate) fn remembered(email_text: &str) -> Login {
    Login { lifetime: SessionLifetime::Remembered, ..login(email_text, PASSWORD) }
}

pub(crate) fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

pub(crate) fn browser() -> ClientInfo {
    client("192.0.2.1", "Firefox")
}

pub(crate) fn client(address: &str, agent: &str) -> ClientInfo {
    ClientInfo::new(Some(address.parse().unwrap()), Some(agent))
}

/// Nothing is ever refused for being too often.
pub(crate) fn no_throttles(policy: &mut IdentityPolicy) {
    let open = ThrottleRule::new(u32::MAX - 1, 60);
    policy.throttles.failed_logins = open;
    policy.throttles.logins = open;
    policy.throttles.registrations = open;
    policy.throttles.resets = open;
    policy.throttles.verifications = open;
}

#[track_caller]
pub(crate) fn assert_code<T: std::fmt::Debug>(result: Result<T, IdentityError>, expected: ErrorCode) {
    let error = result.expect_err("should have been refused");
    assert_eq!(error.code(), expected, "{error:?}");
}
