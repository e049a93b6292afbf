//! A running container, and the task that watches over it.

use std::{
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use rustix::process::{Pid, PidfdFlags};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        Exit, Mount, Sandbox, SandboxError, Usage,
        disk::Writable,
        late,
        prepare::{no_user, prepare_late, system},
        tree,
        users::UserLease,
    },
    engine::{ContainerEngine, ContainerState},
};

const DISK_PERIOD: Duration = Duration::from_secs(1);
const ENGINE_PERIOD: Duration = Duration::from_millis(500);
/// How often an engine that does not answer is asked again before its containers are given up: two minutes.
const ENGINE_TRIES_MAX: usize = 240;

/// What the sandbox and its watcher share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: String,
    pub(crate) container: String,
    pub(crate) engine: Arc<dyn ContainerEngine>,
    pub(crate) writable: Mutex<Writable>,
    /// The user it runs as, when the server is root; given back at its end.
    pub(crate) user: Mutex<Option<UserLease>>,
    /// A directory that it shares with the host, by which its processes are recognised.
    pub(crate) shared_directory: Option<Mount>,
    pub(crate) last_log: Mutex<String>,
    pub(crate) kill: CancellationToken,
}

impl Shared {
    fn writable(&self) -> Writable {
        self.writable.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn mount(&self, process: u32, mounts: &[Mount]) -> Result<(), SandboxError> {
        let user = self.user.lock().unwrap_or_else(PoisonError::into_inner);
        let lease = user.as_ref().ok_or_else(no_user)?;
        let pid = i32::try_from(process).ok().and_then(Pid::from_raw).ok_or_else(elsewhere)?;
        let descriptor = rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(|_gone| elsewhere())?;
        // Behind the descriptor, so that the number cannot go to another process between the look and the mount.
        if !self.shared_directory.as_ref().is_some_and(|mount| sees(process, mount)) {
            return Err(elsewhere());
        }
        let added = prepare_late(lease, mounts)?;
        self.writable.lock().unwrap_or_else(PoisonError::into_inner).extend(added);
        late::attach(descriptor.as_fd(), mounts).map_err(system("mounting into a sandbox"))
    }
}

/// Whether a process has this directory of the host where its container should have it.
fn sees(process: u32, mount: &Mount) -> bool {
    let Ok(guest) = mount.guest.strip_prefix("/") else { return false };
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let inside = identity(&Path::new("/proc").join(process.to_string()).join("root").join(guest));
    inside.is_some() && inside == identity(&mount.host)
}

/// The engine is on another machine, or this server is in a container itself.
fn elsewhere() -> SandboxError {
    SandboxError::no_late_mounts("the engine's processes are not this machine's, as seen from here")
}

/// A running container. Dropping it tells its watcher to end it.
#[derive(Debug)]
pub(crate) struct DockerSandbox {
    pub(crate) shared: Arc<Shared>,
    pub(crate) exit: watch::Receiver<Option<Exit>>,
}

impl Drop for DockerSandbox {
    fn drop(&mut self) {
        self.shared.kill.cancel();
    }
}

#[async_trait]
impl Sandbox for DockerSandbox {
    fn id(&self) -> &str {
        &self.shared.id
    }

    async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        // The watcher is gone without a word only when the server itself is ending; the next one sweeps.
        exit.wait_for(Option::is_some).await.map_or(Exit::Killed, |exit| exit.clone().unwrap_or(Exit::Killed))
    }

    async fn kill(&self) {
        self.shared.kill.cancel();
        self.wait().await;
    }

    async fn usage(&self) -> Usage {
        if self.exit.borrow().is_some() {
            return Usage::default();
        }
        self.shared.engine.usage(&self.shared.container).await.unwrap_or_default()
    }

    async fn log_tail(&self) -> String {
        if self.exit.borrow().is_none()
            && let Ok(log) = self.shared.engine.log_tail(&self.shared.container).await
        {
            return log;
        }
        self.shared.last_log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn mount(&self, mounts: Vec<Mount>) -> Result<(), SandboxError> {
        let state = self.shared.engine.state(&self.shared.container).await.map_err(system("asking for a container's process"))?;
        let process = state.and_then(|state| state.process).ok_or_else(elsewhere)?;
        let shared = self.shared.clone();
        let mounted = tokio::task::spawn_blocking(move || shared.mount(process, &mounts)).await;
        mounted.map_err(system("mounting into a sandbox"))?
    }
}

/// Watches over a container until its end, which it reports after the container is removed.
pub(crate) async fn watch_over(shared: Arc<Shared>, exit: watch::Sender<Option<Exit>>) {
    let verdict = tokio::select! {
        state = ended(&shared) => decide(state),
        () = shared.kill.cancelled() => Exit::Killed,
        () = disk_over(&shared) => Exit::OutOfDisk,
    };
    if let Ok(log) = shared.engine.log_tail(&shared.container).await {
        *shared.last_log.lock().unwrap_or_else(PoisonError::into_inner) = log;
    }
    remove(&shared).await;
    drop(shared.user.lock().unwrap_or_else(PoisonError::into_inner).take());
    exit.send_replace(Some(verdict));
}

/// As shells tell it, 128 more than its number stands for a signal. A container that is not there any more was removed
/// by somebody else.
fn decide(state: Option<ContainerState>) -> Exit {
    let Some(state) = state else { return Exit::Killed };
    match i32::try_from(state.exit_code).unwrap_or(i32::MAX) {
        137 if state.out_of_memory => Exit::OutOfMemory,
        code @ 129..=192 => Exit::Signal(code - 128),
        code => Exit::Code(code),
    }
}

/// Waits for the end of the container, also over a restart of the engine.
async fn ended(shared: &Shared) -> Option<ContainerState> {
    let mut tries = 0;
    while tries < ENGINE_TRIES_MAX {
        let waited = shared.engine.wait(&shared.container).await;
        match shared.engine.state(&shared.container).await {
            Ok(Some(state)) if !state.running => return Some(state),
            Ok(None) => return None,
            // It runs on: the wait ended because the engine did.
            Ok(Some(_)) => tries = 0,
            Err(error) => {
                tracing::debug!(container = shared.container, error = %error, "the engine does not answer");
                tries += 1;
            }
        }
        if waited.is_err() {
            tokio::time::sleep(ENGINE_PERIOD).await;
        }
    }
    tracing::warn!(container = shared.container, "the engine is gone: its container is given up");
    None
}

async fn disk_over(shared: &Arc<Shared>) {
    let (mut pause, mut process) = (DISK_PERIOD, None);
    loop {
        tokio::time::sleep(pause).await;
        if process.is_none() {
            process = first_process(shared).await;
        }
        let (looked_at, began) = (shared.clone(), Instant::now());
        // Files without a name are found through the processes that hold them.
        let hidden = move |devices: &_| process.map_or(0, |process| tree::deleted_bytes(process, devices));
        let over = tokio::task::spawn_blocking(move || looked_at.writable().is_over(hidden));
        if matches!(over.await, Ok(true)) {
            return;
        }
        // A walk over very many files must not take a whole core.
        pause = DISK_PERIOD.max(began.elapsed() * 10);
    }
}

/// The container's first process. None where the engine counts processes otherwise than this server does: the number
/// would be somebody else's.
async fn first_process(shared: &Shared) -> Option<u32> {
    let process = shared.engine.state(&shared.container).await.ok()??.process?;
    shared.shared_directory.as_ref().filter(|mount| sees(process, mount)).map(|_| process)
}

async fn remove(shared: &Shared) {
    for _ in 0..ENGINE_TRIES_MAX {
        match shared.engine.remove(&shared.container).await {
            Ok(()) if matches!(shared.engine.state(&shared.container).await, Ok(None)) => return,
            Ok(()) => {}
            Err(error) => tracing::debug!(container = shared.container, error = %error, "not removed yet"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tracing::warn!(container = shared.container, "a container stays: the engine does not remove it");
}

#[cfg(test)]
mod tests {
    use super::{super::super::Access, *};

    #[test]
    fn a_process_is_recognised_by_what_it_sees() {
        let own = std::process::id();
        let mount = |host: &str, guest: &str| Mount { host: host.into(), guest: guest.into(), access: Access::ReadWrite };
        assert!(sees(own, &mount("/usr", "/usr")));
        assert!(!sees(own, &mount("/usr", "/proc")));
        assert!(!sees(own, &mount("/nowhere", "/nowhere")));
        assert!(!sees(u32::MAX, &mount("/usr", "/usr")));
    }

    #[test]
    fn tells_ends_apart() {
        let ended = |exit_code, out_of_memory| Some(ContainerState { running: false, exit_code, out_of_memory, process: None });
        assert_eq!(decide(ended(0, false)), Exit::Code(0));
        assert_eq!(decide(ended(3, true)), Exit::Code(3));
        assert_eq!(decide(ended(139, false)), Exit::Signal(11));
        assert_eq!(decide(ended(137, true)), Exit::OutOfMemory);
        assert_eq!(decide(ended(137, false)), Exit::Signal(9));
        assert_eq!(decide(None), Exit::Killed);
    }
}
