//! The store in memory does what every store must.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use async_trait::async_trait;
use gristmill_domain::{Caller, ProjectId, UserId, ports::JobStore};
use gristmill_jobs::{Signals, memory::MemoryJobStore};
use gristmill_testkit::job_store_suite::{JobStoreEnvironment, caller_for, new_job};

struct Environment {
    store: MemoryJobStore,
}

#[expect(clippy::unused_async, reason = "the suite awaits it: other stores take time to make")]
async fn environment() -> Environment {
    Environment { store: MemoryJobStore::new(Signals::default()) }
}

#[async_trait]
impl JobStoreEnvironment for Environment {
    fn store(&self) -> Arc<dyn JobStore> {
        Arc::new(self.store.clone())
    }

    async fn caller(&self) -> Result<Caller> {
        Ok(caller_for(UserId::random()))
    }

    async fn project(&self, owner: &Caller) -> Result<ProjectId> {
        let project = ProjectId::random();
        self.store.add_project(project, owner.user_id);
        Ok(project)
    }

    async fn pass(&self, duration: Duration) -> Result<()> {
        tokio::time::advance(duration).await;
        Ok(())
    }
}

gristmill_testkit::job_store_suite!([tokio::test(start_paused = true)], environment);

#[tokio::test(start_paused = true)]
async fn forgets_old_ended_jobs_and_nothing_else() {
    let environment = environment().await;
    let (store, owner) = (&environment.store, environment.caller().await.unwrap());
    let (old, _) = store.submit(new_job(&owner)).await.unwrap();
    store.request_cancel(&owner, old.id).await.unwrap();
    let (waiting, _) = store.submit(new_job(&owner)).await.unwrap();
    tokio::time::advance(Duration::from_secs(3600)).await;
    let (recent, _) = store.submit(new_job(&owner)).await.unwrap();
    let finished_at = store.request_cancel(&owner, recent.id).await.unwrap().finished_at.unwrap();
    assert_eq!(store.prune(finished_at), 1);
    assert!(store.find(&owner, old.id).await.is_err());
    assert!(store.find(&owner, waiting.id).await.is_ok() && store.find(&owner, recent.id).await.is_ok());
}
