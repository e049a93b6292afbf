//! The job queue on PostgreSQL: the suite that every store passes, what only this store does, and the engine on top.

mod engine;
mod notices;
mod pruning;

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use async_trait::async_trait;
use gristmill_domain::{Caller, ProjectId, UserId, ports::JobStore};
use gristmill_persistence::{Database, DatabaseOptions, repo::jobs::Jobs};
use gristmill_testkit::{
    job_store_suite::{JobStoreEnvironment, caller_for},
    pg::TestDatabase,
};

/// A store on a database of its own.
struct Environment {
    client: tokio_postgres::Client,
    jobs: Jobs,
    // Last: it is dropped when nobody is connected any more.
    database: TestDatabase,
}

async fn environment() -> Environment {
    let database = TestDatabase::create().await.unwrap();
    let client = database.client().await.unwrap();
    let jobs = Jobs::new(Database::connect(&DatabaseOptions::new(database.url().clone())).await.unwrap());
    Environment { client, jobs, database }
}

#[async_trait]
impl JobStoreEnvironment for Environment {
    fn store(&self) -> Arc<dyn JobStore> {
        Arc::new(self.jobs.clone())
    }

    async fn caller(&self) -> Result<Caller> {
        let user = UserId::random();
        let sql = "insert into users (user_id, email, password_hash, name, email_verified)
                   values ($1::text::uuid, $1::text || '@example.org', '', 'A user', true)";
        self.client.execute(sql, &[&user.to_string()]).await?;
        Ok(caller_for(user))
    }

    async fn project(&self, owner: &Caller) -> Result<ProjectId> {
        let project = ProjectId::random();
        let sql = "insert into projects (project_id, owner_id, name, icon, color, metadata)
                   values ($1::text::uuid, $2::text::uuid, 'A project', 'i', 'c', '{}')";
        self.client.execute(sql, &[&project.to_string(), &owner.user_id.to_string()]).await?;
        Ok(project)
    }

    async fn pass(&self, duration: Duration) -> Result<()> {
        // Time cannot be moved in PostgreSQL, so what it is compared with is moved the other way.
        let sql = "update jobs set run_after = run_after - $1 * interval '1 second',
                                   lease_expires_at = lease_expires_at - $1 * interval '1 second'
                   where state in ('queued', 'running')";
        self.client.execute(sql, &[&duration.as_secs_f64()]).await?;
        Ok(())
    }
}

gristmill_testkit::job_store_suite!([tokio::test(flavor = "multi_thread")], environment);
