//! Letters over SMTP: the texts, the links into the frontend, and the connection.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gristmill_identity::{Letter, MailError, Mailer, NoMail};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        PoolConfig,
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};
use secrecy::ExposeSecret;
use url::Url;

use crate::config::{Config, MailConfig};

/// How long the mail server may take for one command.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Connections that are kept.
const CONNECTIONS_MAX: u32 = 4;

/// The mailer that the configuration asks for.
///
/// # Errors
/// The sender is no address, or TLS cannot be set up.
pub(crate) fn mailer(config: &Config) -> anyhow::Result<Arc<dyn Mailer>> {
    Ok(match &config.mail {
        Some(mail) => Arc::new(SmtpMailer::new(mail, &config.http.frontend_url)?),
        None => Arc::new(NoMail),
    })
}

/// Sends letters over SMTP. Links and addresses are never logged.
struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    frontend: Url,
}

impl std::fmt::Debug for SmtpMailer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SmtpMailer").finish_non_exhaustive()
    }
}

impl SmtpMailer {
    fn new(mail: &MailConfig, frontend: &Url) -> anyhow::Result<Self> {
        let from = mail.from.parse().map_err(|error| anyhow::anyhow!("SMTP_FROM is no address: {error}"))?;
        let tls = TlsParameters::new(mail.host.clone())?;
        let tls = match (mail.implicit_tls, is_this_machine(&mail.host)) {
            (true, _) => Tls::Wrapper(tls),
            // A relay of this machine's may have no certificate; beyond it no password and no link travels in the open.
            (false, true) => Tls::Opportunistic(tls),
            (false, false) => Tls::Required(tls),
        };
        let credentials = Credentials::new(mail.user.clone(), mail.password.expose_secret().to_owned());
        let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.host)
            .port(mail.port)
            .tls(tls)
            .credentials(credentials)
            .timeout(Some(TIMEOUT))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS_MAX))
            .build();
        Ok(Self { transport, from, frontend: frontend.clone() })
    }

    async fn send(&self, letter: Letter, text: &Text) -> Result<(), MailError> {
        let link = link(&self.frontend, text.path, letter.token.expose());
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| MailError(error);
        let to = letter.to.parse().map_err(|error| failed(Box::new(error)))?;
        let body = format!("Hello {},\n\n{}\n\n{link}\n\n{}\n", letter.name, text.ask, text.otherwise);
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(text.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|error| failed(Box::new(error)))?;
        self.transport.send(message).await.map_err(|error| failed(Box::new(error)))?;
        Ok(())
    }
}

/// What a letter says around its link.
struct Text {
    subject: &'static str,
    /// Where the frontend takes the link.
    path: &'static str,
    ask: &'static str,
    otherwise: &'static str,
}

const RESET: Text = Text {
    subject: "Choose a new password for Gristmill",
    path: "reset-password",
    ask: "somebody, hopefully you, asked for a new password. Choose it here within an hour:",
    otherwise: "If it was not you, do nothing: your password stays as it is.",
};

const VERIFICATION: Text = Text {
    subject: "Confirm your address for Gristmill",
    path: "verify-email",
    ask: "confirm within a day that this address is yours:",
    otherwise: "If you did not register, do nothing.",
};

#[async_trait]
impl Mailer for SmtpMailer {
    fn is_configured(&self) -> bool {
        true
    }

    async fn send_reset(&self, letter: Letter) -> Result<(), MailError> {
        self.send(letter, &RESET).await
    }

    async fn send_verification(&self, letter: Letter) -> Result<(), MailError> {
        self.send(letter, &VERIFICATION).await
    }
}

/// A page of the frontend with the token.
fn link(frontend: &Url, path: &str, token: &str) -> Url {
    let mut link = frontend.clone();
    if let Ok(mut segments) = link.path_segments_mut() {
        segments.pop_if_empty().push(path);
    }
    link.query_pairs_mut().append_pair("token", token);
    link
}

/// Whether a connection to a host stays on this machine.
fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_into_the_frontend() {
        for (base, expected) in [
            ("http://localhost:5173", "http://localhost:5173/reset-password?token=ab"),
            ("https://example.org/app/", "https://example.org/app/reset-password?token=ab"),
        ] {
            assert_eq!(link(&base.parse().unwrap(), "reset-password", "ab").as_str(), expected);
        }
    }

    #[test]
    fn only_this_machine_may_go_without_tls() {
        assert!(["localhost", "127.0.0.1", "::1"].iter().all(|host| is_this_machine(host)));
        assert!(!["mail.example.org", "10.0.0.1", "localhost.example.org"].iter().any(|host| is_this_machine(host)));
    }
}
