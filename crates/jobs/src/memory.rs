//! A job store in memory: for tests, and for programs that need a queue but no durability.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use gristmill_domain::{
    Caller, Clock, JobId, ProjectId, SystemClock, UserId,
    jobs::{Job, JobEvent, JobOutcome, JobProgress, JobState, Lease, NewJob, NewJobEvent, RunEnd, STRETCH_BYTES_MAX},
    ports::{Appended, ClaimRequest, ClaimedJob, EventBatch, Heartbeat, JobFilter, JobStore, StoreError},
};
use tokio::time::Instant;

use crate::Signals;

/// Keeps jobs and their logs in memory. **Not durable**: everything is gone with the process, and nothing is ever
/// removed unless [`Self::prune`] is called. Every operation looks at all jobs, so it is for some thousands of them.
///
/// Behaves as the PostgreSQL store does; one test suite runs against both. Its time is Tokio's, so that tests can
/// pause it. Cheap to clone; clones share the jobs.
#[derive(Debug, Clone)]
pub struct MemoryJobStore {
    state: Arc<Mutex<State>>,
    signals: Signals,
    started_at: (DateTime<Utc>, Instant),
}

#[derive(Debug, Default)]
struct State {
    jobs: HashMap<JobId, Entry>,
    projects: HashMap<ProjectId, UserId>,
    submitted: u64,
}

#[derive(Debug)]
struct Entry {
    job: Job,
    epoch: i64,
    /// While running.
    lease_expires_at: Option<Instant>,
    run_after: Instant,
    order: u64,
    idempotency_key: Option<String>,
    events: Vec<JobEvent>,
}

impl MemoryJobStore {
    /// An empty store that wakes through `signals`. Must be made inside a Tokio runtime.
    #[must_use]
    pub fn new(signals: Signals) -> Self {
        // It announces every change itself, so nothing is ever missed.
        signals.resynchronize();
        Self { state: Arc::default(), signals, started_at: (SystemClock.now(), Instant::now()) }
    }

    /// Makes a project known: jobs can then be submitted for it, by its owner only.
    pub fn add_project(&self, id: ProjectId, owner: UserId) {
        self.state().projects.insert(id, owner);
    }

    /// Forgets jobs that ended before an instant, with their logs, and returns how many.
    pub fn prune(&self, finished_before: DateTime<Utc>) -> usize {
        let mut state = self.state();
        let before = state.jobs.len();
        state.jobs.retain(|_, entry| entry.job.finished_at.is_none_or(|at| at >= finished_before));
        before - state.jobs.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time, as exact as PostgreSQL keeps it.
    fn now(&self) -> DateTime<Utc> {
        let (wall, start) = self.started_at;
        let passed = TimeDelta::from_std(start.elapsed()).unwrap_or(TimeDelta::MAX);
        wall.checked_add_signed(passed).unwrap_or(DateTime::<Utc>::MAX_UTC).trunc_subsecs(6)
    }

    /// Appends events and announces the change.
    fn log(&self, entry: &mut Entry, events: impl IntoIterator<Item = NewJobEvent>) {
        let at = self.now();
        for event in events {
            let seq = entry.last_seq() + 1;
            entry.events.push(JobEvent { seq, at, event_type: event.event_type, data: event.data });
        }
        self.signals.job_changed(entry.job.id);
    }

    fn start(&self, entry: &mut Entry, lease: Duration) -> ClaimedJob {
        let job = &mut entry.job;
        job.state = JobState::Running;
        job.attempt += 1;
        job.started_at.get_or_insert_with(|| self.now());
        entry.epoch += 1;
        entry.lease_expires_at = Some(Instant::now() + lease);
        let started = NewJobEvent::started(entry.job.attempt);
        self.log(entry, [started]);
        ClaimedJob { job: entry.job.clone(), lease: entry.lease(), last_seq: entry.last_seq() }
    }

    /// A job that is queued again without a delay keeps its place.
    fn end(&self, entry: &mut Entry, end: RunEnd, retry_after: Option<Duration>) {
        entry.job.state = end.state;
        entry.job.result = end.result;
        entry.job.error = end.error;
        entry.lease_expires_at = None;
        if end.state.is_final() {
            entry.job.finished_at = Some(self.now());
        } else {
            entry.run_after = retry_after.map_or(entry.run_after, |delay| Instant::now() + delay);
            self.signals.job_queued(entry.job.kind);
        }
        self.log(entry, [end.event]);
    }

    /// Takes over the job whose lease ran out first, if its attempts allow it; ends those on the way that do not.
    fn claim_expired(&self, state: &mut State, request: ClaimRequest<'_>) -> Option<ClaimedJob> {
        let now = Instant::now();
        loop {
            let expired = state.jobs.values_mut().filter(|entry| request.kinds.contains(&entry.job.kind));
            let expired = expired.filter(|entry| entry.lease_expires_at.is_some_and(|at| at <= now));
            let entry = expired.min_by_key(|entry| (entry.lease_expires_at, entry.order))?;
            let lost = entry.job.end_of_lost_run();
            if lost.state.is_final() {
                self.end(entry, lost, None);
                continue;
            }
            self.log(entry, [lost.event]);
            return Some(self.start(entry, request.lease));
        }
    }

    fn claim_queued(&self, state: &mut State, request: ClaimRequest<'_>) -> Option<ClaimedJob> {
        let now = Instant::now();
        let mut running: BTreeMap<UserId, u32> = BTreeMap::new();
        for entry in state.jobs.values().filter(|entry| entry.job.state == JobState::Running) {
            *running.entry(entry.job.owner_id).or_default() += 1;
        }
        let running = |owner: UserId| running.get(&owner).copied().unwrap_or(0);
        let due = state.jobs.values_mut().filter(|entry| {
            entry.job.state == JobState::Queued
                && entry.run_after <= now
                && request.kinds.contains(&entry.job.kind)
                && request.owner_running_max.is_none_or(|max| running(entry.job.owner_id) < max)
        });
        let entry = due.min_by_key(|entry| (running(entry.job.owner_id), entry.run_after, entry.order))?;
        Some(self.start(entry, request.lease))
    }
}

impl State {
    fn owned(&mut self, caller: &Caller, id: JobId) -> Result<&mut Entry, StoreError> {
        self.jobs.get_mut(&id).filter(|entry| entry.job.owner_id == caller.user_id).ok_or(StoreError::NotFound)
    }

    fn leased(&mut self, lease: Lease) -> Result<&mut Entry, StoreError> {
        let entry = self.jobs.get_mut(&lease.job_id).filter(|entry| entry.epoch == lease.epoch);
        entry.filter(|entry| entry.job.state == JobState::Running).ok_or(StoreError::LeaseLost)
    }

    fn require_project(&self, owner: UserId, project: ProjectId) -> Result<(), StoreError> {
        match self.projects.get(&project) {
            Some(stored) if *stored == owner => Ok(()),
            _ => Err(StoreError::NotFound),
        }
    }

    fn earlier(&self, job: &NewJob) -> Option<&Job> {
        let key = job.idempotency_key.as_ref()?;
        let earlier = self.jobs.values().find(|entry| {
            entry.job.owner_id == job.owner_id && entry.job.kind == job.kind && entry.idempotency_key.as_ref() == Some(key)
        });
        earlier.map(|entry| &entry.job)
    }
}

impl Entry {
    fn new(job: NewJob, created_at: DateTime<Utc>, order: u64) -> Self {
        let stored = Job {
            id: job.id,
            kind: job.kind,
            owner_id: job.owner_id,
            project_id: job.project_id,
            state: JobState::Queued,
            payload: job.payload,
            result: None,
            error: None,
            progress: JobProgress::default(),
            attempt: 0,
            attempts_max: job.attempts_max.max(1),
            cancel_requested: false,
            created_at,
            started_at: None,
            finished_at: None,
        };
        Self {
            job: stored,
            epoch: 0,
            lease_expires_at: None,
            run_after: Instant::now(),
            order,
            idempotency_key: job.idempotency_key,
            events: Vec::new(),
        }
    }

    fn lease(&self) -> Lease {
        Lease { job_id: self.job.id, epoch: self.epoch }
    }

    fn last_seq(&self) -> i64 {
        self.events.last().map_or(0, |event| event.seq)
    }
}

#[async_trait]
impl JobStore for MemoryJobStore {
    async fn submit(&self, job: NewJob) -> Result<(Job, bool), StoreError> {
        let mut state = self.state();
        if let Some(project) = job.project_id {
            state.require_project(job.owner_id, project)?;
        }
        if let Some(earlier) = state.earlier(&job) {
            return Ok((earlier.clone(), false));
        }
        if state.jobs.contains_key(&job.id) {
            return Err(StoreError::Conflict("jobs_pkey".to_owned()));
        }
        state.submitted += 1;
        let mut entry = Entry::new(job, self.now(), state.submitted);
        self.log(&mut entry, [NewJobEvent::queued()]);
        let job = entry.job.clone();
        state.jobs.insert(job.id, entry);
        self.signals.job_queued(job.kind);
        Ok((job, true))
    }

    async fn claim(&self, request: ClaimRequest<'_>) -> Result<Option<ClaimedJob>, StoreError> {
        let mut state = self.state();
        let expired = self.claim_expired(&mut state, request);
        Ok(expired.or_else(|| self.claim_queued(&mut state, request)))
    }

    async fn heartbeat(&self, lease: Lease, prolong: Duration) -> Result<Heartbeat, StoreError> {
        let mut state = self.state();
        let entry = state.leased(lease)?;
        entry.lease_expires_at = Some(Instant::now() + prolong);
        Ok(Heartbeat { cancel_requested: entry.job.cancel_requested })
    }

    async fn append(&self, lease: Lease, batch: &EventBatch) -> Result<Appended, StoreError> {
        let mut state = self.state();
        let entry = state.leased(lease)?;
        let stands = entry.last_seq();
        if stands == batch.after {
            self.log(entry, batch.events.iter().cloned());
            if let Some(progress) = &batch.progress {
                entry.job.progress = progress.clone();
            }
        } else if i64::try_from(batch.events.len()).ok().and_then(|count| batch.after.checked_add(count)) != Some(stands) {
            return Err(StoreError::Conflict(format!("the log stands at {stands}, not at {}", batch.after)));
        }
        Ok(Appended { last_seq: entry.last_seq(), cancel_requested: entry.job.cancel_requested })
    }

    async fn finish(&self, lease: Lease, outcome: JobOutcome, retry_after: Duration) -> Result<Job, StoreError> {
        let mut state = self.state();
        let entry = state.leased(lease)?;
        let end = entry.job.end_of_run(outcome);
        self.end(entry, end, Some(retry_after));
        Ok(entry.job.clone())
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        let mut state = self.state();
        let entry = state.leased(lease)?;
        let end = entry.job.end_of_released_run();
        entry.job.attempt = entry.job.attempt.saturating_sub(1);
        self.end(entry, end, None);
        Ok(())
    }

    async fn state_of(&self, lease: Lease) -> Result<JobState, StoreError> {
        self.state().jobs.get(&lease.job_id).map(|entry| entry.job.state).ok_or(StoreError::NotFound)
    }

    async fn request_cancel(&self, caller: &Caller, id: JobId) -> Result<Job, StoreError> {
        let mut state = self.state();
        let entry = state.owned(caller, id)?;
        match entry.job.state {
            JobState::Succeeded | JobState::Failed | JobState::Cancelled => {}
            JobState::Queued => self.end(entry, RunEnd::cancelled(), None),
            JobState::Running => {
                entry.job.cancel_requested = true;
                self.signals.job_changed(id);
            }
        }
        Ok(entry.job.clone())
    }

    async fn find(&self, caller: &Caller, id: JobId) -> Result<Job, StoreError> {
        self.state().owned(caller, id).map(|entry| entry.job.clone())
    }

    async fn list(&self, caller: &Caller, filter: JobFilter) -> Result<Vec<Job>, StoreError> {
        let state = self.state();
        if let Some(project) = filter.project_id {
            state.require_project(caller.user_id, project)?;
        }
        let jobs = state.jobs.values().map(|entry| &entry.job).filter(|job| {
            job.owner_id == caller.user_id
                && filter.project_id.is_none_or(|project| job.project_id == Some(project))
                && filter.before.is_none_or(|before| (job.created_at, job.id) < before)
        });
        let mut jobs: Vec<Job> = jobs.cloned().collect();
        jobs.sort_by_key(|job| std::cmp::Reverse((job.created_at, job.id)));
        jobs.truncate(filter.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
        Ok(jobs)
    }

    async fn events(&self, caller: &Caller, id: JobId, after: i64, limit: u32) -> Result<Vec<JobEvent>, StoreError> {
        let mut state = self.state();
        let events = &state.owned(caller, id)?.events;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut bytes = 0_usize;
        let fits = |event: &&JobEvent| {
            let before = bytes;
            bytes = bytes.saturating_add(event.data.to_string().len());
            before < STRETCH_BYTES_MAX
        };
        Ok(events.iter().filter(|event| event.seq > after).take(limit).take_while(fits).cloned().collect())
    }
}
