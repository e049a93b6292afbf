//! `LISTEN`: what other server processes (and this one) announce through PostgreSQL.

use std::time::Duration;

use futures_util::StreamExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::broadcast;
use tokio_postgres::AsyncMessage;

/// The channels that Gristmill uses. The payload is an id, never data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// A job was queued; payload: its kind.
    JobQueued,
    /// A job's log or state changed, or its cancellation was asked for; payload: the job's id.
    JobChanged,
    /// A session or user changed, so that cached callers must be read again; payload: `session:<id>` or `user:<id>`.
    IdentityChanged,
    /// A notebook's log has new entries; payload: the notebook's id.
    NotebookChanged,
    /// A project is gone, so that what runs for it must end; payload: the project's id.
    ProjectDeleted,
    /// A deployment or one of its keys changed or is gone; payload: the deployment's id. Told by triggers.
    DeploymentChanged,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 6] = [
        Self::JobQueued,
        Self::JobChanged,
        Self::IdentityChanged,
        Self::NotebookChanged,
        Self::ProjectDeleted,
        Self::DeploymentChanged,
    ];

    /// Its name in PostgreSQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobQueued => "gristmill_job_queued",
            Self::JobChanged => "gristmill_job_changed",
            Self::IdentityChanged => "gristmill_identity_changed",
            Self::NotebookChanged => "gristmill_notebook_changed",
            Self::ProjectDeleted => "gristmill_project_deleted",
            Self::DeploymentChanged => "gristmill_deployment_changed",
        }
    }
}

/// What subscribers hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// A notification.
    Notified {
        /// On which channel.
        channel: Channel,
        /// Its payload.
        payload: String,
    },
    /// The connection was lost and made anew: anything may have been missed, so look for yourself.
    Resynchronize,
    /// The connection was lost: until `Resynchronize`, nothing is heard.
    Lost,
}

/// How many signals a slow subscriber may fall behind before it is told to look for itself (`Lagged`).
const BACKLOG: usize = 4096;
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Fans PostgreSQL's notifications out inside the process.
#[derive(Debug, Clone)]
pub struct Notifications {
    sender: broadcast::Sender<Signal>,
}

impl Default for Notifications {
    fn default() -> Self {
        Self { sender: broadcast::channel(BACKLOG).0 }
    }
}

impl Notifications {
    /// Subscribes to all channels.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Signal> {
        self.sender.subscribe()
    }

    /// Listens for ever, reconnecting with back-off. Run it in a task that is aborted at shutdown.
    pub async fn listen(&self, url: SecretString) {
        let mut retry = RETRY_MIN;
        loop {
            match self.listen_once(&url).await {
                Ok(()) => retry = RETRY_MIN,
                Err(error) => tracing::warn!(%error, retry_ms = retry.as_millis(), "notifications are interrupted"),
            }
            self.announce(Signal::Lost);
            tokio::time::sleep(retry).await;
            retry = (retry * 2).min(RETRY_MAX);
        }
    }

    async fn listen_once(&self, url: &SecretString) -> Result<(), tokio_postgres::Error> {
        let (client, mut connection) = tokio_postgres::connect(url.expose_secret(), tokio_postgres::NoTls).await?;
        let mut messages = futures_util::stream::poll_fn(move |context| connection.poll_message(context));
        let statements: String = Channel::ALL.iter().map(|channel| format!("listen {};", channel.as_str())).collect();
        let mut listening = std::pin::pin!(client.batch_execute(&statements));
        let mut ready = false;
        loop {
            tokio::select! {
                done = &mut listening, if !ready => {
                    done?;
                    ready = true;
                    self.announce(Signal::Resynchronize);
                }
                message = messages.next() => match message {
                    Some(Ok(AsyncMessage::Notification(notification))) => self.forward(&notification),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Ok(()),
                }
            }
        }
    }

    fn forward(&self, notification: &tokio_postgres::Notification) {
        let channel = Channel::ALL.into_iter().find(|channel| channel.as_str() == notification.channel());
        if let Some(channel) = channel {
            self.announce(Signal::Notified { channel, payload: notification.payload().to_owned() });
        }
    }

    fn announce(&self, signal: Signal) {
        // No subscriber is no failure: nobody waits.
        drop(self.sender.send(signal));
    }
}
