//! The task of one place: its kernel, its queue of runs, its idle time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use gristmill_domain::execution::{ExecutionResult, ExecutionStatus, RichOutput};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{Inner, PlaceState, RuntimeEventKind, slots::Slot};
use crate::{
    error::RuntimeError,
    intelligence::LiveVariable,
    kernel::{Kernel, RunEnd, Signal, Watched},
    output::{Collector, Live},
    places::{ExecuteRequest, KernelPlace, PlaceKind},
    project_data::ProjectFiles,
};

/// How long the last outputs of a run may wait for its watcher.
const WATCHER_PATIENCE: Duration = Duration::from_millis(250);
/// After this time without a run a kernel is asked what it holds. Cells that are run one after another come sooner.
const LOOK_AFTER: Duration = Duration::from_millis(100);

/// What is asked of a place, one after another.
#[derive(Debug)]
pub(super) enum Command {
    Ensure { place: KernelPlace, reply: oneshot::Sender<Result<(), RuntimeError>> },
    Execute(Box<Execution>),
}

/// A run that was asked for.
#[derive(Debug)]
pub(super) struct Execution {
    pub(super) place: KernelPlace,
    pub(super) request: ExecuteRequest,
    pub(super) sink: mpsc::Sender<RichOutput>,
    pub(super) reply: oneshot::Sender<Result<ExecutionResult, RuntimeError>>,
}

/// What others see of a place.
#[derive(Debug)]
pub(super) struct Shared {
    state: AtomicU8,
    last_used: Mutex<Instant>,
    variables: Mutex<Arc<BTreeMap<String, LiveVariable>>>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self { state: AtomicU8::new(0), last_used: Mutex::new(Instant::now()), variables: Mutex::default() }
    }

    pub(super) fn state(&self) -> PlaceState {
        match self.state.load(Ordering::Acquire) {
            0 => PlaceState::Absent,
            1 => PlaceState::Idle,
            _ => PlaceState::Busy,
        }
    }

    fn set(&self, state: PlaceState) {
        let code = match state {
            PlaceState::Absent => 0,
            PlaceState::Idle => 1,
            PlaceState::Busy => 2,
        };
        self.state.store(code, Ordering::Release);
    }

    pub(super) fn last_used(&self) -> Instant {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the kernel held when it last idled.
    pub(super) fn variables(&self) -> Arc<BTreeMap<String, LiveVariable>> {
        Arc::clone(&self.variables.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hold(&self, variables: BTreeMap<String, LiveVariable>) {
        *self.variables.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(variables);
    }

    fn touch(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// A kernel with what it holds.
#[derive(Debug)]
struct Running {
    kernel: Kernel,
    place: KernelPlace,
    /// The datasets that it sees.
    files: ProjectFiles,
    _slot: Slot,
}

/// The task.
#[derive(Debug)]
pub(super) struct PlaceTask {
    pub(super) inner: Arc<Inner>,
    pub(super) place: KernelPlace,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) signals: mpsc::Receiver<Signal>,
    pub(super) shared: Arc<Shared>,
    live: Option<Running>,
    /// When the kernel is to be asked what it holds.
    look_at: Option<Instant>,
}

enum Step {
    Stop,
    Signal(Signal),
    Command(Command),
    Watched(Watched),
    Look,
    Idle,
}

impl PlaceTask {
    pub(super) fn new(
        inner: Arc<Inner>,
        place: KernelPlace,
        commands: mpsc::Receiver<Command>,
        signals: mpsc::Receiver<Signal>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { inner, place, commands, signals, shared, live: None, look_at: None }
    }

    /// Serves the place until the server stops, or nobody has used it for long.
    pub(super) async fn serve(mut self) {
        loop {
            self.shared.set(self.resting_state());
            match self.next().await {
                Step::Stop => break,
                Step::Signal(signal) => self.handle_signal(signal).await,
                Step::Command(Command::Ensure { place, reply }) => {
                    self.shared.set(PlaceState::Busy);
                    let ready = self.ensure(&place, None).await;
                    self.rest();
                    let _ = reply.send(ready);
                }
                Step::Command(Command::Execute(execution)) => {
                    self.shared.set(PlaceState::Busy);
                    self.execute(*execution).await;
                }
                Step::Watched(Watched::Lost(reason)) => {
                    drop(self.leave());
                    self.tell(RuntimeEventKind::Died { reason });
                }
                Step::Watched(Watched::Holds(variables)) => self.shared.hold(variables),
                Step::Look => {
                    self.look_at = None;
                    if let Some(live) = &mut self.live {
                        live.kernel.look().await;
                    }
                }
                Step::Idle => {
                    if self.live.is_some() {
                        self.stop_kernel().await;
                        self.tell(RuntimeEventKind::Culled);
                    }
                    if self.inner.retire(&self) {
                        return;
                    }
                    self.shared.touch();
                }
            }
        }
        if let Some(live) = self.leave() {
            live.kernel.kill().await;
        }
    }

    async fn next(&mut self) -> Step {
        let idle_at = self.shared.last_used() + self.inner.options.idle_after;
        let watching = async {
            match &mut self.live {
                Some(live) => live.kernel.watch().await,
                None => std::future::pending().await,
            }
        };
        let look_at = self.look_at;
        let looking = async {
            match look_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.inner.tasks.stopping().cancelled() => Step::Stop,
            signal = self.signals.recv() => signal.map_or(Step::Stop, Step::Signal),
            command = self.commands.recv() => command.map_or(Step::Stop, Step::Command),
            watched = watching => Step::Watched(watched),
            () = looking => Step::Look,
            () = tokio::time::sleep_until(idle_at) => Step::Idle,
        }
    }

    async fn handle_signal(&mut self, signal: Signal) {
        match signal {
            Signal::Interrupt(reply) => {
                let _ = reply.send(false);
            }
            Signal::Restart(place, reply) => {
                self.shared.set(PlaceState::Busy);
                self.stop_kernel().await;
                let started = self.ensure(&place, None).await;
                if started.is_ok() {
                    self.tell(RuntimeEventKind::Restarted);
                }
                self.rest();
                let _ = reply.send(started);
            }
            Signal::Close(reply) => {
                self.stop_kernel().await;
                self.rest();
                let _ = reply.send(());
            }
        }
    }

    fn resting_state(&self) -> PlaceState {
        if self.live.is_some() { PlaceState::Idle } else { PlaceState::Absent }
    }

    /// Before an answer: whoever reads it may look at the state next.
    fn rest(&self) {
        self.shared.touch();
        self.shared.set(self.resting_state());
    }

    /// Lets go of the kernel, and of what it held.
    fn leave(&mut self) -> Option<Running> {
        self.shared.hold(BTreeMap::new());
        self.look_at = None;
        self.live.take()
    }

    async fn stop_kernel(&mut self) {
        if let Some(live) = self.leave() {
            live.kernel.stop().await;
        }
    }

    async fn ensure(&mut self, place: &KernelPlace, memory_bytes: Option<u64>) -> Result<(), RuntimeError> {
        self.place = place.clone();
        if self.live.as_ref().is_some_and(|live| live.place.python != place.python) {
            self.stop_kernel().await;
        }
        if self.live.is_some() {
            return Ok(());
        }
        let slot = self.inner.admit(place).await?;
        let (kernel, files) = self.inner.launch(place, memory_bytes).await?;
        self.live = Some(Running { kernel, place: place.clone(), files, _slot: slot });
        // Those that wait for nobody make room for those that were asked for.
        self.inner.pool.trim(self.inner.options.sandboxes_max.saturating_sub(self.inner.slots.count()));
        self.tell(RuntimeEventKind::Started);
        Ok(())
    }

    async fn execute(&mut self, execution: Execution) {
        let Execution { place, request, sink, reply } = execution;
        let began = Instant::now();
        let ready = match self.ensure(&place, Some(request.memory_bytes)).await {
            Ok(()) => self.refresh().await,
            refused => refused,
        };
        let live = match (ready, &mut self.live) {
            (Ok(()), Some(live)) => live,
            (Ok(()), None) => return,
            (Err(error), _) => {
                self.rest();
                let _ = reply.send(Err(error));
                return;
            }
        };
        let mut collector = Collector::new(self.inner.options.output_bytes_max);
        let mut watcher = Live::new(sink);
        let end = live.kernel.run(&request.code, request.timeout, &mut collector, &mut watcher, &mut self.signals).await;
        let (status, count, after) = self.conclude(end, &request, &mut collector, &mut watcher).await;
        let flush = async {
            while watcher.has_waiting() {
                watcher.send_waiting().await;
            }
        };
        let _ = tokio::time::timeout(WATCHER_PATIENCE, flush).await;
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Completions are about notebooks.
        if self.live.is_some() && self.place.kind == PlaceKind::Notebook {
            self.look_at = Some(Instant::now() + LOOK_AFTER);
        }
        self.rest();
        let _ = reply.send(Ok(collector.finish(status, ms, count)));
        match after {
            After::Nothing => {}
            After::Signal(signal) => self.handle_signal(signal).await,
            After::StartAgain => {
                self.shared.set(PlaceState::Busy);
                if let Err(error) = self.ensure(&place, Some(request.memory_bytes)).await {
                    tracing::warn!(error = %error, "a kernel was not started again after a run that did not end");
                }
            }
        }
    }

    /// Turns the end of a run into what its result says, and drops a kernel that is of no more use.
    async fn conclude(
        &mut self,
        end: RunEnd,
        request: &ExecuteRequest,
        collector: &mut Collector,
        watcher: &mut Live,
    ) -> (ExecutionStatus, Option<i64>, After) {
        let timed_out = format!("Execution timed out after {} s", request.timeout.as_secs_f64());
        match end {
            RunEnd::Answered { status, count } => {
                if status == ExecutionStatus::Timeout {
                    collector.fail(&timed_out, watcher);
                }
                (status, count, After::Nothing)
            }
            RunEnd::Unanswered => {
                let reason = "the code did not stop when it was interrupted; the kernel was restarted, variables are gone";
                collector.fail(&format!("{timed_out}: {reason}"), watcher);
                self.drop_kernel(reason).await;
                (ExecutionStatus::Timeout, None, After::StartAgain)
            }
            RunEnd::Lost { reason } => {
                collector.fail(&format!("Kernel died: {reason}. Variables are gone, files in the workspace are kept."), watcher);
                self.drop_kernel(&reason).await;
                (ExecutionStatus::Error, None, After::Nothing)
            }
            RunEnd::Stopped(signal) => {
                let what = if matches!(signal, Signal::Restart(..)) { "restarted" } else { "closed" };
                collector.fail(&format!("The kernel was {what} during the run"), watcher);
                if let Some(live) = self.leave() {
                    live.kernel.kill().await;
                }
                (ExecutionStatus::Error, None, After::Signal(signal))
            }
        }
    }

    async fn drop_kernel(&mut self, reason: &str) {
        if let Some(live) = self.leave() {
            live.kernel.kill().await;
        }
        self.tell(RuntimeEventKind::Died { reason: reason.to_owned() });
    }

    /// Shows the datasets of now in the running sandbox.
    async fn refresh(&mut self) -> Result<(), RuntimeError> {
        let Some(live) = &mut self.live else { return Ok(()) };
        let files = self.inner.data.datasets(self.place.project).await.map_err(RuntimeError::ProjectData)?;
        if files == live.files {
            return Ok(());
        }
        self.inner.show_datasets(self.place.project, files.clone()).await?;
        live.files = files;
        Ok(())
    }

    fn tell(&self, kind: RuntimeEventKind) {
        tracing::debug!(project.id = %self.place.project, ?kind, "kernel");
        // Nobody listens: fine.
        let _ = self.inner.events.send(super::RuntimeEvent { place: self.place.clone(), kind });
    }
}

/// What is to be done when the result was sent.
enum After {
    Nothing,
    Signal(Signal),
    StartAgain,
}
