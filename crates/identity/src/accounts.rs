//! What people do with their accounts.
//!
//! Operations that need a login take the authenticated [`Caller`] and check its scope; whether the address must be
//! verified is the route's decision. Each operation commits through one method of a port, then makes this process
//! forget what it remembered of the user. Letters are sent by the returned [`Deferred`] and nobody waits for them.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use chrono::{DateTime, Utc};
use gristmill_domain::{
    Caller, Scope, SessionId, UserId,
    identity::{
        Account, ClientInfo, DisplayName, NewOneTimeToken, NewPassword, NewSession, NewUser, OneTimePurpose, PasswordChange,
        SessionLifetime, instant_after,
    },
    ports::StoreError,
    users::{Email, User},
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    AccessTokens, Deferred, IdentityError, Letter, OneTimeToken, PasswordHasher, Ports, RefreshToken, RefreshTokens, TokenPolicy,
    Verdict,
    cache::AuthCache,
    error::as_dyn,
    secrets::DerivedKey,
    throttles::{Subject, Throttles},
};

mod external;
mod personal_tokens;
mod profile;
mod recovery;
mod sessions;

pub use personal_tokens::{CreatedToken, TokenRequest};
pub use profile::{ProfileUpdate, ProfileUpdated};

/// How long expired personal access tokens stay listed, so that their owners see why a script fails.
const EXPIRED_TOKENS_KEPT: Duration = Duration::from_secs(30 * 86_400);

/// What somebody sends to register.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Address.
    pub email: Email,
    /// Display name.
    pub name: DisplayName,
    /// Password.
    pub password: NewPassword,
}

/// What somebody sends to log in.
#[derive(Debug, Clone)]
pub struct Login {
    /// Address.
    pub email: Email,
    /// What was typed as password.
    pub password: SecretString,
    /// How long to stay logged in.
    pub lifetime: SessionLifetime,
}

/// The two tokens of a session.
#[derive(Debug, Clone)]
pub struct TokenPair {
    /// The access token, a JWT.
    pub access: SecretString,
    /// The refresh token.
    pub refresh: RefreshToken,
}

impl TokenPair {
    /// The access token's text.
    #[must_use]
    pub fn access_text(&self) -> &str {
        self.access.expose_secret()
    }
}

/// A user who just logged in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The user, with `last_login_at` of the time before.
    pub user: User,
    /// The tokens.
    pub tokens: TokenPair,
}

/// A user who just registered.
#[derive(Debug)]
pub struct Registered {
    /// The user, logged in.
    pub signed_in: SignedIn,
    /// Sends the verification letter, if mail is configured.
    pub deferred: Deferred,
}

/// The operations on accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Accounts {
    core: Arc<Core>,
}

/// What the operations share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) ports: Ports,
    pub(crate) hasher: Arc<PasswordHasher>,
    pub(crate) access: Arc<AccessTokens>,
    pub(crate) refresh: RefreshTokens,
    pub(crate) throttles: Throttles,
    /// What codes are bound to their browsers with.
    pub(crate) binding_key: DerivedKey,
    pub(crate) cache: Arc<AuthCache>,
    pub(crate) tokens: TokenPolicy,
}

impl Accounts {
    pub(crate) fn new(core: Core) -> Self {
        Self { core: Arc::new(core) }
    }

    /// Makes an account and logs its user in. Without mail, the address counts as verified.
    ///
    /// Hashes the password before it looks at the address, so a taken one is not told by time (the answer tells).
    ///
    /// # Errors
    /// `TooManyRequests`, `EmailTaken`; `Store`, `Hashing`, `Signing`.
    ///
    /// # Cancel safety
    /// The account is made whole or not at all.
    #[tracing::instrument(skip_all)]
    pub async fn register(&self, registration: Registration, client: ClientInfo) -> Result<Registered, IdentityError> {
        let core = &self.core;
        core.throttles.hit(Subject::RegistrationsFrom(&client)).await?;
        let password_hash = core.hasher.hash(&registration.password).await?;
        let now = core.now();
        let user_id = UserId::random();
        let (session, refresh) = core.new_session(user_id, SessionLifetime::Standard, client, now);
        let mail = core.ports.mailer.is_configured();
        let verification = mail.then(|| core.new_one_time_token(user_id, OneTimePurpose::VerifyEmail, now));
        if verification.is_some() {
            core.throttles.note(Subject::Verifications(user_id)).await?;
        }
        let (text, stored) = verification.unzip();
        let user = NewUser {
            id: user_id,
            email: registration.email,
            name: registration.name,
            password_hash,
            email_verified: !mail,
            created_at: now,
        };
        let session_id = session.id;
        let user = core.ports.accounts.create_account(user, session, stored).await.map_err(|error| match error {
            StoreError::Conflict(_) => IdentityError::EmailTaken,
            other => other.into(),
        })?;
        tracing::info!(user.id = %user.id, "account registered");
        let deferred = text.map_or_else(Deferred::nothing, |token| self.verification_letter(&user, token));
        let access = core.access.issue(&user, session_id, now)?;
        Ok(Registered { signed_in: SignedIn { user, tokens: TokenPair { access, refresh } }, deferred })
    }

    /// Logs a user in, verified or not.
    ///
    /// An address without an account costs the same work and gives the same answer as a wrong password, and is
    /// throttled alike.
    ///
    /// # Errors
    /// `TooManyRequests`, `InvalidLogin`; `Store`, `Hashing`, `Signing`.
    ///
    /// # Cancel safety
    /// A session that was opened for an answer that never arrived expires like any other.
    #[tracing::instrument(skip_all)]
    pub async fn login(&self, login: Login, client: ClientInfo) -> Result<SignedIn, IdentityError> {
        let core = &self.core;
        core.throttles.hit(Subject::LoginsFrom(&client)).await?;
        // The second round is for a password hash that was replaced between the check and the opening of the session:
        // by another login that made it anew, or by a change that makes this password wrong.
        for _ in 0..2 {
            let account = core.ports.accounts.find_account_by_email(&login.email).await?;
            let verdict = core.prove(login.email.as_str(), account.as_ref(), &login.password).await?;
            let (Some(account), Some(proof)) = (account, verdict) else { return Err(IdentityError::InvalidLogin) };
            let now = core.now();
            let (session, refresh) = core.new_session(account.user.id, login.lifetime, client.clone(), now);
            let session_id = session.id;
            if core.ports.sessions.open_session(session, &account.password_hash).await? {
                if proof == Proof::Stale {
                    core.renew_hash(&account, &login.password).await;
                }
                let user = core.shown(account.user);
                let access = core.access.issue(&user, session_id, now)?;
                return Ok(SignedIn { user, tokens: TokenPair { access, refresh } });
            }
        }
        Err(IdentityError::InvalidLogin)
    }

    /// Deletes what no decision needs any more: see
    /// [`AccountStore::prune`](gristmill_domain::identity::AccountStore::prune). Returns how many rows went. For a
    /// job that runs now and then.
    ///
    /// # Errors
    /// `Store`.
    pub async fn prune(&self) -> Result<u64, IdentityError> {
        Ok(self.core.ports.accounts.prune(self.core.now(), EXPIRED_TOKENS_KEPT).await?)
    }

    fn verification_letter(&self, user: &User, token: OneTimeToken) -> Deferred {
        let core = Arc::clone(&self.core);
        let (user_id, letter) = (user.id, Letter { to: user.email.clone(), name: user.name.clone(), token });
        Deferred::new(async move {
            if let Err(error) = core.ports.mailer.send_verification(letter).await {
                log_unsent(user_id, &error);
            }
        })
    }
}

/// How a password proved right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Its hash is up to date.
    Fresh,
    /// Its hash should be made anew.
    Stale,
}

impl Core {
    fn now(&self) -> DateTime<Utc> {
        self.ports.clock.now()
    }

    /// Checks a typed password, counting failures against the address. `None` when it is wrong.
    ///
    /// The count is looked at before the work, so that a locked account costs none, and again after it, so that
    /// guesses that were under way together learn nothing beyond the limit.
    async fn prove(
        &self,
        email: &str,
        account: Option<&Account>,
        candidate: &SecretString,
    ) -> Result<Option<Proof>, IdentityError> {
        let failures = Subject::FailedLogins(email);
        self.throttles.check(failures).await?;
        match self.hasher.verify(account.map(|account| &account.password_hash), candidate).await? {
            Verdict::Wrong => self.throttles.hit(failures).await.map(|()| None),
            Verdict::Right => self.throttles.forgive(failures).await.map(|()| Some(Proof::Fresh)),
            Verdict::RightButStale => self.throttles.forgive(failures).await.map(|()| Some(Proof::Stale)),
        }
    }

    /// Makes a password's hash anew at today's cost. The login stands whether or not this works.
    async fn renew_hash(&self, account: &Account, password: &SecretString) {
        let renewed = async {
            let replacement = self.hasher.hash_secret(password.clone()).await?;
            let change = PasswordChange { expected: account.password_hash.clone(), replacement };
            Ok::<_, IdentityError>(self.ports.accounts.rehash_password(account.user.id, change).await?)
        };
        if let Err(error) = renewed.await {
            tracing::warn!(user.id = %account.user.id, error = as_dyn(&error), "password hash was not renewed");
        }
    }

    fn new_session(
        &self,
        user_id: UserId,
        lifetime: SessionLifetime,
        client: ClientInfo,
        now: DateTime<Utc>,
    ) -> (NewSession, RefreshToken) {
        let refresh = self.refresh.mint();
        let session = NewSession {
            id: SessionId::random(),
            user_id,
            lifetime,
            token_hash: refresh.hash(),
            client,
            created_at: now,
            expires_at: instant_after(now, self.tokens.session_ttl.of(lifetime)),
        };
        (session, refresh)
    }

    fn new_one_time_token(
        &self,
        user_id: UserId,
        purpose: OneTimePurpose,
        now: DateTime<Utc>,
    ) -> (OneTimeToken, NewOneTimeToken) {
        let ttl = match purpose {
            OneTimePurpose::ResetPassword => self.tokens.reset_ttl,
            OneTimePurpose::VerifyEmail => self.tokens.verification_ttl,
        };
        let token = OneTimeToken::mint();
        let stored =
            NewOneTimeToken { user_id, purpose, token_hash: token.hash(), created_at: now, expires_at: instant_after(now, ttl) };
        (token, stored)
    }

    /// The user as it is shown. Without mail nobody can verify, so nobody is asked to.
    fn shown(&self, user: User) -> User {
        User { email_verified: user.email_verified || !self.ports.mailer.is_configured(), ..user }
    }

    /// The caller's account. One that vanished since authentication makes the credential worthless.
    async fn account_of(&self, caller: &Caller) -> Result<Account, IdentityError> {
        self.ports.accounts.find_account(caller.user_id).await?.ok_or(IdentityError::UserGone)
    }
}

/// Refuses a personal access token that does not cover `needed`.
fn require(caller: &Caller, needed: Scope) -> Result<(), IdentityError> {
    if caller.allows(needed) { Ok(()) } else { Err(IdentityError::InsufficientScope) }
}

fn log_unsent(user_id: UserId, error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(user.id = %user_id, error, "a letter was not sent");
}

/// Says once a process that letters go nowhere, without saying to whom or what.
fn log_mail_missing() {
    static SAID: OnceLock<()> = OnceLock::new();
    SAID.get_or_init(|| tracing::warn!("mail is not configured: links for new passwords are not sent"));
}
