//! Links by mail: a new password, and proof of the address.

use std::sync::Arc;

use gristmill_domain::{
    Caller, Scope,
    identity::{AccountChange, EmailChange, NewPassword, OneTimePurpose},
    users::Email,
};

use super::{Accounts, Core, log_mail_missing, log_unsent, profile::gone, require};
use crate::{Deferred, IdentityError, Letter, OneTimeToken, error::as_dyn, throttles::Subject};

impl Accounts {
    /// Prepares a link for a new password, if the address has an account and mail is configured.
    ///
    /// Neither the answer nor its time tells whether there is an account: before the answer only the throttle is
    /// counted, for every address alike; the account is looked up, the token stored and the letter sent by the
    /// returned work, after the answer.
    ///
    /// # Errors
    /// `TooManyRequests` for a second request for the address within a minute; `Store`.
    #[tracing::instrument(skip_all)]
    pub async fn forgot_password(&self, email: Email) -> Result<Deferred, IdentityError> {
        self.core.throttles.hit(Subject::Resets(email.as_str())).await?;
        if !self.core.ports.mailer.is_configured() {
            log_mail_missing();
            return Ok(Deferred::nothing());
        }
        let core = Arc::clone(&self.core);
        Ok(Deferred::new(async move {
            if let Err(error) = core.send_reset_link(&email).await {
                tracing::warn!(error = as_dyn(&error), "a link for a new password was not prepared");
            }
        }))
    }

    /// Sets a new password by a mailed token, and ends all sessions of the user.
    ///
    /// The token is looked at before the password is hashed, so that made-up tokens cost no hash, and used up after.
    ///
    /// # Errors
    /// `OneTimeTokenInvalid`, `TooManyRequests`; `Store`, `Hashing`.
    #[tracing::instrument(skip_all)]
    pub async fn reset_password(&self, token: &str, password: &NewPassword) -> Result<(), IdentityError> {
        let core = &self.core;
        let hash = OneTimeToken::parse(token).ok_or(IdentityError::OneTimeTokenInvalid)?.hash();
        let store = &core.ports.one_time_tokens;
        let usable = store.find_one_time_token(hash, OneTimePurpose::ResetPassword, core.now()).await?;
        usable.ok_or(IdentityError::OneTimeTokenInvalid)?;
        let replacement = core.hasher.hash(password).await?;
        let user_id = store.reset_password(hash, replacement, core.now()).await?;
        let user_id = user_id.ok_or(IdentityError::OneTimeTokenInvalid)?;
        core.cache.evict_user(user_id);
        tracing::info!(user.id = %user_id, "password reset");
        Ok(())
    }

    /// Verifies an address by a mailed token.
    ///
    /// # Errors
    /// `OneTimeTokenInvalid`; `Store`.
    #[tracing::instrument(skip_all)]
    pub async fn verify_email(&self, token: &str) -> Result<(), IdentityError> {
        let core = &self.core;
        let hash = OneTimeToken::parse(token).ok_or(IdentityError::OneTimeTokenInvalid)?.hash();
        let user_id = core.ports.one_time_tokens.verify_email(hash, core.now()).await?;
        core.cache.evict_user(user_id.ok_or(IdentityError::OneTimeTokenInvalid)?);
        Ok(())
    }

    /// Prepares another verification letter, to another address if one is given, which then replaces the account's.
    ///
    /// An address that turns out to be taken counts as a try, so that addresses cannot be probed quickly.
    ///
    /// # Errors
    /// `InsufficientScope`, `MailNotConfigured`, `EmailAlreadyVerified`, `TooManyRequests`, `EmailTaken`, `UserGone`;
    /// `Store`.
    #[tracing::instrument(skip_all, fields(user.id = %caller.user_id))]
    pub async fn resend_verification(&self, caller: &Caller, email: Option<Email>) -> Result<Deferred, IdentityError> {
        require(caller, Scope::Account)?;
        let core = &self.core;
        if !core.ports.mailer.is_configured() {
            return Err(IdentityError::MailNotConfigured);
        }
        let user = core.account_of(caller).await?.user;
        if user.email_verified {
            return Err(IdentityError::EmailAlreadyVerified);
        }
        core.throttles.hit(Subject::Verifications(user.id)).await?;
        let (token, stored) = core.new_one_time_token(user.id, OneTimePurpose::VerifyEmail, core.now());
        let user = match email.filter(|email| email.as_str() != user.email) {
            Some(email) => {
                let change = EmailChange { email, verification: Some(stored) };
                self.apply(caller, AccountChange { email: Some(change), ..AccountChange::default() }).await?
            }
            None => {
                core.ports.one_time_tokens.issue_one_time_token(stored).await.map_err(gone)?;
                user
            }
        };
        Ok(self.verification_letter(&user, token))
    }

    /// Tells whether the caller's address is verified, from the store and not from a cache.
    ///
    /// # Errors
    /// `UserGone`; `Store`.
    pub async fn verification_status(&self, caller: &Caller) -> Result<bool, IdentityError> {
        Ok(self.me(caller).await?.email_verified)
    }
}

impl Core {
    async fn send_reset_link(&self, email: &Email) -> Result<(), IdentityError> {
        let Some(account) = self.ports.accounts.find_account_by_email(email).await? else { return Ok(()) };
        let user = account.user;
        let (token, stored) = self.new_one_time_token(user.id, OneTimePurpose::ResetPassword, self.now());
        self.ports.one_time_tokens.issue_one_time_token(stored).await?;
        if let Err(error) = self.ports.mailer.send_reset(Letter { to: user.email, name: user.name, token }).await {
            log_unsent(user.id, &error);
        }
        Ok(())
    }
}
