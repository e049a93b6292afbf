//! Which backend a server uses.

use std::sync::Arc;

use super::{BackendKind, Isolation, SandboxBackend, SandboxError};

/// What the operator asked for (`RUNTIME_BACKEND`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BackendSetting {
    /// Docker when an engine answers and the image is there or can be built, else bubblewrap.
    #[default]
    Auto,
    /// This one and no other.
    Only(BackendKind),
}

impl BackendSetting {
    /// Reads the name in the settings: `auto`, `process` or `docker`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(Self::Auto),
            "process" => Some(Self::Only(BackendKind::Process)),
            "docker" => Some(Self::Only(BackendKind::Docker)),
            _ => None,
        }
    }
}

/// What was chosen, and why the others were not.
#[derive(Debug)]
pub struct Choice {
    /// The backend, when one works here, with what it keeps apart.
    pub chosen: Option<(Arc<dyn SandboxBackend>, Isolation)>,
    /// One entry for each backend that is not used: why.
    pub not_used: Vec<(BackendKind, String)>,
}

/// Asks the backends in order of preference whether they work, and takes the first that does.
pub async fn choose(setting: BackendSetting, process: Arc<dyn SandboxBackend>, docker: Arc<dyn SandboxBackend>) -> Choice {
    let mut choice = Choice { chosen: None, not_used: Vec::new() };
    for backend in [docker, process] {
        let kind = backend.kind();
        if matches!(setting, BackendSetting::Only(only) if only != kind) {
            choice.not_used.push((kind, "the setting RUNTIME_BACKEND names another".to_owned()));
        } else if let Some((used, _)) = &choice.chosen {
            choice.not_used.push((kind, format!("{} works and is preferred", used.kind().as_str())));
        } else {
            match backend.probe().await {
                Ok(isolation) => choice.chosen = Some((backend, isolation)),
                Err(error) => choice.not_used.push((kind, whole(&error))),
            }
        }
    }
    choice
}

/// The error with its causes, for the operator.
fn whole(error: &SandboxError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use gristmill_domain::execution::PythonVersion;

    use super::{
        super::{GuestPython, Sandbox, SandboxSpec},
        *,
    };

    #[derive(Debug)]
    struct Fake(BackendKind, bool);

    #[async_trait]
    impl SandboxBackend for Fake {
        fn kind(&self) -> BackendKind {
            self.0
        }
        async fn probe(&self) -> Result<Isolation, SandboxError> {
            if self.1 {
                Ok(Isolation { backend: self.0, measures: Vec::new() })
            } else {
                Err(SandboxError::Unavailable { reason: "broken".to_owned(), remedy: "mend it".to_owned() })
            }
        }
        fn python(&self, _: PythonVersion) -> Result<GuestPython, SandboxError> {
            Err(SandboxError::Start(String::new()))
        }
        async fn start(&self, _: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError> {
            Err(SandboxError::Start(String::new()))
        }
        async fn sweep(&self) -> Result<usize, SandboxError> {
            Ok(0)
        }
    }

    async fn chosen(setting: &str, process: bool, docker: bool) -> (Option<BackendKind>, Vec<String>) {
        let choice = choose(
            BackendSetting::from_name(setting).unwrap(),
            Arc::new(Fake(BackendKind::Process, process)),
            Arc::new(Fake(BackendKind::Docker, docker)),
        )
        .await;
        let why = choice.not_used.into_iter().map(|(kind, why)| format!("{}: {why}", kind.as_str())).collect();
        (choice.chosen.map(|(backend, _)| backend.kind()), why)
    }

    #[tokio::test]
    async fn prefers_docker_and_says_why_another_is_not_used() {
        use BackendKind::{Docker, Process};
        assert_eq!(chosen("auto", true, true).await, (Some(Docker), vec!["process: docker works and is preferred".to_owned()]));
        let broken = "docker: sandboxes cannot be started: broken; mend it".to_owned();
        assert_eq!(chosen("auto", true, false).await, (Some(Process), vec![broken.clone()]));
        let named = |kind: &str| format!("{kind}: the setting RUNTIME_BACKEND names another");
        assert_eq!(chosen("process", true, true).await, (Some(Process), vec![named("docker")]));
        assert_eq!(chosen("docker", true, false).await, (None, vec![broken, named("process")]));
        assert!(BackendSetting::from_name("podman").is_none());
    }
}
