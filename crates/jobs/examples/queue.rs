//! Embeds the queue without the server: a store in memory, a handler, a pool, and somebody who follows.
//!
//! Run with `cargo run -p gristmill-jobs --example queue`.

use std::{io::Write, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::StreamExt;
use gristmill_domain::{
    Caller, ErrorCode, JobId, Scope, SessionId, UserId,
    caller::Credential,
    jobs::{JobError, JobKind, JobOutcome, JobProgress, NewJob, NewJobEvent},
    ports::JobStore,
    users::UserRole,
};
use gristmill_jobs::{
    JobContext, JobHandler, JobReader, JobVerdict, Signals, Tasks, WorkerOptions, WorkerPool, memory::MemoryJobStore,
};
use serde_json::{Value, json};

/// Grinds a sack of grain, and stumbles at its first attempt.
#[derive(Debug)]
struct Miller;

#[async_trait]
impl JobHandler for Miller {
    fn kind(&self) -> JobKind {
        JobKind::Probe
    }

    async fn run(&self, context: JobContext) -> JobVerdict {
        let sacks = context.job().payload.get("sacks").and_then(Value::as_u64).unwrap_or(0);
        for sack in 1..=sacks {
            tokio::select! {
                () = context.stop_token().cancelled() => return JobVerdict::Stopped,
                () = tokio::time::sleep(Duration::from_millis(150)) => {}
            }
            if sack == 2 && context.job().attempt == 1 {
                let error = JobError::new(ErrorCode::Internal, "The stone slipped.");
                return JobVerdict::Finished(JobOutcome::Retry(error));
            }
            context.events().progress(JobProgress { fraction: None, message: Some(format!("{sack} of {sacks} sacks")) });
            if context.events().push_delta(NewJobEvent::new("ground", json!({ "sack": sack }))).await.is_err() {
                return JobVerdict::Stopped;
            }
        }
        JobVerdict::Finished(JobOutcome::Succeeded(json!({ "sacks": sacks })))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (tasks, signals) = (Tasks::new(), Signals::default());
    let store: Arc<dyn JobStore> = Arc::new(MemoryJobStore::new(signals.clone()));
    let pool = WorkerPool::start(&tasks, Arc::clone(&store), signals.clone(), vec![Arc::new(Miller)], WorkerOptions::default());

    let owner = Caller {
        user_id: UserId::random(),
        role: UserRole::User,
        email_verified: true,
        credential: Credential::Session(SessionId::random()),
        scope: Scope::Write,
    };
    let job = NewJob {
        id: JobId::random(),
        kind: JobKind::Probe,
        owner_id: owner.user_id,
        project_id: None,
        payload: json!({ "sacks": 5 }),
        attempts_max: 3,
        idempotency_key: Some("this morning's grain".to_owned()),
    };
    let (job, _) = store.submit(job).await?;

    let mut out = std::io::stdout().lock();
    let mut events = std::pin::pin!(JobReader::new(store, signals).follow(owner, job.id, 0));
    while let Some(event) = events.next().await {
        let event = event?;
        writeln!(out, "{:>3}  {:<14} {}", event.seq, event.event_type, event.data)?;
    }
    pool.shutdown(Duration::from_secs(5)).await;
    tasks.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
