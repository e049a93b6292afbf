//! A running sandbox of bubblewrap, and the task that watches over it.

use std::{
    os::fd::{AsFd, OwnedFd},
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStderr, ChildStdin},
    sync::watch,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        Exit, Mount, Sandbox, SandboxError, SandboxLimits, Usage,
        disk::Writable,
        late,
        log::LogTail,
        prepare::{no_user, prepare_late, system},
        tree,
        users::UserLease,
    },
    cgroup::CgroupSet,
};

const MEMORY_PERIOD: Duration = Duration::from_millis(100);
const DISK_PERIOD: Duration = Duration::from_secs(1);
const REMOVE_TRIES_MAX: usize = 100;

/// The first process inside, which takes all others with it when it ends.
#[derive(Debug)]
pub(crate) struct InitProcess {
    pub(crate) id: u32,
    descriptor: OwnedFd,
}

impl InitProcess {
    /// Takes hold of a process, so that a later signal cannot reach another one with the same number.
    pub(crate) fn open(id: u32) -> rustix::io::Result<Self> {
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or(rustix::io::Errno::SRCH)?;
        Ok(Self { id, descriptor: rustix::process::pidfd_open(pid, PidfdFlags::empty())? })
    }

    pub(crate) fn kill(&self) {
        // It fails when the process is gone, which is what was wanted.
        let _gone = rustix::process::pidfd_send_signal(&self.descriptor, Signal::KILL);
    }
}

/// What the sandbox and its watcher share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: String,
    pub(crate) init: InitProcess,
    pub(crate) cgroups: CgroupSet,
    pub(crate) limits: SandboxLimits,
    pub(crate) writable: Mutex<Writable>,
    /// The user it runs as, when the server is root; given back at its end.
    pub(crate) user: Mutex<Option<UserLease>>,
    /// Whether the watcher must count memory, because no control group does.
    pub(crate) counts_memory: bool,
    pub(crate) log: Mutex<LogTail>,
    pub(crate) kill: CancellationToken,
}

impl Shared {
    fn writable(&self) -> Writable {
        self.writable.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn mount(&self, mounts: &[Mount]) -> Result<(), SandboxError> {
        // Held until all is mounted: the watcher gives the user back only when nothing is half done.
        let user = self.user.lock().unwrap_or_else(PoisonError::into_inner);
        let lease = user.as_ref().ok_or_else(no_user)?;
        let added = prepare_late(lease, mounts)?;
        self.writable.lock().unwrap_or_else(PoisonError::into_inner).extend(added);
        late::attach(self.init.descriptor.as_fd(), mounts).map_err(system("mounting into a sandbox"))
    }

    fn usage(&self) -> Usage {
        let seen = tree::usage(self.init.id, u64::MAX);
        Usage {
            memory_bytes: self.cgroups.memory_bytes().unwrap_or(seen.memory_bytes),
            cpu: self.cgroups.cpu().unwrap_or(seen.cpu),
            pids: self.cgroups.pids().unwrap_or(seen.pids),
        }
    }
}

/// A running sandbox. Dropping it tells its watcher to end it.
#[derive(Debug)]
pub(crate) struct ProcessSandbox {
    pub(crate) shared: Arc<Shared>,
    pub(crate) exit: watch::Receiver<Option<Exit>>,
}

impl Drop for ProcessSandbox {
    fn drop(&mut self) {
        self.shared.kill.cancel();
    }
}

#[async_trait]
impl Sandbox for ProcessSandbox {
    fn id(&self) -> &str {
        &self.shared.id
    }

    async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        // The watcher is gone without a word only when the server itself is ending, which ends the sandbox.
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
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || shared.usage()).await.unwrap_or_default()
    }

    async fn log_tail(&self) -> String {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).text()
    }

    async fn mount(&self, mounts: Vec<Mount>) -> Result<(), SandboxError> {
        let shared = self.shared.clone();
        let mounted = tokio::task::spawn_blocking(move || shared.mount(&mounts)).await;
        mounted.map_err(system("mounting into a sandbox"))?
    }
}

/// What the watcher owns: all of it is released when the sandbox is gone.
#[derive(Debug)]
pub(crate) struct Owned {
    pub(crate) child: Child,
    /// bubblewrap waits for a byte from here before it starts the program.
    pub(crate) go: ChildStdin,
    pub(crate) log: ChildStderr,
    pub(crate) exit: watch::Sender<Option<Exit>>,
}

/// Watches over a sandbox until its end, which it reports.
pub(crate) async fn watch_over(shared: Arc<Shared>, owned: Owned) {
    let Owned { mut child, mut go, log, exit } = owned;
    // It fails when bubblewrap has ended already, which is noticed below.
    drop(go.write_all(b"g").await);
    drop(go);
    let mut verdict = None;
    let status = {
        let ended = child.wait();
        let pump = pump_log(log, &shared);
        let watch = watch_limits(&shared);
        tokio::pin!(ended, pump, watch);
        let mut pumped = false;
        let status = loop {
            tokio::select! {
                status = &mut ended => break status.ok(),
                () = &mut pump, if !pumped => pumped = true,
                () = shared.kill.cancelled(), if verdict.is_none() => {
                    verdict = Some(Exit::Killed);
                    shared.init.kill();
                }
                over = &mut watch, if verdict.is_none() => {
                    verdict = Some(over);
                    shared.init.kill();
                }
            }
        };
        if !pumped {
            // Every writer is gone, so the end is near.
            drop(tokio::time::timeout(Duration::from_secs(1), pump).await);
        }
        status
    };
    let outcome = decide(verdict, status, shared.cgroups.memory_kills() > 0);
    remove_groups(&shared).await;
    drop(shared.user.lock().unwrap_or_else(PoisonError::into_inner).take());
    exit.send_replace(Some(outcome));
}

/// Why a sandbox ended: what we did to it goes before what its program says. bubblewrap tells a signal as 128 more than
/// its number, as shells do.
fn decide(verdict: Option<Exit>, status: Option<ExitStatus>, memory_kills: bool) -> Exit {
    if let Some(verdict) = verdict {
        return verdict;
    }
    let Some(code) = status.and_then(|status| status.code()) else {
        // bubblewrap itself was killed: only somebody outside can have done it.
        return Exit::Signal(Signal::KILL.as_raw());
    };
    match code - 128 {
        9 if memory_kills => Exit::OutOfMemory,
        signal @ 1..=64 => Exit::Signal(signal),
        _ => Exit::Code(code),
    }
}

async fn pump_log(mut log: ChildStderr, shared: &Shared) {
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        let Ok(count) = log.read(&mut buffer).await else { return };
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { return };
        shared.log.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }
}

/// Returns when a limit that the kernel does not keep is broken.
async fn watch_limits(shared: &Arc<Shared>) -> Exit {
    let mut memory = tokio::time::interval(MEMORY_PERIOD);
    memory.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut disk_due = Instant::now() + DISK_PERIOD;
    loop {
        memory.tick().await;
        let (counts_memory, counts_disk) = (shared.counts_memory, Instant::now() >= disk_due);
        if !counts_memory && !counts_disk {
            continue;
        }
        let shared = shared.clone();
        let began = Instant::now();
        let looked = tokio::task::spawn_blocking(move || {
            if counts_memory && over_memory(&shared) {
                return Some(Exit::OutOfMemory);
            }
            let over = counts_disk && shared.writable().is_over(|devices| tree::deleted_bytes(shared.init.id, devices));
            over.then_some(Exit::OutOfDisk)
        });
        if let Ok(Some(over)) = looked.await {
            return over;
        }
        if counts_disk {
            // A walk over very many files must not take a whole core.
            disk_due = Instant::now() + DISK_PERIOD.max(began.elapsed() * 10);
        }
    }
}

fn over_memory(shared: &Shared) -> bool {
    let limit = shared.limits.memory_bytes;
    let (init, size) = (shared.init.id, shared.limits.tmp_bytes);
    let temporary: u64 = ["/tmp", "/dev/shm"].map(|path| tree::private_filesystem_bytes(init, path, size)).iter().sum();
    let left = limit.saturating_sub(temporary);
    temporary > limit || tree::usage(shared.init.id, left).memory_bytes > left
}

async fn remove_groups(shared: &Shared) {
    for _ in 0..REMOVE_TRIES_MAX {
        match shared.cgroups.remove() {
            Ok(()) => return,
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => {
                tracing::warn!(sandbox.id = shared.id, error = %error, "a control group could not be removed");
                return;
            }
        }
    }
    tracing::warn!(sandbox.id = shared.id, "a control group stays: its processes do not end");
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn tells_ends_apart() {
        let returned = |code: i32| Some(ExitStatus::from_raw(code << 8));
        assert_eq!(decide(None, returned(0), false), Exit::Code(0));
        assert_eq!(decide(None, returned(3), true), Exit::Code(3));
        assert_eq!(decide(None, returned(139), false), Exit::Signal(11));
        assert_eq!(decide(None, returned(137), false), Exit::Signal(9));
        assert_eq!(decide(None, returned(137), true), Exit::OutOfMemory);
        assert_eq!(decide(None, returned(255), false), Exit::Code(255));
        assert_eq!(decide(Some(Exit::OutOfDisk), returned(137), true), Exit::OutOfDisk);
        assert_eq!(decide(None, Some(ExitStatus::from_raw(9)), false), Exit::Signal(9));
    }
}
