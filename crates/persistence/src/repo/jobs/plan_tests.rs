//! How PostgreSQL runs the hot statements: through which indexes, and what they lock.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::Text,
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, JobId, ProjectId, Scope, SessionId, UserId,
    caller::Credential,
    jobs::{JobKind, Lease, NewJobEvent, RunEnd},
    ports::{ClaimRequest, EventBatch, JobFilter, StoreError},
    users::UserRole,
};
use gristmill_testkit::pg::TestDatabase;
use serde_json::json;

use super::{EndOptions, JobRow, listed, owned, statements};
use crate::{Database, DatabaseOptions, database::DbError, repo::statement::Statement};

/// `explain` before a statement.
struct Explained<Q>(Q);

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for Explained<Q> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.unsafe_to_cache_prepared();
        pass.push_sql("explain ");
        self.0.walk_ast(pass.reborrow())
    }
}

impl<Q> QueryId for Explained<Q> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q> Query for Explained<Q> {
    type SqlType = Text;
}

/// A database with a history: many jobs that ended, one owner with a long queue, many with short ones.
struct Populated {
    database: Database,
    caller: Caller,
    project: ProjectId,
    job: JobId,
    client: tokio_postgres::Client,
    // Last: it is dropped when nobody is connected any more.
    _test: TestDatabase,
}

async fn populated() -> Populated {
    let test = TestDatabase::create().await.unwrap();
    let client = test.client().await.unwrap();
    client
        .batch_execute(
            "insert into users (user_id, email, password_hash, name, email_verified)
             select gen_random_uuid(), number || '@example.org', '', 'A user', true from generate_series(1, 50) as number;
             insert into projects (project_id, owner_id, name, icon, color, metadata)
             select gen_random_uuid(), user_id, 'A project', 'i', 'c', '{}' from users;
             create temporary table numbered as
             select user_id, project_id, row_number() over (order by email) as number
             from users join projects on owner_id = user_id;
             insert into jobs (job_id, kind, owner_id, project_id, state, payload, attempts_max, finished_at, created_at)
             select gen_random_uuid(), 'probe', user_id, project_id, 'succeeded', '{}', 1, at, at
             from numbered
             cross join lateral (
                 select now() - number * hour * interval '1 hour' as at from generate_series(1, 400) as hour
             ) as ends;
             insert into jobs (job_id, kind, owner_id, state, payload, attempts_max)
             select gen_random_uuid(), 'probe', user_id, 'queued', '{}', 1
             from numbered cross join lateral generate_series(1, case when number = 1 then 2000 else 4 end);
             insert into jobs (job_id, kind, owner_id, state, payload, attempts_max, attempt, lease_epoch, lease_expires_at)
             select gen_random_uuid(), 'probe', user_id, 'running', '{}', 1, 1, 1, now() + interval '30 s'
             from numbered where number <= 8;
             insert into job_events (job_id, seq, event_type, data)
             select job_id, seq, 'x', '{}' from (select job_id from jobs limit 500) as some_jobs
             cross join lateral generate_series(1, 100) as seq;
             analyze",
        )
        .await
        .unwrap();
    let row = client
        .query_one("select user_id::text, project_id::text, job_id::text from numbered join jobs using (project_id) limit 1", &[])
        .await
        .unwrap();
    let id = |column: usize| row.get::<_, String>(column).parse::<uuid::Uuid>().unwrap();
    let caller = Caller {
        user_id: UserId(id(0)),
        role: UserRole::User,
        email_verified: true,
        credential: Credential::Session(SessionId::random()),
        scope: Scope::Account,
    };
    let database = Database::connect(&DatabaseOptions::new(test.url().clone())).await.unwrap();
    Populated { database, caller, project: ProjectId(id(1)), job: JobId(id(2)), client, _test: test }
}

impl Populated {
    /// Fails unless a written-out statement uses the indexes, in the plan that holds for any values: the one that
    /// PostgreSQL keeps with a prepared statement.
    async fn check(&self, name: &str, indexes: &[&str], statement: Statement<'_>) {
        let values = vec!["null"; statement.values.len()].join(", ");
        let prepare = format!("set plan_cache_mode = force_generic_plan; prepare checked as {}", statement.sql);
        self.client.batch_execute(&prepare).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let lines = self.client.query(&format!("explain execute checked ({values})"), &[]).await.unwrap();
        self.client.batch_execute("deallocate checked").await.unwrap();
        let lines: Vec<String> = lines.iter().map(|row| row.get(0)).collect();
        assert_plan(name, indexes, &lines);
    }

    /// The same for a query that Diesel builds.
    async fn check_built<Q>(&self, name: &str, indexes: &[&str], query: Q)
    where
        Q: QueryFragment<Pg> + Send,
    {
        let mut connection = self.database.connection().await.unwrap();
        let lines: Vec<String> = Explained(query).load(&mut connection).await.unwrap();
        assert_plan(name, indexes, &lines);
    }
}

/// Fails unless the plan uses the indexes and reads no table from end to end.
fn assert_plan(name: &str, indexes: &[&str], lines: &[String]) {
    let plan = lines.join("\n");
    for index in indexes {
        assert!(plan.contains(index), "{name} does not use {index}:\n{plan}");
    }
    assert!(!plan.contains("Seq Scan on job"), "{name} reads a whole table:\n{plan}");
}

const KINDS: &[JobKind] = &JobKind::ALL;

fn request() -> ClaimRequest<'static> {
    ClaimRequest { worker: "test", kinds: KINDS, lease: Duration::from_secs(30), owner_running_max: Some(100) }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hot_statements_use_their_indexes() {
    let populated = populated().await;
    let Populated { caller, project, job, .. } = &populated;
    let lease = Lease { job_id: *job, epoch: 1 };
    let batch = EventBatch { after: 0, events: vec![NewJobEvent::new("x", json!({}))], progress: None };
    let long_ago = DateTime::<Utc>::from_timestamp(0, 0).unwrap();
    let before = Some((long_ago, *job));
    let next_page = JobFilter { before, limit: Some(20), project_id: None };

    populated.check("expired", &["jobs_running_idx"], statements::expired(KINDS)).await;
    let indexes = ["jobs_queued_idx", "jobs_running_idx"];
    populated.check("next queued", &indexes, statements::next_queued(&request())).await;
    populated.check("start", &["jobs_pkey"], statements::start(*job, &request())).await;
    populated.check("end", &["jobs_pkey"], statements::end(*job, RunEnd::cancelled(), EndOptions::default())).await;
    populated.check("fence", &["jobs_pkey"], statements::fence(lease)).await;
    populated.check("heartbeat", &["jobs_pkey"], statements::heartbeat(lease, Duration::from_secs(30))).await;
    populated.check("append", &["jobs_pkey"], statements::append(lease, &batch)).await;
    populated.check("log position", &["jobs_pkey"], statements::log_position(lease)).await;
    populated.check("events", &["jobs_pkey", "job_events_pkey"], statements::events(caller, *job, 50, 20)).await;
    populated.check("prune", &["jobs_finished_idx", "jobs_pkey"], statements::prune(long_ago)).await;
    populated.check_built("find", &["jobs_pkey"], owned(caller, *job)).await;
    let first_page = JobFilter { limit: Some(20), ..JobFilter::default() };
    populated.check_built("list", &["jobs_owner_idx"], listed(caller, &first_page)).await;
    populated.check_built("next page", &["jobs_owner_idx"], listed(caller, &next_page)).await;
    let of_project = JobFilter { project_id: Some(*project), ..next_page };
    populated.check_built("list of a project", &["jobs_project_idx"], listed(caller, &of_project)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_locks_one_job() {
    let populated = populated().await;
    let mut claiming = populated.database.connection().await.unwrap();
    let mut other = populated.database.connection().await.unwrap();
    let unlocked = "select job_id::text from jobs where state = 'queued' for update skip locked";
    #[derive(diesel::QueryableByName)]
    struct Unlocked {
        #[diesel(sql_type = Text)]
        job_id: String,
    }
    let locked = claiming
        .transaction(async |connection| {
            let row: JobRow = statements::next_queued(&request()).get_result(connection).await?;
            let free: Vec<Unlocked> = diesel::sql_query(unlocked).load(&mut other).await?;
            let own = row.lease().job_id.to_string();
            assert!(free.iter().all(|job| job.job_id != own), "the job that was claimed is not locked");
            Ok::<usize, DbError>(2000 + 49 * 4 - free.len())
        })
        .await
        .map_err(StoreError::from)
        .unwrap();
    assert_eq!(locked, 1);
}
