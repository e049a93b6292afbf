//! Starting what parses: the worker of a project, and the one that parses the installed libraries ahead.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use gristmill_domain::{execution::PythonVersion, ids::ProjectId};

use super::{AssistDirectories, AssistError, files};
use crate::{
    resident::{GUEST_SOCKET, Launch, Launched, ResidentError, any_python, blocking, connect, python_environment, read_only},
    sandbox::{Access, Exit, GuestPython, Mount, SandboxBackend, SandboxLimits, SandboxSpec},
};

const PROGRAM: &str = "/opt/gristmill/assist";
const PARSED: &str = "/opt/gristmill/assist-cache";
const PREPARE_TIMEOUT: Duration = Duration::from_mins(10);

const LIMITS: SandboxLimits = SandboxLimits {
    memory_bytes: 1 << 30,
    cpu_percent: 100,
    pids: 32,
    file_size_bytes: 64 << 20,
    open_files: 256,
    tmp_bytes: 64 << 20,
    disk_bytes: 512 << 20,
};

/// Starts workers of projects.
#[derive(Debug)]
pub(super) struct Launcher {
    pub(super) backend: Arc<dyn SandboxBackend>,
    pub(super) directories: AssistDirectories,
    pub(super) python: PythonVersion,
}

#[async_trait]
impl Launch<ProjectId> for Launcher {
    fn name(&self) -> &'static str {
        "python help"
    }

    async fn launch(&self, project: &ProjectId) -> Result<Launched, ResidentError> {
        let guest = any_python(&*self.backend, self.python)?;
        let cache = self.directories.cache.clone();
        let program = blocking(move || files::install(&cache)).await?;
        let mut mounts = guest.mounts.clone();
        mounts.push(read_only(program, PROGRAM));
        let mut command = program_command(&guest, "serve");
        command.push(GUEST_SOCKET.to_owned());
        let parsed = self.parsed_directory(&guest);
        if parsed.is_dir() {
            mounts.push(read_only(parsed, PARSED));
            command.push(PARSED.to_owned());
        }
        let own = self.directories.projects.join(project.to_string());
        for (name, guest) in [("workspace", "/workspace"), ("packages", "/opt/gristmill/packages")] {
            // Directories that the server made; a symlink in their place would be somebody else's.
            if fs::symlink_metadata(own.join(name)).is_ok_and(|metadata| metadata.is_dir()) {
                mounts.push(read_only(own.join(name), guest));
            }
        }
        connect(&*self.backend, &self.directories.sockets, spec("assist", command, mounts)).await
    }
}

impl Launcher {
    /// Parses the installed libraries once, in a sandbox that sees nothing of any project, and keeps what was parsed: workers
    /// start warm with it, and only read it. Returns whether something was done.
    pub(super) async fn prepare(&self) -> Result<bool, AssistError> {
        let guest = any_python(&*self.backend, self.python)?;
        let target = self.parsed_directory(&guest);
        if target.is_dir() {
            return Ok(false);
        }
        let cache = self.directories.cache.clone();
        let program = blocking(move || files::install(&cache)).await?;
        let parent = target.parent().unwrap_or(&target).to_owned();
        let partial = blocking(move || {
            fs::create_dir_all(&parent)?;
            let partial = tempfile::Builder::new().prefix("parsing-").tempdir_in(parent)?;
            let inner = partial.path().join("parsed");
            fs::create_dir(&inner)?;
            fs::set_permissions(&inner, fs::Permissions::from_mode(0o777))?;
            Ok(partial)
        })
        .await?;
        let mut mounts = guest.mounts.clone();
        mounts.push(read_only(program, PROGRAM));
        let writable = partial.path().join("parsed");
        mounts.push(Mount { host: writable.clone(), guest: PARSED.into(), access: Access::ReadWrite });
        let mut command = program_command(&guest, "prepare");
        command.push(PARSED.to_owned());
        let starting = self.backend.start(spec("assist-prepare", command, mounts)).await;
        let sandbox = starting.map_err(|error| AssistError::Unavailable(error.to_string()))?;
        let exit = tokio::time::timeout(PREPARE_TIMEOUT, sandbox.wait()).await;
        if exit != Ok(Exit::Code(0)) {
            let log = sandbox.log_tail().await;
            sandbox.kill().await;
            tracing::warn!(?exit, log, "the installed libraries could not be parsed ahead; Python help starts slower");
            return Err(AssistError::Ended);
        }
        sandbox.kill().await;
        blocking(move || {
            fs::set_permissions(&writable, fs::Permissions::from_mode(0o755))?;
            // Another server may have been faster: then its result stays.
            match fs::rename(&writable, &target) {
                Err(error) if !target.is_dir() => return Err(error),
                _ => {}
            }
            drop(partial);
            Ok(())
        })
        .await?;
        Ok(true)
    }

    /// Where what was parsed of a Python environment is kept.
    fn parsed_directory(&self, guest: &GuestPython) -> PathBuf {
        use sha2::{Digest, Sha256};
        let name = format!("{}:{}", self.backend.kind().as_str(), guest.name);
        let name: String = hex::encode(Sha256::digest(name)).chars().take(12).collect();
        self.directories.cache.join("assist").join(files::version()).join(format!("parsed-{name}"))
    }
}

fn spec(name: &str, command: Vec<String>, mounts: Vec<Mount>) -> SandboxSpec {
    SandboxSpec {
        id: format!("{name}-{}", uuid::Uuid::new_v4().simple()),
        command,
        environment: python_environment(PROGRAM, &LIMITS),
        directory: "/tmp".into(),
        mounts,
        limits: LIMITS,
    }
}

fn program_command(guest: &GuestPython, what: &str) -> Vec<String> {
    let interpreter = guest.interpreter.to_string_lossy().into_owned();
    vec![interpreter, "-s".to_owned(), "-m".to_owned(), "gristmill_assist".to_owned(), what.to_owned()]
}
