//! Kernels that are ready before anybody asks for one. They see Python, the helpers and empty directories, nothing of any
//! project; each has a user of its own, as every sandbox. A place takes one over by mounting its project's files into
//! it; nothing ever comes back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gristmill_domain::execution::PythonVersion;
use tokio::{
    sync::{Notify, oneshot, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::inner::{BackendState, Inner, blocking};
use crate::{
    environment::install_kernel_files,
    error::RuntimeError,
    kernel::{Kernel, Watched, launch},
    packages::GUEST_LAYER,
    sandbox::{Access, Mount, SandboxBackend},
};

/// How often a pool looks by itself whether it has what it should.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A kernel that was just taken has the processor to itself for this long.
const REFILL_AFTER: Duration = Duration::from_millis(300);
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// What a kernel counts for at least, bytes. Engines measure differently, some without what the kernel reads from files.
const MEMORY_MIN: u64 = 60 << 20;

/// The kernels that wait.
#[derive(Debug)]
pub(super) struct Pool {
    /// Kernels for each Python version in use.
    size: usize,
    /// Of all that wait, bytes.
    memory_bytes_max: u64,
    state: Mutex<State>,
    changed: Notify,
    closed: CancellationToken,
    /// Kernels and starts that are not over.
    alive: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    /// The oldest first.
    waiting: Vec<Waiting>,
    /// When a kernel of a version was last asked for.
    asked: BTreeMap<PythonVersion, Instant>,
    /// What the largest one used when it was ready, bytes.
    largest: u64,
    off: bool,
    /// Why there are fewer than there should be.
    problem: Option<String>,
}

/// A kernel that waits. Dropping it ends it.
#[derive(Debug)]
struct Waiting {
    version: PythonVersion,
    memory_bytes: u64,
    /// Top names of what it has loaded.
    modules: BTreeSet<String>,
    claim: oneshot::Sender<oneshot::Sender<Kernel>>,
}

/// Counts what must be gone before the pool is.
#[derive(Debug)]
struct Alive(watch::Sender<usize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl Pool {
    pub(super) fn new(size: usize, memory_bytes_max: u64, stopping: &CancellationToken) -> Self {
        Self {
            size,
            memory_bytes_max,
            state: Mutex::default(),
            changed: Notify::new(),
            closed: stopping.child_token(),
            alive: watch::Sender::new(0),
        }
    }

    /// Kernels that wait.
    pub(super) fn ready(&self) -> usize {
        self.state().waiting.iter().filter(|waiting| !waiting.claim.is_closed()).count()
    }

    /// Takes a kernel of this version, unless it has loaded modules of which the project has its own. None: start one.
    pub(super) async fn claim(&self, version: PythonVersion, own_modules: &BTreeSet<String>) -> Option<Kernel> {
        loop {
            let waiting = {
                let mut state = self.state();
                state.asked.insert(version, Instant::now());
                let fits = |waiting: &Waiting| waiting.version == version && waiting.modules.is_disjoint(own_modules);
                let found = state.waiting.iter().position(fits);
                found.map(|index| state.waiting.remove(index))
            };
            self.changed.notify_one();
            let (give, given) = oneshot::channel();
            // One that has died meanwhile neither takes the claim nor answers it.
            if waiting?.claim.send(give).is_ok()
                && let Ok(kernel) = given.await
            {
                return Some(kernel);
            }
        }
    }

    /// Ends kernels until at most so many wait.
    pub(super) fn trim(&self, most: usize) {
        self.state().waiting.truncate(most);
    }

    /// Ends all and starts no more, for a reason that will not go away.
    pub(super) fn turn_off(&self, reason: &RuntimeError) {
        tracing::info!(error = %reason, "no kernels are kept ready: each starts when it is needed");
        let mut state = self.state();
        state.off = true;
        state.problem = Some(reason.to_string());
        state.waiting.clear();
    }

    /// Why no kernels are ready, or fewer than there should be.
    pub(super) fn problem(&self) -> Option<String> {
        self.state().problem.clone()
    }

    /// Ends all and waits for it.
    pub(super) async fn close(&self) {
        self.closed.cancel();
        self.state().waiting.clear();
        let _ = self.alive.subscribe().wait_for(|count| *count == 0).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enlist(&self) -> Alive {
        self.alive.send_modify(|count| *count += 1);
        Alive(self.alive.clone())
    }

    /// The version of which a kernel is missing, when there is room for one. Forgets those that died or are not wanted.
    fn missing(&self, inner: &Inner, backend: &dyn SandboxBackend) -> Option<PythonVersion> {
        let mut state = self.state();
        let State { waiting, asked, largest, off, .. } = &mut *state;
        // A version beside the default is kept ready while it is used.
        let wanted = |version: &PythonVersion| {
            let recent = asked.get(version).is_some_and(|at| at.elapsed() < inner.options.idle_after);
            (*version == PythonVersion::default() || recent) && backend.python(*version).is_ok()
        };
        waiting.retain(|one| !one.claim.is_closed() && wanted(&one.version));
        let room = inner.options.sandboxes_max.saturating_sub(inner.slots.count());
        let used: u64 = waiting.iter().map(|one| one.memory_bytes).sum();
        let next = (*largest).max(MEMORY_MIN);
        if *off || waiting.len() >= room || used.saturating_add(next) > self.memory_bytes_max {
            return None;
        }
        let short = |version: &PythonVersion| waiting.iter().filter(|one| one.version == *version).count() < self.size;
        PythonVersion::ALL.into_iter().filter(wanted).find(short)
    }

    /// Puts a kernel on the list, and into a task that keeps it.
    fn keep(
        self: &Arc<Self>,
        inner: &Inner,
        kernel: Kernel,
        version: PythonVersion,
        memory_bytes: u64,
        modules: BTreeSet<String>,
    ) {
        let (claim, claimed) = oneshot::channel();
        let mut state = self.state();
        state.largest = state.largest.max(memory_bytes);
        state.problem = None;
        state.waiting.push(Waiting { version, memory_bytes, modules, claim });
        drop(state);
        inner.tasks.spawn("runtime.waiting kernel", keep(Arc::clone(self), kernel, claimed, self.enlist()));
    }
}

/// Watches over a kernel until it is claimed, let go, or lost.
async fn keep(pool: Arc<Pool>, mut kernel: Kernel, claimed: oneshot::Receiver<oneshot::Sender<Kernel>>, alive: Alive) {
    let claimed = tokio::select! {
        biased;
        () = pool.closed.cancelled() => None,
        claimed = claimed => claimed.ok(),
        reason = lost(&mut kernel) => {
            tracing::warn!(reason, "a kernel that was kept ready ended; another takes its place");
            None
        }
    };
    let rejected = match claimed {
        Some(give) => give.send(kernel).err(),
        None => Some(kernel),
    };
    if let Some(kernel) = rejected {
        kernel.kill().await;
    }
    drop(alive);
    pool.changed.notify_one();
}

async fn lost(kernel: &mut Kernel) -> String {
    loop {
        if let Watched::Lost(reason) = kernel.watch().await {
            return reason;
        }
    }
}

/// Keeps the pool full until the server stops.
pub(super) async fn fill(inner: Arc<Inner>) {
    let pool = Arc::clone(&inner.pool);
    if pool.size == 0 {
        return;
    }
    let _alive = pool.enlist();
    let filling = async {
        let Some(backend) = known_backend(&inner).await else { return };
        if let Err(reason) = backend.mounts_late() {
            pool.turn_off(&reason.into());
            return;
        }
        fill_from(&inner, &pool, backend).await;
    };
    pool.closed.run_until_cancelled(filling).await;
}

async fn known_backend(inner: &Inner) -> Option<Arc<dyn SandboxBackend>> {
    let mut state = inner.backend.clone();
    let known = state.wait_for(|state| !matches!(state, BackendState::Preparing)).await.ok()?;
    match &*known {
        BackendState::Ready { backend, .. } => Some(Arc::clone(backend)),
        _ => None,
    }
}

async fn fill_from(inner: &Arc<Inner>, pool: &Arc<Pool>, backend: Arc<dyn SandboxBackend>) {
    // A new session is told its packages: those that every project has are listed before somebody waits.
    drop(inner.list_installed(None));
    let mut pause = RETRY_MIN;
    loop {
        let Some(version) = pool.missing(inner, &*backend) else {
            if tokio::time::timeout(LOOK_EVERY, pool.changed.notified()).await.is_ok() {
                tokio::time::sleep(REFILL_AFTER).await;
            }
            continue;
        };
        match start(inner, &backend, version).await {
            Ok((kernel, memory_bytes, modules)) => {
                pause = RETRY_MIN;
                pool.keep(inner, kernel, version, memory_bytes, modules);
                // Somebody may have taken the room meanwhile.
                pool.trim(inner.options.sandboxes_max.saturating_sub(inner.slots.count()));
            }
            Err(error) => {
                tracing::warn!(error = %error, retry_s = pause.as_secs(), "a kernel could not be made ready ahead");
                pool.state().problem = Some(error.to_string());
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }
}

/// Starts a kernel that sees nothing of anybody.
async fn start(
    inner: &Inner,
    backend: &Arc<dyn SandboxBackend>,
    version: PythonVersion,
) -> Result<(Kernel, u64, BTreeSet<String>), RuntimeError> {
    // Closed never: an error cannot happen.
    let _turn = inner.starts.acquire().await.map_err(|_closed| RuntimeError::ShuttingDown)?;
    let empty = inner.directories.waiting();
    let cache = inner.options.cache_dir.clone();
    let made = empty.clone();
    let helpers = blocking("preparing a kernel ahead", move || {
        std::fs::create_dir_all(&made)?;
        // The kernel knows by it that the project's directory has not come.
        std::fs::write(made.join(".waiting"), "")?;
        install_kernel_files(&cache).map_err(std::io::Error::other)
    })
    .await?;
    let places = ["/workspace", "/datasets", GUEST_LAYER];
    let shows_nothing = |guest: &str| Mount { host: empty.clone(), guest: guest.into(), access: Access::ReadOnly };
    let mut plan = inner.plan(Arc::clone(backend), version, helpers, inner.options.limits);
    plan.mounts.extend(places.map(shows_nothing));
    let mut kernel = launch(plan).await?;
    let modules = kernel.modules().await?;
    let memory_bytes = kernel.usage().await.memory_bytes.max(MEMORY_MIN);
    Ok((kernel, memory_bytes, modules))
}
