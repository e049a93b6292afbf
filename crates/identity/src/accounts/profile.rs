//! The user's own page: reading, changing and deleting the account.

use gristmill_domain::{
    Caller, Scope,
    identity::{AccountChange, AccountUpdate, DisplayName, EmailChange, NewPassword, OneTimePurpose, PasswordChange},
    ports::StoreError,
    users::{Email, User},
};
use secrecy::{ExposeSecret, SecretString};

use super::{Accounts, require};
use crate::{Deferred, IdentityError, throttles::Subject};

/// What to change about a profile.
#[derive(Debug, Clone, Default)]
pub struct ProfileUpdate {
    /// A new display name.
    pub name: Option<DisplayName>,
    /// A new address.
    pub email: Option<Email>,
    /// The current password; an empty one counts as not sent. Checked whenever it is sent.
    pub current_password: Option<SecretString>,
    /// A new password. Needs the current one.
    pub new_password: Option<NewPassword>,
}

/// A changed profile.
#[derive(Debug)]
pub struct ProfileUpdated {
    /// The user as it is now.
    pub user: User,
    /// Sends the verification letter, if the address changed and mail is configured.
    pub deferred: Deferred,
}

impl Accounts {
    /// Reads the caller's user, from the store and not from a cache.
    ///
    /// # Errors
    /// `UserGone`; `Store`.
    pub async fn me(&self, caller: &Caller) -> Result<User, IdentityError> {
        require(caller, Scope::Read)?;
        let account = self.core.account_of(caller).await?;
        Ok(self.core.shown(account.user))
    }

    /// Changes name, address or password, all or nothing.
    ///
    /// A changed address must be verified again when mail is configured, makes earlier links useless, and unlinks
    /// providers; not the one that made the account, while nobody knows its password. A changed password ends all
    /// sessions of the user, also the caller's.
    ///
    /// # Errors
    /// `InsufficientScope`, `CurrentPasswordRequired`, `WrongPassword`, `TooManyRequests` after too many wrong
    /// passwords, `EmailTaken`, `UserGone`; `Store`, `Hashing`.
    #[tracing::instrument(skip_all, fields(user.id = %caller.user_id))]
    pub async fn update_profile(&self, caller: &Caller, update: ProfileUpdate) -> Result<ProfileUpdated, IdentityError> {
        require(caller, Scope::Account)?;
        let core = &self.core;
        let account = core.account_of(caller).await?;
        let current = update.current_password.filter(|password| !password.expose_secret().is_empty());
        if update.new_password.is_some() && current.is_none() {
            return Err(IdentityError::CurrentPasswordRequired);
        }
        if let Some(current) = &current {
            let proof = core.prove(&account.user.email, Some(&account), current).await?;
            proof.ok_or(IdentityError::WrongPassword)?;
        }
        let password = match &update.new_password {
            Some(password) => {
                let replacement = core.hasher.hash(password).await?;
                Some(PasswordChange { expected: account.password_hash, replacement })
            }
            None => None,
        };
        let now = core.now();
        let email = update.email.filter(|email| email.as_str() != account.user.email);
        let mail = core.ports.mailer.is_configured();
        let verification =
            (mail && email.is_some()).then(|| core.new_one_time_token(caller.user_id, OneTimePurpose::VerifyEmail, now));
        if verification.is_some() {
            core.throttles.note(Subject::Verifications(caller.user_id)).await?;
        }
        let (letter, verification) = verification.unzip();
        let email = email.map(|email| EmailChange { email, verification });
        let user = self.apply(caller, AccountChange { name: update.name, email, password }).await?;
        let deferred = letter.map_or_else(Deferred::nothing, |token| self.verification_letter(&user, token));
        Ok(ProfileUpdated { user, deferred })
    }

    /// Deletes the caller's account with everything in it. Its credentials die with it.
    ///
    /// # Errors
    /// `InsufficientScope`, `WrongPassword`, `TooManyRequests` after too many wrong passwords, `UserGone`; `Store`.
    #[tracing::instrument(skip_all, fields(user.id = %caller.user_id))]
    pub async fn delete_account(&self, caller: &Caller, password: &SecretString) -> Result<(), IdentityError> {
        require(caller, Scope::Account)?;
        let core = &self.core;
        let account = core.account_of(caller).await?;
        let proof = core.prove(&account.user.email, Some(&account), password).await?;
        proof.ok_or(IdentityError::WrongPassword)?;
        core.ports.accounts.delete_account(caller.user_id).await.map_err(gone)?;
        core.cache.evict_user(caller.user_id);
        tracing::info!("account deleted");
        Ok(())
    }

    pub(super) async fn apply(&self, caller: &Caller, change: AccountChange) -> Result<User, IdentityError> {
        let core = &self.core;
        let outcome = core.ports.accounts.update_account(caller.user_id, change, core.now()).await.map_err(gone)?;
        match outcome {
            AccountUpdate::Updated(user) => {
                core.cache.evict_user(caller.user_id);
                Ok(core.shown(user))
            }
            AccountUpdate::EmailTaken => Err(IdentityError::EmailTaken),
            AccountUpdate::PasswordChanged => Err(IdentityError::WrongPassword),
        }
    }
}

/// A caller whose account vanished during the operation.
pub(super) fn gone(error: StoreError) -> IdentityError {
    match error {
        StoreError::NotFound => IdentityError::UserGone,
        other => other.into(),
    }
}
