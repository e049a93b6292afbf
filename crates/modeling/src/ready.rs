//! Sandboxes that are started before their training: when one has begun, those for the next are made ready, because
//! starting Python and importing its libraries takes longer than most trainings. None of them has seen anything of anybody,
//! each serves one command, and all end when nobody trains for a while.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gristmill_jobs::Tasks;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    engine::Starter,
    error::{ModelingError, chain},
    worker::Worker,
};

/// Sandboxes are made ready when the training that took the last ones is over, or has gone on for this long.
const REFILL_AFTER: Duration = Duration::from_secs(20);
/// Directories of workers that are a day old are removed.
const IDLE_MAX: Duration = Duration::from_hours(12);

/// The sandboxes that wait.
#[derive(Debug)]
pub(crate) struct Ready {
    starter: Arc<Starter>,
    tasks: Tasks,
    state: Mutex<State>,
    changed: Notify,
    /// Trainings that are going on.
    busy: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Worker>,
    wanted: Option<Wanted>,
    /// Whether the task that keeps them runs.
    kept: bool,
    closed: bool,
}

impl State {
    fn is_idle(&self) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.until <= Instant::now())
    }
}

/// What the last training needed, and so what the next one is thought to need.
#[derive(Debug, Clone)]
struct Wanted {
    commands: Vec<&'static str>,
    memory_bytes: u64,
    until: Instant,
}

/// A training that goes on: while there is one, others wait with what takes processor time.
#[derive(Debug)]
pub(crate) struct Busy<'ready>(&'ready Ready);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl Ready {
    pub(crate) fn new(starter: Arc<Starter>, tasks: Tasks) -> Self {
        Self { starter, tasks, state: Mutex::default(), changed: Notify::new(), busy: watch::Sender::new(0) }
    }

    /// Notes that a training begins that needs workers for these commands, and makes others ready for a next one.
    pub(crate) fn begin(self: &Arc<Self>, commands: &[&'static str], memory_bytes: u64) -> Busy<'_> {
        self.busy.send_modify(|count| *count += 1);
        self.want(commands, memory_bytes);
        Busy(self)
    }

    /// Makes workers ready for a training that may come.
    pub(crate) fn want(self: &Arc<Self>, commands: &[&'static str], memory_bytes: u64) {
        let options = &self.starter.options;
        if options.ready_trainings == 0 {
            return;
        }
        let until = Instant::now() + options.ready_idle.min(IDLE_MAX);
        let mut state = self.state();
        state.wanted = Some(Wanted { commands: commands.to_vec(), memory_bytes, until });
        if !state.kept {
            state.kept = true;
            self.tasks.spawn("modeling.ready sandboxes", Arc::clone(self).keep());
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Takes a worker that waits. None: start one.
    pub(crate) fn claim(&self, command: &str, memory_bytes: u64) -> Option<Worker> {
        let mut state = self.state();
        state.waiting.retain(Worker::is_alive);
        let fits = |worker: &Worker| worker.command == command && worker.memory_bytes == memory_bytes;
        state.waiting.iter().position(fits).map(|index| state.waiting.remove(index))
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what is wanted, until it is wanted no more or the server stops.
    async fn keep(self: Arc<Self>) {
        let stopping = self.tasks.stopping().clone();
        let left = loop {
            stopping.run_until_cancelled(self.keep_until_idle()).await;
            // Under one lock: a training that begins at this moment either finds this task, or starts another.
            let mut state = self.state();
            state.closed = stopping.is_cancelled();
            if state.closed || state.is_idle() {
                state.kept = false;
                state.wanted = None;
                break std::mem::take(&mut state.waiting);
            }
        };
        end(left).await;
    }

    async fn keep_until_idle(&self) {
        loop {
            let Some(until) = self.state().wanted.as_ref().map(|wanted| wanted.until) else { return };
            if until <= Instant::now() {
                return;
            }
            let mut idle = self.busy.subscribe();
            // It takes processor time, of which what is going on now should have all.
            drop(tokio::time::timeout(REFILL_AFTER, idle.wait_for(|count| *count == 0)).await);
            if let Err(error) = self.fill().await {
                tracing::warn!(error = chain(&error), "no sandbox could be made ready for the next training");
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Starts what is missing, and ends what is not wanted any more.
    async fn fill(&self) -> Result<(), ModelingError> {
        loop {
            let (unwanted, missing) = self.compare();
            end(unwanted).await;
            let Some((command, memory_bytes)) = missing else { return Ok(()) };
            let parent = self.starter.ready_root().await?;
            let worker = Worker::start(&self.starter, command, memory_bytes, &parent, None).await?;
            let mut state = self.state();
            if state.closed {
                return Ok(());
            }
            state.waiting.push(worker);
        }
    }

    /// Workers that nobody will ask for, and what should be started next.
    fn compare(&self) -> (Vec<Worker>, Option<(&'static str, u64)>) {
        let mut state = self.state();
        state.waiting.retain(Worker::is_alive);
        let Some(wanted) = state.wanted.clone() else { return (std::mem::take(&mut state.waiting), None) };
        let mut short: BTreeMap<&'static str, usize> = BTreeMap::new();
        for command in &wanted.commands {
            *short.entry(command).or_default() += self.starter.options.ready_trainings;
        }
        let mut unwanted = Vec::new();
        for worker in std::mem::take(&mut state.waiting) {
            let room = short.get_mut(worker.command).filter(|room| **room > 0 && worker.memory_bytes == wanted.memory_bytes);
            match room {
                Some(room) => {
                    *room -= 1;
                    state.waiting.push(worker);
                }
                None => unwanted.push(worker),
            }
        }
        // In the order in which a training needs them.
        let missing = wanted.commands.iter().find(|command| short.get(*command).is_some_and(|room| *room > 0));
        (unwanted, missing.map(|command| (*command, wanted.memory_bytes)))
    }
}

async fn end(workers: Vec<Worker>) {
    for worker in workers {
        worker.sandbox.kill().await;
    }
}
