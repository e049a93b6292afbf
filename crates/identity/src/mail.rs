//! The port for mail.

use async_trait::async_trait;

use crate::{OneTimeToken, error::BoxError};

/// A letter with a one-time link. The text and the link are the mailer's: it knows the language and the frontend.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The address.
    pub to: String,
    /// The person's name.
    pub name: String,
    /// The token for the link.
    pub token: OneTimeToken,
}

/// Says that a letter was not handed over.
#[derive(Debug, thiserror::Error)]
#[error("the mail could not be sent")]
pub struct MailError(#[source] pub BoxError);

/// Sends letters. Implementations have their own timeouts.
#[async_trait]
pub trait Mailer: Send + Sync + std::fmt::Debug {
    /// Whether letters can be sent. Must not change while the process lives.
    fn is_configured(&self) -> bool;

    /// Sends a link for choosing a new password.
    ///
    /// # Errors
    /// [`MailError`].
    async fn send_reset(&self, letter: Letter) -> Result<(), MailError>;

    /// Sends a link for verifying the address.
    ///
    /// # Errors
    /// [`MailError`].
    async fn send_verification(&self, letter: Letter) -> Result<(), MailError>;
}

/// The mailer of an installation without a mail server: users count as verified, and letters are refused.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMail;

#[async_trait]
impl Mailer for NoMail {
    fn is_configured(&self) -> bool {
        false
    }

    async fn send_reset(&self, _letter: Letter) -> Result<(), MailError> {
        Err(MailError("no mail server is configured".into()))
    }

    async fn send_verification(&self, _letter: Letter) -> Result<(), MailError> {
        Err(MailError("no mail server is configured".into()))
    }
}
