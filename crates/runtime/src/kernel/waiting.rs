//! A kernel that is ready before it is known for whom.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use super::client::{Kernel, Sockets};
use crate::{
    error::RuntimeError,
    sandbox::{Mount, Usage},
};

/// How long an idle kernel may take to answer. It has nothing else to do.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);
const MODULES_MAX: usize = 10_000;

#[derive(Deserialize)]
struct Modules {
    modules: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Adopted {
    status: String,
    #[serde(default)]
    reason: String,
}

impl Kernel {
    /// The top names of the modules that it has loaded.
    ///
    /// # Errors
    /// `SandboxFailed` when it does not answer.
    pub(crate) async fn modules(&mut self) -> Result<BTreeSet<String>, RuntimeError> {
        let Modules { modules } = self.ask("gristmill_modules_request").await?;
        if modules.len() > MODULES_MAX { Err(silent("it says nonsense")) } else { Ok(modules) }
    }

    /// Makes it a kernel of the project whose files these are. It must have run nobody's code yet. After an error it is
    /// of no more use.
    ///
    /// # Errors
    /// `RuntimeUnavailable` where mounting later can never work, else `SandboxFailed`.
    pub(crate) async fn adopt(&mut self, mounts: Vec<Mount>) -> Result<(), RuntimeError> {
        self.sandbox.mount(mounts).await?;
        let Adopted { status, reason } = self.ask("gristmill_adopt_request").await?;
        if status == "ok" { Ok(()) } else { Err(silent(&reason)) }
    }

    /// What its sandbox uses.
    pub(crate) async fn usage(&self) -> Usage {
        self.sandbox.usage().await
    }

    async fn ask<T: DeserializeOwned>(&mut self, kind: &str) -> Result<T, RuntimeError> {
        let asking = async {
            let (id, frames) = self.wire.request(kind, &json!({}))?;
            self.sockets.shell.send(&frames).await?;
            loop {
                let Sockets { shell, iopub, .. } = &mut self.sockets;
                tokio::select! {
                    message = shell.receive() => {
                        if let Some(answer) = self.wire.open(&message?).filter(|answer| answer.parent == id) {
                            return Ok(serde_json::from_slice(&answer.content)?);
                        }
                    }
                    // It tells there that it is busy.
                    message = iopub.receive() => drop(message?),
                    _ = self.sandbox.wait() => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                }
            }
        };
        match tokio::time::timeout(ANSWER_PATIENCE, asking).await {
            Ok(answer) => answer.map_err(|error: std::io::Error| silent(&error.to_string())),
            Err(_) => Err(silent("it does not answer")),
        }
    }
}

fn silent(reason: &str) -> RuntimeError {
    RuntimeError::Kernel { reason: reason.to_owned() }
}
