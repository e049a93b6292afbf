//! Passwords, tokens, refresh families, throttles, sign-in with Google.
//!
//! [`Identity`] is the front door: [`Accounts`] for everything a person does with an account, [`Authenticator`] for
//! turning the text behind `Bearer` into a [`Caller`](gristmill_domain::Caller). Storage comes through the ports of
//! [`gristmill_domain::identity`], mail through [`Mailer`]; [`memory::MemoryStore`] implements the storage ports for
//! tests and small programs. No SQL here, and no HTTP but the questions that [`Google`] asks of its provider.
//!
//! ```
//! use std::sync::Arc;
//! use gristmill_domain::{SystemClock, identity::{ClientInfo, DisplayName, NewPassword}, users::Email};
//! use gristmill_identity::{Identity, IdentityPolicy, NoMail, Ports, Registration, ServerSecret, memory::MemoryStore};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let ports = Ports::of(Arc::new(MemoryStore::new()), Arc::new(NoMail), Arc::new(SystemClock));
//! let identity = Identity::new(&ServerSecret::generate(), &IdentityPolicy::default(), ports)?;
//! let registration = Registration {
//!     email: Email::parse("ada@example.org")?,
//!     name: DisplayName::parse("Ada")?,
//!     password: NewPassword::parse("correct horse")?,
//! };
//! let registered = identity.accounts.register(registration, ClientInfo::default()).await?;
//! let bearer = registered.signed_in.tokens.access_text();
//! let caller = identity.authenticator.authenticate(bearer).await?;
//! assert_eq!(caller.user_id, registered.signed_in.user.id);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access_tokens;
mod accounts;
mod authenticator;
mod cache;
mod deferred;
mod error;
mod google;
mod mail;
pub mod memory;
mod one_time_tokens;
mod passwords;
mod personal_tokens;
mod policy;
mod refresh_tokens;
mod secrets;
mod service;
mod throttles;

pub use access_tokens::{AccessClaims, AccessTokens};
pub use accounts::{
    Accounts, CreatedToken, Login, ProfileUpdate, ProfileUpdated, Registered, Registration, SignedIn, TokenPair, TokenRequest,
};
pub use authenticator::{Authenticator, VerificationRule, bearer_text};
pub use deferred::Deferred;
pub use error::IdentityError;
pub use google::{Arrival, Departure, Google, GoogleSettings, ProviderError};
pub use mail::{Letter, MailError, Mailer, NoMail};
pub use one_time_tokens::OneTimeToken;
pub use passwords::{PasswordCost, PasswordHasher, Verdict};
pub use personal_tokens::PersonalTokenText;
pub use policy::{CachePolicy, HashingPolicy, IdentityPolicy, ThrottlePolicy, TokenPolicy};
pub use refresh_tokens::{RefreshToken, RefreshTokens};
pub use secrets::ServerSecret;
pub use service::{Identity, Ports};
