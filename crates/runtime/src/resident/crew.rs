//! The workers of one kind: started on demand, at most so many, the one that is asked for longest ago ends first.

use std::{
    collections::HashMap,
    fmt::Debug,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use gristmill_jobs::Tasks;
use tokio::{sync::oneshot, time::Instant};

use super::{
    ResidentError, ResidentSettings,
    launch::Launched,
    worker::{Answer, Ask, Handle, Question, State},
};

/// After a worker could not be started, the next try is not made sooner than this: from its failure on, however long that took.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Whose worker it is.
pub(crate) trait Key: Clone + Debug + Eq + Hash + Send + Sync + 'static {}

impl<T: Clone + Debug + Eq + Hash + Send + Sync + 'static> Key for T {}

/// How workers of a kind are started.
#[async_trait]
pub(crate) trait Launch<K: Key>: Send + Sync + Debug {
    /// Names them in the log.
    fn name(&self) -> &'static str;

    /// Starts one and waits until it has connected. Its caller keeps the time.
    async fn launch(&self, key: &K) -> Result<Launched, ResidentError>;
}

/// Workers by key.
#[derive(Debug)]
pub(crate) struct Crew<K: Key, Q: Question> {
    launcher: Arc<dyn Launch<K>>,
    settings: ResidentSettings,
    workers_max: usize,
    tasks: Tasks,
    workers: Mutex<HashMap<K, Handle<Q>>>,
}

impl<K: Key, Q: Question> Crew<K, Q> {
    /// Starts none yet. Workers are tasks of `tasks`, and end with it.
    pub(crate) fn new(launcher: Arc<dyn Launch<K>>, settings: ResidentSettings, workers_max: usize, tasks: Tasks) -> Self {
        Self { launcher, settings, workers_max, tasks, workers: Mutex::default() }
    }

    /// Asks the worker of a key; starts it when there is none.
    pub(crate) async fn ask(&self, key: K, question: Q) -> Answer {
        let mut handle = self.worker(key)?;
        let started = async {
            let state = handle.state.wait_for(|state| *state != State::Starting).await;
            state.map_or(State::Ended, |state| state.clone())
        };
        match tokio::time::timeout(self.settings.startup_timeout, started).await.unwrap_or(State::Starting) {
            State::Ready => {}
            State::Failed { reason, .. } => return Err(ResidentError::Unavailable(reason)),
            State::Starting => return Err(ResidentError::Timeout),
            State::Ended => return Err(ResidentError::Ended),
        }
        let (reply, answer) = oneshot::channel();
        let asked = async {
            if handle.asks.send(Ask { question, reply }).await.is_err() {
                return Err(ResidentError::Ended);
            }
            answer.await.unwrap_or(Err(ResidentError::Ended))
        };
        tokio::time::timeout(self.settings.answer_timeout, asked).await.unwrap_or(Err(ResidentError::Timeout))
    }

    /// Starts the worker of a key when there is none.
    pub(crate) fn warm(&self, key: K) {
        drop(self.worker(key));
    }

    /// Ends the worker of a key; the next question starts another.
    pub(crate) fn close(&self, key: &K) {
        let removed = self.workers().remove(key);
        if let Some(handle) = removed {
            handle.stop.cancel();
        }
    }

    /// How many are up or starting.
    pub(crate) fn count(&self) -> usize {
        self.workers().values().filter(|handle| !handle.asks.is_closed()).count()
    }

    /// The worker of a key, which may be starting.
    fn worker(&self, key: K) -> Result<Handle<Q>, ResidentError> {
        let mut workers = self.workers();
        let now = Instant::now();
        if let Some(handle) = workers.get_mut(&key) {
            let state = handle.state.borrow().clone();
            match state {
                State::Failed { reason, at } if at.elapsed() < RETRY_AFTER => return Err(ResidentError::Unavailable(reason)),
                State::Starting | State::Ready if !handle.asks.is_closed() => {
                    handle.used = now;
                    return Ok(handle.clone());
                }
                _ => {}
            }
        }
        workers.retain(|_, handle| !handle.asks.is_closed());
        while workers.len() >= self.workers_max.max(1) {
            let oldest = workers.iter().min_by_key(|(_, handle)| handle.used).map(|(key, _)| key.clone());
            let Some(handle) = oldest.and_then(|key| workers.remove(&key)) else { break };
            handle.stop.cancel();
        }
        let handle = Handle::start(Arc::clone(&self.launcher), key.clone(), self.settings, &self.tasks);
        workers.insert(key, handle.clone());
        Ok(handle)
    }

    fn workers(&self) -> MutexGuard<'_, HashMap<K, Handle<Q>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::Map;

    use super::*;
    use crate::resident::Plain;

    /// Fails after a while.
    #[derive(Debug, Default)]
    struct Slow {
        starts: AtomicUsize,
    }

    #[async_trait]
    impl Launch<()> for Slow {
        fn name(&self) -> &'static str {
            "slow"
        }

        async fn launch(&self, (): &()) -> Result<Launched, ResidentError> {
            self.starts.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(RETRY_AFTER * 3).await;
            Err(ResidentError::Unavailable("no room".to_owned()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_pause_after_a_failure_begins_with_the_failure() {
        let slow = Arc::new(Slow::default());
        let second = Duration::from_secs(1);
        let settings = ResidentSettings {
            startup_timeout: RETRY_AFTER * 10,
            answer_timeout: second,
            stuck_after: second,
            idle_after: second,
            queue_max: 1,
            in_flight_max: 1,
            question_bytes_max: 1000,
            answer_bytes_max: 1000,
        };
        let launcher: Arc<dyn Launch<()>> = Arc::<Slow>::clone(&slow);
        let crew = Crew::<(), Plain>::new(launcher, settings, 1, Tasks::new());
        let refused = async || matches!(crew.ask((), Plain(Map::new())).await, Err(ResidentError::Unavailable(_)));
        assert!(refused().await && refused().await);
        assert_eq!(slow.starts.load(Ordering::SeqCst), 1, "not tried again at once, though the attempt took long");
        tokio::time::advance(RETRY_AFTER).await;
        assert!(refused().await);
        assert_eq!(slow.starts.load(Ordering::SeqCst), 2);
    }
}
