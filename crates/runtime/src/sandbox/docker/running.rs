//! A running container, and the task that watches over it.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        Exit, Sandbox, Usage,
        disk::{self, DiskUse},
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
    pub(crate) writable: Vec<PathBuf>,
    pub(crate) disk_bytes: u64,
    pub(crate) last_log: Mutex<String>,
    pub(crate) kill: CancellationToken,
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
}

/// Watches over a container until its end, which it reports after the container is removed.
pub(crate) async fn watch_over(shared: Arc<Shared>, user: Option<UserLease>, exit: watch::Sender<Option<Exit>>) {
    let verdict = tokio::select! {
        state = ended(&shared) => decide(state),
        () = shared.kill.cancelled() => Exit::Killed,
        () = disk_over(&shared) => Exit::OutOfDisk,
    };
    if let Ok(log) = shared.engine.log_tail(&shared.container).await {
        *shared.last_log.lock().unwrap_or_else(PoisonError::into_inner) = log;
    }
    remove(&shared).await;
    drop(user);
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
    let devices = Arc::new(disk::devices(&shared.writable));
    let (mut pause, mut first, mut allowed) = (Duration::ZERO, None, None);
    loop {
        tokio::time::sleep(pause).await;
        if first.is_none() {
            first = first_process(shared).await;
        }
        let (looked_at, devices, process, began) = (shared.clone(), devices.clone(), first, Instant::now());
        let looked = tokio::task::spawn_blocking(move || {
            let allowed = allowed.unwrap_or_else(|| disk::allowance(&looked_at.writable, looked_at.disk_bytes));
            (over_disk(&looked_at, &devices, process, allowed), allowed)
        });
        match looked.await {
            Ok((true, _)) => return,
            Ok((false, known)) => allowed = Some(known),
            Err(error) => tracing::warn!(error = %error, "a sandbox could not be looked at"),
        }
        // A walk over very many files must not take a whole core.
        pause = DISK_PERIOD.max(began.elapsed() * 10);
    }
}

/// `process` is the container's first one, where this server can see it: files without a name are found through it only.
fn over_disk(shared: &Shared, devices: &HashSet<u64>, process: Option<u32>, allowed: u64) -> bool {
    match disk::measure(shared.writable.iter().map(PathBuf::as_path), allowed) {
        DiskUse::Over => true,
        DiskUse::Bytes(bytes) => {
            let hidden = process.map_or(0, |process| tree::deleted_bytes(process, devices));
            bytes.saturating_add(hidden) > allowed
        }
    }
}

/// The container's first process. None where the engine counts processes otherwise than this server does: the number
/// would be somebody else's.
async fn first_process(shared: &Shared) -> Option<u32> {
    let state = shared.engine.state(&shared.container).await.ok()??;
    let groups = tokio::fs::read_to_string(format!("/proc/{}/cgroup", state.process?)).await.ok()?;
    state.process.filter(|_| !state.id.is_empty() && groups.contains(&state.id))
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
    use super::*;

    #[test]
    fn tells_ends_apart() {
        let ended = |exit_code, out_of_memory| Some(ContainerState { exit_code, out_of_memory, ..ContainerState::default() });
        assert_eq!(decide(ended(0, false)), Exit::Code(0));
        assert_eq!(decide(ended(3, true)), Exit::Code(3));
        assert_eq!(decide(ended(139, false)), Exit::Signal(11));
        assert_eq!(decide(ended(137, true)), Exit::OutOfMemory);
        assert_eq!(decide(ended(137, false)), Exit::Signal(9));
        assert_eq!(decide(None), Exit::Killed);
    }
}
