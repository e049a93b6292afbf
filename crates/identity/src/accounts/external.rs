//! Signing in by another provider: the code between a browser's return and its login, the login, linking and unlinking.
//!
//! An account is found by the provider's own id of the person, never by the address alone: whoever has the address at
//! the provider today need not be who registered here with it.

use std::time::Duration;

use gristmill_domain::{
    Caller, Scope, UserId,
    identity::{
        Account, ClientBinding, ClientInfo, ExternalProfile, IdentityLink, IdentityUnlink, LinkedIdentity, NewSignInCode,
        NewUser, Provider, SessionLifetime, instant_after,
    },
    ports::StoreError,
};

use super::{Accounts, Core, SignedIn, TokenPair, profile::gone, require};
use crate::{
    IdentityError, OneTimeToken, secrets,
    throttles::{Subject, network},
};

/// How long a browser has from its return to its login. It takes a page's loading.
const CODE_TTL: Duration = Duration::from_secs(60);

impl Accounts {
    /// Counts a browser on its way to a provider or back.
    ///
    /// # Errors
    /// `TooManyRequests`; `Store`.
    pub async fn count_visit(&self, client: &ClientInfo) -> Result<(), IdentityError> {
        self.core.throttles.hit(Subject::VisitsFrom(client)).await
    }

    /// Makes a code for a browser that came back from a provider: single use, for a minute, and for this browser only
    /// (the same network address and `User-Agent`). So nobody can have somebody else log in as them by a link.
    ///
    /// # Errors
    /// `Store`.
    #[tracing::instrument(skip_all)]
    pub async fn issue_sign_in_code(&self, profile: ExternalProfile, client: &ClientInfo) -> Result<OneTimeToken, IdentityError> {
        let core = &self.core;
        let (code, now) = (OneTimeToken::mint(), core.now());
        let stored = NewSignInCode {
            code_hash: code.hash(),
            client: core.binding_of(client),
            profile,
            created_at: now,
            expires_at: instant_after(now, CODE_TTL),
        };
        core.ports.external_identities.issue_sign_in_code(stored).await?;
        Ok(code)
    }

    /// Logs in whom a code stands for, for 30 days; makes an account for who has none. It has no password that anybody
    /// knows: a link by mail sets one.
    ///
    /// # Errors
    /// `TooManyRequests`; `SignInFailed` when the code is wrong, used, expired or another browser's; `AccountExists` when
    /// an account has the address and the provider is not linked to it; `Store`, `Hashing`, `Signing`.
    ///
    /// # Cancel safety
    /// The code is used up in any case.
    #[tracing::instrument(skip_all)]
    pub async fn login_by_code(&self, code: &str, client: &ClientInfo) -> Result<SignedIn, IdentityError> {
        let core = &self.core;
        core.throttles.hit(Subject::LoginsFrom(client)).await?;
        let profile = core.take_code(code, client).await?;
        // The second round is for what changes meanwhile: a password's hash, or a first login that comes twice at once.
        for _ in 0..2 {
            let signed_in = match core.ports.external_identities.find_account_by_identity(&profile.identity).await? {
                Some(account) => core.open_for(account, client).await?,
                None => core.register_by_provider(&profile, client).await?,
            };
            if let Some(signed_in) = signed_in {
                return Ok(signed_in);
            }
        }
        Err(IdentityError::SignInFailed)
    }

    /// Lets whom a code stands for log in as the caller from now on.
    ///
    /// # Errors
    /// `InsufficientScope`; `SignInFailed` as for [`Accounts::login_by_code`]; `IdentityTaken` when the provider's account
    /// is linked to another user; `UserGone`; `Store`.
    ///
    /// # Cancel safety
    /// The code is used up in any case.
    #[tracing::instrument(skip_all, fields(user.id = %caller.user_id))]
    pub async fn link_by_code(&self, caller: &Caller, code: &str, client: &ClientInfo) -> Result<(), IdentityError> {
        require(caller, Scope::Account)?;
        let core = &self.core;
        let profile = core.take_code(code, client).await?;
        let linked = core.ports.external_identities.link_identity(caller.user_id, profile.identity, core.now()).await;
        match linked.map_err(gone)? {
            IdentityLink::Linked => {
                tracing::info!("account linked to a provider");
                Ok(())
            }
            IdentityLink::Taken => Err(IdentityError::IdentityTaken),
        }
    }

    /// Lists by which providers the caller may log in, the oldest link first.
    ///
    /// # Errors
    /// `InsufficientScope`; `Store`.
    pub async fn list_identities(&self, caller: &Caller) -> Result<Vec<LinkedIdentity>, IdentityError> {
        require(caller, Scope::Account)?;
        Ok(self.core.ports.external_identities.list_identities(caller.user_id).await?)
    }

    /// Unlinks a provider: the caller does not log in by it any more. Sessions that were opened by it go on.
    ///
    /// # Errors
    /// `InsufficientScope`; `IdentityNotFound`; `LastSignIn` when nobody could log in to the account then; `UserGone`; `Store`.
    #[tracing::instrument(skip_all, fields(user.id = %caller.user_id))]
    pub async fn unlink(&self, caller: &Caller, provider: Provider) -> Result<(), IdentityError> {
        require(caller, Scope::Account)?;
        let unlinked = self.core.ports.external_identities.unlink_identities(caller.user_id, provider).await;
        match unlinked.map_err(gone)? {
            IdentityUnlink::Unlinked => {
                tracing::info!(provider = provider.as_str(), "account unlinked from a provider");
                Ok(())
            }
            IdentityUnlink::NotLinked => Err(IdentityError::IdentityNotFound),
            IdentityUnlink::LastWay => Err(IdentityError::LastSignIn),
        }
    }
}

impl Core {
    /// Uses a code up, whoever presents it.
    async fn take_code(&self, code: &str, client: &ClientInfo) -> Result<ExternalProfile, IdentityError> {
        let hash = OneTimeToken::parse(code).ok_or(IdentityError::SignInFailed)?.hash();
        let taken = self.ports.external_identities.take_sign_in_code(hash, self.now()).await?;
        let taken = taken.ok_or(IdentityError::SignInFailed)?;
        if taken.client != self.binding_of(client) {
            tracing::warn!("a sign-in code came from another browser than it was made for");
            return Err(IdentityError::SignInFailed);
        }
        Ok(taken.profile)
    }

    /// Opens a session; nothing when the account changed since it was read.
    async fn open_for(&self, account: Account, client: &ClientInfo) -> Result<Option<SignedIn>, IdentityError> {
        let now = self.now();
        let (session, refresh) = self.new_session(account.user.id, SessionLifetime::Remembered, client.clone(), now);
        let session_id = session.id;
        if !self.ports.sessions.open_session(session, &account.password_hash).await? {
            return Ok(None);
        }
        let user = self.shown(account.user);
        let access = self.access.issue(&user, session_id, now)?;
        Ok(Some(SignedIn { user, tokens: TokenPair { access, refresh } }))
    }

    /// Makes an account; nothing when somebody was faster.
    async fn register_by_provider(
        &self,
        profile: &ExternalProfile,
        client: &ClientInfo,
    ) -> Result<Option<SignedIn>, IdentityError> {
        if self.ports.accounts.find_account_by_email(&profile.email).await?.is_some() {
            // Or is it the one that the same person's other tab has just made?
            let linked = self.ports.external_identities.find_account_by_identity(&profile.identity).await?;
            return if linked.is_some() { Ok(None) } else { Err(IdentityError::AccountExists) };
        }
        self.throttles.hit(Subject::RegistrationsFrom(client)).await?;
        // Nobody knows it, so nobody logs in by it.
        let password_hash = self.hasher.hash_secret(secrets::random_hex::<32>()).await?;
        let (now, id) = (self.now(), UserId::random());
        let (session, refresh) = self.new_session(id, SessionLifetime::Remembered, client.clone(), now);
        let session_id = session.id;
        let user = NewUser {
            id,
            email: profile.email.clone(),
            name: profile.name.clone(),
            password_hash,
            email_verified: true,
            created_at: now,
        };
        let made = self.ports.external_identities.create_account_of_identity(user, session, profile.identity.clone()).await;
        let user = match made {
            Ok(user) => user,
            Err(StoreError::Conflict(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        tracing::info!(user.id = %user.id, provider = profile.identity.provider.as_str(), "account registered");
        let access = self.access.issue(&user, session_id, now)?;
        Ok(Some(SignedIn { user, tokens: TokenPair { access, refresh } }))
    }

    /// Where and with what a browser comes. All addresses of this machine are one: names of it lead to several.
    fn binding_of(&self, client: &ClientInfo) -> ClientBinding {
        let place = network(client.address().filter(|address| !address.is_loopback()));
        let program = client.user_agent().unwrap_or_default();
        ClientBinding::new(self.binding_key.tag256(&[place.as_bytes(), program.as_bytes()]))
    }
}
